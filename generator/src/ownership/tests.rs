//! Every case of ownership.

use std::collections::BTreeMap;

use super::*;
use crate::Artifacts;

fn artifacts(files: &[(&str, &str)]) -> Artifacts {
    Artifacts { files: files.iter().map(|(p, t)| ((*p).to_owned(), (*t).to_owned())).collect() }
}

fn disk(files: &[(&str, &str)]) -> BTreeMap<String, String> {
    files.iter().map(|(p, t)| ((*p).to_owned(), content_hash(t.as_bytes()))).collect()
}

#[test]
fn first_run_writes_and_second_run_writes_nothing() {
    let new = artifacts(&[("a", "1"), ("b", "2")]);
    let first = reconcile(None, &BTreeMap::new(), &Manifest::of(&new), false);
    assert_eq!(first, WritePlan { write: vec!["a".into(), "b".into()], ..WritePlan::default() });
    let second = reconcile(Some(&Manifest::of(&new)), &disk(&[("a", "1"), ("b", "2")]), &Manifest::of(&new), false);
    assert_eq!(second, WritePlan { unchanged: vec!["a".into(), "b".into()], ..WritePlan::default() });
}

#[test]
fn edited_and_foreign_files_are_refused_unless_forced() {
    let manifest = Manifest::of(&artifacts(&[("ours", "1"), ("edited", "1"), ("gone", "1"), ("gone-edited", "1")]));
    let on_disk =
        disk(&[("ours", "1"), ("edited", "x"), ("foreign", "x"), ("gone", "1"), ("gone-edited", "x"), ("else", "x")]);
    let new = artifacts(&[("ours", "2"), ("edited", "2"), ("foreign", "2")]);
    let plan = reconcile(Some(&manifest), &on_disk, &Manifest::of(&new), false);
    assert_eq!(plan.write, ["ours"]);
    assert_eq!(plan.remove, ["gone"]);
    assert_eq!(plan.refused, ["edited", "foreign", "gone-edited"]);
    let forced = reconcile(Some(&manifest), &on_disk, &Manifest::of(&new), true);
    assert_eq!(forced.write, ["edited", "foreign", "ours"]);
    assert_eq!(forced.remove, ["gone", "gone-edited"]);
    assert!(forced.refused.is_empty());
}

#[test]
fn a_foreign_file_that_is_already_right_is_left_alone() {
    let plan = reconcile(None, &disk(&[("a", "1")]), &Manifest::of(&artifacts(&[("a", "1")])), false);
    assert_eq!(plan.unchanged, ["a"]);
}

#[test]
fn manifests_come_back() {
    let manifest = Manifest::of(&artifacts(&[("a/b", "1")]));
    assert_eq!(Manifest::parse(&manifest.text()), Some(manifest));
    assert_eq!(Manifest::parse("{}"), None);
}
