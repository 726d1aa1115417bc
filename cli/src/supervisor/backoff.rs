//! How long to wait before a host is started again: exponential, with jitter (Brooker, "Exponential Backoff And Jitter", 2015).

use std::time::Duration;

use archgen_env::entropy::Entropy;

/// Doublings after which the wait grows no more.
const DOUBLINGS_MAX: u32 = 16;

/// The waits of one host.
#[derive(Debug)]
pub struct Backoff {
    least: Duration,
    most: Duration,
    tries: u32,
}

impl Backoff {
    /// Waits from `least` to `most`.
    pub fn new((least, most): (Duration, Duration)) -> Self {
        Self { least, most: most.max(least), tries: 0 }
    }

    /// The next wait: between the least and twice the last bound.
    pub fn next(&mut self, entropy: &Entropy) -> Duration {
        let bound = self.least.saturating_mul(1 << self.tries.min(DOUBLINGS_MAX)).min(self.most);
        self.tries = self.tries.saturating_add(1);
        let spread_us = (bound - self.least).as_micros() as u64;
        self.least + Duration::from_micros(entropy.below(spread_us.saturating_add(1)))
    }

    /// Begins again from the least wait.
    pub fn reset(&mut self) {
        self.tries = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_within_bounds_and_begin_again() {
        let entropy = Entropy::new([7; 32]);
        let (least, most) = (Duration::from_millis(200), Duration::from_secs(30));
        let mut backoff = Backoff::new((least, most));
        assert_eq!(backoff.next(&entropy), least);
        let waits: Vec<Duration> = (0..200).map(|_| backoff.next(&entropy)).collect();
        assert!(waits.iter().all(|w| (least..=most).contains(w)));
        assert!(waits[0] <= least * 2 && waits[1] <= least * 4);
        assert!(waits.iter().any(|w| *w > most / 2), "later waits come near the most");
        backoff.reset();
        assert_eq!(backoff.next(&entropy), least);
    }
}
