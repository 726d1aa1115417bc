//! What the gateway counts.

use archgen_env::http::{Counter, Probe};

/// Counters of the gateway.
pub(super) struct Counters {
    pub requests: Counter,
    pub limited: Counter,
    pub refused: Counter,
    pub failed: Counter,
    pub retries: Counter,
    pub cache_hits: Counter,
    pub cache_misses: Counter,
}

impl Counters {
    pub(super) fn new(probe: &Probe) -> Self {
        Self {
            requests: probe.counter("gateway_requests", "Requests"),
            limited: probe.counter("gateway_limited", "Requests above a rate limit"),
            refused: probe.counter("gateway_refused", "Requests without a valid access token"),
            failed: probe.counter("gateway_upstream_failures", "Exchanges with an instance that failed"),
            retries: probe.counter("gateway_retries", "Requests sent again to another instance"),
            cache_hits: probe.counter("gateway_cache_hits", "Answers from the cache"),
            cache_misses: probe.counter("gateway_cache_misses", "Answers that the cache did not have"),
        }
    }
}
