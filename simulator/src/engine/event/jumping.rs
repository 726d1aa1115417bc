//! [`EventEngine`]: one paused tokio runtime for all hosts, whose time jumps to the next timer.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    runtime::{Builder, Runtime},
    sync::Notify,
    time::Instant,
};

use super::{network::Network, stream::EventNet};
use crate::{
    engine::{Broken, Engine, Program, Weather},
    world::{self, World},
};

/// See the module's documentation.
pub(in crate::engine) struct EventEngine {
    world: World,
    runtime: Option<Runtime>,
    network: Network,
    programs: BTreeMap<String, Arc<Program>>,
    signals: Arc<Signals>,
    origin: Instant,
}

/// Why the engine should come to rest early.
#[derive(Default)]
struct Signals {
    busy_people: AtomicUsize,
    ended_hosts: Mutex<Vec<String>>,
    rest: Notify,
}

impl EventEngine {
    pub(in crate::engine) fn new(world: &World) -> Self {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
        // It takes no resource of the operating system but memory.
        let runtime = runtime.unwrap_or_else(|error| panic!("no runtime: {error}"));
        let origin = {
            let _entered = runtime.enter();
            Instant::now()
        };
        world::set_origin(Some(origin));
        Self {
            world: world.clone(),
            runtime: Some(runtime),
            network: Network::new(world),
            programs: BTreeMap::new(),
            signals: Arc::default(),
            origin,
        }
    }

    /// Does this at the time where the engine rests.
    fn at_rest<T>(&self, act: impl FnOnce(&Network) -> T) -> T {
        let _entered = self.runtime.as_ref().map(Runtime::enter);
        act(&self.network)
    }

    fn launch(&self, name: &str, after: impl FnOnce() + Send + 'static) {
        let Some(program) = self.programs.get(name) else { return };
        let machine = self.world.machine(name);
        let life = machine.begin_life();
        self.at_rest(|network| {
            let net = EventNet::new(network, network.power_on(name));
            let body = program(self.world.env(name, life, Arc::new(net)));
            let whole = async move {
                body.await;
                after();
            };
            machine.spawner(life).spawn("host", Box::pin(whole));
        });
    }
}

impl Engine for EventEngine {
    fn add_host(&mut self, name: &str, program: Program) {
        self.programs.insert(name.to_owned(), Arc::new(program));
        self.start(name);
    }

    fn add_person(&mut self, name: &str, program: Program) {
        self.programs.insert(name.to_owned(), Arc::new(program));
        let signals = self.signals.clone();
        signals.busy_people.fetch_add(1, Ordering::Relaxed);
        self.launch(name, move || {
            if signals.busy_people.fetch_sub(1, Ordering::Relaxed) == 1 {
                signals.rest.notify_one();
            }
        });
    }

    fn advance(&mut self, until: Duration) -> Result<bool, Broken> {
        let Some(runtime) = &self.runtime else { return Err(Broken("the engine was stopped".to_owned())) };
        let end = self.origin + until;
        runtime.block_on(async {
            tokio::select! {
                biased;
                () = tokio::time::sleep_until(end) => {}
                () = self.signals.rest.notified() => {}
            }
            world::set_resting(Instant::now() - self.origin);
        });
        Ok(self.signals.busy_people.load(Ordering::Relaxed) == 0)
    }

    fn world(&self) -> &World {
        &self.world
    }

    fn take_ended(&mut self) -> Vec<String> {
        std::mem::take(&mut *self.signals.ended_hosts.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn now(&self) -> Duration {
        world::elapsed()
    }

    fn traffic(&self) -> Vec<(String, String, u64)> {
        self.network.traffic()
    }

    fn cut(&mut self, from: &str, to: &str) {
        self.at_rest(|network| network.cut(from, to));
    }

    fn join(&mut self, from: &str, to: &str) {
        self.at_rest(|network| network.join(from, to));
    }

    fn weather(&mut self, from: &str, to: &str, weather: Weather) {
        self.at_rest(|network| network.weather(from, to, weather));
    }

    fn reset(&mut self, a: &str, b: &str) {
        self.at_rest(|network| network.reset(a, b));
    }

    fn exit(&mut self, host: &str) {
        self.at_rest(|network| network.exit(host));
        self.world.machine(host).end_life();
    }

    fn power_off(&mut self, host: &str) {
        self.at_rest(|network| network.power_off(host));
        self.world.machine(host).end_life();
    }

    fn start(&mut self, host: &str) {
        let (signals, name) = (self.signals.clone(), host.to_owned());
        self.launch(host, move || {
            signals.ended_hosts.lock().unwrap_or_else(PoisonError::into_inner).push(name);
            signals.rest.notify_one();
        });
    }
}

impl Drop for EventEngine {
    fn drop(&mut self) {
        // Tasks are dropped with the runtime, and ask for the time while they go.
        self.at_rest(|network| network.close_all());
        self.runtime = None;
        world::set_origin(None);
    }
}
