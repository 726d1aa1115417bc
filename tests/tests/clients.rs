//! Two clients, one behaviour: the Rust crate and the TypeScript client play the same scenario files against a running fleet, and
//! what their people saw is judged by one judge.
//!
//! It needs a fleet that is up: `cargo run --release -- up examples/slack/topology.yaml --detach`.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
    sync::{Arc, Mutex},
    time::Duration,
};

use archgen_client::{Api, Device, DeviceConfig, Observer};
use archgen_env::{Env, os, task::Shutdown};
use archgen_tests::{addresses, root, until};
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

const PEOPLE: [&str; 2] = ["ada", "bob"];
const PATIENCE: Duration = Duration::from_secs(60);
const PASSWORD: &str = "a password of some length";

#[derive(Deserialize)]
struct Scenario {
    steps: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    offline: Option<String>,
    online: Option<String>,
    send: Option<String>,
    messages: Option<usize>,
    #[serde(default)]
    settle: bool,
}

/// What one person saw.
#[derive(Debug, Default, Clone, PartialEq, Deserialize)]
struct Seen {
    acked: Vec<(String, u64, String)>,
    refused: Vec<String>,
    shown: Vec<(u64, String)>,
}

type Account = BTreeMap<String, Seen>;

struct Watching(Arc<Mutex<Seen>>);

impl Observer for Watching {
    fn tried(&self, _client_msg_id: &str) {}

    fn acked(&self, client_msg_id: &str, seq: u64, id: &str) {
        self.0.lock().unwrap().acked.push((client_msg_id.to_owned(), seq, id.to_owned()));
    }

    fn refused(&self, client_msg_id: &str, reason: &str) {
        self.0.lock().unwrap().refused.push(format!("{client_msg_id}: {reason}"));
    }

    fn shown(&self, _channel: &str, seq: u64, id: &str) {
        self.0.lock().unwrap().shown.push((seq, id.to_owned()));
    }
}

/// A channel with its people, signed in.
struct Stage {
    env: Env,
    channel: String,
    people: BTreeMap<&'static str, Api>,
}

async fn stage(folder: &Path) -> Stage {
    let env = os::env("clients", folder, Shutdown::default());
    let run = env.new_uuid().to_string()[28..].to_owned();
    let mut people = BTreeMap::new();
    for name in PEOPLE {
        let api = Api::new(&env, addresses("gateway").remove(0));
        let (email, handle) = (format!("{name}-{run}@example.test"), format!("{name}_{run}"));
        until(PATIENCE, "registered", async || match api.register(&email, &handle, PASSWORD).await {
            Err(error) if error.is_transient() => None,
            done => Some(done.unwrap()),
        })
        .await;
        until(PATIENCE, "signed in", async || api.login(&email, PASSWORD).await.ok()).await;
        people.insert(name, api);
    }
    let channel =
        until(PATIENCE, "a channel", async || people["ada"].create_channel("stage", "public").await.ok()).await.id;
    until(PATIENCE, "bob joins", async || people["bob"].join(&channel).await.ok()).await;
    Stage { env, channel, people }
}

async fn play_rust(stage: &Stage, scenario: &Scenario) -> Account {
    let (mut devices, mut seen) = (BTreeMap::new(), BTreeMap::new());
    for (turn, name) in PEOPLE.into_iter().enumerate() {
        let own = Arc::new(Mutex::new(Seen::default()));
        let mut realtime = addresses("realtime");
        let turn = turn % realtime.len();
        realtime.rotate_left(turn);
        let config = DeviceConfig { realtime, channels: vec![stage.channel.clone()] };
        let watching = Arc::new(Watching(own.clone()));
        devices.insert(name, Device::start(&stage.env, stage.people[name].clone(), config, watching));
        seen.insert(name.to_owned(), own);
    }
    let (mut away, mut sent) = (BTreeSet::new(), BTreeMap::<String, usize>::new());
    for step in &scenario.steps {
        if let Some(name) = &step.offline {
            away.insert(name.clone());
            devices[name.as_str()].offline();
        }
        if let Some(name) = &step.online {
            away.remove(name);
            devices[name.as_str()].online();
        }
        for _ in 0..step.send.as_ref().map_or(0, |_| step.messages.unwrap_or(1)) {
            let name = step.send.as_ref().unwrap();
            let number = sent.entry(name.clone()).or_default();
            *number += 1;
            let (client, body) = (format!("{name}-{number}"), format!("message {number} of {name}"));
            devices[name.as_str()].send(&stage.channel, &client, &body);
        }
        if step.settle {
            // Everyone who is there has an answer to everything and has seen everything.
            until(PATIENCE, "settled", async || {
                let all: usize = seen.values().map(|own| own.lock().unwrap().acked.len()).sum();
                let done =
                    |name: &&str| devices[*name].outstanding() == 0 && seen[*name].lock().unwrap().shown.len() >= all;
                PEOPLE.iter().filter(|name| !away.contains(**name)).all(done).then_some(())
            })
            .await;
        }
    }
    devices.values().for_each(Device::stop);
    seen.into_iter().map(|(name, own)| (name, own.lock().unwrap().clone())).collect()
}

