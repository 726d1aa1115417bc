//! What the declared message load means for a store: bytes a day, retained bytes, hottest key, bucket width. Datasets
//! that no declared load reaches get no figures, because there would be nothing true to say.

use serde::Serialize;

use crate::topology::{Bucket, Component, DatasetShape, Load, Store, Topology};

const DAY_SECONDS: u64 = 86_400;

/// Widths that a bucket may have, seconds: a person can tell at a glance where one begins.
const WIDTHS_SECONDS: [u64; 16] = [
    60, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800, 2_592_000, 7_776_000,
    31_536_000,
];

/// Figures of one store.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Capacity {
    /// Copies of each datum, the first included.
    pub copies: u32,
    /// Disk of all nodes, bytes, where declared.
    pub disk_bytes: Option<u64>,
    /// Retained bytes of all datasets with a known retention, all copies included.
    pub retained_bytes_all_copies: Option<u64>,
    /// The same on the average node.
    pub retained_bytes_per_node: Option<u64>,
    /// Days until the disks are full, begun empty, at the mean rate; `None` where they never are.
    pub disk_full_in_days: Option<u64>,
    /// Datasets that hold messages.
    pub datasets: Vec<DatasetCapacity>,
}

/// Figures of one dataset that holds messages.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DatasetCapacity {
    /// Name.
    pub name: String,
    /// Copies of each datum.
    pub copies: u32,
    /// Writes per second that a node takes on average, all copies counted: at the mean and at the peak rate.
    pub writes_per_second_per_node: (u64, u64),
    /// Bytes per second that a node takes in at the peak rate, all copies counted.
    pub peak_bytes_per_second_per_node: u64,
    /// Bytes a day at the mean rate, one copy.
    pub bytes_per_day: u64,
    /// Retention, seconds; `None` keeps for ever.
    pub retain_seconds: Option<u64>,
    /// Retained bytes, one copy.
    pub retained_bytes: Option<u64>,
    /// Share of the traffic on the hottest key, parts per million.
    pub hottest_key_ppm: u64,
    /// Bucket width, seconds (Cassandra).
    pub bucket_seconds: Option<u64>,
    /// Bytes of the largest partition: the hottest key over one bucket, or over the whole retention.
    pub largest_partition_bytes: Option<u64>,
    /// Where the width is derived: how wide the buckets of each key can be, from the hottest keys on. One class says that all keys
    /// are alike.
    pub bucket_classes: Vec<BucketClass>,
    /// Bytes that a node needs for a while beside what it keeps, when it compacts (Cassandra).
    pub compaction_bytes_per_node: Option<u64>,
}

/// Keys whose buckets have one width.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BucketClass {
    /// How many keys.
    pub keys: u64,
    /// Width, seconds: the widest at which a partition of any of them stays within the limit.
    pub bucket_seconds: u64,
    /// Bytes of the largest partition among them.
    pub largest_partition_bytes: u64,
}

/// Compactions of a table with a time to live go window by window, of which there are so many (`TimeWindowCompactionStrategy`).
pub const WINDOWS: u64 = 30;

/// Share of the hottest among `keys` keys under Zipf's law with exponent `skew`: 1 / (generalised harmonic number).
/// The first thousand terms are summed, the rest is the Euler-Maclaurin integral (error below one part in a million).
pub fn hottest_share(keys: u64, skew: f64) -> f64 {
    let keys = keys.max(1);
    let head = keys.min(1_000);
    let mut sum: f64 = (1..=head).map(|k| (k as f64).powf(-skew)).sum();
    if keys > head {
        let (from, to) = (head as f64, keys as f64);
        let integral = if (skew - 1.0).abs() < 1e-9 {
            (to / from).ln()
        } else {
            (to.powf(1.0 - skew) - from.powf(1.0 - skew)) / (1.0 - skew)
        };
        sum += integral + (to.powf(-skew) - from.powf(-skew)) / 2.0;
    }
    1.0 / sum
}

