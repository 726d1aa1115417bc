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
    let overlays =
        ["dev", "sim", "prod", "mixed", "real"].map(|name| project(&format!("examples/slack/env/{name}.yaml")));
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

/// A kind of quantity: a spec with `{}` where it stands, what its decoder takes, what it refuses.
type Quantity = (&'static str, &'static [&'static str], &'static [&'static str]);

const QUANTITIES: &[Quantity] = &[
    ("load: { messages: { size: {} } }", &["900B", "8GiB", "30GB", "64KiB"], &["900", "8 GiB", "8gib", "1.5MB", "GiB"]),
    ("load: { users: {} }", &["1200", "250k", "5M", "2G"], &["5 M", "5m", "k", "1.5k", "many"]),
    ("sim: { duration: {} }", &["250ms", "30s", "1m30s", "12h", "30d"], &["30", "30 s", "s", "1.5s", "30sec", "30s1m"]),
    ("load: { messages: { mean: {} } }", &["20/s", "2k/s", "30/m", "100/h"], &["20", "20/d", "20 /s", "/s"]),
    (
        "gateway: { kind: nginx, routes: {}, limits: { per_ip: {} } }",
        &["20/s", "20/s burst 40"],
        &["20", "20/s burst", "20/s burst 4x", "20/s 40"],
    ),
    (
        "load: { messages: { skew: {} } }",
        &["zipf(0.8)", "zipf(1)", "uniform"],
        &["0.8", "zipf 0.8", "zipf()", "zipf(x)"],
    ),
    ("sim: { faults: [{ kind: crash, on: user, p: {} }] }", &["0.2", "20%", "1"], &["nan", "0.2x", "20 %"]),
    (
        "sim: { faults: [{ kind: zone-loss, zone: a, for: {} }] }",
        &["100ms..3s", "10s", "100ms .. 3s"],
        &["10", "1s..", "1s-3s", "1s...3s"],
    ),
    ("sim: { faults: [{ kind: clock-skew, on: user, by: {} }] }", &["±5m", "+-5m"], &["5m", "±5", "-5m", "±"]),
    (
        "services: { user: { port: 1, health: {} } }",
        &["/healthz every 5s", "/a/b.c every 1m30s"],
        &["healthz every 5s", "/healthz", "/healthz every 5", "/a?b every 5s"],
    ),
    ("services: { user: { port: 1, restart: {} } }", &["backoff 200ms..30s"], &["200ms..30s", "backoff 5", "always"]),
    ("gateway: { kind: nginx, routes: {}, version: {} }", &["\"1.22\"", "1.22.1"], &["latest", "\"1\"", "1.22-alpine"]),
    ("load: { messages: { key: {} } }", &["channel_id", "_id"], &["channel-id", "9a", "Channel"]),
    ("registry: { kind: consul, datacenter: {} }", &["eu", "eu-west-1"], &["eu_west", "Eu", "9", "eu-"]),
    (
        "stores: { s: { kind: postgres, version: \"15\", tables: { t: { key: id uuid, shard: { by: {}, into: 2 } } } } }",
        &["hash(id)"],
        &["id", "hash(id", "hash()"],
    ),
];

/// Every text that a decoder takes has the pattern of the schema, every text whose form it refuses has not, and variables have.
#[test]
fn the_schema_knows_the_forms_of_quantities() {
    let folder = tempfile::tempdir().unwrap();
    let schema = schema(&folder, &[]);
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for (number, (template, taken, refused)) in QUANTITIES.iter().enumerate() {
        let file = |name: String, value: &str, files: &mut Vec<PathBuf>| {
            // The last braces are the place; those before are an empty mapping.
            let (before, after) = template.rsplit_once("{}").unwrap();
            let text = format!("archgen: v1\nname: a\nvars: {{ x: y }}\nzones: [a]\n{before}{value}{after}\n");
            files.push(written(&folder, &name, &text));
            let loaded =
                archgen_spec::load("a.yaml", text, None, &|_| Err(archgen_spec::ReadError::Missing), &|_| None);
            let form = ["AG011", "AG012", "AG015"];
            loaded.diagnostics.iter().any(|d| form.contains(&d.code.to_string().as_str()))
        };
        for (index, value) in taken.iter().enumerate() {
            assert!(!file(format!("{number}-taken-{index}.yaml"), value, &mut good), "{template}: {value} is refused");
        }
        for (index, value) in refused.iter().enumerate() {
            assert!(file(format!("{number}-refused-{index}.yaml"), value, &mut bad), "{template}: {value} is taken");
        }
        file(format!("{number}-variable.yaml"), "\"${vars.x}\"", &mut good);
    }
    for (path, errors) in faults(&schema, &good).as_object().unwrap() {
        assert_eq!(errors, &serde_json::json!([]), "{path}: {}", fs::read_to_string(path).unwrap());
    }
    for (path, errors) in faults(&schema, &bad).as_object().unwrap() {
        assert!(!errors.as_array().unwrap().is_empty(), "the schema takes {}", fs::read_to_string(path).unwrap());
    }
}
