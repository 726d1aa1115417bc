//! The `gateway:` section.

use crate::ast::choice::{choice, choice_decode};
use crate::topology::Balance;
use crate::units::{Bytes, Count, Limit, Period, Version};

use super::cors::Cors;
use super::{Choice, Host, Named, Port};

section! {
    /// The API gateway.
    pub struct Gateway {
        /// Program.
        kind: GatewayKind,
        /// nginx version.
        version: Version,
        /// archgen's own gateway stands in.
        embedded: bool,
        /// An nginx that `archgen up` starts and stops with the fleet.
        managed: bool,
        /// Public host name.
        host: Host,
        /// Port for clients.
        port: Port,
        /// TLS secret reference.
        tls: String,
        /// Instances.
        replicas: u32,
        /// Limits.
        limits: Limits,
        /// Who checks credentials.
        auth: GatewayAuth,
        /// Pages of other origins.
        cors: Cors,
        /// Port of an exporter beside nginx.
        exporter: Port,
        /// Where members are looked up.
        discovery: GatewayDiscovery,
        /// Path prefix to route.
        routes: Vec<Named<Route>>,
    }
    required [kind, routes]
}

section! {
    /// Limits of the whole gateway.
    pub struct Limits {
        /// Per client address.
        per_ip: Limit,
        /// Per bearer token.
        per_token: Limit,
        /// Open connections per client address.
        connections_per_ip: Count,
    }
    required []
}

section! {
    /// Credential checks.
    pub struct GatewayAuth {
        /// Issuing service.
        by: String,
        /// How long a yes is cached.
        cache: Period,
        /// How long a no is cached.
        cache_denied: Period,
    }
    required [by]
}

section! {
    /// One route.
    pub struct Route {
        /// Answering service. A missing one has a code of its own.
        to: String,
        /// Whether a token is required.
        auth: RouteAuth,
        /// Spread over instances.
        balance: Balance,
        /// Answer cache.
        micro_cache: Period,
        /// Largest body.
        max_body: Bytes,
        /// Deadline.
        timeout: Period,
        /// Further tries.
        retries: u64,
        /// Own limit.
        limit: Limit,
    }
    required []
}

choice! {
    /// Gateway programs.
    pub enum GatewayKind: "a gateway kind" {
        /// nginx.
        Nginx = "nginx",
    }
}

choice! {
    /// Where the gateway looks members up.
    pub enum GatewayDiscovery: "a discovery" {
        /// In the registry.
        Consul = "consul",
        /// In the spec itself.
        Static = "static",
    }
}

choice! {
    /// Whether a route needs a token.
    pub enum RouteAuth: "a route's auth" {
        /// Open to everyone.
        None = "none",
        /// A valid access token.
        Required = "required",
    }
}

impl Choice for Balance {
    const WHAT: &'static str = "a balance";
    fn words() -> &'static [(&'static str, Self)] {
        &[("round_robin", Self::RoundRobin), ("least_conn", Self::LeastConn), ("consistent_hash", Self::ConsistentHash)]
    }
}

choice_decode!(Balance);
