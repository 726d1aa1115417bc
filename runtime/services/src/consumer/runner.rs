//! [`Consumer`]: one task per topic reads the partitions that belong to this instance.
//!
//! Partition `p` belongs to the instance with ordinal `p mod replicas`. Offsets are committed after the effects, so a crash repeats
//! events and never skips one. A failing event is tried again for ever with a bounded, jittered wait and holds up its partition;
//! an event that the handler calls poison is tried a few times and then buried durably.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use archgen_env::{
    entropy::Entropy,
    sabotage::{Bug, is_planted},
    task::Task,
};
use archgen_ports::events::{Events, Record};
use futures_util::{StreamExt, future::join_all, stream};
use prometheus_client::metrics::{counter::Counter, gauge::Gauge};

use super::{DeadLetter, Handler, HandlerError};
use crate::host::HostContext;

/// Records of one fetch, and between two commits.
const BATCH_RECORDS_MAX: usize = 100;
/// Wait of one fetch for the first record, milliseconds.
const FETCH_WAIT_MS: u64 = 2_000;
/// Events of one partition handled at once.
const HANDLED_AT_ONCE: usize = 8;
/// Tries of an event that the handler calls poison.
const POISON_TRIES: u32 = 3;
/// First and longest wait after a failure, milliseconds.
const RETRY_MS: u64 = 50;
const RETRY_MS_MAX: u64 = 5_000;

/// A consumer group's member on this host.
#[derive(Clone)]
pub struct Consumer {
    context: HostContext,
    events: Arc<dyn Events>,
    group: String,
    handler: Arc<dyn Handler>,
    jitter: Entropy,
    buried: Counter,
}

/// Its running tasks; they end when this is dropped.
pub struct Running(Vec<Task>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.iter().for_each(Task::abort);
    }
}

/// Age of the oldest unhandled event over a topic's partitions here.
struct Lag {
    of: Mutex<BTreeMap<u16, i64>>,
    gauge: Gauge,
}

impl Lag {
    fn set(&self, partition: u16, ms: u64) {
        let mut of = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        of.insert(partition, i64::try_from(ms).unwrap_or(i64::MAX));
        self.gauge.set(of.values().copied().max().unwrap_or(0));
    }
}

/// The wait after this many failures, halved at random: never longer than the maximum, never zero.
pub(super) fn retry_wait_ms(failures: u32, jitter: &Entropy) -> u64 {
    let ms = RETRY_MS.checked_shl(failures.min(16)).unwrap_or(RETRY_MS_MAX).min(RETRY_MS_MAX);
    ms / 2 + jitter.below(ms / 2 + 1)
}

/// Whether a partition belongs to the instance of this ordinal.
pub(super) fn owns(partition: u16, ordinal: u32, replicas: u32) -> bool {
    u32::from(partition) % replicas.max(1) == ordinal
}

impl Consumer {
    /// A member of `group` on this host.
    pub fn new(context: &HostContext, events: Arc<dyn Events>, group: &str, handler: Arc<dyn Handler>) -> Self {
        let buried = context.probe.counter("consumer_buried", "Events given up and recorded as dead letters");
        let jitter = context.env.entropy("consumer");
        Self { context: context.clone(), events, group: group.to_owned(), handler, jitter, buried }
    }

    /// Starts reading these topics.
    pub fn start(&self, topics: &[String]) -> Running {
        let tasks = topics.iter().map(|topic| {
            let (consumer, topic) = (self.clone(), topic.clone());
            self.context.env.spawn("consumer", async move { consumer.read_topic(&topic).await })
        });
        Running(tasks.collect())
    }

