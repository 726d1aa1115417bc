//! A long run at a part of what the fleet can do: the memory of each process must not grow with time.

use std::{
    collections::BTreeMap,
    fs, io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{task::JoinSet, time::MissedTickBehavior};

use crate::fleet::{AGAIN_AFTER, Dialect, Fleet, Ours, sends};

/// Share of the rate that was measured just before.
const LOAD: f64 = 0.7;
/// Clients that send, each with one message under way.
const SENDERS: usize = 16;
/// Clients that listen; some of them come and go.
const LISTENERS: usize = 100;
/// Time that one of those stays.
const STAY: Duration = Duration::from_secs(5);
/// Time between looks at the memory.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How much larger the last third may be than the second, beside what the log itself holds.
const GROWTH_MAX: f64 = 1.10;
/// Growth that is no growth, bytes.
const GROWTH_BYTES_MIN: f64 = 4.0 * 1_048_576.0;

fn memory_bytes(pid: u64) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss_Anon:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1_024)
}

/// Looks, by the kind of host, at the memory of all its processes.
fn look(fleet: &Fleet, into: &mut BTreeMap<String, Vec<f64>>) -> io::Result<()> {
    let mut sums: BTreeMap<String, f64> = BTreeMap::new();
    for (kind, pid) in fleet.processes()? {
        *sums.entry(kind).or_default() += memory_bytes(pid).unwrap_or(0) as f64;
    }
    for (kind, bytes) in sums {
        into.entry(kind).or_default().push(bytes);
    }
    Ok(())
}

async fn send_paced(
    ours: Ours,
    sender: usize,
    every: Duration,
    until: Instant,
    acked: Arc<AtomicU64>,
) -> io::Result<()> {
    let (mut client, ..) = ours.connect(sender, None).await?;
    let mut tick = tokio::time::interval(every);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut number = 10_000_000 + sender * 1_000_000;
    while Instant::now() < until {
        tick.tick().await;
        client.send(&ours.message(number)).await?;
        let answer = client.until("43").await?;
        if !answer.contains("\"ok\":true") {
            return Err(io::Error::other(answer));
        }
        acked.fetch_add(1, Ordering::Relaxed);
        number += 1;
    }
    Ok(())
}

/// Listens; comes and goes where it is one of those, and reads everything.
async fn listen(ours: Ours, listener: usize, until: Instant, heard: Arc<AtomicU64>) -> io::Result<()> {
    while Instant::now() < until {
        // A refusal for now is an answer like any other.
        let Ok((mut client, ..)) = ours.connect(listener, None).await else {
            tokio::time::sleep(AGAIN_AFTER).await;
            continue;
        };
        let stays = if listener.is_multiple_of(4) { (Instant::now() + STAY).min(until) } else { until };
        let listening = async {
            loop {
                if ours.number(&client.next().await?).is_some() {
                    heard.fetch_add(1, Ordering::Relaxed);
                }
            }
        };
        match tokio::time::timeout_at(stays.into(), listening).await {
            Err(_) => {}
            Ok(ended) => return ended,
        }
    }
    Ok(())
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// Runs for so long; returns the table of what each kind of host took.
pub async fn soak(fleet: &Fleet, time: Duration) -> io::Result<String> {
    let (able, _) = sends(&fleet.ours, 8_000_000, SENDERS, Duration::from_secs(10)).await?;
    let every = Duration::from_secs_f64(SENDERS as f64 / (able * LOAD));
    println!("soak: {able:.0} messages a second are possible; {:.0} % of that for {} s", LOAD * 100.0, time.as_secs());
    let until = Instant::now() + time;
    let (acked, heard) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let mut under_way: JoinSet<io::Result<()>> = JoinSet::new();
    for sender in 0..SENDERS {
        under_way.spawn(send_paced(fleet.ours.clone(), sender, every, until, acked.clone()));
    }
    for listener in 0..LISTENERS {
        under_way.spawn(listen(fleet.ours.clone(), listener, until, heard.clone()));
    }
    let mut memory: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    while Instant::now() < until {
        look(fleet, &mut memory)?;
        tokio::time::sleep(LOOK_EVERY).await;
        while let Some(ended) = under_way.try_join_next() {
            ended.map_err(io::Error::other)??;
        }
    }
    while let Some(ended) = under_way.join_next().await {
        ended.map_err(io::Error::other)??;
    }
    let (acked, heard) = (acked.load(Ordering::Relaxed), heard.load(Ordering::Relaxed));
    println!("soak: {acked} messages acknowledged, {heard} delivered");
    let mut out = String::from(
        "| soak, memory of all hosts of a kind, MiB | second third | last third | | |\n|---|---|---|---|---|\n",
    );
    for (kind, values) in memory {
        let third = values.len() / 3;
        let (before, after) = (mean(&values[third..2 * third]), mean(&values[2 * third..]));
        let flat = after <= before * GROWTH_MAX || after - before <= GROWTH_BYTES_MIN;
        let mib = |bytes: f64| bytes / 1_048_576.0;
        out.push_str(&format!(
            "| {kind} | {:.1} | {:.1} | {:.2} | {} |\n",
            mib(before),
            mib(after),
            after / before,
            if flat { "flat" } else { "grows" }
        ));
    }
    Ok(out)
}
