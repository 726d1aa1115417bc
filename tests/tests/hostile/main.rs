//! What a running fleet does with input that is wrong or too much: each piece of it is refused or its connection closed with a reason,
//! and nobody else notices. Then the loads that are allowed: a burst, a crowd, and readers that stop reading (`slow`).
//!
//! It needs a fleet that is up: `make journey` starts it.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod raw;
mod slow;

use std::{fs, time::Duration};

use archgen_client::Api;
use archgen_env::{Env, net::Address, os, task::Shutdown};
use archgen_tests::{addresses, hosts, until};
use http::Method;
use raw::{PATIENCE, Raw, Said, frame, http, text};
use serde_json::{Value, json};
use tokio::{task::JoinSet, time::Instant};

const PASSWORD: &str = "a password of some length";
/// How much more memory the realtime hosts may take together in the end, MiB. It would be gigabytes if they kept what they are sent.
const MEMORY_MIB_MAX: u64 = 192;

/// Memory of the realtime hosts now, MiB.
fn memory_mib() -> u64 {
    let of = |pid: u64| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.split_whitespace().next().unwrap().parse::<u64>().unwrap()
    };
    hosts("realtime").iter().map(|host| of(host.pid)).sum::<u64>() / 1_024
}

/// Somebody who is signed in.
struct Person {
    api: Api,
    id: String,
}

impl Person {
    async fn new(env: &Env, name: &str) -> Self {
        let api = Api::new(env, addresses("gateway").remove(0));
        let run = env.new_uuid().to_string()[28..].to_owned();
        let (email, handle) = (format!("{name}-{run}@example.test"), format!("{name}_{run}"));
        let user = until(PATIENCE, "registered", async || match api.register(&email, &handle, PASSWORD).await {
            Err(error) if error.is_transient() => None,
            done => Some(done.unwrap()),
        })
        .await;
        until(PATIENCE, "signed in", async || api.login(&email, PASSWORD).await.ok()).await;
        Self { api, id: user["id"].as_str().unwrap().to_owned() }
    }

    fn auth(&self) -> Value {
        json!({"token": self.api.access_token().unwrap()})
    }

    async fn channel(&self, kind: &str) -> String {
        until(PATIENCE, "a channel", async || self.api.create_channel("strain", kind).await.ok()).await.id
    }
}

/// Somebody on each node who goes on talking with the other, whatever else happens.
struct Witnesses {
    people: Vec<Raw>,
    channel: String,
    said: u64,
}

impl Witnesses {
    async fn new(person: &Person) -> Self {
        let channel = person.channel("public").await;
        let mut people = Vec::new();
        for at in addresses("realtime") {
            let mut raw = Raw::connect(&at, &person.auth()).await;
            assert_eq!(raw.ask(1, "sub", &json!({"ch": channel, "seq": 0})).await["ok"], true);
            people.push(raw);
        }
        Self { people, channel, said: 0 }
    }

    /// The first one says something and all hear it, soon.
    async fn are_unharmed_by(&mut self, what: &str) {
        self.said += 1;
        let body = format!("unharmed by {what}");
        let message = json!({"ch": self.channel, "client_msg_id": format!("w-{}", self.said), "body": body});
        let began = Instant::now();
        self.people[0].send(&text(&format!("42{}[\"msg:send\",{message}]", 10 + self.said))).await;
        let expect = format!("\"body\":{}", json!(body));
        for raw in &mut self.people {
            while !raw.until("42[\"msg:new\"").await.contains(&expect) {}
        }
        assert!(began.elapsed() < Duration::from_secs(5), "{what} held others up for {:?}", began.elapsed());
    }
}

