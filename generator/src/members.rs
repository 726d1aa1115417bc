//! Who answers by the registry instead of by plan: the files of nginx that list members, for versions that do not follow names
//! themselves. `archgen sync` keeps them.

use std::collections::BTreeMap;

use archgen_spec::topology::Topology;

use crate::context::nginx;
use crate::{Artifacts, GenerateError};

/// How a file begins whose members are the registry's.
const LIVE: &str = "# By the registry: `archgen sync` keeps this.";

/// Members that are there, by the registry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Members {
    /// Service to addresses with ports, in order.
    pub services: BTreeMap<String, Vec<String>>,
    /// Nodes of the realtime layer by name, each with its address and port. Empty leaves the planned ones.
    pub realtime: BTreeMap<String, String>,
}

impl Members {
    /// What files of [`member_files`] say; nothing comes from others.
    pub fn read<'a>(files: impl Iterator<Item = &'a str>) -> Self {
        let mut members = Self::default();
        for text in files.filter_map(|text| text.strip_prefix(LIVE)) {
            let mut upstream = "";
            for line in text.lines() {
                if let Some(name) = line.strip_prefix("upstream ").and_then(|l| l.strip_suffix(" {")) {
                    upstream = name;
                } else if let Some(address) = line.strip_prefix("  server ").and_then(|l| l.split(' ').next()) {
                    members.add(upstream, address);
                }
            }
        }
        members
    }

    fn add(&mut self, upstream: &str, address: &str) {
        if let Some(service) = nginx::METHODS.iter().find_map(|method| upstream.strip_suffix(&format!("-{method}"))) {
            let all = self.services.entry(service.to_owned()).or_default();
            if !all.iter().any(|known| known == address) {
                all.push(address.to_owned());
            }
        } else if upstream.starts_with("realtime-") {
            self.realtime.insert(upstream.to_owned(), address.to_owned());
        }
    }
}

/// Names under which members are asked for: services that the gateway calls, and the realtime layer. Empty where nginx follows the
/// registry itself, or members are fixed.
pub fn synced(topology: &Topology) -> Vec<String> {
    let Some(gateway) = topology.gateway.as_ref().filter(|g| !g.embedded && g.discovery) else { return Vec::new() };
    if topology.registry.is_none() || nginx::follows_names(topology) {
        return Vec::new();
    }
    let called = gateway.routes.iter().map(|r| r.to).chain(gateway.auth.iter().map(|a| a.by));
    let mut names: Vec<String> = called.map(|id| topology.service(id).name.clone()).collect();
    names.extend(topology.realtime.iter().map(|_| "realtime".to_owned()));
    names.sort_unstable();
    names.dedup();
    names
}

/// The files that list members, with these; what is not among them stays as planned. Path to text.
///
/// # Errors
/// A name or an address has no form in nginx's language.
pub fn member_files(topology: &Topology, members: &Members) -> Result<BTreeMap<String, String>, GenerateError> {
    let files = nginx::member_files(topology, members)?;
    Ok(files.into_iter().map(|(path, text)| (path, format!("{LIVE}\n{text}"))).collect())
}

/// Puts files that `archgen sync` keeps in the place of those with planned members, where they are of this very topology.
///
/// # Errors
/// As [`member_files`].
pub fn keep_synced(
    topology: &Topology,
    new: &mut Artifacts,
    on_disk: &dyn Fn(&str) -> Option<String>,
) -> Result<(), GenerateError> {
    if synced(topology).is_empty() {
        return Ok(());
    }
    for path in nginx::member_paths(topology) {
        let Some(text) = on_disk(path).filter(|_| new.files.contains_key(path)) else { continue };
        if is_synced(topology, path, &text)? {
            new.files.insert(path.to_owned(), text);
        }
    }
    Ok(())
}

/// Whether a file says what `archgen sync` writes for the members that it names, and nothing else: then nobody edited it, whatever the
/// manifest says, which is written after it.
///
/// # Errors
/// As [`member_files`].
pub fn is_synced(topology: &Topology, path: &str, text: &str) -> Result<bool, GenerateError> {
    if !text.starts_with(LIVE) {
        return Ok(false);
    }
    let members = Members::read(std::iter::once(text));
    Ok(member_files(topology, &members)?.get(path).is_some_and(|written| written == text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Options, generate};

    const SPEC: &str = "archgen: v1\nname: t\nregistry: { kind: consul, servers: 3 }\ngateway:\n  kind: nginx\n  version: \"1.22\"\n  \
                        host: a.example.test\n  port: 8080\n  discovery: consul\n  routes: { /a: { to: a-hash, auth: none, balance: \
                        least_conn }, /b: { to: a-hash, auth: none } }\nrealtime: { kind: socketio, replicas: 2 }\nservices:\n  a-hash: { \
                        kind: process, command: [./a], port: 9000, replicas: 2 }\n";

    fn topology(text: &str) -> Topology {
        let none = |_: &str| Err(archgen_spec::ReadError::Missing);
        let loaded = archgen_spec::load("t.yaml", text.to_owned(), None, &none, &|_| None);
        loaded.topology.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics))
    }

    #[test]
    fn members_are_written_read_and_kept() {
        let topology = topology(SPEC);
        assert_eq!(synced(&topology), ["a-hash", "realtime"]);
        let mut members = Members::default();
        members.services.insert("a-hash".into(), vec!["127.0.0.1:9001".into(), "127.0.0.1:9002".into()]);
        members.realtime.insert("realtime-2".into(), "127.0.0.1:3002".into());
        let files = member_files(&topology, &members).expect("files");
        assert_eq!(Members::read(files.values().map(String::as_str)), members);
        assert_eq!(files["nginx/upstreams.conf"].matches("server 127.0.0.1:9001 ").count(), 2, "in both upstreams");
        assert!(files["nginx/realtime.conf"].contains("\"~^realtime-2\\.\" realtime-2;"));

        let planned = generate(&topology, &Options::default()).expect("artifacts");
        let mut kept = planned.clone();
        keep_synced(&topology, &mut kept, &|path| files.get(path).cloned()).expect("kept");
        assert_eq!(kept.files["nginx/upstreams.conf"], files["nginx/upstreams.conf"]);
        // A file that says something else besides its members is no file of `archgen sync`.
        let mut edited = planned.clone();
        keep_synced(&topology, &mut edited, &|path| Some(files.get(path)?.replace("max_fails=3", "max_fails=4")))
            .expect("kept");
        assert_eq!(edited.files["nginx/upstreams.conf"], planned.files["nginx/upstreams.conf"]);
        // One that was interrupted between its two files wrote the first.
        let mut half = planned.clone();
        keep_synced(&topology, &mut half, &|path| {
            let text = if path.ends_with("upstreams.conf") { &files[path] } else { &planned.files[path] };
            Some(text.clone())
        })
        .expect("kept");
        assert_eq!(half.files["nginx/upstreams.conf"], files["nginx/upstreams.conf"]);
        assert_eq!(half.files["nginx/realtime.conf"], planned.files["nginx/realtime.conf"]);
    }

    #[test]
    fn what_follows_names_itself_is_not_synced() {
        assert!(synced(&topology(&SPEC.replace("1.22", "1.28"))).is_empty());
        assert!(synced(&topology(&SPEC.replace("discovery: consul", "discovery: static"))).is_empty());
    }
}
