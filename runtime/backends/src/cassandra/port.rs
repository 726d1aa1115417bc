//! The messages port, and the backend around it.

use std::sync::Arc;

use archgen_env::Env;
use archgen_ports::{
    ChannelId, MessageId, Position, StoreError,
    messages::{
        APPEND_ENTRIES_MAX, Append, Appended, Counts, Head, Lease, LogEntry, Messages, Range, ReadState, Unpublished,
    },
};
use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::{append, channels::Channels, leases::Leases, link::Link, log, marks, terms::epoch_of};
use crate::{Backend, Fault, Metrics, PortSet, Server, Target};

/// Channels whose heads are read at once.
const HEADS_AT_ONCE: usize = 16;

/// Messages on one cluster. Cloning shares what is known.
#[derive(Clone)]
struct Cassandra(Arc<Inner>);

struct Inner {
    link: Link,
    leases: Leases,
    channels: Channels,
}

/// A backend for this target.
pub(crate) fn open(env: &Env, target: Target, metrics: Metrics) -> Arc<dyn Backend> {
    let link = Link::new(env, target, metrics);
    Arc::new(Cassandra(Arc::new(Inner { link, leases: Leases::default(), channels: Channels::default() })))
}

#[async_trait]
impl Backend for Cassandra {
    fn target(&self) -> &Target {
        &self.0.link.target
    }

    fn ports(&self) -> PortSet {
        PortSet { messages: Some(Arc::new(self.clone())), ..PortSet::default() }
    }

    async fn check(&self) -> Result<Server, Fault> {
        self.0.link.look().await
    }

    async fn prepare(&self) -> Result<Server, Fault> {
        Ok(self.0.link.open(true).await?.server.clone())
    }
}

#[async_trait]
impl Messages for Cassandra {
    async fn lease(
        &self,
        owner: &str,
        incarnation: &str,
        shards: &[u16],
        ttl_ms: u64,
    ) -> Result<Vec<Lease>, StoreError> {
        let Inner { link, leases, channels } = &*self.0;
        let granted = leases.take(link, (owner, incarnation), shards, ttl_ms).await?;
        for lease in granted.iter().filter(|l| l.owner != owner || l.incarnation != incarnation) {
            channels.forget_shard(lease.shard);
        }
        Ok(granted)
    }

    async fn release(&self, owner: &str, incarnation: &str, shards: &[u16]) -> Result<(), StoreError> {
        let Inner { link, leases, channels } = &*self.0;
        shards.iter().for_each(|shard| channels.forget_shard(*shard));
        leases.release(link, (owner, incarnation), shards).await
    }

    async fn leases(&self) -> Result<Vec<Lease>, StoreError> {
        self.0.leases.list(&self.0.link).await
    }

    async fn append(&self, append: Append) -> Result<Appended, StoreError> {
        let Inner { link, leases, channels } = &*self.0;
        append::append(link, leases, channels, append).await
    }

    async fn read(&self, channel: &ChannelId, range: Range, limit: usize) -> Result<Vec<LogEntry>, StoreError> {
        log::read(&self.0.link, channel, range, limit).await
    }

    async fn indexed(
        &self,
        channel: &ChannelId,
        index: &str,
        after_seq: u64,
        limit: usize,
    ) -> Result<Vec<LogEntry>, StoreError> {
        log::indexed(&self.0.link, channel, index, after_seq, limit).await
    }

    async fn entries(&self, channel: &ChannelId, seqs: &[u64]) -> Result<Vec<LogEntry>, StoreError> {
        if seqs.len() > APPEND_ENTRIES_MAX {
            return Err(StoreError::Refused(format!("more than {APPEND_ENTRIES_MAX} entries")));
        }
        log::entries(&self.0.link, channel, seqs).await
    }

    async fn heads(&self, channels: &[ChannelId]) -> Result<Vec<(ChannelId, Head)>, StoreError> {
        let link = &self.0.link;
        let heads = stream::iter(channels.to_vec()).map(|channel| async move {
            let terms = log::terms(link, &channel).await?;
            let end = log::head(link, &channel, &terms).await?;
            let position = Position { epoch: epoch_of(end.term), seq: end.seq as u64 };
            Ok((channel, Head { position, counts: end.counts, published: terms.published as u64 }))
        });
        let found: Vec<(ChannelId, Head)> = heads.buffered(HEADS_AT_ONCE).try_collect().await?;
        Ok(found.into_iter().filter(|(_, head)| head.position.seq > 0).collect())
    }

    async fn by_id(&self, id: &MessageId) -> Result<Option<(ChannelId, LogEntry)>, StoreError> {
        log::by_id(&self.0.link, id).await
    }

    async fn unpublished(&self, shard: u16, limit: usize) -> Result<Vec<Unpublished>, StoreError> {
        marks::unpublished(&self.0.link, &self.0.channels, shard, limit).await
    }

    async fn mark_published(&self, shard: u16, channel: &ChannelId, seq: u64) -> Result<(), StoreError> {
        marks::mark_published(&self.0.link, &self.0.channels, shard, channel, seq).await
    }

    async fn set_read(
        &self,
        reader: &str,
        channel: &ChannelId,
        seq: u64,
        counts: Counts,
    ) -> Result<ReadState, StoreError> {
        marks::set_read(&self.0.link, reader, channel, seq, counts).await
    }

    async fn note_mentions(&self, channel: &ChannelId, seq: u64, readers: &[String]) -> Result<(), StoreError> {
        marks::note_mentions(&self.0.link, channel, seq, readers).await
    }

    async fn read_states(&self, reader: &str) -> Result<Vec<ReadState>, StoreError> {
        marks::read_states(&self.0.link, reader).await
    }
}
