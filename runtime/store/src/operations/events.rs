//! Events: partitions of dense offsets, and the offsets of groups.

use archgen_ports::{
    Envelope,
    events::{BATCH_RECORDS_MAX, Record, partition_of},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, to_value};

use super::keys::{Key, fitting};
use crate::{
    committer::DecisionError,
    engine::{Engine, View},
};

/// A call of the events port on the wire.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventsCall {
    /// Number of partitions.
    Partitions {
        /// Topic.
        topic: String,
    },
    /// Append.
    Publish {
        /// Topic.
        topic: String,
        /// Events, in order.
        events: Vec<Envelope>,
    },
    /// Read.
    Fetch {
        /// Topic.
        topic: String,
        /// Partition.
        partition: u16,
        /// First offset.
        offset: u64,
        /// Records at most.
        records_max: usize,
        /// Wait for the first record, milliseconds.
        wait_ms: u64,
    },
    /// A group's offset.
    Committed {
        /// Group.
        group: String,
        /// Topic.
        topic: String,
        /// Partition.
        partition: u16,
    },
    /// Move a group's offset.
    Commit {
        /// Group.
        group: String,
        /// Topic.
        topic: String,
        /// Partition.
        partition: u16,
        /// Offset.
        offset: u64,
    },
}

fn record(topic: &str, partition: u16) -> Result<Key, DecisionError> {
    Ok(Key::new("events").text("record")?.text(topic)?.number(u64::from(partition)))
}

fn next_key(topic: &str, partition: u16) -> Result<Vec<u8>, DecisionError> {
    Ok(Key::new("events").text("next")?.text(topic)?.number(u64::from(partition)).done())
}

fn group_key(group: &str, topic: &str, partition: u16) -> Result<Vec<u8>, DecisionError> {
    Ok(Key::new("events").text("group")?.text(group)?.text(topic)?.number(u64::from(partition)).done())
}

/// Records from an offset on.
///
/// # Errors
/// See [`DecisionError`].
pub fn fetch(
    engine: &dyn Engine,
    topic: &str,
    partition: u16,
    offset: u64,
    records_max: usize,
) -> Result<Vec<Record>, DecisionError> {
    let from = record(topic, partition)?.number(offset).done();
    let to = record(topic, partition)?.number(u64::MAX).done();
    let pairs = engine.scan(&from, &to, records_max.min(BATCH_RECORDS_MAX), false)?;
    let fits = fitting(&pairs);
    pairs
        .into_iter()
        .take(fits)
        .map(|(key, value)| {
            let offset = key.last_chunk::<8>().map_or(0, |b| u64::from_be_bytes(*b));
            Ok(Record { offset, event: serde_json::from_slice(&value)? })
        })
        .collect()
}

/// A group's offset.
///
/// # Errors
/// See [`DecisionError`].
pub fn committed(engine: &dyn Engine, group: &str, topic: &str, partition: u16) -> Result<u64, DecisionError> {
    let stored = engine.get(&group_key(group, topic, partition)?)?;
    Ok(stored.map(|b| serde_json::from_slice(&b)).transpose()?.unwrap_or(0))
}

/// Appends events to the partitions of their keys.
///
/// # Errors
/// See [`DecisionError`].
pub fn publish(
    view: &mut View<'_>,
    topic: &str,
    partitions: u16,
    events: Vec<Envelope>,
) -> Result<Value, DecisionError> {
    if events.len() > BATCH_RECORDS_MAX {
        return Err(DecisionError::Invalid(format!("more than {BATCH_RECORDS_MAX} events")));
    }
    for event in events {
        let partition = partition_of(&event.key, partitions);
        let next = next_key(topic, partition)?;
        let offset: u64 = view.get(&next)?.map(|b| serde_json::from_slice(&b)).transpose()?.unwrap_or(0);
        view.put(record(topic, partition)?.number(offset).done(), serde_json::to_vec(&event)?);
        view.put(next, serde_json::to_vec(&(offset + 1))?);
    }
    Ok(Value::Null)
}

/// Sets a group's offset.
///
/// # Errors
/// See [`DecisionError`].
pub fn commit(
    view: &mut View<'_>,
    group: &str,
    topic: &str,
    partition: u16,
    offset: u64,
) -> Result<Value, DecisionError> {
    view.put(group_key(group, topic, partition)?, serde_json::to_vec(&offset)?);
    Ok(to_value(offset)?)
}
