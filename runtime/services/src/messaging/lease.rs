//! Keeps leases: looks at all of them, renews, takes over what is free, asks for its own shards back, and gives up in order.

use std::{sync::Arc, time::Duration};

use http::Method;
use serde_json::json;
use tokio::time::Instant;

use super::state::State;

/// Looks at the leases in one lease time.
const ROUNDS_PER_LEASE: u32 = 4;

/// Runs until aborted.
pub(super) async fn keep(state: Arc<State>) {
    let pause = state.place.lease / ROUNDS_PER_LEASE;
    loop {
        round(&state).await;
        tokio::time::sleep(pause.max(Duration::from_millis(10))).await;
    }
}

async fn round(state: &Arc<State>) {
    let messages = &state.config.messages;
    match messages.leases().await {
        Ok(leases) => state.ownership().observe(&leases, Instant::now()),
        Err(error) => {
            tracing::warn!(%error, "leases cannot be read");
            return;
        }
    }
    let asked = Instant::now();
    let wanted = state.ownership().wanted(asked);
    let ttl_ms = state.place.lease.as_millis() as u64;
    match messages.lease(&state.place.owner, &state.place.incarnation, &wanted, ttl_ms).await {
        Ok(leases) => {
            let gained = state.ownership().granted(&leases, asked);
            if !gained.is_empty() {
                tracing::info!(shards = gained.len(), "took over");
                state.mark_unpublished(gained);
            }
        }
        Err(error) => tracing::warn!(%error, "leases cannot be renewed"),
    }
    ask_back(state).await;
}

/// Asks other instances for the shards that prefer this one.
async fn ask_back(state: &Arc<State>) {
    let abroad = state.ownership().abroad();
    for (owner, shards) in abroad {
        if let Some(peer) = state.config.messaging.named(&owner) {
            let body = json!({"shards": shards});
            let call = state.config.messaging.call_at(peer, Method::POST, "/internal/handover", &body);
            // A dead owner does not answer; its lease will run out.
            if let Ok(Err(error)) = tokio::time::timeout(state.place.lease / 2, call).await {
                tracing::debug!(%owner, %error, "handover not answered");
            }
        }
    }
}

/// Gives shards to whoever asks for them next, unless they prefer this instance.
pub(super) async fn hand_over(state: &Arc<State>, shards: Vec<u16>) -> usize {
    let given: Vec<u16> = {
        let mut ownership = state.ownership();
        shards.into_iter().filter(|s| !ownership.prefers_us(*s) && ownership.drop_shard(*s)).collect()
    };
    release(state, &given).await;
    given.len()
}

/// Gives everything back before the host stops.
pub(super) async fn give_back_all(state: &Arc<State>) {
    let held = {
        let mut ownership = state.ownership();
        let held = ownership.held();
        for shard in &held {
            ownership.drop_shard(*shard);
        }
        held
    };
    release(state, &held).await;
}

async fn release(state: &Arc<State>, shards: &[u16]) {
    if shards.is_empty() {
        return;
    }
    if let Err(error) = state.config.messages.release(&state.place.owner, &state.place.incarnation, shards).await {
        tracing::debug!(%error, "leases were not given back; they will run out");
    }
}
