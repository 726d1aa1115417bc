//! What the copies of a store take off its leaders, and how old an answer of theirs may be.

use archgen_spec::topology::{Consistency, Store, StoreKind};
use serde::Serialize;

/// Reads of a store with several copies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reads {
    /// Copies of a slot that may answer a read.
    pub copies: u32,
    /// Copies that each read asks.
    pub asked: u32,
    /// Share of the reads that the leader of a slot is asked for when they are spread over all copies, in thousandths.
    pub leader_permille: u64,
    /// Whether an answer may lack an acknowledged write.
    pub stale: bool,
    /// Why, and for how long.
    pub because: String,
}

/// `None` where there is one copy, or where only one may answer.
pub(super) fn reads(store: &Store) -> Option<Reads> {
    let copies = store.copies;
    if copies < 2 {
        return None;
    }
    let asked = |c: Consistency| match c {
        Consistency::One => 1,
        Consistency::Quorum => copies / 2 + 1,
        Consistency::All => copies,
    };
    let (asked, stale, because) = match store.kind {
        StoreKind::Cassandra => {
            let (write, read) = (asked(store.consistency.0), asked(store.consistency.1));
            let stale = write + read <= copies;
            let compared = if stale { "do not exceed" } else { "exceed" };
            (read, stale, format!("{write} written and {read} read {compared} {copies} copies"))
        }
        StoreKind::Postgres => {
            (1, true, "standbys replay the log after the commit: an answer is as old as their lag".to_owned())
        }
        StoreKind::Redis => (1, true, "replicas apply writes after the answer: as old as their lag".to_owned()),
        StoreKind::Mongodb => {
            (1, true, "secondaries apply the log after the primary; causal sessions read their own writes".to_owned())
        }
        StoreKind::Kafka => (1, false, "any replica serves only what all in-sync replicas have".to_owned()),
        StoreKind::Elasticsearch => {
            (1, true, "a copy shows a document with its next refresh, after 1 s by default".to_owned())
        }
        StoreKind::S3 => return None,
    };
    let leader_permille = u64::from(asked) * 1_000 / u64::from(copies);
    Some(Reads { copies, asked, leader_permille, stale, because })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(store: &str) -> Option<Reads> {
        let text = format!("archgen: v1\nname: t\nzones: [a, b, c]\nstores:\n  s: {store}\n");
        let read = |_: &str| Err(archgen_spec::ReadError::Missing);
        let topology = archgen_spec::load("t.yaml", text, None, &read, &|_| None).topology;
        reads(topology.expect("the spec is right").store(archgen_spec::topology::StoreId(0)))
    }

    #[test]
    fn quorums_that_overlap_are_fresh() {
        let cassandra = |read: &str| {
            format!(
                "{{ kind: cassandra, version: \"4.1\", nodes: 6, replication: {{ eu: 3 }}, consistency: {{ write: quorum, \
                 read: {read} }} }}"
            )
        };
        let quorum = of(&cassandra("quorum")).expect("three copies");
        assert_eq!((quorum.asked, quorum.stale, quorum.leader_permille), (2, false, 666));
        let one = of(&cassandra("one")).expect("three copies");
        assert_eq!((one.asked, one.stale, one.leader_permille), (1, true, 333));
        assert_eq!(of("{ kind: redis, version: \"7.2\", nodes: 3 }"), None);
        assert!(of("{ kind: postgres, version: \"15\", nodes: 3, replicas: 2 }").is_some_and(|r| r.stale));
    }
}
