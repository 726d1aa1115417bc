//! Cache: values with an end, in the engine so that copies and moves are those of all data. The end is by the wall clock of the node
//! that wrote them, as Redis hands entries to its replicas. A node with the only copy forgets them when it starts, as it may.

use serde::{Deserialize, Serialize};
use serde_json::{Value, to_value};

use super::keys::{Key, last_text};
use crate::{
    committer::DecisionError,
    engine::{Batch, Engine, EngineError, View},
};

/// A call of the cache port on the wire.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CacheCall {
    /// Read.
    Get {
        /// Key.
        key: String,
    },
    /// Write.
    Set {
        /// Key.
        key: String,
        /// Value.
        value: Vec<u8>,
        /// Time to live, milliseconds.
        ttl_ms: u64,
    },
    /// Remove.
    Delete {
        /// Key.
        key: String,
    },
    /// Count.
    Increment {
        /// Key.
        key: String,
        /// By.
        by: i64,
        /// Time to live of a new counter, milliseconds.
        ttl_ms: u64,
    },
    /// List.
    Keys {
        /// Prefix.
        prefix: String,
        /// Keys at most.
        limit: usize,
    },
}

/// Bytes of keys and values held; the entry that would expire first makes room.
const CACHE_BYTES_MAX: u64 = 64 << 20;
/// Longest time to live.
const TTL_MS_MAX: u64 = 7 * 24 * 3_600_000;
/// Entries whose time is over that a write takes away in passing.
const EXPIRED_AT_ONCE: usize = 16;
/// Pairs looked at or deleted at a time.
const PAIRS_AT_ONCE: usize = 1_024;
/// Under which the bytes held are counted.
const HELD: &[u8] = b"cache-held";
/// Until when ends were looked at: an engine goes slowly over what was deleted.
const SWEPT: &[u8] = b"cache-swept";
/// Time between two looks at ends, milliseconds.
const SWEEP_MS: u64 = 1_000;

fn key_of(key: &str) -> Result<Vec<u8>, DecisionError> {
    Ok(Key::new("cache").text(key)?.done())
}

/// Entries by their ends.
fn expiry_of(until_ms: u64, key: &str) -> Result<Vec<u8>, DecisionError> {
    Ok(Key::new("cache-expiry").number(until_ms).text(key)?.done())
}

/// A value with its end.
fn ended(stored: &[u8]) -> Option<(u64, &[u8])> {
    let (until, value) = stored.split_first_chunk::<8>()?;
    Some((u64::from_be_bytes(*until), value))
}

/// The value and its end, if that is still to come.
fn live(stored: Option<Vec<u8>>, now_ms: u64) -> Option<(u64, Vec<u8>)> {
    let stored = stored?;
    let (until_ms, value) = ended(&stored)?;
    (until_ms > now_ms).then(|| (until_ms, value.to_vec()))
}

/// Whether a pair is an entry, whose bytes are counted.
fn is_entry(key: &[u8]) -> bool {
    key.starts_with(b"cache\0")
}

fn number(view: &View<'_>, key: &[u8]) -> Result<u64, DecisionError> {
    Ok(view.get(key)?.and_then(|bytes| Some(u64::from_be_bytes(bytes.first_chunk().copied()?))).unwrap_or(0))
}

fn held(view: &View<'_>) -> Result<u64, DecisionError> {
    number(view, HELD)
}

/// Writes or deletes a pair of any port, and counts what is held of the cache.
///
/// # Errors
/// See [`DecisionError`].
pub(crate) fn write_pair(view: &mut View<'_>, key: Vec<u8>, value: Option<Vec<u8>>) -> Result<(), DecisionError> {
    if is_entry(&key) {
        let before = view.get(&key)?.map_or(0, |old| (key.len() + old.len()) as u64);
        let after = value.as_ref().map_or(0, |new| (key.len() + new.len()) as u64);
        let held = (held(view)? + after).saturating_sub(before);
        view.put(HELD.to_vec(), held.to_be_bytes().to_vec());
    }
    match value {
        Some(value) => view.put(key, value),
        None => view.delete(key),
    }
    Ok(())
}

