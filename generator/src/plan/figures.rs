//! Every figure of a plan by a path, with the formula that it comes from and the numbers in it.

use std::fmt::Write;

use archgen_spec::capacity::{hottest_share, left_of};
use archgen_spec::topology::{Store, Topology};

use super::table::{amount, bytes, span};
use super::{DatasetCapacity, Plan, StorePlan};

const DAY_SECONDS: u64 = 86_400;
const HOUR_SECONDS: f64 = 3_600.0;

/// One figure.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// `plan.stores.chat.messages.bytes_per_day`.
    pub path: String,
    /// What it is.
    pub what: String,
    /// The figure.
    pub value: f64,
    /// The figure as people read it.
    pub shown: String,
    /// How it comes about, in words.
    pub formula: &'static str,
    /// The same with numbers: it can be typed into a calculator.
    pub numbers: String,
}

impl Figure {
    /// For a terminal.
    pub fn text(&self) -> String {
        format!(
            "{}\n\n{}\n\n  value    {}\n  formula  {}\n  here     {} = {}\n",
            self.path,
            self.what,
            self.shown,
            self.formula,
            self.numbers,
            number(self.value)
        )
    }
}

/// Whole numbers as such, others with as many digits as tell them apart.
fn number(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e15 { format!("{value:.0}") } else { format!("{value:.9}") }
}

/// Every figure of the plan, in the order of the spec.
pub fn figures(topology: &Topology, plan: &Plan) -> Vec<Figure> {
    let mut all = Vec::new();
    for (store, planned) in topology.stores.iter().zip(plan.stores.values()) {
        placement(store, planned, &mut all);
        for dataset in &planned.capacity.datasets {
            traffic(topology, store, dataset, &mut all);
            sizes(topology, store, dataset, &mut all);
            room(topology, store, dataset, &mut all);
        }
        disk(store, planned, &mut all);
    }
    connections(topology, &mut all);
    costs(plan, &mut all);
    all
}

/// The list of paths that `archgen explain plan SPEC` prints.
pub fn figures_list(figures: &[Figure]) -> String {
    let width = figures.iter().map(|f| f.path.len()).max().unwrap_or(0);
    let mut out = String::new();
    for figure in figures {
        let _ = writeln!(out, "{:width$}  {}", figure.path, figure.shown);
    }
    out
}

fn placement(store: &Store, planned: &StorePlan, all: &mut Vec<Figure>) {
    let path = |name: &str| format!("plan.stores.{}.{name}", store.name);
    let weight: u64 = planned.nodes.iter().map(|n| u64::from(n.weight)).sum();
    let copies: u64 = planned.balance.copies.iter().map(|c| u64::from(*c)).sum();
    let per_weight = |(n, c): (&super::Node, &u32)| f64::from(*c) / f64::from(n.weight);
    let loaded = planned.nodes.iter().zip(&planned.balance.copies).filter(|(n, _)| n.weight > 0);
    let Some((node, held)) = loaded.max_by(|a, b| per_weight(*a).total_cmp(&per_weight(*b))) else { return };
    let value = f64::from(*held) / f64::from(node.weight) / (copies as f64 / weight as f64);
    all.push(Figure {
        path: path("balance"),
        what: format!(
            "Copies on the fullest node of `{}` ({}) over the mean, per unit of weight.",
            store.name, node.name
        ),
        value,
        shown: format!("{value:.3}"),
        formula: "copies on it ÷ its weight ÷ (all copies ÷ all weights)",
        numbers: format!("{held} ÷ {} ÷ ({copies} ÷ {weight})", node.weight),
    });
    if let Some(reads) = &planned.reads {
        all.push(Figure {
            path: path("reads.leader"),
            what: format!("Share of the reads that a slot's leader is asked for: {}.", reads.because),
            value: f64::from(reads.asked) / f64::from(reads.copies),
            shown: format!("{}.{} %", reads.leader_permille / 10, reads.leader_permille % 10),
            formula: "copies asked by a read ÷ copies",
            numbers: format!("{} ÷ {}", reads.asked, reads.copies),
        });
    }
}

