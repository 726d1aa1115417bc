//! Commands that only read a spec, and wrong use.

use std::{collections::BTreeMap, fs, path::Path, time::SystemTime};

use super::program::{archgen, project};

fn here() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn wrong_use_ends_with_64_and_a_suggestion() {
    let folder = here();
    let given = archgen(folder.path(), &["chek", "x.yaml"]);
    assert_eq!(given.status, 64);
    assert!(given.notes.contains("'check'") && given.notes.contains("Usage"), "{}", given.notes);
    let given = archgen(folder.path(), &["check", "--formt", "json", "x.yaml"]);
    assert_eq!(given.status, 64);
    assert!(given.notes.contains("--format"), "{}", given.notes);
    for wrong in [&[][..], &["check"], &["wait", "--healthy", "--timeout", "soon"], &["explain", "AG999"]] {
        let given = archgen(folder.path(), wrong);
        assert_eq!(given.status, 64, "{wrong:?}: {}", given.notes);
        assert!(given.notes.contains("Usage") || given.notes.contains("write `"), "{}", given.notes);
        assert!(given.out.is_empty(), "data only on standard output: {}", given.out);
    }
    assert!(archgen(folder.path(), &["--help"]).ok().out.contains("archgen up examples/slack/topology.yaml"));
}

#[test]
fn check_reports_every_spec_as_one_json_document() {
    let broken = project("examples/broken/dangling.yaml");
    let cycle = project("examples/broken/cycle.yaml");
    let arguments = ["check", "--format", "json", broken.to_str().unwrap(), cycle.to_str().unwrap()];
    let given = archgen(here().path(), &arguments);
    assert_eq!(given.status, 1);
    let report = given.json();
    assert_eq!(report["version"], 1);
    let diagnostics = report["diagnostics"].as_array().unwrap();
    for file in [&broken, &cycle] {
        assert!(diagnostics.iter().any(|d| d["file"] == file.to_str().unwrap()), "{}", file.display());
    }
    for diagnostic in diagnostics {
        for key in ["code", "severity", "message", "help", "file", "related"] {
            assert!(diagnostic.get(key).is_some(), "{key}: {diagnostic}");
        }
        for key in ["line", "column", "end_line", "end_column"] {
            assert!(diagnostic[key].as_u64().unwrap() >= 1, "{key}: {diagnostic}");
        }
    }
}

#[test]
fn check_of_the_reference_spec_in_each_of_its_environments_is_clean() {
    let spec = project("examples/slack/topology.yaml");
    let spec = spec.to_str().unwrap();
    archgen(here().path(), &["check", spec]).ok();
    for environment in ["dev", "sim", "prod", "mixed", "real"] {
        let given = archgen(here().path(), &["check", spec, "--env", environment, "--format", "json"]).ok();
        assert_eq!(given.json()["diagnostics"].as_array().unwrap().len(), 0);
    }
    let given = archgen(here().path(), &["check", spec, "--env", "prd"]);
    assert_eq!(given.status, 1);
    assert!(given.notes.contains("prod"), "did you mean: {}", given.notes);
}

#[test]
fn explain_says_why_and_how() {
    let given = archgen(here().path(), &["explain", "AG001"]).ok();
    assert!(given.out.starts_with("AG001: ") && given.out.contains("before:") && given.out.contains("after:"));
    let list = archgen(here().path(), &["explain", "list"]).ok();
    assert!(list.out.lines().count() > 20 && list.out.lines().all(|l| l.starts_with("AG")));
}

#[test]
fn a_hostile_file_is_refused_at_once() {
    let folder = here();
    fs::write(folder.path().join("large.yaml"), vec![b'a'; 9 << 20]).unwrap();
    fs::write(folder.path().join("deep.yaml"), "[".repeat(100_000)).unwrap();
    for file in ["large.yaml", "deep.yaml"] {
        let given = archgen(folder.path(), &["check", file]);
        assert_eq!(given.status, 1, "{file}: {}", given.notes);
        assert!(given.notes.contains("error[AG"), "{file}: {}", given.notes);
    }
    let given = archgen(folder.path(), &["check", "."]);
    assert_eq!(given.status, 71);
    assert!(given.notes.contains("it is a folder"), "{}", given.notes);
    let given = archgen(folder.path(), &["check", "none.yaml"]);
    assert!(given.status == 71 && given.notes.contains("`none.yaml`"), "{}", given.notes);
}

#[test]
fn a_spec_that_cannot_run_here_starts_nothing_and_writes_nothing() {
    let folder = here();
    let spec = project("examples/slack/topology.yaml");
    let given = archgen(folder.path(), &["up", spec.to_str().unwrap(), "--env", "prod"]);
    assert_eq!(given.status, 69);
    for part in ["stores.chat: nothing to run on", "gateway", "registry"] {
        assert!(given.notes.contains(part), "{part}: {}", given.notes);
    }
    let broken = project("examples/broken/cycle.yaml");
    assert_eq!(archgen(folder.path(), &["up", broken.to_str().unwrap()]).status, 1);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// Every file below a folder with its text and the time of its last change, sorted.
fn tree(folder: &Path) -> BTreeMap<String, (String, SystemTime)> {
    let mut found = BTreeMap::new();
    let mut left = vec![folder.to_owned()];
    while let Some(next) = left.pop() {
        for entry in fs::read_dir(next).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                left.push(entry.path());
            } else {
                let path = entry.path().strip_prefix(folder).unwrap().to_string_lossy().into_owned();
                let text = fs::read_to_string(entry.path()).unwrap();
                found.insert(path, (text, entry.metadata().unwrap().modified().unwrap()));
            }
        }
    }
    found
}

