//! [`Env`]: everything a host may ask of the world, bound to that host's identity.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
};

use uuid::{Builder, Uuid};

use crate::{
    clock::WallClock,
    disk::Disk,
    entropy::{Entropy, EntropySource},
    net::Net,
    task::{Compute, Shutdown, Spawner, Task},
};

/// What an [`Env`] is assembled from; one implementation of each per world.
pub struct Parts {
    /// The host's name, for example `messaging-1`.
    pub host: String,
    /// Sockets.
    pub net: Arc<dyn Net>,
    /// Wall clock.
    pub clock: Arc<dyn WallClock>,
    /// Root of the host's random streams.
    pub entropy: Arc<dyn EntropySource>,
    /// The host's disk.
    pub disk: Arc<dyn Disk>,
    /// Where long computations and blocking calls run.
    pub compute: Arc<dyn Compute>,
    /// Where tasks run.
    pub spawner: Arc<dyn Spawner>,
    /// Told when the host should drain and stop.
    pub shutdown: Shutdown,
}

/// A host's view of the world. Cloning is cheap.
#[derive(Clone)]
pub struct Env {
    parts: Arc<Parts>,
    ids: Entropy,
    streams: Arc<Mutex<BTreeMap<String, Entropy>>>,
}

impl Env {
    /// An environment of these parts.
    pub fn new(parts: Parts) -> Self {
        let ids = Entropy::new(parts.entropy.stream("ids"));
        Self { parts: Arc::new(parts), ids, streams: Arc::default() }
    }

    /// The host's name.
    pub fn host(&self) -> &str {
        &self.parts.host
    }

    /// Sockets.
    pub fn net(&self) -> &Arc<dyn Net> {
        &self.parts.net
    }

    /// The host's disk.
    pub fn disk(&self) -> &Arc<dyn Disk> {
        &self.parts.disk
    }

    /// Wall time, milliseconds since the Unix epoch. It may jump; never measure durations by it.
    pub fn wall_ms(&self) -> u64 {
        self.parts.clock.wall_ms()
    }

    /// The random stream of one purpose; asked for again, the same stream goes on. Streams of different purposes are
    /// independent, so that one more draw in one place does not shift the others. Purposes are few and fixed.
    pub fn entropy(&self, purpose: &str) -> Entropy {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        match streams.get(purpose) {
            Some(stream) => stream.clone(),
            None => {
                let stream = Entropy::new(self.parts.entropy.stream(purpose));
                streams.insert(purpose.to_owned(), stream.clone());
                stream
            }
        }
    }

    /// A time-ordered unique id (UUID version 7, RFC 9562).
    pub fn new_uuid(&self) -> Uuid {
        let mut random = [0u8; 10];
        self.ids.fill(&mut random);
        Builder::from_unix_timestamp_millis(self.wall_ms(), &random).into_uuid()
    }

    /// A time-ordered 63-bit id in the manner of Twitter's Snowflake: 41 bits of milliseconds since 2024-01-01 UTC, then
    /// 22 random bits in place of a node number, so that no coordination is needed. Two ids of one millisecond collide with
    /// probability 2^-22: a writer that needs certainty checks on insert.
    pub fn new_snowflake(&self) -> u64 {
        const EPOCH_MS: u64 = 1_704_067_200_000;
        let ms = self.wall_ms().saturating_sub(EPOCH_MS) & ((1 << 41) - 1);
        (ms << 22) | (self.ids.next_u64() & ((1 << 22) - 1))
    }

    /// Starts a task on this host. The name is for logs and panics.
    pub fn spawn<F>(&self, name: &'static str, future: F) -> Task
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.parts.spawner.spawn(name, Box::pin(future))
    }

    /// Starts tasks on this host, for code that must hold what starts them.
    pub fn spawner(&self) -> &Arc<dyn Spawner> {
        &self.parts.spawner
    }

    /// Runs a long computation or a blocking call off the event loop (inline in a simulation) and returns its result.
    pub async fn compute<T, F>(&self, work: F) -> T
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        crate::task::run(&*self.parts.compute, work).await
    }

    /// Told when the host should drain and stop.
    pub fn shutdown(&self) -> &Shutdown {
        &self.parts.shutdown
    }
}
