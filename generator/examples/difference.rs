//! Prints how long two specs take to be compared once they are loaded, milliseconds, and how many facts differ: what
//! `benches/generate` measures. `difference OLD NEW`.
#![expect(clippy::disallowed_methods, reason = "it measures, and no host is involved")]
#![expect(clippy::print_stdout, reason = "its output is all that it is for")]

use std::io::Error;
use std::time::Instant;

use archgen_generator::diff::{difference_of_facts, facts};
use archgen_spec::topology::Topology;

/// The allocator of `archgen` itself.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<(), Error> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [old, new] = arguments.as_slice() else { return Err(Error::other("usage: difference OLD NEW")) };
    let (old, new) = (load(old)?, load(new)?);
    let began = Instant::now();
    let difference = difference_of_facts(&facts(&old), &facts(&new));
    println!("{:.1} {}", began.elapsed().as_secs_f64() * 1e3, difference.changes.len());
    Ok(())
}

fn load(path: &str) -> Result<Topology, Error> {
    let none = |_: &str| Err(archgen_spec::ReadError::Missing);
    let loaded = archgen_spec::load(path, std::fs::read_to_string(path)?, None, &none, &|_| None);
    loaded.topology.ok_or_else(|| Error::other(format!("{path} has errors")))
}
