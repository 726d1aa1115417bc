//! Moves of embedded stores whose spec wants another number of nodes: begun once the fleet runs, gone on with until they are done,
//! held while they are paused. All that is known of one is in the store itself, so that the next `archgen up` takes it up.

use std::time::Duration;

use archgen_fleet::{Journal, MoveError, Mover};
use tokio::time::sleep;

use super::{control::Phase, floor::Floor};
use crate::state::{StoreNodes, save_nodes, service_key};

/// Time between looks.
const LOOK: Duration = Duration::from_millis(500);

/// Looks after all moves. Never returns.
pub async fn keep(floor: &Floor) {
    while floor.phase.get() != Phase::Running {
        sleep(LOOK).await;
    }
    let mut nodes = floor.fleet.nodes.clone();
    let mut begun: Vec<String> = Vec::new();
    loop {
        for (store, known) in nodes.clone() {
            let Some(mover) = mover(floor, &store) else { continue };
            match go_on(floor, &mover, &store, known, !begun.contains(&store)).await {
                Ok(held) => {
                    begun.push(store.clone());
                    if held != known.held {
                        nodes.insert(store, StoreNodes { held, ..known });
                        if let Err(error) = save_nodes(&floor.state, &nodes) {
                            floor.printer.warning(&format!("{error:#}"));
                        }
                    }
                }
                Err(error) => floor.printer.warning(&format!("{store}: {error}; trying again")),
            }
        }
        sleep(LOOK).await;
    }
}

/// A mover for a store, where it is embedded and there.
fn mover(floor: &Floor, store: &str) -> Option<Mover> {
    let first = floor.fleet.addresses.get(&format!("{store}-1"))?;
    let key = service_key(&floor.state, &floor.env.entropy("service-key")).ok()?;
    Some(Mover::new(&floor.env, first.clone(), &key))
}

/// Goes on with what is under way, or begins what the spec wants; the number of nodes that may hold data then.
async fn go_on(
    floor: &Floor,
    mover: &Mover,
    store: &str,
    known: StoreNodes,
    may_begin: bool,
) -> Result<u32, MoveError> {
    let journal = mover.journal().await?;
    let under_way = journal.filter(|j| !j.is_done());
    if under_way.is_none() {
        let nodes = mover.nodes().await?;
        if !may_begin || nodes == known.wanted {
            return Ok(nodes.max(known.wanted));
        }
        let address = |number: u32| floor.fleet.addresses.get(&format!("{store}-{number}")).cloned();
        let wanted: Vec<_> = (1..=known.wanted).filter_map(address).collect();
        let journal = mover.begin(wanted).await?;
        floor.printer.note(&format!("{store}: {} units move, {nodes} nodes to {}", journal.moved.1, known.wanted));
    } else if under_way.is_some_and(|j| j.paused) {
        return Ok(known.held);
    }
    let mut told = |_: &Journal| {};
    let journal = mover.go_on(&mut told).await?;
    if !journal.is_done() {
        return Ok(known.held);
    }
    let nodes = mover.nodes().await?;
    floor.printer.note(&format!(
        "{store}: moved to {nodes} nodes; calls for a unit waited {} ms at most",
        journal.waited_ms_max
    ));
    Ok(nodes.max(known.wanted))
}
