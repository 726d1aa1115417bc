//! Arguments of the commands that run a fleet and look after it.

use std::{path::PathBuf, time::Duration};

use archgen_spec::units::{Period, Unit, UnitError};
use clap::{Args, ValueEnum};

/// Output of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ListFormat {
    /// For people.
    Table,
    /// For programs.
    Json,
}

/// Where a fleet keeps its state.
#[derive(Debug, Clone, Args)]
pub struct StateArguments {
    /// Folder of the fleet's state: data, logs, ports.
    #[arg(long = "data", value_name = "DIR", default_value = ".archgen")]
    pub folder: PathBuf,
}

/// Run the whole fleet on this machine.
///
/// One supervised process per host, each started when those that it needs are ready, and started again when it dies. Ports and
/// data are kept under the state folder and are the same the next time. Where the fleet runs already and the spec has another number
/// of `nodes:` of an embedded store, or of `replicas:` of messaging, the running fleet takes that in. Ctrl-C stops everything in order; a second one at once.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  archgen up examples/slack/topology.yaml\n  archgen up examples/slack/topology.yaml \
                        --detach && archgen ps\n\nExit status: 0 stopped as asked, 1 errors in the spec, 69 a fleet is up \
                        already and the spec differs in what cannot change while it runs, a port is taken, or a host failed."
)]
pub struct UpArguments {
    /// The topology spec.
    pub spec: PathBuf,
    /// Environment overlay; `dev` where the spec declares it.
    #[arg(long = "env", value_name = "NAME")]
    pub environment: Option<String>,
    /// Run all hosts as tasks of one process.
    #[arg(long)]
    pub in_process: bool,
    /// Most that a move of data between nodes copies in a second: 64MB where nothing is said.
    #[arg(long, value_name = "SIZE", value_parser = super::spec::size)]
    pub move_rate: Option<u64>,
    /// Let `archgen sim --fleet` cut, slow, pause and kill the hosts of this fleet. Not for a fleet that serves anybody.
    #[arg(long, conflicts_with = "in_process")]
    pub chaos: bool,
    /// Plant a bug in every host, for the simulator to find again.
    #[cfg(sabotage)]
    #[arg(long, value_name = "BUG")]
    pub sabotage: Option<String>,
    /// Return when the fleet is healthy and leave it running.
    #[arg(long)]
    pub detach: bool,
    #[command(flatten)]
    pub state: StateArguments,
}

/// List the hosts of the running fleet.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  archgen ps\n  archgen ps --format json")]
pub struct PsArguments {
    /// Output format.
    #[arg(long, value_enum, default_value_t = ListFormat::Table)]
    pub format: ListFormat,
    #[command(flatten)]
    pub state: StateArguments,
}

/// Print what hosts logged.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  archgen logs messaging-1\n  archgen logs -f")]
pub struct LogsArguments {
    /// Only this host.
    pub host: Option<String>,
    /// Go on with what is logged from now.
    #[arg(short, long)]
    pub follow: bool,
    /// Last lines of each host to begin with.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pub lines: u32,
    #[command(flatten)]
    pub state: StateArguments,
}

/// Wait until every host is ready.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  archgen wait --healthy --timeout 30s\n\nExit status: 0 healthy, 69 no fleet is up or a \
                        host failed, 75 not healthy in time."
)]
pub struct WaitArguments {
    /// Wait for every host to be ready.
    #[arg(long, required = true)]
    pub healthy: bool,
    /// How long at most.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub timeout: Duration,
    #[command(flatten)]
    pub state: StateArguments,
}

/// Stop one host and start it again.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  archgen restart messaging-1")]
pub struct RestartArguments {
    /// The host's name, as `archgen ps` lists it.
    pub host: String,
    #[command(flatten)]
    pub state: StateArguments,
}

/// Stop the fleet and leave its data.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  archgen down\n\nThe data stay under the state folder: the next `archgen up` goes on from \
                        there."
)]
pub struct DownArguments {
    #[command(flatten)]
    pub state: StateArguments,
}

/// Copy a fleet's data into the stores of another environment, and compare.
///
/// From embedded stores to real engines, or back. The fleet is down meanwhile, and the stores of the other environment are empty: data
/// are never mixed. Accounts, documents, logs with read marks, objects and topics are copied; caches and indexes fill themselves when
/// the other fleet is up.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  archgen copy examples/slack/topology.yaml --from dev --to real\n\nExit status: 0 all is there and \
                        equal, 1 something differs, 69 a store is not there or a fleet is up, 73 the other stores have data."
)]
pub struct CopyArguments {
    /// The topology spec.
    pub spec: PathBuf,
    /// Environment whose data are copied.
    #[arg(long, value_name = "NAME")]
    pub from: String,
    /// Environment whose stores they go to.
    #[arg(long, value_name = "NAME")]
    pub to: String,
    #[command(flatten)]
    pub state: StateArguments,
}

/// The supervisor of a detached fleet.
#[derive(Debug, Args)]
pub struct SuperviseArguments {
    #[command(flatten)]
    pub state: StateArguments,
}

/// One host of a fleet, as the supervisor starts it.
#[derive(Debug, Args)]
pub struct HostArguments {
    /// The host's name.
    pub name: String,
    /// The spec, where no supervisor left one: in a container.
    #[arg(long, value_name = "SPEC", requires_all = ["addresses", "service_key"])]
    pub spec: Option<PathBuf>,
    /// Environment overlay.
    #[arg(long = "env", value_name = "NAME", requires = "spec")]
    pub environment: Option<String>,
    /// Where each host is: a JSON object of names to `address:port`, as `generate` writes it.
    #[arg(long, value_name = "FILE", requires = "spec")]
    pub addresses: Option<PathBuf>,
    /// File with the fleet's key.
    #[arg(long, value_name = "FILE", requires = "spec")]
    pub service_key: Option<PathBuf>,
    #[command(flatten)]
    pub state: StateArguments,
}

/// A span of time as the spec writes it.
fn duration(text: &str) -> Result<Duration, PeriodError> {
    Period::parse(text).map(|p| p.0).map_err(PeriodError)
}

/// Why a text is no span of time.
#[derive(Debug, thiserror::Error)]
#[error("{0}; write {forms}", forms = Period::FORMS)]
struct PeriodError(UnitError);
