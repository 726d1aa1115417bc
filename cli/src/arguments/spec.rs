//! Arguments of the commands that only read a spec, and of `generate`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Output for people or for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// For people.
    Human,
    /// For programs.
    Json,
}

/// Report every error of one or more specs.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  archgen check examples/slack/topology.yaml\n  archgen check --env prod --format json \
                  examples/slack/topology.yaml\n\nExit status: 0 no errors, 1 errors in a spec."
)]
pub struct CheckArguments {
    /// Topology specs.
    #[arg(required = true, value_name = "SPEC")]
    pub specs: Vec<PathBuf>,
    /// Check the spec with this environment's overlay.
    #[arg(long = "env", value_name = "NAME")]
    pub environment: Option<String>,
    /// Output format.
    #[arg(long, value_enum, default_value_t = ReportFormat::Human)]
    pub format: ReportFormat,
}

/// Say what a diagnostic code means and how to mend it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  archgen explain AG022\n  archgen explain list")]
pub struct ExplainArguments {
    /// A code such as AG022, or `list` for all of them.
    pub code: String,
}
