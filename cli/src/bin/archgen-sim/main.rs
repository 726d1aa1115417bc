//! The `archgen-sim` command: what `archgen sim` runs. A program of its own because it carries the libc shim.

#[path = "../../arguments/sim.rs"]
mod arguments;
mod artifacts;
mod bisect;
mod loading;
mod memory;
mod on_fleet;
mod program;
mod seeds;
mod settings;
mod shim;
#[path = "../../text_file.rs"]
mod text_file;
mod trials;

use std::process::ExitCode;

#[global_allocator]
static POOLS: memory::Pools = memory::Pools;

fn main() -> ExitCode {
    program::run()
}
