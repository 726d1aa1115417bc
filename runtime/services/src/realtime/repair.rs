//! What keeps channels whole without a push: fetches after a gap, and regular looks at the heads. Also the end of tokens.

use std::{sync::Arc, time::Duration};

use archgen_ports::ChannelId;
use serde_json::json;

use super::{calls, reads::PAGE, state::State};

/// Time between looks at the heads of all followed channels: how late an entry may come whose push was lost.
const HEADS_EVERY: Duration = Duration::from_secs(2);
/// Channels asked about at a time.
const HEADS_MAX: usize = 1_000;
/// Time between looks for tokens that have ended.
const EXPIRY_EVERY: Duration = Duration::from_secs(5);
/// How long before its end a token's socket is told, seconds.
const EXPIRY_WARNING_S: u64 = 60;
/// How long after its end a token's socket may stay to refresh, seconds.
const EXPIRY_GRACE_S: u64 = 30;

/// Starts a fetch from this place, if one is due.
pub(super) fn fetch_if(state: &Arc<State>, channel: &ChannelId, from: Option<u64>) {
    if let Some(from) = from {
        state.repairs.inc();
        state.env.spawn("fetch", fetch(state.clone(), channel.clone(), from));
    }
}

/// Fetches and delivers until the channel's head is reached. After a failure the next look at the heads begins anew.
async fn fetch(state: Arc<State>, channel: ChannelId, mut from: u64) {
    loop {
        let fetched = calls::log(&state, &channel, from, PAGE).await;
        let mut hub = state.hub();
        match fetched {
            Ok((items, head)) => {
                let items: Vec<_> = items.into_iter().map(Arc::new).collect();
                hub.deliver(&channel, &items);
                match hub.fetched(&channel) {
                    Some((now, seen)) if now < seen.max(head.1) && now > from => {
                        // More is there, or came meanwhile: go on, and keep others from fetching too.
                        if hub.head(&channel, head.0, head.1).is_none() {
                            return;
                        }
                        from = now;
                    }
                    _ => return,
                }
            }
            Err(error) => {
                tracing::debug!(%channel, %error, "fetch failed");
                hub.fetched(&channel);
                return;
            }
        }
    }
}

/// Compares heads with cursors, for ever.
pub(super) async fn watch_heads(state: Arc<State>) {
    loop {
        tokio::time::sleep(HEADS_EVERY).await;
        let followed = state.hub().followed();
        for channels in followed.chunks(HEADS_MAX) {
            let answer = match calls::messaging(&state, "/internal/heads", &json!({"channels": channels})).await {
                Ok(answer) => answer,
                Err(error) => {
                    tracing::debug!(%error, "heads cannot be read");
                    continue;
                }
            };
            for head in answer["items"].as_array().into_iter().flatten() {
                if let (Some(channel), Some(seq)) = (head["channel"].as_str(), head["seq"].as_u64()) {
                    let channel = ChannelId::from(channel);
                    let fetch = state.hub().head(&channel, head["epoch"].as_u64().unwrap_or(0), seq);
                    fetch_if(&state, &channel, fetch);
                }
            }
        }
    }
}

/// Tells sockets that their token will end, and ends those that did not refresh it, for ever.
pub(super) async fn watch_expiry(state: Arc<State>) {
    loop {
        tokio::time::sleep(EXPIRY_EVERY).await;
        let now_s = state.env.wall_ms() / 1_000;
        let mut over = Vec::new();
        for session in state.hub().sessions_mut() {
            if session.expires_s + EXPIRY_GRACE_S < now_s {
                over.push(session.socket.clone());
            } else if session.expires_s < now_s + EXPIRY_WARNING_S && !session.warned {
                session.warned = true;
                session.socket.emit("auth:expiring", json!({"expires_s": session.expires_s}));
            }
        }
        for socket in over {
            socket.close_transport("expired");
        }
    }
}
