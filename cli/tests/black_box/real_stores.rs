//! Stores on real engines, as the command line speaks of them before anything starts.

use std::fs;

use super::program::{archgen, command};

fn spec(store: &str) -> String {
    format!(
        "archgen: v1\nname: town\nsecrets: {{ pg: \"env:ARCHGEN_TEST_NO_SUCH_VARIABLE\" }}\nstores:\n  users: {{ kind: postgres, version: \"15\", {store} }}\n  cache: {{ kind: redis, embedded: true }}\n"
    )
}

#[test]
fn a_store_that_cannot_run_is_named_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("topology.yaml"), spec("")).unwrap();
    let given = archgen(folder.path(), &["up", "topology.yaml"]);
    assert_eq!(given.status, 69);
    assert!(
        given.notes.contains("AG090") && given.notes.contains("stores.users: nothing to run on"),
        "{}",
        given.notes
    );
    assert!(!folder.path().join(".archgen").exists(), "nothing was made");
}

#[test]
fn a_driver_that_is_not_built_in_is_named_by_its_feature_and_a_secret_that_is_not_there_by_its_variable() {
    let folder = tempfile::tempdir().unwrap();
    let real = "endpoint: \"127.0.0.1:1\", credentials: { user: town, password: secret:pg }";
    fs::write(folder.path().join("topology.yaml"), spec(real)).unwrap();
    archgen(folder.path(), &["check", "topology.yaml"]).ok();
    let given = archgen(folder.path(), &["up", "topology.yaml"]);
    assert_eq!(given.status, 69);
    // Which of the two is said depends on how this program was built.
    let not_built =
        given.notes.contains("this build has no postgres driver") && given.notes.contains("--features postgres");
    let no_secret = given.notes.contains("store `users` needs the secret `pg`")
        && given.notes.contains("ARCHGEN_TEST_NO_SUCH_VARIABLE");
    assert!(not_built != no_secret, "{}", given.notes);
}

#[test]
fn a_managed_server_whose_program_is_missing_is_named_before_anything_starts() {
    let folder = tempfile::tempdir().unwrap();
    let text = spec("embedded: true").replace(
        "cache: { kind: redis, embedded: true }",
        "cache: { kind: redis, version: \"7.0\", managed: true, credentials: { user: archgen, password: secret:pg } }",
    );
    fs::write(folder.path().join("topology.yaml"), text).unwrap();
    archgen(folder.path(), &["check", "topology.yaml"]).ok();
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let output = command(folder.path(), &["up", "topology.yaml"]).env("PATH", &empty).output().unwrap();
    assert_eq!(output.status.code(), Some(69));
    let notes = String::from_utf8(output.stderr).unwrap();
    let missing = "stores.cache: there is no program `redis-server` in PATH";
    assert!(notes.contains(missing) && notes.contains("Debian's package is `redis-server`"), "{notes}");
    assert!(!folder.path().join(".archgen").exists(), "nothing was made");
}
