//! A running fleet takes in a spec that differs in nothing but the numbers of nodes that move their data and of instances that hand
//! over what they own: new hosts start, the others learn of them, those that are to leave hand over first and stop then.

use std::time::Duration;

use anyhow::{Context, bail};
use archgen_fleet::{Instances, Peer};
use archgen_ports::ServiceKey;
use archgen_spec::topology::{Component, Service, ServiceId, ServiceKind, Topology};
use http::{HeaderMap, HeaderValue, Method};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::time::{Instant, sleep};

use super::{control::Phase, floor::Floor, servers, unit::units};
use crate::{
    spec_files,
    state::{FleetFile, movable, save_nodes, service_key},
};

/// How long hosts are told of new instances before they are left to their next start.
const TOLD_WITHIN: Duration = Duration::from_secs(10);
/// Time between tries.
const AGAIN: Duration = Duration::from_millis(100);

/// Takes in the fleet that was put beside the running one.
///
/// # Errors
/// It differs in more than numbers that can change, or cannot be assembled.
pub fn take(floor: &Floor) -> anyhow::Result<()> {
    if floor.phase.get() != Phase::Running {
        bail!("the fleet is not running yet, or no more");
    }
    let next = FleetFile::load_next(&floor.state)?;
    let before = spec_files::reload(&floor.fleet().spec)?;
    let after = spec_files::reload(&next.spec)?;
    movable(&before, &after)?;
    if floor.fleet().in_process || next.in_process {
        bail!("a fleet in one process does not change while it runs: stop it with `archgen down` first");
    }
    if floor.changing.replace(true) {
        bail!("another change is under way: `archgen ps` and `archgen shards status` show it");
    }
    let started = start(floor, &next);
    if started.is_err() {
        floor.changing.set(false);
    }
    started
}

fn start(floor: &Floor, next: &FleetFile) -> anyhow::Result<()> {
    let key = service_key(&floor.state, &floor.env.entropy("service-key"))?;
    let assembly = next.assembly(key)?;
    let hosts = archgen_fleet::hosts(&assembly)?;
    let all = units(&floor.state, &assembly, hosts, Vec::new(), &next.folder, false)?;
    // From here on whoever starts reads the new fleet.
    floor.change_fleet(|fleet| *fleet = next.clone())?;
    save_nodes(&floor.state, &next.nodes)?;
    for unit in all {
        if floor.board.state(&unit.name).is_none() {
            floor.add(unit)?;
        }
    }
    floor.changed.notify_one();
    Ok(())
}

/// Tells hosts of instances that come and go, after each change. Never returns.
pub async fn keep(floor: &Floor) {
    loop {
        floor.changed.notified().await;
        if let Err(error) = settle(floor).await {
            floor.printer.warning(&format!("{error:#}"));
        }
        floor.changing.set(false);
    }
}

/// What becomes of one service.
struct Change {
    service: String,
    wanted: Vec<String>,
    leaving: Vec<String>,
    lease: Duration,
}

impl Change {
    fn of(floor: &Floor, topology: &Topology, id: usize, service: &Service) -> Self {
        let instances = topology.component_instances(Component::Service(ServiceId(id)));
        let wanted: Vec<String> = instances.into_iter().map(|i| i.name).collect();
        let name = |number: usize| format!("{}-{number}", service.name);
        let leaving = (wanted.len() + 1..).map(name).take_while(|host| floor.board.state(host).is_some()).collect();
        Self { service: service.name.clone(), wanted, leaving, lease: service.lease }
    }
}

async fn settle(floor: &Floor) -> anyhow::Result<()> {
    let topology = spec_files::reload(&floor.fleet().spec)?;
    let messaging = topology.services.iter().enumerate().filter(|(_, s)| s.kind == ServiceKind::Messaging);
    let changes: Vec<Change> = messaging.map(|(id, service)| Change::of(floor, &topology, id, service)).collect();
    for Change { service, wanted, leaving, .. } in &changes {
        floor.ready(wanted).await;
        let all: Vec<String> = wanted.iter().chain(leaving).cloned().collect();
        tell(floor, instances(floor, service, &all, wanted.len())).await?;
    }
    // Before anybody leaves: a gateway that still sends requests there would answer them with an error.
    if let Err(error) = tell_gateways(floor).await {
        floor.printer.warning(&format!("the gateway keeps the instances that it knows: {error:#}"));
    }
    for Change { service, wanted, leaving, lease } in changes.iter().filter(|change| !change.leaving.is_empty()) {
        // Who stays asks for the shards in each round, of which there are four in a lease.
        sleep(*lease / 2).await;
        leaving.iter().for_each(|host| floor.retire(host));
        floor.board.until(|board| leaving.iter().all(|host| board.state(host).is_none())).await;
        tell(floor, instances(floor, service, wanted, wanted.len())).await?;
    }
    Ok(())
}

/// Servers that know instances from their files alone get new ones.
async fn tell_gateways(floor: &Floor) -> anyhow::Result<()> {
    let key = service_key(&floor.state, &floor.env.entropy("service-key"))?;
    let assembly = floor.fleet().assembly(key)?;
    let gateways = servers::gateways(&assembly);
    if gateways.is_empty() {
        return Ok(());
    }
    let state = floor.state.clone();
    // nginx reads its files once to judge them, and all hosts would wait for it.
    floor.env.compute(move || servers::prepare_gateways(&state, &assembly)).await?;
    for gateway in floor.board.all().into_iter().filter(|h| gateways.iter().any(|g| g.name == h.host)) {
        if let Some(pid) = gateway.pid {
            // It may have ended in between, and reads them at its next start.
            let _ = kill(Pid::from_raw(pid as i32), Signal::SIGHUP);
        }
    }
    Ok(())
}

fn instances(floor: &Floor, service: &str, hosts: &[String], replicas: usize) -> Instances {
    let peer = |host: &String| {
        let address = floor.board.address(host)?.parse().ok()?;
        Some(Peer { name: host.clone(), address })
    };
    let instances = hosts.iter().filter_map(peer).collect();
    Instances { service: service.to_owned(), instances, replicas: replicas as u32 }
}

/// Tells every host that runs one of our services; who does not hear it in time reads it at its next start.
async fn tell(floor: &Floor, now: Instances) -> anyhow::Result<()> {
    let key = service_key(&floor.state, &floor.env.entropy("service-key"))?;
    let mut headers = HeaderMap::new();
    headers.insert(ServiceKey::HEADER, HeaderValue::from_str(key.expose()).context("the fleet's key is no header")?);
    let until = Instant::now() + TOLD_WITHIN;
    let hosts = floor.board.all().into_iter().map(|h| h.host);
    let mut left: Vec<String> = hosts.filter(|host| floor.hears_of_instances(host)).collect();
    while !left.is_empty() && Instant::now() < until {
        let mut late = Vec::new();
        for host in left {
            let Some(address) = floor.board.address(&host).and_then(|a| a.parse().ok()) else { continue };
            let path = archgen_fleet::INSTANCES_PATH;
            let answer = floor.client.json(Method::POST, &address, path, headers.clone(), &now).await;
            if !answer.is_ok_and(|reply| reply.status.is_success()) {
                late.push(host);
            }
        }
        left = late;
        sleep(AGAIN).await;
    }
    if !left.is_empty() {
        floor.printer.warning(&format!("{} did not hear of the change; `archgen restart` tells them", left.join(", ")));
    }
    Ok(())
}
