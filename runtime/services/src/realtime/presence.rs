//! Presence: tells the user service who is connected here, and tells sockets of those whom they watch. Volatile: it may be late.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use archgen_env::sabotage::{Bug, is_planted};
use archgen_ports::UserId;
use http::{HeaderValue, Method};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{hub::Hub, state::State};
use crate::identity::SUBJECT_HEADER;

/// Time between reports of what changed.
const CHANGES_EVERY: Duration = Duration::from_secs(1);
/// Time between reports of everyone.
const REPORT_EVERY: Duration = Duration::from_secs(15);
/// How long a report holds, milliseconds.
const REPORT_TTL_MS: u64 = 40_000;
/// Users of one report.
const REPORTED_MAX: usize = 50;
/// Devices of one user that are named in a report.
const DEVICES_MAX: usize = 8;
/// Time between looks at watched users.
const WATCH_EVERY: Duration = Duration::from_secs(3);
/// Users that one socket watches.
pub(super) const WATCHED_MAX: usize = 200;
/// Users asked about at a time.
const QUERY_MAX: usize = 100;

/// A user's state by the sockets here: online while somebody is at one of the devices, away while all are idle.
pub(super) fn report_of(hub: &Hub, user: &UserId, now: Instant) -> Value {
    let (mut status, mut devices) = ("offline", BTreeMap::new());
    for session in hub.sessions_of(user) {
        let is_active = session.is_active(now);
        if is_active || status == "offline" {
            status = if is_active { "online" } else { "away" };
        }
        if !session.device.is_empty() && devices.len() < DEVICES_MAX {
            let known = devices.entry(session.device.clone()).or_insert("away");
            if is_active {
                *known = "online";
            }
        }
    }
    json!({"user": user, "status": status, "devices": devices})
}

/// Reports users to the user service, many at a time: those whose state changed within a second, everyone from time to time.
/// What could not be reported is reported again; what nobody reports is not held to be there for long.
pub(super) async fn report(state: Arc<State>) {
    let mut everyone_at = Instant::now() + REPORT_EVERY;
    loop {
        tokio::time::sleep(CHANGES_EVERY).await;
        let now = Instant::now();
        if now >= everyone_at {
            everyone_at = now + REPORT_EVERY;
            let mut hub = state.hub();
            for user in hub.users() {
                hub.presence_changed(&user);
            }
        }
        loop {
            let (users, reports): (Vec<UserId>, Vec<Value>) = {
                let mut hub = state.hub();
                let users = hub.take_changed(REPORTED_MAX);
                let reports = users.iter().map(|user| report_of(&hub, user, now)).collect();
                (users, reports)
            };
            if reports.is_empty() || is_planted(Bug::SilentPresence) {
                break;
            }
            let body = json!({"node": state.env.host(), "ttl_ms": REPORT_TTL_MS, "reports": reports});
            if let Err(error) = state.config.user.call(Method::POST, "/internal/presence", &body).await {
                tracing::debug!(%error, "presence not reported");
                // With the next changes, in a second: others must not wait for the report of everyone.
                let mut hub = state.hub();
                users.iter().for_each(|user| hub.presence_changed(user));
                break;
            }
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
        for peer in state.config.user.instances().iter() {
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
                    session.socket.emit_volatile("presence", json!({"items": items}));
                }
            }
        }
        known = now;
    }
}
