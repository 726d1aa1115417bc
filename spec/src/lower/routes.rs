//! The gateway and its routes.

use std::time::Duration;

use crate::ast::{self, GatewayDiscovery, Named, RouteAuth};
use crate::checks::{bad_unit, dangling};
use crate::source::Spanned;
use crate::topology::{Balance, Cors, Gateway, GatewayAuth, RateLimit, Route, ServiceId};
use crate::units::Limit;

use super::components;
use super::resolve::Resolution;

const BODY_BYTES_MAX: u64 = 1024 * 1024;
/// Where discovery documents live: always open, always the issuer's.
const WELL_KNOWN: &str = "/.well-known";
const TIMEOUT: Duration = Duration::from_secs(10);
const RETRIES: u32 = 1;

fn limit(written: Option<&Spanned<Limit>>) -> Option<RateLimit> {
    written.map(|l| RateLimit { per_second: l.value.rate.per_second(), burst: l.value.burst })
}

/// The gateway, where one is written.
pub(super) fn gateway(work: &mut Resolution<'_>) -> Option<Gateway> {
    let written = &work.spec.gateway.as_ref()?.value;
    let path = |key: &str| format!("gateway.{key}");
    let tls = written.tls.as_ref().and_then(|t| work.names.secret(t, work.out));
    let encrypted = written.tls.is_some();
    let (port, shown, reason) = match encrypted {
        true => (443, "443", "tls is on"),
        false => (80, "80", "tls is off"),
    };
    let embedded = work.or(written.embedded.map(|e| e.value), || path("embedded"), false, "false", "the real nginx");
    let auth = auth(work);
    let discovery = discovery(work);
    let limits = written.limits.as_ref().map(|l| &l.value);
    let connections = limits.and_then(|l| l.connections_per_ip.as_ref());
    Some(Gateway {
        version: written.version.map_or((1, 22), |v| (v.value.0, v.value.1)),
        embedded,
        managed: !embedded && written.managed.is_some_and(|m| m.value),
        host: work.or(
            written.host.as_ref().map(|h| h.value.0.clone()),
            || path("host"),
            "localhost".to_owned(),
            "localhost",
            "no public name is given",
        ),
        port: work.or(written.port.map(|p| p.value.0), || path("port"), port, shown, reason),
        tls,
        replicas: work.or(written.replicas.map(|r| r.value), || path("replicas"), 1, "1", "one gateway"),
        limit_per_ip: limit(limits.and_then(|l| l.per_ip.as_ref())),
        limit_per_token: limit(limits.and_then(|l| l.per_token.as_ref())),
        connections_per_ip_max: connections.map(|c| u32::try_from(c.value.0).unwrap_or(u32::MAX)),
        routes: routes(auth.as_ref(), work),
        cors: cors(work),
        exporter_port: written.exporter.map(|p| p.value.0),
        auth,
        discovery,
    })
}

fn auth(work: &mut Resolution<'_>) -> Option<GatewayAuth> {
    let auth = &work.spec.gateway.as_ref()?.value.auth.as_ref()?.value;
    let by = work.names.service(auth.by.as_ref()?, work.out)?;
    let path = |key: &str| format!("gateway.auth.{key}");
    let cache = auth.cache.map(|c| c.value.0);
    let denied = auth.cache_denied.map(|c| c.value.0);
    Some(GatewayAuth {
        by,
        cache: work.or(
            cache,
            || path("cache"),
            Duration::from_secs(10),
            "10s",
            "a revoked token lives at most so long",
        ),
        cache_denied: work.or(denied, || path("cache_denied"), Duration::from_secs(2), "2s", "a new token works soon"),
    })
}

/// What a JSON API needs, and no more.
const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
const HEADERS: [&str; 2] = ["Authorization", "Content-Type"];
const MAX_AGE: Duration = Duration::from_secs(600);

fn cors(work: &mut Resolution<'_>) -> Option<Cors> {
    let written = &work.spec.gateway.as_ref()?.value.cors.as_ref()?.value;
    let path = |key: &str| format!("gateway.cors.{key}");
    let origins: Vec<String> = written.origins.iter().flat_map(|o| &o.value).map(|o| o.value.0.clone()).collect();
    let methods = written.methods.as_ref();
    let methods = methods.map(|m| m.value.iter().map(|m| components::word(m.value)).collect());
    let headers = written.headers.as_ref();
    let headers = headers.map(|h| h.value.iter().map(|h| h.value.0.clone()).collect());
    let owned = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
    Some(Cors {
        any: origins.iter().any(|o| o == "*"),
        origins: origins.into_iter().filter(|o| o != "*").collect(),
        methods: work.or(
            methods,
            || path("methods"),
            owned(&METHODS),
            &format!("[{}]", METHODS.join(", ")),
            "what a JSON API uses",
        ),
        headers: work.or(
            headers,
            || path("headers"),
            owned(&HEADERS),
            &format!("[{}]", HEADERS.join(", ")),
            "a token and JSON",
        ),
        credentials: work.or(
            written.credentials.map(|c| c.value),
            || path("credentials"),
            false,
            "false",
            "access tokens travel in a header, not in a cookie",
        ),
        max_age: work.or(
            written.max_age.map(|m| m.value.0),
            || path("max_age"),
            MAX_AGE,
            "10m",
            "few further questions",
        ),
    })
}

