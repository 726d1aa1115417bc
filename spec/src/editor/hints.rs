//! Numbers that follow from the spec, shown where they matter: the width of a bucket, bytes a day, slots per node.

use super::Project;
use crate::capacity::{bucket_seconds, capacity};
use crate::source::{FileId, Node, Span};
use crate::topology::{Bucket, DatasetShape, Topology};
use crate::units::{Period, Unit};

/// A derived number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    /// Behind what it is shown.
    pub at: Span,
    /// What is shown: `= 80m`.
    pub label: String,
    /// What it means.
    pub explanation: String,
}

impl Project {
    /// The hints of a file: of the base as it is without an overlay. None while the spec has errors.
    pub fn hints(&self, file: FileId) -> Vec<Hint> {
        let Some(topology) = self.loads.first().and_then(|l| l.topology.as_ref()) else { return Vec::new() };
        let Some(tree) = self.files.first().and_then(|f| f.tree.as_ref()).filter(|_| file.0 == 0) else {
            return Vec::new();
        };
        let mut hints = Vec::new();
        hints.extend(messages(tree, topology));
        for store in &topology.stores {
            let Some(written) = tree.get("stores").and_then(|s| s.get(&store.name)) else { continue };
            if let (Some(slots), true) = (written.get("slots"), store.nodes > 0) {
                let masters = (store.nodes / store.copies.max(1)).max(1);
                hints.push(Hint {
                    at: slots.span,
                    label: format!("= {} per primary", u32::from(store.slots).div_ceil(masters)),
                    explanation: format!("{} slots over {masters} primaries", store.slots),
                });
            }
            hints.extend(buckets(written, store, topology));
            let size = capacity(store, &topology.load);
            if let Some(Node { span, .. }) = written.get("nodes").or_else(|| written.get("brokers"))
                && let Some(bytes) = size.retained_bytes_per_node
            {
                let label = format!("× {}", rounded(bytes));
                hints.push(Hint {
                    at: *span,
                    label,
                    explanation: "retained on the average node, all copies".to_owned(),
                });
            }
        }
        hints
    }
}

fn messages(tree: &Node, topology: &Topology) -> Option<Hint> {
    let mean = tree.get("load")?.get("messages")?.get("mean")?;
    let load = &topology.load.messages;
    let bytes = (load.mean_per_second * load.size_bytes as f64 * 86_400.0) as u64;
    let label = format!("= {} a day", rounded(bytes));
    Some(Hint { at: mean.span, label, explanation: "mean rate × size, one copy".to_owned() })
}

fn buckets(written: &Node, store: &crate::topology::Store, topology: &Topology) -> Vec<Hint> {
    let mut hints = Vec::new();
    for dataset in &store.datasets {
        if let DatasetShape::CassandraTable { bucket: bucket @ Bucket::Auto { .. }, .. } = &dataset.shape
            && let Some(seconds) = bucket_seconds(*bucket, &topology.load)
            && let Some(node) = written.get("tables").and_then(|t| t.get(&dataset.name)).and_then(|t| t.get("bucket"))
        {
            let width = Period(std::time::Duration::from_secs(seconds)).print();
            hints.push(Hint {
                at: node.span,
                label: format!("= {width}"),
                explanation: "the widest bucket at which the hottest key's partition stays within the limit".to_owned(),
            });
        }
    }
    hints
}

/// Bytes with three digits and a unit.
fn rounded(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let digits = if value >= 100.0 || unit == 0 { 0 } else { 1 };
    format!("{value:.digits$}{}", UNITS[unit])
}
