//! A fleet that changes while people talk: nodes of its message store 3 → 5 → 2, instances of messaging 2 → 4 → 2, nodes of its cache
//! and its event log 1 → 3 → 1, its hosts and its supervisor killed in the phases of the moves. Nothing acknowledged is lost or there
//! twice, every log is dense, and as many units move as `archgen shards --from --to` says.
//!
//! It makes a fleet of its own, in a folder of its own, of the program that was built.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "its figures, and a failing fleet's own words, are worth seeing"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use archgen_tests::root;
use serde_json::Value;
use tokio::time::Instant;

const CHANNELS: &str = "24";
/// Longest wait for one change.
const PATIENCE: Duration = Duration::from_secs(180);
/// Slow enough that copying takes a while.
const MOVE_RATE: &str = "400kB";

/// What a fleet has how many of.
#[derive(Debug, Clone, Copy)]
struct Size {
    /// Nodes of the message store.
    chat: u32,
    /// Instances of messaging.
    messaging: u32,
    /// Nodes of the cache and of the event log.
    others: u32,
}

/// A fleet in a folder of its own; taken down at the end, whatever comes.
struct Fleet {
    folder: tempfile::TempDir,
    program: PathBuf,
}

impl Fleet {
    fn new() -> Self {
        let target = std::env::var("CARGO_TARGET_DIR").map_or_else(|_| root().join("target"), PathBuf::from);
        let built = ["release", "debug"].map(|profile| target.join(profile).join("archgen"));
        let program = built.into_iter().find(|p| p.exists()).expect("archgen is built: cargo build --release");
        Self { folder: tempfile::tempdir().unwrap(), program }
    }

    /// The smallest example with these numbers, under a name and ports of its own.
    fn spec(&self, size: Size) -> PathBuf {
        let Size { chat, messaging, others } = size;
        let text = fs::read_to_string(root().join("examples/minimal/topology.yaml")).unwrap();
        let parts = [
            ("name: minimal", "name: migration".to_owned()),
            ("port: 8180", "port: 8181".to_owned()),
            ("port: 3100", "port: 3101".to_owned()),
            ("    /api/v1/messages: {", "    /api/v1/sync: { to: messaging }\n    /api/v1/messages: {".to_owned()),
            ("  chat:\n", format!("  chat:\n    nodes: {chat}\n")),
            ("messaging: { port: 9210,", format!("messaging: {{ replicas: {messaging}, port: 9210,")),
            ("cache: { kind: redis,", format!("cache: {{ nodes: {others}, kind: redis,")),
            ("events: { kind: kafka,", format!("events: {{ nodes: {others}, kind: kafka,")),
        ];
        let text = parts.iter().fold(text, |text, (from, to)| {
            assert!(text.contains(from), "examples/minimal says `{from}`");
            text.replacen(from, to, 1)
        });
        let path = self.folder.path().join(format!("topology-{chat}-{messaging}-{others}.yaml"));
        fs::write(&path, text).unwrap();
        path
    }

