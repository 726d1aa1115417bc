//! Moves of embedded stores whose spec wants another number of nodes: begun once the fleet runs, gone on with until they are done,
//! held while they are paused; nodes that hold nothing any more are stopped. All that is known of a move is in the store itself, so
//! that whoever supervises next takes it up.

use std::{collections::BTreeMap, time::Duration};

use archgen_fleet::{Journal, MoveError, MoveOrder, Mover};
use tokio::time::sleep;

use super::{control::Phase, floor::Floor};
use crate::state::{StoreNodes, save_nodes, service_key};

/// Time between looks.
const LOOK: Duration = Duration::from_millis(250);

/// Looks after all moves. Never returns.
pub async fn keep(floor: &Floor) {
    while floor.phase.get() != Phase::Running {
        sleep(LOOK).await;
    }
    // The number of nodes to which a store came, or which it was told not to come to.
    let mut settled: BTreeMap<String, u32> = BTreeMap::new();
    loop {
        let nodes = floor.fleet().nodes.clone();
        for (store, known) in nodes {
            if settled.get(&store) == Some(&known.wanted) {
                continue;
            }
            let Some(mover) = mover(floor, &store) else { continue };
            match go_on(floor, &mover, &store, known).await {
                Ok(None) => {}
                Ok(Some(held)) => {
                    settled.insert(store.clone(), known.wanted);
                    retire(floor, &store, known, held);
                }
                Err(error) => floor.printer.warning(&format!("{store}: {error}; trying again")),
            }
        }
        sleep(LOOK).await;
    }
}

/// A mover for a store, where it is embedded and there.
fn mover(floor: &Floor, store: &str) -> Option<Mover> {
    let first = floor.fleet().addresses.get(&format!("{store}-1")).cloned()?;
    let key = service_key(&floor.state, &floor.env.entropy("service-key")).ok()?;
    Some(Mover::new(&floor.env, first, &key))
}

/// Goes on with what is under way, or begins what the spec wants; the number of nodes that hold data once nothing is left to do.
async fn go_on(floor: &Floor, mover: &Mover, store: &str, known: StoreNodes) -> Result<Option<u32>, MoveError> {
    let under_way = mover.journal().await?.filter(|j| !j.is_done());
    if under_way.as_ref().is_some_and(|j| j.paused) {
        return Ok(None);
    }
    if under_way.is_none() {
        let nodes = mover.nodes().await?;
        if nodes == known.wanted {
            return Ok(Some(nodes));
        }
        let address = |number: u32| floor.fleet().addresses.get(&format!("{store}-{number}")).cloned();
        let wanted: Vec<_> = (1..=known.wanted).filter_map(address).collect();
        let names: Vec<String> = (1..=known.wanted).map(|number| format!("{store}-{number}")).collect();
        floor.ready(&names).await;
        let journal = mover.begin(wanted).await?;
        floor.printer.note(&format!("{store}: {} units move, {nodes} nodes to {}", journal.moved.1, known.wanted));
        let pace = floor.fleet().moved_bytes_per_second_max;
        if let Some(pace) = pace {
            mover.order(MoveOrder::Pace(pace)).await?;
        }
    }
    let mut told = |_: &Journal| {};
    let journal = mover.go_on(&mut told).await?;
    if !journal.is_done() {
        return Ok(None);
    }
    let nodes = mover.nodes().await?;
    let (moved, all) = journal.moved;
    let waited = journal.waited_ms_max;
    let came = if journal.rolling_back { "moved back to" } else { "moved to" };
    floor.printer.note(&format!(
        "{store}: {came} {nodes} nodes, {moved} of {all} units; calls for a unit waited {waited} ms at most"
    ));
    // A move that an earlier supervisor began may have come to another number than this spec's.
    let again = !journal.rolling_back && nodes != known.wanted;
    Ok((!again).then_some(nodes))
}

/// Stops nodes that hold nothing and are not wanted, and puts on record that there are none of them.
fn retire(floor: &Floor, store: &str, known: StoreNodes, held: u32) {
    let held = held.max(known.wanted);
    if held == known.held {
        return;
    }
    let recorded = floor.change_fleet(|fleet| {
        fleet.nodes.insert(store.to_owned(), StoreNodes { held, ..known });
    });
    let recorded = recorded.and_then(|()| save_nodes(&floor.state, &floor.fleet().nodes));
    if let Err(error) = recorded {
        return floor.printer.warning(&format!("{error:#}"));
    }
    for number in held + 1..=known.held {
        floor.retire(&format!("{store}-{number}"));
    }
}
