//! The life of one host under the supervisor: wait for those that it needs, run, be watched, be started again, be stopped after
//! those that need it.

use std::{io, time::Duration};

use http::HeaderMap;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::{
    backoff::Backoff,
    board::HostState,
    child::{Child, Ended},
    floor::{Floor, Order},
    program::{Program, Readiness},
    unit::Unit,
};
use crate::state::ProcessRecord;

/// How long a host may take to become ready before it is called unhealthy.
const READY_WITHIN: Duration = Duration::from_secs(20);
/// How long a server that we started may refuse what it is to know.
const COMES_TO_ITSELF_WITHIN: Duration = Duration::from_secs(10);
/// Time between looks at a host that is not ready yet, at first and later.
const STARTING_LOOK: (Duration, Duration) = (Duration::from_millis(15), Duration::from_millis(100));
/// When it is said what a host that starts lacks.
const STARTING_SAYS: Duration = Duration::from_secs(1);
/// When the looks become rarer.
const STARTING_OFTEN: Duration = Duration::from_secs(3);
/// Time between looks at a ready host.
const READY_LOOK: Duration = Duration::from_secs(1);
/// Looks in a row that find a ready host not ready before it is called unhealthy.
const MISSES_MAX: u32 = 3;
/// How long a host must have been ready for its waits to begin anew.
const STEADY: Duration = Duration::from_secs(60);
/// Starts of a host that was never ready before it is given up.
const FIRST_STARTS_MAX: u32 = 5;
/// After SIGKILL the kernel needs only moments.
const KILLED_WITHIN: Duration = Duration::from_secs(5);

/// Why a run of a host was over.
enum Over {
    /// It was ordered to stop.
    Stopped,
    /// It is to leave the fleet.
    Retired,
    /// It was ordered to start again.
    Restart,
    /// It ended by itself; how long it had been ready.
    Ended(Ended, Option<Duration>),
}

