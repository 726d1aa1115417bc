//! What a system still promises when something is lost, the load grows or time goes by, and what breaks first.

use std::fmt;

use archgen_spec::topology::{Component, Instance, StoreId, Topology};
use serde::Serialize;

use super::table::bytes;
use super::{DatasetCapacity, Node, Plan, lose};

const DAY_SECONDS: u64 = 86_400;

/// What is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lost {
    /// Every instance in a zone.
    Zone(String),
    /// One instance, `chat-3`.
    Instance(String),
}

/// A question to the plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// Gone all at once.
    pub lost: Vec<Lost>,
    /// The declared load times this.
    pub load: f64,
    /// Days from now, at that load.
    pub grow_days: u64,
}

/// Whether one promise still holds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Promise {
    /// Component that makes it.
    pub component: String,
    /// What it promises.
    pub promise: &'static str,
    /// Whether it holds in the case asked about.
    pub holds: bool,
    /// What is used of what there is, in thousandths, where it is a matter of quantity.
    pub used_permille: Option<u64>,
    /// The figures.
    pub because: String,
}

impl Lost {
    fn takes(&self, name: &str, zone: &str) -> bool {
        match self {
            Self::Zone(lost) => lost == zone,
            Self::Instance(lost) => lost == name,
        }
    }

    /// Whether the topology has anything of this name.
    pub fn exists(&self, topology: &Topology) -> bool {
        match self {
            Self::Zone(zone) => topology.zones.contains(zone),
            Self::Instance(name) => {
                let mut all = topology.components().into_iter().flat_map(|c| topology.component_instances(c));
                all.any(|i| &i.name == name)
            }
        }
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zone(name) => write!(f, "zone {name}"),
            Self::Instance(name) => write!(f, "node {name}"),
        }
    }
}

/// Every promise with figures: broken ones first, then by how much of what there is is used.
pub fn what_if(topology: &Topology, plan: &Plan, question: &Question) -> Vec<Promise> {
    let mut all = Vec::new();
    for (id, (name, store)) in plan.stores.iter().enumerate() {
        let gone = |n: &Node| question.lost.iter().any(|lost| lost.takes(&n.name, &n.zone));
        let text: Vec<String> = question.lost.iter().map(Lost::to_string).collect();
        let loss = lose(store, text.join(" and "), gone);
        let slots = store.slots.placement.len();
        all.push(Promise {
            component: name.clone(),
            promise: "no data is out of reach",
            holds: loss.slots_gone == 0,
            used_permille: None,
            because: match loss.slots_gone {
                0 => format!("each of {slots} slots has {} copies or more", loss.copies_left_min),
                gone => format!("{gone} of {slots} slots have no copy left"),
            },
        });
        all.push(Promise {
            component: name.clone(),
            promise: "writes are acknowledged",
            holds: loss.slots_refusing == 0,
            used_permille: None,
            because: match loss.slots_refusing {
                0 => format!("{} copies must answer, each slot has {} or more", loss.copies_needed, loss.copies_left_min),
                refusing => {
                    let needed = loss.copies_needed;
                    format!("{refusing} of {slots} slots have fewer than the {needed} copies that must answer: refused, not lost")
                }
            },
        });
        all.extend(disk(topology, plan, StoreId(id), question));
    }
    all.extend(replicas(topology, question));
    all.extend(connections(topology, question));
    all.sort_by_key(|p| (p.holds, std::cmp::Reverse(p.used_permille)));
    all
}

/// Whether the retained bytes still fit on the nodes' disks.
fn disk(topology: &Topology, plan: &Plan, id: StoreId, question: &Question) -> Option<Promise> {
    let store = topology.store(id);
    let capacity = &plan.stores.get(&store.name)?.capacity;
    let each = store.disk_bytes?;
    let nodes = u64::from(store.nodes.max(1));
    let kept = |d: &DatasetCapacity| {
        let days = d.retain_seconds.map_or(question.grow_days, |s| (s / DAY_SECONDS).max(1));
        (d.bytes_per_day as f64 * question.load * days as f64 * f64::from(d.copies)) as u64
    };
    let on_node = capacity.datasets.iter().map(kept).fold(0u64, u64::saturating_add) / nodes;
    let used = (u128::from(on_node) * 1_000 / u128::from(each.max(1))) as u64;
    Some(Promise {
        component: store.name.clone(),
        promise: "the disks have room",
        holds: used < 1_000,
        used_permille: Some(used),
        because: format!("{} kept on a node of {}", bytes(on_node), bytes(each)),
    })
}

