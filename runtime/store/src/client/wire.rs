//! [`StoreClient`]: which node a call goes to, and what a failure means.

use std::sync::Arc;

use archgen_env::{
    Env,
    http::{Client, ClientError, Limits},
    net::Address,
};
use archgen_ports::{ChannelId, ServiceKey, StoreError};
use archgen_spec::sharding::{SLOTS, SlotMap, slot_of};
use http::{HeaderMap, HeaderValue, Method};
use serde::{Serialize, de::DeserializeOwned};

/// Deadline of a call, milliseconds; a fetch that waits has its wait on top.
const CALL_MS_MAX: u64 = 2_500;

/// The nodes of one embedded store. Cloning shares the connections.
#[derive(Clone)]
pub struct StoreClient {
    client: Client,
    nodes: Arc<[Address]>,
    slots: Arc<SlotMap>,
    pub(super) shards: u16,
    headers: HeaderMap,
}

impl StoreClient {
    /// A client of these nodes, ordinal order. `shards` is the number of ownership shards of channels: a channel's data lives on
    /// the node of its shard, where its lease is.
    pub fn new(env: &Env, nodes: Vec<Address>, key: ServiceKey, shards: u16) -> Self {
        let limits = Limits { call_ms_max: CALL_MS_MAX, connect_ms_max: 1_000, ..Limits::default() };
        let mut headers = HeaderMap::new();
        if let Ok(mut value) = HeaderValue::from_str(key.expose()) {
            value.set_sensitive(true);
            headers.insert(ServiceKey::HEADER, value);
        }
        let slots = Arc::new(SlotMap::round_robin(SLOTS, nodes.len() as u32));
        Self { client: Client::new(env, limits), nodes: nodes.into(), slots, shards: shards.max(1), headers }
    }

    /// Number of nodes.
    pub(super) fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// The node of a key.
    pub(super) fn node_of(&self, key: &str) -> usize {
        self.slots.owner(key.as_bytes()) as usize
    }

    /// The node of an ownership shard.
    pub(super) fn node_of_shard(&self, shard: u16) -> usize {
        shard as usize % self.nodes.len().max(1)
    }

    /// The node of a channel.
    pub(super) fn node_of_channel(&self, channel: &ChannelId) -> usize {
        self.node_of_shard(slot_of(channel.0.as_bytes(), self.shards))
    }

    /// One call to one node.
    pub(super) async fn call<C, T>(&self, node: usize, port: &str, call: &C) -> Result<T, StoreError>
    where
        C: Serialize + Sync,
        T: DeserializeOwned,
    {
        self.call_within(node, port, call, CALL_MS_MAX).await
    }

    /// One call that the node may hold open for `wait_ms`.
    pub(super) async fn call_waiting<C, T>(
        &self,
        node: usize,
        port: &str,
        call: &C,
        wait_ms: u64,
    ) -> Result<T, StoreError>
    where
        C: Serialize + Sync,
        T: DeserializeOwned,
    {
        self.call_within(node, port, call, CALL_MS_MAX + wait_ms).await
    }

    /// One call with a deadline.
    pub(super) async fn call_within<C, T>(
        &self,
        node: usize,
        port: &str,
        call: &C,
        call_ms_max: u64,
    ) -> Result<T, StoreError>
    where
        C: Serialize + Sync,
        T: DeserializeOwned,
    {
        let address = self.nodes.get(node).ok_or_else(|| StoreError::Refused("the store has no node".to_owned()))?;
        let client = self.client.with_deadline(call_ms_max);
        let path = format!("/store/{port}");
        let reply =
            client.json(Method::POST, address, &path, self.headers.clone(), call).await.map_err(
                |error| match &error {
                    ClientError::Invalid(_) => StoreError::Refused(error.to_string()),
                    // A connection that was never made carried nothing; hyper says so in the cause.
                    ClientError::Connection(_, cause) if is_unmade(cause) => StoreError::Refused(error.to_string()),
                    _ => StoreError::Indeterminate(error.to_string()),
                },
            )?;
        match reply.status.as_u16() {
            200 => reply.json().map_err(|error| StoreError::Indeterminate(error.to_string())),
            status @ (400..=499 | 503) => {
                let body = String::from_utf8_lossy(&reply.body);
                Err(StoreError::Refused(format!("{address} answered {status}: {body}")))
            }
            status => Err(StoreError::Indeterminate(format!("{address} answered {status}"))),
        }
    }
}

/// Whether the cause of a failed call is that no connection was made.
fn is_unmade(cause: &str) -> bool {
    let cause = cause.to_ascii_lowercase();
    cause.contains("refused") || cause.contains("connect timed out")
}
