//! The whole migration: what each store has before and after, what cannot be done, what a store's steps are made from.

use archgen_spec::topology::{Component, ServiceKind, Store, StoreId, StoreKind, Topology};
use serde::Serialize;

use super::{Step, Wave, steps, waves};
use crate::plan::{DatasetCapacity, Layout, Unit, embedded_layout, embedded_relayout, layouts, plan, relayout, table};

/// How fast data may move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Transfers that a node takes part in at once.
    pub transfers_per_node_max: u32,
    /// Bytes a second that a transfer may use.
    pub bytes_per_second_max: u64,
}

/// The way from one topology to another.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Migration {
    /// Stores in which something moves, in the order of the new spec.
    pub stores: Vec<StoreMigration>,
    /// Services whose instances own shards, where their number changes.
    pub owners: Vec<OwnersMigration>,
    /// Why it cannot be done as it is; empty where it can.
    pub refused: Vec<String>,
    /// What needs no move and should be known.
    pub notes: Vec<String>,
}

/// One store's part of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StoreMigration {
    /// Its name.
    pub store: String,
    /// Its kind.
    pub kind: &'static str,
    /// What moves: `slot`, `partition`, …
    pub unit: &'static str,
    /// Copies of units that go to another node: no plan for these nodes has fewer.
    pub moves: usize,
    /// Bytes that go over the network, where the load says how much there is.
    pub bytes: Option<u64>,
    /// Seconds that the waves take at the pace, where bytes are known.
    pub seconds: Option<u64>,
    /// Transfers in the order in which they run.
    pub waves: Vec<Wave>,
    /// Everything to do, in order.
    pub steps: Vec<Step>,
}

/// Shards that get another owner. No data move: an owner gives its lease back and the next one takes it under a new epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OwnersMigration {
    /// The service.
    pub service: String,
    /// Instances before and after.
    pub replicas: (u32, u32),
    /// Its shards.
    pub shards: u16,
}

/// What a store's steps are made from.
pub(super) struct Work<'a> {
    pub(super) store: &'a Store,
    pub(super) before: &'a [Layout],
    pub(super) after: &'a [Layout],
    pub(super) pace: Pace,
    /// Nodes that are only there afterwards, and those that are only there before.
    pub(super) joining: Vec<String>,
    pub(super) leaving: Vec<String>,
}

/// The migration from `old` to `new`.
pub fn migration(old: &Topology, new: &Topology, pace: Pace) -> Migration {
    let mut found = Migration { stores: Vec::new(), owners: Vec::new(), refused: Vec::new(), notes: Vec::new() };
    for store in old.stores.iter().filter(|s| new.store_named(&s.name).is_none()) {
        found.notes.push(format!("`{}` is gone: its data stay where they are until somebody deletes them", store.name));
    }
    for (index, store) in new.stores.iter().enumerate() {
        let Some((old_id, was)) = old.store_named(&store.name) else {
            found.notes.push(format!("`{}` is new: nothing to move", store.name));
            continue;
        };
        if was.kind != store.kind || was.embedded != store.embedded {
            let (a, b) = (was.kind.name(), store.kind.name());
            found.refused.push(format!(
                "`{}` changes its engine ({a} to {b}, embedded {} to {}): that is another store; give it another name",
                store.name, was.embedded, store.embedded
            ));
            continue;
        }
        let (before, after) = match store.embedded {
            true => {
                let before = embedded_layout(old, old_id);
                let after = embedded_relayout(&before, new, StoreId(index));
                (vec![before], vec![after])
            }
            false => {
                let before = layouts(old, old_id);
                let after = relayout(&before, new, StoreId(index));
                (before, after)
            }
        };
        one_store(new, store, &before, &after, pace, &mut found);
    }
    found.owners = owners(old, new);
    found
}