fn remove(view: &mut View<'_>, key: &str) -> Result<(), DecisionError> {
    let at = key_of(key)?;
    if let Some(stored) = view.get(&at)? {
        if let Some((until_ms, _)) = ended(&stored) {
            view.delete(expiry_of(until_ms, key)?);
        }
        write_pair(view, at, None)?;
    }
    Ok(())
}

/// Entries whose time is over go, and then those that would go next until there is room.
fn make_room(view: &mut View<'_>, now_ms: u64) -> Result<(), DecisionError> {
    let swept_ms = number(view, SWEPT)?;
    if now_ms >= swept_ms.saturating_add(SWEEP_MS) {
        let ends = |ms: u64| Key::new("cache-expiry").number(ms).done();
        let over = view.scan(&ends(swept_ms), &ends(now_ms), EXPIRED_AT_ONCE, false)?;
        // What is left of them is looked at by the next write.
        if over.len() < EXPIRED_AT_ONCE {
            view.put(SWEPT.to_vec(), now_ms.to_be_bytes().to_vec());
        }
        for (key, _) in over {
            remove(view, &last_text(&key))?;
        }
    }
    let (from, all) = Key::new("cache-expiry").below();
    while held(view)? > CACHE_BYTES_MAX {
        let Some((key, _)) = view.scan(&from, &all, 1, false)?.pop() else { break };
        remove(view, &last_text(&key))?;
    }
    Ok(())
}

fn put(view: &mut View<'_>, key: &str, until_ms: u64, value: &[u8]) -> Result<(), DecisionError> {
    remove(view, key)?;
    view.put(expiry_of(until_ms, key)?, Vec::new());
    write_pair(view, key_of(key)?, Some([&until_ms.to_be_bytes(), value].concat()))
}

/// Forgets everything: a restart of the only copy.
///
/// # Errors
/// See [`EngineError`].
pub(crate) fn forget(engine: &dyn Engine) -> Result<(), EngineError> {
    for namespace in ["cache", "cache-expiry"] {
        let (from, to) = Key::new(namespace).below();
        loop {
            let pairs = engine.scan(&from, &to, PAIRS_AT_ONCE, false)?;
            if pairs.is_empty() {
                break;
            }
            engine.commit(pairs.into_iter().map(|(key, _)| (key, None)).collect(), false)?;
        }
    }
    let counts = [HELD, SWEPT].into_iter().filter(|key| engine.get(key).is_ok_and(|found| found.is_some()));
    let counts: Batch = counts.map(|key| (key.to_vec(), None)).collect();
    if counts.is_empty() { Ok(()) } else { engine.commit(counts, false) }
}

/// Answers a read; `None` for a write. `now_ms` is the node's wall time; of all keys only `ours` are listed.
///
/// # Errors
/// See [`DecisionError`].
pub fn read(
    engine: &dyn Engine,
    call: &CacheCall,
    now_ms: u64,
    ours: &dyn Fn(&str) -> bool,
) -> Result<Option<Value>, DecisionError> {
    Ok(match call {
        CacheCall::Get { key } => Some(to_value(live(engine.get(&key_of(key)?)?, now_ms).map(|(_, value)| value))?),
        CacheCall::Keys { prefix, limit } => Some(to_value(listed(engine, (prefix, *limit), now_ms, ours)?)?),
        _ => None,
    })
}

