//! Against what runs: a registry whose members come and go while `archgen sync` keeps a gateway's list, and `archgen drift` which only
//! looks.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crate::program::archgen;

const SPEC: &str = "archgen: v1\nname: live\nregistry: { kind: consul, servers: 3 }\ngateway:\n  kind: nginx\n  version: \"1.22\"\n  host: \
                    localhost\n  port: 8291\n  discovery: consul\n  routes: { /a: { to: one, auth: none } }\nservices:\n  one: { kind: process, \
                    command: [./one], port: 9000, replicas: 2 }\n";

/// As much of Consul's HTTP API as is asked: `/v1/health/service/one` with blocking, from a state that tests change.
struct Registry {
    port: u16,
    /// Number of the state, which is the index of its answers.
    state: Arc<AtomicU64>,
}

/// Members by state: none, two, one that nginx cannot take, two others.
fn members(state: u64) -> Vec<(&'static str, u16)> {
    match state {
        1 => vec![("127.0.0.1", 9_001), ("127.0.0.1", 9_002)],
        2 => vec![("no such host", 9_003)],
        3 => vec![("127.0.0.1", 9_004), ("127.0.0.1", 9_005), ("127.0.0.1", 9_006)],
        _ => Vec::new(),
    }
}

impl Registry {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(AtomicU64::new(1));
        let shared = state.clone();
        #[expect(clippy::disallowed_methods, reason = "a double outside every host")]
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = shared.clone();
                thread::spawn(move || answer(stream, &state));
            }
        });
        Self { port, state }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

fn answer(stream: TcpStream, state: &AtomicU64) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut stream = stream;
    loop {
        let mut first = String::new();
        reader.read_line(&mut first).ok()?;
        let path = first.split(' ').nth(1)?.to_owned();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            if line.trim().is_empty() {
                break;
            }
        }
        let asked: u64 = path.split("index=").nth(1).and_then(|i| i.split('&').next()?.parse().ok()).unwrap_or(0);
        while state.load(Ordering::SeqCst) == asked {
            thread::sleep(Duration::from_millis(10));
        }
        let now = state.load(Ordering::SeqCst);
        let all = members(now).into_iter().enumerate().map(|(i, (address, port))| {
            format!(
                "{{\"Node\":{{\"Address\":\"127.0.0.9\"}},\"Service\":{{\"ID\":\"one-{}\",\"Service\":\"one\",\"Address\":\"{address}\",\"Port\":\
                 {port}}},\"Checks\":[{{\"Status\":\"passing\"}}]}}",
                i + 1
            )
        });
        let body = if path.starts_with("/v1/health/service/one") {
            format!("[{}]", all.collect::<Vec<_>>().join(","))
        } else if path.starts_with("/v1/catalog/services") {
            "{\"consul\":[],\"one\":[],\"stranger\":[]}".to_owned()
        } else {
            "[]".to_owned()
        };
        let missing = path.starts_with("/v1/config/");
        let status = if missing { "404 Not Found" } else { "200 OK" };
        write!(stream, "HTTP/1.1 {status}\r\nX-Consul-Index: {now}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
            .ok()?;
    }
}

struct Ended(Child);

impl Ended {
    /// What it says, as it says it.
    fn notes(&mut self) -> Arc<Mutex<String>> {
        let (notes, stderr) = (Arc::new(Mutex::new(String::new())), self.0.stderr.take().unwrap());
        let told = notes.clone();
        #[expect(clippy::disallowed_methods, reason = "a test stands outside every host")]
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                told.lock().unwrap().push_str(&(line + "\n"));
            }
        });
        notes
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// A program in nginx's place, which counts what it is asked. It refuses lists with a word that says so; every trial while there is a file
/// `refuse`; and to load one member while there is a file `refuse-9006`: with its exit status, or, where the file says so, in its log.
const DOUBLE: &str = r#"#!/bin/sh
here=$(dirname "$0")
echo "$@" >>"$here/asked"
[ "$1" = -p ] && [ "$3 $4" = "-c nginx.conf" ] || exit 64
list=$2/upstreams.conf
grep -q refuse "$list" && exit 1
if [ "$5" = -t ]; then [ ! -e "$here/refuse" ]; exit; fi
if [ -e "$here/refuse-9006" ] && grep -q :9006 "$list"; then
    echo refused >>"$here/loaded"
    grep -q log "$here/refuse-9006" || { echo "no such process" >&2; exit 1; }
    echo "[emerg] 7#7: no more ports" >>"$2/run/error.log"
    exit 0
