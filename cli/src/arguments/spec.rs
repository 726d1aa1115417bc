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

/// Notation of a diagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Notation {
    /// Mermaid flowchart.
    Mermaid,
    /// Graphviz.
    Dot,
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

/// Say what a diagnostic code means, or what a key of the spec is: its type, default, reason, what it reaches, its value here.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  archgen explain AG022\n  archgen explain list\n  archgen explain stores.*.tables.*.bucket\n  \
                  archgen explain stores.chat.tables.messages.bucket examples/slack/topology.yaml --env dev"
)]
pub struct ExplainArguments {
    /// A code such as AG022, `list` for all of them, or the path of a key: `gateway.routes.*.timeout`.
    #[arg(value_name = "CODE|PATH")]
    pub subject: String,
    /// A spec whose value and origin are shown, too.
    #[arg(value_name = "SPEC")]
    pub spec: Option<PathBuf>,
    /// That spec with this environment's overlay.
    #[arg(long = "env", value_name = "NAME", requires = "spec")]
    pub environment: Option<String>,
}

/// Print the JSON Schema (2020-12) of the spec language.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  archgen schema > .archgen/schema.json\n\nThen begin a spec with the line\n  \
                        # yaml-language-server: $schema=.archgen/schema.json")]
pub struct SchemaArguments {
    /// Describe an overlay, in which every key may be left out.
    #[arg(long)]
    pub overlay: bool,
}

/// Write the configuration of every part: nginx, Consul, DDL, Compose, diagrams, the plan.
///
/// Files that archgen wrote before and nobody changed are replaced or removed; unchanged ones are not touched; any other file in
/// the way is left alone and refused.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  archgen generate examples/slack/topology.yaml --out generated\n  archgen generate \
                        examples/slack/topology.yaml --env prod --only nginx,consul --out generated\n\n\
                        Exit status: 0 written, 1 errors in the spec, 73 a file that is not archgen's is in the way."
)]
pub struct GenerateArguments {
    /// The topology spec.
    pub spec: PathBuf,
    /// Folder to write to; it is created.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Environment overlay.
    #[arg(long = "env", value_name = "NAME")]
    pub environment: Option<String>,
    /// Only these targets, separated by commas.
    #[arg(long, value_name = "TARGET", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Overwrite files that archgen did not write or that were changed since.
    #[arg(long)]
    pub force: bool,
}

/// Print the logical view of the system.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  archgen graph examples/slack/topology.yaml --format mermaid\n  archgen graph \
                        examples/slack/topology.yaml --format dot | dot -Tsvg > system.svg")]
pub struct GraphArguments {
    /// The topology spec.
    pub spec: PathBuf,
    /// Environment overlay.
    #[arg(long = "env", value_name = "NAME")]
    pub environment: Option<String>,
    /// Notation.
    #[arg(long, value_enum, default_value_t = Notation::Mermaid)]
    pub format: Notation,
}

/// Print where each store's slots live and how even that is.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  archgen shards examples/slack/topology.yaml\n  archgen shards \
                        examples/slack/topology.yaml --format json")]
pub struct ShardsArguments {
    /// The topology spec.
    pub spec: PathBuf,
    /// Environment overlay.
    #[arg(long = "env", value_name = "NAME")]
    pub environment: Option<String>,
    /// Output format.
    #[arg(long, value_enum, default_value_t = ReportFormat::Human)]
    pub format: ReportFormat,
}
