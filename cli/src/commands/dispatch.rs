//! Reads the command line, runs the command, prints its failure, ends with its status.

use std::process::ExitCode;

use clap::{Parser, error::ErrorKind};

use super::{
    check, config, copy, down, drift, explain, fix, fmt, generate, graph, host, import, init, logs, lsp, migrate,
    migrate_schema, plan, ps, restart, schema, shards, sim, supervise, sync, up, wait,
};
use crate::{
    arguments::{Command, Program},
    exit::{self, Outcome},
    printer::Printer,
};

/// The whole program.
pub fn run() -> ExitCode {
    let printer = Printer::new();
    let command = match Program::try_parse() {
        Ok(program) => program.command,
        Err(error) => {
            let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            // Nothing can be done about a closed terminal.
            let _ = error.print();
            return ExitCode::from(if asked { exit::OK } else { exit::USAGE });
        }
    };
    match dispatch(command, printer) {
        Ok(status) => ExitCode::from(status),
        Err(failure) => {
            printer.error(&format!("{:#}", failure.error));
            ExitCode::from(failure.status)
        }
    }
}

fn dispatch(command: Command, printer: Printer) -> Outcome {
    match command {
        Command::Check(arguments) => check::run(&arguments, printer),
        Command::Config(arguments) => config::run(&arguments, printer),
        Command::Fix(arguments) => fix::run(&arguments, printer),
        Command::Fmt(arguments) => fmt::run(&arguments, printer),
        Command::Migrate(arguments) => migrate::run(&arguments, printer),
        Command::Init(arguments) => init::run(&arguments, printer),
        Command::Explain(arguments) => explain::run(&arguments, printer),
        Command::Schema(arguments) => schema::run(&arguments, printer),
        Command::Generate(arguments) => generate::run(&arguments, printer),
        Command::Plan(arguments) => plan::plan(&arguments, printer),
        Command::Apply(arguments) => plan::apply(&arguments, printer),
        Command::Drift(arguments) => drift::run(&arguments, printer),
        Command::Sync(arguments) => sync::run(&arguments, printer),
        Command::Import(arguments) => import::run(&arguments, printer),
        Command::MigrateSchema(arguments) => migrate_schema::run(&arguments, printer),
        Command::Graph(arguments) => graph::run(&arguments, printer),
        Command::Shards(arguments) => shards::run(&arguments, printer),
        Command::Lsp(arguments) => lsp::run(&arguments),
        Command::Up(arguments) => up::run(&arguments, printer),
        Command::Ps(arguments) => ps::run(&arguments, printer),
        Command::Logs(arguments) => logs::run(&arguments, printer),
        Command::Wait(arguments) => wait::run(&arguments, printer),
        Command::Restart(arguments) => restart::run(&arguments, printer),
        Command::Down(arguments) => down::run(&arguments, printer),
        Command::Copy(arguments) => copy::run(&arguments, printer),
        Command::Sim(arguments) => sim::run(&arguments, printer),
        Command::Supervise(arguments) => supervise::run(&arguments, printer),
        Command::Host(arguments) => host::run(&arguments, printer),
    }
}