/// Width of a Cassandra bucket, seconds: fixed as declared, or the widest at which the hottest key's partition stays
/// within its limit at the mean rate. Never below a minute; `None` without a bucket.
pub fn bucket_seconds(bucket: Bucket, load: &Load) -> Option<u64> {
    width(bucket, || hottest_bytes_per_second(load))
}

/// The same for a hottest key of so many bytes per second. That figure sums a thousand powers, so that it is asked for only once.
fn width(bucket: Bucket, hottest: impl FnOnce() -> f64) -> Option<u64> {
    match bucket {
        Bucket::None => None,
        Bucket::Fixed(width) => Some(width.as_secs().max(1)),
        Bucket::Auto { partition_bytes_max } => {
            let hottest = hottest();
            let fits = |width: &u64| hottest * *width as f64 <= partition_bytes_max as f64;
            Some(WIDTHS_SECONDS.into_iter().rev().find(fits).unwrap_or(WIDTHS_SECONDS[0]))
        }
    }
}

/// How wide the buckets of each key can be under `bucket: auto(…)`, hottest keys first: a width for all keys is far too narrow for
/// nearly all of them. None is wider than what is kept.
pub fn bucket_classes(bucket: Bucket, retain_seconds: Option<u64>, load: &Load) -> Vec<BucketClass> {
    match bucket {
        Bucket::Auto { .. } => classes(bucket, retain_seconds, load, hottest_bytes_per_second(load)),
        Bucket::None | Bucket::Fixed(_) => Vec::new(),
    }
}

fn classes(bucket: Bucket, retain_seconds: Option<u64>, load: &Load, hottest: f64) -> Vec<BucketClass> {
    let Bucket::Auto { partition_bytes_max } = bucket else { return Vec::new() };
    let skew = load.messages.skew;
    let bytes_at = |rank: u64, width: u64| hottest * (rank.max(1) as f64).powf(-skew) * width as f64;
    // Keys up to this rank outgrow a bucket of this width: their share of the traffic falls with rank^-skew.
    let outgrown = |width: u64| -> u64 {
        let ratio = bytes_at(1, width) / partition_bytes_max.max(1) as f64;
        match ratio <= 1.0 {
            true => 0,
            false if skew <= 0.0 => load.messages.keys,
            false => (ratio.powf(1.0 / skew).ceil() as u64 - 1).min(load.messages.keys),
        }
    };
    let first = width(bucket, || hottest).unwrap_or(WIDTHS_SECONDS[0]);
    let kept = retain_seconds.unwrap_or(u64::MAX);
    let widths = WIDTHS_SECONDS.into_iter().filter(|w| *w == first || (*w > first && *w <= kept));
    let mut classes: Vec<BucketClass> = Vec::new();
    let mut above = 0;
    let mut widths = widths.peekable();
    while let Some(width) = widths.next() {
        let until = widths.peek().map_or(load.messages.keys, |wider| outgrown(*wider));
        if until > above {
            let largest = bytes_at(above + 1, width).round() as u64;
            classes.push(BucketClass { keys: until - above, bucket_seconds: width, largest_partition_bytes: largest });
            above = until;
        }
    }
    classes
}

fn bytes_per_second(load: &Load) -> f64 {
    load.messages.mean_per_second * load.messages.size_bytes as f64
}

fn hottest_bytes_per_second(load: &Load) -> f64 {
    bytes_per_second(load) * hottest_share(load.messages.keys, load.messages.skew)
}

