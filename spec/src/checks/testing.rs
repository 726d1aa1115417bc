//! What every check's test uses: load a fragment, say which codes are reported where.

use super::Explanation;
use crate::diagnostic::{Code, Severity};
use crate::units::Date;
use crate::{Loaded, ReadError, load_on};

const PRELUDE: &str = "archgen: v1\nname: demo\n";
const OVERLAY: &str = "--- env/dev.yaml ---\n";

/// Loads a fragment. Fragments that do not begin with `archgen` stand below a minimal head.
pub fn loaded(fragment: &str) -> Loaded {
    let (base, overlay) = match fragment.split_once(OVERLAY) {
        Some((base, overlay)) => (base, Some(overlay.to_owned())),
        None => (fragment, None),
    };
    let whole = base.starts_with("archgen") || base.starts_with("# whole");
    let text = if whole { base.to_owned() } else { format!("{PRELUDE}{base}") };
    let environment = overlay.is_some().then_some("dev");
    let read = |path: &str| match &overlay {
        Some(text) if path == "env/dev.yaml" => Ok(text.clone()),
        _ => Err(ReadError::Missing),
    };
    // Some day: waivers in examples ended long before it or end long after it.
    let today = Date::of_unix_days(20_000);
    load_on(today, "demo.yaml", text, environment, &read, &|name| (name == "REGION").then(|| "eu".to_owned()))
}

/// Codes with severities, in order.
pub fn codes(fragment: &str) -> Vec<(Code, Severity)> {
    loaded(fragment).diagnostics.iter().map(|d| (d.code, d.severity)).collect()
}

/// The explanation's own example must show the fault, and its mended form must be clean.
pub fn holds(explanation: &Explanation) {
    let before = loaded(explanation.before);
    let found = before.diagnostics.iter().any(|d| d.code == explanation.code);
    assert!(found, "`before` does not show {}: {:#?}", explanation.code, before.diagnostics);
    let only = before.diagnostics.iter().all(|d| d.code == explanation.code);
    assert!(only, "`before` of {} shows other faults: {:#?}", explanation.code, before.diagnostics);
    let after = loaded(explanation.after);
    assert!(after.diagnostics.is_empty(), "`after` of {} is not clean: {:#?}", explanation.code, after.diagnostics);
    assert!(after.topology.is_some());
}
