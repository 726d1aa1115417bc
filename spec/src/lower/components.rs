//! Realtime layer, registry and services.

use std::time::Duration;

use crate::ast::{self, Acl, Choice, Environment, Named, Program};
use crate::checks::{bad_name, missing_key, out_of_range};
use crate::source::Spanned;
use crate::topology::{Health, Need, Query, Realtime, Registry, Service, ServiceKind};
use crate::units::{HealthCheck, RestartBackoff, Unit};

use super::resolve::Resolution;

/// The realtime layer, where one is written.
pub(super) fn realtime(work: &mut Resolution<'_>) -> Option<Realtime> {
    let written = &work.spec.realtime.as_ref()?.value;
    let path = |key: &str| format!("realtime.{key}");
    let needs = needs(written.needs.as_ref(), work);
    let interval = written.ping_interval.map(|p| p.value.0);
    let timeout = written.ping_timeout.map(|p| p.value.0);
    Some(Realtime {
        port: work.or(written.port.map(|p| p.value.0), || path("port"), 3000, "3000", "usual for Socket.IO"),
        replicas: work.or(written.replicas.map(|r| r.value), || path("replicas"), 1, "1", "one instance"),
        needs: needs.into_iter().map(|n| n.value).collect(),
        connections_per_replica_max: work.or(
            written.connections_per_replica.map(|c| c.value.0),
            || path("connections_per_replica"),
            10_000,
            "10k",
            "fits one small machine",
        ),
        ping_interval: work.or(
            interval,
            || path("ping_interval"),
            Duration::from_secs(25),
            "25s",
            "the default of Socket.IO",
        ),
        ping_timeout: work.or(
            timeout,
            || path("ping_timeout"),
            Duration::from_secs(20),
            "20s",
            "the default of Socket.IO",
        ),
    })
}

/// The registry, where one is written.
pub(super) fn registry(work: &mut Resolution<'_>) -> Option<Registry> {
    let written = &work.spec.registry.as_ref()?.value;
    let path = |key: &str| format!("registry.{key}");
    let datacenter = written.datacenter.as_ref().map(|d| d.value.0.clone());
    let deny = written.acl.map(|a| a.value == Acl::DefaultDeny);
    let embedded = work.or(written.embedded.map(|e| e.value), || path("embedded"), false, "false", "the real Consul");
    let token = written.token.as_ref().and_then(|t| work.names.secret(t, work.out));
    Some(Registry {
        datacenter: work.or(datacenter, || path("datacenter"), "dc1".to_owned(), "dc1", "the default of Consul"),
        servers: work.or(written.servers.map(|s| s.value), || path("servers"), 1, "1", "one server"),
        default_deny: work.or(deny, || path("acl"), true, "default-deny", "access follows from `needs`"),
        embedded,
        // What is embedded needs no address of another, whatever the base says.
        endpoints: written.endpoint.as_ref().filter(|_| !embedded).map_or_else(Vec::new, |e| e.value.texts()),
        managed: !embedded && written.managed.is_some_and(|m| m.value),
        token: token.filter(|_| !embedded),
        port: work.or(written.port.map(|p| p.value.0), || path("port"), 8500, "8500", "the default of Consul"),
    })
}

fn needs(written: Option<&Spanned<Vec<Spanned<String>>>>, work: &mut Resolution<'_>) -> Vec<Spanned<Need>> {
    let all = written.iter().flat_map(|n| &n.value);
    all.filter_map(|name| work.names.need(name, work.out).map(|value| Spanned { value, span: name.span })).collect()
}

