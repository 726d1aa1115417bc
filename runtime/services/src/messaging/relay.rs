//! The relay: publishes each owned shard's unpublished entries to the event topic, then moves the durable mark. A crash between
//! the two publishes again: consumers key by event id.

use std::{sync::Arc, time::Duration};

use archgen_ports::{
    ChannelId, Envelope, UserId,
    events::Events,
    messages::{LogEntry, Range, Unpublished},
};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{error::MessagingError, keywords, kinds::CREATED, state::State, view::ChannelEvent};

/// Entries published at a time.
const BATCH_ENTRIES_MAX: usize = 200;
/// Channels taken from a shard at a time.
const CHANNELS_MAX: usize = 100;
/// Wait before each round, milliseconds: many messages then share its few writes, and those who wait for their acknowledgement do not
/// wait for the relay's.
const GATHER_MS: u64 = 50;
/// Wait after a failure, milliseconds.
const RETRY_MS: u64 = 500;

/// Runs until aborted.
pub(super) async fn run(state: Arc<State>) {
    let Some(events) = state.config.events.clone() else { return };
    loop {
        state.published.notified().await;
        tokio::time::sleep(Duration::from_millis(GATHER_MS)).await;
        let shards = state.take_unpublished();
        for shard in shards {
            if state.ownership().epoch(shard, Instant::now()).is_none() {
                // Its owner publishes it.
                continue;
            }
            if let Err(error) = publish_shard(&state, &*events, shard).await {
                tracing::warn!(shard, %error, "relay failed; trying again");
                tokio::time::sleep(Duration::from_millis(RETRY_MS)).await;
                state.mark_unpublished([shard]);
            }
        }
    }
}

async fn publish_shard(state: &Arc<State>, events: &dyn Events, shard: u16) -> Result<(), MessagingError> {
    let waiting = state.config.messages.unpublished(shard, CHANNELS_MAX).await?;
    let whole = waiting.len() < CHANNELS_MAX;
    for channel in waiting {
        publish_channel(state, events, shard, channel).await?;
    }
    if !whole {
        state.mark_unpublished([shard]);
    }
    Ok(())
}

async fn publish_channel(
    state: &Arc<State>,
    events: &dyn Events,
    shard: u16,
    waiting: Unpublished,
) -> Result<(), MessagingError> {
    let Unpublished { channel, mut published, head } = waiting;
    loop {
        let entries = state.config.messages.read(&channel, Range::After(published), BATCH_ENTRIES_MAX).await?;
        let Some(last) = entries.last().map(|e| e.position.seq) else { break };
        let mut envelopes = Vec::with_capacity(entries.len());
        for entry in &entries {
            let reached = keywords::reached(state, &channel, entry).await?;
            note_mentions(state, &channel, entry, &reached).await?;
            let mut envelope = envelope(&ChannelEvent::new(&channel, entry, None), entry);
            keywords::name(&mut envelope.data, &reached);
            envelopes.push(envelope);
        }
        events.publish(&state.config.topic, envelopes).await?;
        state.config.messages.mark_published(shard, &channel, last).await?;
        published = last;
        if published >= head {
            return Ok(());
        }
    }
    // The mark itself may have been lost after the last publish.
    Ok(state.config.messages.mark_published(shard, &channel, published).await?)
}

/// Adds a message to what those whom it names or reaches by a keyword have not read. The store adds it once, however often it is
/// told.
async fn note_mentions(
    state: &State,
    channel: &ChannelId,
    entry: &LogEntry,
    reached: &[UserId],
) -> Result<(), MessagingError> {
    let mut members: Vec<String> = reached.iter().map(|user| user.0.clone()).collect();
    for user in mentioned(entry) {
        if state.rows().member(channel, &user).await?.is_some() {
            members.push(user.0);
        }
    }
    if !members.is_empty() {
        state.config.messages.note_mentions(channel, entry.position.seq, &members).await?;
    }
    Ok(())
}

/// Who is mentioned by name in a message; where everyone is, that is counted already.
pub(super) fn mentioned(entry: &LogEntry) -> Vec<UserId> {
    let by_name = entry.kind == CREATED && entry.data["everyone"].is_null();
    let users = by_name.then(|| entry.data["mentions"].as_array()).flatten();
    users.into_iter().flatten().filter_map(Value::as_str).map(UserId::from).collect()
}

/// The event of an entry: the channel event's data with what names the entry. Text stays in the log, where it can be deleted:
/// whoever needs it reads it there.
pub(super) fn envelope(event: &ChannelEvent, entry: &LogEntry) -> Envelope {
    let mut data = match event.data.clone() {
        Value::Object(data) => data,
        _ => serde_json::Map::new(),
    };
    data.remove("body");
    let names = json!({"channel": event.ch, "author": entry.author, "ts": entry.ts});
    data.extend(names.as_object().into_iter().flatten().map(|(k, v)| (k.clone(), v.clone())));
    data.entry("id").or_insert_with(|| json!(entry.id));
    Envelope {
        v: 1,
        event_id: format!("{}:{}", event.ch, event.seq),
        kind: event.kind.clone(),
        key: event.ch.0.clone(),
        epoch: Some(event.epoch),
        seq: Some(event.seq),
        ts: entry.ts,
        actor: entry.author.0.clone(),
        data: Value::Object(data),
    }
}