    fn archgen(&self, arguments: &[&str]) -> (bool, String) {
        let output = Command::new(&self.program).args(arguments).current_dir(self.folder.path()).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&said).into_owned())
    }

    /// Units of a store that move from one size to another, as the plan says.
    fn planned(&self, store: &str, from: Size, to: Size) -> u64 {
        let (from, to) = (self.spec(from), self.spec(to));
        let (from, to) = (from.to_str().unwrap(), to.to_str().unwrap());
        let (planned, said) = self.archgen(&["shards", "--from", from, "--to", to, "--format", "json"]);
        assert!(planned, "{said}");
        let plan: Value = serde_json::from_str(&said).unwrap();
        let found = plan["stores"].as_array().unwrap().iter().find(|s| s["store"] == store);
        found.and_then(|s| s["moves"].as_u64()).unwrap_or_else(|| panic!("a move of {store}: {said}"))
    }

    fn try_up(&self, size: Size) -> (bool, String) {
        let spec = self.spec(size);
        self.archgen(&["up", spec.to_str().unwrap(), "--detach", "--move-rate", MOVE_RATE])
    }

    /// Has the fleet change; again while it still tells its hosts of the change before.
    fn up(&self, size: Size) {
        let begun = Instant::now();
        loop {
            let (done, said) = self.try_up(size);
            if done {
                return;
            }
            let waits = said.contains("another change is under way") && begun.elapsed() < PATIENCE;
            assert!(waits, "up with {size:?}: {said}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn hosts(&self) -> BTreeMap<String, (String, u64)> {
        let (_, text) = self.archgen(&["ps", "--format", "json"]);
        let hosts: Value = serde_json::from_str(&text).unwrap_or_default();
        let host = |h: &Value| {
            let address = h["address"].as_str().unwrap().to_owned();
            (h["host"].as_str().unwrap().to_owned(), (address, h["pid"].as_u64().unwrap_or(0)))
        };
        hosts.as_array().into_iter().flatten().map(host).collect()
    }

    fn kill(&self, host: &str) -> bool {
        let pid = match host {
            "supervisor" => fs::read_to_string(self.folder.path().join(".archgen/lock")).unwrap(),
            host => self.hosts().get(host).map_or(String::new(), |(_, pid)| pid.to_string()),
        };
        let killed = pid.parse().is_ok_and(|pid: u64| pid > 0)
            && Command::new("kill").args(["-9", pid.trim()]).status().is_ok_and(|status| status.success());
        // The kernel takes its time to end a process and free what it held.
        while killed && fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z ")) {
            std::thread::yield_now();
        }
        killed
    }

    /// The journal of the last move, asked at the store itself so that short phases are seen too; `None` where it does not answer.
    fn journal(&self, first: &str) -> Option<Value> {
        let key = fs::read_to_string(self.folder.path().join(".archgen/service-key")).ok()?;
        let mut stream = TcpStream::connect(first).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        let ask = "\"read_journal\"";
        let request = format!(
            "POST /store/move HTTP/1.1\r\nhost: store\r\n{}: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
             connection: close\r\n\r\n{ask}",
            archgen_ports::ServiceKey::HEADER,
            key.trim(),
            ask.len()
        );
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = fs::read_to_string(self.folder.path().join(".archgen/supervisor.log"));
            eprintln!("the supervisor said:\n{}", log.unwrap_or_default());
        }
        let (_, _) = self.archgen(&["down"]);
    }
}

/// The load: a process of the stock client.
struct Load(Child, BufReader<std::process::ChildStdout>);

