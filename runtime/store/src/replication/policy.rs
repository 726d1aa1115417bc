//! What an engine promises of its copies, as a value.

use std::ops::Range;

use archgen_spec::topology::{Consistency, DatasetShape, Standby, Store, StoreKind};

/// Who may answer a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reads {
    /// Whoever believes to lead; after a failover that may be two.
    Leader,
    /// The leader, while a majority has confirmed it lately.
    Confirmed,
    /// The leader, while every copy has been heard of lately.
    All,
    /// Any copy, with what it happens to know.
    Any,
}

/// Who leads once the leader is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failover {
    /// Whom a majority elects; the minority waits.
    Majority,
    /// Any copy that hears of no leader.
    Promotion,
}

/// The promise of a store's copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Copies of each datum.
    pub copies: u32,
    /// Copies that are durable before a write is acknowledged, the leader's included.
    pub acks: u32,
    /// Who may answer a read.
    pub reads: Reads,
    /// Who leads once the leader is gone.
    pub failover: Failover,
    /// Whether a leader that a majority has not confirmed for long gives up by itself.
    pub demotes: bool,
    /// A write that waits for nobody is sent on within this time, milliseconds.
    pub lag_ms_max: u64,
    /// Whether the end of a process forgets its copy.
    pub volatile: bool,
}

/// What asynchronous replication lags behind, milliseconds.
const LAG_MS_MAX: u64 = 400;

impl Policy {
    /// The promise of this store where it keeps as many copies as the spec asks for and there are nodes; `None` for one copy.
    pub fn of(store: &Store) -> Option<Self> {
        let copies = store.copies_asked.min(store.nodes);
        if copies < 2 || store.kind == StoreKind::S3 {
            return None;
        }
        let majority = copies / 2 + 1;
        let word = |consistency| match consistency {
            Consistency::One => 1,
            Consistency::Quorum => majority,
            Consistency::All => copies,
        };
        let voted = Self {
            copies,
            acks: majority,
            reads: Reads::Confirmed,
            failover: Failover::Majority,
            demotes: true,
            lag_ms_max: 0,
            volatile: false,
        };
        let promised = match store.kind {
            StoreKind::Cassandra => Self {
                acks: word(store.consistency.0),
                reads: match store.consistency.1 {
                    Consistency::One => Reads::Any,
                    Consistency::Quorum => Reads::Confirmed,
                    Consistency::All => Reads::All,
                },
                ..voted
            },
            StoreKind::Postgres if store.standby == Standby::Async => Self { acks: 1, ..voted },
            StoreKind::Postgres => Self { acks: 2, ..voted },
            StoreKind::Mongodb => Self { reads: Reads::Leader, ..voted },
            StoreKind::Kafka => Self { acks: min_insync(store).clamp(1, copies), reads: Reads::Leader, ..voted },
            StoreKind::Elasticsearch => Self { acks: copies, reads: Reads::Any, ..voted },
            StoreKind::Redis | StoreKind::S3 => {
                Self { acks: 1, reads: Reads::Leader, failover: Failover::Promotion, volatile: true, ..voted }
            }
        };
        let lag_ms_max = if promised.acks == 1 { LAG_MS_MAX } else { 0 };
        // A coordinator of Cassandra and a broker of Kafka go on with as few copies as they were told to wait for; a primary of
        // PostgreSQL loses its lock.
        let demotes = promised.acks >= majority || store.kind == StoreKind::Postgres;
        Some(Self { lag_ms_max, demotes, ..promised })
    }

    /// Copies whose loss, disks and all, loses nothing that was acknowledged.
    pub fn losses_borne(&self) -> u32 {
        if self.volatile { self.copies - 1 } else { self.acks.saturating_sub(1) }
    }
}

/// The least that a topic of this store waits for.
fn min_insync(store: &Store) -> u32 {
    let topics = store.datasets.iter().filter_map(|d| match d.shape {
        DatasetShape::Topic { min_insync, .. } => Some(min_insync),
        _ => None,
    });
    topics.min().unwrap_or(1)
}

/// The groups of a store's nodes, each of which keeps copies of the same data. A node that is left over keeps none.
pub fn groups(nodes: usize, copies: usize) -> Vec<Range<usize>> {
    let copies = copies.clamp(1, nodes.max(1));
    (0..nodes / copies).map(|group| group * copies..(group + 1) * copies).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_taken_group_by_group() {
        assert_eq!(groups(3, 1), [0..1, 1..2, 2..3]);
        assert_eq!(groups(7, 3), [0..3, 3..6]);
        assert_eq!(groups(2, 5).first(), Some(&(0..2)));
    }
}
