//! The `archgen-sim` command: what `archgen sim` runs. A program of its own because it carries the libc shim.

#[path = "../../arguments/sim.rs"]
mod arguments;
mod artifacts;
mod loading;
mod program;
mod seeds;
mod settings;
mod shim;
#[path = "../../text_file.rs"]
mod text_file;
mod trials;

use std::process::ExitCode;

fn main() -> ExitCode {
    program::run()
}
