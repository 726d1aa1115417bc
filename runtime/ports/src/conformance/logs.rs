//! Events.

use std::sync::Arc;

use serde_json::json;

use super::{Violation, expectation::expect};
use crate::{Envelope, StoreError, events::Events};

fn event(key: &str, number: u64) -> Envelope {
    Envelope {
        v: 1,
        event_id: format!("{key}:{number}"),
        kind: "test".to_owned(),
        key: key.to_owned(),
        epoch: None,
        seq: Some(number),
        ts: number,
        actor: String::new(),
        data: json!({"n": number}),
    }
}

/// Offsets are dense, one key keeps its order, groups go on where they were, a waiting fetch wakes. `topic` has at least two
/// partitions and is empty. `beside` runs a future beside the suite, as the caller's world runs tasks.
///
/// # Errors
/// The first broken promise.
pub async fn events(
    port: Arc<dyn Events>,
    topic: &str,
    beside: impl FnOnce(std::pin::Pin<Box<dyn Future<Output = ()> + Send>>),
) -> Result<(), Violation> {
    let partitions = port.partitions(topic).await?;
    expect("the topic has partitions", partitions >= 2, true)?;
    expect(
        "an unknown topic is refused",
        matches!(port.partitions("nowhere").await, Err(StoreError::Refused(_))),
        true,
    )?;
    let all: Vec<Envelope> = (0..20).flat_map(|n| ["a", "b", "c", "d"].map(|key| event(key, n))).collect();
    port.publish(topic, all).await?;
    let mut found = Vec::new();
    let mut place_of_a = None;
    for partition in 0..partitions {
        let records = port.fetch(topic, partition, 0, 500, 0).await?;
        let offsets: Vec<u64> = records.iter().map(|r| r.offset).collect();
        expect("offsets are dense from 0", offsets, (0..records.len() as u64).collect())?;
        for key in ["a", "b", "c", "d"] {
            let own: Vec<u64> = records.iter().filter(|r| r.event.key == key).filter_map(|r| r.event.seq).collect();
            if !own.is_empty() {
                expect("a key is in one partition, in order", own, (0..20).collect())?;
                found.push(key);
            }
            if key == "a" && records.iter().any(|r| r.event.key == "a") {
                place_of_a = Some((partition, records.len() as u64));
            }
        }
    }
    found.sort_unstable();
    expect("every key is somewhere, once", found, vec!["a", "b", "c", "d"])?;
    let (partition, next) = place_of_a.unwrap_or_default();
    expect("a page is bounded", port.fetch(topic, partition, 3, 2, 0).await?.first().map(|r| r.offset), Some(3))?;
    expect("nothing new, no wait", port.fetch(topic, partition, next, 5, 0).await?.len(), 0)?;
    expect("a new group begins at 0", port.committed("g", topic, partition).await?, 0)?;
    port.commit("g", topic, partition, 7).await?;
    expect("a group goes on where it was", port.committed("g", topic, partition).await?, 7)?;
    expect("groups are apart", port.committed("h", topic, partition).await?, 0)?;
    let (publisher, its_topic) = (port.clone(), topic.to_owned());
    beside(Box::pin(async move {
        // The suite sees what came of it.
        let _ = publisher.publish(&its_topic, vec![event("a", 20)]).await;
    }));
    let woken = port.fetch(topic, partition, next, 5, 20_000).await?;
    expect("a waiting fetch wakes", woken.first().and_then(|r| r.event.seq), Some(20))
}
