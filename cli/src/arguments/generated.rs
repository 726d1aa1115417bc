//! Arguments of the commands around generated folders: plan, apply, drift, import, migrate-schema.

use std::path::PathBuf;

use clap::Args;

use super::{ReportFormat, StateArguments};

/// Show what a spec would change: components, routes, tables, instances, slots, files.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  archgen plan examples/slack/topology.yaml --against generated\n  archgen plan \
                  examples/slack/topology.yaml --against running\n  archgen plan examples/slack/topology.yaml --against generated -o \
                  plan.json && archgen apply plan.json\n\nExit status: 0 nothing changes, 1 errors in the spec, 2 something changes, \
                  73 a plan cannot be saved because a file is not archgen's.")]
pub struct PlanArguments {
    /// The topology spec.
    pub spec: PathBuf,
    /// The folder that `generate` wrote to (`generated` unless it is said); or `running`: compare the system with the fleet that
    /// `archgen up` runs instead of with what the folder remembers.
    #[arg(long, value_name = "DIR|running")]
    pub against: Option<PathBuf>,
    /// Compare the system with the running fleet, and the files with those of `--against DIR`.
    #[arg(long)]
    pub running: bool,
    /// Environment overlay.
    #[arg(long = "env", value_name = "NAME")]
    pub environment: Option<String>,
    /// Save the plan for `archgen apply`.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Output format.
    #[arg(long, value_enum, default_value_t = ReportFormat::Human)]
    pub format: ReportFormat,
    #[command(flatten)]
    pub state: StateArguments,
}

/// Do exactly what a saved plan says, or nothing where a file is not as it was when the plan was made.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  archgen plan topology.yaml --against generated -o plan.json; archgen apply plan.json\n\n\
                        Exit status: 0 done, 73 the files have changed since."
)]
pub struct ApplyArguments {
    /// What `archgen plan -o` wrote.
    pub plan: PathBuf,
}

/// Say whether what is there is what the spec says. Nothing is written.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  archgen drift examples/slack/topology.yaml --out generated\n  archgen drift topology.yaml --nginx \
                  generated/nginx --registry http://127.0.0.1:8500 --stores\n  archgen drift topology.yaml --running --ignore load.\n\nExit status: 0 as the spec \
                  says, 1 errors in the spec, 3 something has drifted, 69 a place cannot be asked."
)]
pub struct DriftArguments {
    /// The topology spec.
    pub spec: PathBuf,
    /// Compare the folder that `generate` wrote to.
    #[arg(long, value_name = "DIR", required_unless_present_any = ["running", "nginx", "registry", "stores"])]
    pub out: Option<PathBuf>,
    /// Compare the fleet that `archgen up` runs.
    #[arg(long)]
    pub running: bool,
    /// Compare what nginx reads: the folder in which it runs, which is asked by `nginx -T`, or a file with its answer, or `-`.
    #[arg(long, value_name = "DIR|FILE")]
    pub nginx: Option<PathBuf>,
    /// Compare a live registry: who is registered and well, who may call whom. Its access token is taken from CONSUL_HTTP_TOKEN,
    /// else from the secret that the spec names.
    #[arg(long, value_name = "URL")]
    pub registry: Option<String>,
    /// Compare the live schemas of stores that have an `endpoint`, asked by psql, cqlsh, kcat, mongosh or curl.
    #[arg(long)]
    pub stores: bool,
    /// Leave out what begins like this, by the names that are printed; besides what the spec's `drift.ignore` says. May be
    /// repeated.
    #[arg(long, value_name = "START")]
    pub ignore: Vec<String>,
    /// Environment overlay.
    #[arg(long = "env", value_name = "NAME")]
    pub environment: Option<String>,
    /// Output format.
    #[arg(long, value_enum, default_value_t = ReportFormat::Human)]
    pub format: ReportFormat,
    #[command(flatten)]
    pub state: StateArguments,
}

/// Keep the members of a gateway as the registry says, for versions of nginx that do not follow it themselves.
///
/// News are awaited, not polled, and those that come together are one change. A new list is tried by `nginx -t`, put in its place
/// at once and loaded; what nginx refuses is taken back, and while the registry is silent the last good list stays.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  archgen sync topology.yaml --out generated\n  CONSUL_HTTP_TOKEN=… archgen sync topology.yaml --out generated \
                  --registry http://127.0.0.1:8500 --once\n\nExit status: 0 done (with --once), 1 errors in the spec, 64 there is nothing to \
                  keep, 69 the registry does not answer or nginx refuses the list."
)]
pub struct SyncArguments {
    /// The topology spec.
    pub spec: PathBuf,
    /// The folder that `generate` wrote to; nginx runs in its `nginx/`.
    #[arg(long, value_name = "DIR", default_value = "generated")]
    pub out: PathBuf,
    /// The registry; its access token is taken from CONSUL_HTTP_TOKEN, else from the secret that the spec names. Unless it is said, the
    /// one at the spec's `registry.endpoint`, or the agent on this machine.
    #[arg(long, value_name = "URL")]
    pub registry: Option<String>,
    /// The program.
    #[arg(long, value_name = "PROGRAM", default_value = "nginx")]
    pub nginx: PathBuf,
    /// Do it once and end.
    #[arg(long)]
    pub once: bool,
    /// Environment overlay.
    #[arg(long = "env", value_name = "NAME")]
    pub environment: Option<String>,
}

/// Make a spec from a docker-compose file, and say what of it a spec has no place for.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  archgen import docker-compose.yml > topology.yaml && archgen check topology.yaml\n\n\
                        The spec goes to standard output, the report to standard error. Exit status: 0 done, 1 the file is no \
                        compose file."
)]
pub struct ImportArguments {
    /// The compose file.
    pub file: PathBuf,
    /// Write the report as JSON to this file instead.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
}

/// Print how to come from the schemas of one spec to those of another while they are in use.
///
/// Statements for psql, cqlsh and mongosh, and calls of the Kafka scripts, curl, redis-cli and aws, each with why it is safe.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  archgen migrate-schema old/topology.yaml new/topology.yaml\n\nExit status: 0 the steps are printed, 1 \
                  something stands in the way: it would lose data, or cannot be done online."
)]
pub struct MigrateSchemaArguments {
    /// The spec that the schemas were made from.
    pub old: PathBuf,
    /// The spec that they shall be as.
    pub new: PathBuf,
    /// Environment overlay of both.
    #[arg(long = "env", value_name = "NAME")]
    pub environment: Option<String>,
    /// Do what loses data, too.
    #[arg(long)]
    pub lose_data: bool,
    /// Output format.
    #[arg(long, value_enum, default_value_t = ReportFormat::Human)]
    pub format: ReportFormat,
}
