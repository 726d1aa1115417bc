//! Faults from the graph alone, for a spec that declares none: for every edge and every host the faults that can meet it. Each
//! seed draws a swarm: some kinds, often and close together (Groce and others 2012), rather than a little of everything.

use archgen_spec::topology::{Component, Instance, StoreId, StoreKind, Topology};

use super::{
    Action, Scheduled,
    action::{HOST_KINDS, LINK_KINDS},
};
use crate::{
    people,
    promises::{Group, store_groups},
    world::Draw,
};

/// Fewest and most faults of one run.
const FAULTS: (u64, u64) = (2, 12);
/// Shortest fault; the longest outlasts the longest lease, milliseconds.
const SHORTEST_MS: u64 = 100;
/// Kinds of fault in one run, most.
const KINDS_MAX: u64 = 5;
/// Of a thousand seeds, so many cut owners of shards off for longer than their lease.
const STALE_OWNERS: u64 = 400;
/// Of a thousand faults of a link, so many meet a pair that the graph does not join.
const ANY_PAIR: u64 = 150;
/// A clock is off by up to this, as far as tokens must bear, milliseconds.
const SKEW_MS_MAX: i64 = 300_000;
/// Faults that are several at once.
const COMPOUND: [&str; 4] = ["zone-loss", "rolling-restart", "flapping", "cache-flush"];
/// Faults of the nodes that keep copies of the same data.
const GROUP_KINDS: [&str; 5] = ["isolation", "members-down", "disk-loss", "corrupt-disk", "replica-lag"];
/// Of a thousand seeds, so many meet what a group of copies is there for.
const GROUP_FAULTS: u64 = 500;

/// The faults of this seed.
pub(super) fn derive(topology: &Topology, seed: u64, people: u32) -> Vec<Scheduled> {
    let mut draw = Draw::new(seed, &[b"derived faults"]);
    let duration_ms = topology.simulation.duration.as_millis() as u64;
    let all: Vec<&str> = LINK_KINDS.iter().chain(HOST_KINDS).chain(&COMPOUND).copied().collect();
    let swarm: Vec<&str> = (0..1 + draw.below(KINDS_MAX)).map(|_| all[draw.below(all.len() as u64) as usize]).collect();
    let links = links(topology, people);
    let hosts = topology.instances();
    let lease_ms = topology.services.iter().map(|s| s.lease.as_millis() as u64).max().unwrap_or(0);
    let longest_ms = (lease_ms + lease_ms / 2).clamp(2_000, duration_ms.max(2_001) * 2 / 3);
    let mut schedule = Vec::new();
    if links.is_empty() || hosts.is_empty() {
        return schedule;
    }
    for _ in 0..draw.between(FAULTS) {
        let kind = swarm[draw.below(swarm.len() as u64) as usize];
        let at_ms = draw.below(duration_ms);
        // Most faults are short and a few are long.
        let longest = if draw.chance(300) { longest_ms } else { longest_ms / 4 };
        let for_ms = draw.between((SHORTEST_MS, longest));
        let (mut a, mut b) = links[draw.below(links.len() as u64) as usize].clone();
        if draw.chance(ANY_PAIR) {
            // Who speaks to whom without the spec saying so is met as well.
            (a, b) = any_pair(&hosts, &mut draw).unwrap_or((a, b));
        }
        let host = &hosts[draw.below(hosts.len() as u64) as usize];
        let one = |action| vec![Scheduled { at_ms, for_ms, action }];
        schedule.extend(match kind {
            "zone-loss" => zone_loss(&hosts, &host.zone, at_ms, for_ms),
            "rolling-restart" => rolling_restart(topology, host.component, at_ms),
            "cache-flush" => cache_flush(topology, at_ms),
            "flapping" => flapping(&a, &b, at_ms, for_ms),
            kind if LINK_KINDS.contains(&kind) => one(on_link(kind, a, b, &mut draw)),
            kind => one(on_host(kind, &host.name, lease_ms, &mut draw)),
        });
    }
    let groups = store_groups(topology);
    if draw.chance(GROUP_FAULTS) && !groups.is_empty() {
        for _ in 0..=draw.below(2) {
            schedule.extend(on_group(&groups, duration_ms, longest_ms, &mut draw));
        }
        keep_within_budget(&mut schedule, &groups);
    }
    if draw.chance(STALE_OWNERS) {
        for _ in 0..=draw.below(2) {
            schedule.extend(stale_owner(topology, duration_ms, &mut draw));
        }
    }
    schedule
}

