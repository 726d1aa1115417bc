//! [`ProcessEngine`]: the fleet that runs, as an engine whose time is the real one. Hosts are processes under their supervisor;
//! faults are orders that they obey (see [`archgen_env::chaos`]) and signals that they get. People run here, behind the same layer.
//!
//! Nothing here is deterministic: a schedule that fails in a simulation is played many times, and it is counted how often it fails.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use archgen_env::{
    Env, Parts,
    chaos::{Chaos, ClockFault, LinkFault, Orders},
    clock::WallClock,
    net::Address,
    os,
    task::Shutdown,
};
use serde::Deserialize;
use tokio::{
    runtime::{Builder, Runtime},
    sync::Notify,
    time::Instant,
};

use super::{Broken, DiskEvent, Engine, Program, Weather};
use crate::world::{self, World};

/// Orders have reached every process after this time.
const OBEYED: Duration = Duration::from_millis(30);
/// A fleet that is whole answers within this time.
const WHOLE_WITHIN: Duration = Duration::from_secs(60);

/// Why a schedule cannot be played to a fleet.
#[derive(Debug, thiserror::Error)]
pub enum NoFleet {
    /// There is no fleet, or its state cannot be read.
    #[error("no fleet is up in `{folder}`: {error}; bring it up with `archgen up SPEC --env sim --chaos --detach`")]
    Absent {
        /// Folder of its state.
        folder: String,
        /// What went wrong.
        error: io::Error,
    },
    /// It does not obey orders.
    #[error("the fleet in `{0}` was not brought up for faults; stop it and bring it up with `--chaos`")]
    Disobedient(String),
    /// It lacks a host.
    #[error("the running fleet has no host `{0}`: it was brought up from another spec, or in another environment")]
    Lacks(String),
    /// It has one more host.
    #[error(
        "the running fleet has a host `{0}` besides: it was brought up from another spec, or in another environment"
    )]
    Exceeds(String),
    /// A host does not answer.
    #[error("`{0}` does not answer; `archgen ps` shows how the fleet is")]
    Silent(String),
}

/// A fleet that is up and obeys orders.
#[derive(Debug, Clone)]
pub struct RunningFleet {
    pub(crate) addresses: BTreeMap<String, Address>,
    orders: PathBuf,
    processes: PathBuf,
}

#[derive(Deserialize)]
struct Described {
    addresses: BTreeMap<String, Address>,
    #[serde(default)]
    chaos: bool,
}

/// A process, and what tells it from a later one of the same id.
#[derive(Deserialize)]
struct Process {
    pid: i32,
    start_ticks: u64,
}

#[derive(Deserialize)]
struct Processes {
    hosts: BTreeMap<String, Process>,
}

fn read<T: for<'a> Deserialize<'a>>(path: &Path) -> io::Result<T> {
    Ok(serde_json::from_slice(&fs::read(path)?)?)
}

impl RunningFleet {
    /// The fleet whose state is in this folder, if it is one of exactly these hosts.
    ///
    /// # Errors
    /// See [`NoFleet`].
    pub fn find(state: &Path, hosts: &[String]) -> Result<Self, NoFleet> {
        let folder = || state.display().to_string();
        let absent = |error| NoFleet::Absent { folder: folder(), error };
        let described: Described = read(&state.join("fleet.json")).map_err(absent)?;
        if !described.chaos {
            return Err(NoFleet::Disobedient(folder()));
        }
        // What stands after a dot is a further port of a host.
        let there: BTreeSet<&str> = described.addresses.keys().filter_map(|name| name.split('.').next()).collect();
        let asked: BTreeSet<&str> = hosts.iter().map(String::as_str).collect();
        if let Some(missing) = asked.difference(&there).next() {
            return Err(NoFleet::Lacks((*missing).to_owned()));
        }
        if let Some(surplus) = there.difference(&asked).next() {
            return Err(NoFleet::Exceeds((*surplus).to_owned()));
        }
        let (orders, processes) = (state.join("chaos.json"), state.join("processes.json"));
        Orders::default().write(&orders).map_err(absent)?;
        Ok(Self { addresses: described.addresses, orders, processes })
    }

