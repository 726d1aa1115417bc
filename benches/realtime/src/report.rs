//! Figures as text: one line per round, and the table of medians and ratios.

use crate::{fleet, rounds::Figures};

type Row = (&'static str, fn(&Figures) -> f64, Bar);

/// What our figure over the first peer's may be.
enum Bar {
    AtMost(f64),
    AtLeast(f64),
}

const ROWS: [Row; 6] = [
    ("idle memory, KiB a connection", |one| one.idle_kib_per_connection, Bar::AtMost(0.55)),
    ("CPU, us a delivery, one room, one send after the other", |one| one.large_us_per_delivery[0], Bar::AtMost(0.5)),
    ("the same, each send once all have the last", |one| one.large_us_per_delivery[1], Bar::AtMost(0.5)),
    ("CPU, us a delivery, rooms of 10, one send after the other", |one| one.small_us_per_delivery[0], Bar::AtMost(0.4)),
    ("the same, each round once all have the last", |one| one.small_us_per_delivery[1], Bar::AtMost(0.4)),
    ("connect + auth + join, a second", |one| one.connects_per_second, Bar::AtLeast(2.5)),
];

pub fn line(one: &Figures) -> String {
    ROWS.iter().map(|(name, value, _)| format!("{name} {:.1}", value(one))).collect::<Vec<_>>().join("; ")
}

fn median(figures: &[Figures], value: fn(&Figures) -> f64) -> Option<f64> {
    let mut all: Vec<f64> = figures.iter().map(value).collect();
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied()
}

/// Medians of each server, ratios to the first peer, and whether the bar is met.
pub fn table(names: &[&str], figures: &[Vec<Figures>]) -> String {
    let mut out =
        format!("| what | {} | ratio | bar | |\n|---|{}---|---|---|\n", names.join(" | "), "---|".repeat(names.len()));
    for (name, value, bar) in ROWS {
        let medians: Vec<Option<f64>> = figures.iter().map(|of| median(of, value)).collect();
        let cells = medians.iter().map(|cell| cell.map_or_else(|| "failed".to_owned(), |cell| format!("{cell:.1}")));
        let ratio = medians[0].zip(medians[1]).map(|(ours, theirs)| ours / theirs);
        let (text, met) = match bar {
            Bar::AtMost(most) => (format!("≤ {most}"), ratio.is_some_and(|ratio| ratio <= most)),
            Bar::AtLeast(least) => (format!("≥ {least}"), ratio.is_some_and(|ratio| ratio >= least)),
        };
        let ratio = ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"));
        let cells = cells.collect::<Vec<_>>().join(" | ");
        out.push_str(&format!("| {name} | {cells} | {ratio} | {text} | {} |\n", if met { "met" } else { "missed" }));
    }
    out
}

/// The rows that need more than one process: ours synced to disk, the peers' kept nowhere.
pub fn fleet_table(ours: &[fleet::Figures], theirs: &[fleet::Figures], recoveries: &[f64], syncs: &[f64]) -> String {
    let of = |value: fn(&fleet::Figures) -> f64| fleet::percentile(ours.iter().map(value).collect(), 0.5);
    let way = fleet::percentile(theirs.iter().map(|one| one.way_ms_p99).collect(), 0.5);
    let recovery = fleet::percentile(recoveries.to_vec(), 0.5);
    let sync = fleet::percentile(syncs.to_vec(), 0.5);
    let row = |name: &str, ours: f64, theirs: f64, bar: f64, at_least: bool| {
        let ratio = ours / theirs;
        let met = if at_least { ratio >= bar } else { ratio <= bar };
        let sign = if at_least { "≥" } else { "≤" };
        let met = if met { "met" } else { "missed" };
        format!("| {name} | {ours:.1} | {theirs:.1} | - | {ratio:.2} | {sign} {bar:.2} | {met} |\n")
    };
    [
        row(
            "two nodes, send to other client, p99 ms (peer: redis adapter, not durable)",
            of(|one| one.way_ms_p99),
            way,
            1.0,
            false,
        ),
        row(
            "reconnect at once, 20 missed each, ms (peer: state recovery)",
            of(|one| one.reconnect_ms),
            recovery,
            0.6,
            false,
        ),
        row(
            "durable sends a second, 16 senders in one channel (against 16 a sync)",
            of(|one| one.sends_per_second),
            16_000.0 / sync,
            0.5,
            true,
        ),
        row("one sender's ack p50, ms (against a sync + 1 ms)", of(|one| one.ack_ms_p50), sync + 1.0, 1.0, false),
    ]
    .concat()
}
