//! The generated topics in the cluster: made where they are missing, and compared with the declared ones where they are there.

use std::{collections::BTreeMap, time::Duration};

use rdkafka::{
    admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication},
    error::RDKafkaErrorCode,
    metadata::Metadata,
};
use serde::Deserialize;

use super::client::{ASK_MS_MAX, Told, fault};
use crate::{Fault, FaultKind, Server, Target};

/// A topic as the generator wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Topic {
    /// Name in the cluster.
    pub(super) name: String,
    /// Name in the spec.
    pub(super) dataset: String,
    pub(super) partitions: u16,
    replicas: i32,
    config: BTreeMap<String, String>,
}

/// The topics of a target's schema.
///
/// # Errors
/// It is no list of topics.
pub(super) fn declared(target: &Target) -> Result<Vec<Topic>, FaultKind> {
    serde_json::from_str(&target.schema.text)
        .map_err(|error| FaultKind::Schema(format!("the generated topics cannot be read: {error}")))
}

fn options() -> AdminOptions {
    let within = Some(Duration::from_millis(ASK_MS_MAX));
    AdminOptions::new().operation_timeout(within).request_timeout(within)
}

/// Makes the topics that are not there. Of two who come at once, the cluster lets one make each.
///
/// # Errors
/// See [`Fault`].
pub(super) async fn create(target: &Target, admin: &AdminClient<Told>, topics: &[Topic]) -> Result<(), Fault> {
    let told = admin.inner().context().clone();
    let new: Vec<NewTopic<'_>> = topics
        .iter()
        .map(|topic| NewTopic {
            name: &topic.name,
            num_partitions: i32::from(topic.partitions),
            replication: TopicReplication::Fixed(topic.replicas),
            config: topic.config.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect(),
        })
        .collect();
    if new.is_empty() {
        return Ok(());
    }
    let made = admin.create_topics(&new, &options()).await;
    for outcome in made.map_err(|error| fault(target, &error, &told).at(target))? {
        match outcome {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, RDKafkaErrorCode::InvalidReplicationFactor)) => {
                let why =
                    format!("topic `{topic}` asks for more copies than there are brokers; declare fewer `replicas`");
                return Err(FaultKind::Schema(why).at(target));
            }
            Err((topic, code)) => return Err(FaultKind::Other(format!("topic `{topic}`: {code}")).at(target)),
        }
    }
    Ok(())
}

/// Whether the topics there are the declared ones.
///
/// # Errors
/// They are not.
pub(super) fn compare(target: &Target, metadata: &Metadata, topics: &[Topic]) -> Result<Server, Fault> {
    let brokers = metadata.brokers().len();
    for topic in topics {
        let found = metadata.topics().iter().find(|t| t.name() == topic.name && t.error().is_none());
        let Some(found) = found.filter(|found| !found.partitions().is_empty()) else {
            return Err(FaultKind::Namespace(format!("topic `{}` yet", topic.name)).at(target));
        };
        let (partitions, declared) = (found.partitions().len(), usize::from(topic.partitions));
        if partitions != declared {
            let more = if partitions < declared { "fewer" } else { "more" };
            let why = format!(
                "topic `{}` has {partitions} partitions, {more} than the {declared} that are declared, and keys would change their \
                 places; declare {partitions}, or make the topic anew",
                topic.name
            );
            return Err(FaultKind::Schema(why).at(target));
        }
        let copies = found.partitions().iter().map(|p| p.replicas().len()).min().unwrap_or(0);
        if copies < topic.replicas as usize {
            let why = format!(
                "topic `{}` has {copies} copies of a partition where {} are declared; reassign it, or declare {copies}",
                topic.name, topic.replicas
            );
            return Err(FaultKind::Schema(why).at(target));
        }
    }
    Ok(Server { version: format!("Kafka, {brokers} brokers") })
}

/// Whether the topics there have the declared settings.
///
/// # Errors
/// They have not.
pub(super) async fn settings(target: &Target, admin: &AdminClient<Told>, topics: &[Topic]) -> Result<(), Fault> {
    let told = admin.inner().context().clone();
    let asked: Vec<ResourceSpecifier<'_>> = topics.iter().map(|topic| ResourceSpecifier::Topic(&topic.name)).collect();
    if asked.is_empty() {
        return Ok(());
    }
    let found = admin.describe_configs(&asked, &options()).await;
    let found = found.map_err(|error| fault(target, &error, &told).at(target))?;
    for (topic, found) in topics.iter().zip(found) {
        let found = found.map_err(|code| FaultKind::Other(format!("topic `{}`: {code}", topic.name)).at(target))?;
        for (key, declared) in &topic.config {
            let value = found.get(key).and_then(|entry| entry.value.clone()).unwrap_or_default();
            if value != *declared {
                let why = format!(
                    "topic `{}` has {key}={value} where the spec makes {key}={declared}; alter the topic, or the spec",
                    topic.name
                );
                return Err(FaultKind::Schema(why).at(target));
            }
        }
    }
    Ok(())
}
