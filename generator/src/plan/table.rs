//! The placement and balance table that `archgen shards` prints.

use std::fmt::Write;

use super::{Cost, DatasetCapacity, Heat, Loss, Plan, Promise, StorePlan};

/// One block per store: nodes with copies and primaries, then balance, zone proof, capacity and growth; then costs. Days are
/// counted from `today`, days since 1970.
pub fn shards_table(plan: &Plan, today: u64) -> String {
    let mut out = String::new();
    for (name, store) in &plan.stores {
        if !out.is_empty() {
            out.push('\n');
        }
        block(&mut out, name, store);
        growth(&mut out, store, today);
    }
    if let Some(cost) = &plan.cost {
        costs(&mut out, cost);
    }
    out
}

/// When the disks are full.
fn growth(out: &mut String, store: &StorePlan, today: u64) {
    let Some(days) = store.capacity.disk_full_in_days else { return };
    let (year, month, day) = date(today.saturating_add(days));
    let _ = writeln!(out, "  at this load you outgrow node disks on {year}-{month:02}-{day:02}, {days} days from now");
}

fn costs(out: &mut String, cost: &Cost) {
    let name = cost.components.keys().map(|n| n.chars().count()).max().unwrap_or(0).max(9);
    let _ = writeln!(out, "\n{:name$}  {:>9}  {:>12}", "COMPONENT", "INSTANCES", "A MONTH");
    for (component, c) in &cost.components {
        let month = amount(c.month, &cost.currency);
        let _ = writeln!(out, "{component:name$}  {:>9}  {month:>12}", c.instances);
    }
    let _ = writeln!(out, "{:name$}  {:>9}  {:>12}", "all", "", amount(cost.month, &cost.currency));
}

