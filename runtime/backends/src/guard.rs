//! [`Guard`]: what every call to a real engine goes through: a deadline, bounded retries of reads, and a breaker that refuses at once
//! while the engine is known to be away.

use std::{
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use archgen_env::{deadline, entropy::Entropy, http::Probe};
use archgen_ports::StoreError;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
};
use tokio::time::{Instant, sleep, timeout};

use crate::Target;

/// Tries of a read.
const READ_TRIES_MAX: u32 = 3;
/// First pause before a read is tried again, milliseconds; it grows with each try, and is drawn between a half and the whole.
const RETRY_PAUSE_MS: u64 = 40;
/// Failures in a row after which the breaker opens.
const FAILURES_MAX: u32 = 5;
/// How long an open breaker refuses before it lets one call try, milliseconds.
const OPEN_MS: u64 = 1_000;

/// How a call to an engine fails, as far as what to do next depends on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// No connection: certainly nothing was done. The engine may be away.
    Unreachable(String),
    /// The engine answered that it will not.
    Refused(String),
    /// The answer was lost: it may have been done. The engine may be away.
    Lost(String),
}

/// The labels of a store's metrics.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Of {
    store: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Store {
    store: String,
}

/// Metrics of all real engines of one host. Cloning shares them.
#[derive(Clone, Default)]
pub struct Metrics {
    calls: Family<Of, Counter>,
    retries: Family<Store, Counter>,
    open: Family<Store, Gauge>,
    waits_ms: Family<Store, Counter>,
    connections: Family<Store, Gauge>,
}

impl Metrics {
    /// Shows them among the host's metrics.
    pub fn register(&self, probe: &Probe) {
        probe.register("store_calls", "Calls to real engines by outcome", self.calls.clone());
        probe.register("store_retries", "Reads tried again", self.retries.clone());
        probe.register("store_breaker_open", "Whether calls are refused at once, 0 or 1", self.open.clone());
        probe.register("store_pool_wait_milliseconds", "Time spent waiting for a connection", self.waits_ms.clone());
        probe.register("store_pool_connections", "Connections that are open", self.connections.clone());
    }
}

/// State of a breaker.
#[derive(Debug, Default)]
struct Breaker {
    failures: u32,
    /// Refuses until then; whoever comes after it tries, alone, because it moves this on.
    open_until: Option<Instant>,
}

/// What every call to one engine goes through. Cloning shares the breaker.
#[derive(Clone)]
pub struct Guard {
    store: String,
    deadline: Duration,
    tries_max: u32,
    entropy: Entropy,
    breaker: Arc<Mutex<Breaker>>,
    metrics: Metrics,
}

impl Guard {
    /// A guard of this store's calls, each of which may take `deadline_ms` milliseconds.
    pub fn new(store: &str, deadline_ms: u64, entropy: Entropy, metrics: Metrics) -> Self {
        let guard = Self {
            store: store.to_owned(),
            deadline: Duration::from_millis(deadline_ms),
            tries_max: READ_TRIES_MAX,
            entropy,
            breaker: Arc::default(),
            metrics,
        };
        guard.metrics.open.get_or_create(&guard.label()).set(0);
        guard
    }

    /// The same on the terms of the spec: calls are given up no later than it says, and reads tried no oftener.
    pub fn on(mut self, target: &Target) -> Self {
        if let Some(call_ms_max) = target.call_ms_max {
            self.deadline = self.deadline.min(Duration::from_millis(call_ms_max));
        }
        self.tries_max = target.retries.map_or(self.tries_max, |retries| retries.saturating_add(1));
        self
    }

    fn label(&self) -> Store {
        Store { store: self.store.clone() }
    }

    /// Adds to the time that calls waited for a connection.
    pub fn waited(&self, time: Duration) {
        self.metrics.waits_ms.get_or_create(&self.label()).inc_by(time.as_millis() as u64);
    }

    /// Says how many connections are open.
    pub fn connections(&self, open: usize) {
        self.metrics.connections.get_or_create(&self.label()).set(open as i64);
    }

