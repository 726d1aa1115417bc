//! Presence: tells the user service who is connected here, and tells sockets of those whom they watch. Volatile: it may be late.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use archgen_ports::UserId;
use http::{HeaderValue, Method};
use serde_json::{Value, json};

use super::state::State;
use crate::identity::SUBJECT_HEADER;

/// Time between reports of one user.
const REPORT_EVERY: Duration = Duration::from_secs(15);
/// How long a report holds, milliseconds.
const REPORT_TTL_MS: u64 = 40_000;
/// Time between looks at watched users.
const WATCH_EVERY: Duration = Duration::from_secs(3);
/// Users that one socket watches.
pub(super) const WATCHED_MAX: usize = 200;
/// Users asked about at a time.
const QUERY_MAX: usize = 100;

/// Reports one user's state to the user service, best effort.
pub(super) async fn tell(state: &State, user: &UserId, status: &str) {
    let node = state.env.host();
    let body = json!({"user": user, "status": status, "node": node, "ttl_ms": REPORT_TTL_MS});
    if let Err(error) = state.config.user.call(Method::POST, "/internal/presence", &body).await {
        tracing::debug!(%error, "presence not reported");
    }
}

/// A user's state by the sockets here: online unless all are away.
pub(super) fn status(state: &State, user: &UserId) -> &'static str {
    let hub = state.hub();
    let mut own = hub.sessions_of(user).peekable();
    match (own.peek().is_some(), own.any(|s| !s.away)) {
        (false, _) => "offline",
        (true, true) => "online",
        (true, false) => "away",
    }
}

/// Reports everyone who is connected, for ever.
pub(super) async fn report(state: Arc<State>) {
    loop {
        tokio::time::sleep(REPORT_EVERY).await;
        let users = state.hub().users();
        for user in users {
            tell(&state, &user, status(&state, &user)).await;
        }
    }
}

/// The user service's answer on these users, asked in the name of one of the watchers.
pub(super) async fn query(state: &State, asker: &UserId, users: &[UserId]) -> BTreeMap<UserId, Value> {
    let mut headers = state.config.user.headers();
    if let Ok(subject) = HeaderValue::from_str(&asker.0) {
        headers.insert(SUBJECT_HEADER, subject);
    }
    let mut found = BTreeMap::new();
    for part in users.chunks(QUERY_MAX) {
        for peer in state.config.user.instances() {
            let body = json!({"users": part});
            let path = "/api/v1/presence/query";
            let call = state.client.json(Method::POST, &peer.address, path, headers.clone(), &body);
            if let Ok(reply) = call.await
                && let Ok(answer) = reply.json::<Value>()
            {
                for item in answer["items"].as_array().into_iter().flatten() {
                    if let Some(user) = item["user"].as_str() {
                        found.insert(UserId::from(user), item.clone());
                    }
                }
                break;
            }
        }
    }
    found
}

/// Looks at everyone who is watched and tells the watchers of changes, for ever.
pub(super) async fn watch(state: Arc<State>) {
    let mut known: BTreeMap<UserId, Value> = BTreeMap::new();
    loop {
        tokio::time::sleep(WATCH_EVERY).await;
        let (asker, watched) = {
            let hub = state.hub();
            let watched: BTreeSet<UserId> = hub.sessions().flat_map(|s| s.watched.iter().cloned()).collect();
            (hub.sessions().find(|s| !s.watched.is_empty()).map(|s| s.user.clone()), watched)
        };
        let Some(asker) = asker else {
            known.clear();
            continue;
        };
        let watched: Vec<UserId> = watched.into_iter().collect();
        let now = query(&state, &asker, &watched).await;
        let changed: Vec<(&UserId, &Value)> =
            now.iter().filter(|(user, item)| known.get(*user).is_none_or(|k| k["status"] != item["status"])).collect();
        if !changed.is_empty() {
            let hub = state.hub();
            for session in hub.sessions() {
                let items: Vec<&Value> =
                    changed.iter().filter(|(u, _)| session.watched.contains(u)).map(|(_, i)| *i).collect();
                if !items.is_empty() {
                    session.socket.emit_volatile("presence", &json!({"items": items}));
                }
            }
        }
        known = now;
    }
}
