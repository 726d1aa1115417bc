//! [`Groups`]: nodes in groups that keep copies, which of them a call goes to, and what a failure means.

use std::{
    future::Future,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use archgen_env::{
    Env, deadline,
    entropy::Entropy,
    http::{Client, ClientError, Limits, Problem},
    net::Address,
};
use archgen_ports::{ChannelId, ServiceKey, StoreError};
use archgen_spec::sharding::{SLOTS, slot_of};
use http::{HeaderMap, HeaderValue, Method};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::{
    answers::of_whole,
    reach::{Call, Partitions, Ports, Reach, Spot},
};
use crate::replication::{Policy, Reads, groups};

/// Deadline of a call, milliseconds; a fetch that waits has its wait on top.
const CALL_MS_MAX: u64 = 2_500;
/// First pause before a call is tried again, milliseconds; it doubles.
pub(super) const RETRY_PAUSE_MS: u64 = 25;
/// Wait after every node of a group has said that it does not lead, milliseconds.
const ELECTION_WAIT_MS: u64 = 100;

/// Nodes that keep copies of the same data.
struct Group {
    members: Vec<Address>,
    /// The one that answered last.
    leader: AtomicUsize,
}

/// What came of one call to one node.
enum Said<T> {
    Answer(Result<T, Failed>),
    /// Certainly nothing was applied; another node may answer, perhaps this one.
    Elsewhere(Option<usize>, StoreError),
}

/// A call without a usable answer.
struct Failed {
    error: StoreError,
    /// Whether the same call may fare better: it is not what was asked that is at fault.
    passing: bool,
}

impl Failed {
    fn passing(error: StoreError) -> Self {
        Self { error, passing: true }
    }

    fn lasting(error: StoreError) -> Self {
        Self { error, passing: false }
    }
}

impl From<Failed> for StoreError {
    fn from(failed: Failed) -> Self {
        failed.error
    }
}

/// A store whose data stay where they are: on nodes that have the only copy, or in groups that keep several.
pub type StoreClient = Ports<Groups>;

/// The nodes of one embedded store. Cloning shares the connections.
#[derive(Clone)]
pub struct Groups {
    client: Client,
    groups: Arc<[Group]>,
    /// By which a copy is chosen, where any may answer a read.
    any: Option<Entropy>,
    pub(super) shards: u16,
    headers: HeaderMap,
    call_ms_max: u64,
    retries: u32,
}

impl Ports<Groups> {
    /// A client of these nodes, ordinal order. `shards` is the number of ownership shards of channels: a channel's data lives on
    /// the node of its shard, where its lease is.
    pub fn new(env: &Env, nodes: Vec<Address>, key: ServiceKey, shards: u16) -> Self {
        Self::copied(env, nodes, key, shards, None)
    }

    /// As [`StoreClient::new`], of nodes that keep copies as this policy says.
    pub fn copied(env: &Env, nodes: Vec<Address>, key: ServiceKey, shards: u16, policy: Option<Policy>) -> Self {
        let limits = Limits { call_ms_max: CALL_MS_MAX, connect_ms_max: 1_000, ..Limits::default() };
        let mut headers = HeaderMap::new();
        if let Ok(mut value) = HeaderValue::from_str(key.expose()) {
            value.set_sensitive(true);
            headers.insert(ServiceKey::HEADER, value);
        }
        let of = groups(nodes.len(), policy.map_or(1, |p| p.copies as usize));
        let group = |range: Range<usize>| Group { members: nodes[range].to_vec(), leader: AtomicUsize::new(0) };
        let groups: Arc<[Group]> = of.into_iter().map(group).collect();
        let any = policy.filter(|p| p.reads == Reads::Any).map(|_| env.entropy("copies"));
        let client = Client::new(env, limits);
        let shards = shards.max(1);
        let nodes = Groups { client, groups, any, shards, headers, call_ms_max: CALL_MS_MAX, retries: 0 };
        Self(nodes, Partitions::default())
    }

    /// The same on the terms of the spec: after how long an answer is given up, and how often a call that may be repeated is tried
    /// again.
    pub fn on(self, timeout: Option<Duration>, retries: u32) -> Self {
        let call_ms_max = timeout.map_or(self.0.call_ms_max, |t| (t.as_millis() as u64).max(1));
        Self(Groups { call_ms_max, retries, ..self.0 }, self.1)
    }
}

impl Groups {
    /// Number of nodes that keep different data: of groups, where they keep copies.
    pub(super) fn node_count(&self) -> usize {
        self.groups.len()
    }

    /// The node of a key: slots in turn over the groups, as [`SlotMap::round_robin`](archgen_spec::sharding::SlotMap::round_robin)
    /// lays them out.
    pub(super) fn node_of(&self, key: &str) -> usize {
        usize::from(slot_of(key.as_bytes(), SLOTS)) % self.groups.len().max(1)
    }

    /// The node of an ownership shard.
    pub(super) fn node_of_shard(&self, shard: u16) -> usize {
        shard as usize % self.groups.len().max(1)
    }

    /// The node of a channel.
    pub(super) fn node_of_channel(&self, channel: &ChannelId) -> usize {
        self.node_of_shard(slot_of(channel.0.as_bytes(), self.shards))
    }

    /// One call to one node.
    pub(super) async fn call<C, T>(&self, node: usize, call: &C) -> Result<T, StoreError>
    where
        C: Call,
        T: DeserializeOwned,
    {
        Ok(self.call_first(node, None, call, self.call_ms_max).await?)
    }

    /// One call that changes nothing, to the node that leads: it may be tried again.
    pub(super) async fn look_at<C, T>(&self, node: usize, call: &C) -> Result<T, StoreError>
    where
        C: Call,
        T: DeserializeOwned,
    {
        self.again(|| self.call_first(node, None, call, self.call_ms_max)).await
    }

    /// One call that the node may hold open for `wait_ms`.
    pub(super) async fn call_waiting<C, T>(&self, node: usize, call: &C, wait_ms: u64) -> Result<T, StoreError>
    where
        C: Call,
        T: DeserializeOwned,
    {
        Ok(self.call_first(node, None, call, self.call_ms_max.saturating_add(wait_ms)).await?)
    }

    /// One call with a deadline of its own, where that is the nearer one.
    pub(super) async fn call_within<C, T>(&self, node: usize, call: &C, call_ms_max: u64) -> Result<T, StoreError>
    where
        C: Call,
        T: DeserializeOwned,
    {
        Ok(self.call_first(node, None, call, call_ms_max.min(self.call_ms_max)).await?)
    }

    /// One call that changes nothing, to whichever copy may answer it.
    pub(super) async fn ask<C, T>(&self, node: usize, call: &C) -> Result<T, StoreError>
    where
        C: Call,
        T: DeserializeOwned,
    {
        let copies = self.groups.get(node).map_or(1, |group| group.members.len());
        let first = self.any.as_ref().map(|entropy| entropy.below(copies as u64) as usize);
        self.again(|| self.call_first(node, first, call, self.call_ms_max)).await
    }

    /// A call that may be repeated: it is, while there is no answer, as often as the terms allow and as long as the work that it
    /// belongs to has time.
    async fn again<T, F>(&self, call: impl Fn() -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, Failed>>,
    {
        let mut left = self.retries;
        let mut pause = Duration::from_millis(RETRY_PAUSE_MS);
        loop {
            let failed = match call().await {
                Ok(answer) => return Ok(answer),
                Err(failed) => failed,
            };
            if !failed.passing || left == 0 || deadline::left().is_some_and(|left| left <= pause) {
                return Err(failed.error);
            }
            left -= 1;
            sleep(pause).await;
            pause *= 2;
        }
    }

    /// One call, first to this member of the group, and on to others while it is certain that nothing was applied.
    async fn call_first<C, T>(&self, node: usize, first: Option<usize>, call: &C, call_ms_max: u64) -> Result<T, Failed>
    where
        C: Call,
        T: DeserializeOwned,
    {
        let group = self
            .groups
            .get(node)
            .ok_or_else(|| Failed::lasting(StoreError::Refused("the store has no node".to_owned())))?;
        let (count, until) =
            (group.members.len(), Instant::now() + deadline::at_most(Duration::from_millis(call_ms_max)));
        let mut at = first.unwrap_or_else(|| group.leader.load(Ordering::Relaxed));
        for tried in 1.. {
            let left_ms = until.saturating_duration_since(Instant::now()).as_millis() as u64;
            match self.say(&group.members[at], call, left_ms.max(1)).await {
                Said::Answer(answer) => {
                    // Who gave no answer is not asked first the next time.
                    let next = if matches!(&answer, Err(Failed { error: StoreError::Indeterminate(_), .. })) {
                        (at + 1) % count
                    } else {
                        at
                    };
                    if first.is_none() {
                        group.leader.store(next, Ordering::Relaxed);
                    }
                    return answer;
                }
                Said::Elsewhere(hint, error) => {
                    at = hint.filter(|hint| *hint < count && tried % count != 0).unwrap_or((at + 1) % count);
                    if count == 1 || Instant::now() >= until {
                        return Err(Failed::passing(error));
                    }
                    if tried % count == 0 {
                        sleep(Duration::from_millis(ELECTION_WAIT_MS)).await;
                    }
                }
            }
        }
        Err(Failed::passing(StoreError::Refused("no node answered".to_owned())))
    }

    async fn say<C, T>(&self, address: &Address, call: &C, call_ms_max: u64) -> Said<T>
    where
        C: Call,
        T: DeserializeOwned,
    {
        let client = self.client.with_deadline(call_ms_max);
        let path = format!("/store/{}", C::PORT);
        let reply = match client.json(Method::POST, address, &path, self.headers.clone(), call).await {
            Ok(reply) => reply,
            // A connection that was never made carried nothing.
            Err(error @ ClientError::Unreachable(..)) => {
                return Said::Elsewhere(None, StoreError::Refused(error.to_string()));
            }
            Err(error @ ClientError::Invalid(_)) => {
                return Said::Answer(Err(Failed::lasting(StoreError::Refused(error.to_string()))));
            }
            Err(error) => return Said::Answer(Err(Failed::passing(StoreError::Indeterminate(error.to_string())))),
        };
        Said::Answer(match reply.status.as_u16() {
            200 => reply.json().map_err(|error| Failed::lasting(StoreError::Indeterminate(error.to_string()))),
            421 => {
                let hint = reply.json::<Problem>().ok().and_then(|problem| problem.title.parse().ok());
                let says = StoreError::Refused(format!("{address} does not lead its group"));
                return Said::Elsewhere(hint, says);
            }
            status @ (400..=499 | 503) => {
                let body = String::from_utf8_lossy(&reply.body);
                let error = StoreError::Refused(format!("{address} answered {status}: {body}"));
                Err(Failed { error, passing: status == 503 })
            }
            status => Err(Failed::passing(StoreError::Indeterminate(format!("{address} answered {status}")))),
        })
    }
}

impl Groups {
    fn node_at(&self, spot: Spot<'_>) -> usize {
        match spot {
            Spot::First => 0,
            Spot::Of(text) => self.node_of(text),
        }
    }
}

impl Reach for Groups {
    async fn write<C: Call, T: DeserializeOwned + Send>(&self, spot: Spot<'_>, call: &C) -> Result<T, StoreError> {
        self.call(self.node_at(spot), call).await
    }

    async fn look<C: Call, T: DeserializeOwned + Send>(&self, spot: Spot<'_>, call: &C) -> Result<T, StoreError> {
        self.look_at(self.node_at(spot), call).await
    }

    async fn wait<C: Call, T: DeserializeOwned + Send>(
        &self,
        spot: Spot<'_>,
        call: &C,
        wait_ms: u64,
    ) -> Result<T, StoreError> {
        self.call_waiting(self.node_at(spot), call, wait_ms).await
    }

    async fn everywhere<C: Call, T: DeserializeOwned + Send>(&self, any: bool, call: &C) -> Result<Vec<T>, StoreError> {
        let mut answers = Vec::with_capacity(self.node_count());
        for node in 0..self.node_count() {
            answers.push(if any { self.ask(node, call).await? } else { self.look_at(node, call).await? });
        }
        Ok(answers)
    }

    async fn divided<K: Clone + Send + Sync, C: Call>(
        &self,
        things: Vec<(String, K)>,
        make: impl Fn(Vec<K>) -> C + Send + Sync,
    ) -> Result<(), StoreError> {
        let mut by_node: Vec<Vec<K>> = vec![Vec::new(); self.node_count()];
        for (text, thing) in things {
            by_node[self.node_of(&text)].push(thing);
        }
        let mut applied = false;
        for (node, things) in by_node.into_iter().enumerate().filter(|(_, things)| !things.is_empty()) {
            self.call::<_, Value>(node, &make(things)).await.map_err(|error| of_whole(applied, error))?;
            applied = true;
        }
        Ok(())
    }
}
