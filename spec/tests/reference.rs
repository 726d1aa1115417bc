//! The reference against what it describes: defaults as `lower` applies them.
#![expect(clippy::unwrap_used, reason = "a test whose example cannot be read must fail")]

use std::collections::BTreeMap;
use std::path::Path;

use archgen_spec::reference::{Default, language, pages};
use archgen_spec::source::{FileId, Node, Value, parse};
use archgen_spec::{Loaded, OriginSource, ReadError, load};

fn example(spec: &str, environment: Option<&str>) -> Loaded {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(spec);
    let folder = path.parent().unwrap().to_owned();
    let text = std::fs::read_to_string(&path).unwrap();
    let read = |relative: &str| std::fs::read_to_string(folder.join(relative)).map_err(|_| ReadError::Missing);
    load(spec, text, environment, &read, &|_| None)
}

#[test]
fn defaults_are_documented_as_they_are_applied() {
    let mut wrong = Vec::new();
    let mut compared = 0;
    for (spec, environment) in
        [("slack/topology.yaml", None), ("slack/topology.yaml", Some("dev")), ("minimal/topology.yaml", None)]
    {
        let loaded = example(spec, environment);
        for (path, origin) in loaded.origins.iter() {
            let OriginSource::Default(reason) = &origin.source else { continue };
            let key = language().split(path).and_then(|names| language().at(&names));
            let Some(key) = key else {
                wrong.push(format!("{path}: a default of no key"));
                continue;
            };
            compared += 1;
            match key.entry.default {
                Default::Value(shown, why) if shown == origin.value && why == *reason => {}
                Default::Derived(_) => {}
                documented => {
                    wrong.push(format!("{path}: `{}` ({reason}), documented as {documented:?}", origin.value))
                }
            }
        }
    }
    wrong.sort();
    wrong.dedup();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(compared > 50, "only {compared} defaults were compared");
}

/// Regenerates every page, writes those that differ, and fails where one differed: run it again and commit them.
#[test]
fn the_committed_pages_are_what_the_reference_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference");
    let pages: BTreeMap<String, String> = pages().into_iter().collect();
    let mut stale = Vec::new();
    for (name, text) in &pages {
        if std::fs::read_to_string(folder.join(name)).ok().as_deref() != Some(text) {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join(name), text).unwrap();
            stale.push(name.clone());
        }
    }
    let there = std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned());
    stale.extend(there.filter(|name| !pages.contains_key(name)).map(|name| format!("{name} (no page any more)")));
    assert!(stale.is_empty(), "docs/reference was stale and has been written again; commit it: {stale:?}");
}

/// Every path of a tree, as a person writes it, with whether a plain value stands there.
fn paths(node: &Node, path: &str, all: &mut Vec<(String, bool)>) {
    for entry in node.entries() {
        let here = if path.is_empty() { entry.key.text.clone() } else { format!("{path}.{}", entry.key.text) };
        all.push((here.clone(), matches!(entry.value.value, Value::Scalar { .. })));
        paths(&entry.value, &here, all);
    }
    if let Value::Sequence(items) = &node.value {
        for (index, item) in items.iter().enumerate() {
            paths(item, &format!("{path}[{index}]"), all);
        }
    }
}

#[test]
fn every_path_of_the_examples_is_explained_with_its_value_and_place() {
    let (mut explained, mut placed) = (0, 0);
    for spec in ["slack/topology.yaml", "minimal/topology.yaml"] {
        let loaded = example(spec, None);
        let root = parse(FileId(0), loaded.sources.text(FileId(0)), &mut Vec::new()).unwrap();
        let mut all = Vec::new();
        paths(&root, "", &mut all);
        for (path, plain) in all {
            let text = language().explain(&path, Some(&loaded)).unwrap_or_else(|why| panic!("{path}: {why}"));
            assert!(text.contains("type ") && text.contains("example "), "{path}: {text}");
            if plain {
                let origin = loaded.origins.get(&path).unwrap_or_else(|| panic!("{path} has no origin"));
                let place = origin.place(&loaded.sources);
                assert!(text.contains(&origin.value) && text.contains(&place), "{path} at {place}: {text}");
                placed += 1;
            }
            explained += 1;
        }
    }
    println!("{explained} paths are explained, {placed} of them with value and place");
    assert!(explained > 300 && placed > 150, "{explained} paths, {placed} values");
}