fi
grep -o '127.0.0.1:[0-9]*' "$list" | tr '\n' ' ' >>"$here/loaded"
echo >>"$here/loaded"
"#;

fn double(folder: &Path) {
    fs::write(folder.join("nginx"), DOUBLE).unwrap();
    let mut permissions = fs::metadata(folder.join("nginx")).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o755);
    fs::set_permissions(folder.join("nginx"), permissions).unwrap();
}

#[test]
fn members_follow_the_registry_and_the_last_good_list_stays() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    fs::write(here.join("topology.yaml"), SPEC).unwrap();
    archgen(here, &["generate", "topology.yaml", "--out", "generated"]).ok();
    double(here);
    let registry = Registry::start();
    let list = || fs::read_to_string(here.join("generated/nginx/upstreams.conf")).unwrap();
    let asked = || fs::read_to_string(here.join("asked")).unwrap_or_default();
    let program = here.join("nginx").display().to_string();
    let mut command = Command::new(env!("CARGO_BIN_EXE_archgen"));
    command.current_dir(here).args(["sync", "topology.yaml", "--registry", &registry.url(), "--nginx", &program]);
    fs::create_dir_all(here.join("generated/nginx/run")).unwrap();
    fs::write(here.join("generated/nginx/run/nginx.pid"), "1\n").unwrap();
    let mut child = Ended(command.stderr(Stdio::piped()).spawn().unwrap());
    let notes = child.notes();
    let said = |what: &str| notes.lock().unwrap().contains(what);
    until("the members of the registry", || list().contains("server 127.0.0.1:9002 "));
    assert!(!list().contains("10."), "planned members are gone: {}", list());
    until("it is loaded", || asked().lines().count() == 2);
    assert!(asked().lines().next().unwrap().contains("-t") && asked().contains("-s reload"), "{}", asked());

    // Its list is nobody's drift, and `generate` leaves it.
    archgen(here, &["drift", "topology.yaml", "--out", "generated"]).ok();
    archgen(here, &["generate", "topology.yaml", "--out", "generated"]).ok();
    assert!(list().contains("server 127.0.0.1:9002 "));

    // Nobody who could be called: the last good list stays.
    registry.state.store(2, Ordering::SeqCst);
    until("the last good list stays", || said("is left out") && said("nobody is healthy; the last good list stays"));
    assert!(list().contains("server 127.0.0.1:9002 "), "{}", list());
    // What nginx refuses is never in its place, and is tried again.
    fs::write(here.join("refuse"), "").unwrap();
    registry.state.store(3, Ordering::SeqCst);
    until("nginx refuses", || said("nginx refuses the new list"));
    assert!(list().contains("server 127.0.0.1:9002 "), "{}", list());
    fs::remove_file(here.join("refuse")).unwrap();
    until("the others", || list().contains("server 127.0.0.1:9006 "));
    let left: Vec<_> = fs::read_dir(here.join("generated")).unwrap().flatten().map(|e| e.file_name()).collect();
    assert!(!left.iter().any(|n| n.to_string_lossy().contains("trial")), "{left:?}");
    drop(child);

    // One that was ended before it wrote the manifest is no hand.
    fs::write(here.join("generated/nginx/upstreams.conf"), list().replace("127.0.0.1:9006", "127.0.0.1:9007")).unwrap();
    registry.state.store(1, Ordering::SeqCst);
    let url = registry.url();
    archgen(here, &["sync", "topology.yaml", "--registry", &url, "--nginx", &program, "--once"]).ok();
    assert!(list().contains("server 127.0.0.1:9002 ") && !list().contains("9007"), "{}", list());

    // An edited list is not overwritten.
    fs::write(here.join("generated/nginx/upstreams.conf"), list() + "# by hand\n").unwrap();
    registry.state.store(3, Ordering::SeqCst);
    let edited = archgen(here, &["sync", "topology.yaml", "--registry", &url, "--nginx", &program, "--once"]);
    assert_eq!(edited.status, 69, "{}", edited.notes);
    assert!(edited.notes.contains("edited by hand"), "{}", edited.notes);
}

