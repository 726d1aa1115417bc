//! What stands in for a cache and a registry.

use std::{collections::BTreeMap, sync::Mutex};

use archgen_ports::{
    StoreError,
    cache::Cache,
    registry::{Instance, Registry},
};
use async_trait::async_trait;
use axum::body::Bytes;
use tokio::sync::watch;

/// A cache in memory that never forgets, and counts what was set.
#[derive(Default)]
pub(super) struct MemoryCache(pub(super) Mutex<BTreeMap<String, Bytes>>, pub(super) watch::Sender<usize>);

#[async_trait]
impl Cache for MemoryCache {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, StoreError> {
        Ok(self.0.lock().unwrap().get(key).cloned())
    }

    async fn set(&self, key: &str, value: Bytes, _ttl_ms: u64) -> Result<(), StoreError> {
        self.0.lock().unwrap().insert(key.to_owned(), value);
        self.1.send_modify(|sets| *sets += 1);
        Ok(())
    }

    async fn delete(&self, _key: &str) -> Result<(), StoreError> {
        Ok(())
    }

    async fn increment(&self, _key: &str, by: i64, _ttl_ms: u64) -> Result<i64, StoreError> {
        Ok(by)
    }

    async fn keys(&self, _prefix: &str, _limit: usize) -> Result<Vec<String>, StoreError> {
        Ok(vec![])
    }
}

/// A registry that names what the test says, and counts the answers it gave.
pub(super) struct Named(pub(super) watch::Sender<(u64, Vec<Instance>)>, pub(super) watch::Sender<usize>);

#[async_trait]
impl Registry for Named {
    async fn register(&self, _instance: &Instance, _ttl_ms: u64) -> Result<(), StoreError> {
        Ok(())
    }

    async fn pass(&self, _id: &str) -> Result<(), StoreError> {
        Ok(())
    }

    async fn deregister(&self, _id: &str) -> Result<(), StoreError> {
        Ok(())
    }

    async fn healthy(&self, _service: &str, index: u64, _wait_ms: u64) -> Result<(u64, Vec<Instance>), StoreError> {
        let mut list = self.0.subscribe();
        let answer = list.wait_for(|(now, _)| *now != index).await.unwrap().clone();
        self.1.send_modify(|answers| *answers += 1);
        Ok(answer)
    }
}
