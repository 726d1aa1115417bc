//! Who is connected, who follows what, and delivery in order. All of it under one lock, held for moments and never over a wait.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use archgen_ports::{ChannelId, UserId};
use archgen_socketio::{Encoded, Socket};
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::{
    badges::{Badges, tick},
    cursor::{Cursor, Step},
    tail::Tail,
};
use crate::messaging;

/// Channels that one socket follows.
pub(super) const SUBSCRIPTIONS_MAX: usize = 2_000;
/// A device whose person has done nothing for this long is idle.
const IDLE_AFTER: Duration = Duration::from_secs(300);
/// Time between tellings that somebody types in a channel.
const TYPING_EVERY: Duration = Duration::from_secs(1);
/// How long an ended session is remembered: no access token of it lives longer.
const ENDED_KEPT: Duration = Duration::from_secs(900);
/// Ended sessions that are remembered.
const ENDED_MAX: usize = 100_000;

/// A connected socket.
pub(super) struct Session {
    pub(super) socket: Socket,
    pub(super) user: UserId,
    pub(super) session: String,
    /// Scopes of its token.
    pub(super) scope: String,
    /// Expiry of its token, seconds since the Unix epoch.
    pub(super) expires_s: u64,
    /// Whether it was told that its token will end.
    pub(super) warned: bool,
    /// The client's name for the device.
    pub(super) device: String,
    pub(super) away: bool,
    pub(super) watched: BTreeSet<UserId>,
    channels: BTreeSet<ChannelId>,
    /// Channels that it shows without having them open.
    badges: BTreeSet<ChannelId>,
    active: Instant,
    /// Where its person was last said to type, and when.
    typed: Option<(ChannelId, Instant)>,
}

impl Session {
    /// A socket that has just connected.
    pub(super) fn new(
        socket: Socket,
        user: UserId,
        session: String,
        scope: String,
        expires_s: u64,
        device: String,
    ) -> Self {
        let (watched, channels, badges) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let active = Instant::now();
        Self {
            socket,
            user,
            session,
            scope,
            expires_s,
            warned: false,
            device,
            away: false,
            watched,
            channels,
            badges,
            active,
            typed: None,
        }
    }

    /// Whether it may follow this channel too.
    fn has_room(&self, channel: &ChannelId) -> bool {
        let known = self.channels.contains(channel) || self.badges.contains(channel);
        known || self.channels.len() + self.badges.len() < SUBSCRIPTIONS_MAX
    }

    /// Whether somebody is at this device.
    pub(super) fn is_active(&self, now: Instant) -> bool {
        !self.away && now.duration_since(self.active) < IDLE_AFTER
    }
}

struct Followed {
    cursor: Cursor,
    /// The newest place that was heard of.
    seen: u64,
    fetching: bool,
    tail: Tail,
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
    badges: Badges,
    /// Users whose presence is to be told.
    changed: BTreeSet<UserId>,
    /// Sessions that were ended, so that a token that outlives its session opens nothing.
    ended: BTreeSet<String>,
    ended_at: VecDeque<(Instant, String)>,
}

/// Name of the event that an entry of this kind is sent as.
pub(super) fn event_name(kind: &str) -> &'static str {
    messaging::kind(kind).map_or("chan:event", |kind| kind.event)
}

impl Hub {
    /// A socket came. `false`: its session was ended, and it may not stay.
    pub(super) fn connect(&mut self, session: Session) -> bool {
        if self.ended.contains(&session.session) {
            return false;
        }
        let id = session.socket.id().to_owned();
        self.users.entry(session.user.clone()).or_default().insert(id.clone());
        self.changed.insert(session.user.clone());
        self.sessions.insert(id, session);
        true
    }

    /// A session was ended: none of its tokens is good from now on.
    pub(super) fn end_session(&mut self, session: &str, now: Instant) {
        if self.ended.insert(session.to_owned()) {
            self.ended_at.push_back((now, session.to_owned()));
        }
        while let Some((at, _)) = self.ended_at.front()
            && (now.duration_since(*at) > ENDED_KEPT || self.ended_at.len() > ENDED_MAX)
        {
            if let Some((_, old)) = self.ended_at.pop_front() {
                self.ended.remove(&old);
            }
        }
    }

