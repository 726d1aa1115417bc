//! [`Transfer`]: what goes between a node that gives units and one that takes them, and how it is seen that both hold the same.

use std::time::Duration;

use archgen_env::net::Address;
use bytes::Bytes;
use http::Method;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::{Digest, Journal, MoveCall, MoveError, Mover, call::END};
use crate::node::{ObjectFile, PIECE_BYTES};

/// Changes in one round below which a hand-over begins.
const FEW_CHANGES: usize = 64;
/// Rounds of catching up before it begins anyway: a giver that is written to faster than it is read never has few.
const ROUNDS_MAX: u32 = 200;
/// Comparisons of one range that is written to meanwhile, before the hand-over compares everything.
const COMPARISONS_MAX: u32 = 20;
/// Time between looks for an order while much is copied.
const LOOK: Duration = Duration::from_millis(250);

/// A page as nodes answer it.
type Page = (Vec<(Vec<u8>, Vec<u8>)>, Option<Vec<u8>>);
/// Changes as nodes answer them.
type Changes = (Vec<(Vec<u8>, Option<Vec<u8>>)>, bool);

/// Units on their way between two nodes.
pub(super) struct Transfer<'a> {
    pub(super) mover: &'a Mover,
    pub(super) giver: &'a Address,
    pub(super) taker: &'a Address,
    pub(super) units: &'a [u16],
    /// Under which the giver notes what changes; 0 where nothing does.
    pub(super) tracking: u64,
    /// Batches of changes that were taken.
    pub(super) batch: u64,
}

/// How fast a copy goes, and what may stop it.
pub(super) struct Pace<'a> {
    mover: &'a Mover,
    /// As it stood when the copy began.
    journal: &'a Journal,
    begun: Instant,
    /// When an order was looked for.
    looked: Instant,
    copied_bytes: u64,
}

impl<'a> Pace<'a> {
    /// The pace that the journal says.
    pub(super) fn of(mover: &'a Mover, journal: &'a Journal) -> Self {
        Self { mover, journal, begun: Instant::now(), looked: Instant::now(), copied_bytes: 0 }
    }

    /// Waits for as long as these bytes may take; whether to go on. In steps, so that an order is heard however slow the pace is.
    async fn keep(&mut self, bytes: u64) -> Result<bool, MoveError> {
        self.copied_bytes += bytes;
        let bytes_per_second_max = self.journal.copied_bytes_per_second_max;
        let due_s = self.copied_bytes as f64 / bytes_per_second_max.max(1) as f64;
        loop {
            if self.looked.elapsed() >= LOOK {
                self.looked = Instant::now();
                let latest = self.mover.journal().await?.ok_or(MoveError::None)?;
                let same = latest.rolling_back == self.journal.rolling_back
                    && latest.copied_bytes_per_second_max == bytes_per_second_max;
                if latest.paused || !same {
                    return Ok(false);
                }
            }
            let left_s = due_s - self.begun.elapsed().as_secs_f64();
            if left_s <= 0.0 {
                return Ok(true);
            }
            sleep(Duration::from_secs_f64(left_s.min(LOOK.as_secs_f64()))).await;
        }
    }
}

