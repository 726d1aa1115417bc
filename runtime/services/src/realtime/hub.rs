//! Who is connected, who follows what, and delivery in order. All of it under one lock, held for moments and never over a wait.

use std::collections::{BTreeMap, BTreeSet};

use archgen_ports::{ChannelId, UserId};
use archgen_socketio::{Encoded, Socket};
use serde_json::Value;
use tokio::time::Instant;

use super::cursor::{Cursor, Step};

/// Channels that one socket follows.
pub(super) const SUBSCRIPTIONS_MAX: usize = 2_000;
/// Events a socket may send at once, and per second thereafter.
const EVENTS_BURST_MAX: f64 = 200.0;
const EVENTS_PER_SECOND_MAX: f64 = 100.0;

/// A connected socket.
pub(super) struct Session {
    pub(super) socket: Socket,
    pub(super) user: UserId,
    pub(super) session: String,
    /// Scopes of its token.
    pub(super) scope: String,
    /// Expiry of its token, seconds since the Unix epoch.
    pub(super) expires_s: u64,
    pub(super) away: bool,
    pub(super) watched: BTreeSet<UserId>,
    channels: BTreeSet<ChannelId>,
    tokens: f64,
    refilled: Instant,
}

struct Followed {
    cursor: Cursor,
    /// The newest place that was heard of.
    seen: u64,
    fetching: bool,
    sockets: BTreeSet<String>,
}

/// What came of an attempt to follow a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Joined {
    /// The socket now sees everything after the place it gave.
    Yes,
    /// Others have seen more already: fetch from the given place and try again.
    Behind,
    /// It follows as many channels as it may.
    Full,
    /// It is gone.
    Gone,
}

/// Sockets and channels of this host.
#[derive(Default)]
pub(super) struct Hub {
    sessions: BTreeMap<String, Session>,
    /// Sockets of each user.
    users: BTreeMap<UserId, BTreeSet<String>>,
    channels: BTreeMap<ChannelId, Followed>,
}

/// Name of the event that an entry of this kind is sent as.
pub(super) fn event_name(kind: &str) -> &'static str {
    match kind {
        "message.created" => "msg:new",
        "message.edited" => "msg:edited",
        "message.deleted" => "msg:deleted",
        "membership.added" => "member:added",
        "membership.removed" => "member:removed",
        _ => "chan:event",
    }
}

impl Hub {
    /// A socket came.
    pub(super) fn connect(&mut self, socket: Socket, user: UserId, session: String, scope: String, expires_s: u64) {
        let id = socket.id().to_owned();
        self.users.entry(user.clone()).or_default().insert(id.clone());
        let session = Session {
            socket,
            user,
            session,
            scope,
            expires_s,
            away: false,
            watched: BTreeSet::new(),
            channels: BTreeSet::new(),
            tokens: EVENTS_BURST_MAX,
            refilled: Instant::now(),
        };
        self.sessions.insert(id, session);
    }

    /// A socket left; returns its user.
    pub(super) fn disconnect(&mut self, id: &str) -> Option<UserId> {
        let session = self.sessions.remove(id)?;
        for channel in &session.channels {
            self.leave_channel(channel, id);
        }
        if let Some(sockets) = self.users.get_mut(&session.user) {
            sockets.remove(id);
            if sockets.is_empty() {
                self.users.remove(&session.user);
            }
        }
        Some(session.user)
    }

    fn leave_channel(&mut self, channel: &ChannelId, id: &str) {
        if let Some(followed) = self.channels.get_mut(channel) {
            followed.sockets.remove(id);
            if followed.sockets.is_empty() {
                self.channels.remove(channel);
            }
        }
    }

    pub(super) fn session(&mut self, id: &str) -> Option<&mut Session> {
        self.sessions.get_mut(id)
    }

    pub(super) fn sessions(&self) -> impl Iterator<Item = &Session> {
        self.sessions.values()
    }

    /// The sockets of one user.
    pub(super) fn sessions_of(&self, user: &UserId) -> impl Iterator<Item = &Session> {
        self.users.get(user).into_iter().flatten().filter_map(|id| self.sessions.get(id))
    }

    /// Users with a socket.
    pub(super) fn users(&self) -> Vec<UserId> {
        self.users.keys().cloned().collect()
    }

    /// Takes one event from a socket's allowance (token bucket).
    pub(super) fn allow(&mut self, id: &str, now: Instant) -> bool {
        let Some(session) = self.sessions.get_mut(id) else { return false };
        let refill = now.duration_since(session.refilled).as_secs_f64() * EVENTS_PER_SECOND_MAX;
        session.tokens = (session.tokens + refill).min(EVENTS_BURST_MAX);
        session.refilled = now;
        let allowed = session.tokens >= 1.0;
        if allowed {
            session.tokens -= 1.0;
        }
        allowed
    }

