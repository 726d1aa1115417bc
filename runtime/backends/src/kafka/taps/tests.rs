//! Where a record stands, and what is read of a partition that holds something else between events.

use std::time::Duration;

use rdkafka::{
    mocking::MockCluster,
    producer::{FutureProducer, FutureRecord},
};

use super::*;
use crate::{Engine, Schema, Tls};

#[test]
fn a_record_beyond_the_next_one_is_a_gap_until_it_is_believed() {
    for (next, believed, offset, expected) in [
        (0, false, 0, Place::Next),
        (0, false, 1, Place::Gap),
        (0, true, 1, Place::Next),
        (7, false, 6, Place::Old),
        (7, true, 6, Place::Old),
        (7, true, 7, Place::Next),
        (7, false, u64::MAX, Place::Gap),
    ] {
        assert_eq!(place(next, believed, offset), expected, "{offset} where {next} is next, believed: {believed}");
    }
}

fn event(number: u64) -> String {
    serde_json::json!({
        "v": 1, "event_id": number.to_string(), "type": "test", "key": "k", "ts": number, "actor": "", "data": {},
    })
    .to_string()
}

fn at_brokers(brokers: &str) -> Target {
    Target {
        store: "store".to_owned(),
        engine: Engine::Kafka,
        endpoints: brokers.split(',').map(|broker| broker.parse().unwrap()).collect(),
        namespace: "test".to_owned(),
        credentials: None,
        tls: Tls::Off,
        call_ms_max: None,
        retries: None,
        schema: Schema { text: "[]".to_owned() },
        datasets: Vec::new(),
        shards: 8,
        consistency: ("quorum", "quorum"),
    }
}

#[tokio::test]
async fn what_is_no_event_is_never_passed_over() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("t", 1, 1).unwrap();
    let target = at_brokers(&cluster.bootstrap_servers());
    let producer: FutureProducer = super::super::client::producer(&target).create().unwrap();
    for payload in [event(0), event(1), "something else".to_owned(), event(3)] {
        let record = FutureRecord::to("t").partition(0).key("k").payload(&payload);
        producer.send(record, Duration::from_secs(10)).await.unwrap();
    }
    let reader = Reader::new(&target).unwrap();
    // A partition's records may come in several answers.
    let mut read = Vec::new();
    while read.len() < 2 {
        let some = reader.fetch("t", 0, read.len() as u64, 10, 3_000).await.unwrap();
        read.extend(some.into_iter().map(|record| record.offset));
    }
    assert_eq!(read, [0, 1]);
    for _ in 0..3 {
        let error = reader.fetch("t", 0, 2, 10, 3_000).await.unwrap_err();
        assert!(error.to_string().contains("the record at 2 is no event"), "{error}");
    }
    let beyond = reader.fetch("t", 0, 3, 10, 3_000).await.unwrap();
    assert_eq!(beyond.iter().map(|record| record.offset).collect::<Vec<_>>(), [3]);
}
