//! Read marks, and what is unread by them. A count is a difference of two numbers that the log itself holds; mentions by name are
//! noted with the mark by the relay, and what it has not noted yet is read from the log's end.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use archgen_ports::{
    ChannelId, UserId,
    messages::{Head, Range, ReadState},
};
use serde_json::{Value, json};

use super::{error::MessagingError, keywords, notice, relay::mentioned, state::State};

/// Entries at the end of a log, not relayed yet, that are looked through for mentions at once.
const PAGE: usize = 200;
/// Name of a device, bytes.
const DEVICE_BYTES_MAX: usize = 64;

/// The reader that a device of a user is.
fn reader(user: &UserId, device: Option<&str>) -> Result<String, MessagingError> {
    match device {
        None => Ok(user.0.clone()),
        Some(name) if name.is_empty() || name.len() > DEVICE_BYTES_MAX || name.contains('\0') => {
            Err(MessagingError::Invalid(format!("a device's name has 1 to {DEVICE_BYTES_MAX} bytes")))
        }
        Some(name) => Ok(format!("{user}/{name}")),
    }
}

/// Moves the user's read mark, and their device's where one is named, never beyond the head. Their other sockets hear of it.
///
/// # Errors
/// [`MessagingError::NotFound`], [`MessagingError::Invalid`], or the store's.
pub(super) async fn mark(
    state: &Arc<State>,
    user: &UserId,
    id: &ChannelId,
    seq: u64,
    device: Option<&str>,
) -> Result<Value, MessagingError> {
    state.rows().opened(id, user).await?;
    let messages = &state.config.messages;
    let readers = match device {
        None => vec![reader(user, None)?],
        Some(_) => vec![reader(user, device)?, reader(user, None)?],
    };
    // The entry there, or the newest where the mark would be beyond the head.
    let last = match messages.entries(id, &[seq]).await?.pop() {
        Some(entry) => Some(entry),
        None => messages.read(id, Range::Latest, 1).await?.pop(),
    };
    let Some(entry) = last.filter(|entry| entry.position.seq <= seq) else {
        return Ok(json!({"channel": id, "seq": 0}));
    };
    let mut stands = 0;
    for reader in readers {
        stands = messages.set_read(&reader, id, entry.position.seq, entry.counts).await?.seq;
    }
    if stands == entry.position.seq {
        notice::tell(state, user, "read:self", &json!({"ch": id, "seq": stands, "device": device})).await;
    }
    Ok(json!({"channel": id, "seq": stands}))
}

/// Per channel of a user: unread messages and mentions, by the user's mark or one device's.
///
/// # Errors
/// As [`mark`].
pub(super) async fn unread(state: &State, user: &UserId, device: Option<&str>) -> Result<Vec<Value>, MessagingError> {
    let messages = &state.config.messages;
    let ids: Vec<ChannelId> = state.rows().channels_of(user).await?.into_iter().map(|c| c.id).collect();
    // Before the marks: a mention is then in one of the two, since it is noted before the head says that it was published.
    let heads = messages.heads(&ids).await?;
    let marks = messages.read_states(&reader(user, None)?).await?;
    let mut marks: BTreeMap<ChannelId, ReadState> = marks.into_iter().map(|m| (m.channel.clone(), m)).collect();
    if device.is_some() {
        for own in messages.read_states(&reader(user, device)?).await? {
            // Mentions are noted for the user; a device that is behind counts those that are left.
            let mentions = marks.get(&own.channel).map(|m| m.mentions.clone()).unwrap_or_default();
            marks.insert(own.channel.clone(), ReadState { mentions, ..own });
        }
    }
    let mut items = Vec::with_capacity(heads.len());
    for (id, head) in heads {
        let mark = marks.remove(&id);
        let (seq, counts) = mark.as_ref().map(|m| (m.seq, m.counts)).unwrap_or_default();
        let since = head.counts.since(counts);
        let by_name = mark.map(|m| m.mentions).unwrap_or_default();
        let fresh = not_noted(state, user, &id, &head, seq).await?;
        let by_name: BTreeSet<u64> = by_name.into_iter().chain(fresh).filter(|place| *place > seq).collect();
        let mentions = by_name.len() as u64 + since.everyone;
        items.push(json!({
            "channel": id, "unread": since.messages, "mentions": mentions, "last_read_seq": seq, "head": head.position,
        }));
    }
    Ok(items)
}

/// Places of mentions that the relay has not noted yet.
async fn not_noted(
    state: &State,
    user: &UserId,
    channel: &ChannelId,
    head: &Head,
    read: u64,
) -> Result<Vec<u64>, MessagingError> {
    let (mut found, mut from) = (Vec::new(), head.published.max(read));
    if from >= head.position.seq {
        return Ok(found);
    }
    let own = keywords::of(&*state.config.accounts, user).await?;
    while from < head.position.seq {
        let entries = state.config.messages.read(channel, Range::After(from), PAGE).await?;
        let Some(last) = entries.last() else { break };
        from = last.position.seq;
        let fresh = entries.iter().filter(|e| mentioned(e).contains(user) || keywords::reaches(e, user, &own));
        found.extend(fresh.map(|e| e.position.seq));
    }
    Ok(found)
}
