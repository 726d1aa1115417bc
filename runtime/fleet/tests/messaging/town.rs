//! A fleet without a gateway on this machine: each host on a runtime of its own, so that it can be killed at any moment.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use archgen_env::{
    Env,
    http::{Client, ClientError, Limits, Reply},
    net::Address,
    os,
    task::Shutdown,
};
use archgen_fleet::{Assembly, EngineKind, Host, PublicUrls, hosts};
use archgen_ports::ServiceKey;
use archgen_services::identity::SUBJECT_HEADER;
use archgen_store::StoreClient;
use http::{HeaderMap, HeaderValue, Method};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::AsyncReadExt,
    runtime::{Builder, Runtime},
    time::{Instant, sleep},
};

/// Longest wait for anything that must come.
const PATIENCE: Duration = Duration::from_secs(20);
/// Wait between looks.
const LOOK: Duration = Duration::from_millis(20);

const SPEC: &str = "
archgen: v1
name: town
services:
  messaging:
    port: 9210
    replicas: 2
    shards: 4
    lease: LEASE
    needs: [chat.messages, users.channels, users.members, user]
    publishes: [events.message]
  user: { port: 9310, password_memory: 64KiB, needs: [users.accounts], publishes: [events.user] }
stores:
  users:
    kind: postgres
    embedded: true
    tables:
      accounts: { key: id uuid, columns: { email: text unique } }
      channels: { key: id bigint, columns: { name: text } }
      members: { key: [channel_id bigint, user_id uuid] }
  chat:
    kind: cassandra
    embedded: true
    tables:
      messages:
        { partition: [channel_id bigint, bucket int], cluster: [message_id bigint desc], columns: { body: text }, bucket: 1d }
  events: { kind: kafka, embedded: true, topics: { message: { partitions: 4, key: channel_id }, user: { partitions: 1, key: user_id } } }
";

struct Running {
    runtime: Runtime,
    shutdown: Shutdown,
}

pub(crate) struct Town {
    pub(crate) client: Client,
    env: Env,
    assembly: Arc<Assembly>,
    hosts: BTreeMap<String, Host>,
    running: BTreeMap<String, Running>,
    data: TempDir,
}

impl Town {
    /// A town whose hosts all answer. `lease` as the spec writes it.
    pub(crate) async fn start(lease: &str) -> Self {
        Self::of(SPEC.replace("LEASE", lease)).await
    }

    /// A town with a lease of a second, whose spec says more in places: what stands there now, and what shall.
    pub(crate) async fn amended(places: &[(&str, &str)]) -> Self {
        let mut text = SPEC.replace("LEASE", "1s");
        for (now, then) in places {
            assert!(text.contains(now), "the spec says {now}");
            text = text.replace(now, then);
        }
        Self::of(text).await
    }

    async fn of(text: String) -> Self {
        let none = |_: &str| Err(archgen_spec::ReadError::Missing);
        let loaded = archgen_spec::load("town.yaml", text, None, &none, &|_| None);
        let said: Vec<_> = loaded.diagnostics.iter().map(|d| format!("{}: {}", d.code, d.message)).collect();
        let topology = Arc::new(loaded.topology.unwrap_or_else(|| panic!("the spec is good: {said:?}")));
        let data = TempDir::new().unwrap();
        let env = os::env("people", data.path(), Shutdown::default());
        let mut addresses = BTreeMap::new();
        for instance in topology.instances() {
            addresses.insert(instance.name.clone(), free_address());
        }
        let assembly = Arc::new(Assembly {
            founders: BTreeMap::new(),
            topology,
            addresses,
            key: ServiceKey::new("the-key-of-a-town-in-a-test-0123456789"),
            engine: EngineKind::Log,
            copies: false,
            public: PublicUrls { gateway: "http://127.0.0.1:1".to_owned(), realtime: Vec::new() },
            means: archgen_fleet::Means::default(),
        });
        let hosts = hosts(&assembly).unwrap().into_iter().map(|h| (h.name().to_owned(), h)).collect();
        let client = Client::new(&env, Limits::default());
        let mut town = Self { client, env, assembly, hosts, running: BTreeMap::new(), data };
        let names: Vec<String> = town.hosts.keys().cloned().collect();
        for name in &names {
            town.start_host(name);
        }
        for name in &names {
            town.wait_ready(name).await;
        }
        town
    }

    pub(crate) fn start_host(&mut self, name: &str) {
        let host = self.hosts[name].clone();
        let shutdown = Shutdown::default();
        let env = os::env(name, &self.data.path().join(name), shutdown.clone());
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let its = env.clone();
        let entered = runtime.enter();
        env.spawn("host", async move {
            if let Err(error) = host.start(its).await {
                panic!("the host ended: {error}");
            }
        });
        drop(entered);
        let before = self.running.insert(name.to_owned(), Running { runtime, shutdown });
        assert!(before.is_none(), "{name} runs already");
    }

    /// Ends a host at whatever it is doing.
    pub(crate) fn kill(&mut self, name: &str) {
        self.running.remove(name).unwrap().runtime.shutdown_background();
    }

