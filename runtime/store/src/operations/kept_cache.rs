//! Cache whose entries are copied to other nodes: in the engine, with their ends on the wall clock of the node that wrote them, as
//! Redis hands them to its replicas.

use serde_json::{Value, to_value};

use super::{
    cache::{CacheCall, TTL_MS_MAX},
    keys::{Key, last_text},
};
use crate::{
    committer::DecisionError,
    engine::{Engine, View},
};

fn key_of(key: &str) -> Result<Vec<u8>, DecisionError> {
    Ok(Key::new("cache").text(key)?.done())
}

/// The value and its end, if that is still to come.
fn live(stored: Option<Vec<u8>>, now_ms: u64) -> Option<(u64, Vec<u8>)> {
    let stored = stored?;
    let (until, value) = stored.split_first_chunk::<8>()?;
    let until_ms = u64::from_be_bytes(*until);
    (until_ms > now_ms).then(|| (until_ms, value.to_vec()))
}

fn put(view: &mut View<'_>, key: &str, until_ms: u64, value: &[u8]) -> Result<(), DecisionError> {
    view.put(key_of(key)?, [&until_ms.to_be_bytes(), value].concat());
    Ok(())
}

/// Answers a read; `None` for a write. `now_ms` is the node's wall time.
///
/// # Errors
/// See [`DecisionError`].
pub fn read(engine: &dyn Engine, call: &CacheCall, now_ms: u64) -> Result<Option<Value>, DecisionError> {
    Ok(Some(match call {
        CacheCall::Get { key } => to_value(live(engine.get(&key_of(key)?)?, now_ms).map(|(_, value)| value))?,
        CacheCall::Keys { prefix, limit } => {
            let (from, to) = Key::new("cache").below();
            let pairs = engine.scan(&from, &to, usize::MAX, false)?.into_iter();
            let keys = pairs.filter(|(_, v)| live(Some(v.clone()), now_ms).is_some()).map(|(key, _)| last_text(&key));
            to_value(keys.filter(|key| key.starts_with(prefix)).take(*limit).collect::<Vec<_>>())?
        }
        _ => return Ok(None),
    }))
}

/// Decides a write. `now_ms` is the node's wall time.
///
/// # Errors
/// See [`DecisionError`].
pub fn decide(view: &mut View<'_>, call: CacheCall, now_ms: u64) -> Result<Value, DecisionError> {
    match call {
        CacheCall::Set { key, value, ttl_ms } => {
            put(view, &key, now_ms.saturating_add(ttl_ms.min(TTL_MS_MAX)), &value)?;
            Ok(Value::Null)
        }
        CacheCall::Delete { key } => {
            view.delete(key_of(&key)?);
            Ok(Value::Null)
        }
        CacheCall::Increment { key, by, ttl_ms } => {
            let counter = |(until_ms, value): (u64, Vec<u8>)| {
                Some((until_ms, std::str::from_utf8(&value).ok()?.parse::<i64>().ok()?))
            };
            let current = live(view.get(&key_of(&key)?)?, now_ms).and_then(counter);
            let (until_ms, count) = current.unwrap_or((now_ms.saturating_add(ttl_ms.min(TTL_MS_MAX)), 0));
            let next = count.saturating_add(by);
            put(view, &key, until_ms, next.to_string().as_bytes())?;
            Ok(to_value(next)?)
        }
        _ => Err(DecisionError::Invalid("a read is not a decision".to_owned())),
    }
}
