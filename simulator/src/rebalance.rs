//! Runs in which the nodes of the message store become more and fewer while people talk: a mover, as `archgen up` has one, and
//! faults that meet it and the nodes in every phase. The store keeps one copy of each message here, as embedded stores do outside.

use std::{sync::Arc, time::Duration};

use archgen_env::net::Address;
use archgen_fleet::{Assembly, Journal, MoveError, Mover};
use archgen_spec::topology::{Invariant, Store, StoreKind, Topology};

use crate::{
    engine::Engine,
    faults::{Action, Scheduled},
    history::Recorder,
    world::Draw,
};

/// Nodes with which the store begins, and to which it comes in turn.
pub const FOUNDERS: u32 = 3;
const MOST: u32 = 5;
const FEWEST: u32 = 2;
/// The mover's host.
const MOVER: &str = "mover";
/// Wait before a mover that failed goes on.
const AGAIN: Duration = Duration::from_millis(200);
/// Fewest and most faults of one run.
const FAULTS: (u64, u64) = (2, 10);
/// Shortest and longest fault, milliseconds.
const FAULT_MS: (u64, u64) = (50, 2_500);

fn moves(store: &Store) -> bool {
    store.embedded && store.kind == StoreKind::Cassandra
}

/// The topology with as many nodes as the store ever has.
pub fn prepared(topology: &Topology) -> Topology {
    let mut topology = topology.clone();
    for store in topology.stores.iter_mut().filter(|s| moves(s)) {
        store.nodes = MOST;
        store.weights = vec![1; MOST as usize];
    }
    for invariant in [Invariant::AckedNotLost, Invariant::PerChannelOrder] {
        if !topology.simulation.invariants.contains(&invariant) {
            topology.simulation.invariants.push(invariant);
        }
    }
    topology
}

/// The stores that move.
pub fn stores(topology: &Topology) -> Vec<String> {
    topology.stores.iter().filter(|s| moves(s)).map(|s| s.name.clone()).collect()
}

/// Faults of the mover, of nodes and of what joins them. Disks are not lost: there is one copy.
pub fn schedule(topology: &Topology, seed: u64) -> Vec<Scheduled> {
    let mut draw = Draw::new(seed, &[b"rebalance faults"]);
    let duration_ms = topology.simulation.duration.as_millis() as u64;
    let nodes: Vec<String> =
        stores(topology).iter().flat_map(|store| (1..=MOST).map(move |number| format!("{store}-{number}"))).collect();
    if nodes.is_empty() {
        return Vec::new();
    }
    let owners: Vec<String> =
        topology.instances().into_iter().map(|i| i.name).filter(|n| n.starts_with("messaging")).collect();
    let mut others = nodes.clone();
    others.extend(owners);
    others.push(MOVER.to_owned());
    let faults = draw.between(FAULTS);
    let fault = |_| {
        let (at_ms, for_ms) = (draw.below(duration_ms), draw.between(FAULT_MS));
        let node = nodes[draw.below(nodes.len() as u64) as usize].clone();
        let other = others[draw.below(others.len() as u64) as usize].clone();
        let action = match draw.below(7) {
            0 => Action::Exit { host: node },
            1 => Action::PowerLoss { host: node },
            2 => Action::Exit { host: MOVER.to_owned() },
            3 => Action::Pause { host: other },
            4 if node != other => Action::Reset { a: node, b: other },
            5 if node != other => Action::Latency { a: node, b: other, extra_ms: 20 + draw.below(300) },
            _ if node != other => Action::Partition { a: node, b: other },
            _ => Action::Exit { host: node },
        };
        Scheduled { at_ms, for_ms, action }
    };
    (0..faults).map(fault).collect()
}

/// Adds the mover's host.
pub fn start(engine: &mut dyn Engine, assembly: &Arc<Assembly>, recorder: &Recorder) {
    let (assembly, recorder) = (assembly.clone(), recorder.clone());
    engine.add_host(
        MOVER,
        Box::new(move |env| {
            let (assembly, recorder) = (assembly.clone(), recorder.clone());
            Box::pin(async move {
                let store = stores(&assembly.topology).into_iter().next().unwrap_or_default();
                let address = |number: u32| assembly.addresses.get(&format!("{store}-{number}")).cloned();
                let all: Vec<Address> = (1..=MOST).filter_map(address).collect();
                let Some(first) = all.first().cloned() else { return };
                let mover = Mover::new(&env, first, &assembly.key);
                loop {
                    if let Err(error) = once(&mover, &all, &recorder).await {
                        match error {
                            MoveError::Differs { .. } | MoveError::Damaged(_) => {
                                recorder.move_failed(&error.to_string())
                            }
                            _ => {}
                        }
                        tokio::time::sleep(AGAIN).await;
                    }
                }
            })
        }),
    );
}

/// Takes up the move under way, or begins the next one; returns when it is over.
async fn once(mover: &Mover, all: &[Address], recorder: &Recorder) -> Result<(), MoveError> {
    if mover.journal().await?.is_none_or(|journal| journal.is_done()) {
        let wanted = if mover.nodes().await? == MOST { FEWEST } else { MOST };
        mover.begin(all[..wanted as usize].to_vec()).await?;
    }
    let mut told = |journal: &Journal| {
        let phase = serde_json::to_value(journal.phase).ok();
        recorder.moving(phase.as_ref().and_then(|p| p.as_str()).unwrap_or_default());
    };
    mover.go_on(&mut told).await.map(drop)
}
