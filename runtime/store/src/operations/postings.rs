//! Postings in rank order: streams over sorted keys, their unions, and the intersection of streams by leaps.
//!
//! A place is what follows a posting's prefix: the complemented rank, a zero byte, the id. All streams sort alike, so an
//! intersection leaps from place to place and reads no more than the sparsest stream makes it (Demaine, López-Ortiz, Munro:
//! "Adaptive set intersections, unions, and differences", SODA 2000).

use std::collections::VecDeque;

use crate::engine::{Engine, EngineError};

/// Places read at a time.
const CHUNK: usize = 64;

/// A place in a stream.
pub(super) type Place = Vec<u8>;

/// The place of a document.
pub(super) fn place(rank: u64, id: &str) -> Place {
    [&(!rank).to_be_bytes()[..], b"\0", id.as_bytes()].concat()
}

/// The first place that is greater.
pub(super) fn beyond(mut place: Place) -> Place {
    place.push(0);
    place
}

struct Postings {
    from: Vec<u8>,
    to: Vec<u8>,
    ahead: VecDeque<Place>,
    /// Whether nothing follows what is `ahead`.
    ended: bool,
}

impl Postings {
    fn seek(&mut self, engine: &dyn Engine, target: &[u8]) -> Result<Option<&Place>, EngineError> {
        while self.ahead.front().is_some_and(|place| place.as_slice() < target) {
            self.ahead.pop_front();
        }
        if self.ahead.is_empty() && !self.ended {
            let start = [self.from.as_slice(), target].concat();
            let pairs = engine.scan(&start, &self.to, CHUNK, false)?;
            self.ended = pairs.len() < CHUNK;
            self.ahead.extend(pairs.into_iter().map(|(key, _)| key[self.from.len()..].to_vec()));
        }
        Ok(self.ahead.front())
    }
}

/// The places that are in any of some key ranges.
pub(super) struct Union(Vec<Postings>);

impl Union {
    /// Of these ranges, each of one prefix.
    pub(super) fn new(ranges: Vec<(Vec<u8>, Vec<u8>)>) -> Self {
        let postings = |(from, to)| Postings { from, to, ahead: VecDeque::new(), ended: false };
        Self(ranges.into_iter().map(postings).collect())
    }

    /// The first place from `target` on.
    fn seek(&mut self, engine: &dyn Engine, target: &[u8]) -> Result<Option<Place>, EngineError> {
        let mut first: Option<&Place> = None;
        for postings in &mut self.0 {
            let found = postings.seek(engine, target)?;
            first = match (first, found) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
        }
        Ok(first.cloned())
    }
}

/// The first place from `target` on that is in every union; `None` where there is none, or after `leaps` of them.
pub(super) fn next_in_all(
    engine: &dyn Engine,
    unions: &mut [Union],
    mut target: Place,
    leaps: &mut usize,
) -> Result<Option<Place>, EngineError> {
    let mut agreed = 0;
    let mut turn = 0;
    while agreed < unions.len() {
        let Some(left) = leaps.checked_sub(1) else { return Ok(None) };
        *leaps = left;
        let at = turn % unions.len();
        let Some(found) = unions[at].seek(engine, &target)? else { return Ok(None) };
        if found == target {
            agreed += 1;
        } else {
            target = found;
            agreed = 1;
        }
        turn += 1;
    }
    Ok(Some(target).filter(|_| !unions.is_empty()))
}
