//! nginx: the gateway server and the realtime edge.

use std::collections::BTreeMap;
use std::time::Duration;

use archgen_spec::topology::{Balance, Component, Gateway, Instance, RateLimit, Realtime, Route, ServiceId, Topology};
use serde::Serialize;

use super::Files;
use super::consul::dns_port;
use super::observe::exporter;
use crate::render::{Content, Engine};
use crate::{Address, GenerateError, Members, private_address};

/// Everything that the templates place.
#[derive(Serialize)]
struct Context<'a> {
    system: &'a str,
    host: &'a str,
    version: String,
    /// Where it listens: the port, on loopback alone where `archgen up` starts it.
    listen: String,
    /// Whether `archgen up` starts it: then it serves neither counters nor the realtime edge.
    here: bool,
    status_port: u16,
    origin: String,
    tls: Option<&'a str>,
    redirect: bool,
    http2_in_listen: bool,
    http2_directive: bool,
    resolver: bool,
    dns_port: u16,
    /// Datacenter whose registry names the members, where this version of nginx follows DNS.
    dynamic: Option<&'a str>,
    hashes_credential: bool,
    retry_after_seconds: u64,
    zones: Vec<LimitZone>,
    connections_max: Option<u32>,
    upstreams: Vec<Upstream>,
    auth: Option<Auth>,
    micro_cache: bool,
    locations: Vec<Location<'a>>,
    has_root: bool,
    edge: Option<Edge>,
    cors: Option<Cross>,
    exporter: Option<u16>,
}

/// Pages of other origins: what stands on the right of a `map`, or in one header.
#[derive(Serialize)]
struct Cross {
    any: bool,
    origins: Vec<String>,
    methods: String,
    headers: String,
    credentials: bool,
    max_age_seconds: u64,
}

#[derive(Serialize)]
struct LimitZone {
    name: String,
    key: &'static str,
    rate: String,
}

#[derive(Serialize)]
struct Limit {
    zone: String,
    burst: u32,
}

#[derive(Serialize)]
struct Upstream {
    name: String,
    service: String,
    method: &'static str,
    servers: Vec<String>,
}

#[derive(Serialize)]
struct Auth {
    upstream: String,
    /// 0 where the issuer is asked each time.
    allowed_seconds: u64,
    denied_seconds: u64,
}

#[derive(Serialize, Clone)]
struct Location<'a> {
    exact: bool,
    path: String,
    upstream: String,
    authenticated: bool,
    body_bytes_max: u64,
    timeout_ms: u128,
    next_ms: u128,
    tries: u32,
    cache_seconds: u64,
    limits: Vec<&'a Limit>,
}

#[derive(Serialize)]
struct Edge {
    port: u16,
    nodes: Vec<EdgeNode>,
    timeout_seconds: u64,
}

#[derive(Serialize)]
struct EdgeNode {
    name: String,
    server: String,
}

/// Files of every gateway.
const FILES: [&str; 6] = [
    "nginx/nginx.conf",
    "nginx/upstreams.conf",
    "nginx/security-headers.conf",
    "nginx/status.conf",
    "nginx/README.md",
    "nginx/run/README.md",
];

/// Every file that is written for this topology's gateway.
pub(super) fn paths(topology: &Topology, here: bool) -> Vec<&'static str> {
    let mut paths = FILES.to_vec();
    if here {
        paths.retain(|path| *path != "nginx/status.conf");
    } else if topology.realtime.is_some() {
        paths.push("nginx/realtime.conf");
    }
    if topology.gateway.as_ref().is_some_and(|g| g.cors.is_some()) {
        paths.push("nginx/cross-origin.conf");
    }
    if topology.gateway.as_ref().is_some_and(hashes_credential) {
        paths.extend(["nginx/modules/njs.conf", "nginx/credential.js"]);
    }
    paths
}

/// Whether credentials are a key of something.
fn hashes_credential(gateway: &Gateway) -> bool {
    gateway.auth.is_some() || gateway.limit_per_token.is_some()
}

/// `nginx/nginx.conf` and what it includes.
pub(crate) fn files(
    topology: &Topology,
    place: Address<'_>,
    here: bool,
    engine: &Engine,
    files: &mut Files,
) -> Result<(), GenerateError> {
    let Some(gateway) = &topology.gateway else { return Ok(()) };
    let limits: Vec<Vec<Limit>> = gateway.routes.iter().enumerate().map(|(i, r)| limits(gateway, i, r)).collect();
    let context = context(topology, gateway, &limits, place, here);
    let content = Content::of(&context);
    for path in paths(topology, here) {
        files.insert(path.to_owned(), engine.render(path, &content)?);
    }
    Ok(())
}

/// Files that list members.
pub(crate) fn member_paths(topology: &Topology) -> Vec<&'static str> {
    ["nginx/upstreams.conf", "nginx/realtime.conf"].into_iter().filter(|p| paths(topology, false).contains(p)).collect()
}