impl Transfer<'_> {
    /// Copies whole units to a node that has nothing of them, at a pace where their calls do not wait; how many bytes, or `None` where
    /// an order came in between.
    pub(super) async fn copy(&self, mut pace: Option<Pace<'_>>) -> Result<Option<u64>, MoveError> {
        self.mover.call::<Value>(self.taker, &MoveCall::Purge { units: self.units.to_vec() }).await?;
        let (mut after, mut copied_bytes) = (None, 0u64);
        loop {
            let page = MoveCall::Page { units: self.units.to_vec(), after };
            let (pairs, next): Page = self.mover.call(self.giver, &page).await?;
            if !pairs.is_empty() {
                let pairs = pairs.into_iter().map(|(key, value)| (key, Some(value))).collect();
                let Some(bytes) = self.load(pairs, pace.as_mut()).await? else { return Ok(None) };
                copied_bytes += bytes;
            }
            after = next;
            if after.is_none() {
                return Ok(Some(copied_bytes));
            }
        }
    }

    /// Writes pairs to the taker, after the files that they refer to, and holds what it has then against them; how many bytes, or
    /// `None` where an order came in between.
    async fn load(
        &self,
        mut pairs: Vec<(Vec<u8>, Option<Vec<u8>>)>,
        mut pace: Option<&mut Pace<'_>>,
    ) -> Result<Option<u64>, MoveError> {
        let mut bytes = 0;
        for (key, value) in &mut pairs {
            let Some(file) = value.as_ref().and_then(|value| ObjectFile::of(key, value)) else { continue };
            match self.bring(&file, pace.as_deref_mut()).await {
                Ok(true) => bytes += file.size,
                Ok(false) => return Ok(None),
                // The object was deleted since its row was read: that change follows.
                Err(MoveError::Gone(_)) => *value = None,
                Err(error) => return Err(error),
            }
        }
        let mut sent = Digest::default();
        pairs.iter().for_each(|(key, value)| value.iter().for_each(|value| sent.add(key, value)));
        let stored: Digest = self.mover.call(self.taker, &MoveCall::Load { pairs }).await?;
        if stored != sent {
            return Err(MoveError::Damaged(self.taker.clone()));
        }
        let goes_on = match pace {
            Some(pace) => pace.keep(sent.bytes).await?,
            None => true,
        };
        Ok(goes_on.then_some(sent.bytes + bytes))
    }

    /// Brings a file over, unless it is there; whether no order came in between.
    async fn bring(&self, file: &ObjectFile, mut pace: Option<&mut Pace<'_>>) -> Result<bool, MoveError> {
        let mut at = 0;
        loop {
            let path = format!("/store/file/{}?at={at}&size={}&sha256={}", file.name, file.size, file.sha256);
            let piece = self.mover.exchange(self.giver, Method::GET, &path, Bytes::new()).await?.body;
            let piece_bytes = piece.len() as u64;
            let reply = self.mover.exchange(self.taker, Method::PUT, &path, piece).await?;
            let refused = |why: String| MoveError::Refused(self.taker.clone(), why);
            let there: u64 = reply.json().map_err(|error| refused(error.to_string()))?;
            if let Some(pace) = pace.as_deref_mut()
                && !pace.keep(piece_bytes).await?
            {
                return Ok(false);
            }
            if there >= file.size {
                return Ok(true);
            }
            if piece_bytes < PIECE_BYTES as u64 && there == at + piece_bytes {
                return Err(refused(format!("{there} of {} bytes of a file came", file.size)));
            }
            // A taker that was started again has less than it was sent.
            at = there;
        }
    }

    /// Brings some changes over: how many, and whether there are more.
    async fn take_changes(&mut self) -> Result<(usize, bool), MoveError> {
        self.batch += 1;
        let changed = MoveCall::Changed { tracking: self.tracking, batch: self.batch };
        let (pairs, more): Changes = self.mover.call(self.giver, &changed).await?;
        let taken = pairs.len();
        if taken > 0 {
            // At no pace: below that of the writers it would never be over, and calls wait for what is left of it.
            self.load(pairs, None).await?;
        }
        Ok((taken, more))
    }

    /// Brings changes over until few come in a round.
    pub(super) async fn catch_up(&mut self) -> Result<(), MoveError> {
        for _ in 0..ROUNDS_MAX {
            let (taken, more) = self.take_changes().await?;
            if taken < FEW_CHANGES && !more {
                break;
            }
        }
        Ok(())
    }

    /// Brings all changes over, once there can be no new ones.
    pub(super) async fn drain(&mut self) -> Result<(), MoveError> {
        loop {
            if self.take_changes().await? == (0, false) {
                return Ok(());
            }
        }
    }

    /// Compares both sides range by range while the giver serves; whether all of them agreed. What changes after that is held
    /// against what the taker stored of it when it is brought over.
    pub(super) async fn verify(&mut self) -> Result<bool, MoveError> {
        let mut after = None;
        loop {
            let mut comparisons = 0;
            let next = loop {
                let units = self.units.to_vec();
                let given = MoveCall::Digest { units: units.clone(), after: after.clone(), until: None };
                let (given, next): (Digest, Option<Vec<u8>>) = self.mover.call(self.giver, &given).await?;
                let until = Some(next.clone().unwrap_or_else(|| END.to_vec()));
                let taken = MoveCall::Digest { units, after: after.clone(), until };
                let (taken, _): (Digest, Option<Vec<u8>>) = self.mover.call(self.taker, &taken).await?;
                if given == taken {
                    break next;
                }
                comparisons += 1;
                if comparisons == COMPARISONS_MAX {
                    return Ok(false);
                }
                self.catch_up().await?;
            };
            after = next;
            if after.is_none() {
                return Ok(true);
            }
        }
    }

    /// The digests of everything on both sides.
    pub(super) async fn sums(&self) -> Result<(Digest, Digest), MoveError> {
        let call = MoveCall::Sum { units: self.units.to_vec() };
        Ok((self.mover.call(self.giver, &call).await?, self.mover.call(self.taker, &call).await?))
    }
}
