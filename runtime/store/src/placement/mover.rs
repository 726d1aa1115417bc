//! [`Mover`]: brings a store from one placement to another while it is used. It keeps nothing in memory that the journal on the
//! store's first node does not have, so that it can be killed at any moment and another one goes on.
//!
//! Node by node that gives and node that takes: copy, catch up, then hand over. The giver refuses the units' calls from the moment
//! of the hand-over, its last changes are taken along, counts and checksums must agree, and only then the taker serves them.
//! Clients meet the refusal, learn the new placement from it, and ask again. What the giver had stays until the end.

use std::{collections::BTreeMap, time::Duration};

use archgen_env::{
    Env,
    http::{Client, Limits},
    net::Address,
    sabotage::{Bug, is_planted},
};
use archgen_ports::ServiceKey;
use http::{HeaderMap, HeaderValue, Method};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::{Journal, MoveCall, Phase, Placement, journal::Switching};

/// Changes in one round below which a hand-over begins.
const FEW_CHANGES: usize = 64;
/// Rounds of catching up before it begins anyway: a giver that is written to faster than it is read never has few.
const ROUNDS_MAX: u32 = 200;
/// Time between tries of a node that does not answer.
const AGAIN: Duration = Duration::from_millis(100);
/// How long a node that does not answer is waited for.
const PATIENCE: Duration = Duration::from_secs(60);
/// Deadline of a call, milliseconds: a purge goes through all of a node's data.
const CALL_MS_MAX: u64 = 60_000;

/// A page as nodes answer it.
type Page = (Vec<(Vec<u8>, Vec<u8>)>, Option<Vec<u8>>);
/// Changes as nodes answer them.
type Changes = (Vec<(Vec<u8>, Option<Vec<u8>>)>, bool);

/// Why a move does not go on.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// A node did not answer for a minute.
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