#[test]
fn a_list_that_nginx_does_not_load_is_taken_back() {
    for how in ["status", "log"] {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path();
        fs::write(here.join("topology.yaml"), SPEC).unwrap();
        archgen(here, &["generate", "topology.yaml", "--out", "generated"]).ok();
        double(here);
        fs::create_dir_all(here.join("generated/nginx/run")).unwrap();
        fs::write(here.join("generated/nginx/run/nginx.pid"), "1\n").unwrap();
        let registry = Registry::start();
        let list = || fs::read_to_string(here.join("generated/nginx/upstreams.conf")).unwrap();
        let loaded = || fs::read_to_string(here.join("loaded")).unwrap_or_default();
        let (url, program) = (registry.url(), here.join("nginx").display().to_string());
        let once = ["sync", "topology.yaml", "--registry", &url, "--nginx", &program, "--once"];
        archgen(here, &once).ok();
        let (good, reloads) = (list(), loaded());
        assert_eq!(reloads, "127.0.0.1:9001 127.0.0.1:9002 \n");

        // nginx takes it in the trial and not when it is told to load it: what it loads again is the last good list.
        fs::write(here.join("refuse-9006"), how).unwrap();
        registry.state.store(3, Ordering::SeqCst);
        let refused = archgen(here, &once);
        assert_eq!(refused.status, 69, "{how}: {}", refused.notes);
        let why = if how == "log" { "no more ports" } else { "no such process" };
        assert!(
            refused.notes.contains("it is taken back, as it was") && refused.notes.contains(why),
            "{}",
            refused.notes
        );
        assert_eq!(list(), good, "{how}");
        assert_eq!(loaded(), format!("{reloads}refused\n{reloads}"), "{how}");
        // Its hash is taken back with it: the list is nobody's edit and no drift.
        archgen(here, &["drift", "topology.yaml", "--out", "generated"]).ok();

        // Tried again, it is loaded when nothing stands in its way.
        let mut command = Command::new(env!("CARGO_BIN_EXE_archgen"));
        command.current_dir(here).args(&once[..6]).stderr(Stdio::piped());
        let mut child = Ended(command.spawn().unwrap());
        let notes = child.notes();
        until("it is refused again", || notes.lock().unwrap().contains("it is taken back, as it was"));
        assert_eq!(list(), good, "{how}");
        fs::remove_file(here.join("refuse-9006")).unwrap();
        until("it is loaded", || loaded().ends_with("127.0.0.1:9004 127.0.0.1:9005 127.0.0.1:9006 \n"));
        assert!(list().contains("127.0.0.1:9006 "), "{how}: {}", list());
    }
}

#[test]
fn drift_asks_a_live_registry() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("topology.yaml"), SPEC).unwrap();
    let registry = Registry::start();
    registry.state.store(3, Ordering::SeqCst);
    let found = archgen(folder.path(), &["drift", "topology.yaml", "--registry", &registry.url()]);
    assert_eq!(found.status, 3, "{}", found.notes);
    for line in [
        "registry gateway-1: is not registered",
        "registry one-3: is registered at 127.0.0.1:9006 and not in the spec",
        "registry stranger: is a registered service and not in the spec",
        "registry consul/intentions/one: is not there",
    ] {
        assert!(found.out.contains(line), "{line}\n{}", found.out);
    }
    assert!(!found.out.contains("one-1:"), "{}", found.out);
    let nobody = archgen(folder.path(), &["drift", "topology.yaml", "--registry", "http://127.0.0.1:1"]);
    assert_eq!(nobody.status, 69, "{}", nobody.notes);
}

#[test]
fn sync_says_where_there_is_nothing_to_keep() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("topology.yaml"), SPEC.replace("1.22", "1.28")).unwrap();
    assert_eq!(archgen(folder.path(), &["sync", "topology.yaml", "--once"]).status, 64);
}
