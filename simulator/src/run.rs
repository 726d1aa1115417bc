//! One run: the fleet and its people under turmoil, from setup to verdict.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    panic,
    rc::Rc,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use archgen_env::net::Address;
use archgen_fleet::{Assembly, EngineKind, FleetError, Host, PublicUrls, hosts};
use archgen_ports::ServiceKey;
use archgen_spec::topology::Topology;

use crate::{
    faults::{Injector, schedule},
    history::{History, Outcome, Recorder},
    invariants,
    people::{self, Stage, Stages},
    verdict::{Run, Verdict},
    world::{self, EPOCH, SimulatedDisk, World},
};

/// Tick of the simulation. Every message waits for a tick, so it is also the grain of latency.
const TICK: Duration = Duration::from_millis(5);
/// Message latency between hosts.
const LATENCY: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(10));
/// Segments that a connection or a backlog may hold; turmoil panics above it.
const TCP_CAPACITY: usize = 4096;
/// Simulated time for registration and joining, before any fault.
const SETUP_MS_MAX: u64 = 60_000;
/// Simulated time for the final reads, after settling.
const FINAL_MS_MAX: u64 = 30_000;
/// Wait before a host that ended by itself is started again, as a supervisor would.
const RESTART: Duration = Duration::from_millis(500);
/// Share of sends that must be acknowledged by the end for a run to prove anything.
const ACKED_SHARE_MIN: f64 = 0.8;

/// Runs one seed to its verdict.
///
/// # Errors
/// [`FleetError`] where the topology cannot be assembled.
pub fn run(topology: &Arc<Topology>, seed: u64) -> Result<Run, FleetError> {
    let world = World::new(seed);
    if let Some(store) = topology.stores.iter().find(|s| s.is_real()) {
        return Err(FleetError::NotSimulated(store.name.clone()));
    }
    let fleet = hosts(&assembly(topology, seed))?;
    let recorder = Recorder::default();
    let stages = Stages::default();
    let mut builder = turmoil::Builder::new();
    builder
        .rng_seed(seed)
        .epoch(UNIX_EPOCH + EPOCH)
        .tick_duration(TICK)
        .simulation_duration(Duration::from_secs(3_600))
        .min_message_latency(LATENCY.0)
        .max_message_latency(LATENCY.1)
        .tcp_capacity(TCP_CAPACITY);
    let mut simulation = builder.build();
    let disks = start_hosts(&mut simulation, &world, &fleet, &recorder);
    let names = people::start(&mut simulation, &world, topology, &recorder, &stages);
    let peers = fleet.iter().map(|h| h.name().to_owned()).chain(names).collect();
    let injector = Injector::new(&world, peers, disks, schedule(topology, seed));
    let panicked = Rc::new(RefCell::new(Vec::new()));
    let (remarks, injector) = drive(&mut simulation, topology, &stages, injector, &panicked);
    let simulated_ms = simulation.elapsed().as_millis() as u64;
    let faults = injector.applied().iter().map(ToString::to_string).collect();
    Ok(judge(topology, &world, &recorder.history(), remarks, faults, simulated_ms))
}

fn assembly(topology: &Arc<Topology>, seed: u64) -> Arc<Assembly> {
    let addresses: BTreeMap<String, Address> =
        topology.instances().into_iter().map(|i| (i.name.clone(), Address::new(i.name, i.port))).collect();
    let url = |i: &archgen_spec::topology::Instance| format!("http://{}:{}", i.name, i.port);
    let of = |component| topology.component_instances(component).iter().map(url).collect::<Vec<_>>();
    Arc::new(Assembly {
        topology: topology.clone(),
        addresses,
        key: ServiceKey::new(format!("simulated-fleet-key-{seed}")),
        engine: EngineKind::Log,
        public: PublicUrls {
            gateway: of(archgen_spec::topology::Component::Gateway).into_iter().next().unwrap_or_default(),
            realtime: of(archgen_spec::topology::Component::Realtime),
        },
        means: archgen_fleet::Means::default(),
    })
}