    /// The process of a host; `None` where it has none now.
    ///
    /// # Errors
    /// Nobody can say, for the list of processes cannot be read.
    fn pid(&self, host: &str) -> io::Result<Option<i32>> {
        let mut processes: Processes = read(&self.processes)?;
        let process = processes.hosts.remove(host);
        Ok(process.filter(Process::is_there).map(|process| process.pid))
    }
}

impl Process {
    fn is_there(&self) -> bool {
        // Field 22 of proc(5): the name before it may hold blanks, but it ends with the last parenthesis.
        let began = |stat: String| stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse::<u64>().ok();
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid));
        stat.ok().and_then(began) == Some(self.start_ticks)
    }
}

/// See the module's documentation.
pub(crate) struct ProcessEngine {
    world: World,
    fleet: RunningFleet,
    runtime: Runtime,
    chaos: Chaos,
    orders: Orders,
    /// Hosts whose machine has no power.
    dark: BTreeSet<String>,
    busy: Arc<AtomicUsize>,
    rest: Arc<Notify>,
    origin: Instant,
    clock: Arc<dyn WallClock>,
    /// What went wrong since time was last moved.
    trouble: Option<String>,
}

impl ProcessEngine {
    /// An engine over this fleet, once all of it answers.
    pub(crate) fn new(world: &World, fleet: &RunningFleet) -> Result<Self, NoFleet> {
        let absent = |error| NoFleet::Absent { folder: fleet.orders.display().to_string(), error };
        let runtime = Builder::new_current_thread().enable_all().build().map_err(absent)?;
        let parts = os::parts("simulator", Path::new("."), Shutdown::default());
        let chaos = Chaos::between(&fleet.addresses);
        runtime.block_on(async {
            let whole = Instant::now() + WHOLE_WITHIN;
            for (host, address) in &fleet.addresses {
                while parts.net.connect(address).await.is_err() {
                    if Instant::now() > whole {
                        return Err(NoFleet::Silent(host.clone()));
                    }
                    tokio::time::sleep(OBEYED).await;
                }
            }
            Ok(())
        })?;
        let origin = {
            let _entered = runtime.enter();
            Instant::now()
        };
        world::set_origin(Some(origin));
        Ok(Self {
            world: world.clone(),
            fleet: fleet.clone(),
            runtime,
            chaos,
            orders: Orders::default(),
            dark: BTreeSet::new(),
            busy: Arc::default(),
            rest: Arc::default(),
            origin,
            clock: parts.clock,
            trouble: None,
        })
    }

    /// Changes the orders and hands them out.
    fn order(&mut self, change: impl FnOnce(&mut Orders)) {
        change(&mut self.orders);
        self.chaos.obey(self.orders.clone());
        if let Err(error) = self.orders.write(&self.fleet.orders) {
            self.trouble = Some(format!("orders cannot be written: {error}"));
        }
    }

    /// Sends a signal to the process of a host and all that it started; a process that is not there needs none.
    fn signal(&mut self, host: &str, signal: libc::c_int) {
        match self.fleet.pid(host) {
            // SAFETY: `kill` takes plain numbers.
            Ok(Some(pid)) => drop(unsafe { libc::kill(-pid, signal) }),
            Ok(None) => {}
            Err(error) => self.trouble = Some(format!("the list of processes cannot be read: {error}")),
        }
    }

    fn everyone_but(&self, host: &str) -> Vec<String> {
        self.fleet.addresses.keys().filter(|other| *other != host).cloned().collect()
    }

    /// Whether anything passes to and from this host at all.
    fn isolate(&mut self, host: &str, is_cut: bool) {
        let others = self.everyone_but(host);
        let change = |link: &mut LinkFault| {
            link.cuts = if is_cut { link.cuts + 1 } else { link.cuts.saturating_sub(1) };
        };
        self.order(|orders| {
            for other in &others {
                change(orders.link_mut(host, other));
                change(orders.link_mut(other, host));
            }
        });
    }
}

impl Engine for ProcessEngine {
    /// Hosts are processes already.
    fn add_host(&mut self, _: &str, _: Program) {}

