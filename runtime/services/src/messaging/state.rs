//! The state of a messaging host.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use archgen_env::Env;
use archgen_ports::{ChannelId, MessageId, ServiceKey, messages::LogEntry};
use archgen_spec::sharding::slot_of;
use axum::extract::FromRef;
use prometheus_client::metrics::counter::Counter;
use tokio::{
    sync::{Notify, mpsc},
    time::Instant,
};

use super::{
    Config,
    channels::{Rows, is_id},
    doors::Doors,
    error::MessagingError,
    keywords::Keywords,
    kinds::CREATED,
    ownership::{Ownership, Place},
    push::Push,
    recent::Recent,
    writer::Job,
};
use crate::host::HostContext;

/// Wait for the owner to whom an operation is handed, milliseconds: a removal waits for realtime hosts.
const HAND_MS_MAX: u64 = 10_000;

pub(super) struct State {
    pub(super) env: Env,
    pub(super) config: Config,
    pub(super) key: ServiceKey,
    pub(super) place: Place,
    ownership: Mutex<Ownership>,
    pub(super) writers: Mutex<BTreeMap<ChannelId, mpsc::Sender<Job>>>,
    unpublished: Mutex<BTreeSet<u16>>,
    pub(super) published: Notify,
    /// Shards may have become free for this instance: worth asking before the next round.
    pub(super) freed: Notify,
    /// The host serves no more; leases may go.
    pub(super) stopped: Notify,
    looked: Mutex<Option<Instant>>,
    pub(super) push: Push,
    recent: Mutex<Recent>,
    expired: Mutex<BTreeMap<ChannelId, u64>>,
    doors: Mutex<Doors>,
    pub(super) keywords: Keywords,
    pub(super) appended: Counter,
    pub(super) duplicates: Counter,
    pub(super) fenced: Counter,
}

impl State {
    pub(super) fn new(context: &HostContext, config: Config) -> Self {
        let place = Place {
            owner: context.env.host().to_owned(),
            incarnation: context.env.new_uuid().to_string(),
            ordinal: context.ordinal,
            replicas: context.replicas,
            shards: config.shards.max(1),
            lease: Duration::from_millis(config.lease_ms),
        };
        Self {
            push: Push::start(&context.env, config.realtime.as_ref()),
            env: context.env.clone(),
            key: context.key.clone(),
            ownership: Mutex::new(Ownership::new(place.clone(), Instant::now())),
            place,
            config: Config { messaging: config.messaging.with_deadline(HAND_MS_MAX), ..config },
            writers: Mutex::default(),
            unpublished: Mutex::default(),
            published: Notify::new(),
            freed: Notify::new(),
            stopped: Notify::new(),
            looked: Mutex::default(),
            recent: Mutex::default(),
            expired: Mutex::default(),
            doors: Mutex::default(),
            keywords: Keywords::default(),
            appended: context.probe.counter("messaging_entries", "Log entries appended"),
            duplicates: context.probe.counter("messaging_duplicates", "Retries answered with the first result"),
            fenced: context.probe.counter("messaging_fenced", "Appends refused because a newer owner exists"),
        }
    }

    pub(super) fn ownership(&self) -> MutexGuard<'_, Ownership> {
        self.ownership.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn doors(&self) -> MutexGuard<'_, Doors> {
        self.doors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The epoch under which this host appends to a channel now.
    pub(super) fn epoch(&self, channel: &ChannelId) -> Option<u64> {
        self.ownership().epoch(self.shard(channel), Instant::now())
    }

    pub(super) fn rows(&self) -> Rows<'_> {
        Rows(&*self.config.accounts)
    }

    pub(super) fn shard(&self, channel: &ChannelId) -> u16 {
        slot_of(channel.0.as_bytes(), self.place.shards)
    }

    /// The message of this id, wherever it is.
    pub(super) async fn message(&self, id: &MessageId) -> Result<Option<(ChannelId, LogEntry)>, MessagingError> {
        if !is_id(&id.0) {
            return Ok(None);
        }
        Ok(self.config.messages.by_id(id).await?.filter(|(_, entry)| entry.kind == CREATED))
    }

    /// Whether a look at the leases is due for a request; if so, it counts as made.
    pub(super) fn may_look(&self, now: Instant, apart: Duration) -> bool {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let due = looked.is_none_or(|last| now.duration_since(last) >= apart);
        if due {
            *looked = Some(now);
        }
        due
    }

    /// Whether this is the one host that does what happens by itself.
    pub(super) fn owns_first_shard(&self) -> bool {
        self.ownership().epoch(0, Instant::now()).is_some()
    }

    /// Up to which place of a channel old messages were deleted, as far as this host knows.
    pub(super) fn expired_to(&self, channel: &ChannelId) -> u64 {
        self.expired.lock().unwrap_or_else(PoisonError::into_inner).get(channel).copied().unwrap_or(0)
    }

    /// Remembers up to which place of a channel old messages were deleted.
    pub(super) fn set_expired_to(&self, channel: &ChannelId, seq: u64) {
        self.expired.lock().unwrap_or_else(PoisonError::into_inner).insert(channel.clone(), seq);
    }

    /// Says that a shard may have unpublished entries.
    pub(super) fn mark_unpublished(&self, shards: impl IntoIterator<Item = u16>) {
        self.unpublished.lock().unwrap_or_else(PoisonError::into_inner).extend(shards);
        self.published.notify_one();
    }

    /// Takes the shards that may have unpublished entries.
    pub(super) fn take_unpublished(&self) -> BTreeSet<u16> {
        std::mem::take(&mut *self.unpublished.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The state as routes share it.
#[derive(Clone)]
pub(super) struct Shared(pub(super) Arc<State>);

impl FromRef<Shared> for ServiceKey {
    fn from_ref(Shared(state): &Shared) -> Self {
        state.key.clone()
    }
}