/// Moves units of one store.
pub struct Mover {
    env: Env,
    client: Client,
    headers: HeaderMap,
    /// Node 0 is the one that never leaves.
    first: Address,
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
        Self { env: env.clone(), client: Client::new(env, limits), headers, first }
    }

    /// One call, again while the node does not answer.
    async fn call<T: DeserializeOwned>(&self, node: &Address, call: &MoveCall) -> Result<T, MoveError> {
        let until = Instant::now() + PATIENCE;
        loop {
            let answered = self.client.json(Method::POST, node, "/store/move", self.headers.clone(), call).await;
            let why = match answered {
                Ok(reply) if reply.status.is_success() => match reply.json() {
                    Ok(value) => return Ok(value),
                    Err(error) => error.to_string(),
                },
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

    async fn write(&self, journal: &Journal) -> Result<(), MoveError> {
        let call = MoveCall::WriteJournal { journal: journal.clone() };
        self.call::<Value>(&self.first, &call).await.map(drop)
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
        let journal = Journal::begin(from, goal);
        self.write(&journal).await?;
        Ok(journal)
    }

    /// Tells a move to wait, or to go on; who moves looks at this between pages.
    ///
    /// # Errors
    /// There is none, or the first node does not answer.
    pub async fn pause(&self, paused: bool) -> Result<Journal, MoveError> {
        let mut journal = self.journal().await?.filter(|j| !j.is_done()).ok_or(MoveError::None)?;
        journal.paused = paused;
        self.write(&journal).await?;
        Ok(journal)
    }

    /// Turns a move round: what has moved goes back the same way.
    ///
    /// # Errors
    /// There is none, or the first node does not answer.
    pub async fn turn_round(&self) -> Result<Journal, MoveError> {
        let mut journal = self.journal().await?.filter(|j| !j.is_done()).ok_or(MoveError::None)?;
        if !journal.rolling_back {
            let owners = std::mem::replace(&mut journal.goal.owners, journal.from.owners.clone());
            journal.from.owners = owners;
            journal.rolling_back = true;
        }
        journal.paused = false;
        self.write(&journal).await?;
        Ok(journal)
    }

    /// Goes on with the move until it is done or paused. `told` is called with the journal after each step.
    ///
    /// # Errors
    /// See [`MoveError`]; the move can be taken up again.
    pub async fn go_on(&self, told: &mut (dyn FnMut(&Journal) + Send)) -> Result<Journal, MoveError> {
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
                None => self.clean_up(&mut journal, &placement).await?,
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
        told: &mut (dyn FnMut(&Journal) + Send),
    ) -> Result<(), MoveError> {
        let (giver, taker) = (&placement.nodes[from as usize], &placement.nodes[to as usize]);
        self.step(journal, Phase::Copy).await?;
        told(journal);
        let tracking = self.env.entropy("move").next_u64() | 1;
        self.call::<Value>(giver, &MoveCall::Track { units: units.to_vec(), tracking }).await?;
        self.copy(giver, taker, units).await?;
        self.step(journal, Phase::CatchUp).await?;
        told(journal);
        for _ in 0..ROUNDS_MAX {
            match self.take_changes(giver, taker, tracking).await {
                Ok((taken, more)) if taken < FEW_CHANGES && !more => break,
                Ok(_) => {}
                // The giver was started again: the copy begins anew.
                Err(MoveError::Refused(..)) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        // Somebody may have said `pause` or `rollback` meanwhile.
        let latest = self.journal().await?.ok_or(MoveError::None)?;
        if latest.paused || latest.rolling_back != journal.rolling_back {
            return Ok(());
        }
        let next = placement.with(units, to);
        journal.switching = Some(Switching { from, to, units: units.to_vec(), next: next.clone() });
        self.step(journal, Phase::Switch).await?;
        told(journal);
        let begun = Instant::now();
        match self.call::<Value>(giver, &MoveCall::Switch { tracking, next: next.clone() }).await {
            Ok(_) => {}
            Err(MoveError::Refused(..)) => {
                journal.switching = None;
                return self.step(journal, Phase::Copy).await;
            }
            Err(error) => return Err(error),
        }
        if !is_planted(Bug::SwitchEarly) {
            loop {
                match self.take_changes(giver, taker, tracking).await {
                    Ok((0, false)) => break,
                    Ok(_) => {}
                    // What the giver had noted is gone, but nothing is written there any more: copy it once more.
                    Err(MoveError::Refused(..)) => {
                        self.copy(giver, taker, units).await?;
                        break;
                    }
                    Err(error) => return Err(error),
                }
            }
            self.compare_or_give_back(journal, (from, giver), (to, taker), units, &next).await?;
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
            return self.step(journal, Phase::Copy).await;
        }
        let taken: Placement = self.call(taker, &MoveCall::Placement).await?;
        if taken.version < next.version {
            // The giver refuses these units, so that nothing changes while they are copied.
            self.copy(giver, taker, &units).await?;
            self.compare_or_give_back(journal, (from, giver), (to, taker), &units, &next).await?;
        }
        self.serve(journal, taker, &next).await?;
        self.over(journal, units.len()).await
    }

    /// Copies whole units to a node that has nothing of them.
    async fn copy(&self, giver: &Address, taker: &Address, units: &[u16]) -> Result<(), MoveError> {
        self.call::<Value>(taker, &MoveCall::Purge { units: units.to_vec() }).await?;
        let mut after = None;
        loop {
            let (pairs, next): Page = self.call(giver, &MoveCall::Page { units: units.to_vec(), after }).await?;
            if !pairs.is_empty() {
                let pairs = pairs.into_iter().map(|(key, value)| (key, Some(value))).collect();
                self.call::<Value>(taker, &MoveCall::Load { pairs }).await?;
            }
            after = next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// Brings some changes over: how many, and whether there are more.
    async fn take_changes(&self, giver: &Address, taker: &Address, tracking: u64) -> Result<(usize, bool), MoveError> {
        let (pairs, more): Changes = self.call(giver, &MoveCall::Changed { tracking }).await?;
        let taken = pairs.len();
        if taken > 0 {
            self.call::<Value>(taker, &MoveCall::Load { pairs }).await?;
        }
        Ok((taken, more))
    }

    async fn compare(
        &self,
        (from, giver): (u32, &Address),
        (to, taker): (u32, &Address),
        units: &[u16],
    ) -> Result<(), MoveError> {
        let call = MoveCall::Sum { units: units.to_vec() };
        let given: (u64, u64) = self.call(giver, &call).await?;
        let taken: (u64, u64) = self.call(taker, &call).await?;
        if given == taken { Ok(()) } else { Err(MoveError::Differs { from, to, given: given.0, taken: taken.0 }) }
    }

    /// Where both sides differ the giver serves again, and the move stops.
    async fn compare_or_give_back(
        &self,
        journal: &mut Journal,
        giver: (u32, &Address),
        taker: (u32, &Address),
        units: &[u16],
        next: &Placement,
    ) -> Result<(), MoveError> {
        let compared = self.compare(giver, taker, units).await;
        if matches!(compared, Err(MoveError::Differs { .. })) {
            self.call::<Value>(giver.1, &MoveCall::Adopt { next: next.with(units, giver.0) }).await?;
            journal.switching = None;
            self.step(journal, Phase::Copy).await?;
        }
        compared
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
        let moved = journal.moved.0.saturating_add(units as u32);
        journal.moved.0 = if journal.rolling_back { moved } else { moved.min(journal.moved.1) };
        self.step(journal, Phase::Copy).await
    }

    /// Old copies go; nodes that are no longer wanted have nothing left.
    async fn clean_up(&self, journal: &mut Journal, placement: &Placement) -> Result<(), MoveError> {
        self.step(journal, Phase::CleanUp).await?;
        let wanted = placement.owners.iter().max().map_or(1, |most| *most as usize + 1);
        for (ordinal, node) in (0u32..).zip(&placement.nodes) {
            let others = (0u16..).zip(&placement.owners).filter(|(_, owner)| **owner != ordinal);
            let units: Vec<u16> = others.map(|(unit, _)| unit).collect();
            self.call::<Value>(node, &MoveCall::Purge { units }).await?;
        }
        // Everybody forgets the nodes that hold nothing.
        let mut last = placement.clone();
        last.version += 1;
        last.nodes.truncate(wanted.max(1));
        for node in &placement.nodes {
            self.call::<Value>(node, &MoveCall::Adopt { next: last.clone() }).await?;
        }
        self.step(journal, Phase::Done).await
    }

    /// Writes the journal down with a new phase; what others said in it meanwhile stays.
    async fn step(&self, journal: &mut Journal, phase: Phase) -> Result<(), MoveError> {
        if let Some(latest) = self.journal().await?.filter(|j| !j.is_done()) {
            journal.paused = latest.paused;
            if latest.rolling_back != journal.rolling_back {
                journal.rolling_back = latest.rolling_back;
                journal.goal.owners = latest.goal.owners;
                journal.from.owners = latest.from.owners;
            }
        }
        journal.phase = phase;
        self.write(journal).await
    }
}
