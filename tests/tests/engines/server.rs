//! Servers that `tests/backends/start` left running, and targets on them.

use std::{path::PathBuf, process::Command};

use archgen_backends::{Backend, Credentials, Engine, Metrics, Schema, Secret, Target, Tls, connect};
use archgen_env::{Env, os, task::Shutdown};
pub use archgen_tests::{engine as folder, generated, topology};
use serde_json::Value;

/// What `start` wrote about a server.
pub fn description(name: &str) -> Value {
    let file = folder(name).join("server.json");
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| {
        panic!("{} ({error}): run `tests/backends/install {name}` and `tests/backends/start {name}`", file.display())
    });
    serde_json::from_str(&text).expect("JSON")
}

/// A server's addresses.
pub fn endpoints(name: &str) -> Vec<String> {
    let described = description(name);
    let list = described["endpoints"].as_array().expect("endpoints");
    list.iter().map(|e| e.as_str().expect("an address").to_owned()).collect()
}

pub fn env() -> Env {
    os::env("engines-1", &std::env::temp_dir(), Shutdown::default())
}

/// A namespace that no other run has.
pub fn namespace(env: &Env) -> String {
    format!("t{}", env.new_uuid().simple())
}

/// A target without credentials.
pub fn target(engine: Engine, endpoints: &[String], namespace: &str, schema: String) -> Target {
    Target {
        store: "store".to_owned(),
        engine,
        endpoints: endpoints.iter().map(|e| e.parse().expect("an address")).collect(),
        namespace: namespace.to_owned(),
        credentials: None,
        tls: Tls::Off,
        call_ms_max: None,
        retries: None,
        schema: Schema { text: schema },
        datasets: Vec::new(),
        shards: 8,
        consistency: ("quorum", "quorum"),
    }
}

/// Who may do everything on a server.
pub fn credentials(name: &str) -> Option<Credentials> {
    let described = description(name);
    let text = |key: &str| described[key].as_str().expect("text").to_owned();
    Some(Credentials { user: text("user"), password: Secret::new(text("password")) })
}

pub fn open(env: &Env, target: Target) -> std::sync::Arc<dyn Backend> {
    connect(env, target, Metrics::default()).expect("a driver")
}

/// A server of a test's own, which it may kill and stop. Its programs are those of the shared one.
pub struct Private {
    engine: String,
    folder: PathBuf,
    port: u16,
}

fn script(engine: &str, name: &str) -> Command {
    Command::new(archgen_tests::root().join("tests/backends").join(engine).join(name))
}

fn run(command: &mut Command) {
    // What a server inherits would keep a pipe open for as long as it lives.
    let log = tempfile::NamedTempFile::new().expect("a log");
    let file = || log.reopen().expect("a log");
    let status = command.stdout(file()).stderr(file()).status().expect("a shell");
    let text = || std::fs::read_to_string(log.path()).unwrap_or_default();
    assert!(status.success(), "{command:?}: {}", text());
}

impl Private {
    /// Starts a single node, five ports beyond the shared one.
    pub fn start(engine: &str) -> Self {
        let shared = folder(engine);
        let own = shared.with_file_name(format!("{engine}-private"));
        let _ = std::fs::remove_dir_all(&own);
        std::fs::create_dir_all(&own).expect("a folder");
        for program in ["lib", "programs", "redis-server", "versitygw", "ferretdb", "consul"]
            .iter()
            .filter(|name| shared.join(name).exists())
        {
            std::os::unix::fs::symlink(shared.join(program), own.join(program)).expect("a link");
        }
        let (_, port) =
            endpoints(engine)[0].split_once(':').map(|(h, p)| (h.to_owned(), p.to_owned())).expect("a port");
        let private = Self { engine: engine.to_owned(), folder: own, port: port.parse::<u16>().expect("a port") + 5 };
        private.restart();
        private
    }

    /// Three nodes that are there already.
    pub fn cluster(engine: &str) -> Self {
        let first = endpoints(engine)[0].clone();
        let (_, port) = first.split_once(':').expect("a port");
        Self { engine: engine.to_owned(), folder: folder(engine), port: port.parse().expect("a port") }
    }

    pub fn endpoints(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.folder.join("server.json")).expect("server.json");
        let described: Value = serde_json::from_str(&text).expect("JSON");
        described["endpoints"]
            .as_array()
            .expect("endpoints")
            .iter()
            .map(|e| e.as_str().expect("text").to_owned())
            .collect()
    }

    /// Starts what does not run.
    pub fn restart(&self) {
        run(script(&self.engine, "start").arg(&self.folder).arg(self.port.to_string()));
    }

    /// Starts these nodes of a cluster.
    pub fn restart_nodes(&self, nodes: &[usize]) {
        let mut start = script(&self.engine, "start");
        start.arg(&self.folder).arg(self.port.to_string()).args(nodes.iter().map(ToString::to_string));
        run(&mut start);
    }

    /// Sends a signal to the process whose id stands in this file.
    pub fn signal_file(&self, file: &str, signal: &str) {
        let pid = std::fs::read_to_string(self.folder.join(file)).expect("a pid");
        run(Command::new("kill").arg(format!("-{signal}")).arg(pid.trim()));
    }

    /// Sends a signal to a node, counted from 1.
    pub fn signal(&self, node: usize, signal: &str) {
        let file = self.folder.join(format!("data/{node}/server.pid"));
        let pid = std::fs::read_to_string(&file).expect("a pid");
        run(Command::new("kill").arg(format!("-{signal}")).arg(pid.trim()));
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        if self.folder.ends_with(format!("{}-private", self.engine)) {
            let _ = script(&self.engine, "stop").arg(&self.folder).status();
        }
    }
}
