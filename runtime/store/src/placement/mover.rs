//! [`Mover`]: brings a store from one placement to another while it is used. It keeps nothing in memory that the journal on the
//! store's first node does not have, so that it can be killed at any moment and another one goes on.
//!
//! Node by node that gives and node that takes: copy, catch up, then hand over. The giver refuses the units' calls from the moment
//! of the hand-over, its last changes are taken along, counts and checksums have agreed, and only then the taker serves them.
//! Clients meet the refusal, learn the new placement from it, and ask again. What the giver had stays until the end.

use std::{collections::BTreeMap, time::Duration};

use archgen_env::{
    Env,
    http::{Client, Limits, Reply},
    net::Address,
    sabotage::{Bug, is_planted},
};
use archgen_ports::ServiceKey;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::{
    Journal, MoveCall, Order, Phase, Placement,
    journal::Switching,
    transfer::{Pace, Transfer},
};

/// Time between tries of a node that does not answer.
const AGAIN: Duration = Duration::from_millis(100);
/// How long a node that does not answer is waited for.
const PATIENCE: Duration = Duration::from_secs(60);
/// And where a person waits.
const HASTE: Duration = Duration::from_secs(3);
/// Deadline of a call, milliseconds: a purge goes through all of a node's data.
const CALL_MS_MAX: u64 = 60_000;

/// How long the way back is kept open once everything has moved, milliseconds.
const KEEP_MS: u64 = 3_000;

/// Called with the journal after each step.
pub type Told<'a> = dyn FnMut(&Journal) + Send + 'a;

/// Why a move does not go on.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// A node did not answer for as long as could be waited.
    #[error("{0} does not answer: {1}")]
    Silent(Address, String),
    /// A node refused.
    #[error("{0} refuses: {1}")]
    Refused(Address, String),
    /// Both sides of a hand-over hold different data.
    #[error("units on node {from} and node {to} differ ({given} and {taken} pairs): they stay where they were")]
    Differs {
        /// Ordinal of the giver.
        from: u32,
        /// Ordinal of the taker.
        to: u32,
        /// Pairs there.
        given: u64,
        /// Pairs here.
        taken: u64,
    },
    /// A node has no such file: its object was deleted meanwhile.
    #[error("{0} has no such file")]
    Gone(Address),
    /// A node does not hold what was written to it.
    #[error("{0} does not hold what was written to it")]
    Damaged(Address),
    /// Another move is under way.
    #[error(
        "another move is under way ({moved} of {all} units): finish it with `resume`, or take it back with `rollback`"
    )]
    Another {
        /// Units that have moved.
        moved: u32,
        /// All of them.
        all: u32,
    },
    /// There is none.
    #[error("no move is under way")]
    None,
}

