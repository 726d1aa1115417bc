//! Readers of one node that stop while everybody talks: one for good, and one until its host has given it up, which it is then told. Their
//! neighbour reads on.

use std::{fs, sync::atomic::Ordering, time::Duration};

use archgen_env::{net::Address, os, task::Shutdown};
use archgen_tests::{addresses, until};
use serde_json::{Value, json};
use tokio::{task::JoinSet, time::Instant};

use super::{
    MEMORY_MIB_MAX, Person, memory_mib,
    raw::{PATIENCE, Raw, Said, http, text},
};

const MESSAGES: u64 = 12_000;
const SENDERS: u64 = 8;
/// More than a host keeps for one client: its queue, and the frames that it has gathered to write.
const KEPT_BYTES_MAX: u64 = (1 << 20) + (32 << 10);

/// Readers that were too slow, as the realtime hosts count them.
async fn slow_consumers(realtime: &[Address]) -> u64 {
    let mut sum = 0;
    for at in realtime {
        let (_, metrics) = http(at, "GET /metrics HTTP/1.1", b"").await;
        let line = metrics.lines().find_map(|line| line.strip_prefix("archgen_realtime_slow_consumers_total "));
        sum += line.expect("slow readers are counted").trim().parse::<u64>().unwrap();
    }
    sum
}

/// Bytes that the kernel holds of this connection, at both of its ends (proc(5): `tx_queue` and `rx_queue`).
fn held_bytes(client: u16, server: u16) -> u64 {
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let port = |address: &str| u16::from_str_radix(address.split_once(':').unwrap().1, 16).unwrap();
    let of = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let ends = (port(fields[1]), port(fields[2]));
        let (sent, received) = fields[4].split_once(':').unwrap();
        let queued = [sent, received].map(|bytes| u64::from_str_radix(bytes, 16).unwrap());
        (ends == (client, server) || ends == (server, client)).then(|| queued.iter().sum::<u64>())
    };
    table.lines().skip(1).filter_map(of).sum()
}

/// Says everything, through a node of its own: that of the readers only delivers.
fn speak(at: &Address, person: &Person, channel: &str) -> JoinSet<()> {
    let mut speaking = JoinSet::new();
    for sender in 0..SENDERS {
        let (at, auth, channel) = (at.clone(), person.auth(), channel.to_owned());
        speaking.spawn(async move {
            let mut raw = Raw::connect(&at, &auth).await;
            let body = "x".repeat(2_000);
            let mut next = 0;
            for done in 0..MESSAGES / SENDERS {
                while next < MESSAGES / SENDERS && next < done + 32 {
                    let id = format!("{sender}-{next}");
                    let message = json!({"ch": channel, "client_msg_id": id, "body": body});
                    raw.send(&text(&format!("42{next}[\"msg:send\",{message}]"))).await;
                    next += 1;
                }
                let answer = raw.until("43").await;
                assert!(answer.contains("\"ok\":true"), "{answer}");
            }
        });
    }
    speaking
}

/// Reads a prefix of the channel without a gap, to its end or to that of the connection: its last place, and what ended it.
async fn prefix(raw: &mut Raw) -> (u64, Vec<Said>) {
    let (mut seq, mut farewell) = (0, Vec::new());
    while seq < MESSAGES {
        match raw.next().await {
            Said::Text(text) if text.starts_with("42[\"msg:new\"") => {
                let event: Vec<Value> = serde_json::from_str(&text[2..]).unwrap();
                assert_eq!(event[1]["seq"], seq + 1, "a prefix without a gap");
                assert!(farewell.is_empty(), "nothing follows {farewell:?}");
                seq += 1;
            }
            Said::End => break,
            Said::Text(text) if !text.starts_with("42[\"kick\"") => {}
            said => farewell.push(said),
        }
    }
    (seq, farewell)
}

/// Catches up from this place.
async fn recover(at: &Address, person: &Person, channel: &str, mut seq: u64) {
    let mut raw = Raw::connect(at, &person.auth()).await;
    loop {
        let answer = raw.ask(1, "sub", &json!({"ch": channel, "epoch": 1, "seq": seq})).await;
        for entry in answer["missed"].as_array().unwrap() {
            assert_eq!(entry["seq"], seq + 1);
            seq += 1;
        }
        if answer["recovered"] == true {
            break;
        }
    }
    assert_eq!(seq, MESSAGES, "everything is there by resume");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_that_stop_are_let_go_with_a_reason_and_recover_everything() {
    let folder = tempfile::tempdir().unwrap();
    let env = os::env("stalled", folder.path(), Shutdown::default());
    let person = Person::new(&env, "ada").await;
    let channel = person.channel("private").await;
    let realtime = addresses("realtime");
    let here = &realtime[0];
    let reader = async || {
        let mut raw = Raw::connect(here, &person.auth()).await;
        assert_eq!(raw.ask(1, "sub", &json!({"ch": channel, "seq": 0})).await["ok"], true);
        raw
    };
    let (mut stalled, mut late, mut neighbour) = (reader().await, reader().await, reader().await);
    let (before, memory) = (slow_consumers(&realtime).await, memory_mib());
    let (begun, heard) = (neighbour.heard().load(Ordering::Relaxed), neighbour.heard());
    let mut reading = JoinSet::new();
    reading.spawn(async move { prefix(&mut neighbour).await });
    let mut speaking = speak(&realtime[realtime.len() - 1], &person, &channel);

    // What its neighbour has heard and the kernel does not hold for it is more than its host keeps: it has been given up.
    let deadline = Instant::now() + PATIENCE;
    while (heard.load(Ordering::Relaxed) - begun).saturating_sub(held_bytes(late.port(), here.port)) <= KEPT_BYTES_MAX {
        assert!(Instant::now() < deadline, "the late reader is never given up");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (late_seq, farewell) = prefix(&mut late).await;
    let kick = Said::Text(r#"42["kick",{"reason":"slow_consumer"}]"#.to_owned());
    assert_eq!(farewell, [kick, Said::Close(1_000, "slow_consumer".to_owned())]);

    while !speaking.is_empty() {
        let grown = memory_mib().saturating_sub(memory);
        assert!(grown < MEMORY_MIB_MAX, "{grown} MiB more for readers that read nothing");
        if let Ok(Some(sent)) = tokio::time::timeout(Duration::from_millis(20), speaking.join_next()).await {
            sent.unwrap();
        }
    }
    until(PATIENCE, "both are counted", async || (slow_consumers(&realtime).await >= before + 2).then_some(())).await;
    // What the network still holds: the reason reaches only who reads again in time.
    let (stalled_seq, _) = prefix(&mut stalled).await;
    assert!(late_seq.max(stalled_seq) < MESSAGES, "nobody buffers without end");
    assert_eq!(reading.join_next().await.unwrap().unwrap(), (MESSAGES, Vec::new()), "their neighbour hears everything");
    for seq in [late_seq, stalled_seq] {
        recover(here, &person, &channel, seq).await;
    }
}
