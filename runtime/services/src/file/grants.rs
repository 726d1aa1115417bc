//! Download URLs that were handed out and may still open. A presigned URL cannot be taken back, so it lives for moments only, and
//! whoever ends a membership waits here until the last one has died.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

/// Pairs of user and channel with a URL that may be alive; one more is refused for now.
const GRANTS_MAX: usize = 100_000;
/// Difference between this host's clock and the blob store's that is allowed for, milliseconds.
const SKEW_MS: u64 = 200;

/// Until when URLs may be alive, by user and channel.
#[derive(Default)]
pub(super) struct Grants(Mutex<BTreeMap<(String, String), Instant>>);

impl Grants {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<(String, String), Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a URL of this life may be handed out; to be called before the membership is looked at. `false` where too many
    /// are alive.
    pub(super) fn note(&self, user: &str, channel: &str, life_ms: u64, now: Instant) -> bool {
        let mut grants = self.lock();
        if grants.len() >= GRANTS_MAX {
            grants.retain(|_, until| *until > now);
        }
        let fits = grants.len() < GRANTS_MAX;
        if fits {
            let until = now + Duration::from_millis(life_ms + SKEW_MS);
            grants.insert((user.to_owned(), channel.to_owned()), until);
        }
        fits
    }

    /// Returns when no URL that this user had of this channel opens anything.
    pub(super) async fn dead(&self, user: &str, channel: &str) {
        let until = self.lock().remove(&(user.to_owned(), channel.to_owned()));
        if let Some(until) = until {
            sleep_until(until).await;
        }
    }
}
