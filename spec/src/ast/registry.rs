//! The `registry:` section.

use crate::ast::choice::{choice, choice_decode};

use super::{Name, Port};

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
