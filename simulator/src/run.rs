//! One run: the fleet and its people in an engine, from setup to verdict.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use archgen_env::net::Address;
use archgen_fleet::{Assembly, EngineKind as StoreEngine, FleetError, PublicUrls, hosts};
use archgen_ports::ServiceKey;
use archgen_spec::topology::{Component, Instance, Topology};

use serde::{Deserialize, Serialize};

use crate::{
    engine::{Engine, NoFleet, ProcessEngine, RunningFleet, engine},
    faults::{Action, Injector, Scheduled},
    history::{History, Recorder},
    invariants,
    people::{self, Outside, Stage, Stages},
    plan::Plan,
    rebalance,
    verdict::{Run, judge},
    world::{Hop, Ways, World},
};

/// Simulated time for registration and joining, before any fault, milliseconds.
const SETUP_MS_MAX: u64 = 60_000;
/// Simulated time for the final reads, after settling, milliseconds.
const FINAL_MS_MAX: u64 = 60_000;
/// Time between looks whether a stage is over that people end, milliseconds.
const LOOK_MS: u64 = 100;
/// Wait before a host that ended by itself is started again, as a supervisor would, milliseconds.
const RESTART_MS: u64 = 500;

/// A run with everything that clients saw.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Recorded {
    /// The run.
    pub run: Run,
    /// What clients saw.
    pub history: History,
    /// When each stage began, milliseconds.
    pub stages: Vec<(String, u64)>,
    /// The ways of messages, where they were noted.
    pub hops: Vec<Hop>,
}

/// Runs one plan to its verdict.
///
/// # Errors
/// [`FleetError`] where the topology cannot be assembled.
pub fn run(topology: &Arc<Topology>, plan: &Plan) -> Result<Run, FleetError> {
    record(topology, plan, Ways::default()).map(|recorded| recorded.run)
}

/// Runs one plan and keeps what clients saw, and the ways of messages where they are noted.
///
/// # Errors
/// [`FleetError`] where the topology cannot be assembled.
pub fn record(topology: &Arc<Topology>, plan: &Plan, ways: Ways) -> Result<Recorded, FleetError> {
    if let Some(store) = topology.stores.iter().find(|s| s.is_real()) {
        return Err(FleetError::NotSimulated(store.name.clone()));
    }
    let prepared = plan.rebalance.then(|| Arc::new(rebalance::prepared(topology)));
    let topology = prepared.as_ref().unwrap_or(topology);
    let assembly = assembly(topology, plan);
    let fleet = hosts(&assembly)?;
    let mut world = World::new(plan.seed);
    world.ways = ways;
    let recorder = Recorder::default();
    let mut engine = engine(plan.engine, &world);
    for host in fleet {
        let (recorder, name) = (recorder.clone(), host.name().to_owned());
        engine.add_host(
            &name,
            Box::new(move |env| {
                let (host, recorder) = (host.clone(), recorder.clone());
                Box::pin(async move {
                    match host.start(env).await {
                        Ok(()) => recorder.host_failed(host.name(), "ended without an order to stop"),
                        Err(error) => recorder.host_failed(host.name(), &error.to_string()),
                    }
                })
            }),
        );
    }
    if plan.rebalance {
        rebalance::start(&mut *engine, &assembly, &recorder);
    }
    Ok(play(engine, topology, plan, &Outside { addresses: &assembly.addresses, mark: "" }, &world, recorder))
}

/// Runs a plan once on the fleet that is up, in real time. `mark` makes what people make in it its own.
///
/// # Errors
/// See [`NoFleet`].
pub fn run_on_fleet(
    topology: &Arc<Topology>,
    plan: &Plan,
    fleet: &RunningFleet,
    mark: &str,
) -> Result<Recorded, NoFleet> {
    let world = World::new(plan.seed);
    let engine = ProcessEngine::new(&world, fleet)?;
    let outside = Outside { addresses: &fleet.addresses, mark };
    Ok(play(Box::new(engine), topology, plan, &outside, &world, Recorder::default()))
}

/// Takes people and faults through the stages of a plan, and judges what the people saw.
fn play(
    mut engine: Box<dyn Engine>,
    topology: &Arc<Topology>,
    plan: &Plan,
    outside: &Outside<'_>,
    world: &World,
    recorder: Recorder,
) -> Recorded {
    let stages = Stages::default();
    people::start(&mut *engine, topology, plan, outside, &recorder, &stages);
    let mut driver = Driver {
        plan,
        stages: &stages,
        injector: Injector::new(world, &plan.schedule),
        entered_ms: 0,
        entered: vec![("setup".to_owned(), 0)],
        restarts: Vec::new(),
        remarks: Vec::new(),
    };
    driver.drive(&mut *engine);
    let simulated_ms = engine.now().as_millis() as u64;
    let traffic = engine.traffic();
    let (remarks, applied) = (driver.remarks, driver.injector.applied().to_vec());
    // The fleet ends before it is judged, so that nothing it does on its way out can count.
    engine.leave();
    let mut history = recorder.history();
    history.kept_ms_max = invariants::kept_ms_max(topology);
    history.host_failures.retain(|failure| !is_expected(failure, &plan.schedule));
    let mut run = judge(topology, plan, world, &history, remarks, applied, simulated_ms);
    run.traffic = traffic;
    Recorded { run, history, stages: driver.entered, hops: world.ways.hops() }
}

