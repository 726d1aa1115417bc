//! Memberships that have ended while searches were under way. A search is filtered by the channels that its caller was in when it
//! began; whoever ends a membership has it noted here before that is answered, and no search leaves with hits of a channel whose end was noted
//! since it began.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::messaging::MEMBERSHIP_LEASE_MS;

/// How long the channels that a caller was found in may be relied on. Whoever ends a membership waits as long for a host that does not
/// confirm.
pub(super) const RELIED_ON_MAX: Duration = Duration::from_millis(MEMBERSHIP_LEASE_MS);
/// Ends that are remembered; one more is not confirmed.
const ENDS_MAX: usize = 100_000;

struct End {
    at: Instant,
    user: String,
    channel: String,
}

/// The newest ends, the oldest first.
#[derive(Default)]
pub(super) struct Departures(Mutex<VecDeque<End>>);

impl Departures {
    fn lock(&self) -> MutexGuard<'_, VecDeque<End>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes the end of a membership. `false` where too many have ended just now.
    pub(super) fn note(&self, user: &str, channel: &str, now: Instant) -> bool {
        let mut ends = self.lock();
        // No search that began before is still under way.
        while ends.front().is_some_and(|end| now.duration_since(end.at) > RELIED_ON_MAX) {
            ends.pop_front();
        }
        let fits = ends.len() < ENDS_MAX;
        if fits {
            // Who looked at the clock earlier may come here later. Their places stay in the order of time, the later way.
            let at = ends.back().map_or(now, |last| last.at.max(now));
            ends.push_back(End { at, user: user.to_owned(), channel: channel.to_owned() });
        }
        fits
    }

    /// The channels that this user was in and is no more, by what was noted since then.
    pub(super) fn since(&self, user: &str, began: Instant) -> BTreeSet<String> {
        let ends = self.lock();
        let since = ends.iter().rev().take_while(|end| end.at >= began);
        since.filter(|end| end.user == user).map(|end| end.channel.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_count_for_searches_that_began_before_and_are_forgotten_in_time() {
        let (departures, began) = (Departures::default(), Instant::now());
        let at = |ms: u64| began + Duration::from_millis(ms);
        assert!(departures.note("bob", "1", at(10)) && departures.note("eve", "2", at(20)));
        assert_eq!(departures.since("bob", began), BTreeSet::from(["1".to_owned()]));
        assert_eq!(departures.since("eve", at(20)), BTreeSet::from(["2".to_owned()]));
        assert!(departures.since("bob", at(11)).is_empty(), "who was let in again is in");
        assert!(departures.note("bob", "3", at(11 + MEMBERSHIP_LEASE_MS)));
        assert_eq!(departures.lock().len(), 2);
    }

    #[test]
    fn an_end_that_is_noted_late_hides_none_before_it() {
        let (departures, began) = (Departures::default(), Instant::now());
        let (early, late) = (began - Duration::from_millis(1), began + Duration::from_millis(1));
        // Two calls look at the clock in one order and come to the list in the other.
        assert!(departures.note("bob", "1", late) && departures.note("eve", "2", early));
        assert_eq!(departures.since("bob", began), BTreeSet::from(["1".to_owned()]));
    }

    #[test]
    fn no_more_ends_are_confirmed_than_are_remembered() {
        let (departures, now) = (Departures::default(), Instant::now());
        assert!((0..ENDS_MAX).all(|_| departures.note("bob", "1", now)));
        assert!(!departures.note("bob", "1", now));
        assert!(departures.note("bob", "1", now + RELIED_ON_MAX + Duration::from_millis(1)));
    }
}