/// Keeps a host until the order to stop.
pub async fn keep(unit: &Unit, floor: &Floor) {
    let mut backoff = Backoff::new(unit.restart);
    let (mut was_ready, mut starts) = (false, 0);
    if !needs_are_ready(unit, floor).await {
        return floor.board.set(&unit.name, HostState::Stopped, None, "");
    }
    loop {
        starts += 1;
        let (ended, ready_for) = match run(unit, floor).await {
            Over::Stopped => return floor.board.set(&unit.name, HostState::Stopped, None, ""),
            Over::Retired => return floor.forget(&unit.name),
            Over::Restart => {
                backoff.reset();
                continue;
            }
            Over::Ended(ended, ready_for) => (ended, ready_for),
        };
        was_ready |= ready_for.is_some();
        if ready_for.is_some_and(|time| time >= STEADY) {
            backoff.reset();
        }
        let wait = if ended.for_good || (!was_ready && starts >= FIRST_STARTS_MAX) {
            floor.board.set(&unit.name, HostState::Failed, None, account(unit, floor, &ended, starts));
            None
        } else {
            let wait = backoff.next(&floor.env.entropy("backoff"));
            let note = format!("{}{}; again in {:.1} s", ended.how, last_error(unit, floor), wait.as_secs_f64());
            floor.board.set(&unit.name, HostState::Restarting, None, note);
            Some(wait)
        };
        let again = async {
            match wait {
                Some(wait) => sleep(wait).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = floor.ordered(Order::Stop) => {
                if floor.board.state(&unit.name) != Some(HostState::Failed) {
                    floor.board.set(&unit.name, HostState::Stopped, None, "");
                }
                return;
            }
            () = floor.retirement_of(&unit.name) => return floor.forget(&unit.name),
            () = floor.restart_of(&unit.name) => {
                backoff.reset();
                starts = 0;
            }
            () = again => {}
        }
    }
}

/// The error with which a host's last run ended, where it told one.
fn last_error(unit: &Unit, floor: &Floor) -> String {
    let lines = floor.output(&unit.name).map(|o| o.last_lines()).unwrap_or_default();
    let told = lines.iter().rev().find_map(|line| line.strip_prefix("error: "));
    told.map(|error| format!(" ({error})")).unwrap_or_default()
}

/// What there is to say about a host that is given up.
fn account(unit: &Unit, floor: &Floor, ended: &Ended, starts: u32) -> String {
    let times = if starts > 1 { format!(" ({starts} times)") } else { String::new() };
    let mut text = format!("{}{times}", ended.how);
    for line in floor.output(&unit.name).map(|o| o.last_lines()).unwrap_or_default() {
        text.push_str("\n  ");
        text.push_str(&line);
    }
    text
}

/// Whether the host may start: `false` when the order to stop comes first.
async fn needs_are_ready(unit: &Unit, floor: &Floor) -> bool {
    let mut said = Vec::new();
    let ready = floor.board.until(|board| {
        let missing = |name: &&String| board.state(name).is_some_and(|s| s != HostState::Ready);
        let waits: Vec<String> = unit.needs.iter().filter(missing).cloned().collect();
        let done = waits.is_empty();
        if !done && waits != said {
            board.set(&unit.name, HostState::Waiting, None, format!("for {}", waits.join(", ")));
            said = waits;
        }
        done
    });
    tokio::select! {
        biased;
        () = floor.ordered(Order::Stop) => false,
        () = ready => true,
    }
}

/// One run of a host, from its start to its end.
async fn run(unit: &Unit, floor: &Floor) -> Over {
    let Some(output) = floor.output(&unit.name) else {
        return Over::Ended(Ended { how: "has no log".to_owned(), for_good: true }, None);
    };
    output.begin_run();
    let mut child = match Child::start(unit, &floor.state, &floor.program, &floor.env, &output) {
        Ok(child) => child,
        Err(error) => {
            // What is not there, or is no program, will not be one at the next try.
            let for_good = matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied);
            let missing = match &unit.program {
                Program::Command(command) => command.missing(),
                _ => None,
            };
            let how = missing.unwrap_or_else(|| format!("cannot be started: {error}"));
            return Over::Ended(Ended { how, for_good }, None);
        }
    };
    let pid = child.pid();
    if matches!(child, Child::Process { .. }) {
        floor.record(&unit.name, pid);
    }
    floor.board.set(&unit.name, HostState::Starting, pid, "");
    let mut watch = Watch::new(pid);
    let over = tokio::select! {
        biased;
        ended = child.wait() => Over::Ended(ended, watch.ready_since.map(|since| since.elapsed())),
        () = floor.ordered(Order::Stop) => Over::Stopped,
        () = floor.retirement_of(&unit.name) => Over::Retired,
        () = floor.restart_of(&unit.name) => Over::Restart,
        hopeless = watch.looks(unit, floor) => Over::Ended(hopeless, None),
    };
    match over {
        Over::Stopped => {
            let first = floor
                .board
                .until(|board| floor.needed_by(&unit.name).all(|n| board.state(&n).is_none_or(HostState::is_over)));
            tokio::select! {
                biased;
                _ = child.wait() => {}
                () = floor.ordered(Order::Force) => {}
                () = first => {}
            }
            stop(unit, floor, &mut child).await;
        }
        Over::Retired => {
            floor.board.set(&unit.name, HostState::Stopped, pid, "leaves the fleet");
            stop(unit, floor, &mut child).await;
        }
        Over::Restart => {
            floor.board.set(&unit.name, HostState::Restarting, pid, "as ordered");
            stop(unit, floor, &mut child).await;
        }
        // Also where only the looking ended: the process goes with it.
        Over::Ended(..) => child.kill(),
    }
    floor.record(&unit.name, None);
    over
}

/// SIGTERM, the grace, SIGKILL of the whole group; no grace under the order to force.
async fn stop(unit: &Unit, floor: &Floor, child: &mut Child) {
    child.terminate();
    let stopped = tokio::select! {
        biased;
        () = floor.ordered(Order::Force) => false,
        ended = timeout(unit.stop_within, child.wait()) => ended.is_ok(),
    };
    if !stopped {
        child.kill();
        if timeout(KILLED_WITHIN, child.wait()).await.is_err() {
            floor.printer.warning(&format!("{} does not end after SIGKILL", unit.name));
        }
    }
}