/// A store that refuses to serve from a damaged disk does what it should.
fn is_expected(failure: &str, schedule: &[Scheduled]) -> bool {
    let of_the_damaged = |fault: &Scheduled| match &fault.action {
        Action::CorruptDisk { host } => failure.starts_with(&format!("{host} at ")),
        _ => false,
    };
    let refused = ["is corrupt", "this is not a data folder"].iter().any(|why| failure.contains(why));
    refused && schedule.iter().any(of_the_damaged)
}

fn assembly(topology: &Arc<Topology>, plan: &Plan) -> Arc<Assembly> {
    let addresses: BTreeMap<String, Address> =
        topology.instances().into_iter().map(|i| (i.name.clone(), Address::new(i.name, i.port))).collect();
    let url = |i: &Instance| format!("http://{}:{}", i.name, i.port);
    let of = |component| topology.component_instances(component).iter().map(url).collect::<Vec<_>>();
    Arc::new(Assembly {
        founders: rebalance::stores(topology)
            .into_iter()
            .filter(|_| plan.rebalance)
            .map(|s| (s, rebalance::FOUNDERS))
            .collect(),
        topology: topology.clone(),
        addresses,
        key: ServiceKey::new(format!("simulated-fleet-key-{}", plan.seed)),
        engine: StoreEngine::Log,
        copies: true,
        public: PublicUrls {
            gateway: of(Component::Gateway).into_iter().next().unwrap_or_default(),
            realtime: of(Component::Realtime),
        },
        means: archgen_fleet::Means::default(),
    })
}

/// Takes a simulation through its stages.
struct Driver<'a> {
    plan: &'a Plan,
    stages: &'a Stages,
    injector: Injector,
    entered_ms: u64,
    /// When each stage began.
    entered: Vec<(String, u64)>,
    /// Hosts that ended by themselves, with the time at which they are started again.
    restarts: Vec<(u64, String)>,
    /// What went wrong beside promises.
    remarks: Vec<String>,
}

impl Driver<'_> {
    fn drive(&mut self, engine: &mut dyn Engine) {
        loop {
            let now_ms = engine.now().as_millis() as u64;
            if !self.enter_what_is_due(engine, now_ms) {
                return;
            }
            let until = self.next_ms(now_ms).max(now_ms + 1);
            match engine.advance(Duration::from_millis(until)) {
                Ok(true) => return,
                Ok(false) => self.restart_ended(engine),
                Err(error) => {
                    self.remarks.push(error.to_string());
                    return;
                }
            }
        }
    }

    /// The next moment at which something is to be done.
    fn next_ms(&self, now_ms: u64) -> u64 {
        let stage = match self.stages.current() {
            Stage::Setup | Stage::Final => now_ms + LOOK_MS,
            Stage::Faults => {
                let end = self.entered_ms + self.plan.duration_ms;
                self.injector.next_ms().map_or(end, |next| end.min(self.entered_ms + next))
            }
            Stage::Settle => self.entered_ms + self.plan.settle_ms,
        };
        self.restarts.iter().map(|(at, _)| *at).fold(stage, u64::min)
    }

    /// Does what is due; `false` when the run cannot go on.
    fn enter_what_is_due(&mut self, engine: &mut dyn Engine, now_ms: u64) -> bool {
        let (due, later) = std::mem::take(&mut self.restarts).into_iter().partition(|(at, _)| *at <= now_ms);
        self.restarts = later;
        for (_, host) in due {
            if !self.injector.is_down(&host) {
                engine.start(&host);
            }
        }
        let inside = now_ms - self.entered_ms;
        let next = match self.stages.current() {
            Stage::Setup if self.stages.is_set_up(people::names(self.plan.people).len() as u32) => {
                self.enter(Stage::Faults, now_ms);
                self.injector.advance(engine, 0);
                return true;
            }
            Stage::Setup if inside > SETUP_MS_MAX => {
                let trouble = self.stages.trouble();
                let (busy, waiting) = (self.stages.busy(), engine.world().waiting());
                self.remarks.push(format!(
                    "setup did not finish within {SETUP_MS_MAX} ms: {trouble}; {busy}; tasks: {waiting}"
                ));
                return false;
            }
            Stage::Faults if inside >= self.plan.duration_ms => {
                self.injector.heal_all(engine);
                Stage::Settle
            }
            Stage::Faults => {
                self.injector.advance(engine, inside);
                return true;
            }
            Stage::Settle if inside >= self.plan.settle_ms => Stage::Final,
            Stage::Final if inside > FINAL_MS_MAX => {
                let (busy, waiting) = (self.stages.busy(), engine.world().waiting());
                self.remarks
                    .push(format!("final reads did not finish within {FINAL_MS_MAX} ms: {busy}; tasks: {waiting}"));
                return false;
            }
            _ => return true,
        };
        self.enter(next, now_ms);
        true
    }

    fn enter(&mut self, stage: Stage, now_ms: u64) {
        self.stages.enter(stage);
        self.entered_ms = now_ms;
        self.entered.push((stage.name().to_owned(), now_ms));
    }

    fn restart_ended(&mut self, engine: &mut dyn Engine) {
        let now_ms = engine.now().as_millis() as u64;
        for host in engine.take_ended() {
            engine.exit(&host);
            self.restarts.push((now_ms + RESTART_MS, host));
        }
    }
}