fn one_store(
    topology: &Topology,
    store: &Store,
    before: &[Layout],
    after: &[Layout],
    pace: Pace,
    found: &mut Migration,
) {
    let planned = plan(topology);
    let figures = planned.stores.get(&store.name).map(|s| s.capacity.datasets.clone()).unwrap_or_default();
    let mut transfers = Vec::new();
    for layout in after {
        let Some(was) = before.iter().find(|b| b.unit == layout.unit && b.dataset == layout.dataset) else {
            continue;
        };
        let was = if layout.unit == Unit::TokenRange { was.cut(layout.map.slots()) } else { was.clone() };
        if was.map.slots() != layout.map.slots() {
            let what = layout.dataset.as_deref().unwrap_or(&store.name);
            found.refused.push(format!(
                "`{}.{what}` goes from {} to {} {}s: keys would change their {0} without moving; make a new one and copy",
                store.name,
                was.map.slots(),
                layout.map.slots(),
                layout.unit.name()
            ));
            continue;
        }
        let bytes = unit_bytes(layout, &figures);
        transfers.extend(waves::transfers(&was, layout, bytes));
        found.refused.extend(beyond_disk(store, layout, bytes));
    }
    if transfers.is_empty() {
        return;
    }
    let names = |all: &[Layout]| -> Vec<String> {
        let of = |l: &Layout| -> Vec<String> {
            l.nodes.iter().map(|n| n.name.clone()).chain(l.followers.iter().flatten().cloned()).collect()
        };
        all.first().map(of).unwrap_or_default()
    };
    let (old_names, new_names) = (names(before), names(after));
    let work = Work {
        store,
        before,
        after,
        pace,
        joining: new_names.iter().filter(|n| !old_names.contains(n)).cloned().collect(),
        leaving: old_names.iter().filter(|n| !new_names.contains(n)).cloned().collect(),
    };
    let moves = transfers.iter().map(|t| t.units.len()).sum();
    let bytes = transfers.iter().map(|t| t.bytes).sum();
    let one_by_one = store.kind == StoreKind::Cassandra && !store.embedded;
    let waves = waves::waves(transfers, pace, one_by_one);
    let seconds = waves.iter().map(|w| w.seconds).sum();
    let steps = steps::steps(&work, &waves);
    let unit = after.first().map_or("", |l| l.unit.name());
    let (name, kind) = (store.name.clone(), store.kind.name());
    found.stores.push(StoreMigration { store: name, kind, unit, moves, bytes, seconds, waves, steps });
}

/// Bytes of one copy of a unit.
fn unit_bytes(layout: &Layout, figures: &[DatasetCapacity]) -> Option<u64> {
    let ours = figures.iter().filter(|d| layout.dataset.as_ref().is_none_or(|name| *name == d.name));
    let kept: Vec<u64> = ours.map(|d| d.retained_bytes).collect::<Option<Vec<u64>>>()?;
    (!kept.is_empty()).then(|| kept.iter().sum::<u64>() / u64::from(layout.map.slots().max(1)))
}

/// Nodes that would hold more than their disk has room for.
fn beyond_disk(store: &Store, layout: &Layout, unit_bytes: Option<u64>) -> Option<String> {
    let (each, bytes) = (store.disk_bytes?, unit_bytes?);
    let held = |node: u32| layout.map.placement.iter().filter(|h| h.contains(&node)).count() as u64;
    let (most, node) = (0u32..).zip(&layout.nodes).map(|(i, n)| (held(i).saturating_mul(bytes), &n.name)).max()?;
    (most > each).then(|| {
        let (most, each) = (table::bytes(most), table::bytes(each));
        format!("`{node}` would hold {most} on a disk of {each}: give the nodes more disk, or take more nodes")
    })
}

fn owners(old: &Topology, new: &Topology) -> Vec<OwnersMigration> {
    let mut all = Vec::new();
    for service in new.services.iter().filter(|s| s.kind == ServiceKind::Messaging) {
        let Some((id, was)) = old.service_named(&service.name) else { continue };
        let before = old.component_instances(Component::Service(id)).len() as u32;
        if was.shards == service.shards && before != service.replicas {
            let replicas = (before, service.replicas);
            all.push(OwnersMigration { service: service.name.clone(), replicas, shards: service.shards });
        }
    }
    all
}

impl Migration {
    /// Whether nothing moves.
    pub fn is_empty(&self) -> bool {
        self.stores.is_empty() && self.owners.is_empty()
    }
}

impl Work<'_> {
    /// A layout after the migration, with the one before it.
    pub(super) fn pair(&self, dataset: Option<&str>) -> Option<(&Layout, &Layout)> {
        let of = |all: &'_ [Layout]| all.iter().position(|l| l.dataset.as_deref() == dataset);
        Some((&self.before[of(self.before)?], &self.after[of(self.after)?]))
    }

    /// Where a tool that needs any one node goes.
    pub(super) fn entry(&self) -> &str {
        self.before.first().and_then(|l| l.nodes.first()).map_or("", |n| n.name.as_str())
    }

    pub(super) fn has(&self, unit: Unit) -> bool {
        self.after.iter().any(|l| l.unit == unit)
    }
}
