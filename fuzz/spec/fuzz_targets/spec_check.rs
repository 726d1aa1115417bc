//! Any bytes, read as text: parsed and checked whole.
#![no_main]

mod promises;

use archgen_spec::{ReadError, load};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data).into_owned();
    promises::hold(&load("fuzz.yaml", text, None, &|_| Err(ReadError::Missing), &|_| Some("x".to_owned())));
});
