//! The program's entry: arguments, what they ask for, exit codes.

use std::{
    io::{self, Write},
    os::unix::process::CommandExt,
    process::{Command, ExitCode},
};

use archgen_simulator::{SeedError, doctor};
use clap::{Parser, error::ErrorKind};

use crate::{
    arguments::{SimArguments, SimCommand},
    artifacts, bisect, seeds,
    shim::Shim,
    trials,
};

/// Wrong use of the command line (`EX_USAGE` of sysexits.h).
const USAGE: u8 = 64;
/// The environment does not let us work (`EX_OSERR`).
const ENVIRONMENT: u8 = 71;

#[derive(Parser)]
#[command(name = "archgen-sim", version)]
struct Program {
    #[command(flatten)]
    arguments: SimArguments,
}

/// Why the program ends without a verdict.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The user's mistake; told already, or in these words.
    #[error("{0}")]
    Input(String),
    /// The simulator could not work.
    #[error("{0}: {1}")]
    Seeds(SeedError, String),
}

impl From<SeedError> for Failure {
    fn from(error: SeedError) -> Self {
        let cause = std::error::Error::source(&error).map_or_else(String::new, ToString::to_string);
        Self::Seeds(error, cause)
    }
}

/// The whole program.
pub fn run() -> ExitCode {
    let arguments = match Program::try_parse() {
        Ok(program) => program.arguments,
        Err(error) => {
            let usage = !matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            // Nothing can be done about a closed terminal.
            let _ = error.print();
            return ExitCode::from(if usage { USAGE } else { 0 });
        }
    };
    pin_addresses();
    #[cfg(sabotage)]
    if let Some(bug) = planted(&arguments)
        && !archgen_simulator::plant(bug)
    {
        complain(&format!("error: no bug is called `{bug}`"));
        return ExitCode::from(USAGE);
    }
    let result = match &arguments.command {
        None if arguments.tests => trials::run(&arguments),
        None => seeds::run(&arguments),
        Some(SimCommand::Replay(replay)) => artifacts::replay(replay),
        Some(SimCommand::Shrink(shrink)) => artifacts::shrink(shrink),
        Some(SimCommand::Bisect(bisect)) => bisect::run(bisect),
        Some(SimCommand::Doctor) => examine(),
        #[cfg(sabotage)]
        Some(SimCommand::Bugs) => {
            say(&format!("{}\n", archgen_simulator::bugs().join("\n")));
            Ok(true)
        }
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            complain(&format!("error: {failure}"));
            ExitCode::from(if matches!(failure, Failure::Seeds(SeedError::Fork(_), _)) { ENVIRONMENT } else { 1 })
        }
    }
}

#[cfg(sabotage)]
fn planted(arguments: &SimArguments) -> Option<&String> {
    match &arguments.command {
        Some(SimCommand::Replay(kept) | SimCommand::Shrink(kept)) => kept.sabotage.as_ref(),
        _ => arguments.sabotage.as_ref(),
    }
}

/// Starts this program again without address-space randomisation, the last thing that differs between two invocations. Where
/// the system does not allow it, the runs stay as they are: digests do not depend on addresses in code we know of.
fn pin_addresses() {
    const ALREADY: libc::c_int = libc::ADDR_NO_RANDOMIZE;
    // SAFETY: `personality` takes and returns plain numbers.
    let current = unsafe { libc::personality(0xffff_ffff) };
    if current == -1 || current & ALREADY != 0 {
        return;
    }
    // SAFETY: as above.
    if unsafe { libc::personality((current | ALREADY) as libc::c_ulong) } == -1 {
        return;
    }
    if let Ok(program) = std::env::current_exe() {
        let error = Command::new(program).args(std::env::args_os().skip(1)).exec();
        complain(&format!("note: running with randomised addresses: {error}"));
    }
}

/// Prints the entropy table; good when every closed source is the same twice.
fn examine() -> Result<bool, Failure> {
    let sources = doctor(&Shim)?;
    let mut text = String::new();
    for source in &sources {
        let state = match (source.is_same, source.is_closed) {
            (true, _) => "same   ",
            (false, true) => "DIFFERS",
            (false, false) => "open   ",
        };
        text.push_str(&format!("  {state}  {}\n", source.name));
    }
    let leaks = sources.iter().filter(|source| source.is_closed && !source.is_same).count();
    text.push_str(&format!("{} sources, {leaks} leak; {}\n", sources.len(), std::env::consts::ARCH));
    say(&text);
    Ok(leaks == 0)
}

/// Data, on standard output.
pub fn say(text: &str) {
    // A closed pipe is the reader's choice.
    let _ = io::stdout().lock().write_all(text.as_bytes());
}

/// Everything else, on standard error.
pub fn complain(text: &str) {
    // Nothing can be done about a closed terminal.
    let _ = writeln!(io::stderr().lock(), "{}", text.trim_end());
}
