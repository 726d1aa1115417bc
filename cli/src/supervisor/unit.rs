//! From the hosts of a fleet to what the supervisor must know of each; and what cannot run, said before anything starts.

use std::{path::Path, time::Duration};

use anyhow::Context;
use archgen_env::net::Address;
use archgen_fleet::{Assembly, Host, RealStore};
use archgen_spec::topology::{Component, Service, ServiceKind, Topology};

use super::{
    program::{Command, Program, Readiness},
    servers,
};
use crate::{means, state::StateFolder};

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
    /// What it runs.
    pub program: Program,
    /// How it is seen that it is ready.
    pub ready: Readiness,
    /// Grace between SIGTERM and SIGKILL.
    pub stop_within: Duration,
    /// Least and most wait before a restart.
    pub restart: (Duration, Duration),
}

impl Unit {
    /// Whether it is a host of ours that calls others: programs of somebody else, nginx too, know nothing of such a call, and
    /// stores call nobody.
    pub fn hears_of_instances(&self) -> bool {
        matches!(self.program, Program::Own | Program::Task(_)) && !self.kind.ends_with(" store")
    }
}

/// The units of a fleet.
///
/// # Errors
/// A secret that a program of the user's needs is not there.
pub fn units(
    state: &StateFolder,
    assembly: &Assembly,
    hosts: Vec<Host>,
    stores: Vec<RealStore>,
    folder: &Path,
    in_process: bool,
) -> anyhow::Result<Vec<Unit>> {
    let topology = &assembly.topology;
    let stores = stores.into_iter().map(|store| {
        let command = servers::command(state, assembly, &store.name)?;
        Ok(Unit {
            name: store.name.clone(),
            kind: format!("{} server", store.kind),
            address: store.address.clone(),
            needs: Vec::new(),
            program: command.map_or(Program::There, Program::Command),
            ready: Readiness::Store(store),
            stop_within: STOP_WITHIN,
            restart: RESTART,
        })
    });
    let hosts = hosts.iter().map(|host| {
        let service = match host.instance().component {
            Component::Service(id) => Some(topology.service(id)),
            _ => None,
        };
        let command = service.map(|s| command(topology, s, host, folder)).transpose()?.flatten();
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
            program: command.map_or(own, Program::Command),
            ready: Readiness::Path(ready_path),
            stop_within: service.map_or(STOP_WITHIN, |s| s.stop_within),
            restart: service.map_or(RESTART, |s| s.restart),
        })
    });
    let gateways = servers::gateways(assembly).into_iter().map(|instance| {
        let command =
            servers::command(state, assembly, &instance.name)?.context("it is no server that archgen starts")?;
        let address = assembly.addresses.get(&instance.name).cloned();
        Ok(Unit {
            kind: topology.component_name(instance.component).to_owned(),
            address: address.with_context(|| format!("`{}` has no address", instance.name))?,
            needs: archgen_fleet::needs(topology, instance.component),
            program: Program::Command(command),
            ready: Readiness::Answers,
            stop_within: STOP_WITHIN,
            restart: RESTART,
            name: instance.name,
        })
    });
    stores.chain(hosts).chain(gateways).collect()
}

fn command(topology: &Topology, service: &Service, host: &Host, folder: &Path) -> anyhow::Result<Option<Command>> {
    let ServiceKind::Process { command, environment } = &service.kind else { return Ok(None) };
    let port = host.address().port.to_string();
    let words = command.iter().map(|word| word.replace("${port}", &port)).collect();
    let mut variables = vec![("PORT".to_owned(), port.clone())];
    for (name, value) in environment {
        let value = match value.strip_prefix("secret:") {
            Some(secret) => means::reveal(topology, secret, folder)
                .with_context(|| format!("`{}` needs the secret `{secret}`", service.name))?,
            None => value.replace("${port}", &port),
        };
        variables.push((name.clone(), value));
    }
    Ok(Some(Command { words, variables, folder: folder.to_owned(), server: None }))
}

/// Programs of the user's own that are not there, one line each.
pub fn missing(units: &[Unit]) -> Vec<String> {
    let faults = units.iter().filter_map(|unit| match &unit.program {
        Program::Command(command) if command.server.is_none() => {
            command.missing().map(|fault| format!("services.{}: {fault}", unit.kind))
        }
        _ => None,
    });
    let mut lines: Vec<String> = faults.collect();
    lines.dedup();
    lines
}

/// What of this topology cannot run on this machine, one line each; empty where all of it can.
pub fn preflight(topology: &Topology) -> Vec<String> {
    let mut problems = Vec::new();
    if let Some(registry) = topology.registry.as_ref().filter(|r| !r.embedded) {
        if !registry.is_real() {
            problems.push(
                "registry: nothing to run on; say `embedded: true`, `endpoint: host:port` or `managed: true`"
                    .to_owned(),
            );
        } else if !archgen_fleet::drives("consul") {
            problems.push(
                "registry: this build has no consul driver; `cargo build --release --features consul` builds one with it (`real` for all)"
                    .to_owned(),
            );
        }
    }
    for store in topology.stores.iter().filter(|s| !s.embedded) {
        let (name, kind) = (&store.name, store.kind.name());
        if !store.is_real() {
            problems.push(format!(
                "stores.{name}: nothing to run on; say `embedded: true`, `endpoint: host:port` or `managed: true`"
            ));
        } else if !archgen_fleet::drives(kind) {
            problems.push(format!(
                "stores.{name}: this build has no {kind} driver; `cargo build --release --features {kind}` builds one with it (`real` for all)"
            ));
        }
    }
    if let Some(gateway) = &topology.gateway {
        if !gateway.embedded && !gateway.managed {
            problems.push("gateway: nothing to run on; say `embedded: true`, or `managed: true` for nginx".to_owned());
        } else if gateway.tls.is_some() {
            problems
                .push("gateway.tls: a gateway of `archgen up` serves no TLS; `tls: !unset` leaves it out".to_owned());
        }
    }
    problems.extend(servers::missing(topology));
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hosts_of_ours_hear_of_instances() {
        let command =
            || Command { words: vec!["nginx".to_owned()], variables: Vec::new(), folder: ".".into(), server: None };
        let hears = |kind: &str, program: Program| {
            let unit = Unit {
                name: format!("{kind}-1"),
                kind: kind.to_owned(),
                address: Address { host: "127.0.0.1".to_owned(), port: 1 },
                needs: Vec::new(),
                program,
                ready: Readiness::Answers,
                stop_within: STOP_WITHIN,
                restart: RESTART,
            };
            unit.hears_of_instances()
        };
        assert!(hears("messaging", Program::Own));
        assert!(hears("gateway", Program::Own), "archgen's own gateway");
        assert!(!hears("gateway", Program::Command(command())), "nginx");
        assert!(!hears("billing", Program::Command(command())), "a program of the user's own");
        assert!(!hears("cassandra store", Program::Own));
        assert!(!hears("postgres server", Program::There));
    }
}