fn traffic(topology: &Topology, store: &Store, d: &DatasetCapacity, all: &mut Vec<Figure>) {
    let load = &topology.load.messages;
    let path = |name: &str| format!("plan.stores.{}.{}.{name}", store.name, d.name);
    let mut rate = |name: &str, what: &str, per_second: f64, nodes: u32| {
        let value = per_second * f64::from(d.copies) / f64::from(nodes.max(1));
        all.push(Figure {
            path: path(name),
            what: format!("Writes a second on a node of `{}`, {what}.", store.name),
            value,
            shown: format!("{value:.0}/s"),
            formula: "messages a second × copies ÷ nodes",
            numbers: format!("{} × {} ÷ {}", number(per_second), d.copies, nodes.max(1)),
        });
    };
    rate("writes.mean", "at the mean rate", load.mean_per_second, store.nodes);
    rate("writes.peak", "at the peak rate", load.peak_per_second, store.nodes);
    let left = left_of(store.nodes, topology.zones.len());
    if topology.zones.len() > 1 && left > 0 {
        rate(
            "writes.peak_one_zone_down",
            "at the peak rate while the largest zone is down",
            load.peak_per_second,
            left,
        );
    }
    let value = load.peak_per_second * f64::from(d.copies) / f64::from(store.nodes.max(1)) * load.size_bytes as f64;
    all.push(Figure {
        path: path("network.peak"),
        what: format!("Bytes a second that a node of `{}` takes in at the peak rate.", store.name),
        value,
        shown: format!("{}/s", bytes(value as u64)),
        formula: "messages a second × copies ÷ nodes × size",
        numbers: format!(
            "{} × {} ÷ {} × {}",
            number(load.peak_per_second),
            d.copies,
            store.nodes.max(1),
            load.size_bytes
        ),
    });
}

/// What there must be room for beside the data: compactions on the disk, what was written last in memory.
fn room(topology: &Topology, store: &Store, d: &DatasetCapacity, all: &mut Vec<Figure>) {
    let (load, nodes) = (&topology.load.messages, store.nodes.max(1));
    let path = |name: &str| format!("plan.stores.{}.{}.{name}", store.name, d.name);
    let value = load.peak_per_second * f64::from(d.copies) / f64::from(nodes) * load.size_bytes as f64 * HOUR_SECONDS;
    all.push(Figure {
        path: path("memory.hour_at_peak"),
        what: format!(
            "Memory in which a node of `{}` has the last hour at the peak rate: what nearly all reads ask for.",
            store.name
        ),
        value,
        shown: bytes(value as u64),
        formula: "messages a second × copies ÷ nodes × size × seconds of an hour",
        numbers: format!(
            "{} × {} ÷ {nodes} × {} × {HOUR_SECONDS}",
            number(load.peak_per_second),
            d.copies,
            load.size_bytes
        ),
    });
    if let (Some(compaction), Some(retained)) = (d.compaction_bytes_per_node, d.retained_bytes) {
        let windows = if d.retain_seconds.is_some() { 30 } else { 1 };
        all.push(Figure {
            path: path("compaction"),
            what: format!(
                "Disk that a compaction needs for a while on a node of `{}`, beside what is kept.",
                store.name
            ),
            value: retained as f64 * f64::from(d.copies) / f64::from(nodes) / f64::from(windows),
            shown: bytes(compaction),
            formula: "bytes kept × copies ÷ nodes ÷ windows that are compacted one by one",
            numbers: format!("{retained} × {} ÷ {nodes} ÷ {windows}", d.copies),
        });
    }
    if let [hottest, .., _] = d.bucket_classes.as_slice() {
        let share = hottest_share(load.keys, load.skew);
        all.push(Figure {
            path: path("bucket.hottest"),
            what: format!(
                "Bytes of the largest partition among the {} hottest keys, whose buckets are narrowest.",
                hottest.keys
            ),
            value: load.mean_per_second * load.size_bytes as f64 * share * hottest.bucket_seconds as f64,
            shown: format!("{} in {}", bytes(hottest.largest_partition_bytes), span(hottest.bucket_seconds)),
            formula: "mean rate × size × share of the hottest key × seconds of its bucket",
            numbers: format!(
                "{} × {} × {share:.12} × {}",
                number(load.mean_per_second),
                load.size_bytes,
                hottest.bucket_seconds
            ),
        });
    }
}