fn play_typescript(stage: &Stage, file: &Path) -> Account {
    let realtime: Vec<String> = addresses("realtime").iter().map(|address| format!("http://{address}")).collect();
    let tokens: BTreeMap<&str, String> =
        stage.people.iter().map(|(name, api)| (*name, api.access_token().unwrap())).collect();
    let setup = json!({"realtime": realtime, "channel": stage.channel, "people": tokens});
    let script = root().join("ui/client/dist/scenario.js");
    let output = Command::new("node").arg(script).arg(file).arg(setup.to_string()).output().expect("node runs");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the TypeScript client played to the end (ui/client/build makes it): {error}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Each message acknowledged once and in its author's order; each shown once, in order, to everyone, as history has it.
async fn judge(stage: &Stage, scenario: &Scenario, account: &Account, who: &str) {
    let history =
        until(PATIENCE, "history", async || stage.people["ada"].whole_history(&stage.channel).await.ok()).await;
    let places: Vec<(u64, String)> = history.iter().map(|m| (m.seq, m.id.clone())).collect();
    let by_client: BTreeMap<String, (u64, String)> =
        history.iter().map(|m| (m.client_msg_id.clone().unwrap(), (m.seq, m.id.clone()))).collect();
    assert_eq!(by_client.len(), history.len(), "{who}: nothing twice");
    for name in PEOPLE {
        let seen = &account[name];
        let of = |step: &Step| if step.send.as_deref() == Some(name) { step.messages.unwrap_or(1) } else { 0 };
        let expected: Vec<String> =
            (1..=scenario.steps.iter().map(of).sum()).map(|n: usize| format!("{name}-{n}")).collect();
        let acked: Vec<String> = seen.acked.iter().map(|(client, ..)| client.clone()).collect();
        assert_eq!((acked, &seen.refused), (expected, &Vec::new()), "{who}: {name}'s messages, in order, each once");
        for (client, seq, id) in &seen.acked {
            assert_eq!(by_client[client], (*seq, id.clone()), "{who}: {client} is where it was acknowledged");
        }
        assert!(seen.acked.windows(2).all(|w| w[0].1 < w[1].1), "{who}: {name}'s order is the channel's");
        assert_eq!(seen.shown, places, "{who}: {name} saw each message once, in order");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_clients_play_every_scenario_alike() {
    let folder = tempfile::tempdir().unwrap();
    let mut files: Vec<_> =
        fs::read_dir(root().join("tests/scenarios")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 2);
    for file in files {
        let scenario: Scenario = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        let rust = stage(folder.path()).await;
        let account = play_rust(&rust, &scenario).await;
        judge(&rust, &scenario, &account, &format!("Rust, {}", file.display())).await;
        let typescript = stage(folder.path()).await;
        let account = play_typescript(&typescript, &file);
        judge(&typescript, &scenario, &account, &format!("TypeScript, {}", file.display())).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_served_is_described() {
    let folder = tempfile::tempdir().unwrap();
    let env = os::env("described", folder.path(), Shutdown::default());
    let messaging = Api::new(&env, addresses("messaging").remove(0));
    for name in ["openapi", "asyncapi"] {
        let document: Value = messaging.call(Method::GET, &format!("/{name}.json"), &Value::Null).await.unwrap();
        let file = folder.path().join(format!("{name}.json"));
        fs::write(&file, document.to_string()).unwrap();
        let script = root().join("tests/interop").join(format!("{name}.mjs"));
        let output = Command::new("node").arg(script).arg(&file).output().expect("node runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "the stock parser takes {name}.json: {said}");
    }
}
