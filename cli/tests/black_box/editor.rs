//! What the spec language offers to other people's tools: its JSON Schema under a stock validator and a stock language server.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
};

use serde_json::Value;

use super::program::{archgen, project};

/// Runs a script of `tests/interop` and reads the JSON that it prints.
pub fn script(name: &str, arguments: &[&str]) -> Value {
    let installed = Command::new(project("tests/interop/install")).stdout(Stdio::null()).status().unwrap();
    assert!(installed.success(), "tests/interop/install failed");
    let output = Command::new("node").arg(project("tests/interop").join(name)).args(arguments).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    serde_json::from_str(&text)
        .unwrap_or_else(|e| panic!("{name}: {e}: {text}\n{}", String::from_utf8_lossy(&output.stderr)))
}

fn written(folder: &tempfile::TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    path
}

fn schema(folder: &tempfile::TempDir, arguments: &[&str]) -> PathBuf {
    let given = archgen(folder.path(), &[&["schema"], arguments].concat()).ok();
    written(folder, "schema.json", &given.out)
}

fn faults(schema: &PathBuf, files: &[PathBuf]) -> Value {
    let all: Vec<&str> = [schema].into_iter().chain(files).map(|p| p.to_str().unwrap()).collect();
    script("validate.mjs", &all)
}

#[test]
fn every_valid_example_is_valid_by_the_schema() {
    let folder = tempfile::tempdir().unwrap();
    let spec = schema(&folder, &[]);
    let report = faults(&spec, &[project("examples/slack/topology.yaml"), project("examples/minimal/topology.yaml")]);
    assert!(report.as_object().unwrap().values().all(|errors| errors == &serde_json::json!([])), "{report:#}");
    let overlay = schema(&folder, &["--overlay"]);
    let overlays = ["dev", "sim", "prod"].map(|name| project(&format!("examples/slack/env/{name}.yaml")));
    let report = faults(&overlay, &overlays);
    assert!(report.as_object().unwrap().values().all(|errors| errors == &serde_json::json!([])), "{report:#}");
}

#[test]
fn the_schema_refuses_what_the_decoder_refuses() {
    let folder = tempfile::tempdir().unwrap();
    let head = "archgen: v1\nname: a\n";
    let wrong = [
        ("unknown-key", "registry: { kind: consul, server: 3 }"),
        ("wrong-kind", "stores: { cache: { kind: redis, brokers: 3 } }"),
        (
            "foreign-table-key",
            "stores: { chat: { kind: cassandra, tables: { m: { partition: id uuid, shard: { by: hash(id), into: 2 } } } } }",
        ),
        ("missing-key", "stores: { cache: { nodes: 3 } }"),
        ("missing-command", "services: { own: { kind: process, port: 9000 } }"),
        ("unnamed-kind", "services: { own: { port: 9000 } }"),
        ("key-of-another-kind", "services: { user: { port: 9000, lease: 2s } }"),
        ("bad-choice", "gateway: { kind: nginks, routes: {} }"),
        ("out-of-range", "zones: [a]\nregistry: { kind: consul, port: 70000 }"),
        ("wrong-type", "zones: eu-a"),
        ("fault-key", "sim: { faults: [{ kind: crash, zone: eu-a }] }"),
    ];
    let sound = [
        ("own-program", "services: { own: { kind: process, port: 9000, command: [./own] } }"),
        ("other-name", "services: { accounts: { kind: user, port: 9000, password_memory: 19MiB } }"),
        (
            "both-forms",
            "stores: { u: { kind: postgres, version: \"15\", tables: { a: { key: id uuid }, b: { key: [id uuid] } } } }",
        ),
    ];
    let file = |(name, text): &(&str, &str)| written(&folder, &format!("{name}.yaml"), &format!("{head}{text}\n"));
    let bad: Vec<PathBuf> = wrong.iter().map(file).collect();
    let good: Vec<PathBuf> = sound.iter().map(file).collect();
    let schema = schema(&folder, &[]);
    for path in &bad {
        assert_eq!(archgen(folder.path(), &["check", path.to_str().unwrap()]).status, 1, "{}", path.display());
    }
    let report = faults(&schema, &bad);
    for (path, errors) in report.as_object().unwrap() {
        assert!(!errors.as_array().unwrap().is_empty(), "the schema lets {path} pass");
    }
    let report = faults(&schema, &good);
    assert!(report.as_object().unwrap().values().all(|errors| errors == &serde_json::json!([])), "{report:#}");
}

#[test]
fn a_stock_language_server_diagnoses_completes_and_explains_with_the_schema() {
    let folder = tempfile::tempdir().unwrap();
    let told = script("yaml_language_server.mjs", &[schema(&folder, &[]).to_str().unwrap()]);
    let misspelt = told["misspelt"].as_array().unwrap();
    assert!(misspelt.iter().any(|d| d["line"] == 3 && d["message"].as_str().unwrap().contains("prot")), "{told:#}");
    assert_eq!(told["sound"], serde_json::json!([]), "{told:#}");
    let holds = |list: &str, words: &[&str]| {
        let labels: Vec<&str> = told[list].as_array().unwrap().iter().map(|l| l.as_str().unwrap()).collect();
        assert!(words.iter().all(|w| labels.contains(w)), "{list}: {labels:?}");
    };
    holds("keys", &["port", "replicas", "needs", "publishes"]);
    holds("values", &["redis", "postgres", "cassandra", "kafka"]);
    assert!(told["hover"].as_str().unwrap().contains("The port of each instance"), "{told:#}");
}