/// One service, and its needs with their places.
pub(super) fn service(named: &Named<ast::Service>, work: &mut Resolution<'_>) -> (Service, Vec<Spanned<Need>>) {
    let name = &named.name.value;
    let written = &named.value;
    let path = |key: &str| format!("services.{name}.{key}");
    let kind = kind(named, work);
    let needs = needs(written.needs.as_ref(), work);
    let topics = |list: &Option<Spanned<Vec<Spanned<String>>>>, work: &mut Resolution<'_>| {
        let all = list.iter().flat_map(|t| &t.value);
        all.filter_map(|topic| work.names.topic(topic, work.out)).collect::<Vec<_>>()
    };
    let publishes = topics(&written.publishes, work);
    let consumes = topics(&written.consumes, work);
    let queries = queries(written, work);
    let general = General::of(named, work);
    let service = Service {
        name: name.clone(),
        port: written.port.map_or(0, |p| p.value.0),
        replicas: general.replicas,
        needs: needs.iter().map(|n| n.value).collect(),
        publishes,
        consumes,
        queries,
        timeout: written.timeout.map(|t| t.value.0),
        retries: written.retries.map(|_| retries(written.retries, "retries", work)),
        health: general.health,
        stop_within: general.stop_within,
        restart: general.restart,
        shards: match kind {
            ServiceKind::Messaging => {
                work.or(written.shards.map(|s| s.value), || path("shards"), 64, "64", "room for 64 owners")
            }
            _ => 64,
        },
        lease: match kind {
            ServiceKind::Messaging => work.or(
                written.lease.map(|l| l.value.0),
                || path("lease"),
                Duration::from_secs(2),
                "2s",
                "how long a dead owner blocks its shards",
            ),
            _ => Duration::from_secs(2),
        },
        password_memory_bytes: match kind {
            ServiceKind::User => work.or(
                written.password_memory.map(|m| m.value.0),
                || path("password_memory"),
                PASSWORD_MEMORY_BYTES,
                "19MiB",
                "the least that OWASP advises for Argon2id",
            ),
            _ => PASSWORD_MEMORY_BYTES,
        },
        push: written.push.iter().flat_map(|p| &p.value).map(|p| word(p.value)).collect(),
        email: written.email.map(|e| word(e.value)),
        kind,
    };
    (service, needs)
}

/// Further tries: few, because each is more load on what is in trouble.
pub(super) fn retries(written: Option<Spanned<u64>>, key: &str, work: &mut Resolution<'_>) -> u32 {
    let Some(retries) = written else { return 0 };
    if retries.value > RETRIES_MAX {
        let bounds = format!("must be 0 to {RETRIES_MAX}");
        let found = retries.value.to_string();
        work.out.push(out_of_range::at(retries.span, &format!("`{key}`"), &bounds, Some(&found)));
    }
    u32::try_from(retries.value.min(RETRIES_MAX)).unwrap_or(0)
}

/// Further tries that a route or service may make.
const RETRIES_MAX: u64 = 10;

/// What a service asks, where it names a table or collection that there is.
fn queries(written: &ast::Service, work: &mut Resolution<'_>) -> Vec<Query> {
    let mut all = Vec::new();
    for query in written.queries.iter().flat_map(|q| &q.value) {
        let on = query.value.on.as_ref().and_then(|on| work.names.queried(on, work.out));
        if let (Some(on), Some(by)) = (on, &query.value.by) {
            all.push(Query {
                name: query.name.value.clone(),
                on,
                by: by.value.iter().map(|column| column.value.0.clone()).collect(),
                per_second: query.value.rate.map(|rate| rate.value.per_second()),
            });
        }
    }
    all
}

const PASSWORD_MEMORY_BYTES: u64 = 19 * 1024 * 1024;

/// The word of a choice.
pub(super) fn word<C: Choice + PartialEq>(choice: C) -> String {
    C::words().iter().find(|(_, c)| *c == choice).map_or_else(String::new, |(w, _)| (*w).to_owned())
}

