//! A base and an overlay, separated by a zero byte; the base is given an environment to load.
#![no_main]

mod promises;

use archgen_spec::{ReadError, load};
use libfuzzer_sys::fuzz_target;

const BASE: &str = include_str!("../../../examples/slack/topology.yaml");

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    // Without a separator the overlay meets the reference spec.
    let (base, overlay) = text.split_once('\0').unwrap_or((BASE, &text));
    let base = if base.contains("environments:") { base.to_owned() } else { format!("{base}\nenvironments: {{ dev: env/dev.yaml }}\n") };
    let read = |path: &str| if path == "env/dev.yaml" { Ok(overlay.to_owned()) } else { Err(ReadError::Missing) };
    promises::hold(&load("fuzz.yaml", base, Some("dev"), &read, &|_| None));
});
