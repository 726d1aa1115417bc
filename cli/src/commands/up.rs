//! `archgen up`: decides everything about a fleet (spec, ports, key), then supervises it here or leaves it to a supervisor of its
//! own. Nothing starts before everything is decided.

use std::{
    collections::BTreeSet,
    fs::{self, OpenOptions},
    os::unix::{fs::OpenOptionsExt, process::CommandExt},
    process::{Child, Command, Stdio},
    sync::Arc,
    thread::sleep,
    time::Duration,
};

use anyhow::{Context, anyhow};
use archgen_env::{os, task::Shutdown};

use super::{change, supervise::supervise};
use crate::{
    arguments::UpArguments,
    exit::{self, Failure, Outcome},
    printer::Printer,
    spec_files::{self, Environment},
    state::{
        FleetFile, Lock, PortError, ProcessList, StateFolder, assign, nodes, room_for_moves, save_nodes, service_key,
        with_held,
    },
    supervisor::{self, HostState, Mode, Progress, Request, ask},
};

/// The overlay of a fleet on one machine.
const ENVIRONMENT: &str = "dev";
/// Time between looks at a detached fleet that starts.
const LOOK: Duration = Duration::from_millis(40);
/// How long a detached start is watched. Hosts get their own deadlines; this one is for a machine that is very slow.
const START_WITHIN: Duration = Duration::from_secs(180);
/// How long children of a killed supervisor may take to be gone.
const LEFTOVERS_WITHIN: Duration = Duration::from_secs(3);

/// Starts the fleet.
pub fn run(arguments: &UpArguments, printer: Printer) -> Outcome {
    let environment = match &arguments.environment {
        Some(name) => Environment::Exactly(Some(name)),
        None => Environment::IfDeclared(ENVIRONMENT),
    };
    let (topology, spec) = spec_files::topology(&arguments.spec, environment, printer)?;
    let problems = supervisor::preflight(&topology);
    if !problems.is_empty() {
        let lines: String = problems.iter().map(|p| format!("\n  {p}")).collect();
        let overlay = spec.environment.as_deref().unwrap_or("none");
        let message = format!("`{}` cannot run here (environment: {overlay}):{lines}", spec.path);
        return Err(Failure::new(exit::UNAVAILABLE, message));
    }
    let state = StateFolder::at(&arguments.state.folder)?;
    state.create()?;
    let lock = match Lock::take(&state) {
        Ok(lock) => lock,
        Err(busy) => return change::run(arguments, (topology, spec), &state, busy, printer),
    };
    clear_leftovers(&state)?;
    let nodes = nodes(&state, &topology)?;
    room_for_moves(&state, &nodes).map_err(|error| Failure { status: exit::UNAVAILABLE, error })?;
    let topology = with_held(topology, &nodes);
    let addresses = assign(&state, &topology, &BTreeSet::new()).map_err(|error| {
        let status = if matches!(error, PortError::State(_)) { exit::SYSTEM } else { exit::UNAVAILABLE };
        Failure { status, error: anyhow!(error) }
    })?;
    let env = os::env("up", state.root(), Shutdown::default());
    let key = service_key(&state, &env.entropy("service-key"))?;
    let folder = spec_files::folder(&arguments.spec)?;
    let fleet = FleetFile {
        spec,
        folder,
        addresses,
        in_process: arguments.in_process,
        nodes,
        moved_bytes_per_second_max: arguments.move_rate,
        chaos: arguments.chaos,
        #[cfg(sabotage)]
        sabotage: arguments.sabotage.clone(),
        demo: supervisor::is_demonstrable(&topology),
    };
    let assembly =
        fleet.assembly_of(Arc::new(topology), key).map_err(|error| Failure { status: exit::UNAVAILABLE, error })?;
    // Whatever cannot be assembled is said now, not by a child later.
    let hosts =
        archgen_fleet::hosts(&assembly).map_err(|e| Failure { status: exit::CONFIGURATION, error: anyhow!(e) })?;
    let units = supervisor::units(&state, &assembly, hosts, Vec::new(), &fleet.folder, fleet.in_process)?;
    let missing = supervisor::missing(&units);
    if !missing.is_empty() {
        let lines: String = missing.iter().map(|line| format!("\n  {line}")).collect();
        return Err(Failure::new(exit::UNAVAILABLE, format!("nothing was started:{lines}")));
    }
    supervisor::prepare_servers(&state, &assembly).map_err(|error| Failure { status: exit::UNAVAILABLE, error })?;
    // Orders left by whoever played with the fleet before are not for this one.
    let _ = fs::remove_file(state.chaos());
    fleet.save(&state)?;
    save_nodes(&state, &fleet.nodes)?;
    printer.note(&format!("starting {} hosts of `{}`", fleet.addresses.len(), assembly.topology.name));
    if arguments.detach {
        drop(lock);
        detach(&fleet, &state, printer)
    } else {
        supervise(state, lock, Mode::Foreground, printer)
    }
}

