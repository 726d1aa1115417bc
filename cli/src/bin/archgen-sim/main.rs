//! The `archgen-sim` command.
fn main() {}