/// `None` where the node refused: it was started again, and what it noted for the copy is gone.
fn unless_refused<T>(result: Result<T, MoveError>) -> Result<Option<T>, MoveError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(MoveError::Refused(..)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Moves units of one store.
pub struct Mover {
    env: Env,
    client: Client,
    headers: HeaderMap,
    /// Node 0 is the one that never leaves.
    first: Address,
    /// How long a node that does not answer is waited for.
    patience: Duration,
}

impl Mover {
    /// A mover for the store whose first node is here.
    pub fn new(env: &Env, first: Address, key: &ServiceKey) -> Self {
        let limits = Limits { call_ms_max: CALL_MS_MAX, connect_ms_max: 1_000, ..Limits::default() };
        let mut headers = HeaderMap::new();
        if let Ok(mut value) = HeaderValue::from_str(key.expose()) {
            value.set_sensitive(true);
            headers.insert(ServiceKey::HEADER, value);
        }
        Self { env: env.clone(), client: Client::new(env, limits), headers, first, patience: PATIENCE }
    }

    /// The same for somebody who wants an answer soon.
    pub fn hasty(mut self) -> Self {
        self.patience = HASTE;
        self
    }

    /// One call, again while the node does not answer.
    pub(super) async fn call<T: DeserializeOwned>(&self, node: &Address, call: &MoveCall) -> Result<T, MoveError> {
        let body = serde_json::to_vec(call).map_err(|error| MoveError::Refused(node.clone(), error.to_string()))?;
        let reply = self.exchange(node, Method::POST, "/store/move", body.into()).await?;
        reply.json().map_err(|error| MoveError::Refused(node.clone(), error.to_string()))
    }

    /// One exchange, again while the node does not answer.
    pub(super) async fn exchange(
        &self,
        node: &Address,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Reply, MoveError> {
        let until = Instant::now() + self.patience;
        let mut headers = self.headers.clone();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        loop {
            let answered = self.client.call(method.clone(), node, path, headers.clone(), body.clone()).await;
            let why = match answered {
                Ok(reply) if reply.status.is_success() => return Ok(reply),
                Ok(reply) if reply.status == StatusCode::NOT_FOUND => return Err(MoveError::Gone(node.clone())),
                Ok(reply) if reply.status.is_client_error() => {
                    return Err(MoveError::Refused(node.clone(), String::from_utf8_lossy(&reply.body).into_owned()));
                }
                Ok(reply) => format!("status {}", reply.status.as_u16()),
                Err(error) => error.to_string(),
            };
            if Instant::now() >= until {
                return Err(MoveError::Silent(node.clone(), why));
            }
            sleep(AGAIN).await;
        }
    }

    /// The journal of the last move.
    ///
    /// # Errors
    /// The first node does not answer.
    pub async fn journal(&self) -> Result<Option<Journal>, MoveError> {
        self.call(&self.first, &MoveCall::ReadJournal).await
    }

    /// Writes the journal down; what was ordered meanwhile comes back with it.
    async fn write(&self, journal: &mut Journal, begins: bool) -> Result<(), MoveError> {
        let call = MoveCall::WriteJournal { journal: journal.clone(), begins };
        *journal = self.call(&self.first, &call).await?;
        Ok(())
    }

    /// The newest placement that any of these nodes knows; those that do not answer know nothing newer than those that took part
    /// in the last hand-over, which is not over before they do.
    async fn newest(&self, nodes: &[Address]) -> Result<Placement, MoveError> {
        let mut newest: Placement = self.call(&self.first, &MoveCall::Placement).await?;
        for node in nodes.iter().filter(|n| **n != self.first) {
            let found: Placement = self.call(node, &MoveCall::Placement).await?;
            if found.version > newest.version {
                newest = found;
            }
        }
        Ok(newest)
    }

    /// How many nodes the store has, counted from the first; those that left are none of them.
    ///
    /// # Errors
    /// The first node does not answer.
    pub async fn nodes(&self) -> Result<u32, MoveError> {
        let placement: Placement = self.call(&self.first, &MoveCall::Placement).await?;
        Ok(placement.nodes.len() as u32)
    }

    /// Begins a move to these nodes: the fewest units, as the planner has it. Nothing happens before [`Self::go_on`].
    ///
    /// # Errors
    /// Another one is under way, or a node does not answer.
    pub async fn begin(&self, nodes: Vec<Address>) -> Result<Journal, MoveError> {
        if let Some(journal) = self.journal().await?.filter(|j| !j.is_done()) {
            let (moved, all) = journal.moved;
            return Err(MoveError::Another { moved, all });
        }
        let from: Placement = self.call(&self.first, &MoveCall::Placement).await?;
        let owners = from.resized(nodes.len() as u32);
        // Old nodes that leave keep their ordinals until they are empty.
        let mut all = nodes;
        all.extend(from.nodes.iter().skip(all.len()).cloned());
        let goal = Placement { version: from.version, nodes: all, owners };
        let mut journal = Journal::begin(from, goal);
        self.write(&mut journal, true).await?;
        Ok(journal)
    }

    /// Gives an order to the move under way; who moves looks for one between pages.
    ///
    /// # Errors
    /// There is none, or the first node does not answer.
    pub async fn order(&self, order: Order) -> Result<Journal, MoveError> {
        self.call::<Option<Journal>>(&self.first, &MoveCall::Order { order }).await?.ok_or(MoveError::None)
    }

    /// Goes on with the move until it is done or paused. `told` is called with the journal after each step.
    ///
    /// # Errors
    /// See [`MoveError`]; the move can be taken up again.
    pub async fn go_on(&self, told: &mut Told<'_>) -> Result<Journal, MoveError> {
        loop {
            let mut journal = self.journal().await?.ok_or(MoveError::None)?;
            told(&journal);
            if journal.is_done() || journal.paused {
                return Ok(journal);
            }
            if journal.switching.is_some() {
                self.finish_switch(&mut journal).await?;
                continue;
            }
            let nodes = journal.goal.nodes.clone();
            let mut placement = self.newest(&nodes).await?;
            placement.nodes = nodes;
            let mut pairs: BTreeMap<(u32, u32), Vec<u16>> = BTreeMap::new();
            for ((unit, is), goal) in (0u16..).zip(&placement.owners).zip(&journal.goal.owners) {
                if is != goal {
                    pairs.entry((*is, *goal)).or_default().push(unit);
                }
            }
            match pairs.into_iter().next() {
                Some(((from, to), units)) => self.one(&mut journal, &placement, (from, to), &units, told).await?,
                None => self.end(&mut journal, &placement, told).await?,
            }
        }
    }

    /// Copies what moves between two nodes, then hands it over.
    async fn one(
        &self,
        journal: &mut Journal,
        placement: &Placement,
        (from, to): (u32, u32),
        units: &[u16],
        told: &mut Told<'_>,
    ) -> Result<(), MoveError> {
        let (giver, taker) = (&placement.nodes[from as usize], &placement.nodes[to as usize]);
        self.step(journal, Phase::Copy, told).await?;
        let tracking = self.env.entropy("move").next_u64() | 1;
        self.call::<Value>(giver, &MoveCall::Track { units: units.to_vec(), tracking }).await?;
        let mut transfer = Transfer { mover: self, giver, taker, units, tracking, batch: 0 };
        let Some(copied) = transfer.copy(Some(Pace::of(self, journal))).await? else {
            return Ok(());
        };
        journal.copied_bytes += copied;
        self.step(journal, Phase::CatchUp, told).await?;
        // Where the giver was started again the copy begins anew.
        if unless_refused(transfer.catch_up().await)?.is_none() {
            return Ok(());
        }
        self.step(journal, Phase::Verify, told).await?;
        let Some(is_same) = unless_refused(transfer.verify().await)? else { return Ok(()) };
        // Somebody may have said `pause` or `rollback` meanwhile.
        let rolling_back = journal.rolling_back;
        let next = placement.with(units, to);
        journal.switching = Some(Switching { from, to, units: units.to_vec(), next: next.clone() });
        self.step(journal, Phase::Switch, told).await?;
        if journal.paused || journal.rolling_back != rolling_back {
            journal.switching = None;
            return self.step(journal, Phase::Copy, told).await;
        }
        let begun = Instant::now();
        let given = self.call::<Value>(giver, &MoveCall::Switch { tracking, next: next.clone() }).await;
        if unless_refused(given)?.is_none() {
            // The giver was started again, before it gave or after: what it has on record decides.
            return Ok(());
        }
        if !is_planted(Bug::SwitchEarly) {
            let drained = unless_refused(transfer.drain().await)?.is_some();
            if !drained {
                // What the giver had noted is gone, but nothing is written there any more: copy it once more.
                transfer.copy(None).await?;
            }
            if !(drained && is_same) {
                self.compare_or_give_back(journal, &transfer, (from, to), &next).await?;
            }
        }
        self.serve(journal, taker, &next).await?;
        let waited = begun.elapsed().as_millis() as u64;
        journal.waited_ms_max = journal.waited_ms_max.max(waited);
        self.over(journal, units.len()).await
    }

    /// A hand-over that somebody began: it is completed where the giver has given, and forgotten where it has not.
    async fn finish_switch(&self, journal: &mut Journal) -> Result<(), MoveError> {
        let Some(Switching { from, to, units, next }) = journal.switching.clone() else { return Ok(()) };
        let (giver, taker) = (&next.nodes[from as usize], &next.nodes[to as usize]);
        let given: Placement = self.call(giver, &MoveCall::Placement).await?;
        if given.version < next.version {
            journal.switching = None;
            journal.phase = Phase::Copy;
            return self.write(journal, false).await;
        }
        let taken: Placement = self.call(taker, &MoveCall::Placement).await?;
        if taken.version < next.version {
            // The giver refuses these units, so that nothing changes while they are copied.
            let transfer = Transfer { mover: self, giver, taker, units: &units, tracking: 0, batch: 0 };
            transfer.copy(None).await?;
            self.compare_or_give_back(journal, &transfer, (from, to), &next).await?;
        }
        self.serve(journal, taker, &next).await?;
        self.over(journal, units.len()).await
    }

    /// Where both sides differ the giver serves again, and the move stops.
    async fn compare_or_give_back(
        &self,
        journal: &mut Journal,
        transfer: &Transfer<'_>,
        (from, to): (u32, u32),
        next: &Placement,
    ) -> Result<(), MoveError> {
        let (given, taken) = transfer.sums().await?;
        if given == taken {
            return Ok(());
        }
        self.call::<Value>(transfer.giver, &MoveCall::Adopt { next: next.with(transfer.units, from) }).await?;
        journal.switching = None;
        journal.phase = Phase::Copy;
        self.write(journal, false).await?;
        Err(MoveError::Differs { from, to, given: given.pairs, taken: taken.pairs })
    }

    /// The taker serves; then all others learn of it.
    async fn serve(&self, journal: &Journal, taker: &Address, next: &Placement) -> Result<(), MoveError> {
        let adopt = MoveCall::Adopt { next: next.clone() };
        self.call::<Value>(taker, &adopt).await?;
        for node in journal.goal.nodes.iter().filter(|n| *n != taker) {
            self.call::<Value>(node, &adopt).await?;
        }
        Ok(())
    }

    async fn over(&self, journal: &mut Journal, units: usize) -> Result<(), MoveError> {
        journal.switching = None;
        journal.phase = Phase::Copy;
        let (moved, all) = journal.moved;
        let units = units as u32;
        journal.moved.0 = if journal.rolling_back { moved.saturating_sub(units) } else { all.min(moved + units) };
        self.write(journal, false).await
    }

    /// Nothing is left to move: the way back is kept for a while, then old copies go.
    async fn end(&self, journal: &mut Journal, placement: &Placement, told: &mut Told<'_>) -> Result<(), MoveError> {
        let now_ms = self.env.wall_ms();
        match journal.phase {
            _ if journal.rolling_back => self.clean_up(journal, placement, told).await,
            Phase::Keep if now_ms >= journal.keep_until_ms => self.clean_up(journal, placement, told).await,
            Phase::CleanUp => self.clean_up(journal, placement, told).await,
            Phase::Keep => {
                sleep(AGAIN).await;
                Ok(())
            }
            _ => {
                journal.keep_until_ms = now_ms + KEEP_MS;
                self.step(journal, Phase::Keep, told).await
            }
        }
    }

    /// Old copies go; nodes that are no longer wanted have nothing left.
    async fn clean_up(
        &self,
        journal: &mut Journal,
        placement: &Placement,
        told: &mut Told<'_>,
    ) -> Result<(), MoveError> {
        let rolling_back = journal.rolling_back;
        self.step(journal, Phase::CleanUp, told).await?;
        if journal.paused || journal.rolling_back != rolling_back {
            return Ok(());
        }
        let wanted = placement.owners.iter().max().map_or(1, |most| *most as usize + 1);
        for (ordinal, node) in (0u32..).zip(&placement.nodes) {
            let others = (0u16..).zip(&placement.owners).filter(|(_, owner)| **owner != ordinal);
            let units: Vec<u16> = others.map(|(unit, _)| unit).collect();
            self.call::<Value>(node, &MoveCall::Purge { units }).await?;
        }
        // Everybody forgets the nodes that hold nothing; the first one last, for it is asked where a move stands.
        let mut last = placement.clone();
        last.version += 1;
        last.nodes.truncate(wanted.max(1));
        for node in placement.nodes.iter().rev() {
            self.call::<Value>(node, &MoveCall::Adopt { next: last.clone() }).await?;
        }
        self.step(journal, Phase::Done, told).await
    }

    /// Writes the journal down with a new phase.
    async fn step(&self, journal: &mut Journal, phase: Phase, told: &mut Told<'_>) -> Result<(), MoveError> {
        journal.phase = phase;
        self.write(journal, false).await?;
        told(journal);
        Ok(())
    }
}
