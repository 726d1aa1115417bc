//! How long a piece of work may still take: a point in time that goes along with a task through everything it waits for.
//!
//! Who serves a request [`scope`]s its work; every HTTP call and store call made in there waits at most until then. Work that is
//! spawned stands outside: it belongs to nobody who waits.

use std::{future::Future, time::Duration};

use tokio::time::{Instant, error::Elapsed, timeout_at};

tokio::task_local! {
    static UNTIL: Instant;
}

/// Does the work until then at most. A scope within a scope ends no later than the outer one.
///
/// # Errors
/// [`Elapsed`]: the work was dropped.
pub async fn scope<F: Future>(until: Instant, work: F) -> Result<F::Output, Elapsed> {
    let until = UNTIL.try_with(|outer| until.min(*outer)).unwrap_or(until);
    UNTIL.scope(until, timeout_at(until, work)).await
}

/// What is left of the scope; `None` outside of any.
pub fn left() -> Option<Duration> {
    UNTIL.try_with(|until| until.saturating_duration_since(Instant::now())).ok()
}

/// This wait, or what is left of the scope where that is less.
pub fn at_most(wait: Duration) -> Duration {
    left().map_or(wait, |left| left.min(wait))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_scope_bounds_waits_and_an_inner_one_does_not_outlast_it() {
        assert_eq!((left(), at_most(9 * SECOND)), (None, 9 * SECOND));
        let begun = Instant::now();
        let outer = scope(begun + 3 * SECOND, async {
            tokio::time::sleep(SECOND).await;
            assert_eq!((left(), at_most(SECOND), at_most(9 * SECOND)), (Some(2 * SECOND), SECOND, 2 * SECOND));
            let inner = scope(begun + 9 * SECOND, std::future::pending::<()>()).await;
            (inner.is_err(), begun.elapsed())
        });
        // The two end at the same instant; the outer one may be the first to see it.
        assert!(outer.await.map_or(true, |(inner, took)| inner && took == 3 * SECOND));
        assert_eq!(begun.elapsed(), 3 * SECOND);
        assert_eq!(left(), None);
    }
}
