//! What the lives of all hosts share, and the run of a whole fleet from its start to its end.

use std::{
    cell::{Cell, Ref, RefCell},
    collections::BTreeMap,
    io::{self, IsTerminal},
    path::PathBuf,
    rc::Rc,
    time::Duration,
};

use anyhow::Context;
use archgen_env::{
    Env,
    http::{Client, Limits},
    os,
    task::Shutdown,
};
use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{Notify, mpsc, watch},
    time::{Instant, sleep},
};

use super::{
    board::{Board, HostState, HostStatus},
    change,
    control::{self, Phase},
    demo,
    lifecycle::{keep, record_of},
    moves,
    output::{Output, Routes, Shown},
    progress::Progress,
    unit::Unit,
    welcome::welcome,
};
use crate::{
    exit::{self, Failure},
    logging::log_to,
    printer::Printer,
    state::{FleetFile, Lock, ProcessList, StateFolder},
};

/// What the fleet is to do. Orders only grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Order {
    /// Run.
    Run,
    /// Stop in order.
    Stop,
    /// Stop at once.
    Force,
}

/// Whether the fleet has a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Lines and progress go to the terminal.
    Foreground,
    /// Nobody looks.
    Detached,
}

/// What the lives of all hosts share.
pub struct Floor {
    pub(super) state: StateFolder,
    fleet: RefCell<FleetFile>,
    pub(super) board: Board,
    outputs: RefCell<BTreeMap<String, Output>>,
    shown: Option<Shown>,
    pub(super) env: Env,
    pub(super) client: Client,
    pub(super) program: PathBuf,
    pub(super) printer: Printer,
    pub(super) phase: Cell<Phase>,
    order: watch::Sender<Order>,
    /// A change was taken in: others are to be told.
    pub(super) changed: Notify,
    /// Whether that is not over yet.
    pub(super) changing: Cell<bool>,
    hosts: RefCell<BTreeMap<String, Rc<Orders>>>,
    newcomers: mpsc::Sender<Unit>,
    processes: RefCell<ProcessList>,
}

/// Hosts that join a running fleet at once.
const NEWCOMERS_MAX: usize = 4_096;

/// What one host is ordered, and whom it needs.
struct Orders {
    restart: Notify,
    retire: Notify,
    needs: Vec<String>,
    hears: bool,
}

impl Orders {
    fn of(unit: &Unit) -> Rc<Self> {
        Rc::new(Self {
            restart: Notify::new(),
            retire: Notify::new(),
            needs: unit.needs.clone(),
            hears: unit.hears_of_instances(),
        })
    }
}

fn waiting(unit: &Unit) -> HostStatus {
    HostStatus {
        host: unit.name.clone(),
        kind: unit.kind.clone(),
        address: unit.address.to_string(),
        starts: 0,
        pid: None,
        state: HostState::Waiting,
        note: String::new(),
    }
}

impl Floor {
    fn new(
        state: StateFolder,
        fleet: FleetFile,
        units: &[Unit],
        newcomers: mpsc::Sender<Unit>,
        mode: Mode,
        printer: Printer,
    ) -> anyhow::Result<Self> {
        let width = units.iter().map(|u| u.name.len()).max().unwrap_or(0);
        let shown = (mode == Mode::Foreground).then_some(Shown { printer, width });
        let mut outputs = BTreeMap::new();
        for unit in units {
            let output = Output::open(&state, &unit.name, shown);
            outputs.insert(unit.name.clone(), output.with_context(|| format!("cannot open the log of {}", unit.name))?);
        }
        let board = Board::new(units.iter().map(waiting));
        let env = os::env("supervisor", state.root(), Shutdown::default());
        let limits = Limits { connect_ms_max: 500, call_ms_max: 2_000, reply_bytes_max: 1 << 20, idle_per_host_max: 1 };
        Ok(Self {
            client: Client::new(&env, limits),
            program: std::env::current_exe().context("cannot find this program's own path")?,
            hosts: RefCell::new(units.iter().map(|u| (u.name.clone(), Orders::of(u))).collect()),
            newcomers,
            changed: Notify::new(),
            changing: Cell::new(false),
            shown,
            order: watch::Sender::new(Order::Run),
            phase: Cell::new(Phase::Starting),
            processes: RefCell::default(),
            state,
            fleet: RefCell::new(fleet),
            board,
            outputs: RefCell::new(outputs),
            env,
            printer,
        })
    }

