//! The `services:` section.

use crate::ast::choice::{choice, choice_decode};
use crate::source::{Node, Spanned};
use crate::units::{Bytes, HealthCheck, Period, RestartBackoff};

use super::{Choice, Decider, Decoder, Name, Named, Port, Query, Variants};

/// Extra environment of a process.
pub type Environment = Vec<Named<Spanned<String>>>;

section! {
    /// One service.
    pub struct Service {
        /// Program.
        kind: Program,
        /// Keys that it has in common with others.
        profile: Name,
        /// Port of each instance.
        port: Port,
        /// Instances.
        replicas: u32,
        /// What it calls or reads.
        needs: Vec<Spanned<String>>,
        /// Topics it writes.
        publishes: Vec<Spanned<String>>,
        /// Topics it reads.
        consumes: Vec<Spanned<String>>,
        /// What it asks of tables and collections.
        queries: Vec<Named<Query>>,
        /// Within which it answers.
        timeout: Period,
        /// Further tries of what it calls.
        retries: u64,
        /// Health check.
        health: HealthCheck,
        /// Grace at shutdown.
        stop_within: Period,
        /// Restart backoff.
        restart: RestartBackoff,
        /// Messaging: ownership shards.
        shards: u16,
        /// Messaging: lease of a shard's owner.
        lease: Period,
        /// User: Argon2id memory per hash.
        password_memory: Bytes,
        /// Notification: push transports.
        push: Vec<Spanned<Push>>,
        /// Notification: email transport.
        email: Email,
        /// Process: program and arguments.
        command: Vec<Spanned<String>>,
        /// Process: extra environment.
        env: Environment,
    }
    required [port, command]
    limited by service_keys, variants service_variants
}

choice! {
    /// Which program a service runs.
    pub enum Program: "a service kind" {
        /// Channels and messages.
        Messaging = "messaging",
        /// Accounts and OAuth.
        User = "user",
        /// Files.
        File = "file",
        /// Inbox, push, email.
        Notification = "notification",
        /// Full-text search.
        Search = "search",
        /// A program of the user's own.
        Process = "process",
    }
}

choice! {
    /// Push transports.
    pub enum Push: "a push transport" {
        /// Firebase Cloud Messaging.
        Fcm = "fcm",
        /// Web Push.
        Webpush = "webpush",
    }
}

choice! {
    /// Email transports.
    pub enum Email: "an email transport" {
        /// SMTP.
        Smtp = "smtp",
    }
}

const ALL: [&str; 13] = [
    "kind",
    "profile",
    "port",
    "replicas",
    "needs",
    "publishes",
    "consumes",
    "queries",
    "timeout",
    "retries",
    "health",
    "stop_within",
    "restart",
];

/// The keys of a service of this kind.
fn keys_of(program: Program) -> Vec<&'static str> {
    let extra: &[&str] = match program {
        Program::Messaging => &["shards", "lease"],
        Program::User => &["password_memory"],
        Program::Notification => &["push", "email"],
        Program::Process => &["command", "env"],
        Program::File | Program::Search => &[],
    };
    ALL.iter().chain(extra).copied().collect()
}

/// The keys of this kind of service; `None` where the kind is not known.
fn service_keys(node: &Node, decoder: &mut Decoder<'_>) -> Option<(String, Vec<&'static str>)> {
    let kind = node.get("kind").and_then(Node::text).map(str::to_owned);
    let kind = kind.or_else(|| decoder.names().last().map(str::to_owned))?;
    let program = Program::words().iter().find(|(word, _)| *word == kind)?.1;
    Some((format!("a {kind} service"), keys_of(program)))
}

fn service_variants() -> Variants {
    let cases = Program::words().iter().map(|(word, program)| (*word, keys_of(*program))).collect();
    Variants { by: Decider::KindOrName, cases }
}