/// Whether a replica of each service is left, and a majority of the registry.
fn replicas(topology: &Topology, question: &Question) -> Vec<Promise> {
    let mut all = Vec::new();
    for component in topology.components() {
        if matches!(component, Component::Store(_)) {
            continue;
        }
        let instances = topology.component_instances(component);
        let away = |i: &Instance| question.lost.iter().any(|l| l.takes(&i.name, &i.zone));
        let left = instances.iter().filter(|i| !away(i)).count();
        let registry = component == Component::Registry;
        let needed = if registry { instances.len() / 2 + 1 } else { 1 };
        all.push(Promise {
            component: topology.component_name(component).to_owned(),
            promise: if registry { "a majority agrees" } else { "somebody answers" },
            holds: left >= needed,
            used_permille: None,
            because: format!("{left} of {} left, {needed} needed", instances.len()),
        });
    }
    all
}

/// Whether the realtime replicas that are left carry everyone who is online.
fn connections(topology: &Topology, question: &Question) -> Option<Promise> {
    let realtime = topology.realtime.as_ref()?;
    let each = realtime.connections_per_replica_max;
    let away = |i: &Instance| question.lost.iter().any(|l| l.takes(&i.name, &i.zone));
    let left = topology.component_instances(Component::Realtime).iter().filter(|i| !away(i)).count() as u64;
    let online = (topology.load.online as f64 * question.load) as u64;
    let room = left.saturating_mul(each);
    let used = (u128::from(online) * 1_000 / u128::from(room.max(1))).min(u128::from(u64::MAX)) as u64;
    Some(Promise {
        component: "realtime".to_owned(),
        promise: "everyone online can connect",
        holds: online <= room,
        used_permille: Some(used),
        because: format!("{online} online, {left} replicas of {each} connections left"),
    })
}

#[cfg(test)]
mod tests {
    use archgen_spec::topology::Topology;

    use super::*;

    fn reference() -> Topology {
        let text = "archgen: v1\nname: t\nzones: [a, b, c]\nload: { users: 1M, online: 300k, messages: { mean: 2k/s, peak: \
                    60k/s, size: 900B, key: channel_id, skew: zipf(0.8), keys: 2M } }\nrealtime: { kind: socketio, port: 3000, replicas: 4, \
                    connections_per_replica: 100k, needs: [] }\nstores:\n  chat:\n    kind: cassandra\n    version: \"4.1\"\n    \
                    nodes: 6\n    disk: 8TB\n    replication: { eu: 3 }\n    consistency: { write: quorum, read: quorum }\n    tables:\n      \
                    messages: { partition: [channel_id bigint], cluster: [message_id bigint desc], columns: { body: text }, ttl: 90d }\n";
        let loaded =
            archgen_spec::load("t.yaml", text.to_owned(), None, &|_| Err(archgen_spec::ReadError::Missing), &|_| None);
        loaded.topology.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics))
    }

    fn ask(lost: &[Lost], load: f64) -> Vec<(String, bool)> {
        let topology = reference();
        let question = Question { lost: lost.to_vec(), load, grow_days: 0 };
        let promises = what_if(&topology, &crate::plan::plan(&topology), &question);
        promises.into_iter().map(|p| (format!("{}: {}", p.component, p.promise), p.holds)).collect()
    }

    #[test]
    fn one_zone_is_survived_and_two_are_refused() {
        let (a, b) = (Lost::Zone("a".into()), Lost::Zone("b".into()));
        let one = ask(std::slice::from_ref(&a), 1.0);
        // Two of four realtime replicas are in zone `a`: 200k connections for 300k people.
        assert_eq!(one[0], ("realtime: everyone online can connect".to_owned(), false));
        assert!(one[1..].iter().all(|(_, holds)| *holds), "{one:?}");
        let two = ask(&[a, b], 1.0);
        assert!(two.contains(&("chat: writes are acknowledged".to_owned(), false)), "{two:?}");
        assert!(two.contains(&("chat: no data is out of reach".to_owned(), true)), "{two:?}");
    }

    #[test]
    fn disks_fill_before_anything_else() {
        // 2,000/s of 900 B for 90 days in three copies on six nodes: 7.0 TB on a node of 8 TB; at 1.2 times that, 8.4 TB.
        assert!(ask(&[], 1.0).iter().all(|(_, holds)| *holds));
        assert_eq!(ask(&[], 1.2)[0], ("chat: the disks have room".to_owned(), false));
    }
}
