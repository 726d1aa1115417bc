//! `archgen lsp`, driven by the stock client of VS Code from npm.

use std::{fs, path::Path, process::Command};

use serde_json::{Value, json};

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// What the client was answered on a copy of the reference spec.
fn session() -> Value {
    let interop = root().join("tests/interop");
    let installed = Command::new(interop.join("install")).status().unwrap();
    assert!(installed.success(), "the client could not be installed");
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("env")).unwrap();
    for file in ["topology.yaml", "env/dev.yaml", "env/sim.yaml", "env/prod.yaml", "env/mixed.yaml", "env/real.yaml"] {
        fs::copy(root().join("examples/slack").join(file), folder.path().join(file)).unwrap();
    }
    let output = Command::new("node")
        .arg(interop.join("language_server.mjs"))
        .arg(env!("CARGO_BIN_EXE_archgen"))
        .arg(folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|v| v.as_str().unwrap()).collect()
}

#[test]
fn a_stock_client_is_served() {
    let answers = session();
    let of = |key: &str| texts(&answers[key]);
    assert_eq!(answers["clean"], 0, "the reference spec has no problem");

    let hover = answers["hover"].as_str().unwrap();
    assert!(hover.starts_with("**`stores.chat.tables.messages.bucket`**"), "{hover}");
    assert!(hover.contains("`auto(100MB)` (") && hover.contains("topology.yaml:"), "{hover}");
    assert_eq!(of("definition").len(), 1);
    let references = of("references");
    assert!(references.iter().filter(|r| r.starts_with("topology.yaml")).count() >= 3, "{references:?}");
    assert!(references.iter().any(|r| r.starts_with("dev.yaml")), "{references:?}");
    assert!(of("symbols").starts_with(&["archgen", "name", "vars"]));
    let hints = of("hints");
    assert!(hints.contains(&"= 156GB a day") && hints.iter().any(|h| h.contains("per primary")), "{hints:?}");

    let rename = answers["rename"].as_object().unwrap();
    assert_eq!(
        rename.keys().map(String::as_str).collect::<Vec<_>>(),
        ["topology.yaml", "dev.yaml", "sim.yaml", "prod.yaml", "mixed.yaml", "real.yaml"]
    );
    assert_eq!(rename["dev.yaml"], 1);
    assert_eq!(answers["refused"], "`blobs` exists already");

    // The open bracket, and the name that is half there: nothing beyond that line.
    let half = of("half");
    assert_eq!(half.iter().map(|h| &h[..5]).collect::<Vec<_>>(), ["AG001", "AG030"], "{half:?}");
    let completion = of("completion");
    assert!(completion.contains(&"cache") && completion.contains(&"users.members"), "{completion:?}");
    assert!(!completion.contains(&"events.message"), "a topic is no need: {completion:?}");
    assert_eq!(of("kinds"), ["redis", "postgres", "cassandra", "mongodb", "kafka", "elasticsearch", "s3"]);
    assert!(of("keys").iter().all(|k| *k != "connections_per_ip"), "{:?}", of("keys"));
}

#[test]
fn a_stock_client_sees_every_fault_and_its_fix() {
    let answers = session();
    let of = |key: &str| texts(&answers[key]);
    let slip = of("slip");
    assert!(slip.iter().any(|s| s.starts_with("AG010") && s.contains("unknown key `memroy`")), "{slip:?}");
    // The character before `memroy` takes two UTF-16 units.
    assert!(slip.iter().any(|s| s.starts_with("AG010") && s.contains(":53-")), "{slip:?}");
    assert_eq!(of("actions")[0], "write `memory`");
    assert!(
        answers["mended"].as_str().unwrap().contains("version: \"7.2\u{1d11e}\", nodes: 6, memory: 8GiB"),
        "{}",
        answers["mended"]
    );

    let tolerant = of("tolerant");
    let starts = |code: &str| tolerant.iter().filter(|t| t.starts_with(code)).count();
    assert!(starts("AG001") == 2 && starts("AG010") == 1, "two broken lines do not hide the third: {tolerant:?}");
    assert!(of("overlay").iter().any(|o| o.contains("serach")), "{:?}", of("overlay"));
    assert_eq!(answers["formatted"], 0, "the reference spec is formatted");
    assert_eq!(answers["formatting"], json!({ "edits": 1, "mended": true }));
    assert_eq!(answers["exit"], json!(0));
}

#[test]
fn an_editor_that_goes_away_is_an_error() {
    let output = Command::new(env!("CARGO_BIN_EXE_archgen")).arg("lsp").output().unwrap();
    assert_eq!(output.status.code(), Some(71), "{}", String::from_utf8_lossy(&output.stderr));
}
