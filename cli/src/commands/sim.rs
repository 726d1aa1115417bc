//! `archgen sim`: hands over to the `archgen-sim` program with the same arguments.

use std::{os::unix::process::CommandExt, process::Command};

use anyhow::anyhow;

use crate::{arguments::SimArguments, exit::Outcome, printer::Printer, sibling};

/// Replaces this process. Only a failure returns.
pub fn run(_checked: &SimArguments, printer: Printer) -> Outcome {
    let program = sibling::simulator(printer)?;
    // The arguments were parsed for their errors; the other program parses the same text by the same rules.
    let same = std::env::args_os().skip_while(|a| a != "sim").skip(1);
    let error = Command::new(&program).args(same).exec();
    Err(anyhow!(error).context(format!("cannot run `{}`", program.display())).into())
}
