//! Each metric that rules and pictures use is registered by the source of a host. Those of nginx's exporter are another program's: they
//! are named as its documentation names them, and nothing here holds them against it.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::metrics::{METRICS, Owner};
use super::{alerts, budgets, rule_tests};
use crate::render::{Data, yaml};

fn sources(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, text);
        } else if path.extension().is_some_and(|e| e == "rs") {
            text.push_str(&fs::read_to_string(&path).expect("a source"));
        }
    }
}

#[test]
fn every_metric_is_exported() {
    let mut text = String::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../runtime"), &mut text);
    for metric in METRICS.into_iter().filter(|m| m.owner != Owner::Nginx) {
        let name = metric.name.strip_prefix("archgen_").expect("the registry's prefix");
        // Counters are exported with `_total` after the name under which they are registered.
        let name = if metric.counter { name.strip_suffix("_total").expect("a counter's ending") } else { name };
        let name = name.replace(".+", "{name}");
        assert!(text.contains(&format!("\"{name}\"")), "nothing registers {name}");
    }
}

const SPEC: &str = "archgen: v1\nname: t\nobjectives: { success: 99.9%, components: { one: 99%, users: 99.95% } }\nservices:\n  messaging: { port: 9000, \
                    needs: [user, users, cache] }\n  user: { port: 9001, needs: [users] }\n  one: { kind: process, command: [./one], port: \
                    9002 }\nstores:\n  cache: { kind: redis, embedded: true }\n  users: { kind: postgres, version: \"15\", endpoint: \"db:5432\" }\n";

/// As whoever reads the file has it.
fn read(written: &Data<'_>) -> Value {
    serde_yaml::from_str(&yaml(written)).expect("YAML")
}

fn rules(value: &Value, group: &str) -> Vec<(String, String)> {
    let groups = value["groups"].as_array().into_iter().flatten();
    let rules = groups.filter(|g| g["name"] == group).flat_map(|g| g["rules"].as_array().cloned().unwrap_or_default());
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    rules.map(|r| (text(if r["alert"].is_null() { &r["record"] } else { &r["alert"] }), text(&r["expr"]))).collect()
}

#[test]
fn each_objective_has_its_thresholds() {
    let none = |_: &str| Err(archgen_spec::ReadError::Missing);
    let loaded = archgen_spec::load("t.yaml", SPEC.to_owned(), None, &none, &|_| None);
    let topology = loaded.topology.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics));
    let alerts = rules(&read(&alerts::alerts(&topology)), "objectives");
    let of = |name: &str, limit: &str| alerts.iter().filter(|(n, e)| n == name && e.contains(limit)).count();
    assert_eq!(of("ComponentUnavailable", "component:unavailable:ratio_avg1h > 0.0144 and"), 1, "{alerts:#?}");
    assert_eq!(of("StoreFailures", "store:failures:ratio_rate1h{store=~\"users\"} > 0.0072 and"), 1, "{alerts:#?}");
    assert_eq!(alerts.len(), 8, "four for each: {alerts:#?}");
    let spent = rules(&read(&alerts::recording(&topology)), "budgets");
    assert_eq!(spent[0].1, "avg_over_time(component:unavailable:ratio_avg5m[30d]) / 0.001");
    assert!(
        spent[1].1.contains("store!=\"\",store=~\"users\"}[30d]") && spent[1].1.ends_with(" / 0.0005"),
        "{spent:?}"
    );
    // Nothing, just below the fastest burn, just above it, and all of it; of each objective.
    assert_eq!(read(&rule_tests::test(&topology))["tests"].as_array().map(Vec::len), Some(8));
    let promises = budgets::objectives(&topology);
    let said: Vec<String> = promises.iter().map(|p| format!("{} {} {}", p.of, p.what, p.share)).collect();
    let expected = [
        "cache its instances answer 99.9%",
        "users calls to it succeed 99.95%",
        "messaging its instances answer 99.9%",
        "user its instances answer 99.9%",
        "one nothing that is scraped measures it 99%",
    ];
    assert_eq!(said, expected);
}
