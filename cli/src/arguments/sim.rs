//! Arguments of `archgen sim`, which are those of the `archgen-sim` program.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// Output of a simulation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SimFormat {
    /// For people.
    Human,
    /// For programs.
    Json,
    /// JUnit XML, for CI systems.
    Junit,
}

/// Stands for every engine.
pub const BOTH: &str = "both";

/// The names that `--engine` takes.
fn engines() -> Vec<&'static str> {
    archgen_simulator::EngineKind::ALL.iter().map(|kind| kind.name()).chain([BOTH]).collect()
}

/// Run the spec's fleet under deterministic simulation and judge what its clients saw.
///
/// Each seed is one run: people sign in and talk by real HTTP and real Socket.IO while faults from the spec's `sim:` section come
/// and go; then everything is healed and the final history is read. The same seed always gives the same run, with the same
/// digest. The first red seed is shrunk to the smallest schedule that still fails, and kept under `.archgen/sim/`.
#[derive(Debug, Clone, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "Examples:\n  archgen sim examples/slack/topology.yaml --seeds 200\n  archgen sim examples/slack/topology.yaml --seed 7 --engine both\n  archgen sim examples/slack/topology.yaml --tests --seeds 10\n  archgen sim replay .archgen/sim/seed-7.json\n  archgen sim replay .archgen/sim/seed-7.json --fleet --times 20\n\nExit status: 0 all green, 1 red or vacuous or an error in the spec, 64 wrong use."
)]
pub struct SimArguments {
    /// What to do instead of running seeds.
    #[command(subcommand)]
    pub command: Option<SimCommand>,
    /// The topology spec.
    #[arg(required = true)]
    pub spec: Option<PathBuf>,
    /// Run seeds 0 to N-1.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub seeds: u64,
    /// Run this one seed.
    #[arg(long, value_name = "S", conflicts_with = "seeds")]
    pub seed: Option<u64>,
    /// First seed.
    #[arg(long, value_name = "S", default_value_t = 0, conflicts_with = "seed")]
    pub from: u64,
    /// Stop starting seeds after this time, such as `90s` or `10m`.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub budget: Option<std::time::Duration>,
    /// Engine that runs the simulation; `both` runs each seed in every engine and reports any disagreement.
    #[arg(long, value_name = "ENGINE", default_value = "event", value_parser = engines())]
    pub engine: String,
    /// Environment overlay; `sim` where the spec declares it.
    #[arg(long = "env", value_name = "NAME")]
    pub environment: Option<String>,
    /// Lay a value over the spec, such as `services.messaging.lease=2s`, to see which promise breaks; repeatable.
    #[arg(long = "set", value_name = "PATH=VALUE")]
    pub set: Vec<String>,
    /// Output format.
    #[arg(long, value_enum, default_value_t = SimFormat::Human)]
    pub format: SimFormat,
    /// Runs at a time; the machine's cores by default.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_024))]
    pub workers: Option<u64>,
    /// Play the scenarios of the spec's `tests:` instead of its `sim:` section, each under every seed.
    #[arg(long, conflicts_with_all = ["twice", "until_red", "html", "budget"])]
    pub tests: bool,
    /// Have nothing but this happen to the fleet: `rebalance`, where nodes of the message store become more and fewer while people
    /// talk, under faults in every phase.
    #[arg(long, value_name = "WHAT", value_parser = ["rebalance"], conflicts_with = "tests")]
    pub only: Option<String>,
    /// Run every seed a second time and compare the digests.
    #[arg(long)]
    pub twice: bool,
    /// Stop at the first red seed.
    #[arg(long)]
    pub until_red: bool,
    /// Tell a red seed as it ran, without looking for a smaller schedule.
    #[arg(long)]
    pub no_shrink: bool,
    /// Write one offline page about the first red seed (the first seed, where none is red).
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    #[command(flatten)]
    pub on: FleetArguments,
    /// Plant a bug that the simulator must find.
    #[cfg(sabotage)]
    #[arg(long, value_name = "BUG")]
    pub sabotage: Option<String>,
}

/// Whom a schedule is played to.
#[derive(Debug, Clone, Args)]
pub struct FleetArguments {
    /// Play the schedule to the fleet that is up, in real time, instead of simulating it: the same people, faults and checkers. The fleet
    /// must have been brought up with `archgen up SPEC --env sim --chaos`.
    #[arg(long)]
    pub fleet: bool,
    /// Play it so often, and count how often it fails.
    #[arg(long, value_name = "N", default_value_t = 1, requires = "fleet", value_parser = clap::value_parser!(u64).range(1..=1_000))]
    pub times: u64,
    /// Folder of the fleet's state.
    #[arg(long = "data", value_name = "DIR", default_value = ".archgen", requires = "fleet")]
    pub state: PathBuf,
}

/// What `archgen sim` does beside running seeds.
#[derive(Debug, Clone, Subcommand)]
pub enum SimCommand {
    /// Run a kept artifact again and compare its digest.
    Replay(ReplayArguments),
    /// Find the smallest schedule on which a kept artifact still fails.
    Shrink(ReplayArguments),
    /// Find the first commit whose simulator finds a kept artifact red, between two commits.
    Bisect(BisectArguments),
    /// Print which sources of entropy and time are closed in this build.
    Doctor,
    /// Print the names of the bugs that can be planted.
    #[cfg(sabotage)]
    Bugs,
}

/// A kept run.
#[derive(Debug, Clone, Args)]
pub struct ReplayArguments {
    /// The artifact, as a red run leaves it under `.archgen/sim/`.
    pub artifact: PathBuf,
    /// Run it in this engine instead of the one that found it.
    #[arg(long, value_name = "ENGINE", value_parser = archgen_simulator::EngineKind::ALL.map(archgen_simulator::EngineKind::name))]
    pub engine: Option<String>,
    /// Write one offline page about the run.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Runs at a time; the machine's cores by default.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_024))]
    pub workers: Option<u64>,
    #[command(flatten)]
    pub on: FleetArguments,
    /// Plant a bug that the simulator must find.
    #[cfg(sabotage)]
    #[arg(long, value_name = "BUG")]
    pub sabotage: Option<String>,
}

/// Where a kept run became red.
#[derive(Debug, Clone, Args)]
pub struct BisectArguments {
    /// The artifact.
    pub artifact: PathBuf,
    /// A commit at which it is green.
    #[arg(long, value_name = "COMMIT")]
    pub good: String,
    /// A later one at which it is red.
    #[arg(long, value_name = "COMMIT", default_value = "HEAD")]
    pub bad: String,
    /// What builds `target/release/archgen-sim` in a checkout.
    #[arg(long, value_name = "COMMAND", default_value = "cargo build --release -p archgen --bin archgen-sim")]
    pub build: String,
}

/// Why a text is no time.
#[derive(Debug, thiserror::Error)]
#[error("expected a number with its unit, such as `90s`, `10m` or `1h`")]
struct NoTime;

fn time(text: &str) -> Result<std::time::Duration, NoTime> {
    let (digits, seconds) = [("s", 1), ("m", 60), ("h", 3_600)]
        .into_iter()
        .find_map(|(unit, seconds)| text.strip_suffix(unit).map(|digits| (digits, seconds)))
        .ok_or(NoTime)?;
    let number: u64 = digits.parse().map_err(|_| NoTime)?;
    Ok(std::time::Duration::from_secs(number.checked_mul(seconds).ok_or(NoTime)?))
}