fn sizes(topology: &Topology, store: &Store, d: &DatasetCapacity, all: &mut Vec<Figure>) {
    let load = &topology.load.messages;
    let path = |name: &str| format!("plan.stores.{}.{}.{name}", store.name, d.name);
    let (mean, size) = (number(load.mean_per_second), load.size_bytes);
    let per_second = load.mean_per_second * size as f64;
    let mut sized = |name: &str, what: String, value: f64, formula: &'static str, numbers: String| {
        all.push(Figure { path: path(name), what, value, shown: bytes(value as u64), formula, numbers });
    };
    let what = format!("Bytes of `{}` a day, one copy.", d.name);
    let numbers = format!("{mean} × {size} × {DAY_SECONDS}");
    sized("bytes_per_day", what, per_second * DAY_SECONDS as f64, "mean rate × size × seconds of a day", numbers);
    if let Some(seconds) = d.retain_seconds {
        let what = format!("Bytes of `{}` that are kept, one copy.", d.name);
        let numbers = format!("{mean} × {size} × {seconds}");
        sized("retained", what, per_second * seconds as f64, "mean rate × size × seconds of retention", numbers);
    }
    let share = hottest_share(load.keys, load.skew);
    if let (Some(largest), Some(width)) = (d.largest_partition_bytes, d.bucket_seconds.or(d.retain_seconds)) {
        let what = format!("Bytes of the largest partition of `{}`: the hottest key over {}.", d.name, span(width));
        let numbers = format!("{mean} × {size} × {share:.12} × {width}");
        let formula = "mean rate × size × share of the hottest key × seconds of a bucket, or of the retention";
        sized("largest_partition", what, largest as f64, formula, numbers);
    }
    all.push(Figure {
        path: path("hottest_key"),
        what: format!("Share of the traffic on the hottest of {} keys under zipf({}).", load.keys, load.skew),
        value: share,
        shown: format!("{:.2} %", share * 100.0),
        formula: "1 ÷ (1^-s + 2^-s + … + keys^-s)",
        numbers: format!("1 ÷ {:.9}", 1.0 / share),
    });
}

fn disk(store: &Store, planned: &StorePlan, all: &mut Vec<Figure>) {
    let path = |name: &str| format!("plan.stores.{}.{name}", store.name);
    let (capacity, nodes) = (&planned.capacity, store.nodes.max(1));
    let grown: Vec<String> = capacity.datasets.iter().map(|d| format!("{} × {}", d.bytes_per_day, d.copies)).collect();
    if let (Some(days), Some(each)) = (capacity.disk_full_in_days, store.disk_bytes) {
        let daily: u64 = capacity.datasets.iter().map(|d| d.bytes_per_day.saturating_mul(u64::from(d.copies))).sum();
        let value = each as f64 * f64::from(nodes) / daily as f64;
        all.push(Figure {
            path: path("disk.full_in_days"),
            what: format!("Days until the disks of `{}` are full, begun empty, at this load.", store.name),
            value,
            shown: format!("{days} days"),
            formula: "disk of a node × nodes ÷ (bytes a day × copies, of each dataset)",
            numbers: format!("{each} × {nodes} ÷ ({})", grown.join(" + ")),
        });
    }
    let kept = capacity.datasets.iter().map(|d| Some(format!("{} × {}", d.retained_bytes?, d.copies)));
    if let (Some(on_node), Some(kept)) = (capacity.retained_bytes_per_node, kept.collect::<Option<Vec<String>>>()) {
        all.push(Figure {
            path: path("disk.retained_on_node"),
            what: format!("Bytes that are kept on the average node of `{}`.", store.name),
            value: on_node as f64,
            shown: bytes(on_node),
            formula: "(bytes kept × copies, of each dataset) ÷ nodes",
            numbers: format!("({}) ÷ {nodes}", kept.join(" + ")),
        });
    }
}

fn connections(topology: &Topology, all: &mut Vec<Figure>) {
    let Some(realtime) = &topology.realtime else { return };
    let online = topology.load.online;
    let mut each = |name: &str, what: &str, replicas: u32| {
        let value = online as f64 / f64::from(replicas.max(1));
        all.push(Figure {
            path: format!("plan.realtime.{name}"),
            what: format!(
                "Connections of a realtime replica{what}; it takes {}.",
                realtime.connections_per_replica_max
            ),
            value,
            shown: format!("{value:.0}"),
            formula: "people online ÷ replicas",
            numbers: format!("{online} ÷ {}", replicas.max(1)),
        });
    };
    each("connections", "", realtime.replicas);
    let left = left_of(realtime.replicas, topology.zones.len());
    if topology.zones.len() > 1 && left > 0 {
        each("connections_one_zone_down", " while the largest zone is down", left);
    }
}

