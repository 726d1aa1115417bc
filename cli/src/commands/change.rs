//! `archgen up` where a fleet runs already: it takes in what can change while it runs, numbers of nodes and instances.

use std::{collections::BTreeSet, thread::sleep, time::Duration};

use anyhow::anyhow;
use archgen_env::{os, task::Shutdown};
use archgen_fleet::Mover;
use archgen_spec::topology::Topology;

use crate::{
    arguments::UpArguments,
    exit::{self, Failure, Outcome},
    printer::Printer,
    spec_files::{self, SpecTexts},
    state::{FleetFile, Nodes, StateFolder, assign, movable, nodes, room_for_moves, service_key, with_held},
    supervisor::{HostState, Progress, Request, ask},
};

/// Time between looks.
const LOOK: Duration = Duration::from_millis(40);
/// How long new hosts are watched while they start.
const START_WITHIN: Duration = Duration::from_secs(180);

/// Has the running fleet take this spec in; `busy` is what there is to say where it cannot be.
pub fn run(
    arguments: &UpArguments,
    (topology, spec): (Topology, SpecTexts),
    state: &StateFolder,
    busy: Failure,
    printer: Printer,
) -> Outcome {
    let Ok(running) = FleetFile::load(state) else { return Err(busy) };
    let before = spec_files::reload(&running.spec)?;
    let unavailable = |error: anyhow::Error| Failure { status: exit::UNAVAILABLE, error };
    movable(&before, &topology).map_err(|why| unavailable(anyhow!("{:#}; {why:#}", busy.error)))?;
    let mut wanted = nodes(state, &topology)?;
    // What a move has left is on record with the fleet.
    for (store, known) in &mut wanted {
        known.held = known.held.max(running.nodes.get(store).map_or(0, |n| n.held));
    }
    refuse_a_second(state, &running, &wanted)?;
    room_for_moves(state, &wanted).map_err(unavailable)?;
    let topology = with_held(topology, &wanted);
    let taken: BTreeSet<String> = running.addresses.keys().cloned().collect();
    let addresses = assign(state, &topology, &taken).map_err(|error| unavailable(anyhow!(error)))?;
    let folder = spec_files::folder(&arguments.spec)?;
    let next = FleetFile {
        spec,
        folder,
        addresses,
        in_process: running.in_process,
        demo: running.demo,
        nodes: wanted,
        moved_bytes_per_second_max: arguments.move_rate,
        chaos: running.chaos,
        #[cfg(sabotage)]
        sabotage: running.sabotage.clone(),
    };
    next.save_next(state)?;
    if ask(state, &Request::Change).map_err(unavailable)?.is_none() {
        return Err(Failure::new(exit::UNAVAILABLE, "the supervisor does not answer"));
    }
    watch(&running, &next, state, printer)
}

/// Refuses a change of nodes while an earlier one is under way.
fn refuse_a_second(state: &StateFolder, running: &FleetFile, wanted: &Nodes) -> Result<(), Failure> {
    let env = os::env("up", state.root(), Shutdown::default());
    let key = service_key(state, &env.entropy("service-key"))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure { status: exit::SYSTEM, error: error.into() })?;
    for store in wanted.keys() {
        let Some(first) = running.addresses.get(&format!("{store}-1")) else { continue };
        let journal = runtime.block_on(Mover::new(&env, first.clone(), &key).hasty().journal());
        let journal = journal.map_err(|error| Failure::new(exit::UNAVAILABLE, format!("{store}: {error}")))?;
        if let Some((moved, all)) = journal.filter(|j| !j.is_done()).map(|j| j.moved) {
            let message = format!(
                "{store}: another move is under way ({moved} of {all} units): `archgen shards status` shows it, `archgen shards \
                 rollback` takes it back"
            );
            return Err(Failure::new(exit::UNAVAILABLE, message));
        }
    }
    Ok(())
}

/// Watches new hosts until they are ready.
fn watch(running: &FleetFile, next: &FleetFile, state: &StateFolder, printer: Printer) -> Outcome {
    let mut progress = Progress::new(tokio::time::Instant::now());
    while progress.elapsed() < START_WITHIN {
        let Some(reply) = ask(state, &Request::Status)? else {
            return Err(Failure::new(exit::UNAVAILABLE, "the supervisor does not answer"));
        };
        let is_new = |host: &str| next.addresses.contains_key(host) && !running.addresses.contains_key(host);
        let new: Vec<_> = reply.hosts.into_iter().filter(|h| is_new(&h.host)).collect();
        for line in progress.observe(&new, printer.color_notes()) {
            printer.note(&line);
        }
        if let Some(failed) = new.iter().find(|h| h.state == HostState::Failed) {
            return Err(Failure::new(exit::UNAVAILABLE, format!("{} failed: {}", failed.host, failed.note)));
        }
        if new.iter().all(|h| h.state == HostState::Ready) {
            printer
                .note("the fleet takes the change in while it runs; `archgen shards status` and `archgen ps` show it");
            return Ok(exit::OK);
        }
        sleep(LOOK);
    }
    Err(Failure::new(exit::NOT_YET, "new hosts are not ready yet and go on starting; `archgen ps` shows them"))
}
