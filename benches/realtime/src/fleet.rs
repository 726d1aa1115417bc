//! What needs more than one process: two nodes, reconnection, durable sends. Ours is the whole reference fleet with its stores on
//! disk, each acknowledged message synced; the peer is two node processes with the redis adapter, which keeps nothing.

use std::{
    fs,
    io::{self, Write},
    os::fd::AsRawFd,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use archgen_client::Api;
use archgen_env::{net::Address, os, task::Shutdown};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::{client::Client, process::Server};

/// Time between messages whose way is measured.
const MESSAGE_EVERY: Duration = Duration::from_millis(20);
/// Messages that each client missed when all come back.
const MISSED: usize = 20;
/// Wait before a refused client tries again.
pub const AGAIN_AFTER: Duration = Duration::from_millis(100);

/// How much load.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    pub messages: usize,
    pub reconnects: usize,
    pub durable: Duration,
}

/// One round's figures, milliseconds and a second.
#[derive(Debug, Clone, Copy, Default)]
pub struct Figures {
    pub way_ms_p99: f64,
    pub reconnect_ms: f64,
    pub sends_per_second: f64,
    pub ack_ms_p50: f64,
}

fn failed(what: impl ToString) -> io::Error {
    io::Error::other(what.to_string())
}

pub fn percentile(mut all: Vec<f64>, part: f64) -> f64 {
    all.sort_by(f64::total_cmp);
    all.get(((all.len() as f64 * part) as usize).min(all.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}

/// Time of a small synced write on this folder's disk, milliseconds, median.
pub fn fdatasync_ms_p50(folder: &Path) -> io::Result<f64> {
    let path = folder.join("fdatasync.probe");
    let mut file = fs::File::create(&path)?;
    let mut all = Vec::new();
    for _ in 0..200 {
        file.write_all(&[7; 512])?;
        let began = Instant::now();
        // SAFETY: the descriptor is this file's, which is open.
        if unsafe { libc::fdatasync(file.as_raw_fd()) } != 0 {
            return Err(io::Error::last_os_error());
        }
        all.push(began.elapsed().as_secs_f64() * 1_000.0);
    }
    fs::remove_file(path)?;
    Ok(percentile(all, 0.5))
}

/// How a system is spoken to.
pub trait Dialect: Clone + Send + 'static {
    /// Connects to one of its nodes and listens to the conversation; `from` is the place of a client that comes back.
    fn connect(
        &self,
        node: usize,
        from: Option<Place>,
    ) -> impl Future<Output = io::Result<(Client, Place, usize)>> + Send;
    /// A frame that sends this message.
    fn message(&self, number: usize) -> String;
    /// The number of a message that arrives in this frame.
    fn number(&self, frame: &str) -> Option<usize>;
    /// The place after a frame.
    fn place(&self, frame: &str, before: &Place) -> Place;
}

/// Where a client is: what it names when it comes back.
#[derive(Debug, Clone, Default)]
pub struct Place {
    id: String,
    at: String,
}

fn body_number(frame: &str) -> Option<usize> {
    let (_, rest) = frame.split_once("bench-")?;
    rest.split('-').next()?.parse().ok()
}

/// Two node processes.
#[derive(Clone)]
pub struct Peer {
    pub ports: [u16; 2],
}

impl Dialect for Peer {
    async fn connect(&self, node: usize, from: Option<Place>) -> io::Result<(Client, Place, usize)> {
        let auth = match &from {
            Some(Place { id, at }) => format!("{{\"token\":\"bench\",\"pid\":\"{id}\",\"offset\":\"{at}\"}}"),
            None => "{\"token\":\"bench\"}".to_owned(),
        };
        let (mut client, granted, before) = Client::connect_with(self.ports[node], &auth).await?;
        let granted: Value = serde_json::from_str(&granted[2..]).map_err(failed)?;
        let id = granted["pid"].as_str().unwrap_or_default().to_owned();
        if from.is_none() {
            client.join("all").await?;
            return Ok((client, Place { id, at: String::new() }, 0));
        }
        // What was missed comes before the grant.
        let mut seen = before.iter().filter(|frame| body_number(frame).is_some()).count();
        while seen < MISSED {
            if body_number(&client.next().await?).is_some() {
                seen += 1;
            }
        }
        Ok((client, Place { id, at: String::new() }, seen))
    }

    fn message(&self, number: usize) -> String {
        format!("42{}[\"send\",\"all\",\"bench-{number}-\"]", 10 + number)
    }

    fn number(&self, frame: &str) -> Option<usize> {
        frame.starts_with("42[\"msg\"").then(|| body_number(frame)).flatten()
    }

    /// With recovery, each event ends with its offset.
    fn place(&self, frame: &str, before: &Place) -> Place {
        let at = frame.rsplit('"').nth(1).unwrap_or_default().to_owned();
        Place { id: before.id.clone(), at }
    }
}

/// The fleet, as one signed-in user's devices see it.
#[derive(Clone)]
pub struct Ours {
    ports: Vec<u16>,
    token: String,
    channel: String,
}

impl Ours {
    async fn sub(&self, client: &mut Client, seq: &str) -> io::Result<Value> {
        let from = if seq.is_empty() { String::new() } else { format!(",\"seq\":{seq}") };
        client.send(&format!("421[\"sub\",{{\"ch\":\"{}\"{from}}}]", self.channel)).await?;
        let answer = client.until("431[").await?;
        let answer: Value = serde_json::from_str(&answer[3..]).map_err(failed)?;
        if answer[0]["ok"] == true { Ok(answer[0].clone()) } else { Err(failed(&answer[0])) }
    }
}

impl Dialect for Ours {
    async fn connect(&self, node: usize, from: Option<Place>) -> io::Result<(Client, Place, usize)> {
        let auth = format!("{{\"token\":\"{}\"}}", self.token);
        let (mut client, ..) = Client::connect_with(self.ports[node % self.ports.len()], &auth).await?;
        let answer = self.sub(&mut client, &from.unwrap_or_default().at).await?;
        let missed = answer["missed"].as_array().map_or(0, Vec::len);
        Ok((client, Place { id: String::new(), at: answer["head"]["seq"].to_string() }, missed))
    }

    fn message(&self, number: usize) -> String {
        let ch = &self.channel;
        let id = 10 + number;
        format!(
            "42{id}[\"msg:send\",{{\"ch\":\"{ch}\",\"client_msg_id\":\"{ch}-{number}\",\"body\":\"bench-{number}-\"}}]"
        )
    }

    fn number(&self, frame: &str) -> Option<usize> {
        frame.starts_with("42[\"msg:new\"").then(|| body_number(frame)).flatten()
    }

    fn place(&self, frame: &str, before: &Place) -> Place {
        let at = frame.split_once("\"seq\":").map_or("", |(_, rest)| rest);
        let at: String = at.chars().take_while(char::is_ascii_digit).collect();
        Place { id: String::new(), at: if at.is_empty() { before.at.clone() } else { at } }
    }
}

/// A fleet on disk that goes down when dropped.
pub struct Fleet {
    archgen: PathBuf,
    data: PathBuf,
    pub ours: Ours,
}

impl Fleet {
    /// Starts it on a core and signs a user in; the channel is new.
    pub async fn start(core: usize, archgen: &Path, spec: &str, data: &Path) -> io::Result<Self> {
        let run = |arguments: &[&str]| {
            let core = core.to_string();
            let output = Command::new("taskset")
                .args(["-c", &core])
                .arg(archgen)
                .args(arguments)
                .arg("--data")
                .arg(data)
                .stderr(Stdio::inherit())
                .output()?;
            if output.status.success() {
                Ok(output.stdout)
            } else {
                Err(failed(format!("archgen {arguments:?} failed")))
            }
        };
        run(&["up", spec, "--detach"])?;
        let stop = Self {
            archgen: archgen.to_owned(),
            data: data.to_owned(),
            ours: Ours { ports: Vec::new(), token: String::new(), channel: String::new() },
        };
        run(&["wait", "--healthy", "--timeout", "60s"])?;
        let hosts: Value = serde_json::from_slice(&run(&["ps", "--format", "json"])?).map_err(failed)?;
        let hosts = hosts.as_array().cloned().unwrap_or_default();
        let of = |component: &str| -> Vec<Address> {
            let named = hosts.iter().filter(|host| host["kind"] == component);
            named.filter_map(|host| host["address"].as_str()?.parse().ok()).collect()
        };
        let gateway = of("gateway").first().cloned().ok_or_else(|| failed("no gateway among the hosts"))?;
        let env = os::env("bench", data, Shutdown::default());
        let api = Api::new(&env, gateway);
        api.register("bench@example.test", "bench", "a long bench password").await.map_err(failed)?;
        let session = api.login("bench@example.test", "a long bench password").await.map_err(failed)?;
        let channel = api.create_channel("bench", "public").await.map_err(failed)?.id;
        let ports = of("realtime").iter().map(|address| address.port).collect();
        let ours = Ours { ports, token: session.access_token, channel };
        let mut fleet = stop;
        fleet.ours = ours;
        Ok(fleet)
    }
}

impl Fleet {
    /// Its processes: the kind of host, and the process id.
    pub fn processes(&self) -> io::Result<Vec<(String, u64)>> {
        let output = Command::new(&self.archgen).args(["ps", "--format", "json", "--data"]).arg(&self.data).output()?;
        let hosts: Value = serde_json::from_slice(&output.stdout).map_err(failed)?;
        let of = |host: &Value| Some((host["kind"].as_str()?.to_owned(), host["pid"].as_u64()?));
        Ok(hosts.as_array().into_iter().flatten().filter_map(of).collect())
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        let down = Command::new(&self.archgen).arg("down").arg("--data").arg(&self.data).stdout(Stdio::null()).status();
        if !down.is_ok_and(|status| status.success()) {
            println!("the fleet under {} did not go down", self.data.display());
        }
    }
}

/// The way of a message from a client of one node to a client of the other, 99th percentile in milliseconds.
async fn way<D: Dialect>(dialect: &D, first: usize, count: usize) -> io::Result<f64> {
    let (mut receiver, ..) = dialect.connect(1, None).await?;
    let (mut sender, ..) = dialect.connect(0, None).await?;
    let its = dialect.clone();
    let receiving = tokio::spawn(async move {
        let mut arrived = vec![None; count];
        while arrived.iter().any(Option::is_none) {
            let frame = receiver.next().await?;
            if let Some(number) = its.number(&frame).and_then(|number| number.checked_sub(first)).filter(|n| *n < count)
            {
                arrived[number] = Some(Instant::now());
            }
        }
        Ok::<_, io::Error>(arrived)
    });
    let mut sent = Vec::new();
    let mut tick = tokio::time::interval(MESSAGE_EVERY);
    for number in 0..count {
        tick.tick().await;
        sent.push(Instant::now());
        sender.send(&dialect.message(first + number)).await?;
    }
    let arrived = tokio::time::timeout(Duration::from_secs(30), receiving).await.map_err(failed)?.map_err(failed)??;
    let ways = sent.iter().zip(arrived).filter_map(|(sent, arrived)| Some((arrived? - *sent).as_secs_f64() * 1_000.0));
    Ok(percentile(ways.collect(), 0.99))
}

/// All clients cut off, each misses messages, all come back at once: the time until the last has everything, milliseconds.
async fn reconnect<D: Dialect>(dialect: &D, first: usize, count: usize) -> io::Result<f64> {
    let (mut sender, ..) = dialect.connect(0, None).await?;
    let mut joining = JoinSet::new();
    let mut held = Vec::new();
    for at in 0..count {
        let dialect = dialect.clone();
        joining.spawn(async move {
            loop {
                match dialect.connect(at % 2, None).await {
                    Ok((client, place, _)) => return (client, place),
                    Err(_) => tokio::time::sleep(AGAIN_AFTER).await,
                }
            }
        });
        if joining.len() >= 64
            && let Some(done) = joining.join_next().await
        {
            held.push(done.map_err(failed)?);
        }
    }
    while let Some(done) = joining.join_next().await {
        held.push(done.map_err(failed)?);
    }
    // One message that all see, so that each has a place.
    sender.send(&dialect.message(first)).await?;
    let mut places = Vec::new();
    for (mut client, mut place) in held {
        loop {
            let frame = client.next().await?;
            if dialect.number(&frame) == Some(first) {
                place = dialect.place(&frame, &place);
                break;
            }
        }
        places.push(place);
        // Cut off: the client goes without a word.
        drop(client);
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    for number in 1..=MISSED {
        sender.send(&dialect.message(first + number)).await?;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let began = Instant::now();
    let mut coming: JoinSet<io::Result<(Client, usize)>> = JoinSet::new();
    for (at, place) in places.into_iter().enumerate() {
        let dialect = dialect.clone();
        coming.spawn(async move {
            loop {
                match dialect.connect(at % 2, Some(place.clone())).await {
                    Ok((client, _, missed)) => return Ok((client, missed)),
                    Err(error) if began.elapsed() > Duration::from_secs(60) => return Err(error),
                    Err(_) => tokio::time::sleep(AGAIN_AFTER).await,
                }
            }
        });
    }
    let mut back = Vec::new();
    while let Some(done) = coming.join_next().await {
        let (client, missed) = done.map_err(failed)??;
        if missed != MISSED {
            return Err(failed(format!("a client that missed {MISSED} messages was given {missed}")));
        }
        back.push(client);
    }
    Ok(began.elapsed().as_secs_f64() * 1_000.0)
}

/// Acknowledged sends a second of this many senders in one channel, each with one under way, and the median time of one
/// acknowledgement, milliseconds.
pub async fn sends(ours: &Ours, first: usize, senders: usize, time: Duration) -> io::Result<(f64, f64)> {
    let mut under_way: JoinSet<io::Result<Vec<f64>>> = JoinSet::new();
    let until = Instant::now() + time;
    for sender in 0..senders {
        let ours = ours.clone();
        under_way.spawn(async move {
            let (mut client, ..) = ours.connect(sender, None).await?;
            let (mut times, mut number) = (Vec::new(), first + sender * 100_000);
            while Instant::now() < until {
                let began = Instant::now();
                client.send(&ours.message(number)).await?;
                let answer = client.until("43").await?;
                if !answer.contains("\"ok\":true") {
                    return Err(failed(answer));
                }
                times.push(began.elapsed().as_secs_f64() * 1_000.0);
                number += 1;
            }
            Ok(times)
        });
    }
    let mut times = Vec::new();
    while let Some(done) = under_way.join_next().await {
        times.extend(done.map_err(failed)??);
    }
    Ok((times.len() as f64 / time.as_secs_f64(), percentile(times, 0.5)))
}

/// One round with the fleet.
pub async fn ours(ours: &Ours, size: Size) -> io::Result<Figures> {
    let way_ms_p99 = way(ours, 0, size.messages).await?;
    let (sends_per_second, _) = sends(ours, 1_000_000, 16, size.durable).await?;
    let (_, ack_ms_p50) = sends(ours, 3_000_000, 1, size.durable).await?;
    let reconnect_ms = reconnect(ours, 4_000_000, size.reconnects).await?;
    Ok(Figures { way_ms_p99, reconnect_ms, sends_per_second, ack_ms_p50 })
}

/// One round with two node processes.
pub async fn peer(servers: &[Server; 2], size: Size) -> io::Result<Figures> {
    let peer = Peer { ports: [servers[0].port, servers[1].port] };
    let way_ms_p99 = way(&peer, 0, size.messages).await?;
    Ok(Figures { way_ms_p99, ..Figures::default() })
}

/// One round with one node process that keeps the state of connections.
pub async fn recovery(server: &Server, size: Size) -> io::Result<f64> {
    reconnect(&Peer { ports: [server.port; 2] }, 0, size.reconnects).await
}
