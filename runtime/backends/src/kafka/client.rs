//! How to connect, and what the driver's errors mean.

use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::{
    ClientConfig, ClientContext,
    config::RDKafkaLogLevel,
    consumer::ConsumerContext,
    error::{KafkaError, RDKafkaErrorCode},
};
use tokio::time::Instant;

use crate::{Failure, FaultKind, Target, Tls};

/// Longest answer to a question, milliseconds.
pub(super) const ASK_MS_MAX: u64 = 3_000;
/// How long a record may wait for its acknowledgement: longer than the brokers take to find a new leader.
pub(super) const DELIVERY_MS_MAX: u64 = 8_000;
/// Records waiting in the producer, KiB.
const WAITING_KIB_MAX: u32 = 65_536;
/// Records read ahead, KiB per partition.
const AHEAD_KIB_MAX: u32 = 16_384;

/// What a client said last about its connections.
#[derive(Clone, Default)]
pub(super) struct Told(Arc<Mutex<Option<(Instant, String)>>>);

impl Told {
    /// The last trouble, where it is not older than this.
    pub(super) fn trouble(&self, within: std::time::Duration) -> Option<String> {
        let told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.as_ref().filter(|(when, _)| when.elapsed() < within).map(|(_, why)| why.clone())
    }

    /// All is well again.
    pub(super) fn clear(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl ClientContext for Told {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(?level, facility, message, "librdkafka");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        // The end of a partition is no trouble.
        if matches!(error, KafkaError::PartitionEOF(_))
            || error.rdkafka_error_code() == Some(RDKafkaErrorCode::PartitionEOF)
        {
            return;
        }
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // What one connection says tells more than that all are down.
        let all_down = error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown);
        let why = match &*told {
            Some((_, earlier)) if all_down => earlier.clone(),
            _ => reason.to_owned(),
        };
        *told = Some((Instant::now(), why));
    }
}

impl ConsumerContext for Told {}

/// What every client of this target is made from.
pub(super) fn config(target: &Target) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", target.endpoints.iter().map(ToString::to_string).collect::<Vec<_>>().join(","))
        .set("client.id", "archgen")
        .set("socket.timeout.ms", ASK_MS_MAX.to_string())
        .set("socket.nagle.disable", "true")
        .set("reconnect.backoff.ms", "50")
        .set("reconnect.backoff.max.ms", "1000")
        // A broker that moved is looked up under its name again.
        .set("broker.address.ttl", "1000");
    if let Some(who) = &target.credentials {
        config
            .set("security.protocol", "sasl_plaintext")
            .set("sasl.mechanisms", "PLAIN")
            .set("sasl.username", &who.user)
            .set("sasl.password", who.password.expose());
    }
    config
}

/// A producer's.
pub(super) fn producer(target: &Target) -> ClientConfig {
    let mut config = config(target);
    config
        .set("acks", "all")
        .set("enable.idempotence", "true")
        .set("delivery.timeout.ms", DELIVERY_MS_MAX.to_string())
        .set("linger.ms", "0")
        .set("compression.type", "lz4")
        .set("queue.buffering.max.kbytes", WAITING_KIB_MAX.to_string());
    config
}

/// A reader's. The group is only a name: nothing joins it.
pub(super) fn reader(target: &Target, group: &str) -> ClientConfig {
    let mut config = config(target);
    config
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("enable.partition.eof", "true")
        .set("isolation.level", "read_committed")
        // Records that are over their time are gone; of a topic that begins anew, all are read.
        .set("auto.offset.reset", "earliest")
        .set("fetch.wait.max.ms", "100")
        .set("fetch.error.backoff.ms", "100")
        .set("queued.max.messages.kbytes", AHEAD_KIB_MAX.to_string());
    config
}

/// What cannot be asked of this driver.
pub(super) fn unsupported(target: &Target) -> Option<FaultKind> {
    (target.tls != Tls::Off).then(|| {
        let why = "this build's Kafka driver has none: put a TLS tunnel before the brokers";
        FaultKind::Encryption(why.to_owned())
    })
}

/// What a failed call means for what was asked.
pub(super) fn failure(error: &KafkaError) -> Failure {
    use RDKafkaErrorCode as Code;
    let why = error.to_string();
    match error.rdkafka_error_code() {
        // Checked before anything is appended.
        Some(
            Code::UnknownTopicOrPartition
            | Code::UnknownTopic
            | Code::UnknownPartition
            | Code::MessageSizeTooLarge
            | Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::SaslAuthenticationFailed
            | Code::Authentication
            | Code::InvalidArgument
            | Code::QueueFull
            | Code::NotEnoughReplicas,
        ) => Failure::Refused(why),
        Some(Code::Resolve) => Failure::Unreachable(why),
        _ => Failure::Lost(why),
    }
}

/// What a failed question says about the server.
pub(super) fn fault(target: &Target, error: &KafkaError, told: &Told) -> FaultKind {
    use RDKafkaErrorCode as Code;
    let user =
        target.credentials.as_ref().map_or("a connection without a user".to_owned(), |c| format!("`{}`", c.user));
    let trouble = told.trouble(std::time::Duration::from_millis(2 * ASK_MS_MAX));
    match error.rdkafka_error_code() {
        Some(Code::SaslAuthenticationFailed | Code::Authentication) => FaultKind::Credentials(user),
        Some(Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed | Code::GroupAuthorizationFailed) => {
            FaultKind::Rights("see or change topics".to_owned())
        }
        _ => match trouble {
            Some(why) if why.contains("uthentication") => FaultKind::Credentials(format!("{user} ({why})")),
            Some(why) if speaks_something_else(&why) => FaultKind::Foreign(format!("no Kafka: {why}")),
            Some(why) => FaultKind::Unreachable(why),
            None => FaultKind::Unreachable(error.to_string()),
        },
    }
}

/// Whether a broken connection was broken because the other side speaks another protocol.
fn speaks_something_else(why: &str) -> bool {
    ["ApiVersion", "Invalid response size", "protocol parse", "security.protocol is correctly configured"]
        .iter()
        .any(|sign| why.contains(sign))
}