/// Looks at a running host, from outside.
struct Watch {
    pid: Option<u32>,
    since: Instant,
    ready_since: Option<Instant>,
    misses: u32,
    called_unhealthy: bool,
    said: String,
}

/// What one look found.
enum Look {
    Ready,
    /// Not, for this reason.
    NotYet(String),
    /// Not, and it will not come by waiting.
    Never(String),
}

impl Watch {
    fn new(pid: Option<u32>) -> Self {
        Self { pid, since: Instant::now(), ready_since: None, misses: 0, called_unhealthy: false, said: String::new() }
    }

    /// Looks again and again; ends where there is no hope that it was ever ready.
    async fn looks(&mut self, unit: &Unit, floor: &Floor) -> Ended {
        let patience = if matches!(unit.program, Program::There) { Duration::ZERO } else { COMES_TO_ITSELF_WITHIN };
        loop {
            let next = Instant::now() + self.pause();
            let (ready, note) = match look(unit, floor).await {
                Look::Ready => (true, String::new()),
                Look::NotYet(note) => (false, note),
                // A server of ours may have to come to itself before it knows its users.
                Look::Never(how) if self.ready_since.is_none() && self.since.elapsed() >= patience => {
                    return Ended { how, for_good: true };
                }
                Look::Never(note) => (false, note),
            };
            self.judge(unit, floor, ready, &note);
            sleep_until(next).await;
        }
    }

    fn pause(&self) -> Duration {
        match self.ready_since {
            Some(_) => READY_LOOK,
            None if self.since.elapsed() < STARTING_OFTEN => STARTING_LOOK.0,
            None => STARTING_LOOK.1,
        }
    }

    fn judge(&mut self, unit: &Unit, floor: &Floor, ready: bool, note: &str) {
        if ready {
            self.misses = 0;
            if self.ready_since.is_none() || self.called_unhealthy {
                self.ready_since.get_or_insert_with(Instant::now);
                self.called_unhealthy = false;
                floor.board.set(&unit.name, HostState::Ready, self.pid, "");
            }
            return;
        }
        self.misses += 1;
        let late = match self.ready_since {
            Some(_) => self.misses >= MISSES_MAX,
            None => self.since.elapsed() >= READY_WITHIN,
        };
        if late && !self.called_unhealthy {
            self.called_unhealthy = true;
            floor.board.set(&unit.name, HostState::Unhealthy, self.pid, note);
        } else if self.ready_since.is_none() && self.since.elapsed() >= STARTING_SAYS && self.said != note {
            note.clone_into(&mut self.said);
            let state = if self.called_unhealthy { HostState::Unhealthy } else { HostState::Starting };
            floor.board.set(&unit.name, state, self.pid, note);
        }
    }
}

/// One look at a host: what it answers on its readiness path, or how the real engine does.
async fn look(unit: &Unit, floor: &Floor) -> Look {
    let path = match &unit.ready {
        Readiness::Path(path) => path,
        Readiness::Answers => {
            return match floor.client.get(&unit.address, "/", HeaderMap::new()).await {
                Ok(_) => Look::Ready,
                Err(_) => Look::NotYet(format!("no answer on {}", unit.address)),
            };
        }
        Readiness::Store(store) => {
            return match store.look().await {
                Ok(_) => Look::Ready,
                Err(fault) if fault.kind.is_lasting() => Look::Never(fault.to_string()),
                Err(fault) => Look::NotYet(fault.to_string()),
            };
        }
    };
    match floor.client.get(&unit.address, path, HeaderMap::new()).await {
        Ok(reply) if reply.status.is_success() => Look::Ready,
        Ok(reply) => {
            let said = String::from_utf8_lossy(&reply.body);
            let said = said.lines().next().filter(|line| !line.is_empty());
            let said = said.map(|line| format!(": {line}")).unwrap_or_default();
            Look::NotYet(format!("{path} answers {}{said}", reply.status.as_u16()))
        }
        Err(_) => Look::NotYet(format!("no answer on {}", unit.address)),
    }
}

/// The record of a process just started.
pub fn record_of(pid: u32) -> Option<ProcessRecord> {
    crate::state::start_ticks(pid).map(|start_ticks| ProcessRecord { pid, start_ticks })
}
