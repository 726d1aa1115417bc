//! Keeps leases: renews, takes over what is free, looks at all of them, asks for its own shards back, and gives up in order.
//!
//! Renewing and looking are separate rounds: a node of the store, or an instance of this service, that does not answer may delay
//! the look, never the renewal of what is held.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, stream};
use http::Method;
use serde_json::json;
use tokio::time::Instant;

use super::state::State;

/// Rounds in one lease time.
const ROUNDS_PER_LEASE: u32 = 4;
/// Instances asked for shards at once.
const ASKED_AT_ONCE: usize = 8;
/// Looks that requests bring about come at most this often, milliseconds.
const LOOK_MS_MIN: u64 = 50;

/// Renews and looks until told to stop, then gives everything back.
pub(super) async fn keep(state: Arc<State>) {
    let pause = (state.place.lease / ROUNDS_PER_LEASE).max(Duration::from_millis(10));
    let renewing = async {
        loop {
            renew(&state).await;
            tokio::select! {
                biased;
                () = state.stopped.notified() => break,
                () = state.freed.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        // No renewal is under way here, so none can reach the store after this and take the shards again.
        give_back_all(&state).await;
    };
    let looking = async {
        loop {
            look(&state).await;
            ask_back(&state).await;
            tokio::time::sleep(pause).await;
        }
    };
    tokio::select! {
        biased;
        () = renewing => {}
        () = looking => {}
    }
}

async fn renew(state: &Arc<State>) {
    let asked = Instant::now();
    state.ownership().shared_by(state.config.messaging.replicas());
    let wanted = state.ownership().wanted(asked);
    let ttl_ms = state.place.lease.as_millis() as u64;
    match state.config.messages.lease(&state.place.owner, &state.place.incarnation, &wanted, ttl_ms).await {
        Ok(leases) => {
            let gained = state.ownership().granted(&leases, asked, Instant::now());
            if !gained.is_empty() {
                tracing::info!(shards = gained.len(), "took over");
                state.mark_unpublished(gained);
            }
        }
        Err(error) => tracing::warn!(%error, "leases cannot be renewed"),
    }
}

async fn look(state: &Arc<State>) {
    match state.config.messages.leases().await {
        Ok(leases) => state.ownership().observe(&leases, Instant::now()),
        Err(error) => tracing::warn!(%error, "leases cannot be read"),
    }
}

/// Looks at the leases for a request that found no owner, unless somebody just has.
pub(super) async fn look_again(state: &Arc<State>) {
    if state.may_look(Instant::now(), Duration::from_millis(LOOK_MS_MIN)) {
        look(state).await;
    }
}

/// Asks other instances for the shards that prefer this one.
async fn ask_back(state: &Arc<State>) {
    let abroad: Vec<(String, Vec<u16>)> = state.ownership().abroad().into_iter().collect();
    let asked = stream::iter(abroad).map(|(owner, shards)| async move {
        let Some(peer) = state.config.messaging.named(&owner) else { return };
        let body = json!({"shards": shards});
        let call = state.config.messaging.call_at(&peer, Method::POST, "/internal/handover", &body);
        // A dead owner does not answer; its lease will run out.
        match tokio::time::timeout(state.place.lease / ROUNDS_PER_LEASE, call).await {
            Ok(Ok(_)) => state.freed.notify_one(),
            Ok(Err(error)) => tracing::debug!(%owner, %error, "handover not answered"),
            Err(_) => tracing::debug!(%owner, "handover not answered in time"),
        }
    });
    asked.buffer_unordered(ASKED_AT_ONCE).collect::<Vec<()>>().await;
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
async fn give_back_all(state: &Arc<State>) {
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
