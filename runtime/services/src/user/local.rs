//! A bounded cache in this process: what stands in where the fleet has no cache, and what counts where the shared one is cut
//! off. Its values are seen by this instance alone.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use archgen_ports::{StoreError, cache::Cache};
use async_trait::async_trait;
use bytes::Bytes;
use tokio::time::Instant;

/// Values kept.
const VALUES_MAX: usize = 50_000;

struct Value {
    bytes: Bytes,
    count: i64,
    until: Instant,
}

/// The cache.
#[derive(Default)]
pub(super) struct LocalCache(Mutex<BTreeMap<String, Value>>);

impl LocalCache {
    fn with<T>(&self, f: impl FnOnce(&mut BTreeMap<String, Value>, Instant) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner), Instant::now())
    }

    /// Adds to a counter and returns it.
    pub fn add(&self, key: &str, by: i64, ttl_ms: u64) -> i64 {
        self.with(|values, now| {
            make_room(values, key, now);
            let fresh = || Value { bytes: Bytes::new(), count: 0, until: now + Duration::from_millis(ttl_ms) };
            let value = values.entry(key.to_owned()).or_insert_with(fresh);
            if value.until <= now {
                *value = fresh();
            }
            value.count = value.count.saturating_add(by);
            value.count
        })
    }
}

/// Makes room for one more key: expired values go first; where all live, one is forgotten, since growing without end is worse.
fn make_room(values: &mut BTreeMap<String, Value>, key: &str, now: Instant) {
    if values.len() >= VALUES_MAX && !values.contains_key(key) {
        values.retain(|_, value| value.until > now);
        if values.len() >= VALUES_MAX {
            values.pop_first();
        }
    }
}

#[async_trait]
impl Cache for LocalCache {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, StoreError> {
        Ok(self.with(|values, now| values.get(key).filter(|v| v.until > now).map(|v| v.bytes.clone())))
    }

    async fn set(&self, key: &str, value: Bytes, ttl_ms: u64) -> Result<(), StoreError> {
        self.with(|values, now| {
            make_room(values, key, now);
            let until = now + Duration::from_millis(ttl_ms);
            values.insert(key.to_owned(), Value { bytes: value, count: 0, until });
        });
        Ok(())
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.with(|values, _| values.remove(key));
        Ok(())
    }

    async fn increment(&self, key: &str, by: i64, ttl_ms: u64) -> Result<i64, StoreError> {
        Ok(self.add(key, by, ttl_ms))
    }

    async fn keys(&self, prefix: &str, limit: usize) -> Result<Vec<String>, StoreError> {
        Ok(self.with(|values, now| {
            values
                .range(prefix.to_owned()..)
                .take_while(|(key, _)| key.starts_with(prefix))
                .filter(|(_, value)| value.until > now)
                .map(|(key, _)| key.clone())
                .take(limit)
                .collect()
        }))
    }
}
