//! [`Reads`]: history for sockets that catch up. Those that want the same stretch at the same time share one call, so that a herd
//! that comes back costs a call per channel and not per socket.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use archgen_ports::ChannelId;
use serde_json::Value;
use tokio::sync::OnceCell;

use super::{
    calls::{self, CallError},
    cursor::Cursor,
    state::State,
};

/// Entries fetched at a time.
pub(super) const PAGE: usize = 500;
/// A stretch begins at a multiple of this, so that sockets that were cut off at nearly the same place share it.
const STRETCH: u64 = 64;

/// What follows a place in a channel's log, and its head when that was read.
pub(super) struct Page {
    items: Vec<Arc<Value>>,
    pub(super) head: Cursor,
}

type Shared = Arc<OnceCell<Result<Arc<Page>, Arc<CallError>>>>;

/// The calls under way.
#[derive(Default)]
pub(super) struct Reads(Mutex<BTreeMap<(ChannelId, u64), Shared>>);

impl Reads {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<(ChannelId, u64), Shared>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Entries after a place and the head; `u64::MAX` asks for the head alone.
    pub(super) async fn after(
        &self,
        state: &State,
        channel: &ChannelId,
        seq: u64,
    ) -> Result<(Vec<Arc<Value>>, Cursor), Arc<CallError>> {
        let from = if seq == u64::MAX { seq } else { seq - seq % STRETCH };
        let key = (channel.clone(), from);
        let cell = self.lock().entry(key.clone()).or_default().clone();
        let fetch = async {
            let (items, (epoch, seq)) = calls::log(state, channel, from, PAGE).await.map_err(Arc::new)?;
            Ok(Arc::new(Page { items: items.into_iter().map(Arc::new).collect(), head: Cursor { epoch, seq } }))
        };
        let page = cell.get_or_init(|| fetch).await.clone();
        let mut all = self.lock();
        // Whoever comes now reads anew: what was just read may be old by then.
        if all.get(&key).is_some_and(|current| Arc::ptr_eq(current, &cell)) {
            all.remove(&key);
        }
        drop(all);
        let page = page?;
        let after = |item: &&Arc<Value>| item["seq"].as_u64().is_some_and(|at| at > seq);
        Ok((page.items.iter().filter(after).cloned().collect(), page.head))
    }
}