fn listed(
    engine: &dyn Engine,
    (prefix, limit): (&str, usize),
    now_ms: u64,
    ours: &dyn Fn(&str) -> bool,
) -> Result<Vec<String>, DecisionError> {
    let (mut from, to) = (key_of(prefix)?, Key::new("cache").below().1);
    let mut keys = Vec::new();
    loop {
        let pairs = engine.scan(&from, &to, PAIRS_AT_ONCE, false)?;
        let full = pairs.len() == PAIRS_AT_ONCE;
        for (key, value) in pairs {
            let text = last_text(&key);
            if !text.starts_with(prefix) || keys.len() == limit {
                return Ok(keys);
            }
            from = super::keys::after(key);
            if ours(&text) && live(Some(value), now_ms).is_some() {
                keys.push(text);
            }
        }
        if !full {
            return Ok(keys);
        }
    }
}

/// Decides a write. `now_ms` is the node's wall time.
///
/// # Errors
/// See [`DecisionError`].
pub fn decide(view: &mut View<'_>, call: CacheCall, now_ms: u64) -> Result<Value, DecisionError> {
    let until = |ttl_ms: u64| now_ms.saturating_add(ttl_ms.min(TTL_MS_MAX));
    let answer = match call {
        CacheCall::Set { key, value, ttl_ms } => {
            put(view, &key, until(ttl_ms), &value)?;
            Value::Null
        }
        CacheCall::Delete { key } => {
            remove(view, &key)?;
            Value::Null
        }
        CacheCall::Increment { key, by, ttl_ms } => {
            let counter = |(until_ms, value): (u64, Vec<u8>)| {
                Some((until_ms, std::str::from_utf8(&value).ok()?.parse::<i64>().ok()?))
            };
            let current = live(view.get(&key_of(&key)?)?, now_ms).and_then(counter);
            let (until_ms, count) = current.unwrap_or((until(ttl_ms), 0));
            let next = count.saturating_add(by);
            put(view, &key, until_ms, next.to_string().as_bytes())?;
            to_value(next)?
        }
        _ => return Err(DecisionError::Invalid("a read is not a decision".to_owned())),
    };
    make_room(view, now_ms)?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::MemoryEngine;

    fn write(engine: &MemoryEngine, call: CacheCall, now_ms: u64) {
        let mut view = View::new(engine);
        decide(&mut view, call, now_ms).expect("a write");
        engine.commit(view.into_writes(), true).expect("memory");
    }

    fn set(engine: &MemoryEngine, key: &str, bytes: usize, ttl_ms: u64, now_ms: u64) {
        write(engine, CacheCall::Set { key: key.to_owned(), value: vec![7; bytes], ttl_ms }, now_ms);
    }

    fn keys(engine: &MemoryEngine, now_ms: u64) -> Vec<String> {
        listed(engine, ("", 100), now_ms, &|_| true).expect("keys")
    }

    #[test]
    fn what_is_over_goes_and_what_would_go_next_makes_room() {
        let engine = MemoryEngine::default();
        set(&engine, "short", 10, 1_000, 0);
        set(&engine, "later", 30 << 20, 5_000, 0);
        set(&engine, "latest", 30 << 20, 9_000, 0);
        assert_eq!(keys(&engine, 500), ["later", "latest", "short"]);
        assert_eq!(keys(&engine, 1_000), ["later", "latest"], "its time is over");
        set(&engine, "more", 10 << 20, 7_000, 2_000);
        assert_eq!(keys(&engine, 2_000), ["latest", "more"], "the next to go made room");
        assert!(engine.scan(b"a", b"z", 100, false).expect("memory").len() == 6, "two entries, two ends, two counts");
        let counted = |engine: &MemoryEngine| held(&View::new(engine)).expect("a count");
        assert_eq!(counted(&engine), (40 << 20) + 2 * 8 + "cache\0latest".len() as u64 + "cache\0more".len() as u64);
        set(&engine, "more", 1, 7_000, 2_000);
        write(&engine, CacheCall::Delete { key: "latest".to_owned() }, 2_000);
        assert_eq!(counted(&engine), 9 + "cache\0more".len() as u64);
        forget(&engine).expect("memory");
        assert!(engine.scan(b"a", b"z", 100, false).expect("memory").is_empty());
    }
}
