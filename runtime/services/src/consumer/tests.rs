//! The runner against a small log: nothing skipped, effects before offsets, poison buried.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex},
};

use archgen_env::{entropy::Entropy, net::Address, os, task::Shutdown};
use archgen_ports::{
    Envelope, ServiceKey, StoreError,
    events::{Events, Record},
};
use async_trait::async_trait;
use proptest::prelude::*;
use serde_json::json;
use tokio::sync::watch;

use super::{
    Consumer, DeadLetter, Handler, HandlerError,
    runner::{owns, retry_wait_ms},
};
use crate::host::HostContext;

/// A topic of two partitions whose fetches wait as the real ones do.
struct Log {
    records: Vec<Vec<Record>>,
    committed: watch::Sender<BTreeMap<u16, u64>>,
}

#[async_trait]
impl Events for Log {
    async fn partitions(&self, _topic: &str) -> Result<u16, StoreError> {
        Ok(self.records.len() as u16)
    }

    async fn publish(&self, _topic: &str, _events: Vec<Envelope>) -> Result<(), StoreError> {
        Err(StoreError::Refused("read only".to_owned()))
    }

    async fn fetch(
        &self,
        _topic: &str,
        partition: u16,
        offset: u64,
        records_max: usize,
        wait_ms: u64,
    ) -> Result<Vec<Record>, StoreError> {
        let records = &self.records[usize::from(partition)];
        let found: Vec<_> = records.iter().filter(|r| r.offset >= offset).take(records_max).cloned().collect();
        if found.is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(wait_ms)).await;
        }
        Ok(found)
    }

    async fn committed(&self, _group: &str, _topic: &str, partition: u16) -> Result<u64, StoreError> {
        Ok(self.committed.borrow().get(&partition).copied().unwrap_or(0))
    }

    async fn commit(&self, _group: &str, _topic: &str, partition: u16, offset: u64) -> Result<(), StoreError> {
        self.committed.send_modify(|committed| {
            committed.insert(partition, offset);
        });
        Ok(())
    }
}

/// Fails each event's first two tries; calls events of kind `poison` poison.
#[derive(Default)]
struct Effects {
    tries: Mutex<BTreeMap<String, u32>>,
    done: Mutex<Vec<String>>,
    buried: Mutex<Vec<String>>,
}

#[async_trait]
impl Handler for Effects {
    async fn handle(&self, _topic: &str, event: &Envelope) -> Result<(), HandlerError> {
        if event.kind == "poison" {
            return Err(HandlerError::Poison("not readable".to_owned()));
        }
        let tries = {
            let mut tries = self.tries.lock().unwrap();
            let tries = tries.entry(event.event_id.clone()).or_default();
            *tries += 1;
            *tries
        };
        if tries < 3 {
            return Err(HandlerError::Retry("not yet".to_owned()));
        }
        self.done.lock().unwrap().push(event.event_id.clone());
        Ok(())
    }

    async fn bury(&self, letter: DeadLetter<'_>) -> Result<(), StoreError> {
        assert_eq!(letter.value()["reason"], "not readable");
        self.buried.lock().unwrap().push(letter.key());
        Ok(())
    }
}

fn record(partition: u16, offset: u64) -> Record {
    let kind = if offset == 7 { "poison" } else { "plain" };
    let event = Envelope {
        v: 1,
        event_id: format!("{partition}:{offset}"),
        kind: kind.to_owned(),
        key: "k".to_owned(),
        epoch: None,
        seq: None,
        ts: 0,
        actor: String::new(),
        data: json!({}),
    };
    Record { offset, event }
}

async fn consume(log: &Arc<Log>, ordinal: u32, replicas: u32, until: BTreeMap<u16, u64>) -> Arc<Effects> {
    let env = os::env("search-0", Path::new("."), Shutdown::default());
    let address = Address::new("127.0.0.1", 1);
    let context = HostContext::new(env, "search", ordinal, replicas, "a", address, ServiceKey::new("key"), None);
    let effects = Arc::<Effects>::default();
    let consumer = Consumer::new(&context, log.clone(), "search", effects.clone());
    let running = consumer.start(&["message".to_owned()]);
    log.committed.subscribe().wait_for(|committed| *committed == until).await.unwrap();
    drop(running);
    effects
}

#[tokio::test(start_paused = true)]
async fn every_event_takes_effect_or_is_buried_before_its_offset_is_committed() {
    let records = vec![(0..250).map(|o| record(0, o)).collect(), (0..3).map(|o| record(1, o)).collect()];
    let log = Arc::new(Log { records, committed: watch::Sender::default() });
    let effects = consume(&log, 0, 1, BTreeMap::from([(0, 250), (1, 3)])).await;
    let mut expected: Vec<_> = (0..250).filter(|o| *o != 7).map(|o| format!("0:{o}")).collect();
    expected.extend((0..3).map(|o| format!("1:{o}")));
    let mut done = effects.done.lock().unwrap().clone();
    done.sort();
    expected.sort();
    assert_eq!(done, expected);
    assert_eq!(*effects.buried.lock().unwrap(), ["dead:search:message:0:7"]);
}

#[tokio::test(start_paused = true)]
async fn an_instance_reads_its_own_partitions_from_the_committed_offset() {
    let records = (0..3).map(|partition| (0..5).map(|o| record(partition, o)).collect()).collect();
    let log = Arc::new(Log { records, committed: watch::Sender::new(BTreeMap::from([(1, 3)])) });
    let effects = consume(&log, 1, 2, BTreeMap::from([(1, 5)])).await;
    let mut done = effects.done.lock().unwrap().clone();
    done.sort();
    assert_eq!(done, ["1:3", "1:4"]);
}

proptest! {
    #[test]
    fn each_partition_has_one_owner(partition: u16, replicas in 1u32..50) {
        prop_assert_eq!((0..replicas).filter(|ordinal| owns(partition, *ordinal, replicas)).count(), 1);
    }

    #[test]
    fn waits_are_bounded(failures: u32, seed: [u8; 32]) {
        let ms = retry_wait_ms(failures, &Entropy::new(seed));
        prop_assert!((25..=5_000).contains(&ms));
    }
}
