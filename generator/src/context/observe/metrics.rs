//! The metrics that hosts export, as far as rules and pictures use them. A test holds each against what the hosts register.

use archgen_spec::topology::{Component, Service, ServiceKind, Topology};

/// Who exports a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// Our gateway.
    Gateway,
    /// nginx, by the exporter beside it.
    Nginx,
    /// The realtime layer.
    Realtime,
    /// The messaging service.
    Messaging,
    /// The notification service.
    Notification,
    /// The search service.
    Search,
    /// A service that reads topics.
    Consumer,
    /// A node of an embedded store.
    Store,
    /// A service that calls real engines.
    Engines,
}

/// All of them.
const OWNERS: [Owner; 9] = [
    Owner::Gateway,
    Owner::Nginx,
    Owner::Realtime,
    Owner::Messaging,
    Owner::Notification,
    Owner::Search,
    Owner::Consumer,
    Owner::Store,
    Owner::Engines,
];

/// One metric.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Metric {
    pub(crate) owner: Owner,
    /// As it is exported.
    pub(crate) name: &'static str,
    /// Title of its panel.
    pub(crate) title: &'static str,
    /// Whether it only grows.
    pub(crate) counter: bool,
    /// Grafana's unit.
    pub(crate) unit: &'static str,
    /// Label by which it is split.
    pub(crate) by: &'static str,
}

const fn counter(owner: Owner, name: &'static str, title: &'static str) -> Metric {
    Metric { owner, name, title, counter: true, unit: "ops", by: "" }
}

const fn gauge(owner: Owner, name: &'static str, title: &'static str, unit: &'static str) -> Metric {
    Metric { owner, name, title, counter: false, unit, by: "" }
}

/// All of them.
pub(super) const METRICS: [Metric; 26] = [
    counter(Owner::Gateway, "archgen_gateway_requests_total", "Requests"),
    counter(Owner::Gateway, "archgen_gateway_limited_total", "Requests above a limit"),
    counter(Owner::Gateway, "archgen_gateway_refused_total", "Requests without a valid token"),
    counter(Owner::Gateway, "archgen_gateway_upstream_failures_total", "Exchanges with an instance that failed"),
    counter(Owner::Gateway, "archgen_gateway_retries_total", "Requests sent again to another instance"),
    counter(Owner::Gateway, "archgen_gateway_cache_hits_total", "Answers from the cache"),
    counter(Owner::Gateway, "archgen_gateway_cache_misses_total", "Answers that the cache did not have"),
    counter(Owner::Nginx, "nginx_http_requests_total", "Requests"),
    gauge(Owner::Nginx, "nginx_connections_active", "Open connections", "short"),
    gauge(Owner::Nginx, "nginx_connections_waiting", "Idle connections of clients", "short"),
    gauge(Owner::Nginx, "nginx_up", "The exporter reaches its nginx", "short"),
    gauge(Owner::Realtime, "archgen_realtime_connections", "Connected sockets", "short"),
    counter(Owner::Realtime, "archgen_realtime_repairs_total", "Fetches of entries that no push had brought"),
    counter(Owner::Messaging, "archgen_messaging_entries_total", "Log entries appended"),
    counter(Owner::Messaging, "archgen_messaging_duplicates_total", "Retries answered with the first result"),
    counter(Owner::Messaging, "archgen_messaging_fenced_total", "Appends refused: a newer owner exists"),
    counter(Owner::Notification, "archgen_notification_rows_total", "Inbox rows written"),
    counter(Owner::Search, "archgen_search_changes_total", "Changes written to the index"),
    counter(Owner::Consumer, "archgen_consumer_buried_total", "Events given up as dead letters"),
    gauge(Owner::Consumer, "archgen_consumer_.+_lag_ms", "Age of the oldest event not handled yet", "ms"),
    counter(Owner::Store, "archgen_store_calls_total", "Calls of the store's protocol"),
    Metric { by: "outcome", ..counter(Owner::Engines, "archgen_store_calls_total", "Calls to engines by outcome") },
    Metric { by: "store", ..counter(Owner::Engines, "archgen_store_retries_total", "Reads tried again") },
    Metric { by: "store", ..gauge(Owner::Engines, "archgen_store_breaker_open", "Calls are refused at once", "short") },
    Metric {
        by: "store",
        ..counter(Owner::Engines, "archgen_store_pool_wait_milliseconds_total", "Time spent waiting for a connection")
    },
    Metric { by: "store", ..gauge(Owner::Engines, "archgen_store_pool_connections", "Open connections", "short") },
];

fn exports(topology: &Topology, component: Component, owner: Owner) -> bool {
    let service = match component {
        Component::Service(id) => Some(topology.service(id)),
        _ => None,
    };
    let kind = service.map(|s| &s.kind);
    match owner {
        Owner::Gateway => component == Component::Gateway && topology.gateway.as_ref().is_some_and(|g| g.embedded),
        Owner::Nginx => component == Component::Gateway && exporter(topology).is_some(),
        Owner::Realtime => component == Component::Realtime,
        Owner::Messaging => kind == Some(&ServiceKind::Messaging),
        Owner::Notification => kind == Some(&ServiceKind::Notification),
        Owner::Search => kind == Some(&ServiceKind::Search),
        Owner::Consumer => is_ours(topology, component) && service.is_some_and(|s| !s.consumes.is_empty()),
        Owner::Store => matches!(component, Component::Store(id) if topology.store(id).embedded),
        Owner::Engines => {
            let engines = |s: &Service| s.stores().iter().any(|id| !topology.store(*id).embedded);
            is_ours(topology, component) && service.is_some_and(engines)
        }
    }
}

/// Port of the exporter beside each nginx.
pub(crate) fn exporter(topology: &Topology) -> Option<u16> {
    topology.gateway.as_ref().filter(|g| !g.embedded)?.exporter_port
}

/// Whether instances of a component are hosts of ours, which all export metrics.
pub(super) fn is_ours(topology: &Topology, component: Component) -> bool {
    match component {
        Component::Registry => topology.registry.as_ref().is_some_and(|r| r.embedded),
        Component::Store(id) => topology.store(id).embedded,
        Component::Service(id) => !matches!(topology.service(id).kind, ServiceKind::Process { .. }),
        Component::Realtime => true,
        Component::Gateway => topology.gateway.as_ref().is_some_and(|g| g.embedded),
    }
}

/// Who of this system exports anything.
pub(super) fn owners(topology: &Topology) -> Vec<Owner> {
    let components = topology.components();
    let there = |owner: &Owner| components.iter().any(|c| exports(topology, *c, *owner));
    OWNERS.into_iter().filter(there).collect()
}

/// What a component exports.
pub(super) fn of(topology: &Topology, component: Component) -> Vec<&'static Metric> {
    METRICS.iter().filter(|m| exports(topology, component, m.owner)).collect()
}