/// The kind as written, or the service's name where that is one.
fn kind(named: &Named<ast::Service>, work: &mut Resolution<'_>) -> ServiceKind {
    let name = named.name.value.as_str();
    let written = &named.value;
    let meant = bad_name::better(name);
    let named_so = |word: &str| word == name || Some(word) == meant.as_deref();
    let by_name = Program::words().iter().find(|(w, p)| named_so(w) && *p != Program::Process).map(|(_, p)| *p);
    let program = match written.kind.as_ref().map(|k| k.value).or(by_name) {
        Some(program) => program,
        None => {
            if !written.said.contains(&"kind") {
                let subject = format!("`services.{name}`");
                work.out.push(missing_key::at(named.name.span, &["services", name], "kind", &subject));
            }
            Program::Process
        }
    };
    if written.kind.is_none() && by_name.is_some() {
        let noted = || (format!("services.{name}.kind"), name.to_owned());
        work.origins.by_default(noted, "the service's name is a kind");
    }
    match program {
        Program::Messaging => ServiceKind::Messaging,
        Program::User => ServiceKind::User,
        Program::File => ServiceKind::File,
        Program::Notification => ServiceKind::Notification,
        Program::Search => ServiceKind::Search,
        Program::Process => ServiceKind::Process {
            command: command(written, work),
            environment: environment(written.env.as_ref(), work),
        },
    }
}

/// A process's program and arguments: at least the program.
fn command(written: &ast::Service, work: &mut Resolution<'_>) -> Vec<String> {
    let Some(command) = &written.command else { return Vec::new() };
    if command.value.is_empty() {
        work.out.push(out_of_range::at(command.span, "`command`", "must name a program", None));
    }
    command.value.iter().map(|c| c.value.clone()).collect()
}

/// A process's environment. References to secrets stay references, but they must be declared.
fn environment(written: Option<&Spanned<Environment>>, work: &mut Resolution<'_>) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for entry in written.iter().flat_map(|e| &e.value) {
        if entry.value.value.starts_with("secret:") {
            work.names.secret(&entry.value, work.out);
        }
        all.push((entry.name.value.clone(), entry.value.value.clone()));
    }
    all
}

/// What every service has, from the service, from `defaults.service`, or by default.
struct General {
    replicas: u32,
    health: Health,
    stop_within: Duration,
    restart: (Duration, Duration),
}

impl General {
    fn of(named: &Named<ast::Service>, work: &mut Resolution<'_>) -> Self {
        let written = &named.value;
        let shared = work.spec.defaults.as_ref().and_then(|d| d.value.service.as_ref()).map(|s| s.value.clone());
        let shared = shared.as_ref();
        let path = |key: &str| format!("services.{}.{key}", named.name.value);
        let replicas =
            inherit(written.replicas, shared.and_then(|s| s.replicas), || path("replicas"), |r| r.to_string(), work);
        let health = inherit(
            written.health.clone(),
            shared.and_then(|s| s.health.clone()),
            || path("health"),
            Unit::print,
            work,
        );
        let stop =
            inherit(written.stop_within, shared.and_then(|s| s.stop_within), || path("stop_within"), Unit::print, work);
        let restart = inherit(written.restart, shared.and_then(|s| s.restart), || path("restart"), Unit::print, work);
        let default = HealthCheck { path: "/healthz".to_owned(), every: Duration::from_secs(5) };
        let health = work.or(health, || path("health"), default, "/healthz every 5s", "what archgen's services answer");
        let backoff = RestartBackoff(Duration::from_millis(200), Duration::from_secs(30));
        let restart =
            work.or(restart, || path("restart"), backoff, "backoff 200ms..30s", "quick at first, then patient");
        Self {
            replicas: work.or(replicas, || path("replicas"), 1, "1", "one instance"),
            health: Health { path: health.path, every: health.every },
            stop_within: work.or(
                stop.map(|s| s.0),
                || path("stop_within"),
                Duration::from_secs(30),
                "30s",
                "time to drain",
            ),
            restart: (restart.0, restart.1),
        }
    }
}

/// The service's own value, or the shared one, whose place is noted under the service's path.
fn inherit<T>(
    own: Option<Spanned<T>>,
    shared: Option<Spanned<T>>,
    path: impl FnOnce() -> String,
    print: impl FnOnce(&T) -> String,
    work: &mut Resolution<'_>,
) -> Option<T> {
    if own.is_none()
        && let Some(shared) = &shared
    {
        work.origins.written(|| (path(), print(&shared.value)), shared.span);
    }
    own.or(shared).map(|v| v.value)
}
