//! Elections: who stands, who votes, who gives up.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use tokio::time::{Instant, sleep_until};

use super::{
    ledger::Meta,
    policy::Failover,
    replica::{BEAT_MS, ELECTION_MS, Leading, Peer, Replica},
    wire::{Answer, Ask},
};
use crate::engine::Batch;

/// Terms skipped where nobody votes.
const TERMS_SKIPPED_MAX: u64 = 1 << 20;

impl Replica {
    pub(super) fn stand_for_elections(self: Arc<Self>) {
        let env = self.env.clone();
        env.spawn("elections", async move {
            loop {
                let due = self.state().due;
                tokio::select! {
                    biased;
                    () = self.env.shutdown().triggered() => return,
                    () = sleep_until(due) => {}
                }
                if self.state().due > Instant::now() {
                    continue;
                }
                if self.look_whether_it_leads() {
                    continue;
                }
                self.campaign().await;
                let mut state = self.state();
                if state.leading.is_none() {
                    state.due = self.next_election();
                }
            }
        });
    }

    /// A leader that a majority has left alone gives up, where its engine would.
    fn look_whether_it_leads(&self) -> bool {
        let mut state = self.state();
        let Some(leading) = &state.leading else { return false };
        let alone = self.heard_within(leading, ELECTION_MS.0) < self.majority();
        let long = leading.since.elapsed() > Duration::from_millis(ELECTION_MS.0);
        if alone && long && self.policy.demotes && self.policy.failover == Failover::Majority {
            let term = state.meta.term;
            self.step_down(&mut state, term);
            drop(state);
            self.tell();
        } else {
            state.due = Instant::now() + Duration::from_millis(BEAT_MS);
        }
        true
    }

    async fn campaign(&self) {
        if self.policy.failover == Failover::Promotion {
            let members = self.members.len() as u64;
            let _writing = self.write().await;
            let meta = self.state().meta;
            // Terms are told apart by who leads in them, and by chance: two that promote themselves never share one, and a life
            // that has forgotten its own does not take it again.
            let step = 1 + self.env.entropy("elections").below(TERMS_SKIPPED_MAX);
            let term = (meta.term / members + step) * members + self.me;
            self.lead(Meta { term, voted: None, ..meta }).await;
            return;
        }
        let before = self.state().meta;
        if !self.is_elected(before.term + 1, before, true).await {
            return;
        }
        let standing = {
            let _writing = self.write().await;
            let meta = self.state().meta;
            let standing = Meta { term: meta.term + 1, voted: Some(self.me), ..meta };
            if meta.term != before.term || self.ledger.note(standing).is_err() {
                return;
            }
            self.state().meta = standing;
            standing
        };
        if self.is_elected(standing.term, standing, false).await {
            let _writing = self.write().await;
            let meta = self.state().meta;
            if meta.term == standing.term && meta.voted == Some(self.me) {
                self.lead(meta).await;
            }
        }
    }

    async fn is_elected(&self, term: u64, meta: Meta, pre: bool) -> bool {
        let ask = Ask { term, candidate: self.me, last: meta.last, pre }.encode();
        let others = (0..self.members.len() as u64).filter(|member| *member != self.me);
        let answers = join_all(others.map(|member| self.say(member, "/replica/ask", ask.clone()))).await;
        let mut votes = 1;
        for answer in answers.into_iter().flatten() {
            votes += usize::from(answer.taken);
            let mut state = self.state();
            if answer.term > state.meta.term && !answer.taken {
                self.step_down(&mut state, answer.term);
            }
        }
        votes >= self.majority()
    }

    /// Begins to lead with an empty entry of its own term. The caller holds the right to write.
    async fn lead(&self, meta: Meta) {
        let Ok(meta) = self.ledger.append(meta, meta.term, Batch::new()) else { return };
        let mut state = self.state();
        let peers = vec![Peer::default(); self.members.len()];
        state.meta = meta;
        state.leader = Some(self.me);
        state.leading = Some(Leading { term: meta.term, begun: meta.last.index, peers, since: Instant::now() });
        state.due = Instant::now() + Duration::from_millis(BEAT_MS);
        drop(state);
        tracing::info!(term = meta.term, "leads its group");
        self.tell();
    }

    /// Votes.
    pub(super) async fn on_ask(&self, ask: Ask) -> Answer {
        let _writing = self.write().await;
        let (mut meta, taken) = {
            let state = self.state();
            let meta = state.meta;
            let content = state.contact.is_some_and(|at| at.elapsed() < Duration::from_millis(ELECTION_MS.0))
                || state.leading.as_ref().is_some_and(|l| self.heard_within(l, ELECTION_MS.0) >= self.majority());
            // Who has nothing may be a new machine in the place of a lost one: it cannot say what was acknowledged. Its vote counts
            // only where the others of a majority must know.
            let known_by_others = self.majority() + self.policy.acks as usize > self.members.len() + 1;
            let knows = meta.last.index > 0 || ask.last.index == 0 || known_by_others;
            let free = ask.term > meta.term || (ask.term == meta.term && meta.voted.is_none_or(|v| v == ask.candidate));
            (meta, !content && knows && free && ask.last >= meta.last)
        };
        let answer = |meta: Meta, taken| Answer { taken, term: meta.term, last: meta.last };
        if !taken || ask.pre {
            return answer(meta, taken);
        }
        meta = Meta { term: ask.term, voted: Some(ask.candidate), ..meta };
        if self.ledger.note(meta).is_err() {
            return answer(meta, false);
        }
        let mut state = self.state();
        self.step_down(&mut state, ask.term);
        state.meta = meta;
        state.leader = None;
        state.due = self.next_election();
        drop(state);
        self.tell();
        answer(meta, true)
    }
}
