//! A whole fleet from the smallest useful spec: up, ps, wait, restart, logs, down, and the ways in which it may be killed.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::TcpListener,
    path::Path,
    process::{Command, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use serde_json::Value;

use super::program::{archgen, command, project};

/// Fleets are started one at a time: this machine may be small.
pub static ONE: Mutex<()> = Mutex::new(());

/// A folder with the smallest useful spec on ports of its own; its fleet is taken down with it.
struct Place {
    folder: tempfile::TempDir,
    _one: MutexGuard<'static, ()>,
}

impl Place {
    fn new() -> Self {
        let one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = tempfile::tempdir().unwrap();
        let text = fs::read_to_string(project("examples/minimal/topology.yaml")).unwrap();
        // Ports of the examples may be in use on this machine, by a fleet that somebody runs.
        let text = text.replace("port: 8180", &format!("port: {}", free_port()));
        let text = text.replace("port: 3100", &format!("port: {}", free_port()));
        // Password hashes cost what they must in production, and little here.
        let text = text.replace("user: { port: 9310,", "user: { port: 9310, password_memory: 64KiB,");
        assert!(text.contains("password_memory"), "the example changed: {text}");
        fs::write(folder.path().join("topology.yaml"), text).unwrap();
        Self { folder, _one: one }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn up(&self, more: &[&str]) {
        let arguments = [&["up", "topology.yaml", "--detach"], more].concat();
        let given = archgen(self.path(), &arguments).ok();
        for said in ["healthy", "http://127.0.0.1:", "ada@example.test", "password ", "archgen down"] {
            assert!(given.notes.contains(said), "{said}: {}", given.notes);
        }
    }

    fn hosts(&self) -> Vec<Value> {
        archgen(self.path(), &["ps", "--format", "json"]).ok().json().as_array().unwrap().clone()
    }

    fn host(&self, name: &str) -> Value {
        self.hosts().into_iter().find(|h| h["host"] == name).unwrap()
    }

    fn down(&self) {
        let given = archgen(self.path(), &["down"]).ok();
        assert!(given.notes.contains("stopped"), "{}", given.notes);
    }

    fn supervisor(&self) -> i64 {
        fs::read_to_string(self.path().join(".archgen/lock")).unwrap().parse().unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = command(self.path(), &["down"]).output();
    }
}

pub fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

pub fn pid(host: &Value) -> i64 {
    host["pid"].as_i64().unwrap_or_else(|| panic!("no pid: {host}"))
}

pub fn kill(signal: &str, pid: i64) {
    assert!(Command::new("kill").args([signal, &pid.to_string()]).status().unwrap().success());
}

/// Whether a process is there and not a zombie.
pub fn lives(pid: i64) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// Looks until it holds. The kernel owes us the end of a process soon, not at once.
pub fn soon(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::yield_now();
    }
}

#[test]
fn a_fleet_lives_is_looked_after_and_its_data_survive() {
    let place = Place::new();
    place.up(&[]);
    let hosts = place.hosts();
    assert_eq!(hosts.len(), 9);
    for host in &hosts {
        assert_eq!(host["state"], "ready", "{host}");
        assert!(host["address"].as_str().unwrap().starts_with("127.0.0.1:") && host["kind"].is_string());
        assert!(lives(pid(host)), "{host}");
    }
    archgen(place.path(), &["wait", "--healthy", "--timeout", "10s"]).ok();

    let again = archgen(place.path(), &["up", "topology.yaml"]);
    assert_eq!(again.status, 69);
    assert!(again.notes.contains(&place.supervisor().to_string()), "{}", again.notes);

    let before = pid(&place.host("messaging-1"));
    archgen(place.path(), &["restart", "messaging-1"]).ok();
    let after = pid(&place.host("messaging-1"));
    assert!(before != after && !lives(before) && lives(after));
    let unknown = archgen(place.path(), &["restart", "mesaging-1"]);
    assert!(unknown.status == 69 && unknown.notes.contains("messaging-1"), "{}", unknown.notes);

    kill("-9", after);
    soon("a killed host is ready again", || {
        let host = place.host("messaging-1");
        host["state"] == "ready" && pid(&host) != after
    });
    let logs = archgen(place.path(), &["logs", "messaging-1"]).ok();
    assert!(logs.out.lines().filter(|l| l.contains("starting")).count() >= 3, "{}", logs.out);

    let addresses: Vec<Value> = place.hosts().iter().map(|h| h["address"].clone()).collect();
    let pids: Vec<i64> = place.hosts().iter().map(pid).collect();
    place.down();
    assert!(pids.iter().all(|p| !lives(*p)), "nothing runs after `down`");
    assert_eq!(archgen(place.path(), &["ps"]).status, 69);
    archgen(place.path(), &["down"]).ok();

    // The demo users sign in with the password of the first start: the accounts are still there.
    let password = fs::read_to_string(place.path().join(".archgen/demo.json")).unwrap();
    place.up(&[]);
    assert_eq!(password, fs::read_to_string(place.path().join(".archgen/demo.json")).unwrap());
    let log = fs::read_to_string(place.path().join(".archgen/supervisor.log")).unwrap();
    assert!(!log.contains("could not be made"), "{log}");
    let secret: Value = serde_json::from_str(&password).unwrap();
    assert!(!log.contains(secret["password"].as_str().unwrap()), "the password is in no log");
    assert_eq!(addresses, place.hosts().iter().map(|h| h["address"].clone()).collect::<Vec<_>>());
    place.down();
}

#[test]
fn killing_the_supervisor_leaves_no_orphan_and_a_taken_port_starts_nothing() {
    let place = Place::new();
    place.up(&[]);
    let pids: Vec<i64> = place.hosts().iter().map(pid).collect();
    let address = place.host("user-1")["address"].as_str().unwrap().to_owned();
    kill("-9", place.supervisor());
    soon("every host dies with its supervisor", || pids.iter().all(|p| !lives(*p)));
    assert_eq!(archgen(place.path(), &["wait", "--healthy"]).status, 69);

    // The threads of a killed process let go of its sockets one by one, after its first one is seen to be dead.
    let mut taker = None;
    soon("the port of a dead host is free", || {
        taker = TcpListener::bind(&address).ok();
        taker.is_some()
    });
    let given = archgen(place.path(), &["up", "topology.yaml", "--detach"]);
    assert_eq!(given.status, 69);
    let own = std::process::id().to_string();
    assert!(given.notes.contains("user-1") && given.notes.contains(&own), "{}", given.notes);
    assert_eq!(archgen(place.path(), &["ps"]).status, 69);
    drop(taker);

    // Also when nobody called `down` in between.
    place.up(&[]);
    let supervisor = place.supervisor();
    kill("-9", supervisor);
    // A process that is told to die may still hold its lock for a moment.
    soon("the supervisor is dead", || !lives(supervisor));
    let given = archgen(place.path(), &["down"]).ok();
    assert!(given.notes.contains("was killed"), "{}", given.notes);
}

#[test]
fn a_foreground_fleet_shows_its_logs_and_stops_by_a_signal() {
    let place = Place::new();
    let mut up =
        command(place.path(), &["up", "topology.yaml"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut notes = BufReader::new(up.stderr.take().unwrap());
    let lines = std::thread::scope(|scope| {
        let shown = up.stdout.take().unwrap();
        let lines = scope.spawn(move || BufReader::new(shown).lines().map_while(Result::ok).collect::<Vec<_>>());
        let mut line = String::new();
        while !line.contains("archgen down") {
            line.clear();
            assert!(notes.read_line(&mut line).unwrap() > 0, "it says where to go before it ends");
        }
        let pids: Vec<i64> = place.hosts().iter().map(pid).collect();
        kill("-INT", i64::from(up.id()));
        assert!(up.wait().unwrap().success());
        assert!(pids.iter().all(|p| !lives(*p)));
        lines.join().unwrap()
    });
    assert!(lines.iter().any(|l| l.trim_start().starts_with("user-1 | ")), "{lines:#?}");
    assert!(lines.iter().all(|l| !l.contains('\x1b')), "no colour where there is no terminal");
}

#[test]
fn hosts_as_tasks_of_one_process_answer_the_same_commands() {
    let place = Place::new();
    place.up(&["--in-process"]);
    let supervisor = place.supervisor();
    assert!(place.hosts().iter().all(|h| pid(h) == supervisor && h["state"] == "ready"));
    archgen(place.path(), &["restart", "messaging-1"]).ok();
    let logs = archgen(place.path(), &["logs", "user-1"]).ok();
    assert!(logs.out.contains("listening"), "{}", logs.out);
    place.down();
    soon("the process ends", || !lives(supervisor));
}

#[test]
fn a_host_that_cannot_start_is_named_with_its_reason_and_the_rest_is_stopped() {
    let place = Place::new();
    place.up(&[]);
    place.down();
    let data = place.path().join(".archgen/data/users-1");
    fs::remove_dir_all(&data).unwrap();
    fs::write(&data, "not a folder").unwrap();
    let given = archgen(place.path(), &["up", "topology.yaml", "--detach"]);
    assert_eq!(given.status, 69, "{}", given.notes);
    assert!(given.notes.contains("users-1") && given.notes.contains(data.to_str().unwrap()), "{}", given.notes);
    assert_eq!(archgen(place.path(), &["ps"]).status, 69);
}
