//! Arguments of the commands that only read a spec, and of `generate`.

use std::path::PathBuf;

use archgen_generator::Lost;
use archgen_spec::units::{Bytes, Unit};
use clap::{Args, Subcommand, ValueEnum};

use super::StateArguments;

/// Output for people or for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// For people.
    Human,
    /// For programs.
    Json,
}

/// Output of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CheckFormat {
    /// For people.
    Human,
    /// For programs; docs/check-json.md says what is in it.
    Json,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// Workflow commands, for GitHub Actions.
    Github,
}

/// Notation of data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DataFormat {
    /// YAML.
    Yaml,
    /// JSON.
    Json,
}

/// A spec to begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Starter {
    /// Sign in, channels, live messages; everything embedded.
    Minimal,
    /// The reference system with its environments.
    Slack,
}

/// Notation of a diagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Notation {
    /// Mermaid flowchart.
    Mermaid,
    /// Graphviz.
    Dot,
    /// Structurizr DSL (C4).
    Structurizr,
    /// PlantUML.
    Plantuml,
    /// A picture, ready to look at.
    Svg,
}

/// Report every error of one or more specs.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  archgen check examples/slack/topology.yaml\n  archgen check --env prod --format json \
                  examples/slack/topology.yaml\n  archgen check specs/*.yaml --format sarif > problems.sarif\n  archgen check - < \
                  topology.yaml\n\nExit status: 0 no errors, 1 errors in a spec, 71 a file could not be read."
)]
pub struct CheckArguments {
    /// Topology specs; `-` is standard input.
    #[arg(required = true, value_name = "SPEC")]
    pub specs: Vec<PathBuf>,
    /// Check the spec with this environment's overlay.
    #[arg(long = "env", value_name = "NAME")]
    pub environment: Option<String>,
    /// Output format.
    #[arg(long, value_enum, default_value_t = CheckFormat::Human)]
    pub format: CheckFormat,
    /// Check again whenever a file changes, goes or comes back.
    #[arg(long)]
    pub watch: bool,
}

/// Print the spec as it is meant: base and overlay merged, variables put in, defaults filled in. Secrets stay references.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  archgen config examples/slack/topology.yaml --env dev --show-origin\n  archgen config \
                  examples/slack/topology.yaml --format json"
)]
pub struct ConfigArguments {
    /// The topology spec; `-` is standard input.
    pub spec: PathBuf,
    /// Environment overlay.
    #[arg(long = "env", value_name = "NAME")]
    pub environment: Option<String>,
    /// Say of each value where it is written, or why it is the default.
    #[arg(long)]
    pub show_origin: bool,
    /// Output format.
    #[arg(long, value_enum, default_value_t = DataFormat::Yaml)]
    pub format: DataFormat,
}

/// Apply the corrections that are certain. Everything else in the files stays byte for byte.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  archgen fix topology.yaml --dry-run\n  archgen fix topology.yaml --env dev\n\nExit \
                        status: 0 no errors are left, 1 errors are left."
)]
pub struct FixArguments {
    /// The topology spec.
    pub spec: PathBuf,
    /// Mend this environment's overlay, too.
    #[arg(long = "env", value_name = "NAME")]
    pub environment: Option<String>,
    /// Show the changes and write nothing.
    #[arg(long)]
    pub dry_run: bool,
}

/// Write specs in their canonical form: keys in the order of the language, one spacing, every comment kept.
///
/// What does not mean the same afterwards is never written. Overlays that a spec declares are formatted with it.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  archgen fmt topology.yaml\n  archgen fmt --check topology.yaml\n  archgen fmt - < draft.yaml > \
                  topology.yaml\n\nExit status: 0 done, 1 a file is not formatted (with --check) or its form has faults, 71 a \
                  file could not be read."
)]
pub struct FmtArguments {
    /// Topology specs or overlays; `-` is standard input, which is formatted to standard output.
    #[arg(required = true, value_name = "SPEC")]
    pub specs: Vec<PathBuf>,
    /// Write nothing: list the files that are not formatted.
    #[arg(long)]
    pub check: bool,
}

/// Move a spec of an older language version to `archgen: v1`, overlays included. Comments and everything else stay as they are.
///
/// Adds or moves the `archgen: v1` line, and writes keys that are called otherwise now under their new names. What has no certain
/// successor is reported.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  archgen migrate topology.yaml --dry-run\n  archgen migrate topology.yaml\n\nExit status: 0 no \
                  errors are left, 1 errors are left."
)]
pub struct MigrateArguments {
    /// The topology spec.
    pub spec: PathBuf,
    /// Show the changes and write nothing.
    #[arg(long)]
    pub dry_run: bool,
}

/// Write a spec to begin with.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  archgen init\n  archgen init chat --from slack\n\nExit status: 0 written, 73 a file is in \
                        the way."
)]
pub struct InitArguments {
    /// Folder to write to; it is created.
    #[arg(default_value = ".", value_name = "DIR")]
    pub folder: PathBuf,
    /// Which spec.
    #[arg(long, value_enum, default_value_t = Starter::Minimal)]
    pub from: Starter,
}

/// Say what a diagnostic code means, or what a key of the spec is: its type, default, reason, what it reaches, its value here.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  archgen explain AG022\n  archgen explain list\n  archgen explain stores.*.tables.*.bucket\n  \
                  archgen explain stores.chat.tables.messages.bucket examples/slack/topology.yaml --env dev\n  archgen explain plan \
                  examples/slack/topology.yaml\n  archgen explain plan.stores.chat.messages.bytes_per_day examples/slack/topology.yaml"
)]
pub struct ExplainArguments {
    /// A code such as AG022, `list` for all of them, the path of a key: `gateway.routes.*.timeout`, or a figure of a spec's plan,
    /// `plan` for all of them.
    #[arg(value_name = "CODE|PATH|FIGURE")]
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
    /// Say what would be written and removed, and do nothing.
    #[arg(long)]
    pub dry_run: bool,
}

/// Print the system as a diagram, or draw a view of it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  archgen graph examples/slack/topology.yaml --format mermaid\n  archgen graph \
                        examples/slack/topology.yaml --format svg --view failure-domains --dark > domains.svg\n  archgen graph new.yaml \
                        --from old.yaml --format svg > changes.svg")]
pub struct GraphArguments {
    /// The topology spec.
    pub spec: PathBuf,
    /// Environment overlay.
    #[arg(long = "env", value_name = "NAME")]
    pub environment: Option<String>,
    /// Notation.
    #[arg(long, value_enum, default_value_t = Notation::Mermaid)]
    pub format: Notation,
    /// What a picture shows: logical, failure-domains, data-flow or shards.
    #[arg(long, value_name = "VIEW", default_value = "logical")]
    pub view: String,
    /// Draw for a dark page.
    #[arg(long)]
    pub dark: bool,
    /// Draw what changes from this spec to the other.
    #[arg(long, value_name = "SPEC")]
    pub from: Option<PathBuf>,
}

/// Print where each store's slots live, how even that is, what the load makes of it, and what a loss would leave.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  archgen shards examples/slack/topology.yaml\n  archgen shards \
                        examples/slack/topology.yaml --format json\n  archgen shards examples/slack/topology.yaml --lose \
                        zone:eu-b --load 3x\n  archgen shards --from today.yaml --to tomorrow.yaml --throttle 80MB\n\nWith --lose, --load or --grow the answer is a list of promises, the broken \
                        ones first; exit code 1 when one breaks.")]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct ShardsArguments {
    /// Look after a move of the running fleet.
    #[command(subcommand)]
    pub action: Option<ShardsAction>,
    /// The topology spec.
    #[arg(required_unless_present = "from", conflicts_with = "from")]
    pub spec: Option<PathBuf>,
    /// Print the way from this spec's plan to the one of --to: what moves, in which waves, every step and its way back.
    #[arg(long, value_name = "OLD", requires = "to")]
    pub from: Option<PathBuf>,
    /// The spec to come to.
    #[arg(long, value_name = "NEW", requires = "from", conflicts_with_all = ["lose", "load", "grow"])]
    pub to: Option<PathBuf>,
    /// Transfers that a node takes part in at once.
    #[arg(long, value_name = "COUNT", default_value_t = 2, requires = "from")]
    pub concurrency: u32,
    /// Bytes a second of one transfer.
    #[arg(long, value_name = "SIZE", default_value = "50MB", requires = "from", value_parser = size)]
    pub throttle: u64,
    /// Environment overlay.
    #[arg(long = "env", value_name = "NAME")]
    pub environment: Option<String>,
    /// What if this were gone: a zone or an instance. May be repeated: all of them at once.
    #[arg(long, value_name = "zone:NAME|node:NAME", value_parser = lost)]
    pub lose: Vec<Lost>,
    /// What if the load were this many times the declared one.
    #[arg(long, value_name = "FACTOR", value_parser = factor)]
    pub load: Option<f64>,
    /// What if so much time went by: counts for what is kept for ever.
    #[arg(long, value_name = "DAYS", value_parser = days)]
    pub grow: Option<u64>,
    /// Output format.
    #[arg(long, value_enum, default_value_t = ReportFormat::Human)]
    pub format: ReportFormat,
}

/// `zone:eu-b` or `node:chat-3`.
fn lost(text: &str) -> Result<Lost, String> {
    match text.split_once(':') {
        Some(("zone", name)) if !name.is_empty() => Ok(Lost::Zone(name.to_owned())),
        Some(("node", name)) if !name.is_empty() => Ok(Lost::Instance(name.to_owned())),
        _ => Err("write `zone:NAME` or `node:NAME`, such as zone:eu-b or node:chat-3".to_owned()),
    }
}

/// What to do about moves of embedded stores, which `archgen up` makes where a spec has another number of nodes.
#[derive(Debug, Subcommand)]
pub enum ShardsAction {
    /// Say where each move stands.
    Status(MoveArguments),
    /// Stop moving; everything goes on being served.
    Pause(MoveArguments),
    /// Go on moving.
    Resume(MoveArguments),
    /// Move everything back to where it was.
    Rollback(MoveArguments),
}

/// Which fleet and store.
#[derive(Debug, Args)]
pub struct MoveArguments {
    /// The store; all of them where none is named.
    pub store: Option<String>,
    /// From now on copy at most so much a second.
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub move_rate: Option<u64>,
    /// Output format.
    #[arg(long, value_enum, default_value_t = ReportFormat::Human)]
    pub format: ReportFormat,
    #[command(flatten)]
    pub state: StateArguments,
}

impl ShardsAction {
    /// What all of them take.
    pub fn arguments(&self) -> &MoveArguments {
        match self {
            Self::Status(a) | Self::Pause(a) | Self::Resume(a) | Self::Rollback(a) => a,
        }
    }
}

/// `50MB` and the like.
pub(super) fn size(text: &str) -> Result<u64, String> {
    Bytes::parse(text).map(|b| b.0).map_err(|error| format!("{error}; write a size such as 50MB"))
}

/// `3x` or `3`, up to a million.
fn factor(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('x').unwrap_or(text).parse().ok();
    number.filter(|f: &f64| *f > 0.0 && *f <= 1e6).ok_or_else(|| "write a factor such as 3x or 1.5x".to_owned())
}

/// `90d` or `90`, up to a hundred years.
fn days(text: &str) -> Result<u64, String> {
    let number = text.strip_suffix('d').unwrap_or(text).parse().ok();
    number.filter(|d: &u64| (1..=36_500).contains(d)).ok_or_else(|| "write days such as 90d".to_owned())
}

/// Serve an editor over standard input and output (Language Server Protocol).
///
/// Diagnostics while typing, completion, hover, definitions, references, rename across overlays, fixes, outline, derived numbers.
/// docs/editors.md says how to wire it into VS Code, Neovim and Helix.
#[derive(Debug, Args)]
#[command(after_help = "Exit status: 0 after `shutdown` and `exit`, 71 where the editor went away.")]
pub struct LspArguments {
    /// The only transport there is; accepted because editors pass it.
    #[arg(long)]
    pub stdio: bool,
}
