//! The placement and balance table that `archgen shards` prints.

use std::fmt::Write;

use super::{DatasetCapacity, Plan, StorePlan};

/// One block per store: nodes with copies and primaries, then balance, zone proof and capacity.
pub fn shards_table(plan: &Plan) -> String {
    let mut out = String::new();
    for (name, store) in &plan.stores {
        if !out.is_empty() {
            out.push('\n');
        }
        block(&mut out, name, store);
    }
    out
}

fn block(out: &mut String, name: &str, store: &StorePlan) {
    let slots = store.slots.placement.len();
    let copies = store.slots.placement.first().map_or(0, Vec::len);
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{name} ({}): {slots} slots, {copies} copies, {} nodes", store.kind, store.nodes.len());
    let wide = |of: &dyn Fn(usize) -> usize, head: usize| (0..store.nodes.len()).map(of).max().unwrap_or(0).max(head);
    let node = wide(&|i| store.nodes[i].name.chars().count(), 4);
    let zone = wide(&|i| store.nodes[i].zone.chars().count(), 4);
    let _ = writeln!(out, "  {:node$}  {:zone$}  {:>6}  {:>6}  {:>9}", "NODE", "ZONE", "WEIGHT", "COPIES", "PRIMARIES");
    for (i, n) in store.nodes.iter().enumerate() {
        let (held, led) = (store.balance.copies[i], store.balance.primaries[i]);
        let _ = writeln!(out, "  {:node$}  {:zone$}  {:>6}  {held:>6}  {led:>9}", n.name, n.zone, n.weight);
    }
    let permille = store.balance.max_over_mean_permille;
    let _ = writeln!(
        out,
        "  balance: max/mean {}.{:03}; slots with two copies in one zone: {}",
        permille / 1_000,
        permille % 1_000,
        store.balance.zone_violations
    );
    for dataset in &store.capacity.datasets {
        capacity(out, dataset);
    }
    if let (Some(all), Some(each)) = (store.capacity.retained_bytes_all_copies, store.capacity.retained_bytes_per_node)
    {
        let _ = writeln!(out, "  retained: {} in all copies, {} on a node", bytes(all), bytes(each));
    }
}

fn capacity(out: &mut String, d: &DatasetCapacity) {
    let kept = match (d.retain_seconds, d.retained_bytes) {
        (Some(seconds), Some(kept)) => format!("kept {}: {}", span(seconds), bytes(kept)),
        _ => "kept for ever".to_owned(),
    };
    let ppm = d.hottest_key_ppm;
    let _ = write!(out, "  {}: {} a day, {kept}, {} copies", d.name, bytes(d.bytes_per_day), d.copies);
    let _ = writeln!(out, "; hottest key {}.{:02} %", ppm / 10_000, ppm % 10_000 / 100);
    if let Some(largest) = d.largest_partition_bytes {
        let width = d.bucket_seconds.map_or_else(String::new, |w| format!(", bucket {}", span(w)));
        let _ = writeln!(out, "  {}: largest partition {}{width}", d.name, bytes(largest));
    }
}

/// Decimal units, one digit after the point.
fn bytes(count: u64) -> String {
    const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    let mut unit = 0;
    let mut scale = 1u64;
    while unit + 1 < UNITS.len() && count / scale >= 1_000 {
        scale *= 1_000;
        unit += 1;
    }
    if unit == 0 {
        format!("{count} B")
    } else {
        format!("{}.{} {}", count / scale, count % scale / (scale / 10), UNITS[unit])
    }
}

fn span(seconds: u64) -> String {
    match seconds {
        s if s % 86_400 == 0 => format!("{}d", s / 86_400),
        s if s % 3_600 == 0 => format!("{}h", s / 3_600),
        s if s % 60 == 0 => format!("{}m", s / 60),
        s => format!("{s}s"),
    }
}
