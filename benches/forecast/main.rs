//! Forecast against reality: draws the reference system's messages at a thousandth of their rate and of their keys, with the declared
//! skew, writes a day of them to the nodes of the embedded message store, and prints what the planner had forecast beside what is
//! there. Ends with status 1 where bytes per node or the hottest key's share are more than a tenth apart.
#![expect(clippy::disallowed_methods, reason = "a program of its own, on an operating system")]
#![expect(clippy::print_stdout, reason = "its figures")]
#![expect(clippy::unwrap_used, reason = "a measurement that cannot be made has no result")]

use std::{
    collections::BTreeMap,
    path::Path,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use archgen_env::{
    Env,
    net::Address,
    os,
    task::{Shutdown, Task},
};
use archgen_ports::{
    ChannelId, ServiceKey,
    messages::{Append, Appended, Counts, Messages, NewEntry, Range},
};
use archgen_spec::{
    capacity::hottest_share,
    sharding::{SlotMap, slot_of},
    topology::{Bucket, DatasetShape, Store, Topology},
};
use archgen_store::{EngineKind, NodeConfig, Place, PlacedClient, run};
use serde_json::json;

const SCALE: f64 = 1_000.0;
const DAY_SECONDS: u64 = 86_400;
/// Entries of one append.
const AT_ONCE: usize = 100;
/// Appends under way.
const WRITERS: usize = 16;
/// Largest difference that is no miss.
const TENTH: f64 = 0.1;

/// Numbers that are the same in each run (Steele, Lea, Flood 2014, "Fast Splittable Pseudorandom Number Generators").
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 up to 1.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// The reference system with a thousandth of its load, its message store as `archgen up` keeps it, and a day's retention.
fn scaled(root: &Path) -> (Topology, usize) {
    let text = std::fs::read_to_string(root.join("examples/slack/topology.yaml")).unwrap();
    let read = |_: &str| Err(archgen_spec::ReadError::Missing);
    let mut topology = archgen_spec::load("topology.yaml", text, None, &read, &|_| None).topology.unwrap();
    let shards = topology.services.iter().map(|s| s.shards).max().unwrap_or(1).max(1);
    let messages = &mut topology.load.messages;
    messages.mean_per_second /= SCALE;
    messages.peak_per_second /= SCALE;
    messages.keys = (messages.keys as f64 / SCALE) as u64;
    let (chat, _) = topology.store_named("chat").map(|(id, store)| (id.0, store.name.clone())).unwrap();
    let store = &mut topology.stores[chat];
    (store.copies, store.slots, store.embedded) = (1, shards, true);
    for dataset in &mut store.datasets {
        if let DatasetShape::CassandraTable { bucket, ttl, .. } = &mut dataset.shape {
            *ttl = Some(Duration::from_secs(DAY_SECONDS));
            if let Bucket::Auto { partition_bytes_max } = bucket {
                *partition_bytes_max = (*partition_bytes_max as f64 / SCALE) as u64;
            }
        }
    }
    (topology, chat)
}

/// The store's nodes.
struct Fleet {
    _data: tempfile::TempDir,
    folders: Vec<std::path::PathBuf>,
    client: Arc<PlacedClient>,
    running: Vec<(Env, Task)>,
}

impl Fleet {
    async fn start(nodes: u32, shards: u16) -> Self {
        let data = tempfile::tempdir().unwrap();
        let sockets: Vec<_> = (0..nodes).map(|_| std::net::TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let addresses: Vec<Address> =
            sockets.iter().map(|s| Address::new("127.0.0.1", s.local_addr().unwrap().port())).collect();
        drop(sockets);
        let key = ServiceKey::new("forecast");
        let mut running = Vec::new();
        let mut folders = Vec::new();
        for (ordinal, address) in (0u32..).zip(&addresses) {
            let folder = data.path().join(format!("chat-{}", ordinal + 1));
            std::fs::create_dir_all(&folder).unwrap();
            let env = os::env(&format!("chat-{}", ordinal + 1), &folder, Shutdown::default());
            let config = NodeConfig {
                store: "chat".to_owned(),
                public_url: format!("http://{address}"),
                address: address.clone(),
                key: key.clone(),
                engine: EngineKind::Fjall,
                nodes: nodes as usize,
                topics: BTreeMap::new(),
                membership: None,
                place: Place { ordinal, founders: addresses.clone(), addresses: Vec::new(), units: shards },
            };
            let its_env = env.clone();
            let task = env.spawn("node", async move { run(its_env, config).await.unwrap() });
            while env.net().connect(address).await.is_err() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            running.push((env, task));
            folders.push(folder);
        }
        let env = os::env("writer", data.path(), Shutdown::default());
        let client = Arc::new(PlacedClient::new(&env, addresses, &key, shards));
        Self { _data: data, folders, client, running }
    }

    async fn stop(self) -> Vec<u64> {
        for (env, task) in self.running {
            env.shutdown().trigger("done");
            task.join().await;
        }
        self.folders.iter().map(|folder| bytes_in(folder)).collect()
    }
}

fn bytes_in(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let size = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(found) if found.is_dir() => bytes_in(&entry.path()),
        Ok(found) => found.len(),
        Err(_) => 0,
    };
    entries.map(size).sum()
}

/// What a channel's entry takes in its log, without its text.
fn overhead() -> usize {
    let entry = entry(1_000_000, 1_700_000_000_000, 0, &mut Draw(1));
    serde_json::to_vec(&(entry.id, entry.kind, entry.author, entry.ts, entry.client_msg_id, entry.data)).unwrap().len()
}

fn entry(number: u64, ts: u64, text: usize, draw: &mut Draw) -> NewEntry {
    // Text that no compression makes smaller than it is in people's messages: letters by chance.
    let body: String = (0..text).map(|_| char::from(b'a' + (draw.next() % 26) as u8)).collect();
    NewEntry {
        id: format!("{number:012}").as_str().into(),
        kind: "message.created".to_owned(),
        author: "0123456789ab".into(),
        ts,
        client_msg_id: Some(format!("{number:032}")),
        data: json!({"body": body}),
        adds: Counts { messages: 1, everyone: 0 },
        index: None,
        revises: None,
    }
}

/// Every message of a day by its channel, hottest first, in order of time.
fn drawn(topology: &Topology) -> Vec<Vec<NewEntry>> {
    let load = &topology.load.messages;
    let mut sums: Vec<f64> = Vec::with_capacity(load.keys as usize);
    for rank in 1..=load.keys {
        let before = sums.last().copied().unwrap_or(0.0);
        sums.push(before + (rank as f64).powf(-load.skew));
    }
    let all = *sums.last().unwrap();
    let count = (load.mean_per_second * DAY_SECONDS as f64) as u64;
    let (mut draw, fixed) = (Draw(7), overhead());
    let mut channels: Vec<Vec<NewEntry>> = vec![Vec::new(); sums.len()];
    for number in 0..count {
        let wanted = draw.unit() * all;
        let rank = sums.partition_point(|sum| *sum <= wanted).min(sums.len() - 1);
        // From half to one and a half of the declared size.
        let size = (load.size_bytes as f64 * (0.5 + draw.unit())) as usize;
        let ts = number * DAY_SECONDS * 1_000 / count;
        channels[rank].push(entry(number, ts, size.saturating_sub(fixed), &mut draw));
    }
    channels
}

fn channel(rank: usize) -> ChannelId {
    ChannelId(format!("channel-{rank}"))
}

async fn write(client: Arc<PlacedClient>, shards: u16, work: Vec<(usize, Vec<NewEntry>)>) {
    for (rank, entries) in work {
        let channel = channel(rank);
        let shard = slot_of(channel.0.as_bytes(), shards);
        for (turn, entries) in entries.chunks(AT_ONCE).enumerate() {
            let head = (turn * AT_ONCE) as u64;
            let (channel, entries) = (channel.clone(), entries.to_vec());
            let append = Append { shard, epoch: 1, channel, head, dedup_ms: 60_000, entries };
            assert!(matches!(client.append(append).await.unwrap(), Appended::Applied(_)));
        }
    }
}

/// What is there: bytes of each channel's log, and those of the hottest channel by its buckets.
async fn read(client: &PlacedClient, channels: usize, bucket_seconds: u64) -> (Vec<u64>, BTreeMap<u64, u64>) {
    let (mut bytes, mut buckets) = (vec![0u64; channels], BTreeMap::new());
    for (rank, all) in bytes.iter_mut().enumerate() {
        let mut after = 0;
        loop {
            let entries = client.read(&channel(rank), Range::After(after), 500).await.unwrap();
            let Some(last) = entries.last() else { break };
            after = last.position.seq;
            for e in &entries {
                let parts = (&e.id, &e.kind, &e.author, e.ts, &e.client_msg_id, &e.data);
                let size = serde_json::to_vec(&parts).unwrap().len() as u64;
                *all += size;
                if rank == 0 {
                    *buckets.entry(e.ts / 1_000 / bucket_seconds).or_default() += size;
                }
            }
        }
    }
    (bytes, buckets)
}

/// One line; whether both are near each other, where that is a bar.
fn line(what: &str, forecast: f64, measured: f64, bar: bool) -> bool {
    let apart = (measured - forecast) / forecast;
    let verdict = match (bar, apart.abs() <= TENTH) {
        (false, _) => "",
        (true, true) => "  held",
        (true, false) => "  MISSED",
    };
    println!("| {what} | {forecast:.4} | {measured:.4} | {:+.1} %{verdict} |", apart * 100.0);
    !bar || apart.abs() <= TENTH
}

#[tokio::main]
async fn main() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let (topology, chat) = scaled(&root);
    let plan = archgen_generator::plan(&topology);
    let store: &Store = &topology.stores[chat];
    let planned = &plan.stores[&store.name];
    let dataset = planned.capacity.datasets.first().unwrap();
    let heat = planned.heat.as_ref().unwrap();
    let load = &topology.load.messages;
    let begun = Instant::now();
    let channels = drawn(&topology);
    let count: usize = channels.iter().map(Vec::len).sum();
    let fleet = Fleet::start(store.nodes, store.slots).await;
    let mut work: Vec<Vec<(usize, Vec<NewEntry>)>> = vec![Vec::new(); WRITERS];
    for (rank, entries) in channels.into_iter().enumerate() {
        work[rank % WRITERS].push((rank, entries));
    }
    let writers = work.into_iter().map(|work| tokio::spawn(write(fleet.client.clone(), store.slots, work)));
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    let bucket_seconds = dataset.bucket_seconds.unwrap_or(DAY_SECONDS);
    let (bytes, buckets) = read(&fleet.client, load.keys as usize, bucket_seconds).await;
    let disks = fleet.stop().await;
    let owners = SlotMap::round_robin(store.slots, store.nodes);
    let mut on_node = vec![0u64; store.nodes as usize];
    for (rank, bytes) in bytes.iter().enumerate() {
        on_node[owners.owner(channel(rank).0.as_bytes()) as usize] += bytes;
    }
    let all: u64 = bytes.iter().sum();
    println!(
        "{count} messages of a day at 1/{SCALE}, zipf({}) over {} channels, {} nodes, {} shards, in {:.0} s\n",
        load.skew,
        load.keys,
        store.nodes,
        store.slots,
        begun.elapsed().as_secs_f64()
    );
    println!("| figure | forecast | measured | apart |\n|---|---|---|---|");
    let mean = on_node.iter().sum::<u64>() as f64 / f64::from(store.nodes);
    let forecast = planned.capacity.retained_bytes_per_node.unwrap() as f64;
    let mut held = line("bytes on the average node, MB", forecast / 1e6, mean / 1e6, true);
    let share = |ranks: usize| bytes.iter().take(ranks).sum::<u64>() as f64 / all as f64;
    held &= line("hottest key's share, %", hottest_share(load.keys, load.skew) * 100.0, share(1) * 100.0, true);
    line("ten hottest keys' share, %", heat.top_keys_ppm[1] as f64 / 1e4, share(10) * 100.0, false);
    let hottest = on_node.iter().max().copied().unwrap_or(0) as f64 / mean;
    line("hottest node over the mean (median of 20 hashings)", heat.hottest_node_permille as f64 / 1e3, hottest, false);
    let largest = buckets.values().sum::<u64>() as f64 / buckets.len().max(1) as f64;
    held &= line(
        &format!("partition of the hottest key, {bucket_seconds} s, kB"),
        dataset.largest_partition_bytes.unwrap() as f64 / 1e3,
        largest / 1e3,
        true,
    );
    let most = buckets.values().max().copied().unwrap_or(0) as f64;
    println!(
        "\nlargest single partition: {:.1} kB of {} (chance fills some more than others)",
        most / 1e3,
        buckets.len()
    );
    println!("worst of the 20 hashings: {:.3}", heat.hottest_node_worst_permille as f64 / 1e3);
    let per_node: Vec<String> = on_node.iter().map(|b| format!("{:.1}", *b as f64 / 1e6)).collect();
    println!("bytes per node, MB: {}", per_node.join(" "));
    println!(
        "on disk, with ids, deduplication keys and indexes: {:.1} MB, {:.2} times the messages",
        disks.iter().sum::<u64>() as f64 / 1e6,
        disks.iter().sum::<u64>() as f64 / all as f64
    );
    if held { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
