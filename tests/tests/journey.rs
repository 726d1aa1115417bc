//! The journey: two people and an outsider on a running fleet, by the stock Socket.IO client and HTTP, with the messaging hosts
//! killed in mid-stream and the whole fleet taken down and up again.
//!
//! It needs a fleet that is up: `cargo run --release -- up examples/slack/topology.yaml --detach`. ARCHGEN_ENV names its environment
//! where that is not `dev`.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use archgen_client::Api;
use archgen_env::{net::Address, os, task::Shutdown};
use archgen_tests::{archgen, hosts};
use serde_json::Value;

const MESSAGES: usize = 1_000;

/// Talks; kills every messaging host when half is acknowledged. Returns the script's account.
fn talk() -> Value {
    let gateway = format!("http://{}", hosts("gateway")[0].address);
    let realtime: Vec<String> = hosts("realtime").iter().map(|h| format!("http://{}", h.address)).collect();
    let mut script = Command::new("node")
        .arg(archgen_tests::root().join("tests/interop/journey.mjs"))
        .args([&gateway, &realtime.join(","), &MESSAGES.to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .expect("node runs");
    let mut account = Value::Null;
    for line in BufReader::new(script.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        if line == "halfway" {
            for host in hosts("messaging") {
                let killed = Command::new("kill").args(["-9", &host.pid.to_string()]).status().unwrap();
                assert!(killed.success(), "{}", host.name);
            }
        } else {
            account = serde_json::from_str(&line).unwrap_or(Value::Null);
        }
    }
    assert!(script.wait().unwrap().success(), "the journey's script ended well");
    account
}

fn triples(value: &Value) -> Vec<(u64, String, String)> {
    let text = |v: &Value| v.as_str().unwrap().to_owned();
    value.as_array().unwrap().iter().map(|t| (t[0].as_u64().unwrap(), text(&t[1]), text(&t[2]))).collect()
}

fn history(account: &Value) -> Vec<(u64, String, String)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let env = os::env("journey", folder.path(), Shutdown::default());
        let gateway: Address = hosts("gateway")[0].address.parse().unwrap();
        let api = Api::new(&env, gateway);
        api.login(account["email"].as_str().unwrap(), account["password"].as_str().unwrap()).await.unwrap();
        let messages = api.whole_history(account["channel"].as_str().unwrap()).await.unwrap();
        messages.into_iter().map(|m| (m.seq, m.id, m.client_msg_id.unwrap_or_default())).collect()
    })
}

#[test]
fn two_people_talk_through_crashes_and_nothing_is_lost() {
    let account = talk();
    let mut acked = triples(&account["acked"]);
    acked.sort();
    assert_eq!(acked.len(), MESSAGES + 2);
    let ids: BTreeSet<&String> = acked.iter().map(|(_, _, client)| client).collect();
    assert_eq!(ids.len(), MESSAGES + 2, "each client id was acknowledged once");
    let talked: Vec<_> = acked.iter().take(MESSAGES).cloned().collect();
    for (first, next) in talked.iter().zip(&talked[1..]) {
        assert_eq!(first.0 + 1, next.0, "seq is dense");
    }
    for device in account["shown"].as_array().unwrap() {
        let shown: Vec<_> = triples(device).into_iter().take(MESSAGES).collect();
        assert_eq!(shown, talked, "both devices show each acknowledged message once, in order");
    }
    assert_eq!(account["file"]["sha256"], account["file"]["downloaded"], "a file comes back as it went");
    assert!(!account["found"].as_array().unwrap().is_empty(), "search finds the message");
    assert_eq!(account["outsider"].as_array().unwrap().len(), 0, "an outsider finds nothing");
    assert!(account["inbox"].is_object(), "the mention is in the inbox");
    let sync = &account["sync"];
    assert_eq!(sync["dense"], true, "long polls bring the log without a gap");
    assert!(sync["entries"].as_u64().unwrap() >= acked.len() as u64 - 2, "{sync}");
    assert_eq!(
        (&sync["live"], &sync["place"]),
        (&true.into(), &true.into()),
        "the event stream brings what comes: {sync}"
    );
    assert!([403, 404].contains(&account["outsiderSync"].as_u64().unwrap()), "an outsider syncs nothing");

    let foreign = serde_json::json!({"issued": true, "socket": "unauthenticated", "call": 401});
    assert_eq!(account["foreign"], foreign, "a token of another audience opens nothing");

    assert_eq!(history(&account), acked, "history has each acknowledged message once, in order");
    let (down, _) = archgen(&["down"]);
    assert!(down, "the fleet goes down");
    let environment = std::env::var("ARCHGEN_ENV").unwrap_or_else(|_| "dev".to_owned());
    let (up, _) = archgen(&["up", "examples/slack/topology.yaml", "--env", &environment, "--detach"]);
    assert!(up, "the fleet comes up again");
    let (healthy, _) = archgen(&["wait", "--healthy", "--timeout", "60s"]);
    assert!(healthy, "the fleet is healthy again");
    assert_eq!(history(&account), acked, "history is the same after down and up");
}
