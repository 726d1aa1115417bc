//! Each metric that rules and pictures use is registered by the source of a host. Those of nginx's exporter are another program's: they
//! are named as its documentation names them, and nothing here holds them against it.

use std::fs;
use std::path::Path;

use super::metrics::{METRICS, Owner};

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