/// Makes sure that nothing of a killed supervisor is left. The kernel kills its children with it; this waits for that.
fn clear_leftovers(state: &StateFolder) -> Result<(), Failure> {
    let list = ProcessList::load(state)?;
    list.kill();
    let mut waited = Duration::ZERO;
    while !list.alive().is_empty() {
        if waited >= LEFTOVERS_WITHIN {
            let left = list.alive().join(", ");
            return Err(Failure::new(exit::SYSTEM, format!("hosts of an earlier fleet cannot be killed: {left}")));
        }
        sleep(LOOK);
        waited += LOOK;
    }
    Ok(())
}

/// Starts a supervisor in a session of its own and watches the start.
fn detach(fleet: &FleetFile, state: &StateFolder, printer: Printer) -> Outcome {
    let log = state.supervisor_log();
    let file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&log);
    let file = file.with_context(|| format!("cannot open `{}`", log.display()))?;
    let mut command = Command::new(std::env::current_exe().context("cannot find this program's own path")?);
    command.arg("supervise").arg("--data").arg(state.root()).stdin(Stdio::null());
    command.stdout(file.try_clone().context("cannot share the supervisor's log")?).stderr(file);
    // SAFETY: setsid is async-signal-safe and touches no memory of the parent's.
    unsafe { command.pre_exec(|| nix::unistd::setsid().map(drop).map_err(Into::into)) };
    let mut child = command.spawn().context("cannot start the supervisor")?;
    watch(fleet, state, &mut child, printer)
}

fn watch(fleet: &FleetFile, state: &StateFolder, child: &mut Child, printer: Printer) -> Outcome {
    let mut progress = Progress::new(tokio::time::Instant::now());
    while progress.elapsed() < START_WITHIN {
        // Looked at first: a supervisor that ends answers no more.
        let ended = child.try_wait().context("cannot watch the supervisor")?;
        if let Some(reply) = ask(state, &Request::Status)? {
            for line in progress.observe(&reply.hosts, printer.color_notes()) {
                printer.note(&line);
            }
            if reply.is_started() {
                printer.note(&supervisor::welcome(fleet, state, progress.healthy_after()));
                return Ok(exit::OK);
            }
            if reply.hosts.iter().any(|h| h.state == HostState::Failed) {
                let status = child.wait().context("cannot watch the supervisor")?;
                return Err(Failure::new(exit::UNAVAILABLE, last_words(state, &status.to_string())));
            }
        }
        if let Some(status) = ended {
            return Err(Failure::new(exit::UNAVAILABLE, last_words(state, &status.to_string())));
        }
        sleep(LOOK);
    }
    Err(Failure::new(exit::NOT_YET, "the fleet is not healthy yet and goes on starting; `archgen ps` shows it"))
}

/// What a supervisor that ended had to say: from the first failed host on, for the rest was seen already; else all of it.
fn last_words(state: &StateFolder, status: &str) -> String {
    let said = fs::read_to_string(state.supervisor_log()).unwrap_or_default();
    let failed = said.lines().skip_while(|line| !line.trim_start().starts_with(HostState::Failed.name()));
    let failed: Vec<&str> = failed.filter(|l| !l.trim_start().starts_with(HostState::Stopped.name())).collect();
    if failed.is_empty() {
        format!("the supervisor ended ({status}):\n{}", said.trim_end())
    } else {
        format!("the fleet could not start\n{}", failed.join("\n"))
    }
}
