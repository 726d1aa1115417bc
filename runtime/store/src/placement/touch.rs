//! The units that a call touches, and what of an answer about all of them is a node's own.

use archgen_ports::events::partition_of;
use archgen_spec::sharding::slot_of;
use serde_json::Value;

use super::{
    Placement,
    unit::{ACCOUNTS_UNIT, partition_text},
};
use crate::{
    node::BlobsCall,
    operations::{
        accounts::AccountsCall, cache::CacheCall, documents::DocumentsCall, events::EventsCall, index::IndexCall,
        messages::MessagesCall,
    },
};

/// What a call touches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Touch {
    /// These units.
    Units(Vec<u16>),
    /// All: who asks puts the answers of all nodes together.
    Everything,
    /// No data: any node may answer.
    Nothing,
}

impl Touch {
    /// The unit of one text.
    fn of(text: &str, units: u16) -> Self {
        Self::Units(vec![slot_of(text.as_bytes(), units)])
    }
}

/// A call of a port.
pub(crate) trait Touches {
    /// What it touches. `partitions` is how many a topic has.
    fn touch(&self, units: u16, partitions: &dyn Fn(&str) -> u16) -> Touch;
}

impl Touches for MessagesCall {
    fn touch(&self, units: u16, _: &dyn Fn(&str) -> u16) -> Touch {
        let hashed = |text: &str| slot_of(text.as_bytes(), units);
        Touch::Units(match self {
            Self::Lease { shards, .. } | Self::Release { shards, .. } => shards.clone(),
            Self::Append(append) => vec![append.shard],
            Self::Read { channel, .. } | Self::Indexed { channel, .. } | Self::Entries { channel, .. } => {
                vec![hashed(&channel.0)]
            }
            Self::Heads { channels } => channels.iter().map(|c| hashed(&c.0)).collect(),
            Self::Unpublished { shard, .. } | Self::MarkPublished { shard, .. } => vec![*shard],
            Self::SetRead { reader, .. } | Self::ReadStates { reader } => vec![hashed(reader)],
            Self::NoteMentions { readers, .. } => readers.iter().map(|r| hashed(r)).collect(),
            Self::Leases | Self::ById { .. } => return Touch::Everything,
        })
    }
}

impl Touches for AccountsCall {
    fn touch(&self, _: u16, _: &dyn Fn(&str) -> u16) -> Touch {
        Touch::Units(vec![ACCOUNTS_UNIT])
    }
}

impl Touches for DocumentsCall {
    fn touch(&self, units: u16, _: &dyn Fn(&str) -> u16) -> Touch {
        match self {
            Self::Get { key, .. } | Self::Put { key, .. } => Touch::of(key, units),
            Self::Find { .. } | Self::Scan { .. } => Touch::Everything,
        }
    }
}

impl Touches for EventsCall {
    fn touch(&self, units: u16, partitions: &dyn Fn(&str) -> u16) -> Touch {
        match self {
            Self::Partitions { .. } => Touch::Nothing,
            Self::Publish { topic, events } => {
                let text = |key: &str| partition_text(topic, partition_of(key, partitions(topic).max(1)));
                Touch::Units(events.iter().map(|e| slot_of(text(&e.key).as_bytes(), units)).collect())
            }
            Self::Fetch { topic, partition, .. }
            | Self::Committed { topic, partition, .. }
            | Self::Commit { topic, partition, .. } => Touch::of(&partition_text(topic, *partition), units),
        }
    }
}

impl Touches for IndexCall {
    fn touch(&self, units: u16, _: &dyn Fn(&str) -> u16) -> Touch {
        match self {
            Self::Put { documents, .. } => {
                Touch::Units(documents.iter().map(|d| slot_of(d.id.as_bytes(), units)).collect())
            }
            Self::Delete { id, .. } => Touch::of(id, units),
            Self::Search { .. } => Touch::Everything,
        }
    }
}

impl Touches for CacheCall {
    fn touch(&self, units: u16, _: &dyn Fn(&str) -> u16) -> Touch {
        match self {
            Self::Get { key } | Self::Set { key, .. } | Self::Delete { key } | Self::Increment { key, .. } => {
                Touch::of(key, units)
            }
            Self::Keys { .. } => Touch::Everything,
        }
    }
}

impl Touches for BlobsCall {
    fn touch(&self, units: u16, _: &dyn Fn(&str) -> u16) -> Touch {
        match self {
            Self::Presign { key, .. } | Self::Info { key, .. } | Self::First { key, .. } | Self::Delete { key, .. } => {
                Touch::of(key, units)
            }
        }
    }
}

/// An answer about all messages without what belongs to other nodes: a copy that is being made, or one that was left.
pub(crate) fn keep_ours(call: &MessagesCall, mut answer: Value, placement: &Placement, me: u32) -> Value {
    let ours = |unit: u64| u16::try_from(unit).is_ok_and(|unit| placement.owner(unit) == me);
    match call {
        MessagesCall::Leases => {
            if let Some(leases) = answer.as_array_mut() {
                leases.retain(|lease| lease["shard"].as_u64().is_some_and(ours));
            }
            answer
        }
        MessagesCall::ById { .. } => {
            let channel = answer.get(0).and_then(Value::as_str);
            let unit = channel.map(|c| u64::from(slot_of(c.as_bytes(), placement.owners.len() as u16)));
            if unit.is_some_and(ours) { answer } else { Value::Null }
        }
        _ => answer,
    }
}