/// An owner of shards cannot reach one of its stores, with all its nodes, for longer than its lease, and comes back believing that it
/// still owns them.
fn stale_owner(topology: &Topology, duration_ms: u64, draw: &mut Draw) -> Vec<Scheduled> {
    let owns = |i: &Instance| matches!(i.component, Component::Service(id) if topology.service(id).shards > 0);
    let owners: Vec<Instance> = topology.instances().into_iter().filter(owns).collect();
    let Some(owner) = owners.get(draw.below(owners.len() as u64) as usize) else { return Vec::new() };
    let Component::Service(id) = owner.component else { return Vec::new() };
    let lease_ms = topology.service(id).lease.as_millis() as u64;
    let needs = topology.component_needs(owner.component).into_iter();
    let stores: Vec<Component> = needs.filter(|component| matches!(component, Component::Store(_))).collect();
    let Some(store) = stores.get(draw.below(stores.len() as u64) as usize) else { return Vec::new() };
    let (at_ms, for_ms) = (draw.below(duration_ms / 2 + 1), lease_ms + draw.below(lease_ms / 2 + 1));
    // From all of its nodes: one that is left would renew the lease.
    let cut = |node: Instance| Action::Partition { a: owner.name.clone(), b: node.name };
    let nodes = topology.component_instances(*store).into_iter();
    nodes.map(cut).map(|action| Scheduled { at_ms, for_ms, action }).collect()
}

/// One of the faults that copies are there for: a node that its peers do not reach, some that are down at once, or one that is
/// lost with its disk.
fn on_group(groups: &[Group], duration_ms: u64, longest_ms: u64, draw: &mut Draw) -> Vec<Scheduled> {
    let group = &groups[draw.below(groups.len() as u64) as usize].members;
    let (at_ms, for_ms) = (draw.below(duration_ms * 3 / 4 + 1), draw.between((SHORTEST_MS, longest_ms)));
    // The first leads at the start, and is met more often.
    let first = if draw.chance(500) { 0 } else { draw.below(group.len() as u64) as usize };
    let scheduled = |action| Scheduled { at_ms, for_ms, action };
    let name = |index: usize| group[index % group.len()].name.clone();
    match GROUP_KINDS[draw.below(GROUP_KINDS.len() as u64) as usize] {
        "isolation" => (1..group.len())
            .map(|step| scheduled(Action::Partition { a: name(first), b: name(first + step) }))
            .collect(),
        "members-down" => {
            let down = 1 + draw.below(group.len() as u64) as usize;
            let how = |host| if draw.chance(500) { Action::Exit { host } } else { Action::PowerLoss { host } };
            (0..down).map(|step| name(first + step)).map(how).map(scheduled).collect()
        }
        "corrupt-disk" => vec![scheduled(Action::CorruptDisk { host: name(first) })],
        "replica-lag" => {
            let extra_ms = draw.between((100, 2_000));
            (1..group.len())
                .map(|step| scheduled(Action::Latency { a: name(first), b: name(first + step), extra_ms }))
                .collect()
        }
        _ => vec![scheduled(Action::DiskLoss { host: name(first) })],
    }
}

/// Of each group at most as many machines are lost as it promises to bear, and one where it promises nothing: what is beyond is
/// found by one.
fn keep_within_budget(schedule: &mut Vec<Scheduled>, groups: &[Group]) {
    for group in groups {
        let mut left = group.losses_borne.max(1);
        schedule.retain(|fault| match &fault.action {
            Action::DiskLoss { host } | Action::CorruptDisk { host }
                if group.members.iter().any(|member| member.name == *host) =>
            {
                let fits = left > 0;
                left = left.saturating_sub(1);
                fits
            }
            _ => true,
        });
    }
}

/// Who speaks to whom: the needs of each component, and people with what faces them.
fn links(topology: &Topology, people: u32) -> Vec<(String, String)> {
    let instances = topology.instances();
    let mut links = Vec::new();
    for client in &instances {
        for server in topology.component_needs(client.component) {
            let servers = topology.component_instances(server);
            links.extend(servers.into_iter().map(|server| (client.name.clone(), server.name)));
        }
    }
    for Group { members, .. } in store_groups(topology) {
        let pairs = members.iter().enumerate().flat_map(|(i, a)| members[i + 1..].iter().map(move |b| (a, b)));
        links.extend(pairs.map(|(a, b)| (a.name.clone(), b.name.clone())));
    }
    let facing = instances.iter().filter(|i| matches!(i.component, Component::Gateway | Component::Realtime));
    for person in people::names(people) {
        links.extend(facing.clone().map(|server| (person.clone(), server.name.clone())));
    }
    links.retain(|(a, b)| a != b);
    links
}

fn any_pair(hosts: &[Instance], draw: &mut Draw) -> Option<(String, String)> {
    let mut one = || hosts.get(draw.below(hosts.len() as u64) as usize).map(|host| host.name.clone());
    one().zip(one()).filter(|(a, b)| a != b)
}

pub(super) fn zone_loss(hosts: &[Instance], zone: &str, at_ms: u64, for_ms: u64) -> Vec<Scheduled> {
    let inside = hosts.iter().filter(|host| host.zone == zone);
    inside.map(|host| Scheduled { at_ms, for_ms, action: Action::PowerLoss { host: host.name.clone() } }).collect()
}

