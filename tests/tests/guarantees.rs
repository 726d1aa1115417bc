//! The guarantees S1 to S9, held against a running fleet whose hosts are killed, one of each kind in turn, while people talk. Judged
//! by what people can see: sockets, HTTP, and the fleet's own logs.
//!
//! It needs a fleet that is up and whose stores' power can be cut: `make journey` starts it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::MetadataExt,
    process::Command,
    sync::{Arc, Mutex},
    time::Duration,
};

use archgen_client::{Api, ApiError, Device, DeviceConfig, Observer};
use archgen_env::{Env, os, task::Shutdown};
use archgen_tests::{Running, addresses, archgen, hosts, kinds, until};
use http::Method;
use serde_json::{Value, json};
use tokio::time::sleep;

/// Longest wait for anything that must come.
const PATIENCE: Duration = Duration::from_secs(30);
/// Time between two messages of one person.
const PACE: Duration = Duration::from_millis(25);
const PASSWORD: &str = "a password that no log may hold";

#[derive(Default)]
struct Seen {
    /// Client id to place and id.
    acked: BTreeMap<String, (u64, String)>,
    /// In the order of their showing.
    shown: Vec<(u64, String)>,
    refused: Vec<String>,
}

/// A person's account, device and what they saw.
struct Person {
    api: Api,
    id: String,
    handle: String,
    email: String,
    seen: Arc<Mutex<Seen>>,
    device: Option<Device>,
}

struct Watching(Arc<Mutex<Seen>>);

impl Observer for Watching {
    fn tried(&self, _client_msg_id: &str) {}

    fn acked(&self, client_msg_id: &str, seq: u64, id: &str) {
        self.0.lock().unwrap().acked.insert(client_msg_id.to_owned(), (seq, id.to_owned()));
    }

    fn refused(&self, client_msg_id: &str, reason: &str) {
        self.0.lock().unwrap().refused.push(format!("{client_msg_id}: {reason}"));
    }

    fn shown(&self, _channel: &str, seq: u64, id: &str) {
        self.0.lock().unwrap().shown.push((seq, id.to_owned()));
    }
}

/// A call that is tried again while the fleet cannot answer; a refusal is the answer's status and code.
async fn ask(api: &Api, method: Method, path: &str, body: Value) -> Result<Value, (u16, String)> {
    until(PATIENCE, &format!("{method} {path} is answered"), async || {
        match api.call(method.clone(), path, &body).await {
            Ok(answer) => Some(Ok(answer)),
            Err(error) if error.is_transient() => None,
            Err(ApiError::Problem(problem)) => Some(Err((problem.status, problem.code))),
            Err(_) => None,
        }
    })
    .await
}

impl Person {
    async fn new(env: &Env, name: &str) -> Self {
        let api = Api::new(env, addresses("gateway").remove(0));
        let run = env.new_uuid().to_string()[28..].to_owned();
        let (handle, email) = (format!("{name}_{run}"), format!("{name}-{run}@example.test"));
        let new = json!({"email": email, "handle": handle, "name": name, "password": PASSWORD});
        let user = ask(&api, Method::POST, "/api/v1/auth/register", new).await.unwrap();
        until(PATIENCE, "signed in", async || api.login(&email, PASSWORD).await.ok()).await;
        let id = user["id"].as_str().unwrap().to_owned();
        Self { api, id, handle, email, seen: Arc::default(), device: None }
    }

    /// Starts a device that follows a channel, its first choice among realtime hosts by turn.
    fn follow(&mut self, env: &Env, channel: &str, turn: usize) {
        let mut realtime = addresses("realtime");
        let turn = turn % realtime.len();
        realtime.rotate_left(turn);
        let config = DeviceConfig { realtime, channels: vec![channel.to_owned()] };
        let watching = Arc::new(Watching(self.seen.clone()));
        self.device = Some(Device::start(env, self.api.clone(), config, watching));
    }

    fn send(&self, channel: &str, client_msg_id: &str, body: &str) {
        self.device.as_ref().unwrap().send(channel, client_msg_id, body);
    }

    fn shown(&self) -> Vec<(u64, String)> {
        self.seen.lock().unwrap().shown.clone()
    }
}

