//! One copy: what it knows of its group, and what its node may do because of it.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use archgen_env::{
    Env,
    http::{Client, Limits},
    net::Address,
};
use archgen_ports::ServiceKey;
use http::{HeaderMap, HeaderValue, Method};
use tokio::{sync::watch, time::Instant};

use super::{
    ledger::{Ledger, Meta},
    policy::{Policy, Reads},
    wire::Answer,
};
use crate::engine::{Batch, Engine, EngineError};

/// A leader says at least this often that it leads, milliseconds.
pub(super) const BEAT_MS: u64 = 300;
/// A follower that has heard of no leader for this long stands for election, milliseconds, least and most.
pub(super) const ELECTION_MS: (u64, u64) = (1_200, 2_400);
/// How long a majority's word holds: less than what keeps followers from electing another.
const LEASE_MS: u64 = 1_000;
/// Deadline of what nodes of a group say to each other, milliseconds.
const CALL_MS_MAX: u64 = 1_000;
/// Longest wait for copies, milliseconds: longer than any client's.
const WAIT_MS_MAX: u64 = 3_000;

/// Where a node stands in its group.
#[derive(Debug, Clone)]
pub struct Membership {
    /// Its ordinal in the group.
    pub me: usize,
    /// The group, in order.
    pub members: Vec<Address>,
    /// What the copies promise.
    pub policy: Policy,
}

/// The call belongs to another node of the group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotHere {
    /// The one that leads, as far as it is known.
    pub(crate) leader: Option<u64>,
}

/// What a leader knows of a follower.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Peer {
    /// Durable there up to this entry.
    pub(super) matched: u64,
    /// When what it last answered was sent.
    pub(super) heard: Option<Instant>,
    /// It went another way or is too far behind.
    pub(super) whole: bool,
}

/// A term of leading.
#[derive(Debug)]
pub(super) struct Leading {
    pub(super) term: u64,
    /// The first entry of the term: older ones count only together with it.
    pub(super) begun: u64,
    pub(super) peers: Vec<Peer>,
    pub(super) since: Instant,
}

pub(super) struct State {
    pub(super) meta: Meta,
    pub(super) leader: Option<u64>,
    pub(super) leading: Option<Leading>,
    /// When it last heard from a leader.
    pub(super) contact: Option<Instant>,
    /// When it stands for election, or looks whether it still leads.
    pub(super) due: Instant,
}

/// See the module's documentation.
pub(crate) struct Replica {
    pub(super) env: Env,
    pub(super) me: u64,
    pub(super) members: Vec<Address>,
    pub(super) policy: Policy,
    pub(super) key: ServiceKey,
    pub(super) ledger: Ledger,
    /// Held while anything is written to the engine.
    pub(super) writing: tokio::sync::Mutex<()>,
    state: Mutex<State>,
    pub(super) changed: watch::Sender<u64>,
    client: Client,
    headers: HeaderMap,
}