    /// The fleet as it is decided now. Not to be held over a wait.
    pub(super) fn fleet(&self) -> Ref<'_, FleetFile> {
        self.fleet.borrow()
    }

    /// Changes what is decided, on record first: whoever starts reads it there.
    pub(super) fn change_fleet(&self, change: impl FnOnce(&mut FleetFile)) -> anyhow::Result<()> {
        let mut next = self.fleet.borrow().clone();
        change(&mut next);
        next.save(&self.state)?;
        *self.fleet.borrow_mut() = next;
        Ok(())
    }

    /// The lines of a host.
    pub(super) fn output(&self, host: &str) -> Option<Output> {
        self.outputs.borrow().get(host).cloned()
    }

    /// Hosts that need this one.
    pub(super) fn needed_by(&self, host: &str) -> impl Iterator<Item = String> {
        let hosts = self.hosts.borrow();
        let needing = hosts.iter().filter(|(_, orders)| orders.needs.iter().any(|n| n == host));
        needing.map(|(name, _)| name.clone()).collect::<Vec<_>>().into_iter()
    }

    /// Whether a host is told of instances that come and go.
    pub(super) fn hears_of_instances(&self, host: &str) -> bool {
        self.hosts.borrow().get(host).is_some_and(|orders| orders.hears)
    }

    /// Waits until these hosts are ready; one that is no part of the fleet is not waited for.
    pub(super) async fn ready(&self, hosts: &[String]) {
        let is_ready = |board: &Board| hosts.iter().all(|h| board.state(h).is_none_or(|s| s == HostState::Ready));
        self.board.until(is_ready).await;
    }

    /// Adds a host to the running fleet.
    pub(super) fn add(&self, unit: Unit) -> anyhow::Result<()> {
        let output = Output::open(&self.state, &unit.name, self.shown);
        let output = output.with_context(|| format!("cannot open the log of {}", unit.name))?;
        self.outputs.borrow_mut().insert(unit.name.clone(), output);
        self.hosts.borrow_mut().insert(unit.name.clone(), Orders::of(&unit));
        self.board.add(waiting(&unit));
        self.newcomers.try_send(unit).context("too many hosts at once")
    }

    /// Orders a host to stop and leave the fleet.
    pub(super) fn retire(&self, host: &str) {
        if let Some(orders) = self.hosts.borrow().get(host) {
            orders.retire.notify_one();
        }
    }

    /// Waits for the order to leave.
    pub(super) async fn retirement_of(&self, host: &str) {
        let orders = self.hosts.borrow().get(host).cloned();
        match orders {
            Some(orders) => orders.retire.notified().await,
            None => std::future::pending().await,
        }
    }

    /// Forgets a host that has left.
    pub(super) fn forget(&self, host: &str) {
        self.hosts.borrow_mut().remove(host);
        self.outputs.borrow_mut().remove(host);
        self.board.remove(host);
    }

    /// Gives an order; a weaker one than the last changes nothing.
    pub(super) fn order(&self, order: Order) {
        if order > Order::Run {
            self.phase.set(Phase::Stopping);
        }
        self.order.send_modify(|now| *now = order.max(*now));
    }

    /// Waits until this order or a stronger one is given.
    pub(super) async fn ordered(&self, order: Order) {
        // The sender lives in `self`: the wait ends by the order only.
        let _ = self.order.subscribe().wait_for(|now| *now >= order).await;
    }

    /// Orders the restart of a host; `false` where there is none of this name.
    pub(super) fn restart(&self, host: &str) -> bool {
        self.hosts.borrow().get(host).inspect(|orders| orders.restart.notify_one()).is_some()
    }

    /// Waits for the order to restart this host.
    pub(super) async fn restart_of(&self, host: &str) {
        let orders = self.hosts.borrow().get(host).cloned();
        match orders {
            Some(orders) => orders.restart.notified().await,
            None => std::future::pending().await,
        }
    }

    /// Records a host's process, or that it has none.
    pub(super) fn record(&self, host: &str, pid: Option<u32>) {
        let mut list = self.processes.borrow_mut();
        match pid.and_then(record_of) {
            Some(record) => drop(list.hosts.insert(host.to_owned(), record)),
            None => drop(list.hosts.remove(host)),
        }
        if let Err(error) = list.save(&self.state) {
            self.printer.warning(&format!("{error:#}"));
        }
    }
}

