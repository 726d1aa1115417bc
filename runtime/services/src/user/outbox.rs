//! The outbox: events are written in the transaction that causes them and published afterwards, at least once.

use std::time::Duration;

use archgen_ports::{
    Envelope,
    accounts::{Expect, Write},
    events::Events,
};
use serde_json::Value;

use super::{
    error::UserError,
    rows::encode,
    state::{Shared, State, write},
};

/// Events published at once.
const BATCH_EVENTS: usize = 100;
/// Time between looks at the outbox when nothing was written here, milliseconds.
const POLL_MS: u64 = 500;
/// Longest wait after failures, milliseconds.
const RETRY_MS_MAX: u64 = 5_000;
/// Age from which an instance other than the first publishes an event, milliseconds: the first one seems to be down.
const TAKE_OVER_MS: u64 = 5_000;

/// The write that puts an event into the outbox.
pub(super) fn event(state: &State, kind: &str, key: &str, actor: &str, data: Value) -> Result<Write, UserError> {
    let id = state.new_id();
    let envelope = Envelope {
        v: 1,
        event_id: id.clone(),
        kind: kind.to_owned(),
        key: key.to_owned(),
        epoch: None,
        seq: None,
        ts: state.now_ms(),
        actor: actor.to_owned(),
        data,
    };
    Ok(write("outbox", &id, Expect::Absent, Some(encode(&envelope)?)))
}

/// Publishes what stands in the outbox until the order to stop.
pub(super) async fn relay(state: Shared) {
    let Some(events) = state.config.events.clone() else { return };
    let jitter = state.context.env.entropy("outbox");
    let mut failures = 0u32;
    loop {
        let wait_ms = match pass(&state, &*events).await {
            Ok(true) => {
                failures = 0;
                continue;
            }
            Ok(false) => {
                failures = 0;
                POLL_MS
            }
            Err(error) => {
                tracing::warn!(%error, "events wait in the outbox");
                failures = failures.saturating_add(1);
                let wait_ms = (POLL_MS << failures.min(6)).min(RETRY_MS_MAX);
                wait_ms / 2 + jitter.below(wait_ms / 2)
            }
        };
        tokio::select! {
            biased;
            () = state.context.env.shutdown().triggered() => return,
            () = state.relay.notified(), if failures == 0 => {}
            () = tokio::time::sleep(Duration::from_millis(wait_ms)) => {}
        }
    }
}

/// Publishes one batch in order and then removes it; whether there may be more.
async fn pass(state: &State, events: &dyn Events) -> Result<bool, UserError> {
    let rows = state.accounts().scan("outbox", None, BATCH_EVENTS).await?;
    let full = rows.len() == BATCH_EVENTS;
    let settled = state.now_ms().saturating_sub(TAKE_OVER_MS);
    let mut batch = Vec::new();
    let mut removals = Vec::new();
    for row in rows {
        let envelope: Envelope = serde_json::from_value(row.value).map_err(|_| UserError::Corrupt(row.key.clone()))?;
        if state.context.ordinal == 0 || envelope.ts <= settled {
            removals.push(write("outbox", &row.key, Expect::Any, None));
            batch.push(envelope);
        }
    }
    if batch.is_empty() {
        return Ok(false);
    }
    // A crash between the two calls publishes the batch again: consumers key their effects by the event's id.
    events.publish(&state.config.topic, batch).await?;
    state.accounts().commit(removals).await?;
    Ok(full)
}
