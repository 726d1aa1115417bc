//! The `archgen` command. Everything is in the modules; this file only names them.

mod arguments;
mod artifacts;
mod commands;
mod drift;
mod exit;
mod logging;
mod lsp;
mod means;
mod out_folder;
mod printer;
mod registry;
mod sibling;
mod spec_files;
mod state;
mod supervisor;
mod text_file;

use std::process::ExitCode;

/// A spec is millions of small values: with the C library's allocator a check of a large one takes a quarter longer.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    commands::run()
}