    /// Somebody did something at a device.
    pub(super) fn touch(&mut self, id: &str, now: Instant) {
        if let Some(session) = self.sessions.get_mut(id) {
            if !session.is_active(now) {
                self.changed.insert(session.user.clone());
            }
            session.active = now;
        }
    }

    /// Whether others are to be told that somebody types: not again within a moment in the same channel.
    pub(super) fn may_type(&mut self, id: &str, channel: &ChannelId, now: Instant) -> bool {
        let Some(session) = self.sessions.get_mut(id) else { return false };
        let again = session
            .typed
            .as_ref()
            .is_some_and(|(in_channel, at)| in_channel == channel && now.duration_since(*at) < TYPING_EVERY);
        if !again {
            session.typed = Some((channel.clone(), now));
        }
        !again
    }

    /// A user's presence is to be told.
    pub(super) fn presence_changed(&mut self, user: &UserId) {
        self.changed.insert(user.clone());
    }

    /// Users whose presence is to be told, at most this many.
    pub(super) fn take_changed(&mut self, count_max: usize) -> Vec<UserId> {
        let taken: Vec<UserId> = self.changed.iter().take(count_max).cloned().collect();
        for user in &taken {
            self.changed.remove(user);
        }
        taken
    }

    /// A socket left. `false`: it was none of ours.
    pub(super) fn disconnect(&mut self, id: &str) -> bool {
        let Some(session) = self.sessions.remove(id) else { return false };
        for channel in &session.channels {
            self.leave_channel(channel, id);
        }
        for channel in &session.badges {
            self.badges.leave(id, channel);
        }
        if let Some(sockets) = self.users.get_mut(&session.user) {
            sockets.remove(id);
            if sockets.is_empty() {
                self.users.remove(&session.user);
            }
        }
        self.changed.insert(session.user);
        true
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

    pub(super) fn sessions_mut(&mut self) -> impl Iterator<Item = &mut Session> {
        self.sessions.values_mut()
    }

    /// The sockets of one user.
    pub(super) fn sessions_of(&self, user: &UserId) -> impl Iterator<Item = &Session> {
        self.users.get(user).into_iter().flatten().filter_map(|id| self.sessions.get(id))
    }

    /// Users with a socket.
    pub(super) fn users(&self) -> Vec<UserId> {
        self.users.keys().cloned().collect()
    }

    /// Makes a socket follow a channel from a place up to which it has everything; `missed` is what it was given to get there.
    pub(super) fn follow(&mut self, id: &str, channel: &ChannelId, place: Cursor, missed: &[Arc<Value>]) -> Joined {
        let Some(session) = self.sessions.get_mut(id) else { return Joined::Gone };
        if !session.has_room(channel) {
            return Joined::Full;
        }
        let followed = self.channels.entry(channel.clone()).or_insert_with(|| Followed {
            cursor: place,
            seen: place.seq,
            fetching: false,
            tail: tail_of(missed),
            sockets: BTreeSet::new(),
        });
        if followed.cursor.seq > place.seq {
            return Joined::Behind;
        }
        followed.sockets.insert(id.to_owned());
        session.channels.insert(channel.clone());
        if session.badges.remove(channel) {
            self.badges.leave(id, channel);
        }
        Joined::Yes
    }

    /// Makes a socket hear that there is more in a channel than this head, and no longer what.
    pub(super) fn follow_badge(&mut self, id: &str, channel: &ChannelId, head: Cursor) -> Joined {
        let Some(session) = self.sessions.get_mut(id) else { return Joined::Gone };
        if !session.has_room(channel) {
            return Joined::Full;
        }
        session.badges.insert(channel.clone());
        self.badges.follow(id, channel, head);
        if session.channels.remove(channel) {
            self.leave_channel(channel, id);
        }
        Joined::Yes
    }

    /// Tells sockets with a badge which heads have moved. Volatile: the next tick says the same and more.
    pub(super) fn send_ticks(&mut self) {
        for (channel, head, sockets) in self.badges.take_moved() {
            let encoded = tick(&channel, head);
            for session in sockets.iter().filter_map(|id| self.sessions.get(id)) {
                session.socket.emit_encoded_volatile(&encoded);
            }
        }
    }

    /// A socket no longer follows a channel, in either way.
    pub(super) fn unfollow(&mut self, id: &str, channel: &ChannelId) {
        if let Some(session) = self.sessions.get_mut(id) {
            session.channels.remove(channel);
            session.badges.remove(channel);
        }
        self.leave_channel(channel, id);
        self.badges.leave(id, channel);
    }

    /// Whether a socket follows a channel.
    pub(super) fn follows(&self, id: &str, channel: &ChannelId) -> bool {
        self.sessions.get(id).is_some_and(|s| s.channels.contains(channel))
    }

    /// Channels with a subscriber, or with somebody who shows a badge.
    pub(super) fn followed(&self) -> Vec<ChannelId> {
        let all: BTreeSet<&ChannelId> = self.channels.keys().chain(self.badges.channels()).collect();
        all.into_iter().cloned().collect()
    }

    /// Takes entries of a channel, in any order, and delivers what is next. Returns the place to fetch from when something is
    /// missing and nobody fetches it yet; the caller then fetches and calls [`Hub::fetched`].
    pub(super) fn deliver(&mut self, channel: &ChannelId, events: &[Arc<Value>]) -> Option<u64> {
        self.note_badges(channel, events);
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
    fn send(&mut self, channel: &ChannelId, event: &Arc<Value>) {
        let kind = event["type"].as_str().unwrap_or_default();
        let encoded = Encoded::event(event_name(kind), event);
        let Some(followed) = self.channels.get_mut(channel) else { return };
        followed.tail.push(followed.cursor.seq, encoded.bytes(), event.clone());
        revise(&mut followed.tail, event);
        for session in followed.sockets.iter().filter_map(|id| self.sessions.get(id)) {
            session.socket.emit_encoded(&encoded);
        }
        self.put_out(channel, event);
    }

    /// Lets go of whoever is removed by this entry.
    fn put_out(&mut self, channel: &ChannelId, event: &Value) {
        if event["type"] == "membership.removed"
            && let Some(user) = event["data"]["user"].as_str().map(UserId::from)
        {
            for id in self.users.get(&user).cloned().unwrap_or_default() {
                self.unfollow(&id, channel);
            }
        }
    }

    /// Takes in, for those who only show a badge, that these entries are there.
    fn note_badges(&mut self, channel: &ChannelId, events: &[Arc<Value>]) {
        for event in events {
            if let (Some(epoch), Some(seq)) = (event["epoch"].as_u64(), event["seq"].as_u64()) {
                self.badges.head(channel, epoch, seq);
            }
            // Subscribers are put out in their order, after they have heard of it.
            if !self.channels.contains_key(channel) {
                self.put_out(channel, event);
            }
        }
    }

    /// What a socket that has everything up to `seq` missed, where it can be said without a read: the entries and the cursor.
    pub(super) fn recent(&self, channel: &ChannelId, seq: u64) -> Option<(Vec<Arc<Value>>, Cursor)> {
        let followed = self.channels.get(channel)?;
        let from = if seq == u64::MAX { followed.cursor.seq } else { seq };
        Some((followed.tail.after(from, followed.cursor.seq)?, followed.cursor))
    }

    /// Says that a head was seen; returns the place to fetch from when the cursor is behind and nobody fetches yet.
    pub(super) fn head(&mut self, channel: &ChannelId, epoch: u64, seq: u64) -> Option<u64> {
        self.badges.head(channel, epoch, seq);
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

/// Brings what lies in the tail up to an edit or a deletion.
fn revise(tail: &mut Tail, event: &Value) {
    let Some(target) = event["data"]["target_seq"].as_u64() else { return };
    let deleted = event["type"] == messaging::DELETED;
    let borrows = event["type"].as_str().and_then(messaging::kind).map_or(&[][..], |kind| kind.borrows);
    let mut content: Map<String, Value> =
        borrows.iter().map(|field| ((*field).to_owned(), event["data"][*field].clone())).collect();
    if deleted || event["data"]["deleted"] == true {
        content = Map::from_iter([("body".to_owned(), Value::Null), ("deleted".to_owned(), Value::Bool(true))]);
    }
    if !content.is_empty() {
        tail.revise(target, &content, deleted);
    }
}

fn tail_of(entries: &[Arc<Value>]) -> Tail {
    let mut tail = Tail::default();
    for entry in entries {
        if let Some(seq) = entry["seq"].as_u64() {
            tail.push(seq, entry.to_string().len(), entry.clone());
        }
    }
    tail
}