fn discovery(work: &mut Resolution<'_>) -> bool {
    let Some(written) = work.spec.gateway.as_ref().and_then(|g| g.value.discovery.as_ref()) else {
        let registry = work.spec.registry.is_some();
        let (shown, reason) = match registry {
            true => ("consul", "a registry is declared"),
            false => ("static", "no registry is declared"),
        };
        work.origins.by_default(|| ("gateway.discovery".to_owned(), shown.to_owned()), reason);
        return registry;
    };
    let wanted = written.value == GatewayDiscovery::Consul;
    if wanted && work.spec.registry.is_none() {
        let fault = dangling::at(written.span, "consul", "registry", &[]);
        work.out.push(fault.with_help("add `registry: { kind: consul }`, or say `discovery: static`"));
    }
    wanted
}

/// A path prefix: starts with `/`, plain characters, no `/` at the end.
fn is_prefix(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/-_.~".contains(&b);
    text.starts_with('/')
        && text.len() <= 200
        && text.bytes().all(plain)
        && (text == "/" || !text.ends_with('/'))
        && !text.contains("//")
        && !text.split('/').any(|part| part == ".." || part == ".")
}

fn routes(auth: Option<&GatewayAuth>, work: &mut Resolution<'_>) -> Vec<Route> {
    let written: &[Named<ast::Route>] =
        work.spec.gateway.as_ref().and_then(|g| g.value.routes.as_ref()).map_or(&[], |r| r.value.as_slice());
    let mut routes = Vec::new();
    for named in written {
        let prefix = &named.name;
        if !is_prefix(&prefix.value) {
            let forms = "`/api/v1/users` (starts with `/`, does not end with `/`)";
            work.out.push(bad_unit::at(prefix.span, &prefix.value, "a path prefix", forms));
        }
        let to = named.value.to.as_ref().and_then(|to| work.names.service(to, work.out));
        if let Some(to) = to {
            routes.push(route(named, to, auth.is_some(), work));
        }
    }
    if let Some(auth) = auth.filter(|_| !written.iter().any(|r| r.name.value == WELL_KNOWN)) {
        let noted = || (format!("gateway.routes.{WELL_KNOWN}.auth"), "none".to_owned());
        work.origins.by_default(noted, "discovery is public");
        routes.push(Route {
            prefix: WELL_KNOWN.to_owned(),
            to: auth.by,
            authenticated: false,
            balance: Balance::RoundRobin,
            micro_cache: None,
            body_bytes_max: BODY_BYTES_MAX,
            timeout: TIMEOUT,
            retries: RETRIES,
            limit: None,
        });
    }
    routes.sort_by(|a, b| b.prefix.len().cmp(&a.prefix.len()).then_with(|| a.prefix.cmp(&b.prefix)));
    routes
}

fn route(named: &Named<ast::Route>, to: ServiceId, checked: bool, work: &mut Resolution<'_>) -> Route {
    let written = &named.value;
    let prefix = &named.name.value;
    let path = |key: &str| format!("gateway.routes.{prefix}.{key}");
    let required = written.auth.map(|a| a.value == RouteAuth::Required);
    let (shown, reason) = match checked {
        true => ("required", "the gateway checks credentials"),
        false => ("none", "the gateway has no auth"),
    };
    let balance = written.balance.map(|b| b.value);
    Route {
        prefix: prefix.clone(),
        to,
        authenticated: work.or(required, || path("auth"), checked, shown, reason) && checked,
        balance: work.or(balance, || path("balance"), Balance::RoundRobin, "round_robin", "each instance in turn"),
        micro_cache: written.micro_cache.map(|c| c.value.0),
        body_bytes_max: work.or(
            written.max_body.map(|b| b.value.0),
            || path("max_body"),
            BODY_BYTES_MAX,
            "1MiB",
            "enough for JSON",
        ),
        timeout: work.or(
            written.timeout.map(|t| t.value.0),
            || path("timeout"),
            TIMEOUT,
            "10s",
            "longer than any service may take",
        ),
        retries: match written.retries {
            Some(_) => components::retries(written.retries, "retries", work),
            None => work.or(None, || path("retries"), RETRIES, "1", "one other instance is tried"),
        },
        limit: limit(written.limit.as_ref()),
    }
}
