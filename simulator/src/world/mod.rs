//! The simulated world: an `Env` per host whose network, clock, entropy and disk belong to one seeded simulation.

mod clock;
mod disk;
mod entropy;
mod net;
mod trace;

pub use clock::{EPOCH, Skews, elapsed, elapsed_if_known};
pub use disk::SimulatedDisk;
pub use entropy::stream_seed;
pub use net::Cuts;
pub use trace::{Crossing, Trace};

use std::sync::Arc;

use archgen_env::{
    Env, Parts,
    task::{Inline, Shutdown},
};

/// What all hosts of one simulation share. Cloning shares it.
#[derive(Clone)]
pub struct World {
    /// The seed that everything random is derived from.
    pub seed: u64,
    /// Which links are cut.
    pub cuts: Cuts,
    /// Wall-clock offsets by host.
    pub skews: Skews,
    /// Digest of everything that crossed the network.
    pub trace: Trace,
}

impl World {
    /// A world of this seed with all links whole and all clocks right.
    pub fn new(seed: u64) -> Self {
        Self { seed, cuts: Cuts::default(), skews: Skews::default(), trace: Trace::default() }
    }

    /// The environment of a host's process; `life` counts its starts, so that a restarted process draws other numbers.
    pub fn env(&self, host: &str, life: u64, disk: Arc<SimulatedDisk>) -> Env {
        Env::new(Parts {
            host: host.to_owned(),
            net: Arc::new(net::SimulatedNet::new(host, self.cuts.clone(), self.trace.clone())),
            clock: Arc::new(clock::SimulatedClock::new(host, self.skews.clone())),
            entropy: Arc::new(entropy::SimulatedEntropy::new(self.seed, host, life)),
            disk,
            compute: Arc::new(Inline),
            shutdown: Shutdown::default(),
        })
    }
}