#[test]
fn generate_twice_gives_the_same_bytes_and_touches_nothing() {
    let spec = project("examples/slack/topology.yaml");
    let spec = spec.to_str().unwrap();
    let (here, there) = (here(), here());
    let first = archgen(here.path(), &["generate", spec, "--out", "generated"]).ok();
    let written = tree(&here.path().join("generated"));
    assert!(written.contains_key("plan.json") && written.keys().any(|p| p.starts_with("nginx/")), "{}", first.out);
    assert_eq!(first.out.lines().filter(|l| l.starts_with("wrote")).count(), written.len() - 1, "all but the manifest");

    let again = archgen(here.path(), &["generate", spec, "--out", "generated"]).ok();
    assert!(again.out.is_empty() && again.notes.contains("0 written"), "{}{}", again.out, again.notes);
    assert_eq!(written, tree(&here.path().join("generated")), "neither bytes nor times change");

    archgen(there.path(), &["generate", spec, "--out", "a/b"]).ok();
    let texts = |files: BTreeMap<String, (String, SystemTime)>| files.into_iter().map(|(p, (t, _))| (p, t));
    assert!(texts(written).eq(texts(tree(&there.path().join("a/b")))));
}

#[test]
fn generate_refuses_files_of_others_and_then_writes_nothing() {
    let spec = project("examples/minimal/topology.yaml");
    let spec = spec.to_str().unwrap();
    let folder = here();
    fs::create_dir(folder.path().join("out")).unwrap();
    fs::write(folder.path().join("out/plan.json"), "mine").unwrap();
    let given = archgen(folder.path(), &["generate", spec, "--out", "out"]);
    assert_eq!(given.status, 73);
    assert!(given.notes.contains("out/plan.json"), "{}", given.notes);
    assert_eq!(tree(&folder.path().join("out")).len(), 1);

    archgen(folder.path(), &["generate", spec, "--out", "out", "--force"]).ok();
    let whole = tree(&folder.path().join("out"));
    assert_ne!(whole["plan.json"].0, "mine");
    // A part alone leaves the rest, and the record of the rest.
    archgen(folder.path(), &["generate", spec, "--out", "out", "--only", "nginx,graph"]).ok();
    assert_eq!(whole, tree(&folder.path().join("out")));

    let edited = whole.keys().find(|p| p.starts_with("nginx/")).unwrap();
    fs::write(folder.path().join("out").join(edited), "edited").unwrap();
    let given = archgen(folder.path(), &["generate", spec, "--out", "out"]);
    assert!(given.status == 73 && given.notes.contains(edited), "{}", given.notes);

    let broken = project("examples/broken/cycle.yaml");
    assert_eq!(archgen(folder.path(), &["generate", broken.to_str().unwrap(), "--out", "none"]).status, 1);
    assert!(!folder.path().join("none").exists());
    let given = archgen(folder.path(), &["generate", spec, "--out", "none", "--only", "nginxx"]);
    assert!(given.status == 64 && given.notes.contains("nginx, consul"), "{}", given.notes);
}

#[test]
fn graph_and_shards_print_data() {
    let spec = project("examples/slack/topology.yaml");
    let spec = spec.to_str().unwrap();
    let folder = here();
    assert!(archgen(folder.path(), &["graph", spec]).ok().out.contains("flowchart"));
    assert!(archgen(folder.path(), &["graph", spec, "--format", "dot"]).ok().out.contains("digraph"));
    assert!(archgen(folder.path(), &["shards", spec]).ok().out.contains("chat"));
    let plan = archgen(folder.path(), &["shards", spec, "--format", "json"]).ok().json();
    assert!(plan["stores"]["chat"].is_object(), "{plan}");
    assert_eq!(plan["stores"]["chat"]["zone_losses"][0]["slots_refusing"], 0, "any zone may go");
}

#[test]
fn a_what_if_question_names_what_breaks() {
    let spec = project("examples/slack/topology.yaml");
    let spec = spec.to_str().unwrap();
    let folder = here();
    let survived = archgen(folder.path(), &["shards", spec, "--lose", "node:chat-3"]).ok();
    assert!(survived.out.contains("all promises hold"), "{}", survived.out);
    let two_zones = ["shards", spec, "--lose", "zone:eu-a", "--lose", "zone:eu-b"];
    let broken = archgen(folder.path(), &two_zones);
    assert_eq!(broken.status, 1);
    assert!(broken.out.contains("refused, not lost"), "{}", broken.out);
    let unknown = archgen(folder.path(), &["shards", spec, "--lose", "zone:mars"]);
    assert_eq!(unknown.status, 64);
    assert!(unknown.notes.contains("eu-a"), "it names the zones there are: {}", unknown.notes);
    let wrong = archgen(folder.path(), &["shards", spec, "--load", "much"]);
    assert_eq!(wrong.status, 64);
    assert!(wrong.notes.contains("3x"), "{}", wrong.notes);
}
