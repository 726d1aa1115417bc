//! The `registry:` section.

use crate::ast::choice::{choice, choice_decode};

use super::{Endpoints, Name, Port};

section! {
    /// The service registry.
    pub struct Registry {
        /// Program.
        kind: RegistryKind,
        /// Consul datacenter.
        datacenter: Name,
        /// Servers.
        servers: u32,
        /// What happens without an intention.
        acl: Acl,
        /// archgen's own registry stands in.
        embedded: bool,
        /// A Consul that is already there: its agent on this machine, or several to turn to.
        endpoint: Endpoints,
        /// A Consul that `archgen up` starts and stops with the fleet.
        managed: bool,
        /// The access token: `secret:NAME`.
        token: String,
        /// HTTP API port.
        port: Port,
    }
    required [kind]
}

choice! {
    /// Registry programs.
    pub enum RegistryKind: "a registry kind" {
        /// Consul.
        Consul = "consul",
    }
}

choice! {
    /// What happens without an intention.
    pub enum Acl: "an acl" {
        /// Refuse.
        DefaultDeny = "default-deny",
        /// Allow.
        DefaultAllow = "default-allow",
    }
}
