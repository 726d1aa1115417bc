//! Cache: values in memory with a time to live on the monotonic clock. A restart empties it, as it may.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

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
const CACHE_BYTES_MAX: usize = 64 << 20;
/// Longest time to live.
pub(super) const TTL_MS_MAX: u64 = 7 * 24 * 3_600_000;

struct Entry {
    value: Vec<u8>,
    until: Instant,
}

/// The cache of one node.
#[derive(Default)]
pub struct Cached {
    entries: BTreeMap<String, Entry>,
    expiries: BTreeSet<(Instant, String)>,
    bytes: usize,
}

impl Cached {
    /// The value, if it has not expired.
    pub fn get(&mut self, key: &str) -> Option<Vec<u8>> {
        self.expire();
        self.entries.get(key).map(|e| e.value.clone())
    }

    /// Sets a value for a time.
    pub fn set(&mut self, key: &str, value: Vec<u8>, ttl_ms: u64) {
        self.expire();
        self.delete(key);
        let until = Instant::now() + Duration::from_millis(ttl_ms.min(TTL_MS_MAX));
        self.bytes += key.len() + value.len();
        self.expiries.insert((until, key.to_owned()));
        self.entries.insert(key.to_owned(), Entry { value, until });
        while self.bytes > CACHE_BYTES_MAX
            && let Some((_, first)) = self.expiries.first().cloned()
        {
            self.delete(&first);
        }
    }

    /// Removes a value.
    pub fn delete(&mut self, key: &str) {
        if let Some(entry) = self.entries.remove(key) {
            self.bytes -= key.len() + entry.value.len();
            self.expiries.remove(&(entry.until, key.to_owned()));
        }
    }

    /// Adds to a counter; an entry that is not a number counts as a new one.
    pub fn increment(&mut self, key: &str, by: i64, ttl_ms: u64) -> i64 {
        self.expire();
        let current = self.entries.get(key).and_then(|e| std::str::from_utf8(&e.value).ok()?.parse::<i64>().ok());
        match (current, self.entries.get_mut(key)) {
            (Some(count), Some(entry)) => {
                let next = count.saturating_add(by);
                let text = next.to_string().into_bytes();
                self.bytes = self.bytes + text.len() - entry.value.len();
                entry.value = text;
                next
            }
            _ => {
                self.set(key, by.to_string().into_bytes(), ttl_ms);
                by
            }
        }
    }

    /// Keys with this prefix, sorted.
    pub fn keys(&mut self, prefix: &str, limit: usize) -> Vec<String> {
        self.expire();
        let from = self.entries.range(prefix.to_owned()..);
        from.map(|(k, _)| k).take_while(|k| k.starts_with(prefix)).take(limit).cloned().collect()
    }

    fn expire(&mut self) {
        let now = Instant::now();
        while let Some((until, key)) = self.expiries.first().cloned()
            && until <= now
        {
            self.delete(&key);
        }
    }
}
