//! Two systems compared by their facts, and what follows from it for what runs.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use archgen_spec::topology::Topology;
use serde::{Deserialize, Serialize};

use super::{Facts, facts};
use crate::plan::{Node, moves, plan_slots, replan};

/// What happened to a fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// It was not there.
    Added,
    /// It is not there any more.
    Removed,
    /// It has another value.
    Changed,
}

/// One fact that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Path in the resolved system.
    pub path: String,
    /// What happened.
    pub kind: ChangeKind,
    /// Value before.
    pub from: Option<String>,
    /// Value after.
    pub to: Option<String>,
    /// The component that it belongs to; `None` for the whole system.
    pub component: Option<String>,
}

/// Everything that differs, and what follows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// Facts, in the order of their paths.
    pub changes: Vec<Change>,
    /// Instances that are started.
    pub starts: Vec<String>,
    /// Instances that are stopped.
    pub stops: Vec<String>,
    /// Instances that are there before and after and must start again to see a change.
    pub restarts: Vec<String>,
    /// Store to the number of copies of slots that move.
    pub slot_moves: BTreeMap<String, u64>,
    /// Figures that follow from the load: name to before and after, where they change. What was not there is empty.
    pub capacity: BTreeMap<String, (String, String)>,
    /// How late a revocation is felt at the gateway, before and after, where that changes.
    pub revocation: Option<(String, String)>,
}

impl Difference {
    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}

/// What differs between two systems.
pub fn changes(old: &Topology, new: &Topology) -> Vec<Change> {
    compare(&facts(old), &facts(new))
}

/// Both are in the order of their paths: they are gone through side by side.
fn compare(old: &Facts, new: &Facts) -> Vec<Change> {
    let (mut old, mut new) = (old.facts.iter().peekable(), new.facts.iter().peekable());
    let mut changes = Vec::new();
    loop {
        let order = match (old.peek(), new.peek()) {
            (None, None) => return changes,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((was, _)), Some((is, _))) => was.cmp(is),
        };
        let from = if order.is_le() { old.next() } else { None };
        let to = if order.is_ge() { new.next() } else { None };
        let kind = match (from, to) {
            (None, _) => ChangeKind::Added,
            (_, None) => ChangeKind::Removed,
            (Some((_, from)), Some((_, to))) if from == to => continue,
            _ => ChangeKind::Changed,
        };
        let Some((path, _)) = from.or(to) else { continue };
        let (from, to) = (from.map(|(_, value)| value.clone()), to.map(|(_, value)| value.clone()));
        changes.push(Change { path: path.clone(), kind, from, to, component: component(path) });
    }
}

fn component(path: &str) -> Option<String> {
    let mut parts = path.split('.');
    match (parts.next()?, parts.next()) {
        (part @ ("gateway" | "realtime" | "registry"), _) => Some(part.to_owned()),
        ("services" | "stores", Some(name)) => Some(name.to_owned()),
        _ => None,
    }
}

/// Facts that only say how many instances there are, or where: the ones that stay need not start again for them.
fn is_count(path: &str) -> bool {
    let last = path.rsplit('.').next().unwrap_or(path);
    ["replicas", "nodes", "servers", "copies", "weights"].contains(&last)
}

/// What a system is planned for and watched by, which nothing that runs reads.
fn is_planned(path: &str) -> bool {
    ["load", "objectives"].contains(&path.split('.').next().unwrap_or(path))
}

/// Compares what a folder remembers with a system.
pub fn difference_of_facts(old: &Facts, new: &Facts) -> Difference {
    let changes = compare(old, new);
    let mut difference = Difference::default();
    let everything = changes.iter().any(|c| c.component.is_none() && !is_planned(&c.path));
    let touched: BTreeSet<&String> =
        changes.iter().filter(|c| !is_count(&c.path)).filter_map(|c| c.component.as_ref()).collect();
    let names: BTreeSet<&String> = old.instances.keys().chain(new.instances.keys()).collect();
    let none = Vec::new();
    for name in names {
        let (was, is) = (old.instances.get(name).unwrap_or(&none), new.instances.get(name).unwrap_or(&none));
        difference.starts.extend(is.iter().filter(|i| !was.contains(i)).cloned());
        difference.stops.extend(was.iter().filter(|i| !is.contains(i)).cloned());
        if everything || touched.contains(name) {
            difference.restarts.extend(is.iter().filter(|i| was.contains(i)).cloned());
        }
        if was.len() != is.len() && is_store(new, old, name) {
            let count = slot_moves(old, new, name);
            if count > 0 {
                difference.slot_moves.insert(name.clone(), count);
            }
        }
    }
    let figures: BTreeSet<&String> = old.capacity.keys().chain(new.capacity.keys()).collect();
    for figure in figures {
        let value = |facts: &Facts| facts.capacity.get(figure).cloned().unwrap_or_default();
        if value(old) != value(new) {
            difference.capacity.insert(figure.clone(), (value(old), value(new)));
        }
    }
    let delay = |facts: &Facts| facts.facts.get("gateway.auth.cache").cloned().unwrap_or_else(|| "0s".to_owned());
    if delay(old) != delay(new) {
        difference.revocation = Some((delay(old), delay(new)));
    }
    difference.changes = changes;
    difference
}

fn is_store(new: &Facts, old: &Facts, name: &str) -> bool {
    let path = format!("stores.{name}.kind");
    new.facts.contains_key(&path) && old.facts.contains_key(&path)
}

/// Copies of slots that go to another node, moving as few as there can be.
fn slot_moves(old: &Facts, new: &Facts, name: &str) -> u64 {
    let number = |facts: &Facts, what: &str| -> u32 {
        facts.facts.get(&format!("stores.{name}.{what}")).and_then(|v| v.parse().ok()).unwrap_or(1)
    };
    let zones = |facts: &Facts| -> Vec<String> {
        let text = facts.facts.get("zones").map_or("[]", String::as_str);
        serde_json::from_str(text).unwrap_or_default()
    };
    let nodes = |facts: &Facts| -> Vec<Node> {
        let zones = zones(facts);
        let zone = |i: usize| zones.get(i % zones.len().max(1)).cloned().unwrap_or_default();
        let weights = facts.facts.get(&format!("stores.{name}.weights")).map_or("[]", String::as_str);
        let weights: Vec<u32> = serde_json::from_str(weights).unwrap_or_default();
        let weight = |i: usize| weights.get(i).copied().unwrap_or(1);
        let names = facts.instances.get(name).cloned().unwrap_or_default();
        names.into_iter().enumerate().map(|(i, name)| Node { name, zone: zone(i), weight: weight(i) }).collect()
    };
    let (was, is) = (nodes(old), nodes(new));
    if was.is_empty() || is.is_empty() {
        return 0;
    }
    let before = plan_slots(&was, number(old, "copies"));
    let after = replan(&before, &was, &is, number(new, "copies"));
    moves(&before, &was, &after, &is).moves.len() as u64
}