/// Every node of every cache forgets what it keeps.
fn cache_flush(topology: &Topology, at_ms: u64) -> Vec<Scheduled> {
    let caches = topology.stores.iter().enumerate().filter(|(_, store)| store.kind == StoreKind::Redis);
    let nodes = caches.flat_map(|(index, _)| topology.component_instances(Component::Store(StoreId(index))));
    nodes.map(|node| Scheduled { at_ms, for_ms: 0, action: Action::CacheFlush { host: node.name } }).collect()
}

/// Each replica exits in turn, and is back before the next goes.
pub(super) fn rolling_restart(topology: &Topology, component: Component, at_ms: u64) -> Vec<Scheduled> {
    const DOWN_MS: u64 = 500;
    let replicas = topology.component_instances(component).into_iter().enumerate();
    let exit = |(turn, host): (usize, Instance)| Scheduled {
        at_ms: at_ms + turn as u64 * 2 * DOWN_MS,
        for_ms: DOWN_MS,
        action: Action::Exit { host: host.name },
    };
    replicas.map(exit).collect()
}

pub(super) fn flapping(a: &str, b: &str, at_ms: u64, for_ms: u64) -> Vec<Scheduled> {
    const PERIOD_MS: u64 = 300;
    let cut = |turn| Scheduled {
        at_ms: at_ms + turn * PERIOD_MS,
        for_ms: PERIOD_MS / 2,
        action: Action::Partition { a: a.to_owned(), b: b.to_owned() },
    };
    (0..=(for_ms / PERIOD_MS).min(8)).map(cut).collect()
}

fn on_link(kind: &str, a: String, b: String, draw: &mut Draw) -> Action {
    let (from, to) = if draw.chance(500) { (a.clone(), b.clone()) } else { (b.clone(), a.clone()) };
    match kind {
        "partition" => Action::Partition { a, b },
        "one-way-cut" => Action::OneWayCut { from, to },
        "latency" => Action::Latency { a, b, extra_ms: draw.between((20, 1_500)) },
        "loss" => Action::Loss { a, b, per_thousand: draw.between((20, 400)) },
        "slow-link" => Action::SlowLink { a, b, bytes_per_second: draw.between((2_000, 100_000)) },
        "refuse" => Action::Refuse { from: a, to: b },
        _ => Action::Reset { a, b },
    }
}

fn on_host(kind: &str, host: &str, lease_ms: u64, draw: &mut Draw) -> Action {
    let host = host.to_owned();
    match kind {
        "power-loss" => Action::PowerLoss { host },
        "pause" => Action::Pause { host },
        "clock-skew" => {
            // To the edge of a lease, or far beyond it.
            let most = if draw.chance(500) { (lease_ms as i64).max(1) } else { SKEW_MS_MAX };
            Action::ClockSkew { host, offset_ms: draw.below(2 * most as u64 + 1) as i64 - most }
        }
        "clock-drift" => Action::ClockDrift { host, ms_per_second: draw.below(401) as i64 - 200 },
        "slow-disk" => Action::SlowDisk { host, call_ms: draw.between((5, 500)) },
        "full-disk" => Action::FullDisk { host },
        _ => Action::Exit { host },
    }
}

/// The reference spec as it is simulated.
#[cfg(test)]
pub(crate) fn reference() -> Topology {
    let overlay = include_str!("../../../examples/slack/env/sim.yaml");
    let read = |path: &str| {
        if path == "env/sim.yaml" { Ok(overlay.to_owned()) } else { Err(archgen_spec::ReadError::Missing) }
    };
    let text = include_str!("../../../examples/slack/topology.yaml").to_owned();
    archgen_spec::load("topology.yaml", text, Some("sim"), &read, &|_| None).topology.expect("the reference spec")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_of_copies_are_met_and_lose_no_more_machines_than_they_bear() {
        let topology = reference();
        let groups = store_groups(&topology);
        let of =
            |name: &str| groups.iter().find(|g| g.members[0].name == name).map(|g| (g.members.len(), g.losses_borne));
        assert_eq!([of("chat-1"), of("users-1"), of("cache-1")], [Some((3, 1)), Some((3, 1)), Some((2, 1))]);
        assert_eq!(of("blobs-1"), None);
        let mut lost = 0;
        for seed in 0..300 {
            let schedule = derive(&topology, seed, 3);
            for group in &groups {
                let of_group = |host: &String| group.members.iter().any(|member| member.name == *host);
                let lost_by = |s: &&Scheduled| matches!(&s.action, Action::DiskLoss { host } | Action::CorruptDisk { host } if of_group(host));
                let losses = schedule.iter().filter(lost_by).count();
                assert!(losses <= group.losses_borne as usize, "seed {seed}: {losses} machines of one group are lost");
                lost += losses;
            }
        }
        assert!(lost > 0, "machines are lost sometimes");
    }
}
