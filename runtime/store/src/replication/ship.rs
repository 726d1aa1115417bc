//! Shipping: what a leader sends to each follower, and what a follower does with it.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep, timeout};

use super::{
    ledger::Meta,
    replica::{BEAT_MS, Replica},
    wire::{Answer, Content, Place, Ship},
};
use crate::engine::EngineError;

/// Wait after a failed call, milliseconds.
const RETRY_MS: u64 = 100;

impl Replica {
    pub(super) fn ship_to_peers(self: Arc<Self>) {
        for member in (0..self.members.len() as u64).filter(|member| *member != self.me) {
            let (replica, env) = (self.clone(), self.env.clone());
            env.spawn("shipping", async move {
                tokio::select! {
                    biased;
                    () = replica.env.shutdown().triggered() => {}
                    () = replica.ship_to(member) => {}
                }
            });
        }
    }

    /// The index up to which a follower has the log, and the term, while this one leads.
    fn known_of(&self, member: u64) -> Option<(u64, u64, u64)> {
        let state = self.state();
        let leading = state.leading.as_ref()?;
        Some((leading.term, leading.peers.get(member as usize)?.matched, state.meta.last.index))
    }

    async fn ship_to(&self, member: u64) {
        let mut changed = self.changed.subscribe();
        let mut said = None;
        loop {
            changed.mark_unchanged();
            let Some((term, matched, end)) = self.known_of(member) else {
                said = None;
                let _ = changed.changed().await;
                continue;
            };
            let quiet = said.is_some_and(|at: Instant| at.elapsed() < Duration::from_millis(BEAT_MS));
            if matched >= end && quiet {
                let rest =
                    Duration::from_millis(BEAT_MS).saturating_sub(said.map_or(Duration::ZERO, |at| at.elapsed()));
                let _ = timeout(rest, changed.changed()).await;
                continue;
            }
            if matched < end && self.policy.lag_ms_max > 0 {
                sleep(Duration::from_millis(self.env.entropy("lag").below(self.policy.lag_ms_max))).await;
            }
            said = Some(Instant::now());
            let sent = Instant::now();
            let Ok(Some(ship)) = self.next_for(member, term).await else {
                sleep(Duration::from_millis(RETRY_MS)).await;
                continue;
            };
            match self.say(member, "/replica/ship", ship.encode()).await {
                Some(answer) => {
                    self.heard(member, &ship, answer, sent);
                    if !answer.taken {
                        sleep(Duration::from_millis(RETRY_MS)).await;
                    }
                }
                None => sleep(Duration::from_millis(RETRY_MS)).await,
            }
        }
    }

    /// What a follower needs next; `None` where this one leads no more.
    async fn next_for(&self, member: u64, term: u64) -> Result<Option<Ship>, EngineError> {
        let (peer, last, begun) = {
            let state = self.state();
            let Some(leading) = state.leading.as_ref().filter(|l| l.term == term) else { return Ok(None) };
            (leading.peers[member as usize], state.meta.last, leading.begun)
        };
        let ship = |before, content| Some(Ship { term, leader: self.me, before, content });
        if peer.whole {
            let _writing = self.write().await;
            let last = self.state().meta.last;
            return Ok(ship(last, Content::Whole(self.ledger.whole()?)));
        }
        // Of a follower that has not answered yet it is supposed that it has everything but what this term began with.
        let index = if peer.heard.is_some() { peer.matched } else { begun.saturating_sub(1) };
        match self.ledger.term_at(index)? {
            Some(term) if index <= last.index => {
                Ok(ship(Place { term, index }, Content::Entries(self.ledger.after(index)?)))
            }
            _ => {
                let _writing = self.write().await;
                let last = self.state().meta.last;
                Ok(ship(last, Content::Whole(self.ledger.whole()?)))
            }
        }
    }

    fn heard(&self, member: u64, ship: &Ship, answer: Answer, sent: Instant) {
        let mut state = self.state();
        let end = state.meta.last.index;
        if answer.term > state.meta.term {
            self.step_down(&mut state, answer.term);
        } else if let Some(leading) = state.leading.as_mut().filter(|l| l.term == ship.term) {
            let peer = &mut leading.peers[member as usize];
            peer.heard = Some(sent);
            if answer.taken {
                let count = if let Content::Entries(entries) = &ship.content { entries.len() as u64 } else { 0 };
                peer.matched = peer.matched.max(ship.before.index + count);
                peer.whole = false;
            } else {
                // It has all up to its end, or it went another way.
                let same = self.ledger.term_at(answer.last.index);
                match same {
                    Ok(Some(term)) if term == answer.last.term && answer.last.index <= end => {
                        peer.matched = answer.last.index;
                    }
                    _ => peer.whole = true,
                }
            }
        }
        drop(state);
        self.tell();
    }

    /// Takes what a leader ships.
    pub(super) async fn on_ship(&self, ship: Ship) -> Answer {
        let _writing = self.write().await;
        let meta = {
            let mut state = self.state();
            if ship.term < state.meta.term {
                return Answer { taken: false, term: state.meta.term, last: state.meta.last };
            }
            self.step_down(&mut state, ship.term);
            state.leader = Some(ship.leader);
            state.contact = Some(Instant::now());
            state.due = self.next_election();
            state.meta
        };
        let answer = |meta: Meta, taken| Answer { taken, term: meta.term, last: meta.last };
        let term = ship.term;
        let taken = match self.take(meta, ship) {
            Ok(Some(after)) => {
                self.state().meta = after;
                answer(after, true)
            }
            Ok(None) => answer(meta, false),
            Err(error) => {
                tracing::error!(%error, "what a leader shipped cannot be kept");
                Answer { taken: false, term, last: Place { term: 0, index: meta.last.index } }
            }
        };
        self.tell();
        taken
    }

    fn take(&self, meta: Meta, ship: Ship) -> Result<Option<Meta>, EngineError> {
        let before = ship.before;
        match ship.content {
            Content::Whole(whole) => {
                let after = Meta { last: before, ..meta };
                self.ledger.replace(after, &whole)?;
                Ok(Some(after))
            }
            Content::Entries(entries) if before == meta.last => self.ledger.extend(meta, entries).map(Some),
            Content::Entries(_) if before.index > meta.last.index => Ok(None),
            Content::Entries(entries) => {
                // It may have taken these before, and its answer was lost.
                let mut index = before.index;
                if self.ledger.term_at(index)? != Some(before.term) {
                    return Ok(None);
                }
                let mut fresh = entries.into_iter();
                while index < meta.last.index {
                    let own = self.ledger.term_at(index + 1)?;
                    match fresh.next() {
                        Some((term, _)) if own == Some(term) => index += 1,
                        // What the same leader wrote later, it has as well.
                        None if meta.last.term == ship.term => return Ok(Some(meta)),
                        _ => return Ok(None),
                    }
                }
                self.ledger.extend(meta, fresh.collect()).map(Some)
            }
        }
    }
}
