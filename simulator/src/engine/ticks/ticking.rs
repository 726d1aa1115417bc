//! [`TickEngine`]: turmoil's simulation with faults in our layer.

use std::{
    collections::{BTreeMap, BTreeSet},
    panic,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, UNIX_EPOCH},
};

use super::net::TickNet;
use crate::{
    engine::{Broken, Engine, LATENCY_MS, Program, Weather, links::Links},
    world::{self, EPOCH, World},
};

/// Tick of the simulation. Every message waits for a tick, so it is also the grain of latency.
const TICK: Duration = Duration::from_millis(1);
/// Segments that a connection or a backlog may hold; turmoil panics above it.
const TCP_CAPACITY: usize = 4_096;

/// See the module's documentation.
pub(in crate::engine) struct TickEngine {
    world: World,
    simulation: turmoil::Sim<'static>,
    links: Links,
    cuts: BTreeMap<(String, String), u32>,
    names: BTreeSet<String>,
    /// Machines without power.
    dark: BTreeSet<String>,
    busy: Arc<AtomicUsize>,
    ended: Arc<Mutex<Vec<String>>>,
}

impl TickEngine {
    pub(in crate::engine) fn new(world: &World) -> Self {
        let mut builder = turmoil::Builder::new();
        builder
            .rng_seed(world.seed)
            .epoch(UNIX_EPOCH + EPOCH)
            .tick_duration(TICK)
            .simulation_duration(Duration::from_secs(36_000))
            .min_message_latency(Duration::from_millis(LATENCY_MS.0))
            .max_message_latency(Duration::from_millis(LATENCY_MS.1))
            .tcp_capacity(TCP_CAPACITY);
        world::set_origin(None);
        Self {
            world: world.clone(),
            simulation: builder.build(),
            links: Links::new(world.seed),
            cuts: BTreeMap::new(),
            names: BTreeSet::new(),
            dark: BTreeSet::new(),
            busy: Arc::default(),
            ended: Arc::default(),
        }
    }

    /// Does this while nothing that a host says on its way out passes its cut links.
    fn behind_cuts(&mut self, host: &str, also: impl Fn(&str) -> bool, act: impl FnOnce(&mut turmoil::Sim<'static>)) {
        let peers: Vec<String> = self.names.iter().filter(|peer| *peer != host).cloned().collect();
        let silent: Vec<String> = peers
            .into_iter()
            .filter(|peer| also(peer) || self.cuts.get(&(host.to_owned(), peer.clone())).is_some_and(|cuts| *cuts > 0))
            .collect();
        for peer in &silent {
            self.simulation.partition(host, peer.as_str());
        }
        act(&mut self.simulation);
        for peer in &silent {
            self.simulation.repair(host, peer.as_str());
        }
    }
}

impl Engine for TickEngine {
    fn add_host(&mut self, name: &str, program: Program) {
        self.names.insert(name.to_owned());
        let (world, links, ended, host) =
            (self.world.clone(), self.links.clone(), self.ended.clone(), Arc::<str>::from(name));
        let program = Arc::new(program);
        self.simulation.host(name, move || {
            let (world, links, program, host) = (world.clone(), links.clone(), program.clone(), host.clone());
            let ended = ended.clone();
            async move {
                let machine = world.machine(&host);
                let life = machine.begin_life();
                let net = TickNet::new(&host, &links, &world.trace);
                machine.guard(life, "host", program(world.env(&host, life, Arc::new(net)))).await;
                ended.lock().unwrap_or_else(PoisonError::into_inner).push(host.to_string());
                // A host that has ended stays until it is started anew.
                std::future::pending().await
            }
        });
    }

    fn add_person(&mut self, name: &str, program: Program) {
        self.names.insert(name.to_owned());
        self.busy.fetch_add(1, Ordering::Relaxed);
        let (world, links, busy, person) = (self.world.clone(), self.links.clone(), self.busy.clone(), name.to_owned());
        self.simulation.client(name, async move {
            let machine = world.machine(&person);
            let life = machine.begin_life();
            let net = TickNet::new(&person, &links, &world.trace);
            machine.guard(life, "host", program(world.env(&person, life, Arc::new(net)))).await;
            busy.fetch_sub(1, Ordering::Relaxed);
            Ok(())
        });
    }

    fn advance(&mut self, until: Duration) -> Result<bool, Broken> {
        while self.simulation.elapsed() < until {
            let stepped = panic::catch_unwind(panic::AssertUnwindSafe(|| self.simulation.step()));
            world::set_resting(self.simulation.elapsed());
            match stepped {
                Ok(Ok(true)) => return Ok(true),
                Ok(Ok(false)) => {}
                Ok(Err(error)) => return Err(Broken(error.to_string())),
                Err(_) => return Err(Broken("a host or the simulation panicked".to_owned())),
            }
            if !self.ended.lock().unwrap_or_else(PoisonError::into_inner).is_empty() {
                break;
            }
        }
        Ok(self.busy.load(Ordering::Relaxed) == 0)
    }

    fn world(&self) -> &World {
        &self.world
    }

    fn take_ended(&mut self) -> Vec<String> {
        std::mem::take(&mut *self.ended.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn now(&self) -> Duration {
        self.simulation.elapsed()
    }

    fn cut(&mut self, from: &str, to: &str) {
        *self.cuts.entry((from.to_owned(), to.to_owned())).or_default() += 1;
        self.links.cut(from, to);
    }

    fn join(&mut self, from: &str, to: &str) {
        let cuts = self.cuts.entry((from.to_owned(), to.to_owned())).or_default();
        *cuts = cuts.saturating_sub(1);
        self.links.join(from, to);
    }

    fn weather(&mut self, from: &str, to: &str, weather: Weather) {
        self.links.weather(from, to, weather);
    }

    fn reset(&mut self, a: &str, b: &str) {
        self.links.reset(a, b);
    }

    fn exit(&mut self, host: &str) {
        self.world.machine(host).end_life();
        self.behind_cuts(host, |_| false, |simulation| simulation.crash(host));
        self.links.set_vacant(host, true);
    }

    fn power_off(&mut self, host: &str) {
        self.world.machine(host).end_life();
        if !self.dark.insert(host.to_owned()) {
            return;
        }
        for peer in self.names.clone().iter().filter(|peer| *peer != host) {
            // A SYN is not answered, not even by a refusal.
            self.cut(host, peer);
            self.cut(peer, host);
        }
        self.behind_cuts(host, |_| true, |simulation| simulation.crash(host));
        self.links.set_vacant(host, false);
    }

    fn start(&mut self, host: &str) {
        if self.dark.remove(host) {
            for peer in self.names.clone().iter().filter(|peer| *peer != host) {
                self.join(host, peer);
                self.join(peer, host);
            }
        }
        self.links.set_vacant(host, false);
        self.simulation.bounce(host);
    }
}
