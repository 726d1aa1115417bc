//! The simulated world, as far as it is the same in every engine: clocks, entropy, disks, machines and the trace.

mod clock;
mod disk;
mod entropy;
mod host;
mod trace;
mod ways;

pub use clock::{EPOCH, Skews, elapsed, elapsed_if_known, set_origin, set_resting};
pub use disk::SimulatedDisk;
pub use entropy::{Draw, stream_seed};
pub(crate) use host::write_running_host;
pub use host::{Machine, current_host};
pub use trace::{Crossing, Trace};
pub use ways::{Hop, Ways};

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use archgen_env::{Env, Parts, entropy::EntropySource, net::Net, task::Shutdown};

/// The life that a machine begins with.
const FIRST_LIFE: u64 = 1;

/// What all hosts of one simulation share. Cloning shares it.
#[derive(Clone)]
pub struct World {
    /// The seed that everything random is derived from.
    pub seed: u64,
    /// Wall-clock offsets by host.
    pub skews: Skews,
    /// Digest of everything that crossed the network.
    pub trace: Trace,
    /// Ways of messages, where they are noted.
    pub ways: Ways,
    places: Arc<Mutex<BTreeMap<String, Place>>>,
}

/// A machine with its disk.
#[derive(Clone)]
struct Place {
    machine: Machine,
    disk: Arc<SimulatedDisk>,
}

impl World {
    /// A world of this seed with all clocks right.
    pub fn new(seed: u64) -> Self {
        let (skews, trace, ways) = (Skews::default(), Trace::default(), Ways::default());
        Self { seed, skews, trace, ways, places: Arc::default() }
    }

    fn place(&self, host: &str) -> Place {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Place { machine: Machine::new(host), disk: Arc::default() };
        places.entry(host.to_owned()).or_insert_with(new).clone()
    }

    /// The machine of a host.
    pub fn machine(&self, host: &str) -> Machine {
        self.place(host).machine
    }

    /// The disk of a host. It belongs to the machine and outlives the process.
    pub fn disk(&self, host: &str) -> Arc<SimulatedDisk> {
        self.place(host).disk
    }

    /// What has not ended, in words: each machine with its tasks.
    pub fn waiting(&self) -> String {
        let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |(host, place): (&String, &Place)| {
            let tasks = place.machine.waiting().into_iter();
            let tasks: Vec<String> = tasks
                .map(|(name, times)| if times == 1 { name.to_owned() } else { format!("{times} × {name}") })
                .collect();
            (!tasks.is_empty()).then(|| format!("{host}: {}", tasks.join(", ")))
        };
        places.iter().filter_map(of).collect::<Vec<_>>().join("; ")
    }

    /// Where a person draws from, whatever network they are on.
    pub fn entropy(&self, host: &str) -> Arc<dyn EntropySource> {
        Arc::new(entropy::SimulatedEntropy::new(self.seed, host, FIRST_LIFE))
    }

    /// The environment of a host's process; `life` counts its starts, so that a restarted process draws other numbers.
    pub fn env(&self, host: &str, life: u64, net: Arc<dyn Net>) -> Env {
        let place = self.place(host);
        Env::new(Parts {
            host: host.to_owned(),
            net,
            clock: Arc::new(clock::SimulatedClock::new(host, self.skews.clone())),
            entropy: Arc::new(entropy::SimulatedEntropy::new(self.seed, host, life)),
            compute: place.machine.compute(),
            spawner: place.machine.spawner(life),
            disk: place.disk,
            shutdown: Shutdown::default(),
        })
    }
}