/// The figures of a store under a load.
pub fn capacity(store: &Store, load: &Load) -> Capacity {
    let datasets: Vec<DatasetCapacity> = store
        .datasets
        .iter()
        .filter(|d| matches!(d.name.as_str(), "message" | "messages"))
        .filter_map(|d| dataset(&d.name, &d.shape, store, load))
        .collect();
    let all = datasets.iter().map(|d| d.retained_bytes.map(|b| b.saturating_mul(u64::from(d.copies))));
    let retained = if datasets.is_empty() { None } else { all.sum::<Option<u64>>() };
    let disk = store.disk_bytes.map(|b| b.saturating_mul(u64::from(store.nodes)));
    Capacity {
        copies: store.copies,
        disk_full_in_days: disk.and_then(|disk| full_in_days(disk, retained, &datasets)),
        disk_bytes: disk,
        retained_bytes_all_copies: retained,
        retained_bytes_per_node: retained.map(|b| b / u64::from(store.nodes.max(1))),
        datasets,
    }
}

/// Never where all that is kept fits.
fn full_in_days(disk: u64, retained: Option<u64>, datasets: &[DatasetCapacity]) -> Option<u64> {
    let daily = datasets.iter().map(|d| d.bytes_per_day.saturating_mul(u64::from(d.copies)));
    let daily = daily.fold(0u64, u64::saturating_add);
    (daily > 0 && retained.is_none_or(|r| r > disk)).then(|| disk / daily.max(1))
}

/// Figures of a dataset of messages, that is of one keyed as `load.messages` says.
fn dataset(name: &str, shape: &DatasetShape, store: &Store, load: &Load) -> Option<DatasetCapacity> {
    let key = &load.messages.key;
    let (copies, retain, bucket) = match shape {
        DatasetShape::CassandraTable { partition, bucket, ttl, .. } if partition.iter().any(|c| &c.name == key) => {
            (store.copies, *ttl, *bucket)
        }
        DatasetShape::Topic { replicas, key: Some(field), retain, .. } if field == key => {
            (*replicas, *retain, Bucket::None)
        }
        DatasetShape::Index { replicas, route: Some(field), .. } if field == key => {
            (replicas.saturating_add(1), None, Bucket::None)
        }
        _ => return None,
    };
    let bytes_per_day = load.messages.mean_per_second * load.messages.size_bytes as f64 * DAY_SECONDS as f64;
    let retain_seconds = retain.map(|r| r.as_secs());
    let share = hottest_share(load.messages.keys, load.messages.skew);
    let hottest = bytes_per_second(load) * share;
    let width = width(bucket, || hottest);
    let partitioned = matches!(shape, DatasetShape::CassandraTable { .. });
    let span = width.or(retain_seconds).filter(|_| partitioned);
    let retained = retain_seconds.map(|s| (bytes_per_day / DAY_SECONDS as f64 * s as f64).round() as u64);
    let per_node = |rate: f64| (rate * f64::from(copies) / f64::from(store.nodes.max(1))).round() as u64;
    let (mean, peak) = (per_node(load.messages.mean_per_second), per_node(load.messages.peak_per_second));
    Some(DatasetCapacity {
        name: name.to_owned(),
        copies,
        writes_per_second_per_node: (mean, peak),
        peak_bytes_per_second_per_node: peak.saturating_mul(load.messages.size_bytes),
        bytes_per_day: bytes_per_day.round() as u64,
        retain_seconds,
        retained_bytes: retained,
        hottest_key_ppm: (share * 1e6).round() as u64,
        bucket_seconds: width,
        largest_partition_bytes: span.map(|s| (hottest * s as f64).round() as u64),
        bucket_classes: classes(bucket, retain_seconds, load, hottest),
        compaction_bytes_per_node: retained.filter(|_| partitioned).map(|retained| {
            let on_node = retained.saturating_mul(u64::from(copies)) / u64::from(store.nodes.max(1));
            // Without an end, tables of one size are merged into one: for a while both are there.
            if retain_seconds.is_some() { on_node / WINDOWS } else { on_node }
        }),
    })
}