    async fn read_topic(&self, topic: &str) {
        let name: String = topic.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        let help = "Age of the oldest event fetched and not yet handled, 0 when caught up";
        let gauge = self.context.probe.gauge(&format!("consumer_{name}_lag_ms"), help, None);
        let lag = Lag { of: Mutex::default(), gauge };
        let mut failures = 0;
        let partitions = loop {
            match self.events.partitions(topic).await {
                Ok(partitions) => break partitions,
                Err(error) => {
                    tracing::warn!(topic, %error, "the topic is not readable yet");
                    self.wait(&mut failures).await;
                }
            }
        };
        let (ordinal, replicas) = (self.context.ordinal, self.context.replicas);
        let owned = (0..partitions).filter(|partition| owns(*partition, ordinal, replicas));
        join_all(owned.map(|partition| self.read_partition(topic, partition, &lag))).await;
    }

    async fn read_partition(&self, topic: &str, partition: u16, lag: &Lag) {
        let mut failures = 0;
        let mut offset = loop {
            match self.events.committed(&self.group, topic, partition).await {
                Ok(offset) => break offset,
                Err(error) => {
                    tracing::warn!(topic, partition, %error, "the group's offset is not readable yet");
                    self.wait(&mut failures).await;
                }
            }
        };
        failures = 0;
        while !self.context.env.shutdown().is_triggered() {
            match self.events.fetch(topic, partition, offset, BATCH_RECORDS_MAX, FETCH_WAIT_MS).await {
                Ok(records) => {
                    failures = 0;
                    let oldest_ms = records.first().map(|record| record.event.ts);
                    lag.set(partition, oldest_ms.map_or(0, |ts| self.context.env.wall_ms().saturating_sub(ts)));
                    if let Some(last) = records.last() {
                        offset = last.offset + 1;
                        self.handle_batch(topic, partition, records).await;
                        self.commit(topic, partition, offset).await;
                    }
                }
                Err(error) => {
                    tracing::warn!(topic, partition, %error, "fetch failed");
                    self.wait(&mut failures).await;
                }
            }
        }
    }

    async fn handle_batch(&self, topic: &str, partition: u16, records: Vec<Record>) {
        let handled = stream::iter(records)
            .map(|record| async move { self.handle_record(topic, partition, &record).await })
            .buffered(HANDLED_AT_ONCE);
        handled.collect::<()>().await;
    }

    /// Returns only when the event took effect or was buried.
    async fn handle_record(&self, topic: &str, partition: u16, record: &Record) {
        let mut failures = 0;
        let mut poisoned = 0;
        while let Err(error) = self.handler.handle(topic, &record.event).await {
            let offset = record.offset;
            tracing::warn!(topic, partition, offset, %error, "an event had no effect yet");
            if is_planted(Bug::GiveUp) {
                return;
            }
            if let HandlerError::Poison(reason) = &error {
                poisoned += 1;
                if poisoned >= POISON_TRIES {
                    self.bury(topic, partition, record, reason).await;
                    return;
                }
            }
            self.wait(&mut failures).await;
        }
    }

    async fn bury(&self, topic: &str, partition: u16, record: &Record, reason: &str) {
        let mut failures = 0;
        let buried_ms = self.context.env.wall_ms();
        let letter = DeadLetter { group: &self.group, topic, partition, record, reason, buried_ms };
        while let Err(error) = self.handler.bury(letter.clone()).await {
            tracing::warn!(topic, partition, offset = record.offset, %error, "a dead letter is not recorded yet");
            self.wait(&mut failures).await;
        }
        self.buried.inc();
        tracing::error!(topic, partition, offset = record.offset, reason, "an event was given up and recorded");
    }

    /// A lost commit costs repetition only, so it is tried once: the next batch commits again.
    async fn commit(&self, topic: &str, partition: u16, offset: u64) {
        if let Err(error) = self.events.commit(&self.group, topic, partition, offset).await {
            tracing::warn!(topic, partition, offset, %error, "offset not committed; events may be handled again");
        }
    }

    async fn wait(&self, failures: &mut u32) {
        let ms = retry_wait_ms(*failures, &self.jitter);
        *failures = failures.saturating_add(1);
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
}
