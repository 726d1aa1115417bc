//! The messages port on [`Groups`]: a channel's data are on the node of its shard, where its lease is.

use archgen_ports::{
    ChannelId, MessageId, StoreError,
    messages::{Append, Appended, Counts, Head, Lease, LogEntry, Messages, Range, ReadState, Unpublished},
};
use async_trait::async_trait;
use futures_util::future::join_all;
use serde_json::Value;

use super::{
    answers::{of_whole, reached, whole},
    reach::Ports,
    wire::Groups,
};
use crate::operations::messages::MessagesCall;

impl Groups {
    /// Shards by the node that holds them.
    fn by_node(&self, shards: &[u16]) -> Vec<(usize, Vec<u16>)> {
        let of_node = |node: usize| shards.iter().copied().filter(|s| self.node_of_shard(*s) == node).collect();
        let all = (0..self.node_count()).map(|node| (node, of_node(node)));
        all.filter(|(_, shards): &(usize, Vec<u16>)| !shards.is_empty()).collect()
    }
}

#[async_trait]
impl Messages for Ports<Groups> {
    async fn lease(
        &self,
        owner: &str,
        incarnation: &str,
        shards: &[u16],
        ttl_ms: u64,
    ) -> Result<Vec<Lease>, StoreError> {
        let Self(nodes, _) = self;
        let calls = nodes.by_node(shards).into_iter().map(|(node, shards)| async move {
            let (owner, incarnation) = (owner.to_owned(), incarnation.to_owned());
            let call = MessagesCall::Lease { owner, incarnation, shards, ttl_ms };
            nodes.call_within::<_, Vec<Lease>>(node, &call, ttl_ms / 4).await
        });
        reached(join_all(calls).await)
    }

    async fn release(&self, owner: &str, incarnation: &str, shards: &[u16]) -> Result<(), StoreError> {
        let Self(nodes, _) = self;
        // A node that is down keeps no shard of the others.
        let calls = nodes.by_node(shards).into_iter().map(|(node, shards)| async move {
            let (owner, incarnation) = (owner.to_owned(), incarnation.to_owned());
            let call = MessagesCall::Release { owner, incarnation, shards };
            nodes.call::<_, Value>(node, &call).await
        });
        let answers = join_all(calls).await;
        let applied = answers.iter().any(Result::is_ok);
        answers.into_iter().try_for_each(|answer| answer.map(drop).map_err(|error| of_whole(applied, error)))
    }

    async fn leases(&self) -> Result<Vec<Lease>, StoreError> {
        let Self(nodes, _) = self;
        let calls = (0..nodes.node_count()).map(|node| nodes.look_at::<_, Vec<Lease>>(node, &MessagesCall::Leases));
        reached(join_all(calls).await)
    }

    async fn append(&self, append: Append) -> Result<Appended, StoreError> {
        let Self(nodes, _) = self;
        nodes.call(nodes.node_of_shard(append.shard), &MessagesCall::Append(append)).await
    }

    async fn read(&self, channel: &ChannelId, range: Range, limit: usize) -> Result<Vec<LogEntry>, StoreError> {
        let Self(nodes, _) = self;
        let call = MessagesCall::Read { channel: channel.clone(), range, limit };
        nodes.ask(nodes.node_of_channel(channel), &call).await
    }

    async fn indexed(
        &self,
        channel: &ChannelId,
        index: &str,
        after_seq: u64,
        limit: usize,
    ) -> Result<Vec<LogEntry>, StoreError> {
        let Self(nodes, _) = self;
        let call = MessagesCall::Indexed { channel: channel.clone(), index: index.to_owned(), after_seq, limit };
        nodes.ask(nodes.node_of_channel(channel), &call).await
    }

    async fn entries(&self, channel: &ChannelId, seqs: &[u64]) -> Result<Vec<LogEntry>, StoreError> {
        let Self(nodes, _) = self;
        let ask = |seqs| async move {
            let call = MessagesCall::Entries { channel: channel.clone(), seqs };
            nodes.ask(nodes.node_of_channel(channel), &call).await
        };
        whole(seqs, ask).await
    }

    async fn heads(&self, channels: &[ChannelId]) -> Result<Vec<(ChannelId, Head)>, StoreError> {
        let Self(nodes, _) = self;
        let mut heads: Vec<(ChannelId, Head)> = Vec::new();
        for node in 0..nodes.node_count() {
            let here = channels.iter().filter(|c| nodes.node_of_channel(c) == node);
            let channels: Vec<ChannelId> = here.cloned().collect();
            if !channels.is_empty() {
                let call = MessagesCall::Heads { channels };
                heads.extend(nodes.ask::<_, Vec<(ChannelId, Head)>>(node, &call).await?);
            }
        }
        Ok(heads)
    }

    async fn by_id(&self, id: &MessageId) -> Result<Option<(ChannelId, LogEntry)>, StoreError> {
        let Self(nodes, _) = self;
        for node in 0..nodes.node_count() {
            let call = MessagesCall::ById { id: id.clone() };
            if let Some(found) = nodes.ask(node, &call).await? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    async fn unpublished(&self, shard: u16, limit: usize) -> Result<Vec<Unpublished>, StoreError> {
        let Self(nodes, _) = self;
        nodes.ask(nodes.node_of_shard(shard), &MessagesCall::Unpublished { shard, limit }).await
    }

    async fn mark_published(&self, shard: u16, channel: &ChannelId, seq: u64) -> Result<(), StoreError> {
        let Self(nodes, _) = self;
        let call = MessagesCall::MarkPublished { shard, channel: channel.clone(), seq };
        nodes.call::<_, Value>(nodes.node_of_shard(shard), &call).await.map(|_| ())
    }

    async fn set_read(
        &self,
        reader: &str,
        channel: &ChannelId,
        seq: u64,
        counts: Counts,
    ) -> Result<ReadState, StoreError> {
        let Self(nodes, _) = self;
        let call = MessagesCall::SetRead { reader: reader.to_owned(), channel: channel.clone(), seq, counts };
        nodes.call(nodes.node_of(reader), &call).await
    }

    async fn note_mentions(&self, channel: &ChannelId, seq: u64, readers: &[String]) -> Result<(), StoreError> {
        let Self(nodes, _) = self;
        let mut applied = false;
        for node in 0..nodes.node_count() {
            let readers: Vec<String> = readers.iter().filter(|r| nodes.node_of(r) == node).cloned().collect();
            if !readers.is_empty() {
                let call = MessagesCall::NoteMentions { channel: channel.clone(), seq, readers };
                nodes.call::<_, Value>(node, &call).await.map_err(|error| of_whole(applied, error))?;
                applied = true;
            }
        }
        Ok(())
    }

    async fn read_states(&self, reader: &str) -> Result<Vec<ReadState>, StoreError> {
        let Self(nodes, _) = self;
        let call = MessagesCall::ReadStates { reader: reader.to_owned() };
        nodes.ask(nodes.node_of(reader), &call).await
    }
}