    fn add_person(&mut self, name: &str, program: Program) {
        let entropy = self.world.entropy(name);
        let parts = os::parts(name, Path::new("."), Shutdown::default());
        // People do as they did in the simulation.
        let env = Env::new(self.chaos.around(Parts { entropy, ..parts }));
        let (busy, rest) = (self.busy.clone(), self.rest.clone());
        busy.fetch_add(1, Ordering::Relaxed);
        let _entered = self.runtime.enter();
        let body = program(env.clone());
        env.spawn("person", async move {
            body.await;
            if busy.fetch_sub(1, Ordering::Relaxed) == 1 {
                rest.notify_one();
            }
        });
    }

    fn advance(&mut self, until: Duration) -> Result<bool, Broken> {
        let end = self.origin + until;
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                () = tokio::time::sleep_until(end) => {}
                () = self.rest.notified() => {}
            }
            world::set_resting(Instant::now() - self.origin);
        });
        match self.trouble.take() {
            Some(trouble) => Err(Broken(trouble)),
            None => Ok(self.busy.load(Ordering::Relaxed) == 0),
        }
    }

    /// The supervisor starts again what ends.
    fn take_ended(&mut self) -> Vec<String> {
        Vec::new()
    }

    fn now(&self) -> Duration {
        world::elapsed()
    }

    fn world(&self) -> &World {
        &self.world
    }

    fn cut(&mut self, from: &str, to: &str) {
        self.order(|orders| orders.link_mut(from, to).cuts += 1);
    }

    fn join(&mut self, from: &str, to: &str) {
        self.order(|orders| {
            let link = orders.link_mut(from, to);
            link.cuts = link.cuts.saturating_sub(1);
        });
    }

    fn weather(&mut self, from: &str, to: &str, weather: Weather) {
        let Weather { extra_ms, lost_per_thousand, bytes_per_second, refused } = weather;
        self.order(|orders| {
            let link = orders.link_mut(from, to);
            *link = LinkFault { extra_ms, lost_per_thousand, bytes_per_second, refused, ..*link };
        });
    }

    fn reset(&mut self, a: &str, b: &str) {
        self.order(|orders| orders.link_mut(a, b).resets += 1);
    }

    fn exit(&mut self, host: &str) {
        self.order(|orders| {
            orders.down.insert(host.to_owned());
        });
        self.signal(host, libc::SIGKILL);
    }

    fn power_off(&mut self, host: &str) {
        if self.dark.insert(host.to_owned()) {
            self.isolate(host, true);
        }
        // Its kernel takes leave of its peers; by then none of them hears it. The people among them go on meanwhile.
        self.runtime.block_on(async {
            tokio::time::sleep(OBEYED).await;
            world::set_resting(Instant::now() - self.origin);
        });
        self.exit(host);
    }

    fn start(&mut self, host: &str) {
        self.order(|orders| {
            orders.down.remove(host);
        });
        if self.dark.remove(host) {
            self.isolate(host, false);
        }
    }

    fn hold(&mut self, host: &str) {
        self.signal(host, libc::SIGSTOP);
    }

    fn release(&mut self, host: &str) {
        self.signal(host, libc::SIGCONT);
    }

    fn set_clock(&mut self, host: &str, offset_ms: i64, ms_per_second: i64) {
        let since_ms = self.clock.wall_ms();
        self.order(|orders| {
            orders.clocks.insert(host.to_owned(), ClockFault { offset_ms, ms_per_second, since_ms });
        });
    }

    /// Real disks are left alone; schedules that need them are refused before they are played.
    fn on_disk(&mut self, _: &str, _: DiskEvent<'_>) {}

    fn leave(self: Box<Self>) {
        // Whatever is left of the people has no effect on what was seen. A fleet without orders is whole.
        // Orders that cannot be taken back are told by whoever plays the next schedule to it.
        let _ = Orders::default().write(&self.fleet.orders);
        let engine = *self;
        engine.runtime.shutdown_background();
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use serde_json::json;

    use super::*;

    /// The state of a fleet whose hosts listen, and have no process.
    struct Fleet {
        folder: PathBuf,
        _listening: Vec<TcpListener>,
    }

    impl Fleet {
        fn of(name: &str, hosts: &[&str]) -> Self {
            let folder = std::env::temp_dir().join(format!("archgen-{name}-{}", std::process::id()));
            fs::create_dir_all(&folder).unwrap();
            let listening: Vec<TcpListener> = hosts.iter().map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
            let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
            let addresses: BTreeMap<&str, Address> =
                hosts.iter().copied().zip(listening.iter().map(|l| Address::new("127.0.0.1", port(l)))).collect();
            let write = |file: &str, content: &serde_json::Value| fs::write(folder.join(file), content.to_string());
            write("fleet.json", &json!({"addresses": addresses, "chaos": true})).unwrap();
            write("processes.json", &json!({"hosts": {}})).unwrap();
            Self { folder, _listening: listening }
        }

        fn find(&self, hosts: &[&str]) -> Result<RunningFleet, NoFleet> {
            RunningFleet::find(&self.folder, &hosts.iter().map(|host| (*host).to_owned()).collect::<Vec<_>>())
        }

        fn engine(&self, hosts: &[&str]) -> ProcessEngine {
            ProcessEngine::new(&World::new(1), &self.find(hosts).unwrap()).unwrap()
        }
    }

    impl Drop for Fleet {
        fn drop(&mut self) {
            // It is in the temporary folder.
            let _ = fs::remove_dir_all(&self.folder);
        }
    }

    const HOSTS: [&str; 3] = ["a-1", "b-1", "c-1"];

    /// Whether the orders that every process reads let pass each way.
    fn passing(engine: &ProcessEngine) -> Vec<String> {
        let orders = Orders::read(&engine.fleet.orders).unwrap();
        let ways = HOSTS.iter().flat_map(|from| HOSTS.iter().map(move |to| (from, to)));
        let open = ways.filter(|(from, to)| from != to && orders.passes(from, to));
        open.map(|(from, to)| format!("{from} {to}")).collect()
    }

    #[test]
    fn a_machine_that_lost_power_more_than_once_is_whole_after_one_start() {
        let fleet = Fleet::of("dark", &HOSTS);
        let mut engine = fleet.engine(&HOSTS);
        let whole = passing(&engine);
        engine.power_off("a-1");
        engine.power_off("a-1");
        assert_eq!(passing(&engine), ["b-1 c-1", "c-1 b-1"]);
        engine.start("a-1");
        assert_eq!(passing(&engine), whole);
    }

    #[test]
    fn cuts_of_others_outlive_a_restart() {
        let fleet = Fleet::of("cuts", &HOSTS);
        let mut engine = fleet.engine(&HOSTS);
        for other in ["b-1", "c-1"] {
            engine.cut("a-1", other);
            engine.cut(other, "a-1");
        }
        for fall in [ProcessEngine::exit, ProcessEngine::power_off] {
            fall(&mut engine, "a-1");
            engine.start("a-1");
            assert_eq!(passing(&engine), ["b-1 c-1", "c-1 b-1"], "the cuts are not mended by it");
        }
    }

    #[test]
    fn processes_that_cannot_be_read_stop_the_run() {
        let fleet = Fleet::of("processes", &HOSTS);
        let mut engine = fleet.engine(&HOSTS);
        engine.exit("a-1");
        engine.advance(Duration::ZERO).unwrap();
        fs::write(fleet.folder.join("processes.json"), r#"{"hosts": {"a-1": {"#).unwrap();
        engine.exit("a-1");
        let broken = engine.advance(Duration::ZERO).unwrap_err().to_string();
        assert!(broken.contains("the list of processes cannot be read: EOF"), "{broken}");
    }

    #[test]
    fn a_fleet_is_found_by_exactly_its_hosts() {
        let fleet = Fleet::of("found", &["a-1", "b-1", "registry-1", "registry-1.dns"]);
        fleet.find(&["registry-1", "b-1", "a-1"]).unwrap();
        let told = |hosts: &[&str]| fleet.find(hosts).unwrap_err().to_string();
        assert!(told(&["a-1", "b-1", "c-1", "registry-1"]).starts_with("the running fleet has no host `c-1`: it was"));
        assert!(told(&["a-1", "registry-1"]).starts_with("the running fleet has a host `b-1` besides: it was brought"));
    }
}
