//! The units that a call of the messages port touches, and what of an answer about all of them is a node's own.

use archgen_spec::sharding::slot_of;
use serde_json::Value;

use super::Placement;
use crate::operations::messages::MessagesCall;

/// What a call touches.
pub(crate) enum Touch {
    /// These units.
    Units(Vec<u16>),
    /// All: who asks puts the answers of all nodes together.
    Everything,
}

/// What this call touches.
pub(crate) fn touch(call: &MessagesCall, units: u16) -> Touch {
    let hashed = |text: &str| slot_of(text.as_bytes(), units);
    Touch::Units(match call {
        MessagesCall::Lease { shards, .. } | MessagesCall::Release { shards, .. } => shards.clone(),
        MessagesCall::Append(append) => vec![append.shard],
        MessagesCall::Read { channel, .. }
        | MessagesCall::Indexed { channel, .. }
        | MessagesCall::Entries { channel, .. } => vec![hashed(&channel.0)],
        MessagesCall::Heads { channels } => channels.iter().map(|c| hashed(&c.0)).collect(),
        MessagesCall::Unpublished { shard, .. } | MessagesCall::MarkPublished { shard, .. } => vec![*shard],
        MessagesCall::SetRead { reader, .. } | MessagesCall::ReadStates { reader } => vec![hashed(reader)],
        MessagesCall::NoteMentions { readers, .. } => readers.iter().map(|r| hashed(r)).collect(),
        MessagesCall::Leases | MessagesCall::ById { .. } => return Touch::Everything,
    })
}

/// An answer about everything without what belongs to other nodes: a copy that is being made, or one that was left.
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
