//! The program and its commands.

use clap::{Parser, Subcommand};

use super::{
    ApplyArguments, CheckArguments, ConfigArguments, CopyArguments, DownArguments, DriftArguments, ExplainArguments,
    FixArguments, FmtArguments, GenerateArguments, GraphArguments, HostArguments, ImportArguments, InitArguments,
    LogsArguments, LspArguments, MigrateArguments, MigrateSchemaArguments, PlanArguments, PsArguments,
    RestartArguments, SchemaArguments, ShardsArguments, SimArguments, SuperviseArguments, SyncArguments, UpArguments,
    WaitArguments,
};

/// One YAML spec of a messaging system: check it, generate its configuration, run it, simulate it.
#[derive(Debug, Parser)]
#[command(
    name = "archgen",
    version,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "Begin with:\n  archgen check examples/slack/topology.yaml\n  archgen up examples/slack/topology.yaml\n\n\
                  Exit status: 0 done, 1 errors in the spec or a red simulation, 64 wrong use, 69 and above the machine."
)]
pub struct Program {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    Check(CheckArguments),
    Config(ConfigArguments),
    Fix(FixArguments),
    Fmt(FmtArguments),
    Migrate(MigrateArguments),
    Init(InitArguments),
    Explain(ExplainArguments),
    Schema(SchemaArguments),
    Generate(GenerateArguments),
    Plan(PlanArguments),
    Apply(ApplyArguments),
    Drift(DriftArguments),
    Sync(SyncArguments),
    Import(ImportArguments),
    MigrateSchema(MigrateSchemaArguments),
    Graph(GraphArguments),
    Shards(ShardsArguments),
    Lsp(LspArguments),
    Up(UpArguments),
    Ps(PsArguments),
    Logs(LogsArguments),
    Wait(WaitArguments),
    Restart(RestartArguments),
    Down(DownArguments),
    Copy(CopyArguments),
    Sim(SimArguments),
    #[command(hide = true)]
    Supervise(SuperviseArguments),
    #[command(hide = true)]
    Host(HostArguments),
}