/// How much of something limited the declared load takes.
#[derive(Debug, Clone, PartialEq)]
pub struct Use {
    /// The component.
    pub of: Component,
    /// What is limited.
    pub what: Limited,
    /// Share in use, 1.0 is all of it.
    pub used: f64,
    /// Share in use while the zone with the most of it is down, where losing a zone changes it.
    pub used_one_zone_down: Option<f64>,
}

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limited {
    /// Disk of a store's nodes.
    Disk,
    /// Open sockets of the realtime layer.
    Connections,
}

impl Limited {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Disk => "disk",
            Self::Connections => "connections",
        }
    }
}

/// Instances that remain of `all` when the zone with the most of them is down. Zones are taken in turn.
pub fn left_of(all: u32, zones: usize) -> u32 {
    let zones = u32::try_from(zones.max(1)).unwrap_or(u32::MAX);
    all - all.div_ceil(zones)
}

/// Everything whose limit and whose load are both declared.
pub fn uses(topology: &Topology) -> Vec<Use> {
    let zones = topology.zones.len();
    let mut all = Vec::new();
    // An embedded store holds what one machine holds: its nodes are no servers with a disk each.
    for (index, store) in topology.stores.iter().enumerate().filter(|(_, s)| !s.embedded) {
        let figures = capacity(store, &topology.load);
        let (Some(held), Some(disk)) = (figures.retained_bytes_all_copies, figures.disk_bytes) else { continue };
        let used = held as f64 / disk as f64;
        let of = Component::Store(crate::topology::StoreId(index));
        all.push(Use { of, what: Limited::Disk, used, used_one_zone_down: None });
    }
    if let Some(realtime) = &topology.realtime {
        let online = topology.load.online as f64;
        let share = |nodes: u32| online / (f64::from(nodes) * realtime.connections_per_replica_max as f64);
        let left = left_of(realtime.replicas, zones);
        all.push(Use {
            of: Component::Realtime,
            what: Limited::Connections,
            used: share(realtime.replicas),
            used_one_zone_down: (zones > 1 && left > 0).then(|| share(left)),
        });
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::MessageLoad;

    #[test]
    fn hot_keys_have_narrow_buckets_and_others_wide_ones() {
        let messages = MessageLoad {
            mean_per_second: 2_000.0,
            peak_per_second: 60_000.0,
            size_bytes: 900,
            key: "channel_id".into(),
            skew: 0.8,
            keys: 2_000_000,
        };
        let limit = 100_000_000;
        let load = Load { users: 5_000_000, online: 800_000, messages };
        let auto = Bucket::Auto { partition_bytes_max: limit };
        let classes = bucket_classes(auto, Some(90 * DAY_SECONDS), &load);
        assert_eq!(classes.iter().map(|c| c.keys).sum::<u64>(), 2_000_000, "every key has a width");
        assert_eq!(classes[0].bucket_seconds, 3_600, "the hottest as ever");
        assert!(classes.windows(2).all(|w| w[0].bucket_seconds < w[1].bucket_seconds && w[0].keys <= w[1].keys));
        assert!(classes.iter().all(|c| c.largest_partition_bytes <= limit), "{classes:?}");
        // The last key of a class would outgrow the next wider bucket.
        let mut rank = 0;
        for pair in classes.windows(2) {
            rank += pair[0].keys;
            let bytes = hottest_bytes_per_second(&load) * (rank as f64).powf(-0.8) * pair[1].bucket_seconds as f64;
            assert!(bytes > limit as f64 * 0.999_999, "{classes:?}");
        }
        let last = classes.last().expect("there is one");
        assert!(last.bucket_seconds == 90 * DAY_SECONDS && last.keys > 1_900_000, "{classes:?}");
        let flat = Load { messages: MessageLoad { skew: 0.0, ..load.messages.clone() }, ..load };
        assert_eq!(bucket_classes(auto, Some(90 * DAY_SECONDS), &flat).len(), 1, "keys that are alike");
        assert!(bucket_classes(Bucket::None, None, &flat).is_empty());
    }
}
