//! What one user is told outside any channel's log, through the realtime hosts: only they know where the user is connected. Best
//! effort, but for the end of a membership, which they confirm.

use std::{sync::Arc, time::Duration};

use archgen_ports::{ChannelId, UserId};
use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{config::Config, state::State};

/// Wait for each realtime host, milliseconds.
const TELL_MS_MAX: u64 = 1_000;
/// How long a host that does not confirm may still rely on a membership, milliseconds. A realtime host delivers a channel's entries
/// in order, the end of the membership among them, so that nothing later can pass it; a download URL has died by then, and a search is
/// not answered.
pub const MEMBERSHIP_LEASE_MS: u64 = 5_000;

/// Tells all of a user's sockets; returns how many heard it.
pub(super) async fn tell(state: &Arc<State>, user: &UserId, event: &str, item: &Value) -> u64 {
    let Some(realtime) = &state.config.realtime else { return 0 };
    let body = json!({"user": user, "event": event, "item": item});
    let instances = realtime.instances();
    let calls = instances.iter().map(|peer| {
        let call = realtime.call_at(peer, Method::POST, "/internal/notify", &body);
        async move { timeout(Duration::from_millis(TELL_MS_MAX), call).await }
    });
    let answers = join_all(calls).await.into_iter().flatten().flatten();
    answers.filter_map(|reply| reply.json::<Value>().ok()?["sockets"].as_u64()).sum()
}

/// Returns when every realtime host has let go of the user's sockets in a channel, no download URL of theirs opens and no search under
/// way shows them anything of it, or when nobody can rely on the membership any longer.
pub(super) async fn confirm_out(state: &Arc<State>, channel: &ChannelId, user: &UserId) {
    let (body, within) = (json!({"user": user, "channel": channel}), Duration::from_millis(MEMBERSHIP_LEASE_MS));
    let Config { realtime, file, search, .. } = &state.config;
    let asked = [realtime, file, search].into_iter().flatten();
    let late = join_all(asked.map(|peers| peers.confirm_all("/internal/out", &body, within))).await.concat();
    if !late.is_empty() {
        tracing::warn!(?late, "hosts did not confirm the end of a membership; their lease ran out");
    }
}
