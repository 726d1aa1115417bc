//! AG086: a partition that outgrows what the engine bears.

use super::{Context, Explanation, datasets_of};
use crate::capacity;
use crate::diagnostic::{Code, Diagnostic};
use crate::topology::{Bucket, DatasetShape, StoreKind};

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(86),
    title: "a partition outgrows its limit",
    why: "Cassandra keeps a partition on one set of nodes and reads through it: beyond a hundred megabytes reads slow down, repairs fail and compaction stalls. The hottest key decides, not the average.",
    fix: "Make the bucket narrower, or let archgen derive it: `bucket: auto(100MB)`.",
    before: r#"load:
  messages: { mean: 2k/s, peak: 60k/s, size: 900B, key: channel_id, skew: zipf(0.8), keys: 2M }
stores:
  chat:
    kind: cassandra
    version: "4.1"
    nodes: 6
    replication: { eu: 3 }
    tables:
      messages: { partition: [channel_id bigint, bucket int], cluster: [id bigint desc], ttl: 90d, bucket: 30d }
"#,
    after: r#"load:
  messages: { mean: 2k/s, peak: 60k/s, size: 900B, key: channel_id, skew: zipf(0.8), keys: 2M }
stores:
  chat:
    kind: cassandra
    version: "4.1"
    nodes: 6
    replication: { eu: 3 }
    tables:
      messages: { partition: [channel_id bigint, bucket int], cluster: [id bigint desc], ttl: 90d, bucket: auto(100MB) }
"#,
};

/// What Cassandra's own guides name as the most.
const PARTITION_BYTES_MAX: u64 = 100_000_000;

/// Tables that hold the declared messages, by their largest partition.
pub fn check(context: &Context<'_>, out: &mut Vec<Diagnostic>) {
    if context.spec.load.is_none() {
        return;
    }
    let load = &context.topology.load;
    for (written, store) in context.stores.iter().zip(&context.topology.stores) {
        if store.embedded || store.kind != StoreKind::Cassandra {
            continue;
        }
        for figures in capacity::capacity(store, load).datasets {
            let Some(dataset) = datasets_of(&written.value).iter().find(|d| d.name.value == figures.name) else {
                continue;
            };
            let shape = store.datasets.iter().find(|d| d.name == figures.name).map(|d| &d.shape);
            let most = match shape {
                Some(DatasetShape::CassandraTable { bucket: Bucket::Auto { partition_bytes_max }, .. }) => {
                    *partition_bytes_max
                }
                _ => PARTITION_BYTES_MAX,
            };
            let Some(largest) = figures.largest_partition_bytes.filter(|b| *b > most) else { continue };
            let span = dataset.value.bucket.as_ref().map_or(dataset.name.span, |b| b.span);
            let message = format!("the hottest partition of `{}` grows to {} MB", figures.name, largest / 1_000_000);
            let derived = matches!(shape, Some(DatasetShape::CassandraTable { bucket: Bucket::Auto { .. }, .. }));
            let advice = match derived {
                true => "no bucket is narrow enough: spread that key over one more column of the partition key",
                false => "write `bucket: auto(100MB)`",
            };
            let fault = Diagnostic::warning(EXPLANATION.code, span, message)
                .with_help(format!("{} MB is the most; {advice}", most / 1_000_000));
            let load_place = context.spec.load.as_ref().map(|l| l.span);
            out.push(match load_place {
                Some(place) => fault.with_related(place, "under this load"),
                None => fault,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_holds() {
        crate::checks::testing::holds(&EXPLANATION);
    }
}
