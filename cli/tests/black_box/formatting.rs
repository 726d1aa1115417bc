//! `archgen fmt` and `archgen migrate`.

use std::{fs, io::Write, path::Path, process::Stdio, time::SystemTime};

use super::program::{archgen, command, project};

/// A copy of the reference spec, with some of its layout spoilt.
fn spoilt(folder: &Path) -> String {
    fs::create_dir(folder.join("env")).unwrap();
    for file in ["topology.yaml", "env/dev.yaml", "env/sim.yaml", "env/prod.yaml"] {
        fs::copy(project("examples/slack").join(file), folder.join(file)).unwrap();
    }
    let path = folder.join("topology.yaml");
    let tidy = fs::read_to_string(&path).unwrap();
    let text = tidy.replace("{ to: user }", "{to:   user}").replace("  kind: nginx\n  version", "  # kept\n  version");
    let text = text.replace("  tls: secret:tls\n", "  tls: secret:tls\n  kind: nginx\n");
    fs::write(&path, &text).unwrap();
    tidy.replace("  version: \"1.22\"\n", "  # kept\n  version: \"1.22\"\n")
}

fn changed(path: &Path) -> SystemTime {
    fs::metadata(path).unwrap().modified().unwrap()
}

#[test]
fn fmt_writes_the_canonical_form_and_touches_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let tidy = spoilt(folder.path());
    let overlay = folder.path().join("env/dev.yaml");
    let before = changed(&overlay);
    let given = archgen(folder.path(), &["fmt", "topology.yaml", "--check"]);
    assert_eq!((given.status, given.out.as_str()), (1, "topology.yaml\n"));
    let given = archgen(folder.path(), &["fmt", "topology.yaml"]).ok();
    assert_eq!(given.out, "formatted topology.yaml\n");
    assert_eq!(fs::read_to_string(folder.path().join("topology.yaml")).unwrap(), tidy);
    assert_eq!(changed(&overlay), before, "a formatted overlay is not written");
    assert_eq!(archgen(folder.path(), &["fmt", "topology.yaml"]).ok().out, "", "a second time changes nothing");
    archgen(folder.path(), &["fmt", "--check", "topology.yaml"]).ok();
}

#[test]
fn fmt_lists_every_file_and_formats_the_overlays_that_a_spec_declares() {
    let folder = tempfile::tempdir().unwrap();
    spoilt(folder.path());
    fs::write(folder.path().join("env/dev.yaml"), "gateway:   {embedded: true}\n").unwrap();
    fs::write(folder.path().join("other.yaml"), "name:  a\n").unwrap();
    let given = archgen(folder.path(), &["fmt", "--check", "topology.yaml", "other.yaml", "none.yaml"]);
    assert_eq!((given.status, given.out.as_str()), (71, "topology.yaml\nenv/dev.yaml\nother.yaml\n"));
    assert!(given.notes.contains("cannot read `none.yaml`"), "{}", given.notes);
    archgen(folder.path(), &["fmt", "topology.yaml"]).ok();
    let overlay = fs::read_to_string(folder.path().join("env/dev.yaml")).unwrap();
    assert_eq!(overlay, "gateway: { embedded: true }\n");
}

#[test]
fn fmt_reads_standard_input() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, status, expect) in
        [(&["fmt", "-"][..], 0, "archgen: v1\nname: a\n"), (&["fmt", "-", "--check"], 1, "<stdin>\n")]
    {
        let mut child = command(folder.path(), arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(b"name:   a\narchgen: v1").unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), String::from_utf8(output.stdout).unwrap().as_str()), (Some(status), expect));
    }
}

#[test]
fn fmt_leaves_faulty_files_alone() {
    let folder = tempfile::tempdir().unwrap();
    for text in ["name: [a\n", "a:   1\na: 2\n", "a: &x 1\n"] {
        fs::write(folder.path().join("a.yaml"), text).unwrap();
        let given = archgen(folder.path(), &["fmt", "a.yaml"]);
        assert!(given.status == 1 && given.notes.contains("left as it is"), "{}", given.notes);
        assert!(given.notes.contains("a.yaml:"), "{}", given.notes);
        assert_eq!(fs::read_to_string(folder.path().join("a.yaml")).unwrap(), text);
    }
}

#[test]
fn migrate_moves_a_draft_with_its_overlay_and_keeps_every_comment() {
    let folder = tempfile::tempdir().unwrap();
    let draft = "# A draft, from before the first version.\nname: a   # its name\nzones: [eu]\nservices:\n  # mine\n  own:\n    \
                 kind: process\n    port: 9700\n    command: [./own]\n    environment: { A: b } # what it reads\n  user: { port: \
                 9300, depends_on: [own] }\nenvironments: { dev: dev.yaml }\n";
    let overlay = "# less\nservices:\n  own: { instances: 1 } # one\n";
    fs::write(folder.path().join("a.yaml"), draft).unwrap();
    fs::write(folder.path().join("dev.yaml"), overlay).unwrap();
    assert_eq!(archgen(folder.path(), &["check", "a.yaml"]).status, 1);
    let dry = archgen(folder.path(), &["migrate", "a.yaml", "--dry-run"]).ok();
    assert!(dry.out.contains("would move AG018") && dry.out.contains("+archgen: v1"), "{}", dry.out);
    assert_eq!(fs::read_to_string(folder.path().join("a.yaml")).unwrap(), draft, "a dry run writes nothing");

    archgen(folder.path(), &["migrate", "a.yaml"]).ok();
    let expect = draft
        .replace("name: a ", "archgen: v1\nname: a ")
        .replace("environment: {", "env: {")
        .replace("depends_on", "needs");
    assert_eq!(fs::read_to_string(folder.path().join("a.yaml")).unwrap(), expect);
    let moved = fs::read_to_string(folder.path().join("dev.yaml")).unwrap();
    assert_eq!(moved, overlay.replace("instances", "replicas"));
    archgen(folder.path(), &["check", "a.yaml", "--env", "dev"]).ok();
    let again = archgen(folder.path(), &["migrate", "a.yaml"]).ok();
    assert!(again.out.is_empty() && again.notes.contains("nothing to move"), "{}{}", again.out, again.notes);
}

#[test]
fn migrate_reports_what_has_no_certain_successor() {
    let folder = tempfile::tempdir().unwrap();
    let text = "archgen: v9\nname: a\nservices: { user: { port: 9300, volumes: [x] } }\n";
    fs::write(folder.path().join("a.yaml"), text).unwrap();
    let given = archgen(folder.path(), &["migrate", "a.yaml"]);
    assert_eq!(given.status, 1);
    assert!(given.notes.contains("`v1`") && given.notes.contains("volumes"), "{}", given.notes);
    assert_eq!(fs::read_to_string(folder.path().join("a.yaml")).unwrap(), text);
}
