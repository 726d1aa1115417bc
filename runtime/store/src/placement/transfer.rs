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

impl Transfer<'_> {
    /// Copies whole units to a node that has nothing of them, at so many bytes a second where their calls do not wait; how many
    /// bytes, or `None` where an order came in between.
    pub(super) async fn copy(&self, journal: &Journal, pace: Option<u64>) -> Result<Option<u64>, MoveError> {
        let (begun, mut looked) = (Instant::now(), Instant::now());
        self.mover.call::<Value>(self.taker, &MoveCall::Purge { units: self.units.to_vec() }).await?;
        let (mut after, mut copied) = (None, 0u64);
        loop {
            let page = MoveCall::Page { units: self.units.to_vec(), after };
            let (pairs, next): Page = self.mover.call(self.giver, &page).await?;
            if !pairs.is_empty() {
                copied += self.load(pairs.into_iter().map(|(key, value)| (key, Some(value))).collect(), pace).await?;
            }
            after = next;
            if after.is_none() {
                return Ok(Some(copied));
            }
            let Some(pace) = pace else { continue };
            // In steps, so that an order is heard while the pace is slow.
            let due = begun + Duration::from_secs_f64(copied as f64 / pace.max(1) as f64);
            loop {
                if looked.elapsed() >= LOOK {
                    looked = Instant::now();
                    let latest = self.mover.journal().await?.ok_or(MoveError::None)?;
                    let same =
                        latest.rolling_back == journal.rolling_back && latest.copied_bytes_per_second_max == pace;
                    if latest.paused || !same {
                        return Ok(None);
                    }
                }
                let left = due.duration_since(Instant::now());
                if left.is_zero() {
                    break;
                }
                sleep(left.min(LOOK)).await;
            }
        }
    }

    /// Writes pairs to the taker, after the files that they refer to, and holds what it has then against them; how many bytes.
    async fn load(&self, mut pairs: Vec<(Vec<u8>, Option<Vec<u8>>)>, pace: Option<u64>) -> Result<u64, MoveError> {
        let mut bytes = 0;
        for (key, value) in &mut pairs {
            let Some(file) = value.as_ref().and_then(|value| ObjectFile::of(key, value)) else { continue };
            match self.bring(&file, pace).await {
                Ok(()) => bytes += file.size,
                // The object was deleted since its row was read: that change follows.
                Err(MoveError::Gone(_)) => *value = None,
                Err(error) => return Err(error),
            }
        }
        let mut sent = Digest::default();
        pairs.iter().for_each(|(key, value)| value.iter().for_each(|value| sent.add(key, value)));
        let stored: Digest = self.mover.call(self.taker, &MoveCall::Load { pairs }).await?;
        if stored == sent { Ok(sent.bytes + bytes) } else { Err(MoveError::Damaged(self.taker.clone())) }
    }

    /// Brings a file over, unless it is there.
    async fn bring(&self, file: &ObjectFile, pace: Option<u64>) -> Result<(), MoveError> {
        let begun = Instant::now();
        let mut at = 0;
        loop {
            let path = format!("/store/file/{}?at={at}&size={}&sha256={}", file.name, file.size, file.sha256);
            let piece = self.mover.exchange(self.giver, Method::GET, &path, Bytes::new()).await?.body;
            let (sent, whole) = (at + piece.len() as u64, piece.len() < PIECE_BYTES);
            let reply = self.mover.exchange(self.taker, Method::PUT, &path, piece).await?;
            let refused = |why: String| MoveError::Refused(self.taker.clone(), why);
            let there: u64 = reply.json().map_err(|error| refused(error.to_string()))?;
            if there >= file.size {
                return Ok(());
            }
            if whole && there == sent {
                return Err(refused(format!("{} of {} bytes of a file came", there, file.size)));
            }
            // A taker that was started again has less than it was sent.
            at = there;
            if let Some(pace) = pace {
                sleep((begun + Duration::from_secs_f64(at as f64 / pace.max(1) as f64)).duration_since(Instant::now()))
                    .await;
            }
        }
    }

    /// Brings some changes over: how many, and whether there are more.
    async fn take_changes(&mut self) -> Result<(usize, bool), MoveError> {
        self.batch += 1;
        let changed = MoveCall::Changed { tracking: self.tracking, batch: self.batch };
        let (pairs, more): Changes = self.mover.call(self.giver, &changed).await?;
        let taken = pairs.len();
        if taken > 0 {
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