/// Year, month and day of the Gregorian calendar (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn date(days_since_1970: u64) -> (u64, u64, u64) {
    let z = days_since_1970.saturating_add(719_468);
    let (era, day_of_era) = (z / 146_097, z % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

/// Money with two digits and thousands apart.
pub(super) fn amount(value: f64, currency: &str) -> String {
    let cents = (value * 100.0).round() as u64;
    let whole = (cents / 100).to_string();
    let groups: Vec<&str> = whole.as_bytes().rchunks(3).rev().filter_map(|c| std::str::from_utf8(c).ok()).collect();
    format!("{}.{:02} {currency}", groups.join(","), cents % 100)
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
    zones(out, &store.zone_losses);
    for dataset in &store.capacity.datasets {
        capacity(out, dataset);
        zone_down(out, store, dataset);
    }
    if let Some(heat) = &store.heat {
        skew(out, heat);
    }
    if let Some(reads) = &store.reads {
        let fresh = if reads.stale { "may be stale" } else { "see every acknowledged write" };
        let _ = writeln!(
            out,
            "  reads on all {} copies leave {}.{} % to each leader and {fresh}: {}",
            reads.copies,
            reads.leader_permille / 10,
            reads.leader_permille % 10,
            reads.because
        );
    }
    if let (Some(all), Some(each)) = (store.capacity.retained_bytes_all_copies, store.capacity.retained_bytes_per_node)
    {
        let _ = writeln!(out, "  retained: {} in all copies, {} on a node", bytes(all), bytes(each));
    }
}

/// The proof that losing a zone is survived, or the zones with which it is not; alike zones share a line.
fn zones(out: &mut String, losses: &[Loss]) {
    let figures = |l: &Loss| (l.copies_left_min, l.slots_refusing, l.slots_gone, l.busiest_leader_permille);
    let mut told: Vec<&Loss> = Vec::new();
    for loss in losses {
        if told.iter().any(|t| figures(t) == figures(loss)) {
            continue;
        }
        told.push(loss);
        let alike: Vec<&str> = losses.iter().filter(|l| figures(l) == figures(loss)).map(|l| l.lost.as_str()).collect();
        let who = if alike.len() == losses.len() { "any one zone".to_owned() } else { alike.join(" or ") };
        let outcome = match (loss.slots_gone, loss.slots_refusing) {
            (0, 0) => format!(
                "every slot keeps {} or more copies, {} must answer: writes go on, busiest leader at {}x",
                loss.copies_left_min,
                loss.copies_needed,
                times(loss.busiest_leader_permille)
            ),
            (0, refusing) => {
                format!("{refusing} slots keep fewer than the {} copies that must answer", loss.copies_needed)
            }
            (gone, _) => format!("{gone} slots have no copy left"),
        };
        let _ = writeln!(out, "  without {who}: {outcome}");
    }
}

/// What the skew of the load does to the nodes, and what would help.
fn skew(out: &mut String, heat: &Heat) {
    let _ = writeln!(
        out,
        "  hottest node: {}x the mean of all (at worst {}x in 20 hashings); top 10 keys carry {} %, top 100 {} %",
        times(heat.hottest_node_permille),
        times(heat.hottest_node_worst_permille),
        percent(heat.top_keys_ppm[1]),
        percent(heat.top_keys_ppm[2])
    );
    if heat.floor_permille > 1_000 {
        let _ = writeln!(
            out,
            "  the hottest key alone is {}x a node's mean: more nodes or shards cannot help; split the key, cache its reads, \
             or fan out on read",
            times(heat.floor_permille)
        );
    } else if heat.hottest_node_permille > 1_300 {
        let _ = writeln!(
            out,
            "  the skew weighs more than the placement: more shards do not help, larger nodes or a cache do"
        );
    }
}

/// The answer to a what-if question: broken promises first, then the tightest.
pub fn promises_table(promises: &[Promise]) -> String {
    let mut out = String::new();
    let component = promises.iter().map(|p| p.component.chars().count()).max().unwrap_or(0).max(9);
    let promise = promises.iter().map(|p| p.promise.len()).max().unwrap_or(0);
    for p in promises {
        let verdict = if p.holds { "holds" } else { "BREAKS" };
        let used = p.used_permille.map_or_else(String::new, |u| format!(" ({}.{} % used)", u / 10, u % 10));
        let _ = writeln!(out, "{verdict:6}  {:component$}  {:promise$}  {}{used}", p.component, p.promise, p.because);
    }
    let tightest =
        promises.iter().filter(|p| p.holds).filter_map(|p| Some((p.used_permille?, p))).max_by_key(|(u, _)| *u);
    match (promises.iter().find(|p| !p.holds), tightest) {
        (Some(first), _) => {
            let _ = writeln!(out, "\nfirst to break: {}, {}: {}", first.component, first.promise, first.because);
        }
        (None, Some((used, p))) if used > 0 => {
            let spare = 1_000_000 / used;
            let _ = writeln!(
                out,
                "\nall promises hold; next to break is {}, {}, at {}x of this load",
                p.component,
                p.promise,
                times(spare)
            );
        }
        _ => out.push_str("\nall promises hold\n"),
    }
    out
}

/// Thousandths as a factor with two digits.
fn times(permille: u64) -> String {
    format!("{}.{:02}", permille / 1_000, permille % 1_000 / 10)
}

/// Millionths as a percentage with two digits.
fn percent(ppm: u64) -> String {
    format!("{}.{:02}", ppm / 10_000, ppm % 10_000 / 100)
}

/// What the nodes that are left take while the largest zone is down.
fn zone_down(out: &mut String, store: &StorePlan, d: &DatasetCapacity) {
    let in_zone = |zone: &str| store.nodes.iter().filter(|n| n.zone == zone).count() as u64;
    let (all, largest) = (store.nodes.len() as u64, store.nodes.iter().map(|n| in_zone(&n.zone)).max().unwrap_or(0));
    if largest == 0 || largest == all {
        return;
    }
    let (left, peak) = (all - largest, d.writes_per_second_per_node.1);
    let bytes_per_second = d.peak_bytes_per_second_per_node;
    let _ = writeln!(
        out,
        "  {}: with one zone down {} writes/s at peak on each of {left} nodes ({}/s)",
        d.name,
        peak * all / left,
        bytes(bytes_per_second * all / left)
    );
}

fn capacity(out: &mut String, d: &DatasetCapacity) {
    let kept = match (d.retain_seconds, d.retained_bytes) {
        (Some(seconds), Some(kept)) => format!("kept {}: {}", span(seconds), bytes(kept)),
        _ => "kept for ever".to_owned(),
    };
    let _ = write!(out, "  {}: {} a day, {kept}, {} copies", d.name, bytes(d.bytes_per_day), d.copies);
    let _ = writeln!(out, "; hottest key {} %", percent(d.hottest_key_ppm));
    let (mean, peak) = d.writes_per_second_per_node;
    let _ = writeln!(
        out,
        "  {}: {mean} writes/s on a node, {peak} at peak ({}/s), all copies counted",
        d.name,
        bytes(d.peak_bytes_per_second_per_node)
    );
    if let Some(largest) = d.largest_partition_bytes {
        let width = d.bucket_seconds.map_or_else(String::new, |w| format!(", bucket {}", span(w)));
        let _ = writeln!(out, "  {}: largest partition {}{width}", d.name, bytes(largest));
    }
    if let Some(compaction) = d.compaction_bytes_per_node {
        let _ = writeln!(out, "  {}: compactions need {} of a node's disk for a while", d.name, bytes(compaction));
    }
    if let [hottest, .., others] = d.bucket_classes.as_slice() {
        let between: u64 = d.bucket_classes.iter().map(|c| c.keys).sum::<u64>() - hottest.keys - others.keys;
        let between = if between == 0 {
            String::new()
        } else {
            format!(", in {} steps for the next {between}", d.bucket_classes.len() - 2)
        };
        let _ = writeln!(
            out,
            "  {}: buckets by heat: {} for the {} hottest keys{between}, {} for the {} others",
            d.name,
            span(hottest.bucket_seconds),
            hottest.keys,
            span(others.bucket_seconds),
            others.keys
        );
    }
}

/// Decimal units, one digit after the point.
pub(super) fn bytes(count: u64) -> String {
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

pub(super) fn span(seconds: u64) -> String {
    match seconds {
        s if s % 86_400 == 0 => format!("{}d", s / 86_400),
        s if s % 3_600 == 0 => format!("{}h", s / 3_600),
        s if s % 60 == 0 => format!("{}m", s / 60),
        s => format!("{s}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_dates_and_money_is_grouped() {
        assert_eq!(date(0), (1970, 1, 1));
        assert_eq!(date(19_782), (2024, 2, 29));
        assert_eq!(date(20_781), (2026, 11, 24));
        assert_eq!(amount(1_234_567.891, "EUR"), "1,234,567.89 EUR");
        assert_eq!(amount(0.5, "EUR"), "0.50 EUR");
    }
}