    /// Makes a socket follow a channel from a place up to which it has everything.
    pub(super) fn follow(&mut self, id: &str, channel: &ChannelId, place: Cursor) -> Joined {
        let Some(session) = self.sessions.get_mut(id) else { return Joined::Gone };
        if !session.channels.contains(channel) && session.channels.len() >= SUBSCRIPTIONS_MAX {
            return Joined::Full;
        }
        let followed = self.channels.entry(channel.clone()).or_insert_with(|| Followed {
            cursor: place,
            seen: place.seq,
            fetching: false,
            sockets: BTreeSet::new(),
        });
        if followed.cursor.seq > place.seq {
            return Joined::Behind;
        }
        followed.sockets.insert(id.to_owned());
        session.channels.insert(channel.clone());
        Joined::Yes
    }

    /// A socket no longer follows a channel.
    pub(super) fn unfollow(&mut self, id: &str, channel: &ChannelId) {
        if let Some(session) = self.sessions.get_mut(id) {
            session.channels.remove(channel);
        }
        self.leave_channel(channel, id);
    }

    /// Whether a socket follows a channel.
    pub(super) fn follows(&self, id: &str, channel: &ChannelId) -> bool {
        self.sessions.get(id).is_some_and(|s| s.channels.contains(channel))
    }

    /// Channels with a subscriber.
    pub(super) fn followed(&self) -> Vec<ChannelId> {
        self.channels.keys().cloned().collect()
    }

    /// Takes entries of a channel, in any order, and delivers what is next. Returns the place to fetch from when something is
    /// missing and nobody fetches it yet; the caller then fetches and calls [`Hub::fetched`].
    pub(super) fn deliver(&mut self, channel: &ChannelId, events: &[Value]) -> Option<u64> {
        let mut missing = false;
        for event in events {
            let followed = self.channels.get_mut(channel)?;
            let (Some(epoch), Some(seq)) = (event["epoch"].as_u64(), event["seq"].as_u64()) else { continue };
            followed.seen = followed.seen.max(seq);
            match followed.cursor.take(epoch, seq) {
                Step::Ignore => {}
                Step::Fetch => missing = true,
                Step::Deliver => self.send(channel, event),
            }
        }
        if missing { self.begin_fetch(channel) } else { None }
    }

    /// Sends one entry to every subscriber, encoded once. Who is removed by it hears of it and nothing after.
    fn send(&mut self, channel: &ChannelId, event: &Value) {
        let kind = event["type"].as_str().unwrap_or_default();
        let encoded = Encoded::event(event_name(kind), event);
        let ids: Vec<String> =
            self.channels.get(channel).map(|f| f.sockets.iter().cloned().collect()).unwrap_or_default();
        let removed = (kind == "membership.removed").then(|| event["data"]["user"].as_str()).flatten();
        for id in ids {
            let Some(session) = self.sessions.get_mut(&id) else { continue };
            session.socket.emit_encoded(&encoded);
            if removed == Some(session.user.as_str()) {
                session.channels.remove(channel);
                self.leave_channel(channel, &id);
            }
        }
    }

    /// Says that a head was seen; returns the place to fetch from when the cursor is behind and nobody fetches yet.
    pub(super) fn head(&mut self, channel: &ChannelId, seq: u64) -> Option<u64> {
        let followed = self.channels.get_mut(channel)?;
        followed.seen = followed.seen.max(seq);
        let behind = followed.cursor.seq < followed.seen;
        if behind { self.begin_fetch(channel) } else { None }
    }

    fn begin_fetch(&mut self, channel: &ChannelId) -> Option<u64> {
        let followed = self.channels.get_mut(channel).filter(|f| !f.fetching)?;
        followed.fetching = true;
        Some(followed.cursor.seq)
    }

    /// Ends a fetch; returns the cursor and the newest place heard of, perhaps during the fetch, where the channel still has
    /// subscribers.
    pub(super) fn fetched(&mut self, channel: &ChannelId) -> Option<(u64, u64)> {
        let followed = self.channels.get_mut(channel)?;
        followed.fetching = false;
        Some((followed.cursor.seq, followed.seen))
    }

    /// Sends a volatile event to a channel's subscribers but one.
    pub(super) fn send_volatile(&self, channel: &ChannelId, name: &str, event: &Value, but: Option<&str>) {
        let encoded = Encoded::event(name, event);
        for id in self.channels.get(channel).map(|f| &f.sockets).into_iter().flatten() {
            if but != Some(id.as_str())
                && let Some(session) = self.sessions.get(id)
            {
                session.socket.emit_encoded_volatile(&encoded);
            }
        }
    }
}
