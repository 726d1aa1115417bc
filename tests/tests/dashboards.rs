//! Each panel of each dashboard, and each rule, asks for metrics that the running fleet exports: on the instances of the very component
//! whose dashboard it is.
//!
//! It needs a fleet that is up, of `examples/slack`. ARCHGEN_ENV names its environment where that is not `dev`.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{Read, Write},
    net::TcpStream,
};

use archgen_tests::{archgen, hosts, kinds};
use serde_json::Value;

/// What Prometheus adds itself.
const UP: &str = "up";

/// Names that a host exports.
fn exported(address: &str) -> BTreeSet<String> {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET /metrics HTTP/1.0\r\nhost: {address}\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("HTTP/1.0 200") || text.starts_with("HTTP/1.1 200"), "{address}: {text}");
    // A family that was not used yet has its type, and no sample.
    let counters = text.lines().filter_map(|l| l.strip_prefix("# TYPE ")?.split_once(' '));
    let named = counters.map(|(name, kind)| match kind {
        "counter" if !name.ends_with("_total") => format!("{name}_total"),
        _ => name.to_owned(),
    });
    let samples = text.lines().filter(|l| !l.starts_with('#')).filter_map(|l| l.split([' ', '{']).next());
    named.chain(samples.map(str::to_owned)).filter(|n| !n.is_empty()).collect()
}

/// Names of metrics, and beginnings and ends of those that are asked for by a pattern.
fn asked(expression: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for part in expression.split(|c: char| !(c.is_ascii_alphanumeric() || "_.+".contains(c))) {
        if let Some((begin, end)) = part.split_once(".+") {
            found.push((begin.to_owned(), end.to_owned()));
        } else if part.starts_with("archgen_") || part == UP {
            found.push((part.to_owned(), String::new()));
        }
    }
    found
}

fn covers(names: &BTreeSet<String>, (begin, end): &(String, String)) -> bool {
    begin == UP
        || names.contains(begin)
        || (!end.is_empty() && names.iter().any(|n| n.starts_with(begin) && n.ends_with(end)))
}

fn expressions(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            found.extend(map.get("expr").and_then(Value::as_str).map(str::to_owned));
            map.values().for_each(|below| expressions(below, found));
        }
        Value::Array(all) => all.iter().for_each(|below| expressions(below, found)),
        _ => {}
    }
}

#[test]
fn panels_and_rules_ask_for_what_the_fleet_exports() {
    let environment = std::env::var("ARCHGEN_ENV").unwrap_or_else(|_| "dev".to_owned());
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().display().to_string();
    let spec = archgen_tests::root().join("examples/slack/topology.yaml").display().to_string();
    let (done, text) = archgen(&["generate", &spec, "--env", &environment, "--only", "observe", "--out", &out]);
    assert!(done, "{text}");

    let mut everything = BTreeSet::new();
    let mut panels = 0;
    let mut components: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for host in kinds().iter().flat_map(|kind| hosts(kind)) {
        let (component, _) = host.name.rsplit_once('-').unwrap();
        components.entry(component.to_owned()).or_default().extend(exported(&host.address));
    }
    for (kind, names) in components {
        if let Ok(text) = fs::read_to_string(folder.path().join(format!("grafana/{kind}.json"))) {
            let mut all = Vec::new();
            expressions(&serde_json::from_str(&text).unwrap(), &mut all);
            for name in all.iter().flat_map(|e| asked(e)) {
                assert!(
                    covers(&names, &name),
                    "a panel of {kind} asks for {name:?}, which none of its hosts exports: {names:?}"
                );
                panels += 1;
            }
        }
        everything.extend(names);
    }
    assert!(panels > 20, "{panels}");
    for file in ["grafana/fleet.json", "prometheus/alerts.rules.yml", "prometheus/recording.rules.yml"] {
        let text = fs::read_to_string(folder.path().join(file)).unwrap();
        let mut all = Vec::new();
        match serde_json::from_str(&text) {
            Ok(value) => expressions(&value, &mut all),
            Err(_) => all.extend(text.lines().filter_map(|l| l.trim().strip_prefix("expr: ")).map(str::to_owned)),
        }
        assert!(!all.is_empty(), "{file}");
        for name in all.iter().flat_map(|e| asked(e)) {
            assert!(covers(&everything, &name), "{file} asks for {name:?}, which no host exports");
        }
    }
}