/// Runs a fleet until it is told to stop. Holds the state folder's lock for as long. Must be called on the main thread: the
/// kernel kills the children when the thread that started them ends.
///
/// # Errors
/// The supervisor itself cannot work, or a host failed before the fleet was healthy.
pub async fn run(
    state: StateFolder,
    fleet: FleetFile,
    units: Vec<Unit>,
    lock: Lock,
    mode: Mode,
    printer: Printer,
) -> Result<u8, Failure> {
    let (newcomers, joining) = mpsc::channel(NEWCOMERS_MAX);
    let floor = Floor::new(state, fleet, &units, newcomers, mode, printer)?;
    if floor.fleet().in_process {
        let routes = Routes::new(floor.outputs.borrow().clone());
        log_to(move || routes.clone())?;
    }
    ProcessList::default().save(&floor.state)?;
    let listener = control::listen(&floor.state)?;
    let failed = Cell::new(false);
    tokio::select! {
        biased;
        () = lives(units, joining, &floor) => {}
        () = signals(&floor) => {}
        () = control::serve(&listener, &floor) => {}
        () = story(&floor, mode, &failed) => {}
        () = moves::keep(&floor) => {}
        () = change::keep(&floor) => {}
    }
    // The socket goes first: who finds the lock free finds no socket of ours.
    let _ = std::fs::remove_file(floor.state.control());
    let gone = floor.state.processes();
    std::fs::remove_file(&gone).with_context(|| format!("cannot remove `{}`", gone.display()))?;
    drop(lock);
    if failed.get() {
        return Err(Failure::new(
            exit::UNAVAILABLE,
            "a host failed before the fleet was healthy; the rest was stopped",
        ));
    }
    if mode == Mode::Foreground {
        floor.printer.note("stopped; the data stay for the next `archgen up`");
    }
    Ok(exit::OK)
}

async fn life(unit: Unit, floor: &Floor) {
    keep(&unit, floor).await;
}

/// The lives of all hosts, of those too that join later; over when all are.
async fn lives(units: Vec<Unit>, mut joining: mpsc::Receiver<Unit>, floor: &Floor) {
    let mut lives: FuturesUnordered<_> = units.into_iter().map(|unit| life(unit, floor)).collect();
    loop {
        tokio::select! {
            biased;
            Some(unit) = joining.recv() => lives.push(life(unit, floor)),
            ended = lives.next() => if ended.is_none() {
                return;
            },
        }
    }
}

/// Turns signals into orders: the first stops in order, the second at once. Never returns.
async fn signals(floor: &Floor) {
    let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
    let mut signals: Vec<_> = kinds.into_iter().filter_map(|kind| signal(kind).ok()).collect();
    let mut seen = 0;
    loop {
        let any = signals.iter_mut().map(|s| Box::pin(s.recv()));
        futures_util::future::select_all(any).await;
        seen += 1;
        let (order, said) = match seen {
            1 => (Order::Stop, "stopping; once more to stop at once"),
            _ => (Order::Force, "stopping at once"),
        };
        floor.printer.note(said);
        floor.order(order);
    }
}

/// Tells how the start goes; when all are ready, seeds the demo and says where to go. Never returns.
async fn story(floor: &Floor, mode: Mode, failed: &Cell<bool>) {
    let mut progress = Progress::new(Instant::now());
    let terminal = io::stderr().is_terminal();
    loop {
        let hosts = floor.board.all();
        for line in progress.observe(&hosts, terminal) {
            floor.printer.note(&line);
        }
        if floor.phase.get() == Phase::Starting {
            if hosts.iter().any(|h| h.state == HostState::Failed) {
                failed.set(true);
                floor.order(Order::Stop);
            } else if hosts.iter().all(|h| h.state == HostState::Ready) {
                if let Err(error) = demo::seed(floor).await {
                    floor.printer.warning(&format!("the demo users could not be made: {error:#}"));
                }
                if floor.phase.get() == Phase::Starting {
                    floor.phase.set(Phase::Running);
                    if mode == Mode::Foreground {
                        floor.printer.note(&welcome(&floor.fleet(), &floor.state, progress.healthy_after()));
                    }
                }
            }
        }
        let before = hosts;
        tokio::select! {
            biased;
            () = floor.board.until(|board| board.all() != before) => {}
            // What is waited for long is said again.
            () = sleep(Duration::from_secs(5)) => {}
        }
    }
}
