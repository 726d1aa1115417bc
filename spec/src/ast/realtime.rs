//! The `realtime:` section.

use crate::ast::choice::{choice, choice_decode};
use crate::source::Spanned;
use crate::units::{Count, Period};

use super::Port;

section! {
    /// The Socket.IO layer.
    pub struct Realtime {
        /// Protocol.
        kind: RealtimeKind,
        /// What clients do not pass through.
        bypass: Bypass,
        /// Port for clients.
        port: Port,
        /// Instances.
        replicas: u32,
        /// How a client's requests reach one instance.
        sticky: Sticky,
        /// How clients prove who they are.
        auth: RealtimeAuth,
        /// What it calls.
        needs: Vec<Spanned<String>>,
        /// Sockets per instance.
        connections_per_replica: Count,
        /// Engine.IO ping interval.
        ping_interval: Period,
        /// Engine.IO ping timeout.
        ping_timeout: Period,
    }
    required [kind]
}

choice! {
    /// Realtime protocols.
    pub enum RealtimeKind: "a realtime kind" {
        /// Socket.IO v5 over Engine.IO v4.
        Socketio = "socketio",
    }
}

choice! {
    /// What clients connect around.
    pub enum Bypass: "a bypass" {
        /// Clients connect directly, not through the gateway.
        Gateway = "gateway",
    }
}

choice! {
    /// Affinity of a session.
    pub enum Sticky: "a stickiness" {
        /// The session id starts with the node's name.
        NodeInSid = "node-in-sid",
    }
}

choice! {
    /// How clients prove who they are.
    pub enum RealtimeAuth: "a realtime auth" {
        /// An access token in the CONNECT packet.
        Oauth2 = "oauth2",
    }
}
