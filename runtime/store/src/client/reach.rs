//! [`Reach`]: how a call gets to who has what it touches; and [`Ports`], by which every way to reach a store serves the ports.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{Arc, Mutex},
};

use archgen_ports::StoreError;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    node::BlobsCall,
    operations::{
        accounts::AccountsCall, cache::CacheCall, documents::DocumentsCall, events::EventsCall, index::IndexCall,
        messages::MessagesCall,
    },
    placement::MoveCall,
};

/// A call on the wire.
pub trait Call: Serialize + Send + Sync {
    /// Where it goes: `/store/PORT`.
    const PORT: &'static str;
}

macro_rules! calls {
    ($($call:ty: $port:literal),+ $(,)?) => {
        $(impl Call for $call {
            const PORT: &'static str = $port;
        })+
    };
}

calls! {
    AccountsCall: "accounts", MessagesCall: "messages", DocumentsCall: "documents", CacheCall: "cache", EventsCall: "events",
    IndexCall: "index", BlobsCall: "blobs", MoveCall: "move",
}

/// Where something is.
#[derive(Debug, Clone, Copy)]
pub enum Spot<'a> {
    /// On the first node: what is not divided.
    First,
    /// Where this text belongs.
    Of(&'a str),
}

/// A way to a store's nodes.
pub trait Reach: Clone + Send + Sync + 'static {
    /// A call that may change something.
    fn write<C: Call, T: DeserializeOwned + Send>(
        &self,
        spot: Spot<'_>,
        call: &C,
    ) -> impl Future<Output = Result<T, StoreError>> + Send;

    /// A call that changes nothing, to who knows what was acknowledged last: it may be repeated.
    fn look<C: Call, T: DeserializeOwned + Send>(
        &self,
        spot: Spot<'_>,
        call: &C,
    ) -> impl Future<Output = Result<T, StoreError>> + Send;

    /// A call that changes nothing and may be held open for `wait_ms`.
    fn wait<C: Call, T: DeserializeOwned + Send>(
        &self,
        spot: Spot<'_>,
        call: &C,
        wait_ms: u64,
    ) -> impl Future<Output = Result<T, StoreError>> + Send;

    /// The answers of all nodes to a call that changes nothing. `any` where any copy may give them.
    fn everywhere<C: Call, T: DeserializeOwned + Send>(
        &self,
        any: bool,
        call: &C,
    ) -> impl Future<Output = Result<Vec<T>, StoreError>> + Send;

    /// A call that may change something for each place of these things, made of all that belongs there, in their order.
    fn divided<K: Clone + Send + Sync, C: Call>(
        &self,
        things: Vec<(String, K)>,
        make: impl Fn(Vec<K>) -> C + Send + Sync,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// How many partitions topics have, as far as anybody asked; that never changes while a store runs.
pub type Partitions = Arc<Mutex<BTreeMap<String, u16>>>;

/// The ports of a store that is reached in some way. Cloning shares the connections.
#[derive(Clone)]
pub struct Ports<R>(pub(super) R, pub(super) Partitions);
