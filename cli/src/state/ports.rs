//! Loopback ports: assigned once, saved, the same in every later start.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::TcpListener,
};

use archgen_env::net::Address;
use archgen_fleet::Addresses;
use archgen_spec::topology::{Component, Instance, Topology};
use serde::{Deserialize, Serialize};

use super::{StateFolder, files::read_if_there, port_owner, write_private};

/// Where every host listens.
const LOOPBACK: &str = "127.0.0.1";
/// First port of the range from which hosts get theirs.
const RANGE_FIRST: u16 = 20_000;
/// One past the last. Linux takes the near ends of outgoing connections from 32768 up: a port there could be taken by chance.
const RANGE_END: u16 = 32_000;
/// Where a system's ports begin is a multiple of this, so that two systems seldom meet.
const STRIDE: u16 = 100;

/// A saved port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Saved {
    port: u16,
    /// The port that the spec asked for when this one was assigned; 0 where the spec has no say.
    asked: u16,
}

/// Why hosts cannot have their ports.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// A port that was assigned before is in use.
    #[error(
        "port {port} of `{host}` is in use by {owner}; nothing was started. Stop that program, or delete `{file}` to have other ports"
    )]
    Taken {
        /// The host.
        host: String,
        /// Its port.
        port: u16,
        /// Who has it.
        owner: String,
        /// The saved map.
        file: String,
    },
    /// The range is used up.
    #[error("no free port for `{0}` between {RANGE_FIRST} and {RANGE_END}")]
    None(String),
    /// The saved map cannot be read or written.
    #[error("{0:#}")]
    State(#[from] anyhow::Error),
}

/// Gives each host of the topology its address: the saved one; for a gateway or realtime host the spec's port where it is free;
/// else one of the range. Saves the map. Ports of hosts that run already are theirs.
///
/// # Errors
/// See [`PortError`].
pub fn assign(state: &StateFolder, topology: &Topology, running: &BTreeSet<String>) -> Result<Addresses, PortError> {
    let path = state.ports();
    let saved: BTreeMap<String, Saved> = match read_if_there(&path)? {
        None => BTreeMap::new(),
        Some(text) => serde_json::from_str(&text)
            .map_err(|e| anyhow::anyhow!("`{}` is damaged ({e}): delete it to have other ports", path.display()))?,
    };
    let listeners = listeners(topology);
    let mut map: BTreeMap<String, Saved> = BTreeMap::new();
    for (name, asked) in &listeners {
        if let Some(kept) = saved.get(name).filter(|s| s.asked == *asked) {
            if !running.contains(name) && !is_free(kept.port) {
                return Err(taken(name, kept.port, &path.display().to_string()));
            }
            map.insert(name.clone(), *kept);
        }
    }
    // Ports of hosts that the spec does not have now stay theirs, for they may come back.
    let mut used: Vec<u16> = saved.iter().filter(|(n, _)| !map.contains_key(*n)).map(|(_, s)| s.port).collect();
    used.extend(map.values().map(|s| s.port));
    let mut range = Range::of(&topology.name);
    for (name, asked) in listeners {
        if map.contains_key(&name) {
            continue;
        }
        let port = match asked {
            0 => None,
            port => (!used.contains(&port) && is_free(port)).then_some(port),
        };
        let port = match port {
            Some(port) => port,
            None => range.next(&used).ok_or_else(|| PortError::None(name.clone()))?,
        };
        used.push(port);
        map.insert(name, Saved { port, asked });
    }
    let addresses = map.iter().map(|(name, saved)| (name.clone(), Address::new(LOOPBACK, saved.port))).collect();
    let mut all = saved;
    all.extend(map);
    write_private(&path, &serde_json::to_string_pretty(&all).map_err(anyhow::Error::from)?)?;
    Ok(addresses)
}

/// Further ports of a registry that `archgen up` starts, after its name: for names, among servers, for gossip.
pub const REGISTRY_PORTS: [&str; 3] = ["dns", "rpc", "serf"];

/// Whatever listens: each instance, and the further ports of a registry; with the port that people know.
fn listeners(topology: &Topology) -> Vec<(String, u16)> {
    let mut all: Vec<(String, u16)> = topology.instances().iter().map(|i| (i.name.clone(), asked(i))).collect();
    if topology.registry.as_ref().is_some_and(|r| r.managed) {
        for registry in topology.component_instances(Component::Registry) {
            all.extend(REGISTRY_PORTS.map(|part| (format!("{}.{part}", registry.name), 0)));
        }
    }
    all
}

/// The port that people know from the spec; 0 for hosts that nobody calls by a known port.
fn asked(instance: &Instance) -> u16 {
    match instance.component {
        Component::Gateway | Component::Realtime => instance.port.saturating_add(instance.ordinal as u16),
        _ => 0,
    }
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((LOOPBACK, port)).is_ok()
}

fn taken(host: &str, port: u16, file: &str) -> PortError {
    let owner = port_owner::owner(port);
    let owner =
        owner.map_or_else(|| "a program of another user".to_owned(), |o| format!("pid {} ({})", o.pid, o.program));
    PortError::Taken { host: host.to_owned(), port, owner, file: file.to_owned() }
}

/// Ports in turn, beginning at a place that follows from the system's name, round the whole range once.
struct Range {
    next: u16,
    left: u16,
}

impl Range {
    fn of(name: &str) -> Self {
        // FNV-1a.
        let hash = name.bytes().fold(0x811c_9dc5_u32, |h, b| (h ^ u32::from(b)).wrapping_mul(0x0100_0193));
        let places = (RANGE_END - RANGE_FIRST) / STRIDE;
        Self { next: RANGE_FIRST + (hash % u32::from(places)) as u16 * STRIDE, left: RANGE_END - RANGE_FIRST }
    }

    fn next(&mut self, used: &[u16]) -> Option<u16> {
        while self.left > 0 {
            let port = self.next;
            self.left -= 1;
            self.next = if port + 1 == RANGE_END { RANGE_FIRST } else { port + 1 };
            if !used.contains(&port) && is_free(port) {
                return Some(port);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topology() -> Topology {
        let text = include_str!("../../../examples/minimal/topology.yaml").to_owned();
        let nothing = |_: &str| Err(archgen_spec::ReadError::Missing);
        archgen_spec::load("minimal", text, None, &nothing, &|_| None).topology.unwrap()
    }

    #[test]
    fn ports_are_the_same_next_time_and_a_taken_one_names_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateFolder::at(folder.path()).unwrap();
        let mut topology = topology();
        topology.name = "ports-under-test".to_owned();
        // The examples' own ports may be in use by a fleet on this machine.
        topology.gateway.as_mut().unwrap().port = 31_990;
        topology.realtime.as_mut().unwrap().port = 31_980;
        let first = assign(&state, &topology, &BTreeSet::new()).unwrap();
        assert_eq!(first.len(), topology.instances().len());
        assert_eq!(first, assign(&state, &topology, &BTreeSet::new()).unwrap());

        let port = first["user-1"].port;
        let listener = TcpListener::bind((LOOPBACK, port)).unwrap();
        let error = assign(&state, &topology, &BTreeSet::new()).unwrap_err();
        let PortError::Taken { host, owner, .. } = &error else { panic!("{error}") };
        assert_eq!(host, "user-1");
        assert!(owner.contains(&std::process::id().to_string()), "{owner}");
        drop(listener);
        assert_eq!(first, assign(&state, &topology, &BTreeSet::new()).unwrap());
    }
}