    /// Puts somebody in a host's place who takes every connection, reads, and never answers; what was asked of it, in lines.
    pub(crate) async fn silence(&mut self, name: &str) -> Arc<Mutex<Vec<String>>> {
        self.kill(name);
        let address = self.assembly.addresses[name].clone();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let all = asked.clone();
        let mut listener = until("the port is free", async || self.env.net().listen(&address).await.ok()).await;
        let env = self.env.clone();
        self.env.spawn("silence", async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let all = all.clone();
                env.spawn("silent connection", async move {
                    let mut bytes = vec![0; 16 << 10];
                    while let Ok(read @ 1..) = stream.read(&mut bytes).await {
                        let text = String::from_utf8_lossy(&bytes[..read]).into_owned();
                        all.lock().unwrap().extend(text.lines().map(str::to_owned));
                    }
                });
            }
        });
        asked
    }

    pub(crate) async fn wait_ready(&self, name: &str) {
        let address = self.assembly.addresses[name].clone();
        until(&format!("{name} is ready"), async || {
            let reply = self.client.get(&address, "/readyz", HeaderMap::new()).await;
            reply.is_ok_and(|r| r.status.is_success()).then_some(())
        })
        .await;
    }

    pub(crate) fn store(&self, name: &str) -> StoreClient {
        let address = self.assembly.addresses[name].clone();
        StoreClient::new(&self.env, vec![address], self.assembly.key.clone(), 4)
    }

    fn headers(&self, user: Option<&str>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(ServiceKey::HEADER, HeaderValue::from_str(self.assembly.key.expose()).unwrap());
        if let Some(user) = user {
            headers.insert(SUBJECT_HEADER, HeaderValue::from_str(user).unwrap());
        }
        headers
    }

    /// One call in the name of a user, or of the fleet itself.
    pub(crate) async fn call(
        &self,
        host: &str,
        user: Option<&str>,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Result<Reply, ClientError> {
        self.client.json(method, &self.assembly.addresses[host], path, self.headers(user), body).await
    }

    /// A call that is repeated until it is neither lost nor refused for now: its status and body.
    pub(crate) async fn ask(
        &self,
        host: &str,
        user: Option<&str>,
        method: Method,
        path: &str,
        body: Value,
    ) -> (u16, Value) {
        until(&format!("{method} {path} is answered"), async || {
            let reply = self.call(host, user, method.clone(), path, &body).await.ok()?;
            if reply.status.is_server_error() {
                return None;
            }
            assert_ne!(reply.status.as_u16(), 421, "who owns a channel is the fleet's own affair");
            let json = if reply.body.is_empty() { Value::Null } else { reply.json().unwrap() };
            Some((reply.status.as_u16(), json))
        })
        .await
    }

    /// Registers a person; their id.
    pub(crate) async fn person(&self, handle: &str) -> String {
        let new = json!({"email": format!("{handle}@example.test"), "handle": handle, "name": handle, "password": "correct horse"});
        let (status, user) = self.ask("user-1", None, Method::POST, "/api/v1/auth/register", new).await;
        assert_eq!(status, 201, "{user}");
        user["id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn channel(&self, user: &str, kind: &str) -> String {
        let new = json!({"name": "square", "kind": kind});
        let (status, channel) = self.ask("messaging-1", Some(user), Method::POST, "/api/v1/channels", new).await;
        assert_eq!(status, 201, "{channel}");
        channel["id"].as_str().unwrap().to_owned()
    }

    /// Sends until it is acknowledged.
    pub(crate) async fn send(&self, host: &str, user: &str, channel: &str, id: &str) -> Value {
        let path = format!("/api/v1/channels/{channel}/messages");
        let message = json!({"client_msg_id": id, "body": format!("body of {id}")});
        let (status, sent) = self.ask(host, Some(user), Method::POST, &path, message).await;
        assert_eq!(status, 201, "{sent}");
        sent
    }

    /// All messages by pages of `limit`.
    pub(crate) async fn history(&self, host: &str, user: &str, channel: &str, limit: usize) -> Vec<Value> {
        let (mut after, mut all) = (0, Vec::new());
        loop {
            let path = format!("/api/v1/channels/{channel}/messages?after_seq={after}&limit={limit}");
            let (status, mut page) = self.ask(host, Some(user), Method::GET, &path, Value::Null).await;
            assert_eq!(status, 200, "{page}");
            let items = page["items"].as_array_mut().unwrap();
            assert!(items.len() <= limit);
            all.append(items);
            match page["next"].as_u64() {
                Some(next) => after = next,
                None => return all,
            }
        }
    }

    /// The channel's whole log, as other hosts read it.
    pub(crate) async fn log(&self, channel: &str) -> Vec<Value> {
        let ask = json!({"channel": channel, "after_seq": 0, "limit": 500});
        let (_, mut log) = self.ask("messaging-1", None, Method::POST, "/internal/log", ask).await;
        log["items"].as_array_mut().map(std::mem::take).unwrap_or_default()
    }
}

impl Drop for Town {
    fn drop(&mut self) {
        for (_, running) in std::mem::take(&mut self.running) {
            running.shutdown.trigger("the test is over");
            running.runtime.shutdown_background();
        }
    }
}

/// Looks until there is something.
pub(crate) async fn until<T>(what: &str, look: impl AsyncFn() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "in vain: {what}");
        sleep(LOOK).await;
    }
}

/// An address nobody listens on now.
fn free_address() -> Address {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    Address::new("127.0.0.1", listener.local_addr().unwrap().port())
}
