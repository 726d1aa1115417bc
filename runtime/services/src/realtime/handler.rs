//! What a socket may ask.

use std::{collections::BTreeSet, sync::Arc};

use archgen_ports::{ChannelId, UserId};
use archgen_socketio::{Arguments, ConnectError, Handler, Socket, engine::Close};
use async_trait::async_trait;
use http::{HeaderValue, Method};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    calls,
    hub::Session,
    intake::{self, Rejected},
    presence, sends,
    state::State,
    subscribe,
};
use crate::identity::{Claims, SCOPE_HEADER, SESSION_HEADER, SUBJECT_HEADER, TokenError};

/// Name of a device, characters.
const DEVICE_CHARS_MAX: usize = 64;

/// The handler of all sockets.
pub(super) struct Sockets(pub(super) Arc<State>);

/// Who asks.
struct Asker {
    user: UserId,
    session: String,
    scope: String,
}

#[async_trait]
impl Handler for Sockets {
    async fn connect(&self, socket: &Socket, auth: Value) -> Result<(), ConnectError> {
        let token = auth["token"].as_str().unwrap_or_default();
        let claims = self.0.config.verifier.verify(token).await.map_err(|error| refusal(&error))?;
        // Whoever holds a token of an ended session does not come back by it.
        if !self.0.config.revocations.lives(&claims.sid).await.map_err(|error| refusal(&error))? {
            return Err(refusal(&TokenError::Revoked));
        }
        let Claims { sub, sid, scope, exp, .. } = claims;
        let device: String = auth["device"].as_str().unwrap_or_default().chars().take(DEVICE_CHARS_MAX).collect();
        let session = Session::new(socket.clone(), UserId(sub), sid, scope, exp, device);
        if !self.0.hub().connect(session) {
            return Err(refusal(&TokenError::Expired));
        }
        self.0.connections.inc();
        Ok(())
    }

    async fn event(&self, socket: &Socket, name: &str, arguments: Arguments) -> Option<Arguments> {
        let asker = {
            let mut hub = self.0.hub();
            // What a client does by itself says nothing about its person.
            if matches!(name, "msg:send" | "msg:edit" | "msg:delete" | "read" | "typing" | "react") {
                hub.touch(socket.id(), Instant::now());
            }
            let session = hub.session(socket.id())?;
            Asker { user: session.user.clone(), session: session.session.clone(), scope: session.scope.clone() }
        };
        let body = arguments.values.into_iter().next().unwrap_or(Value::Null);
        Some(self.answer(socket, &asker, name, body).await.into())
    }

    /// A client's messages are under way together; their order is kept on the way.
    fn is_pipelined(&self, name: &str) -> bool {
        name == "msg:send"
    }

    async fn disconnect(&self, socket: &Socket, reason: &str) {
        if self.0.hub().disconnect(socket.id()) {
            self.0.connections.dec();
        }
        if reason == Close::SlowConsumer.reason() {
            self.0.slow_consumers.inc();
        }
    }
}

fn refusal(error: &TokenError) -> ConnectError {
    match error {
        TokenError::Unavailable => {
            ConnectError::new("unavailable").with_data(json!({"code": "unavailable", "retry_after_ms": 1_000}))
        }
        _ => ConnectError::new("unauthenticated").with_data(json!({"code": "unauthenticated"})),
    }
}

impl Sockets {
    async fn answer(&self, socket: &Socket, asker: &Asker, name: &str, body: Value) -> Value {
        let user = &asker.user;
        match name {
            "sub" => match channel(&body) {
                Some(channel) if body["badge"] == true => subscribe::badge(&self.0, socket, user, &channel).await,
                Some(channel) => subscribe::subscribe(&self.0, socket, user, &channel, body["seq"].as_u64()).await,
                None => calls::refused("invalid_request", "`ch` names a channel"),
            },
            "unsub" => {
                if let Some(channel) = channel(&body) {
                    self.0.hub().unfollow(socket.id(), &channel);
                }
                calls::done(json!({}))
            }
            "typing" => self.typing(socket, user, &body),
            "presence:set" => self.set_presence(socket, user, &body),
            "presence:watch" => self.watch(socket, user, &body).await,
            "history" => self.history(asker, &body).await,
            "auth:refresh" => self.refresh(socket, user, &body).await,
            "ping:app" => calls::done(json!({})),
            name => match intake::taken(name, body) {
                Err(Rejected::Unknown) => calls::refused("unknown_event", "there is no such event"),
                Err(Rejected::TooLarge) => calls::refused("too_large", "it is larger than a message may be"),
                Ok((body, bytes)) if name == "msg:send" => match channel(&body) {
                    Some(channel) => sends::send(&self.0, user, channel, body, bytes).await,
                    None => calls::refused("invalid_request", "`ch` names a channel"),
                },
                Ok((body, _)) => self.call("/internal/act", json!({"user": user, "event": name, "body": body})).await,
            },
        }
    }

    async fn call(&self, path: &str, body: Value) -> Value {
        match calls::messaging(&self.0, path, &body).await {
            Ok(answer) => calls::done(answer),
            Err(error) => calls::failed(&error),
        }
    }

