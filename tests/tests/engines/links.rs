//! A slow, a held and a cut link to a server: what was sent and not answered may have been done, what was never sent was not, each call
//! ends by its deadline, and the server is used again without a restart of ours. Kafka's and Cassandra's drivers connect to the
//! addresses that their servers tell, past any proxy: there, servers that are stopped stand in (`kafka`, `cassandra`, `clusters`).

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::{Duration, Instant},
};

use archgen_backends::{Credentials, Engine, Secret, Target};
use archgen_ports::{StoreError, accounts::Expect};
use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::{
    postgres,
    server::{endpoints, env, namespace, open, target},
};

const PASS: u8 = 0;
/// Each piece waits for a while.
const SLOW: u8 = 1;
/// Nothing passes, and nothing is said.
const HOLD: u8 = 2;
/// Every connection ends, and no new one is made.
const CUT: u8 = 3;
/// How late each piece is on a slow link.
const LATE: Duration = Duration::from_millis(60);
/// Longest call with a held link: the longest deadline of a driver under test.
const CALL_MAX: Duration = Duration::from_secs(7);
/// Longest time until a server behind a good link is used again.
const BACK_WITHIN: Duration = Duration::from_secs(10);

/// A link to a server.
struct Link {
    endpoint: String,
    mode: Arc<AtomicU8>,
    /// Held by each connection that it carries, too.
    carried: Arc<()>,
}

impl Link {
    async fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let endpoint = listener.local_addr().expect("a port").to_string();
        let link = Self { endpoint, mode: Arc::default(), carried: Arc::default() };
        let (mode, carried, server) = (link.mode.clone(), Arc::downgrade(&link.carried), server.to_owned());
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                if mode.load(Ordering::SeqCst) == CUT {
                    continue;
                }
                let Some(carried) = carried.upgrade() else { return };
                let (mode, server) = (mode.clone(), server.clone());
                tokio::spawn(async move {
                    let _carried = carried;
                    let Ok(far) = TcpStream::connect(&server).await else { return };
                    let ((near_read, near_write), (far_read, far_write)) = (near.into_split(), far.into_split());
                    let there = tokio::spawn(pump(near_read, far_write, mode.clone()));
                    pump(far_read, near_write, mode).await;
                    there.abort();
                    // It is over once both of its sides are let go.
                    let _ = there.await;
                });
            }
        });
        link
    }

    fn set(&self, mode: u8) {
        self.mode.store(mode, Ordering::SeqCst);
    }

    /// Cuts it; no connection is left then.
    async fn cut(&self) {
        self.set(CUT);
        let begun = Instant::now();
        while Arc::strong_count(&self.carried) > 1 {
            assert!(begun.elapsed() < BACK_WITHIN, "a connection outlives the cut");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

async fn pump(mut from: impl AsyncReadExt + Unpin, mut to: impl AsyncWriteExt + Unpin, mode: Arc<AtomicU8>) {
    let mut piece = vec![0; 16 * 1024];
    loop {
        let read = tokio::select! {
            read = from.read(&mut piece) => read.unwrap_or(0),
            () = until(&mode, |now| now == CUT) => 0,
        };
        if mode.load(Ordering::SeqCst) == SLOW {
            tokio::time::sleep(LATE).await;
        }
        until(&mode, |now| now != HOLD).await;
        if read == 0 || mode.load(Ordering::SeqCst) == CUT || to.write_all(&piece[..read]).await.is_err() {
            return;
        }
    }
}

async fn until(mode: &AtomicU8, holds: impl Fn(u8) -> bool) {
    while !holds(mode.load(Ordering::SeqCst)) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Plays every link before a write; `check` is told the numbers that were acknowledged and those that nobody knows of.
async fn play(
    name: &str,
    link: &Link,
    write: impl AsyncFn(u64) -> Result<(), StoreError>,
    stands: impl AsyncFn(u64) -> bool,
) {
    let mut number = 0;
    let mut next = || {
        number += 1;
        number
    };
    let timed = async |n: u64| {
        let begun = Instant::now();
        let answer = write(n).await;
        assert!(begun.elapsed() < CALL_MAX, "{name}: a call took {:?}", begun.elapsed());
        answer
    };
    let again = async |next: &mut dyn FnMut() -> u64| {
        let begun = Instant::now();
        loop {
            let n = next();
            if timed(n).await.is_ok() {
                assert!(stands(n).await, "{name}: what was acknowledged stands");
                return begun.elapsed();
            }
            assert!(begun.elapsed() < BACK_WITHIN, "{name}: the link is good, and is not used");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    again(&mut next).await;
    link.set(SLOW);
    let slow = again(&mut next).await;
    link.set(PASS);
    again(&mut next).await;
    link.set(HOLD);
    let held = next();
    let unknown = timed(held).await.expect_err("nobody answers");
    assert!(!unknown.is_refusal(), "{name}, held: it was sent, and may be done: {unknown}");
    link.cut().await;
    // Those that had a connection lose what they sent; who finds none has sent nothing.
    let (mut refused, begun) = (next(), Instant::now());
    loop {
        match timed(refused).await {
            Err(error) if error.is_refusal() => break,
            other => assert!(other.is_err(), "{name}: acknowledged through a cut link"),
        }
        assert!(begun.elapsed() < BACK_WITHIN, "{name}: without a connection nothing is sent");
        refused = next();
    }
    link.set(PASS);
    let back = again(&mut next).await;
    assert!(!stands(refused).await, "{name}: what was refused was not done");
    println!("{name}: a write over a slow link {slow:?}; after a cut used again within {back:?}");
}

#[tokio::test]
async fn postgresql() {
    let env = env();
    let (_, made) = postgres::prepared(&env).await;
    let link = Link::to(&endpoints("postgres")[0]).await;
    let behind = Target { endpoints: vec![link.endpoint.parse().expect("an address")], ..made };
    let port = postgres::accounts(&open(&env, behind));
    let write = async |n: u64| {
        let row = postgres::write("users", &format!("u{n}"), Expect::Absent, Some(serde_json::json!({"n": n})));
        port.commit(vec![row]).await.map(drop)
    };
    let stands = async |n: u64| port.get("users", &format!("u{n}")).await.expect("an answer").is_some();
    play("postgres", &link, write, stands).await;
}

#[tokio::test]
async fn redis() {
    let env = env();
    let link = Link::to(&endpoints("redis")[0]).await;
    let user = Credentials { user: "default".to_owned(), password: Secret::new("archgen-test") };
    let plain = target(Engine::Redis, std::slice::from_ref(&link.endpoint), &namespace(&env), String::new());
    let port = open(&env, Target { credentials: Some(user), ..plain }).ports().cache.expect("a cache");
    let write = async |n: u64| port.set(&format!("k{n}"), Bytes::from("v"), 60_000).await;
    let stands = async |n: u64| port.get(&format!("k{n}")).await.expect("an answer").is_some();
    play("redis", &link, write, stands).await;
}

/// `consul::` in its name: its server is one of `make test-real`.
mod consul {
    use super::*;
    use crate::consul;

    #[tokio::test]
    async fn keys() {
        let env = env();
        let link = Link::to(&endpoints("consul")[0]).await;
        let behind = consul::at("consul", std::slice::from_ref(&link.endpoint));
        let (port, prefix) = (consul::keys(&open(&env, behind)), namespace(&env));
        let write = async |n: u64| port.put(&format!("{prefix}/{n}"), Bytes::from("v"), Expect::Any).await.map(drop);
        let stands = async |n: u64| port.get(&format!("{prefix}/{n}")).await.expect("an answer").is_some();
        play("consul", &link, write, stands).await;
    }
}
