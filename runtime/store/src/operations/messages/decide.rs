//! Writes: marks here, leases and appends in their own files.

use serde_json::{Value, to_value};

use archgen_ports::messages::{MENTIONS_MAX, ReadState};

use super::{
    append,
    call::MessagesCall,
    lease,
    stored::{StoredHead, StoredLease, head_key, lease_key, parse, read_key, read_state, unpublished_key},
};
use crate::{committer::DecisionError, engine::View};

/// Decides a write. `now_ms` is the node's wall time.
///
/// # Errors
/// See [`DecisionError`].
pub fn decide(view: &mut View<'_>, call: MessagesCall, now_ms: u64) -> Result<Value, DecisionError> {
    match call {
        MessagesCall::Lease { owner, incarnation, shards, ttl_ms } => {
            lease::lease(view, &owner, &incarnation, &shards, ttl_ms, now_ms)
        }
        MessagesCall::Release { owner, incarnation, shards } => {
            for shard in shards {
                let stored: Option<StoredLease> = parse(view.get(&lease_key(shard))?)?;
                if let Some(stored) = stored.filter(|s| s.owner == owner && s.incarnation == incarnation) {
                    let free = StoredLease { until_ms: 0, ..stored };
                    view.put(lease_key(shard), serde_json::to_vec(&free)?);
                }
            }
            Ok(Value::Null)
        }
        MessagesCall::Append(append) => Ok(to_value(append::append(view, append, now_ms)?)?),
        MessagesCall::MarkPublished { shard, channel, seq } => {
            let mut head: StoredHead = parse(view.get(&head_key(&channel)?)?)?.unwrap_or_default();
            if seq > head.published && seq <= head.seq {
                head.published = seq;
                view.put(head_key(&channel)?, serde_json::to_vec(&head)?);
            }
            if head.published == head.seq {
                view.delete(unpublished_key(shard, &channel)?);
            }
            Ok(Value::Null)
        }
        MessagesCall::SetRead { reader, channel, seq, counts } => {
            let key = read_key(&reader)?.text(&channel.0)?.done();
            let mut state = read_state(view, &key, channel)?;
            if seq > state.seq {
                state = ReadState { seq, counts, mentions: state.mentions.split_off(&(seq + 1)), ..state };
                view.put(key, serde_json::to_vec(&state)?);
            }
            Ok(to_value(state)?)
        }
        MessagesCall::NoteMentions { channel, seq, readers } => {
            for reader in readers {
                let key = read_key(&reader)?.text(&channel.0)?.done();
                let mut state = read_state(view, &key, channel.clone())?;
                if seq > state.seq && state.mentions.len() < MENTIONS_MAX && state.mentions.insert(seq) {
                    view.put(key, serde_json::to_vec(&state)?);
                }
            }
            Ok(Value::Null)
        }
        _ => Err(DecisionError::Invalid("a read is not a decision".to_owned())),
    }
}