    /// A call that may be repeated: it is, while the engine cannot be reached or the answer is lost, within the deadline.
    ///
    /// # Errors
    /// [`StoreError::Refused`] also where the answer was lost: a read has no effect.
    pub async fn read<T, F>(&self, attempt: impl Fn() -> F + Send) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, Failure>> + Send,
    {
        let until = Instant::now() + deadline::at_most(self.deadline);
        for tried in 1.. {
            let left = until.saturating_duration_since(Instant::now());
            let failure = match self.once(attempt(), left).await {
                Ok(value) => return Ok(value),
                Err(failure) => failure,
            };
            let again = matches!(failure, Failure::Unreachable(_) | Failure::Lost(_)) && !self.is_open();
            let half = RETRY_PAUSE_MS * u64::from(tried) / 2;
            let pause = Duration::from_millis(half + self.entropy.below(half + 1));
            if !again || tried >= self.tries_max || Instant::now() + pause >= until {
                let (Failure::Unreachable(why) | Failure::Refused(why) | Failure::Lost(why)) = failure;
                return Err(StoreError::Refused(format!("store `{}`: {why}", self.store)));
            }
            self.metrics.retries.get_or_create(&self.label()).inc();
            sleep(pause).await;
        }
        Err(StoreError::Refused(format!("store `{}` was not tried", self.store)))
    }

    /// A call that must not be repeated.
    ///
    /// # Errors
    /// [`StoreError::Indeterminate`] where the answer was lost.
    pub async fn write<T>(&self, call: impl Future<Output = Result<T, Failure>> + Send) -> Result<T, StoreError> {
        self.once(call, deadline::at_most(self.deadline)).await.map_err(|failure| match failure {
            Failure::Unreachable(why) | Failure::Refused(why) => {
                StoreError::Refused(format!("store `{}`: {why}", self.store))
            }
            Failure::Lost(why) => StoreError::Indeterminate(format!("store `{}`: {why}", self.store)),
        })
    }

    async fn once<T>(
        &self,
        call: impl Future<Output = Result<T, Failure>> + Send,
        within: Duration,
    ) -> Result<T, Failure> {
        if !self.may_try() {
            self.count("shed");
            return Err(Failure::Unreachable("it did not answer a moment ago, and is asked again soon".to_owned()));
        }
        let outcome = timeout(within, call)
            .await
            .unwrap_or_else(|_| Err(Failure::Lost(format!("no answer within {} ms", within.as_millis()))));
        self.count(match &outcome {
            Ok(_) => "ok",
            Err(Failure::Refused(_)) => "refused",
            Err(Failure::Unreachable(_)) => "unreachable",
            Err(Failure::Lost(_)) => "lost",
        });
        self.learn(matches!(outcome, Ok(_) | Err(Failure::Refused(_))));
        outcome
    }

    fn count(&self, outcome: &'static str) {
        self.metrics.calls.get_or_create(&Of { store: self.store.clone(), outcome }).inc();
    }

    fn is_open(&self) -> bool {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner).open_until.is_some()
    }

    fn may_try(&self) -> bool {
        let mut breaker = self.breaker.lock().unwrap_or_else(PoisonError::into_inner);
        match breaker.open_until {
            Some(until) if Instant::now() < until => false,
            Some(_) => {
                breaker.open_until = Some(Instant::now() + Duration::from_millis(OPEN_MS));
                true
            }
            None => true,
        }
    }

    fn learn(&self, answered: bool) {
        let mut breaker = self.breaker.lock().unwrap_or_else(PoisonError::into_inner);
        if answered {
            *breaker = Breaker::default();
        } else {
            breaker.failures += 1;
            if breaker.failures >= FAILURES_MAX {
                breaker.open_until = Some(Instant::now() + Duration::from_millis(OPEN_MS));
            }
        }
        self.metrics.open.get_or_create(&self.label()).set(i64::from(breaker.open_until.is_some()));
    }
}

#[cfg(test)]
mod tests;
