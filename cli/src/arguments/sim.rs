//! Arguments of `archgen sim`, which are those of the `archgen-sim` program.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Output of a simulation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SimFormat {
    /// For people.
    Human,
    /// For programs.
    Json,
}

/// Stands for every engine.
pub const BOTH: &str = "both";

/// The names that `--engine` takes.
fn engines() -> Vec<&'static str> {
    archgen_simulator::EngineKind::ALL.iter().map(|kind| kind.name()).chain([BOTH]).collect()
}

/// Run the spec's fleet under deterministic simulation and judge what its clients saw.
///
/// Each seed is one run: people sign in and talk by real HTTP and Socket.IO while faults from the spec's `sim:` section come and
/// go; then everything is healed and the final history is read. The same seed always gives the same run, with the same digest.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  archgen sim examples/slack/topology.yaml --seeds 200\n  archgen sim examples/slack/topology.yaml --seed 7\n\nExit status: 0 all green, 1 red or vacuous or an error in the spec, 64 wrong use."
)]
pub struct SimArguments {
    /// The topology spec.
    pub spec: PathBuf,
    /// Run seeds 0 to N-1.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub seeds: u64,
    /// Run this one seed.
    #[arg(long, value_name = "S", conflicts_with = "seeds")]
    pub seed: Option<u64>,
    /// Engine that runs the simulation; `both` runs each seed in every engine and reports any disagreement.
    #[arg(long, value_name = "ENGINE", default_value = "event", value_parser = engines())]
    pub engine: String,
    /// Environment overlay; `sim` where the spec declares it.
    #[arg(long = "env", value_name = "NAME")]
    pub environment: Option<String>,
    /// Output format.
    #[arg(long, value_enum, default_value_t = SimFormat::Human)]
    pub format: SimFormat,
    /// Runs at a time; the machine's cores by default.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_024))]
    pub workers: Option<u64>,
    /// Stop at the first red seed.
    #[arg(long)]
    pub until_red: bool,
    /// Plant a bug that the simulator must find.
    #[cfg(sabotage)]
    #[arg(long, value_name = "BUG")]
    pub sabotage: Option<String>,
}