/// Frames that end their connection, and the close that tells why.
fn wrong_frames() -> Vec<(&'static str, Vec<u8>, u16, &'static str)> {
    let (large, wrong) = ((1009, "payload too large"), (1002, "parse error"));
    let event = |payload: &str| text(&format!("42[\"ping:app\",{payload}]"));
    let nested = |depth: usize| event(&format!("{}{}", "[".repeat(depth), "]".repeat(depth)));
    let million = format!("[{}0]", "0,".repeat(999_999));
    let fragments = [0x01, 0x00, 0x00, 0x00, 0x80].map(|first| frame(first, &[b'x'; 300_000])).concat();
    let announced = [&[0x81, 0xff][..], &5_000_000_000_u64.to_be_bytes(), &[0; 4]].concat();
    let mut all = vec![
        ("a text frame of 5 MB", text(&"x".repeat(5_000_000)), large),
        ("a binary frame of 5 MB", frame(0x82, &vec![0; 5_000_000]), large),
        ("a frame that announces 5 GB", announced, large),
        ("fragments of 1.5 MB in all", fragments, large),
        ("an array of 1,000,000 elements", event(&million), large),
        ("300,000 arrays", event(&format!("[{}[]]", "[],".repeat(300_000))), large),
        ("120,000 objects", event(&format!("[{}{{}}]", "{\"\":0},".repeat(120_000))), large),
        ("credentials of 5 MB", text(&format!("40{{\"token\":\"{}\"}}", "x".repeat(5_000_000))), large),
        ("a depth bomb of 400,000 levels", nested(400_000), large),
        ("a depth bomb of 10,000 levels", nested(10_000), wrong),
        ("an event id beyond 64 bits", text("4299999999999999999999[\"ping:app\",{}]"), wrong),
        ("an acknowledgement id beyond 64 bits", text("4399999999999999999999[]"), wrong),
        ("an event that is the protocol's own", text("42[\"disconnect\"]"), wrong),
        ("attachments beyond number", text("45999999999999999999-[\"ping:app\"]"), wrong),
        ("65 attachments", text("4565-[\"ping:app\"]"), wrong),
        ("bytes that no text announced", frame(0x82, &[1, 2, 3]), wrong),
        ("a placeholder for nothing", text("451-[\"ping:app\",{\"_placeholder\":true,\"num\":9}]"), wrong),
        ("a namespace of 200 bytes", text(&format!("40/{},", "n".repeat(200))), wrong),
        ("an event of a namespace that it is not in", text("42/other,[\"ping:app\",{}]"), wrong),
        ("no JSON", text("42[\"ping:app\","), wrong),
        ("an unknown packet", text("49"), wrong),
        ("an unknown packet of Engine.IO", text("9"), wrong),
    ];
    all.extend([
        ("text that is not UTF-8", frame(0x81, b"42[\"ping:app\",\"\xff\xfe\"]"), (1007, "")),
        ("a frame without a mask", vec![0x81, 0x02, b'4', b'2'], (1002, "")),
        ("reserved bits", frame(0xf1, b"42[\"ping:app\"]"), (1002, "")),
        ("a reserved opcode", frame(0x83, b""), (1002, "")),
        ("a ping of 200 bytes", frame(0x89, &[0; 200]), (1002, "")),
    ]);
    all.into_iter().map(|(what, bytes, (code, reason))| (what, bytes, code, reason)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_is_refused_and_harms_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let env = os::env("hostile", folder.path(), Shutdown::default());
    let (person, stranger) = (Person::new(&env, "ada").await, Person::new(&env, "eve").await);
    let mut witnesses = Witnesses::new(&person).await;
    let before = memory_mib();
    let at = addresses("realtime").remove(0);

    for (what, bytes, code, reason) in wrong_frames() {
        let mut raw = Raw::connect(&at, &stranger.auth()).await;
        raw.send(&bytes).await;
        let closed = raw.end().await.unwrap_or_else(|| panic!("{what}: closed without a word"));
        assert!(closed.0 == code && (reason.is_empty() || closed.1 == reason), "{what}: {closed:?}");
        witnesses.are_unharmed_by(what).await;
    }
    refused_at_the_door(&at, &stranger).await;
    witnesses.are_unharmed_by("who was refused at the door").await;
    polls_too_large(&at).await;
    witnesses.are_unharmed_by("polling bodies of 10 MB").await;
    floods(&at, &stranger).await;
    witnesses.are_unharmed_by("floods").await;
    places(&at, &person, &stranger).await;
    witnesses.are_unharmed_by("places").await;
    large_in_one_channel(&at, &person, &stranger, &witnesses.channel).await;
    witnesses.are_unharmed_by("large messages in their own channel").await;

    let after = memory_mib();
    assert!(after <= before + MEMORY_MIB_MAX, "the realtime hosts grew from {before} to {after} MiB");
}

/// Handshakes and credentials that open nothing.
async fn refused_at_the_door(at: &Address, stranger: &Person) {
    let forged = ["realtime-1.AAAAAAAAAAAAAAAAAAAAAA", "AAAA", "..%2F..%2Fetc%2Fpasswd", "%00", &"s".repeat(4_000)];
    for sid in forged {
        let sid = format!("&sid={sid}");
        assert_eq!(Raw::open(at, &sid, "").await.map(drop), Err(400), "{sid}");
        for method in ["GET", "POST"] {
            let head = format!("{method} /socket.io/?EIO=4&transport=polling{sid} HTTP/1.1\r\nContent-Length: 0");
            let (status, body) = http(at, &head, b"").await;
            assert_eq!((status, body.contains("Session ID unknown")), (400, true), "{method} {sid}: {body}");
        }
    }
    for origin in ["https://evil.example", "null", "http://127.0.0.1.evil.example"] {
        let headers = format!("Origin: {origin}\r\n");
        assert_eq!(Raw::open(at, "", &headers).await.map(drop), Err(403), "{origin}");
        let head = format!("GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nOrigin: {origin}");
        assert_eq!(http(at, &head, b"").await.0, 403, "{origin}");
    }
    let (status, body) = http(at, "GET /socket.io/?EIO=3&transport=polling HTTP/1.1", b"").await;
    assert_eq!((status, body.contains("Unsupported protocol version")), (400, true), "{body}");
    // A token whose signature, or whose claims, are another's.
    let token = stranger.api.access_token().unwrap();
    let (head, rest) = token.split_once('.').unwrap();
    let (claims, signature) = rest.split_once('.').unwrap();
    let bent: String = claims.chars().rev().collect();
    for token in [
        String::new(),
        "x".repeat(100_000),
        format!("{head}.{claims}."),
        format!("{head}.{bent}.{signature}"),
        format!("eyJhbGciOiJub25lIn0.{claims}."),
    ] {
        let mut raw = Raw::session(at).await;
        raw.send(&text(&format!("40{}", json!({"token": token})))).await;
        let refusal = raw.until("44").await;
        assert!(refusal.contains("unauthenticated"), "{refusal}");
    }
}

/// Bodies of long-polling and of the API that are too large, by their announced length and without one.
async fn polls_too_large(at: &Address) {
    for chunked in [false, true] {
        let (status, open) = http(at, "GET /socket.io/?EIO=4&transport=polling HTTP/1.1", b"").await;
        assert_eq!(status, 200, "{open}");
        let sid = open.split_once("\"sid\":\"").unwrap().1.split('"').next().unwrap();
        let post = format!("POST /socket.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1");
        let body = vec![b'x'; 10_000_000];
        let (status, _) = if chunked {
            let chunk = [b"989680\r\n", &body[..], b"\r\n0\r\n\r\n"].concat();
            http(at, &format!("{post}\r\nTransfer-Encoding: chunked"), &chunk).await
        } else {
            http(at, &format!("{post}\r\nContent-Length: 10000000"), &body).await
        };
        assert_eq!(status, 413);
        let poll = format!("GET /socket.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1");
        assert_eq!(http(at, &poll, b"").await.0, 400, "its session is over");
    }
    let gateway = addresses("gateway").remove(0);
    let head = "POST /api/v1/auth/login HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 10000000";
    let (status, _) = http(&gateway, head, &vec![b'['; 10_000_000]).await;
    assert!([413, 400].contains(&status), "{status}");
}

/// More than anyone needs, all of it answered, in order, at the pace that is allowed.
async fn floods(at: &Address, stranger: &Person) {
    for (count, name, body, code) in [
        (1_000, "sub", json!({"ch": "1", "seq": 0}), Some("not_found")),
        (3_000, "ping:app", json!({}), None),
        (3_000, "typing", json!({"ch": "1"}), Some("not_subscribed")),
        (3_000, "no:such", json!({}), Some("unknown_event")),
    ] {
        let mut raw = Raw::connect(at, &stranger.auth()).await;
        let all: Vec<u8> = (0..count).flat_map(|id| text(&format!("42{id}[\"{name}\",{body}]"))).collect();
        let mut answers = Vec::new();
        raw.send(&all).await;
        for id in 0..count {
            answers.push(raw.until(&format!("43{id}[")).await);
        }
        let expected = |answer: &String| code.map_or(answer.contains("\"ok\":true"), |code| answer.contains(code));
        assert!(answers.iter().all(expected), "{name}: {:?}", answers.iter().find(|answer| !expected(answer)));
    }
    // Nobody need wait for acknowledgements that were never asked for.
    let mut raw = Raw::connect(at, &stranger.auth()).await;
    let all: Vec<u8> = (0..1_000).flat_map(|id| text(&format!("43{id}[]"))).collect();
    raw.send(&all).await;
    assert_eq!(raw.ask(1, "ping:app", &json!({})).await["ok"], true);
}

/// Places of the future, and of channels that one may not see, on the socket and without one.
async fn places(at: &Address, person: &Person, stranger: &Person) {
    let hidden = person.channel("private").await;
    let mut raw = Raw::connect(at, &stranger.auth()).await;
    for body in [json!({"ch": hidden, "seq": 0}), json!({"ch": hidden, "badge": true}), json!({"ch": "../../1"})] {
        let answer = raw.ask(1, "sub", &body).await;
        assert_eq!(answer["error"]["code"], "not_found", "{body}: {answer}");
    }
    let path = format!("/api/v1/sync?positions={hidden}:1:0&wait_ms=0");
    let refused = stranger.api.call::<Value>(Method::GET, &path, &Value::Null).await.unwrap_err();
    assert!(refused.to_string().starts_with("404"), "{refused}");
    let mut raw = Raw::connect(at, &person.auth()).await;
    for seq in [5, u64::MAX - 1, u64::MAX] {
        let answer = raw.ask(2, "sub", &json!({"ch": hidden, "epoch": 999, "seq": seq})).await;
        assert_eq!((&answer["ok"], &answer["missed"]), (&json!(true), &json!([])), "{answer}");
    }
    let message = json!({"ch": hidden, "client_msg_id": "1", "body": "what comes is heard"});
    raw.send(&text(&format!("423[\"msg:send\",{message}]"))).await;
    let heard = raw.until("42[\"msg:new\"").await;
    assert!(heard.contains("what comes is heard"), "a place of the future does not make one deaf: {heard}");
}

/// One member's oversized messages do not take others' with them, which go in the same calls.
async fn large_in_one_channel(at: &Address, person: &Person, stranger: &Person, channel: &str) {
    let path = format!("/api/v1/channels/{channel}/members/{}", stranger.id);
    until(PATIENCE, "a member", async || person.api.call::<Value>(Method::PUT, &path, &json!({})).await.ok()).await;
    let (mut bad, mut good) = (Raw::connect(at, &stranger.auth()).await, Raw::connect(at, &person.auth()).await);
    let message = |who: &str, id: u64| json!({"ch": channel, "client_msg_id": format!("{who}-{id}"), "body": "short"});
    let junk = "j".repeat(900_000);
    let sending = async {
        for id in 0..12 {
            let mut one = message("bad", id);
            one["files"] = json!([junk]);
            bad.send(&text(&format!("42{id}[\"msg:send\",{one}]"))).await;
            let mut one = message("odd", id);
            one["junk"] = json!(junk);
            bad.send(&text(&format!("42{}[\"msg:send\",{one}]", 100 + id))).await;
        }
        for id in 0..12 {
            let refused = bad.until(&format!("43{id}[")).await;
            assert!(refused.contains("too_large"), "{refused}");
            let taken = bad.until(&format!("43{}[", 100 + id)).await;
            assert!(taken.contains("\"ok\":true"), "a field that nobody knows is nobody's: {taken}");
        }
    };
    let talking = async {
        for id in 0..200 {
            let answer = good.ask(id, "msg:send", &message("good", id)).await;
            assert_eq!(answer["ok"], true, "{answer}");
        }
    };
    tokio::join!(sending, talking);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_is_stored_in_the_order_sent() {
    const MESSAGES: u64 = 5_000;
    let folder = tempfile::tempdir().unwrap();
    let env = os::env("burst", folder.path(), Shutdown::default());
    let person = Person::new(&env, "ada").await;
    let channel = person.channel("private").await;
    let mut raw = Raw::connect(&addresses("realtime")[0], &person.auth()).await;
    let one = |n: u64| {
        let message = json!({"ch": channel, "client_msg_id": n.to_string(), "body": format!("message {n}")});
        text(&format!("42{n}[\"msg:send\",{message}]"))
    };
    raw.send(&(0..MESSAGES).flat_map(one).collect::<Vec<u8>>()).await;
    let mut acked = 0;
    while acked < MESSAGES {
        match raw.next().await {
            Said::Text(text) if text.starts_with("43") => {
                assert!(text.contains("\"ok\":true"), "{text}");
                acked += 1;
            }
            Said::Text(_) => {}
            end => panic!("after {acked}: {end:?}"),
        }
    }
    let history = until(PATIENCE, "history", async || person.api.whole_history(&channel).await.ok()).await;
    let stored: Vec<String> = history.into_iter().filter_map(|message| message.client_msg_id).collect();
    assert_eq!(stored, (0..MESSAGES).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_that_speaks_at_once_is_heard() {
    const CLIENTS: usize = 5_000;
    const AT_ONCE: usize = 1_000;
    let folder = tempfile::tempdir().unwrap();
    let env = os::env("crowd", folder.path(), Shutdown::default());
    let auth = Person::new(&env, "ada").await.auth();
    let realtime = addresses("realtime");
    let mut coming: JoinSet<()> = JoinSet::new();
    for number in 0..CLIENTS {
        if coming.len() >= AT_ONCE {
            coming.join_next().await.unwrap().unwrap();
        }
        let (at, auth) = (realtime[number % realtime.len()].clone(), auth.clone());
        coming.spawn(async move {
            let mut raw = Raw::session(&at).await;
            // In one piece: the event is there before its connection can be granted.
            let both = [text(&format!("40{auth}")), text(&format!("42{number}[\"ping:app\",{{}}]"))].concat();
            raw.send(&both).await;
            let heard = raw.until(&format!("43{number}[")).await;
            assert!(heard.contains("\"ok\":true"), "{heard}");
        });
    }
    while let Some(heard) = coming.join_next().await {
        heard.unwrap();
    }
}