/// Kills a host. A store loses its power: what its process wrote and had not synced is gone when it comes back.
fn kill(victim: &Running) {
    if let Some(engine) = victim.kind.strip_suffix(" server").filter(|_| victim.pid == 0) {
        return kill_server(victim, engine);
    }
    let signal = |signal: &str, pid: u64| {
        let sent = Command::new("kill").args([signal, &pid.to_string()]).status().unwrap();
        assert!(sent.success(), "kill {signal} {pid} ({})", victim.name);
    };
    if !victim.kind.ends_with(" store") {
        return signal("-9", victim.pid);
    }
    let stat = fs::read_to_string(format!("/proc/{}/stat", victim.pid)).unwrap();
    let supervisor: u64 = stat.rsplit(')').next().unwrap().split_whitespace().nth(1).unwrap().parse().unwrap();
    // It must not start the process again before the files are cut.
    signal("-STOP", supervisor);
    signal("-9", victim.pid);
    let cut = cut_power(victim);
    signal("-CONT", supervisor);
    assert!(
        cut > 0,
        "{}: no file of it is known to be synced: is the fleet up as `make journey` starts it?",
        victim.name
    );
}

/// Kills a real engine that the fleet only looks at, and starts it again as it was started.
fn kill_server(victim: &Running, engine: &str) {
    let port = victim.address.rsplit(':').next().unwrap();
    let file = match engine {
        "postgres" => "data/primary/postmaster.pid".to_owned(),
        "redis" => format!("data/{port}/pid"),
        "s3" | "mongodb" => "pid".to_owned(),
        "elasticsearch" => "server.pid".to_owned(),
        "cassandra" | "consul" | "kafka" => "data/1/server.pid".to_owned(),
        other => panic!("this test does not know how to kill {other}"),
    };
    let scripts = archgen_tests::root().join("tests/backends");
    let place = format!("cd {} && . ./place && head -n 1 $root/{engine}/{file}", scripts.display());
    let pid = Command::new("bash").args(["-c", &place]).output().unwrap();
    let pid = String::from_utf8(pid.stdout).unwrap();
    assert!(Command::new("kill").args(["-9", pid.trim()]).status().unwrap().success(), "{engine} ran as {pid}");
    let log = fs::File::create(archgen_tests::root().join(".archgen/server.log")).unwrap();
    let mut start = Command::new(scripts.join("start"));
    start.arg(engine).stdout(log.try_clone().unwrap()).stderr(log);
    assert!(start.status().unwrap().success(), "{engine} starts again: .archgen/server.log");
}

/// Takes away what was not synced; returns how many of the store's files are known to be synced up to somewhere.
fn cut_power(victim: &Running) -> usize {
    while fs::read_to_string(format!("/proc/{}/stat", victim.pid)).is_ok_and(|stat| !stat.contains(") Z ")) {
        std::thread::yield_now();
    }
    let notes = std::env::var("ARCHGEN_SYNCED").expect("`make journey` says where synced sizes are noted");
    let mut synced: BTreeMap<u64, u64> = BTreeMap::new();
    for line in fs::read_to_string(notes).unwrap().lines() {
        let (inode, size) = line.split_once(' ').unwrap();
        synced.insert(inode.parse().unwrap(), size.parse().unwrap());
    }
    let (mut folders, mut known) = (vec![archgen_tests::root().join(".archgen/data").join(&victim.name)], 0);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let (path, about) = (entry.as_ref().unwrap().path(), entry.unwrap().metadata().unwrap());
            if about.is_dir() {
                folders.push(path);
            } else if let Some(size) = synced.get(&about.ino()) {
                known += 1;
                if about.len() > *size {
                    fs::File::options().write(true).open(path).unwrap().set_len(*size).unwrap();
                }
            }
        }
    }
    known
}

/// Kills one host of every kind, one after the other, each once the one before is back.
async fn kill_one_of_each_kind() {
    for kind in kinds() {
        let victim = hosts(&kind).remove(0);
        kill(&victim);
        until(PATIENCE, &format!("{} is back", victim.name), async || {
            let again = hosts(&kind).into_iter().find(|h| h.name == victim.name)?;
            // A server that the fleet only looks at has no process there.
            (victim.pid == 0 || again.pid > 0 && again.pid != victim.pid).then_some(())
        })
        .await;
        let (healthy, _) = archgen(&["wait", "--healthy", "--timeout", "30s"]);
        assert!(healthy, "the fleet is healthy after {} was killed", victim.name);
    }
}

