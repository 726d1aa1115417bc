//! From the hosts of a fleet to what the supervisor must know of each; and what cannot run, said before anything starts.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, bail};
use archgen_env::net::Address;
use archgen_fleet::Host;
use archgen_spec::topology::{Component, SecretSource, Service, ServiceKind, Topology};

use super::program::{Command, Program};

/// Grace between SIGTERM and SIGKILL of hosts for which the spec does not say.
const STOP_WITHIN: Duration = Duration::from_secs(10);
/// Waits before restarts of hosts for which the spec does not say.
const RESTART: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(30));

/// One host as the supervisor sees it.
#[derive(Debug, Clone)]
pub struct Unit {
    /// Its name.
    pub name: String,
    /// What it is one of.
    pub kind: String,
    /// Where it listens.
    pub address: Address,
    /// Hosts that must be ready before it starts.
    pub needs: Vec<String>,
    /// Hosts that must have stopped before it stops.
    pub needed_by: Vec<String>,
    /// What it runs.
    pub program: Program,
    /// Path that answers 200 when it is ready.
    pub ready_path: String,
    /// Grace between SIGTERM and SIGKILL.
    pub stop_within: Duration,
    /// Least and most wait before a restart.
    pub restart: (Duration, Duration),
}

/// The units of a fleet.
///
/// # Errors
/// A secret that a program of the user's needs is not there.
pub fn units(topology: &Topology, hosts: Vec<Host>, folder: &Path, in_process: bool) -> anyhow::Result<Vec<Unit>> {
    let needs: Vec<(String, Vec<String>)> = hosts.iter().map(|h| (h.name().to_owned(), h.needs().to_vec())).collect();
    let needed_by = |name: &str| -> Vec<String> {
        needs.iter().filter(|(_, n)| n.iter().any(|n| n == name)).map(|(host, _)| host.clone()).collect()
    };
    hosts
        .into_iter()
        .map(|host| {
            let service = match host.instance().component {
                Component::Service(id) => Some(topology.service(id)),
                _ => None,
            };
            let command = service.map(|s| command(topology, s, &host, folder)).transpose()?.flatten();
            let own = if in_process { Program::Task(Box::new(host.clone())) } else { Program::Own };
            let ready_path = match (&command, service) {
                (Some(_), Some(service)) => service.health.path.clone(),
                _ => "/readyz".to_owned(),
            };
            Ok(Unit {
                name: host.name().to_owned(),
                kind: host.kind(),
                address: host.address().clone(),
                needs: host.needs().to_vec(),
                needed_by: needed_by(host.name()),
                program: command.map_or(own, Program::Command),
                ready_path,
                stop_within: service.map_or(STOP_WITHIN, |s| s.stop_within),
                restart: service.map_or(RESTART, |s| s.restart),
            })
        })
        .collect()
}

fn command(topology: &Topology, service: &Service, host: &Host, folder: &Path) -> anyhow::Result<Option<Command>> {
    let ServiceKind::Process { command, environment } = &service.kind else { return Ok(None) };
    let port = host.address().port.to_string();
    let words = command.iter().map(|word| word.replace("${port}", &port)).collect();
    let mut variables = vec![("PORT".to_owned(), port.clone())];
    for (name, value) in environment {
        let value = match value.strip_prefix("secret:") {
            Some(secret) => reveal(topology, secret, folder)
                .with_context(|| format!("`{}` needs the secret `{secret}`", service.name))?,
            None => value.replace("${port}", &port),
        };
        variables.push((name.clone(), value));
    }
    Ok(Some(Command { words, variables, folder: folder.to_owned() }))
}

fn reveal(topology: &Topology, name: &str, folder: &Path) -> anyhow::Result<String> {
    match topology.secrets.get(name) {
        Some(SecretSource::Environment(variable)) => {
            std::env::var(variable).with_context(|| format!("the variable `{variable}` is not set"))
        }
        Some(SecretSource::File(path)) => {
            let text = fs::read_to_string(folder.join(path)).with_context(|| format!("cannot read `{path}`"))?;
            Ok(text.trim_end_matches(['\n', '\r']).to_owned())
        }
        None => bail!("the spec declares no such secret"),
    }
}

/// What of this topology cannot run on this machine, one line each; empty where all of it can.
pub fn preflight(topology: &Topology) -> Vec<String> {
    let mut problems = Vec::new();
    if let Some(registry) = topology.registry.as_ref().filter(|r| !r.embedded) {
        problems.push(format!("registry: this build does not run Consul ({} servers)", registry.servers));
    }
    for store in topology.stores.iter().filter(|s| !s.embedded) {
        problems.push(format!("stores.{}: this build drives no {}", store.name, store.kind.name()));
    }
    if let Some(gateway) = &topology.gateway {
        if !gateway.embedded {
            problems.push("gateway: this build does not run nginx".to_owned());
        } else if gateway.tls.is_some() {
            problems.push("gateway.tls: the embedded gateway serves no TLS; `tls: !unset` leaves it out".to_owned());
        }
    }
    problems
}
