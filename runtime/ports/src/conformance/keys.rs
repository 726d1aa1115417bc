//! Keys, sessions and locks.

use bytes::Bytes;

use super::{Violation, expectation::expect};
use crate::{accounts::Expect, keys::Keys};

/// Longest wait until a lock is free after its session ended, milliseconds.
const FREE_WITHIN_MS: u64 = 20_000;
/// Most times to live after which a session that is not renewed is over.
const EXPIRY_TTLS_MAX: u64 = 3;

/// Changes are conditional by version, a lock has one holder and is free after its session. `prefix` is of this run alone; `wait` passes
/// at least the given milliseconds; `ttl_ms` is the shortest life of a session that the engine does.
///
/// # Errors
/// The first broken promise.
pub async fn keys<W: AsyncFn(u64)>(port: &dyn Keys, prefix: &str, ttl_ms: u64, wait: W) -> Result<(), Violation> {
    let key = format!("{prefix}/a b/ü");
    let text = |text: &'static str| Bytes::from_static(text.as_bytes());
    expect("nothing is there", port.get(&key).await?, None)?;
    expect("a first put", port.put(&key, text("one"), Expect::Absent).await?, true)?;
    expect("is first once", port.put(&key, text("other"), Expect::Absent).await?, false)?;
    let one = port.get(&key).await?.map(|found| (found.value, found.version, found.holder));
    let Some((value, version, None)) = one else { return expect("it is there, and no lock", one.is_some(), true) };
    expect("with its value", value, text("one"))?;
    expect("a put at its version", port.put(&key, text("two"), Expect::Version(version)).await?, true)?;
    expect("which is used up", port.put(&key, text("three"), Expect::Version(version)).await?, false)?;
    let two = port.get(&key).await?.map(|found| (found.value, found.version > version));
    expect("versions grow", two, Some((text("two"), true)))?;
    expect("no removal at an old version", port.delete(&key, Expect::Version(version)).await?, false)?;
    expect("any value", port.put(&key, Bytes::from_static(b"\x00\xff"), Expect::Any).await?, true)?;
    expect("is bytes", port.get(&key).await?.map(|found| found.value), Some(Bytes::from_static(b"\x00\xff")))?;

    let lock = format!("{prefix}/lock");
    let (mine, other) = (port.begin_session("mine", ttl_ms).await?, port.begin_session("other", ttl_ms).await?);
    expect("a lock is taken", port.acquire(&lock, text("me"), &mine).await?, true)?;
    expect("by one", port.acquire(&lock, text("you"), &other).await?, false)?;
    expect("who has it still", port.acquire(&lock, text("me again"), &mine).await?, true)?;
    let held = port.get(&lock).await?.map(|found| (found.value, found.holder));
    expect("and is named", held, Some((text("me again"), Some(mine.clone()))))?;
    expect("another lets nothing go", port.release(&lock, &other).await?, false)?;
    expect("the holder does", port.release(&lock, &mine).await?, true)?;
    expect("and another has it", port.acquire(&lock, text("you"), &other).await?, true)?;
    expect("a session is renewed", port.renew_session(&other).await?, true)?;
    port.end_session(&other).await?;
    port.end_session(&other).await?;
    expect("one that is over is not", port.renew_session(&other).await?, false)?;
    let mut waited = 0;
    while !port.acquire(&lock, text("me"), &mine).await? && waited < FREE_WITHIN_MS {
        wait(100).await;
        waited += 100;
    }
    let holder = port.get(&lock).await?.and_then(|found| found.holder);
    expect("its lock is free some time after", holder, Some(mine.clone()))?;
    let gone = port.acquire(&lock, text("you"), &other).await.is_err_and(|error| error.is_refusal());
    expect("a session that is over takes nothing", gone, true)?;
    port.end_session(&mine).await?;
    expiry(port, &format!("{prefix}/silent"), ttl_ms, &wait).await?;
    expect("a removal", port.delete(&key, Expect::Any).await?, true)?;
    expect("is one", port.get(&key).await?, None)?;
    expect("and a second is none worse", port.delete(&key, Expect::Absent).await?, true)
}

/// A session that is not renewed ends, not before its time, and lets its lock go.
async fn expiry<W: AsyncFn(u64)>(port: &dyn Keys, lock: &str, ttl_ms: u64, wait: &W) -> Result<(), Violation> {
    let (silent, other) = (port.begin_session("silent", ttl_ms).await?, port.begin_session("other", ttl_ms).await?);
    expect("a lock is taken", port.acquire(lock, Bytes::new(), &silent).await?, true)?;
    let (step_ms, mut waited_ms) = (ttl_ms / 20, 0);
    while !port.acquire(lock, Bytes::new(), &other).await? && waited_ms < EXPIRY_TTLS_MAX * ttl_ms + FREE_WITHIN_MS {
        wait(step_ms).await;
        waited_ms += step_ms;
        expect("a session that is renewed lives on", port.renew_session(&other).await?, true)?;
    }
    let holder = port.get(lock).await?.and_then(|found| found.holder);
    expect("a lock is free some time after its holder fell silent", holder, Some(other.clone()))?;
    // The calls between the steps take time, too.
    expect("not in the first half of its session's time", waited_ms >= ttl_ms / 2, true)?;
    expect("and that session is over", port.renew_session(&silent).await?, false)?;
    port.end_session(&other).await?;
    expect("a removal", port.delete(lock, Expect::Any).await?, true)
}