impl Replica {
    /// Opens the copy in this engine and starts its duties.
    pub(crate) fn start(
        env: &Env,
        engine: Arc<dyn Engine>,
        membership: Membership,
        key: &ServiceKey,
    ) -> Result<Arc<Self>, EngineError> {
        let (ledger, meta) = Ledger::open(engine)?;
        let limits = Limits { call_ms_max: CALL_MS_MAX, connect_ms_max: CALL_MS_MAX, ..Limits::default() };
        let mut headers = HeaderMap::new();
        if let Ok(mut value) = HeaderValue::from_str(key.expose()) {
            value.set_sensitive(true);
            headers.insert(ServiceKey::HEADER, value);
        }
        let now = Instant::now();
        // A group that begins is led by its first; a copy that comes back does not forget at once whom it follows. Where nobody
        // votes, who has forgotten everything first listens whether somebody leads.
        let fresh = meta.term == 0 && membership.me == 0;
        let listens = if membership.policy.volatile { Duration::from_millis(2 * BEAT_MS) } else { Duration::ZERO };
        let state = State {
            meta,
            leader: None,
            leading: None,
            contact: (meta.term > 0).then_some(now),
            due: if fresh {
                now + listens
            } else {
                now + Duration::from_millis(ELECTION_MS.1 + env.entropy("elections").below(ELECTION_MS.0))
            },
        };
        let replica = Arc::new(Self {
            env: env.clone(),
            me: membership.me as u64,
            members: membership.members,
            policy: membership.policy,
            key: key.clone(),
            ledger,
            writing: tokio::sync::Mutex::default(),
            state: Mutex::new(state),
            changed: watch::Sender::new(0),
            client: Client::new(env, limits),
            headers,
        });
        replica.clone().stand_for_elections();
        replica.clone().ship_to_peers();
        Ok(replica)
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn tell(&self) {
        self.changed.send_modify(|version| *version += 1);
    }

    pub(super) fn majority(&self) -> usize {
        self.members.len() / 2 + 1
    }

    /// When it would stand for election, unless it hears of a leader before.
    pub(super) fn next_election(&self) -> Instant {
        let within = self.env.entropy("elections").below(ELECTION_MS.1 - ELECTION_MS.0);
        Instant::now() + Duration::from_millis(ELECTION_MS.0 + within)
    }

    /// One call to another member; `None` where there is no answer.
    pub(super) async fn say(&self, member: u64, path: &str, body: Vec<u8>) -> Option<Answer> {
        let address = self.members.get(member as usize)?;
        let reply = self.client.call(Method::POST, address, path, self.headers.clone(), body).await.ok()?;
        if reply.status.is_success() { Answer::decode(&reply.body) } else { None }
    }

    /// Gives up leading, or following whom it followed; a newer term is followed without a vote in it.
    pub(super) fn step_down(&self, state: &mut State, term: u64) {
        if term > state.meta.term {
            state.meta = Meta { term, voted: None, ..state.meta };
        }
        if state.leading.take().is_some() {
            state.leader = None;
            state.due = self.next_election();
        }
    }

    fn not_here(state: &State, me: u64) -> NotHere {
        NotHere { leader: state.leader.filter(|leader| *leader != me) }
    }

    /// How many members, itself included, have answered what was sent this lately.
    pub(super) fn heard_within(&self, leading: &Leading, within_ms: u64) -> usize {
        let since = Instant::now().checked_sub(Duration::from_millis(within_ms));
        let lately = |peer: &Peer| peer.heard.is_some_and(|at| since.is_none_or(|since| at >= since));
        1 + leading.peers.iter().enumerate().filter(|(i, peer)| *i as u64 != self.me && lately(peer)).count()
    }

    /// The last entry that this many copies have, of what this term's leader may count.
    fn reached(&self, state: &State, copies: usize) -> u64 {
        let Some(leading) = &state.leading else { return 0 };
        let matched =
            |(i, peer): (usize, &Peer)| if i as u64 == self.me { state.meta.last.index } else { peer.matched };
        let mut all: Vec<u64> = leading.peers.iter().enumerate().map(matched).collect();
        all.sort_unstable_by(|a, b| b.cmp(a));
        let reached = all.get(copies.max(1) - 1).copied().unwrap_or(0);
        if reached >= leading.begun { reached } else { 0 }
    }

    /// The term in which it leads, for a write.
    pub(crate) fn leads(&self) -> Result<u64, NotHere> {
        let state = self.state();
        state.leading.as_ref().map(|l| l.term).ok_or_else(|| Self::not_here(&state, self.me))
    }

    /// Appends the writes and applies them; the caller holds the right to write.
    pub(crate) fn append(&self, term: u64, writes: Batch) -> Result<u64, EngineError> {
        let meta = self.state().meta;
        let meta = self.ledger.append(meta, term, writes)?;
        self.state().meta.last = meta.last;
        self.tell();
        Ok(meta.last.index)
    }

    /// The right to write to the engine.
    pub(crate) async fn write(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.writing.lock().await
    }

    /// The end of the log.
    pub(crate) fn end(&self) -> u64 {
        self.state().meta.last.index
    }

    /// Copies that a write waits for, and those that one waits for whose loss nothing may bring about.
    pub(crate) fn acks(&self, certain: bool) -> usize {
        let acks = self.policy.acks as usize;
        if certain { acks.max(self.majority()) } else { acks }
    }

    /// Waits until this many copies have what was written up to here in this term; `false` where it is not known whether they
    /// ever will.
    pub(crate) async fn acknowledged(&self, term: u64, index: u64, copies: usize) -> bool {
        let mut changed = self.changed.subscribe();
        let deadline = Instant::now() + Duration::from_millis(WAIT_MS_MAX);
        loop {
            changed.mark_unchanged();
            {
                let state = self.state();
                if state.leading.as_ref().is_none_or(|l| l.term != term) {
                    return false;
                }
                if self.reached(&state, copies) >= index {
                    return true;
                }
            }
            if !matches!(tokio::time::timeout_at(deadline, changed.changed()).await, Ok(Ok(()))) {
                return false;
            }
        }
    }

    /// Waits until a read here sees what was acknowledged and nothing else, as far as the policy promises it.
    pub(crate) async fn may_read(&self) -> Result<(), NotHere> {
        let (term, end) = {
            let state = self.state();
            let here = match (&state.leading, self.policy.reads) {
                // A copy that has nothing yet is still being made.
                (_, Reads::Any) => {
                    return if state.meta.last.index > 0 { Ok(()) } else { Err(NotHere { leader: None }) };
                }
                (None, _) => false,
                (Some(_), Reads::Leader) => true,
                (Some(l), Reads::Confirmed) => self.heard_within(l, LEASE_MS) >= self.majority(),
                (Some(l), Reads::All) => self.heard_within(l, LEASE_MS) == self.members.len(),
            };
            match &state.leading {
                Some(leading) if here => (leading.term, state.meta.last.index),
                _ => return Err(Self::not_here(&state, self.me)),
            }
        };
        match self.acknowledged(term, end, self.acks(false)).await {
            true => Ok(()),
            false => Err(Self::not_here(&self.state(), self.me)),
        }
    }
}