impl Load {
    fn start(fleet: &Fleet) -> Self {
        let hosts = fleet.hosts();
        let url = |host: &str| format!("http://{}", hosts[host].0);
        let script = root().join("tests/interop/migration.mjs");
        let mut command = Command::new("node");
        command.arg(script).args([&url("gateway-1"), &url("realtime-1"), CHANNELS]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("node runs");
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        assert_eq!(line.trim(), "ready", "messages flow");
        Self(child, lines)
    }

    /// Ends it; its account.
    fn end(mut self) -> Value {
        self.0.stdin.take().unwrap().write_all(b"stop\n").unwrap();
        let mut line = String::new();
        self.1.read_line(&mut line).unwrap();
        assert!(self.0.wait().unwrap().success(), "the load ended well");
        serde_json::from_str(&line).unwrap()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        // Of a test that failed; one that ended is not killed again.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Has the fleet come to this size and kills one victim in each phase of a store's move that is seen, until it is done; `(phase,
/// victim)`.
fn move_and_kill(
    fleet: &Fleet,
    store: &str,
    (from, to): (Size, Size),
    victims: &[(&'static str, &'static str)],
) -> Vec<(&'static str, &'static str)> {
    let first = fleet.hosts()[&format!("{store}-1")].0.clone();
    let (before, planned) = (fleet.journal(&first), fleet.planned(store, from, to));
    fleet.up(to);
    let (mut left, mut killed) = (victims.to_vec(), Vec::new());
    let deadline = Instant::now() + PATIENCE;
    loop {
        assert!(Instant::now() < deadline, "the move ends; killed so far: {killed:?}; {:?}", fleet.journal(&first));
        let Some(journal) = fleet.journal(&first).filter(|j| !j.is_null() && Some(j) != before.as_ref()) else {
            std::thread::sleep(Duration::from_millis(20));
            continue;
        };
        let phase = journal["phase"].as_str().unwrap().to_owned();
        if phase == "copy" && left.len() == victims.len() {
            let (paused, _) = fleet.archgen(&["shards", "pause", store]);
            if paused {
                let another = fleet.spec(Size { chat: to.chat + 1, ..to });
                let (taken, said) = fleet.archgen(&["up", another.to_str().unwrap()]);
                assert!(!taken && said.contains("another move is under way"), "a second move is refused: {said}");
                let (_, said) = fleet.archgen(&["shards", "status"]);
                assert!(said.contains(&format!("{store}: paused")), "{said}");
                let (resumed, said) = fleet.archgen(&["shards", "resume", store]);
                assert!(resumed, "{said}");
            }
        }
        if phase == "done" {
            assert_eq!(journal["moved"], serde_json::json!([planned, planned]), "as many units as the plan says");
            println!(
                "{store}: {planned} units moved, as planned; calls waited {} ms at most",
                journal["waited_ms_max"]
            );
            return killed;
        }
        if let Some(at) = left.iter().position(|(when, _)| *when == phase) {
            let victim = left[at].1;
            if !fleet.kill(victim) {
                // It left with the phase, or it is being started again: the next look tells which.
                std::thread::sleep(Duration::from_millis(20));
                continue;
            }
            killed.push(left.remove(at));
            if victim == "supervisor" {
                // Its hosts die with it; the next one takes everything up.
                let begun = Instant::now();
                while !fleet.try_up(to).0 {
                    assert!(begun.elapsed() < PATIENCE, "the fleet comes up again");
                }
            }
        }
    }
}

/// Waits until exactly these instances of a kind are there.
fn until_there(fleet: &Fleet, prefix: &str, wanted: usize) {
    let deadline = Instant::now() + PATIENCE;
    while fleet.hosts().keys().filter(|host| host.starts_with(prefix)).count() != wanted {
        assert!(Instant::now() < deadline, "{wanted} hosts `{prefix}…`, not {:?}", fleet.hosts());
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn check(account: &Value) {
    let acked = account["acked"].as_array().unwrap();
    let mut places: BTreeMap<&str, BTreeMap<&str, &Value>> = BTreeMap::new();
    for (channel, log) in account["logs"].as_object().unwrap() {
        assert_eq!(log["dense"], true, "the log of channel {channel} is dense");
        let there = places.entry(channel).or_default();
        for entry in log["created"].as_array().unwrap() {
            assert!(there.insert(entry[0].as_str().unwrap(), entry).is_none(), "{entry} is there twice");
        }
    }
    let mut told: BTreeSet<&str> = BTreeSet::new();
    for ack in acked {
        let (channel, id) = (ack[0].as_str().unwrap(), ack[1].as_str().unwrap());
        let entry = places[channel].get(id).unwrap_or_else(|| panic!("{ack} was acknowledged and is lost"));
        assert_eq!((&entry[1], &entry[2]), (&ack[2], &ack[3]), "where it was acknowledged");
        assert!(told.insert(id));
    }
    println!("{} messages, 0 lost, 0 twice; sends: {} ms", acked.len(), account["ms"]);
    assert!(acked.len() > 100, "a steady load, not {} messages", acked.len());
}

#[test]
fn a_fleet_changes_under_load_and_loses_nothing() {
    let fleet = Fleet::new();
    let small = Size { chat: 3, messaging: 2, others: 1 };
    fleet.up(small);
    let load = Load::start(&fleet);
    let begun = Instant::now();
    let grow = [
        ("copy", "chat-2"),
        ("catch-up", "chat-4"),
        ("verify", "chat-1"),
        ("switch", "chat-5"),
        ("keep", "supervisor"),
    ];
    let five = Size { chat: 5, ..small };
    let mut killed = move_and_kill(&fleet, "chat", (small, five), &grow);
    let four = Size { messaging: 4, ..five };
    fleet.up(four);
    assert!(fleet.kill("messaging-1"));
    killed.push(("handover", "messaging-1"));
    until_there(&fleet, "messaging-", 4);
    let shrink = [
        ("copy", "chat-1"),
        ("catch-up", "chat-3"),
        ("verify", "chat-2"),
        ("switch", "chat-4"),
        ("clean-up", "chat-5"),
    ];
    let two = Size { chat: 2, ..four };
    killed.extend(move_and_kill(&fleet, "chat", (four, two), &shrink));
    until_there(&fleet, "chat-", 2);
    let few = Size { messaging: 2, ..two };
    fleet.up(few);
    until_there(&fleet, "messaging-", 2);
    // The cache moves first, the event log after it.
    let more = Size { others: 3, ..few };
    killed.extend(move_and_kill(&fleet, "events", (few, more), &[("copy", "events-2"), ("keep", "events-1")]));
    killed.extend(move_and_kill(&fleet, "events", (more, few), &[("copy", "events-3"), ("clean-up", "supervisor")]));
    until_there(&fleet, "events-", 1);
    until_there(&fleet, "cache-", 1);
    println!("killed: {killed:?}; {:.0} s", begun.elapsed().as_secs_f64());
    check(&load.end());
    let in_copy = killed.iter().filter(|(phase, _)| *phase == "copy").count();
    assert!(in_copy >= 1 && killed.len() >= 4, "phases that take long were met: {killed:?}");
}