fn costs(plan: &Plan, all: &mut Vec<Figure>) {
    let Some(cost) = &plan.cost else { return };
    for (name, c) in &cost.components {
        all.push(Figure {
            path: format!("plan.cost.{name}"),
            what: format!("What `{name}` costs a month."),
            value: c.month,
            shown: amount(c.month, &cost.currency),
            formula: "instances × price + gigabytes of disk × price",
            numbers: format!(
                "{} × {} + {} × {}",
                c.instances,
                number(c.instance),
                number(c.disk_gigabytes),
                number(c.disk)
            ),
        });
    }
    all.push(Figure {
        path: "plan.cost".to_owned(),
        what: "What the system costs a month.".to_owned(),
        value: cost.month,
        shown: amount(cost.month, &cost.currency),
        formula: "the sum of its components",
        numbers: cost.components.values().map(|c| number(c.month)).collect::<Vec<_>>().join(" + "),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sum of products of numbers, brackets allowed: what [`Figure::numbers`] is made of.
    fn evaluate(text: &str) -> f64 {
        fn sum(rest: &mut &str) -> f64 {
            let mut value = product(rest);
            while let Some(after) = rest.trim_start().strip_prefix('+') {
                *rest = after;
                value += product(rest);
            }
            value
        }
        fn product(rest: &mut &str) -> f64 {
            let mut value = factor(rest);
            loop {
                let text = rest.trim_start();
                if let Some(after) = text.strip_prefix('×') {
                    *rest = after;
                    value *= factor(rest);
                } else if let Some(after) = text.strip_prefix('÷') {
                    *rest = after;
                    value /= factor(rest);
                } else {
                    return value;
                }
            }
        }
        fn factor(rest: &mut &str) -> f64 {
            let text = rest.trim_start();
            if let Some(inner) = text.strip_prefix('(') {
                *rest = inner;
                let value = sum(rest);
                *rest = rest.trim_start().strip_prefix(')').expect("a closing bracket");
                return value;
            }
            let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
            *rest = &text[end..];
            text[..end].parse().expect("a number")
        }
        let mut rest = text;
        let value = sum(&mut rest);
        assert!(rest.trim().is_empty(), "left over: {rest}");
        value
    }

    #[test]
    fn every_formula_gives_its_figure() {
        let text = "archgen: v1\nname: t\nzones: [a, b, c]\nprices: { instance: 40, components: { chat: 310.5 }, disk: 0.08 }\nload: { users: \
                    1M, online: 300k, messages: { mean: 2k/s, peak: 60k/s, size: 900B, key: channel_id, skew: zipf(0.8), keys: 2M } \
                    }\nrealtime: { kind: socketio, port: 3000, replicas: 4, connections_per_replica: 100k, needs: [] }\nstores:\n  \
                    chat:\n    kind: cassandra\n    version: \"4.1\"\n    nodes: 6\n    weights: { chat-1: 2 }\n    disk: 8TB\n    replication: { \
                    eu: 3 }\n    tables:\n      messages: { partition: [channel_id bigint, bucket int], cluster: [message_id bigint desc], \
                    columns: { body: text }, bucket: auto(100MB), ttl: 90d }\n  events: { kind: kafka, version: \"3.7\", brokers: 3, disk: 1TB, \
                    topics: { message: { partitions: 12, key: channel_id } } }\n";
        let read = |_: &str| Err(archgen_spec::ReadError::Missing);
        let loaded = archgen_spec::load("t.yaml", text.to_owned(), None, &read, &|_| None);
        let topology = loaded.topology.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics));
        let plan = crate::plan::plan(&topology);
        let all = figures(&topology, &plan);
        for figure in &all {
            let counted = evaluate(&figure.numbers);
            // What is rounded to a whole number in the plan is off by less than one.
            let near = (counted - figure.value).abs() <= 1.0_f64.max(counted.abs() * 1e-9);
            assert!(near, "{} is {}, its numbers give {counted}", figure.path, figure.value);
        }
        let value = |path: &str| all.iter().find(|f| f.path == path).map(|f| f.value);
        // 2,000 × 900 × 86,400; 12 messages of 900 B a second of 1 TB brokers in three copies are full in 6.4 days.
        assert_eq!(value("plan.stores.chat.messages.bytes_per_day"), Some(155_520_000_000.0));
        assert!(value("plan.stores.events.disk.full_in_days").is_some_and(|d| (d - 6.43).abs() < 0.01));
        assert_eq!(value("plan.cost.chat"), Some(6.0 * 310.5 + 48_000.0 * 0.08));
        assert_eq!(value("plan.cost"), Some(6.0 * 310.5 + 48_000.0 * 0.08 + 3.0 * 40.0 + 3_000.0 * 0.08 + 160.0));
        assert_eq!(value("plan.stores.chat.disk.full_in_days"), None, "90 days fit");
        assert!(all.len() > 20, "{}", figures_list(&all));
    }
}