/// The files that list members, with those that are there instead of the planned ones.
pub(crate) fn member_files(topology: &Topology, members: &Members) -> Result<Files, GenerateError> {
    let Some(gateway) = &topology.gateway else { return Ok(Files::new()) };
    let engine = Engine::new()?;
    let address = |i: &Instance| private_address(topology, i);
    let mut context = context(topology, gateway, &[], &address, false);
    for upstream in &mut context.upstreams {
        if let Some(live) = members.services.get(&upstream.service).filter(|all| !all.is_empty()) {
            upstream.servers.clone_from(live);
        }
    }
    if let Some(edge) = context.edge.as_mut().filter(|_| !members.realtime.is_empty()) {
        let node = |(name, server): (&String, &String)| EdgeNode { name: name.clone(), server: server.clone() };
        edge.nodes = members.realtime.iter().map(node).collect();
    }
    let content = Content::of(&context);
    let rendered = member_paths(topology).into_iter().map(|path| Ok((path.to_owned(), engine.render(path, &content)?)));
    rendered.collect()
}

/// Whether this nginx follows the registry's names itself: 1.27.3 brought that to the free edition.
pub(crate) fn follows_names(topology: &Topology) -> bool {
    let consul = topology.registry.as_ref().is_some_and(|r| !r.embedded);
    consul && topology.gateway.as_ref().is_some_and(|g| g.discovery && g.version >= (1, 28))
}

fn context<'a>(
    topology: &'a Topology,
    gateway: &'a Gateway,
    limits: &'a [Vec<Limit>],
    place: Address<'_>,
    here: bool,
) -> Context<'a> {
    let tls = gateway.tls.as_deref();
    let locations: Vec<Location> =
        gateway.routes.iter().zip(limits).flat_map(|(r, l)| locations(topology, gateway, r, l)).collect();
    let http2 = tls.is_some();
    // nginx 1.25.1 moved `http2` out of `listen`; the old form still works in all of 1.25.
    let directive = gateway.version >= (1, 26);
    Context {
        system: &topology.name,
        host: &gateway.host,
        version: format!("{}.{}", gateway.version.0, gateway.version.1),
        listen: match here {
            true => format!("127.0.0.1:{}", gateway.port),
            false => gateway.port.to_string(),
        },
        here,
        status_port: status_port(gateway.port),
        origin: origin(gateway),
        tls,
        redirect: tls.is_some() && gateway.port == 443,
        http2_in_listen: http2 && !directive,
        http2_directive: http2 && directive,
        resolver: topology.registry.is_some(),
        dns_port: dns_port(topology),
        dynamic: topology.registry.as_ref().filter(|_| follows_names(topology)).map(|r| r.datacenter.as_str()),
        hashes_credential: hashes_credential(gateway),
        retry_after_seconds: retry_after_seconds(gateway),
        zones: limit_zones(gateway),
        connections_max: gateway.connections_per_ip_max,
        upstreams: upstreams(topology, gateway, place),
        auth: gateway.auth.as_ref().map(|a| Auth {
            upstream: upstream_name(topology, a.by, Balance::LeastConn),
            allowed_seconds: if a.cache.is_zero() { 0 } else { whole_seconds(a.cache) },
            denied_seconds: whole_seconds(a.cache_denied),
        }),
        micro_cache: locations.iter().any(|l| l.cache_seconds > 0),
        has_root: locations.iter().any(|l| l.path == "/"),
        locations,
        cors: gateway.cors.as_ref().map(|cors| Cross {
            any: cors.any,
            origins: cors.origins.clone(),
            methods: cors.methods.join(", "),
            headers: cors.headers.join(", "),
            credentials: cors.credentials,
            max_age_seconds: cors.max_age.as_secs(),
        }),
        edge: topology.realtime.as_ref().filter(|_| !here).map(|r| edge(topology, r, place)),
        exporter: exporter(topology),
    }
}

/// The origin of pages that the gateway serves.
pub(super) fn origin(gateway: &Gateway) -> String {
    let (scheme, usual) = if gateway.tls.is_some() { ("https", 443) } else { ("http", 80) };
    let port = if gateway.port == usual { String::new() } else { format!(":{}", gateway.port) };
    format!("{scheme}://{}{port}", gateway.host)
}

/// Loopback port of the counters.
pub(super) fn status_port(port: u16) -> u16 {
    if port == 8_081 { 8_082 } else { 8_081 }
}

/// nginx counts the life of a cached answer in whole seconds; zero would mean not at all.
fn whole_seconds(time: Duration) -> u64 {
    time.as_millis().div_ceil(1_000).max(1) as u64
}

