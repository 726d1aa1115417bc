//! What is measured of one server in one round.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::task::JoinSet;

use crate::{client::Client, process::Server};

/// Clients that connect at the same time.
const CONNECTING: usize = 128;
/// Payload of a broadcast, bytes.
const BODY_BYTES: usize = 100;

/// How much load.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Sockets at rest, and in the one large room.
    pub sockets: usize,
    /// Rooms of ten.
    pub small_rooms: usize,
    /// Broadcasts into the large room.
    pub large_sends: usize,
    /// Broadcasts into each small room.
    pub small_sends: usize,
}

/// One round's figures.
#[derive(Debug, Clone, Copy, Default)]
pub struct Figures {
    pub idle_kib_per_connection: f64,
    pub connects_per_second: f64,
    /// Sends one after the other, and sends that wait until all have the one before.
    pub large_us_per_delivery: [f64; 2],
    pub small_us_per_delivery: [f64; 2],
}

/// Clients that listen in the background and count.
struct Crowd {
    tasks: JoinSet<io::Result<()>>,
    received: Arc<AtomicU64>,
}

impl Crowd {
    /// Connects and joins this many; returns them listening, and the time that it took.
    async fn gather(port: u16, count: usize, room: impl Fn(usize) -> String) -> io::Result<(Self, Duration)> {
        let began = Instant::now();
        let mut connecting: JoinSet<io::Result<Client>> = JoinSet::new();
        let mut clients = Vec::with_capacity(count);
        for index in 0..count {
            if connecting.len() >= CONNECTING
                && let Some(done) = connecting.join_next().await
            {
                clients.push(done??);
            }
            let room = room(index);
            connecting.spawn(async move {
                let mut client = Client::connect(port, "bench").await?;
                client.join(&room).await?;
                Ok(client)
            });
        }
        while let Some(done) = connecting.join_next().await {
            clients.push(done??);
        }
        Ok((Self::listening(clients), began.elapsed()))
    }

    fn listening(clients: Vec<Client>) -> Self {
        let received = Arc::new(AtomicU64::new(0));
        let mut tasks = JoinSet::new();
        for mut client in clients {
            let received = received.clone();
            tasks.spawn(async move {
                loop {
                    client.until("42").await?;
                    received.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        Self { tasks, received }
    }

    /// Sends into each room for some rounds and returns the CPU time of one delivery. Apart, each round waits until all have the
    /// one before: no server saves writes by putting messages together.
    async fn cost(
        &mut self,
        server: &Server,
        rooms: &[String],
        rounds: usize,
        members: usize,
        apart: bool,
    ) -> io::Result<f64> {
        let mut sender = Client::connect(server.port, "bench").await?;
        sender.join("nobody").await?;
        let body = "x".repeat(BODY_BYTES);
        let (cpu_us, before) = (server.cpu_us()?, self.received.load(Ordering::Relaxed));
        for round in 1..=rounds {
            for room in rooms {
                sender.send(&format!("422[\"send\",\"{room}\",\"{body}\"]")).await?;
                sender.until("432").await?;
            }
            if apart || round == rounds {
                self.until(before + (round * members) as u64).await?;
            }
        }
        Ok((server.cpu_us()? - cpu_us) as f64 / (rounds * members) as f64)
    }

    async fn until(&mut self, expect: u64) -> io::Result<()> {
        let until = Instant::now() + Duration::from_secs(60);
        while self.received.load(Ordering::Relaxed) < expect {
            if Instant::now() > until {
                let missing = expect - self.received.load(Ordering::Relaxed);
                return Err(io::Error::other(format!("{missing} deliveries never came")));
            }
            if let Some(ended) = self.tasks.try_join_next() {
                ended??;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(())
    }
}

/// CPU time of a delivery into rooms of ten, where each socket is in so many of them.
pub async fn channels(server: &Server, sockets: usize, per_socket: usize, sends: usize) -> io::Result<f64> {
    let rooms: Vec<String> = (0..sockets / 10 * per_socket).map(|room| format!("c{room}")).collect();
    let mut clients = Vec::with_capacity(sockets);
    for at in 0..sockets {
        let mut client = Client::connect(server.port, "bench").await?;
        for turn in 0..per_socket {
            client.join(&rooms[turn * (sockets / 10) + at / 10]).await?;
        }
        clients.push(client);
    }
    let mut crowd = Crowd::listening(clients);
    crowd.cost(server, &rooms, sends, rooms.len() * 10, false).await
}

/// One round with one server.
pub async fn round(server: &Server, size: Size) -> io::Result<Figures> {
    // What a server keeps after its first clients is not what a connection costs.
    drop(Crowd::gather(server.port, 200, |_| "warm".to_owned()).await?);
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let before = server.memory_bytes()?;
    let (mut crowd, took) = Crowd::gather(server.port, size.sockets, |_| "all".to_owned()).await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let after = server.memory_bytes()?;
    let mut large = [0.0; 2];
    for (apart, cost) in [false, true].into_iter().zip(&mut large) {
        *cost = crowd.cost(server, &["all".to_owned()], size.large_sends, size.sockets, apart).await?;
    }
    drop(crowd);
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let rooms: Vec<String> = (0..size.small_rooms).map(|room| format!("r{room}")).collect();
    let (mut crowd, _) = Crowd::gather(server.port, size.small_rooms * 10, |at| format!("r{}", at / 10)).await?;
    let mut small = [0.0; 2];
    for (apart, cost) in [false, true].into_iter().zip(&mut small) {
        *cost = crowd.cost(server, &rooms, size.small_sends, size.small_rooms * 10, apart).await?;
    }
    Ok(Figures {
        idle_kib_per_connection: after.saturating_sub(before) as f64 / 1_024.0 / size.sockets as f64,
        connects_per_second: size.sockets as f64 / took.as_secs_f64(),
        large_us_per_delivery: large,
        small_us_per_delivery: small,
    })
}