    /// Tells the channel's subscribers here, and the other realtime hosts, best effort.
    fn typing(&self, socket: &Socket, user: &UserId, body: &Value) -> Value {
        let Some(channel) = channel(body).filter(|c| self.0.hub().follows(socket.id(), c)) else {
            return calls::refused("not_subscribed", "follow the channel first");
        };
        if !self.0.hub().may_type(socket.id(), &channel, Instant::now()) {
            return calls::done(json!({}));
        }
        let event = json!({"ch": channel, "user": user});
        self.0.hub().send_volatile(&channel, "typing", &event, Some(socket.id()));
        let state = self.0.clone();
        self.0.env.spawn("typing", async move {
            let peers = &state.config.realtime;
            let call = json!({"channel": channel, "event": event});
            for peer in peers.instances().iter().filter(|p| p.name != state.env.host()) {
                // Volatile: whoever does not hear of it does not show it.
                let _ = peers.call_at(peer, Method::POST, "/internal/typing", &call).await;
            }
        });
        calls::done(json!({}))
    }

    /// What a person says of this device; others hear of it with the next report.
    fn set_presence(&self, socket: &Socket, user: &UserId, body: &Value) -> Value {
        let away = match body["status"].as_str() {
            Some("online" | "active") => false,
            Some("away" | "idle") => true,
            _ => return calls::refused("invalid_request", "`status` is `active` or `idle`"),
        };
        let mut hub = self.0.hub();
        hub.touch(socket.id(), Instant::now());
        if let Some(session) = hub.session(socket.id()) {
            session.away = away;
        }
        hub.presence_changed(user);
        calls::done(json!({}))
    }

    async fn watch(&self, socket: &Socket, user: &UserId, body: &Value) -> Value {
        let asked = body["users"].as_array().map(Vec::as_slice).unwrap_or_default();
        let users: BTreeSet<UserId> = asked.iter().filter_map(Value::as_str).map(UserId::from).collect();
        if users.len() > presence::WATCHED_MAX {
            let title = format!("a socket watches at most {} users", presence::WATCHED_MAX);
            return calls::refused("too_many_users", &title);
        }
        let list: Vec<UserId> = users.iter().cloned().collect();
        if let Some(session) = self.0.hub().session(socket.id()) {
            session.watched = users;
        }
        let found = presence::query(&self.0, user, &list).await;
        calls::done(json!({"items": found.into_values().collect::<Vec<_>>()}))
    }

    /// A page of history, as the public route gives it to this user.
    async fn history(&self, asker: &Asker, body: &Value) -> Value {
        let Some(channel) = channel(body).filter(|c| c.0.bytes().all(|b| b.is_ascii_digit())) else {
            return calls::refused("invalid_request", "`ch` names a channel");
        };
        let mut query: Vec<String> = Vec::new();
        for name in ["after_seq", "before_seq", "around", "limit"] {
            query.extend(body[name].as_u64().map(|value| format!("{name}={value}")));
        }
        let mut headers = self.0.config.messaging.headers();
        for (name, text) in
            [(SUBJECT_HEADER, &asker.user.0), (SESSION_HEADER, &asker.session), (SCOPE_HEADER, &asker.scope)]
        {
            if let Ok(value) = HeaderValue::from_str(text) {
                headers.insert(name, value);
            }
        }
        let path = format!("/api/v1/channels/{channel}/messages?{}", query.join("&"));
        for peer in self.0.config.messaging.instances().iter() {
            if let Ok(reply) = self.0.client.get(&peer.address, &path, headers.clone()).await
                && reply.status.as_u16() < 500
                && let Ok(answer) = reply.json::<Value>()
            {
                return if reply.status.is_success() {
                    calls::done(answer)
                } else {
                    calls::refused(answer["code"].as_str().unwrap_or("refused"), answer["title"].as_str().unwrap_or(""))
                };
            }
        }
        calls::later("unavailable")
    }

    async fn refresh(&self, socket: &Socket, user: &UserId, body: &Value) -> Value {
        let token = body["token"].as_str().unwrap_or_default();
        match self.0.config.verifier.verify(token).await {
            Ok(claims) if claims.sub == user.0 => {
                match self.0.config.revocations.lives(&claims.sid).await {
                    Ok(true) => {}
                    Ok(false) => return calls::refused("unauthenticated", "the session has ended"),
                    Err(_) => return calls::later("unavailable"),
                }
                if let Some(session) = self.0.hub().session(socket.id()) {
                    session.expires_s = claims.exp;
                    session.warned = false;
                    session.session = claims.sid;
                    session.scope = claims.scope;
                }
                calls::done(json!({"expires_s": claims.exp}))
            }
            Ok(_) => calls::refused("another_user", "the token is another user's"),
            Err(TokenError::Unavailable) => calls::later("unavailable"),
            Err(_) => calls::refused("unauthenticated", "the token is not valid"),
        }
    }
}

fn channel(body: &Value) -> Option<ChannelId> {
    body["ch"].as_str().map(ChannelId::from)
}
