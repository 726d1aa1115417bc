//! One running host: a process in a group of its own that dies with the supervisor, or a task.

use std::{io, os::unix::process::ExitStatusExt, path::Path, process::Stdio, time::Duration};

use archgen_env::{
    Env, os,
    task::{Shutdown, Task},
};
use archgen_fleet::{FleetError, Host};
use nix::{
    errno::Errno,
    sys::{
        prctl,
        signal::{Signal, killpg},
    },
    unistd::{Pid, getpid, getppid},
};
use tokio::{process, sync::oneshot};
use tracing::Instrument;

use super::{
    output::Output,
    program::{Program, ServerTerms},
    unit::Unit,
};
use crate::{exit, state::StateFolder};

/// How long the last lines of an ended process are waited for, when something else holds its pipes open.
const LAST_LINES_WAIT: Duration = Duration::from_millis(500);

/// How a host ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// In words.
    pub how: String,
    /// Whether starting it again would not help.
    pub for_good: bool,
}

/// A running host.
pub enum Child {
    /// A process, leader of its group.
    Process {
        /// The process.
        process: process::Child,
        /// Its id and that of its group.
        group: Pid,
        /// Stops it in order.
        stop: Signal,
        /// Readers of its lines.
        pumps: Vec<Task>,
    },
    /// A task.
    Task {
        /// Tells it to stop.
        shutdown: Shutdown,
        /// Its end.
        end: oneshot::Receiver<Result<(), FleetError>>,
        /// The task.
        task: Task,
    },
    /// A server that runs already: it is only looked at.
    There {
        /// Ends the looking.
        shutdown: Shutdown,
    },
}

impl Child {
    /// Starts a host. Processes must be started from the thread that outlives them: the kernel ties the death signal to it.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn start(unit: &Unit, state: &StateFolder, own: &Path, env: &Env, output: &Output) -> io::Result<Self> {
        match &unit.program {
            Program::Task(host) => Ok(task(host, state, env)),
            Program::There => Ok(Self::There { shutdown: Shutdown::default() }),
            Program::Own => {
                let mut command = process::Command::new(own);
                command.args(["host", &unit.name, "--data"]).arg(state.root());
                // Two arenas in place of eight per core: a fleet is many small processes.
                command.env("MALLOC_ARENA_MAX", "2");
                spawn(command, env, output, None)
            }
            Program::Command(program) => {
                let (_, rest) = program.words.split_first().ok_or(io::ErrorKind::InvalidInput)?;
                let mut command = process::Command::new(program.program());
                command.args(rest).current_dir(&program.folder).envs(program.variables.iter().cloned());
                spawn(command, env, output, program.server)
            }
        }
    }

    /// Its process id; a task's is the supervisor's; none where nothing of ours runs.
    pub fn pid(&self) -> Option<u32> {
        match self {
            Self::Process { group, .. } => Some(group.as_raw().unsigned_abs()),
            Self::Task { .. } => Some(getpid().as_raw().unsigned_abs()),
            Self::There { .. } => None,
        }
    }

    /// Asks it to stop.
    pub fn terminate(&self) {
        match self {
            // It may have ended in between.
            Self::Process { group, stop, .. } => drop(killpg(*group, *stop)),
            Self::Task { shutdown, .. } | Self::There { shutdown } => shutdown.trigger("stop ordered"),
        }
    }

    /// Ends it, and all that it started.
    pub fn kill(&self) {
        match self {
            Self::Process { group, .. } => drop(killpg(*group, Signal::SIGKILL)),
            Self::Task { task, .. } => task.abort(),
            Self::There { shutdown } => shutdown.trigger("stop ordered"),
        }
    }

    /// Waits for its end and its last lines. May be given up and called again.
    pub async fn wait(&mut self) -> Ended {
        match self {
            Self::Process { process, group, pumps, .. } => {
                let status = process.wait().await;
                // What it started and left behind goes with it.
                let _ = killpg(*group, Signal::SIGKILL);
                for pump in pumps.drain(..) {
                    let _ = tokio::time::timeout(LAST_LINES_WAIT, pump.join()).await;
                }
                ended(status)
            }
            Self::Task { end, .. } => match end.await {
                Ok(Ok(())) => Ended { how: "ended by itself".to_owned(), for_good: false },
                Ok(Err(error)) => {
                    Ended { how: error.to_string(), for_good: !matches!(error, FleetError::Ended { .. }) }
                }
                Err(_) => Ended { how: "was ended or panicked".to_owned(), for_good: false },
            },
            Self::There { shutdown } => {
                shutdown.triggered().await;
                Ended { how: "is no longer looked at".to_owned(), for_good: false }
            }
        }
    }
}

fn ended(status: io::Result<std::process::ExitStatus>) -> Ended {
    let how = match &status {
        Err(error) => format!("could not be waited for: {error}"),
        Ok(status) => match (status.code(), status.signal()) {
            (Some(code), _) => format!("exit status {code}"),
            (None, Some(signal)) => match Signal::try_from(signal) {
                Ok(signal) => format!("ended by {signal}"),
                Err(_) => format!("ended by signal {signal}"),
            },
            (None, None) => "ended".to_owned(),
        },
    };
    let for_good = status.is_ok_and(|s| s.code() == Some(i32::from(exit::CONFIGURATION)));
    Ended { how, for_good }
}

fn spawn(mut command: process::Command, env: &Env, output: &Output, server: Option<ServerTerms>) -> io::Result<Child> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).kill_on_drop(true);
    if let Some((user, group)) = server.and_then(|terms| terms.user) {
        command.uid(user.as_raw()).gid(group.as_raw());
    }
    let stop = server.map_or(Signal::SIGTERM, |terms| terms.stop);
    // A server may have workers that nobody else would end: it is told to end them.
    let orphaned = server.map_or(Signal::SIGKILL, |terms| terms.orphaned);
    let supervisor = getpid();
    let die_with_supervisor = move || {
        prctl::set_pdeathsig(orphaned)?;
        // It may have died before the line above took effect.
        if getppid() == supervisor { Ok(()) } else { Err(Errno::ESRCH.into()) }
    };
    // SAFETY: between fork and exec it makes two system calls and touches no memory of the parent's.
    unsafe { command.pre_exec(die_with_supervisor) };
    let mut process = command.spawn()?;
    let group = Pid::from_raw(process.id().unwrap_or_default() as i32);
    let mut pumps = Vec::new();
    if let Some(stdout) = process.stdout.take() {
        pumps.push(env.spawn("stdout", output.clone().pump(stdout)));
    }
    if let Some(stderr) = process.stderr.take() {
        pumps.push(env.spawn("stderr", output.clone().pump(stderr)));
    }
    Ok(Child::Process { process, group, stop, pumps })
}

fn task(host: &Host, state: &StateFolder, env: &Env) -> Child {
    let shutdown = Shutdown::default();
    let own = os::env(host.name(), &state.data(host.name()), shutdown.clone());
    let (told, end) = oneshot::channel();
    let span = tracing::info_span!("fleet", host = host.name());
    let host = host.clone();
    let run = async move {
        // Nobody listens any more when the supervisor ends first.
        let _ = told.send(host.start(own).await);
    };
    let task = env.spawn("host", run.instrument(span));
    Child::Task { shutdown, end, task }
}
