//! Routes for other hosts of the fleet.

use std::{collections::BTreeMap, sync::Arc};

use archgen_ports::{ChannelId, UserId};
use archgen_socketio::Socket;
use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, State as Extract},
    routing::post,
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    repair,
    state::{Shared, State},
};
use crate::{host::Payload, identity::Internal};

/// Body of an internal request, bytes: a push carries whole messages.
const REQUEST_BYTES_MAX: usize = 16 << 20;

pub(super) fn routes(state: Arc<State>) -> Router {
    Router::new()
        .route("/internal/push", post(push))
        .route("/internal/typing", post(typing))
        .route("/internal/notify", post(notify))
        .route("/internal/out", post(out))
        .route("/internal/kick", post(kick))
        .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
        .with_state(Shared(state))
}

#[derive(Deserialize)]
struct Push {
    events: Vec<Value>,
}

async fn push(Extract(Shared(state)): Extract<Shared>, _: Internal, Payload(push): Payload<Push>) -> Json<Value> {
    let mut by_channel: BTreeMap<ChannelId, Vec<Arc<Value>>> = BTreeMap::new();
    for event in push.events {
        if let Some(channel) = event["ch"].as_str() {
            by_channel.entry(ChannelId::from(channel)).or_default().push(Arc::new(event));
        }
    }
    for (channel, events) in by_channel {
        let fetch = state.hub().deliver(&channel, &events);
        repair::fetch_if(&state, &channel, fetch);
    }
    Json(json!({}))
}

#[derive(Deserialize)]
struct Typing {
    channel: ChannelId,
    event: Value,
}

async fn typing(Extract(Shared(state)): Extract<Shared>, _: Internal, Payload(call): Payload<Typing>) -> Json<Value> {
    state.hub().send_volatile(&call.channel, "typing", &call.event, None);
    Json(json!({}))
}

#[derive(Deserialize)]
struct Notify {
    user: UserId,
    /// Name of the event; `notif` unless said.
    event: Option<String>,
    item: Value,
}

async fn notify(Extract(Shared(state)): Extract<Shared>, _: Internal, Payload(call): Payload<Notify>) -> Json<Value> {
    let hub = state.hub();
    let mut told = 0;
    for session in hub.sessions_of(&call.user) {
        session.socket.emit(call.event.as_deref().unwrap_or("notif"), call.item.clone());
        told += 1;
    }
    Json(json!({"sockets": told}))
}

#[derive(Deserialize)]
struct Out {
    user: UserId,
    channel: ChannelId,
}

/// Lets go of a user's sockets in a channel: the user is no member any more.
async fn out(Extract(Shared(state)): Extract<Shared>, _: Internal, Payload(call): Payload<Out>) -> Json<Value> {
    let mut hub = state.hub();
    let sockets: Vec<Socket> = hub.sessions_of(&call.user).map(|s| s.socket.clone()).collect();
    for socket in &sockets {
        hub.unfollow(socket.id(), &call.channel);
        socket.emit("chan:left", json!({"ch": call.channel}));
    }
    Json(json!({"sockets": sockets.len()}))
}

#[derive(Deserialize)]
struct Kick {
    #[serde(default)]
    user: Option<UserId>,
    #[serde(default)]
    session: Option<String>,
    #[serde(default)]
    reason: Option<String>,
}

/// Ends the sockets of a user or of one session; they see nothing that is still queued, and a session's tokens open no socket any
/// more. A call that names neither ends none.
async fn kick(Extract(Shared(state)): Extract<Shared>, _: Internal, Payload(call): Payload<Kick>) -> Json<Value> {
    if call.user.is_none() && call.session.is_none() {
        return Json(json!({"sockets": 0}));
    }
    let sockets: Vec<Socket> = {
        let mut hub = state.hub();
        if let Some(session) = &call.session {
            hub.end_session(session, Instant::now());
        }
        hub.sessions()
            .filter(|s| call.user.as_ref().is_none_or(|user| s.user == *user))
            .filter(|s| call.session.as_ref().is_none_or(|session| s.session == *session))
            .map(|s| s.socket.clone())
            .collect()
    };
    for socket in &sockets {
        socket.revoke(call.reason.as_deref().unwrap_or("revoked"));
    }
    Json(json!({"sockets": sockets.len()}))
}