fn start_hosts(
    simulation: &mut turmoil::Sim<'_>,
    world: &World,
    fleet: &[Host],
    recorder: &Recorder,
) -> BTreeMap<String, Arc<SimulatedDisk>> {
    let mut disks = BTreeMap::new();
    for host in fleet {
        let disk = Arc::new(SimulatedDisk::default());
        disks.insert(host.name().to_owned(), disk.clone());
        let (world, host, recorder) = (world.clone(), host.clone(), recorder.clone());
        let lives = Rc::new(Cell::new(0u64));
        simulation.host(host.name().to_owned(), move || {
            let (world, host, recorder, disk, lives) =
                (world.clone(), host.clone(), recorder.clone(), disk.clone(), lives.clone());
            async move {
                loop {
                    lives.set(lives.get() + 1);
                    let env = world.env(host.name(), lives.get(), disk.clone());
                    match host.start(env).await {
                        Ok(()) => recorder.host_failed(host.name(), "ended without an order to stop"),
                        Err(error) => recorder.host_failed(host.name(), &error.to_string()),
                    }
                    tokio::time::sleep(RESTART).await;
                }
            }
        });
    }
    disks
}

/// Steps the simulation through its stages. Returns remarks on what went wrong beside promises.
fn drive(
    simulation: &mut turmoil::Sim<'_>,
    topology: &Topology,
    stages: &Stages,
    mut injector: Injector,
    remarks: &Rc<RefCell<Vec<String>>>,
) -> (Vec<String>, Injector) {
    let (duration, settle) =
        (topology.simulation.duration.as_millis() as u64, topology.simulation.settle.as_millis() as u64);
    let mut entered_ms = 0;
    loop {
        let stepped = panic::catch_unwind(panic::AssertUnwindSafe(|| simulation.step()));
        match stepped {
            Ok(Ok(true)) => break,
            Ok(Ok(false)) => {}
            Ok(Err(error)) => {
                remarks.borrow_mut().push(format!("the simulation stopped: {error}"));
                break;
            }
            Err(_) => {
                remarks.borrow_mut().push("a host or the simulation panicked".to_owned());
                break;
            }
        }
        let now = simulation.elapsed().as_millis() as u64;
        let inside = now - entered_ms;
        let next = match stages.current() {
            Stage::Setup if stages.is_set_up(topology.simulation.clients) => Some(Stage::Faults),
            Stage::Setup if inside > SETUP_MS_MAX => {
                remarks
                    .borrow_mut()
                    .push(format!("setup did not finish within {SETUP_MS_MAX} ms: {}", stages.trouble()));
                break;
            }
            Stage::Faults if inside >= duration => {
                injector.heal_all(simulation);
                Some(Stage::Settle)
            }
            Stage::Faults => {
                injector.advance(simulation, inside);
                None
            }
            Stage::Settle if inside >= settle => Some(Stage::Final),
            Stage::Final if inside > FINAL_MS_MAX => {
                remarks.borrow_mut().push(format!("final reads did not finish within {FINAL_MS_MAX} ms"));
                break;
            }
            _ => None,
        };
        if let Some(stage) = next {
            stages.enter(stage);
            entered_ms = now;
        }
    }
    let remarks = remarks.borrow().clone();
    (remarks, injector)
}

fn judge(
    topology: &Topology,
    world: &World,
    history: &History,
    mut remarks: Vec<String>,
    faults: Vec<String>,
    simulated_ms: u64,
) -> Run {
    let acked = history.sends.values().filter(|s| matches!(s.outcome, Outcome::Ok { .. })).count();
    let findings = invariants::check(history, &topology.simulation.invariants);
    let broken = findings.iter().any(|f| !f.breaches.is_empty());
    let failed = !history.host_failures.is_empty() || !remarks.is_empty();
    remarks.extend(history.host_failures.iter().map(|f| format!("host ended by itself: {f}")));
    remarks
        .extend(history.unread.iter().map(|(c, why)| format!("the final history of channel {c} was not read: {why}")));
    let enough = (ACKED_SHARE_MIN * history.sends.len() as f64).ceil() as usize;
    let unchecked = findings.is_empty() || findings.iter().any(|f| f.checked == 0);
    let vacuous = acked == 0 || acked < enough || !history.unread.is_empty() || unchecked;
    if vacuous && acked < enough.max(1) {
        remarks.push(format!(
            "{acked} of {} sends were acknowledged; fewer than {enough} prove nothing",
            history.sends.len()
        ));
    }
    let verdict = match (broken || failed, vacuous) {
        (true, _) => Verdict::Red,
        (false, true) => Verdict::Vacuous,
        (false, false) => Verdict::Green,
    };
    let recorded = serde_json::to_vec(&history.sends).unwrap_or_default();
    world.trace.record(world::Crossing::Read, "history", "", &recorded);
    Run {
        seed: world.seed,
        verdict,
        digest: world.trace.digest().0,
        operations: acked,
        sends: history.sends.len(),
        findings: findings.into_iter().map(|f| (f.invariant, f.checked, f.breaches)).collect(),
        remarks,
        faults,
        simulated_ms,
    }
}