/// Reads its own writes, for as long as it is let: what was acknowledged over HTTP is in history at once.
async fn write_and_read(api: &Api, channel: &str, stop: &Mutex<bool>) -> Vec<(String, u64)> {
    let mut written = Vec::new();
    for n in 0.. {
        if *stop.lock().unwrap() {
            break;
        }
        let (path, id) = (format!("/api/v1/channels/{channel}/messages"), format!("http-{n}"));
        let sent = ask(api, Method::POST, &path, json!({"body": format!("over http {n}"), "client_msg_id": id})).await;
        let sent = sent.unwrap();
        let seq = sent["seq"].as_u64().unwrap();
        let read = ask(api, Method::GET, &format!("{path}?after_seq={}&limit=1", seq - 1), Value::Null).await.unwrap();
        assert_eq!(read["items"][0]["id"], sent["id"], "S8: what was acknowledged is read");
        written.push((id, seq));
        sleep(Duration::from_millis(400)).await;
    }
    written
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_guarantees_hold_while_hosts_of_every_kind_die() {
    let folder = tempfile::tempdir().unwrap();
    let env = os::env("guarantees", folder.path(), Shutdown::default());
    let (mut ada, mut bob) = (Person::new(&env, "ada").await, Person::new(&env, "bob").await);
    let eve = Person::new(&env, "eve").await;
    let channel =
        until(PATIENCE, "a channel", async || ada.api.create_channel("promises", "private").await.ok()).await.id;
    let member = format!("/api/v1/channels/{channel}/members/{}", bob.id);
    ask(&ada.api, Method::PUT, &member, json!({})).await.unwrap();
    ada.follow(&env, &channel, 0);
    bob.follow(&env, &channel, 1);

    // People talk while hosts die.
    let stop = Mutex::new(false);
    let talk = async {
        let mut sent = 0;
        while !*stop.lock().unwrap() {
            let word =
                if sent % 40 == 0 { format!("@{} look: lantern{sent}", bob.handle) } else { format!("word {sent}") };
            ada.send(&channel, &format!("ada-{sent}"), &word);
            bob.send(&channel, &format!("bob-{sent}"), &format!("answer {sent}"));
            sent += 1;
            sleep(PACE).await;
        }
        sent
    };
    let kill = async {
        kill_one_of_each_kind().await;
        *stop.lock().unwrap() = true;
    };
    let (sent, written, ()) = tokio::join!(talk, write_and_read(&ada.api, &channel, &stop), kill);
    assert!(sent > 100 && written.len() > 5, "enough was said to prove something: {sent}, {}", written.len());
    until(PATIENCE, "every message has an answer", async || {
        let left = ada.device.as_ref()?.outstanding() + bob.device.as_ref()?.outstanding();
        (left == 0).then_some(())
    })
    .await;

    let history = until(PATIENCE, "the whole history", async || ada.api.whole_history(&channel).await.ok()).await;
    let places: Vec<(u64, String)> = history.iter().map(|m| (m.seq, m.id.clone())).collect();
    let by_client: BTreeMap<String, (u64, String)> =
        history.iter().filter_map(|m| Some((m.client_msg_id.clone()?, (m.seq, m.id.clone())))).collect();
    for person in [&ada, &bob] {
        let seen = person.seen.lock().unwrap();
        assert_eq!(seen.refused, Vec::<String>::new());
        assert_eq!(seen.acked.len(), sent, "every send was acknowledged");
        for (client, place) in &seen.acked {
            assert_eq!(by_client.get(client), Some(place), "S1: what was acknowledged is there, at its place");
        }
    }
    assert_eq!(by_client.len(), history.len(), "S2: each client id once");
    assert_eq!(history.len(), 2 * sent + written.len(), "and nothing else");
    let seqs: BTreeSet<u64> = history.iter().map(|m| m.seq).collect();
    let newest = *seqs.last().unwrap();
    // Bob's coming is the one entry that is no message.
    assert_eq!((seqs.len() as u64 + 1, seqs.first()), (newest, Some(&2)), "S3: places are dense");
    assert!(
        history.windows(2).all(|w| (w[0].epoch, w[0].seq) < (w[1].epoch, w[1].seq)),
        "S3: ordered by epoch and seq"
    );
    for person in [&ada, &bob] {
        until(PATIENCE, "the devices are where the log is", async || {
            (person.shown().len() >= places.len()).then_some(())
        })
        .await;
        assert_eq!(person.shown(), places, "S4: each message once, in order");
    }
    let retry = json!({"body": "over http 0", "client_msg_id": "http-0"});
    let path = format!("/api/v1/channels/{channel}/messages");
    let retried = ask(&ada.api, Method::POST, &path, retry).await.unwrap();
    assert_eq!((&retried["seq"], &retried["duplicate"]), (&json!(written[0].1), &json!(true)), "S2: a retry");

    let due: BTreeSet<String> = history
        .iter()
        .filter(|m| m.body.as_ref().is_some_and(|b| b.contains("lantern")))
        .map(|m| m.id.clone())
        .collect();
    until(PATIENCE, "S5: every mention is in the inbox", async || {
        let inbox = ask(&bob.api, Method::GET, "/api/v1/notifications?limit=100", Value::Null).await.ok()?;
        let text = inbox.to_string();
        due.iter().all(|id| text.contains(id.as_str())).then_some(())
    })
    .await;
    let search = |word: &str| format!("/api/v1/search?type=messages&q={word}");
    for number in (0..sent).step_by(40) {
        let path = search(&format!("lantern{number}"));
        until(PATIENCE, &format!("S6: search finds lantern{number}"), async || {
            let hits = ask(&bob.api, Method::GET, &path, Value::Null).await.ok()?;
            (!hits["items"].as_array()?.is_empty()).then_some(())
        })
        .await;
        let hits = ask(&eve.api, Method::GET, &path, Value::Null).await.unwrap();
        assert_eq!(hits["items"], json!([]), "S6: no hit that the caller cannot open");
    }
    out_is_out(&env, &ada, &bob, &channel, &search("lantern0")).await;
    ended_is_ended(&env, &ada).await;
    no_secret_in_logs(&[&ada, &bob, &eve]);
}

/// S7: once a removal is acknowledged, nothing more reaches that user; here with a realtime host killed at the same moment.
async fn out_is_out(env: &Env, ada: &Person, bob: &Person, channel: &str, found: &str) {
    kill(&hosts("realtime").remove(0));
    let member = format!("/api/v1/channels/{channel}/members/{}", bob.id);
    ask(&ada.api, Method::DELETE, &member, Value::Null).await.unwrap();
    let before = bob.shown().len();
    for n in 0..20 {
        ada.send(channel, &format!("after-{n}"), &format!("@{} nothing of this", bob.handle));
    }
    for (method, path) in [
        (Method::GET, format!("/api/v1/channels/{channel}/messages")),
        (Method::GET, format!("/api/v1/channels/{channel}")),
        (Method::POST, format!("/api/v1/channels/{channel}/messages")),
    ] {
        let refused = ask(&bob.api, method, &path, json!({"body": "still here?"})).await;
        assert_eq!(refused.unwrap_err().0, 404, "S7: {path}");
    }
    let hits = ask(&bob.api, Method::GET, found, Value::Null).await.unwrap();
    assert_eq!(hits["items"], json!([]), "S7: search");
    until(PATIENCE, "ada's messages have answers", async || (ada.device.as_ref()?.outstanding() == 0).then_some(()))
        .await;
    let last = ada.seen.lock().unwrap().acked["after-19"].clone();
    until(PATIENCE, "ada saw them", async || ada.shown().contains(&last).then_some(())).await;
    // A device that comes anew is refused as well; give it and the old one time to be wrong.
    let mut again = Person {
        api: bob.api.clone(),
        seen: Arc::default(),
        device: None,
        id: String::new(),
        handle: String::new(),
        email: String::new(),
    };
    again.follow(env, channel, 1);
    sleep(Duration::from_secs(3)).await;
    assert_eq!((bob.shown().len(), again.shown().len()), (before, 0), "S7: nothing more reached bob's sockets");
    let inbox = ask(&bob.api, Method::GET, "/api/v1/notifications?limit=100", Value::Null).await.unwrap();
    let mine = ada.seen.lock().unwrap();
    let after: Vec<&String> =
        mine.acked.iter().filter(|(c, _)| c.starts_with("after-")).map(|(_, (_, id))| id).collect();
    assert!(after.iter().all(|id| !inbox.to_string().contains(id.as_str())), "S7: nor the inbox");
}

/// S7 for sessions: the token of a session that was ended opens nothing, though it is still good by itself.
async fn ended_is_ended(env: &Env, ada: &Person) {
    let api = Api::new(env, addresses("gateway").remove(0));
    until(PATIENCE, "another session", async || api.login(&ada.email, PASSWORD).await.ok()).await;
    ask(&api, Method::GET, "/api/v1/me", Value::Null).await.unwrap();
    ask(&api, Method::POST, "/api/v1/auth/logout", json!({})).await.unwrap();
    let refused = ask(&api, Method::GET, "/api/v1/me", Value::Null).await;
    assert_eq!(refused.unwrap_err().0, 401, "S7: at once");
    ask(&ada.api, Method::GET, "/api/v1/me", Value::Null).await.unwrap();
}

/// S9: what the hosts wrote holds neither passwords nor tokens.
fn no_secret_in_logs(people: &[&Person]) {
    let (_, logs) = archgen(&["logs", "-n", "100000"]);
    assert!(logs.lines().count() > 20, "the logs are there");
    assert!(!logs.contains(PASSWORD), "S9: a password");
    for person in people {
        let token = person.api.access_token().unwrap();
        let signature = token.rsplit('.').next().unwrap();
        assert!(!logs.contains(signature), "S9: a token");
    }
}
