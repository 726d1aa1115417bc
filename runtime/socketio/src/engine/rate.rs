//! [`Rate`]: how much may come at once and in the long run. Pure; times are microseconds of the caller's clock.
//!
//! The generic cell rate algorithm (ITU-T I.371, annex A): one number per limit, and a debt instead of a refusal, so that a
//! client that is too fast is read later and loses nothing.

/// A limit of amounts over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// In the long run; 0 is no limit.
    pub per_second_max: u64,
    /// At once, after a rest.
    pub burst_max: u64,
}

impl RateLimit {
    /// No limit.
    pub const NONE: Self = Self { per_second_max: 0, burst_max: 0 };
}

/// The state of one limit.
#[derive(Debug, Clone)]
pub struct Rate {
    limit: RateLimit,
    paid_until_us: u64,
}

impl Rate {
    /// Rested.
    pub fn new(limit: RateLimit) -> Self {
        Self { limit, paid_until_us: 0 }
    }

    /// Takes this amount, if need be into debt.
    pub fn charge(&mut self, now_us: u64, amount: u64) {
        if let Some(cost_us) = amount.saturating_mul(1_000_000).checked_div(self.limit.per_second_max) {
            self.paid_until_us = self.paid_until_us.max(now_us).saturating_add(cost_us);
        }
    }

    /// When the next may be taken: in the past, when it may be taken now.
    pub fn ready_us(&self) -> u64 {
        let ahead = self.limit.burst_max.saturating_sub(1).saturating_mul(1_000_000);
        ahead.checked_div(self.limit.per_second_max).map_or(0, |ahead_us| self.paid_until_us.saturating_sub(ahead_us))
    }

    /// Takes this amount if it may be taken now.
    pub fn allow(&mut self, now_us: u64, amount: u64) -> bool {
        let ready = self.ready_us() <= now_us;
        if ready {
            self.charge(now_us, amount);
        }
        ready
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_the_rate_then_a_rest() {
        let mut rate = Rate::new(RateLimit { per_second_max: 10, burst_max: 5 });
        let taken = |rate: &mut Rate, now_us: u64| (0..100).take_while(|_| rate.allow(now_us, 1)).count();
        assert_eq!(taken(&mut rate, 1), 5);
        assert_eq!(taken(&mut rate, 100_001), 1);
        assert_eq!(taken(&mut rate, 150_001), 0);
        assert_eq!(taken(&mut rate, 60_000_000), 5, "a rest is worth one burst, however long");
    }

    #[test]
    fn debts_are_paid_and_no_limit_is_none() {
        let mut rate = Rate::new(RateLimit { per_second_max: 1_000, burst_max: 100 });
        rate.charge(0, 10_000);
        assert_eq!(rate.ready_us(), 9_901_000);
        let mut free = Rate::new(RateLimit::NONE);
        free.charge(0, u64::MAX);
        assert!(free.allow(0, u64::MAX));
    }
}
