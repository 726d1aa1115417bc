//! The unmodified npm and Python clients against the echo server, by polling, by WebSocket, and by the upgrade between
//! them; directly, and through proxies that cut what they pass on. `tests/interop/install` brings the clients.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use archgen_env::{net::Address, os, task::Shutdown};
use archgen_socketio::Config;
use serde_json::{Value, json};

#[expect(dead_code, reason = "the example's main and its arguments are not part of the test")]
#[path = "../examples/echo.rs"]
mod echo;
#[path = "interop/ledger.rs"]
mod ledger;
#[path = "interop/proxy.rs"]
mod proxy;

use proxy::Cut;

fn interop() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/interop")
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port()
}

/// Runs the echo server beside this closure, which is given its URL.
fn with_echo(check: impl FnOnce(&str)) {
    with_echo_behind(None, check);
}

/// Runs the echo server, behind a proxy where one is asked for, beside this closure, which is given the URL.
fn with_echo_behind(cut: Option<Cut>, check: impl FnOnce(&str)) {
    let installed = Command::new(interop().join("install")).status().expect("bash starts the installation");
    assert!(installed.success(), "the clients could not be installed");
    let (port, proxy_port) = (free_port(), free_port());
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let shutdown = Shutdown::default();
    let env = os::env("echo", Path::new("."), shutdown.clone());
    let config = Config { ping_interval_ms: 300, ping_timeout_ms: 5_000, ..Config::default() };
    let client = env.clone();
    let serving = runtime.spawn(async move { echo::serve(&env, port, config, vec![ledger::namespace()]).await });
    runtime.block_on(async {
        let mut wait = tokio::time::interval(Duration::from_millis(5));
        while client.net().connect(&Address::new("127.0.0.1", port)).await.is_err() {
            assert!(!serving.is_finished(), "the echo server did not start");
            wait.tick().await;
        }
        if let Some(cut) = cut {
            proxy::start(&client, proxy_port, port, cut).await;
        }
    });
    check(&format!("http://127.0.0.1:{}", if cut.is_some() { proxy_port } else { port }));
    shutdown.trigger("the test is over");
    runtime.block_on(serving).expect("the server ends").expect("the server served");
}

fn run(program: &Path, arguments: &[&str]) -> Value {
    let output = Command::new("timeout")
        .arg("240")
        .arg(program)
        .args(arguments)
        .current_dir(interop())
        .output()
        .expect("the client's interpreter is installed");
    let (seen, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(seen.trim()).unwrap_or_else(|_| panic!("{arguments:?}: {}\n{seen}\n{errors}", output.status))
}

fn expected(mode: &str, disconnect: &str) -> Value {
    json!({
        "auth": {"token": "t", "name": "é€🙂"},
        "ack": [1, "2", {"3": [false]}],
        "echoed": 300,
        "in_order": true,
        "large": true,
        "connected": true,
        "transport": if mode == "polling" { "polling" } else { "websocket" },
        "kick": {"reason": "enough"},
        "disconnect": disconnect,
        "refused": {"message": "not today", "data": {"code": "refused"}},
    })
}

#[test]
fn npm_client() {
    with_echo(|url| {
        for mode in ["polling", "websocket", "upgrade"] {
            let seen = run(Path::new("node"), &["socketio_client.mjs", url, mode]);
            let mut expect = expected(mode, "io server disconnect");
            expect["last"] = json!(["shutdown", "transport close"]);
            assert_eq!(seen, expect, "{mode}");
        }
    });
}

#[test]
fn python_clients() {
    with_echo(|url| {
        for mode in ["polling", "websocket", "upgrade"] {
            for flavour in ["sync", "async"] {
                let python = interop().join(".venv/bin/python");
                let seen = run(&python, &["socketio_client.py", url, mode, flavour]);
                assert_eq!(seen, expected(mode, "server disconnect"), "{mode} {flavour}");
            }
        }
    });
}

fn transport(mode: &str) -> &str {
    if mode == "polling" { "polling" } else { "websocket" }
}

/// 10,000 messages each way in order, none lost, none twice, through a proxy that passes on pieces of random lengths.
#[test]
fn npm_clients_in_pieces() {
    with_echo_behind(Some(Cut::Pieces), |url| {
        for mode in ["polling", "websocket", "upgrade"] {
            let seen = run(Path::new("node"), &["stream.mjs", url, mode, "socket.io"]);
            let expect = json!({
                "received": 10_000, "wrong": null, "ack": [1, 2, 3], "answered": [3, 2, 1], "transport": transport(mode),
            });
            assert_eq!(seen, expect, "{mode}");
            let seen = run(Path::new("node"), &["stream.mjs", url, mode, "engine.io"]);
            assert_eq!(seen, json!({"received": 10_000, "wrong": null, "transport": transport(mode)}), "{mode}");
        }
    });
}

#[test]
fn python_client_in_pieces() {
    with_echo_behind(Some(Cut::Pieces), |url| {
        for mode in ["polling", "websocket", "upgrade"] {
            let seen = run(&interop().join(".venv/bin/python"), &["stream.py", url, mode]);
            let expect = json!({
                "received": 10_000, "wrong": null, "ack": [1, 2, 3], "answered": [3, 2, 1], "transport": transport(mode),
            });
            assert_eq!(seen, expect, "{mode}");
        }
    });
}

/// 10,000 messages each way in order, none lost, none twice in effect, over connections that end at random bytes.
fn cut_off_again_and_again(who: &str, program: &Path, arguments: &[&str], modes: &[&str], puts: u64) {
    with_echo_behind(Some(Cut::Connections), |url| {
        for mode in modes {
            let [script, flavour @ ..] = arguments else { panic!("a script is named") };
            let seen = run(program, &[&[script, url, mode], flavour].concat());
            assert_eq!(seen, json!({"seen": 10_000, "acked": puts, "wrong": null, "cut": true}), "{who} {mode}");
            assert_eq!(ledger::received(&format!("{who} {mode}")), (0..10_000).collect::<Vec<u64>>(), "{who} {mode}");
        }
    });
}

#[test]
fn npm_clients_cut_off_again_and_again() {
    for flavour in ["socket.io", "engine.io"] {
        let modes = ["polling", "websocket", "upgrade"];
        cut_off_again_and_again(flavour, Path::new("node"), &["ledger.mjs", flavour], &modes, 1_000);
    }
}

/// Not by polling alone: once a POST of it was cut, this client polls on and sends no more, until the server misses its pongs.
#[test]
fn python_client_cut_off_again_and_again() {
    let python = interop().join(".venv/bin/python");
    cut_off_again_and_again("python", &python, &["ledger.py"], &["websocket", "upgrade"], 200);
}
