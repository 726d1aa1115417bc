//! Writers that go on whatever happens, and the account of what they were promised.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use archgen_ports::{
    ChannelId, StoreError,
    messages::{Append, Appended, Counts, Messages, NewEntry, Range},
};
use serde_json::json;

/// What is known of a load while it runs.
#[derive(Default)]
pub struct Account {
    stop: AtomicBool,
    acks: AtomicU64,
    refused: AtomicU64,
    unknown: AtomicU64,
    longest_pause: Mutex<Duration>,
}

impl Account {
    pub fn is_over(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    pub fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
    }

    pub fn acks(&self) -> u64 {
        self.acks.load(Ordering::SeqCst)
    }

    pub fn ack(&self, waited: Duration) {
        self.acks.fetch_add(1, Ordering::SeqCst);
        let mut longest = self.longest_pause.lock().unwrap();
        *longest = waited.max(*longest);
    }

    pub fn failed(&self, error: &StoreError) {
        let count = if error.is_refusal() { &self.refused } else { &self.unknown };
        count.fetch_add(1, Ordering::SeqCst);
    }

    /// Waits for this many more acknowledgements; how long that took.
    pub async fn more(&self, acks: u64) -> Duration {
        self.until(|| self.acks(), acks).await
    }

    fn failures(&self) -> u64 {
        self.refused.load(Ordering::SeqCst) + self.unknown.load(Ordering::SeqCst)
    }

    /// Waits for this many more writes that fail, by which a fault is known to have been met; how long that took.
    pub async fn failed_more(&self, writes: u64) -> Duration {
        self.until(|| self.failures(), writes).await
    }

    async fn until(&self, count: impl Fn() -> u64, more: u64) -> Duration {
        let (begun, wanted) = (Instant::now(), count() + more);
        while count() < wanted {
            assert!(begun.elapsed() < Duration::from_secs(90), "nothing more: {}", self.text());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        begun.elapsed()
    }

    pub fn text(&self) -> String {
        format!(
            "{} acknowledged, {} refused, {} without an answer, longest wait {:?}",
            self.acks(),
            self.refused.load(Ordering::SeqCst),
            self.unknown.load(Ordering::SeqCst),
            self.longest_pause.lock().unwrap()
        )
    }
}

fn entry(id: String, client_id: &str) -> NewEntry {
    NewEntry {
        id: id.into(),
        kind: "message.created".to_owned(),
        author: "ada".into(),
        ts: 0,
        client_msg_id: Some(client_id.to_owned()),
        data: json!({"body": client_id}),
        adds: Counts { messages: 1, everyone: 0 },
        index: None,
        revises: None,
    }
}

/// Appends to a channel until the load is over, each entry again under its client id until it is acknowledged. Returns the
/// acknowledged client ids with their places.
pub async fn write(
    port: Arc<dyn Messages>,
    channel: ChannelId,
    shard: u16,
    account: Arc<Account>,
) -> BTreeMap<String, u64> {
    let epoch = port.lease(&format!("owner-{shard}"), "life", &[shard], 600_000).await.expect("a lease")[0].epoch;
    let (mut acked, mut head, mut attempts) = (BTreeMap::new(), 0, 0u64);
    while !account.is_over() {
        let client_id = format!("{channel}-{}", acked.len());
        let begun = Instant::now();
        while !account.is_over() {
            attempts += 1;
            let entries = vec![entry(format!("{channel}-{attempts}"), &client_id)];
            let append = Append { shard, epoch, channel: channel.clone(), head, dedup_ms: 3_600_000, entries };
            match port.append(append).await {
                Ok(Appended::Applied(outcomes)) => {
                    let seq = outcomes[0].entry.position.seq;
                    head = head.max(seq);
                    acked.insert(client_id.clone(), seq);
                    account.ack(begun.elapsed());
                    break;
                }
                Ok(Appended::HeadMoved { head: moved }) => head = moved,
                Ok(Appended::Fenced { epoch }) => panic!("fenced by {epoch}, and nobody else asked for the shard"),
                Err(error) => {
                    account.failed(&error);
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
    }
    acked
}

/// Every acknowledged entry is at its place, every client id is there once, and no place is missing.
pub async fn check(port: &dyn Messages, channel: &ChannelId, acked: &BTreeMap<String, u64>) {
    let mut places: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    let mut at = 0;
    loop {
        let page = port.read(channel, Range::After(at), 200).await.expect("a page");
        let Some(last) = page.last().map(|e| e.position.seq) else { break };
        for entry in page {
            assert_eq!(entry.position.seq, at + 1, "no place of {channel} is missing");
            assert_eq!(entry.counts.messages, entry.position.seq, "and the counts go with it");
            at += 1;
            places.entry(entry.client_msg_id.unwrap()).or_default().push(entry.position.seq);
        }
        assert_eq!(at, last);
    }
    for (client_id, seq) in acked {
        assert_eq!(places.get(client_id), Some(&vec![*seq]), "{client_id} was acknowledged at {seq}");
    }
    assert!(places.values().all(|p| p.len() == 1), "a client id counts once");
    assert!(places.len() <= acked.len() + 1, "only the last entry may be there without its acknowledgement");
}