/// nginx has whole events per second or per minute.
fn rate(limit: RateLimit) -> String {
    if limit.per_second >= 1.0 && limit.per_second.fract() == 0.0 {
        format!("{}r/s", limit.per_second)
    } else {
        format!("{}r/m", (limit.per_second * 60.0).round().max(1.0))
    }
}

/// How long the slowest of the limits takes to let one more request pass.
fn retry_after_seconds(gateway: &Gateway) -> u64 {
    let routes = gateway.routes.iter().filter_map(|r| r.limit);
    let slowest = routes.chain(gateway.limit_per_ip).chain(gateway.limit_per_token).map(|l| l.per_second);
    let slowest = slowest.fold(1.0_f64, f64::min);
    (1.0 / slowest).ceil().clamp(1.0, 3_600.0) as u64
}

fn limit_zones(gateway: &Gateway) -> Vec<LimitZone> {
    let zone = |name: String, key, limit: RateLimit| LimitZone { name, key, rate: rate(limit) };
    let mut zones = Vec::new();
    zones.extend(gateway.limit_per_ip.map(|l| zone("per_ip".to_owned(), "$binary_remote_addr", l)));
    zones.extend(gateway.limit_per_token.map(|l| zone("per_token".to_owned(), "$credential", l)));
    for (i, route) in gateway.routes.iter().enumerate() {
        zones.extend(route.limit.map(|l| zone(format!("route_{i}"), "$binary_remote_addr", l)));
    }
    zones
}

/// Every limit of a route. A location with a limit of its own would lose the inherited ones, so that each says all.
fn limits(gateway: &Gateway, index: usize, route: &Route) -> Vec<Limit> {
    let mut limits = Vec::new();
    limits.extend(gateway.limit_per_ip.map(|l| Limit { zone: "per_ip".to_owned(), burst: l.burst }));
    if route.authenticated {
        limits.extend(gateway.limit_per_token.map(|l| Limit { zone: "per_token".to_owned(), burst: l.burst }));
    }
    limits.extend(route.limit.map(|l| Limit { zone: format!("route_{index}"), burst: l.burst }));
    limits
}

/// How names of upstreams end.
pub(crate) const METHODS: [&str; 3] = ["round-robin", "least-conn", "hash"];

fn upstream_name(topology: &Topology, service: ServiceId, balance: Balance) -> String {
    let method = match balance {
        Balance::RoundRobin => METHODS[0],
        Balance::LeastConn => METHODS[1],
        Balance::ConsistentHash => METHODS[2],
    };
    format!("{}-{method}", topology.service(service).name)
}

fn upstreams(topology: &Topology, gateway: &Gateway, place: Address<'_>) -> Vec<Upstream> {
    let routed = gateway.routes.iter().map(|r| (r.to, r.balance));
    let introspection = gateway.auth.iter().map(|a| (a.by, Balance::LeastConn));
    let mut named = BTreeMap::new();
    for (service, balance) in routed.chain(introspection) {
        let name = upstream_name(topology, service, balance);
        let method = match balance {
            Balance::RoundRobin => "",
            Balance::LeastConn => "least_conn",
            Balance::ConsistentHash => "hash $remote_addr consistent",
        };
        let members = topology.component_instances(Component::Service(service));
        let servers = members.iter().map(place).collect();
        let service = topology.service(service).name.clone();
        named.insert(name.clone(), Upstream { name, service, method, servers });
    }
    named.into_values().collect()
}

/// A prefix matches itself and what is below it, not its siblings: `/api/v1/me` is not `/api/v1/messages`.
fn locations<'a>(topology: &Topology, gateway: &Gateway, route: &Route, limits: &'a [Limit]) -> Vec<Location<'a>> {
    let timeout_ms = route.timeout.as_millis().max(1);
    let below = Location {
        exact: false,
        path: format!("{}/", route.prefix.trim_end_matches('/')),
        upstream: upstream_name(topology, route.to, route.balance),
        authenticated: route.authenticated && gateway.auth.is_some(),
        body_bytes_max: route.body_bytes_max,
        timeout_ms,
        next_ms: timeout_ms.min(3_000),
        tries: route.retries.saturating_add(1),
        cache_seconds: route.micro_cache.map_or(0, whole_seconds),
        limits: limits.iter().collect(),
    };
    if below.path == "/" {
        return vec![below];
    }
    let itself = Location { exact: true, path: route.prefix.trim_end_matches('/').to_owned(), ..below.clone() };
    vec![itself, below]
}

fn edge(topology: &Topology, realtime: &Realtime, place: Address<'_>) -> Edge {
    let nodes = topology.component_instances(Component::Realtime);
    let silence = realtime.ping_interval + realtime.ping_timeout;
    Edge {
        port: realtime.port,
        nodes: nodes.iter().map(|i| EdgeNode { name: i.name.clone(), server: place(i) }).collect(),
        timeout_seconds: silence.as_secs() + 30,
    }
}
