//! The ports on [`StoreClient`]: which call, to which node, and how answers of several nodes are put together.

use archgen_ports::{
    ChannelId, Envelope, MessageId, StoreError,
    accounts::{Accounts, Commit, Expect, Row, Write},
    blobs::{BlobInfo, Blobs, Grant},
    cache::Cache,
    documents::{Documents, Put},
    events::{Events, Record},
    index::{Document, Hit, Index, Query},
    messages::{Append, Appended, Counts, Head, Lease, LogEntry, Messages, Range, ReadState, Unpublished},
};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::join_all;
use serde_json::Value;

use super::{
    StoreClient,
    answers::{reached, whole},
};
use crate::{
    node::BlobsCall,
    operations::{
        accounts::AccountsCall, cache::CacheCall, documents::DocumentsCall, events::EventsCall, index::IndexCall,
        messages::MessagesCall,
    },
};

/// Accounts stay on one node: a transaction may touch any rows.
const ACCOUNTS_NODE: usize = 0;

#[async_trait]
impl Accounts for StoreClient {
    async fn get(&self, table: &str, key: &str) -> Result<Option<Row>, StoreError> {
        let call = AccountsCall::Get { table: table.to_owned(), key: key.to_owned() };
        self.look(ACCOUNTS_NODE, "accounts", &call).await
    }

    async fn find(
        &self,
        table: &str,
        field: &str,
        value: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError> {
        let call = AccountsCall::Find {
            table: table.to_owned(),
            field: field.to_owned(),
            value: value.to_owned(),
            after: after.map(str::to_owned),
            limit,
        };
        self.look(ACCOUNTS_NODE, "accounts", &call).await
    }

    async fn scan(&self, table: &str, after: Option<&str>, limit: usize) -> Result<Vec<Row>, StoreError> {
        let call = AccountsCall::Scan { table: table.to_owned(), after: after.map(str::to_owned), limit };
        self.look(ACCOUNTS_NODE, "accounts", &call).await
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<Commit, StoreError> {
        self.call(ACCOUNTS_NODE, "accounts", &AccountsCall::Commit { writes }).await
    }
}

impl StoreClient {
    /// Shards by the node that holds them.
    fn by_node(&self, shards: &[u16]) -> Vec<(usize, Vec<u16>)> {
        let of_node = |node: usize| shards.iter().copied().filter(|s| self.node_of_shard(*s) == node).collect();
        let all = (0..self.node_count()).map(|node| (node, of_node(node)));
        all.filter(|(_, shards): &(usize, Vec<u16>)| !shards.is_empty()).collect()
    }
}

#[async_trait]
impl Messages for StoreClient {
    async fn lease(
        &self,
        owner: &str,
        incarnation: &str,
        shards: &[u16],
        ttl_ms: u64,
    ) -> Result<Vec<Lease>, StoreError> {
        let calls = self.by_node(shards).into_iter().map(|(node, shards)| async move {
            let (owner, incarnation) = (owner.to_owned(), incarnation.to_owned());
            let call = MessagesCall::Lease { owner, incarnation, shards, ttl_ms };
            self.call_within::<_, Vec<Lease>>(node, "messages", &call, ttl_ms / 4).await
        });
        reached(join_all(calls).await)
    }

    async fn release(&self, owner: &str, incarnation: &str, shards: &[u16]) -> Result<(), StoreError> {
        for (node, shards) in self.by_node(shards) {
            let (owner, incarnation) = (owner.to_owned(), incarnation.to_owned());
            let call = MessagesCall::Release { owner, incarnation, shards };
            self.call::<_, Value>(node, "messages", &call).await?;
        }
        Ok(())
    }

    async fn leases(&self) -> Result<Vec<Lease>, StoreError> {
        let nodes = 0..self.node_count();
        let calls = nodes.map(|node| self.look::<_, Vec<Lease>>(node, "messages", &MessagesCall::Leases));
        reached(join_all(calls).await)
    }

    async fn append(&self, append: Append) -> Result<Appended, StoreError> {
        self.call(self.node_of_shard(append.shard), "messages", &MessagesCall::Append(append)).await
    }

    async fn read(&self, channel: &ChannelId, range: Range, limit: usize) -> Result<Vec<LogEntry>, StoreError> {
        let call = MessagesCall::Read { channel: channel.clone(), range, limit };
        self.ask(self.node_of_channel(channel), "messages", &call).await
    }

    async fn indexed(
        &self,
        channel: &ChannelId,
        index: &str,
        after_seq: u64,
        limit: usize,
    ) -> Result<Vec<LogEntry>, StoreError> {
        let call = MessagesCall::Indexed { channel: channel.clone(), index: index.to_owned(), after_seq, limit };
        self.ask(self.node_of_channel(channel), "messages", &call).await
    }

    async fn entries(&self, channel: &ChannelId, seqs: &[u64]) -> Result<Vec<LogEntry>, StoreError> {
        let ask = |seqs| async move {
            let call = MessagesCall::Entries { channel: channel.clone(), seqs };
            self.ask(self.node_of_channel(channel), "messages", &call).await
        };
        whole(seqs, ask).await
    }

    async fn heads(&self, channels: &[ChannelId]) -> Result<Vec<(ChannelId, Head)>, StoreError> {
        let mut heads: Vec<(ChannelId, Head)> = Vec::new();
        for node in 0..self.node_count() {
            let here = channels.iter().filter(|c| self.node_of_channel(c) == node);
            let channels: Vec<ChannelId> = here.cloned().collect();
            if !channels.is_empty() {
                let call = MessagesCall::Heads { channels };
                heads.extend(self.ask::<_, Vec<(ChannelId, Head)>>(node, "messages", &call).await?);
            }
        }
        Ok(heads)
    }

    async fn by_id(&self, id: &MessageId) -> Result<Option<(ChannelId, LogEntry)>, StoreError> {
        for node in 0..self.node_count() {
            let call = MessagesCall::ById { id: id.clone() };
            if let Some(found) = self.ask(node, "messages", &call).await? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    async fn unpublished(&self, shard: u16, limit: usize) -> Result<Vec<Unpublished>, StoreError> {
        self.ask(self.node_of_shard(shard), "messages", &MessagesCall::Unpublished { shard, limit }).await
    }

    async fn mark_published(&self, shard: u16, channel: &ChannelId, seq: u64) -> Result<(), StoreError> {
        let call = MessagesCall::MarkPublished { shard, channel: channel.clone(), seq };
        self.call::<_, Value>(self.node_of_shard(shard), "messages", &call).await.map(|_| ())
    }

    async fn set_read(
        &self,
        reader: &str,
        channel: &ChannelId,
        seq: u64,
        counts: Counts,
    ) -> Result<ReadState, StoreError> {
        let call = MessagesCall::SetRead { reader: reader.to_owned(), channel: channel.clone(), seq, counts };
        self.call(self.node_of(reader), "messages", &call).await
    }

    async fn note_mentions(&self, channel: &ChannelId, seq: u64, readers: &[String]) -> Result<(), StoreError> {
        for node in 0..self.node_count() {
            let readers: Vec<String> = readers.iter().filter(|r| self.node_of(r) == node).cloned().collect();
            if !readers.is_empty() {
                let call = MessagesCall::NoteMentions { channel: channel.clone(), seq, readers };
                self.call::<_, Value>(node, "messages", &call).await?;
            }
        }
        Ok(())
    }

    async fn read_states(&self, reader: &str) -> Result<Vec<ReadState>, StoreError> {
        let call = MessagesCall::ReadStates { reader: reader.to_owned() };
        self.ask(self.node_of(reader), "messages", &call).await
    }
}

#[async_trait]
impl Documents for StoreClient {
    async fn get(&self, collection: &str, key: &str) -> Result<Option<Row>, StoreError> {
        let call = DocumentsCall::Get { collection: collection.to_owned(), key: key.to_owned() };
        self.look(self.node_of(key), "documents", &call).await
    }

    async fn find(
        &self,
        collection: &str,
        field: &str,
        value: &str,
        after: Option<&str>,
        newest_first: bool,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError> {
        let call = DocumentsCall::Find {
            collection: collection.to_owned(),
            field: field.to_owned(),
            value: value.to_owned(),
            after: after.map(str::to_owned),
            newest_first,
            limit,
        };
        let mut rows: Vec<Row> = Vec::new();
        for node in 0..self.node_count() {
            rows.extend(self.look::<_, Vec<Row>>(node, "documents", &call).await?);
        }
        rows.sort_by(|a, b| if newest_first { b.key.cmp(&a.key) } else { a.key.cmp(&b.key) });
        rows.truncate(limit);
        Ok(rows)
    }

    async fn scan(&self, collection: &str, after: Option<&str>, limit: usize) -> Result<Vec<Row>, StoreError> {
        let call = DocumentsCall::Scan { collection: collection.to_owned(), after: after.map(str::to_owned), limit };
        let mut rows: Vec<Row> = Vec::new();
        for node in 0..self.node_count() {
            rows.extend(self.look::<_, Vec<Row>>(node, "documents", &call).await?);
        }
        rows.sort_by(|a, b| a.key.cmp(&b.key));
        rows.truncate(limit);
        Ok(rows)
    }

    async fn put(&self, collection: &str, key: &str, expect: Expect, value: Option<Value>) -> Result<Put, StoreError> {
        let call = DocumentsCall::Put { collection: collection.to_owned(), key: key.to_owned(), expect, value };
        self.call(self.node_of(key), "documents", &call).await
    }
}

#[async_trait]
impl Cache for StoreClient {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, StoreError> {
        let call = CacheCall::Get { key: key.to_owned() };
        let found: Option<Vec<u8>> = self.look(self.node_of(key), "cache", &call).await?;
        Ok(found.map(Bytes::from))
    }

    async fn set(&self, key: &str, value: Bytes, ttl_ms: u64) -> Result<(), StoreError> {
        let call = CacheCall::Set { key: key.to_owned(), value: value.to_vec(), ttl_ms };
        self.call::<_, Value>(self.node_of(key), "cache", &call).await.map(|_| ())
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        let call = CacheCall::Delete { key: key.to_owned() };
        self.call::<_, Value>(self.node_of(key), "cache", &call).await.map(|_| ())
    }

    async fn increment(&self, key: &str, by: i64, ttl_ms: u64) -> Result<i64, StoreError> {
        let call = CacheCall::Increment { key: key.to_owned(), by, ttl_ms };
        self.call(self.node_of(key), "cache", &call).await
    }

    async fn keys(&self, prefix: &str, limit: usize) -> Result<Vec<String>, StoreError> {
        let call = CacheCall::Keys { prefix: prefix.to_owned(), limit };
        let mut keys: Vec<String> = Vec::new();
        for node in 0..self.node_count() {
            keys.extend(self.look::<_, Vec<String>>(node, "cache", &call).await?);
        }
        keys.sort();
        keys.truncate(limit);
        Ok(keys)
    }
}

impl StoreClient {
    /// The node of a topic's partition: one topic's offsets and records of a partition stay together.
    fn node_of_partition(&self, topic: &str, partition: u16) -> usize {
        self.node_of(&format!("{topic}/{partition}"))
    }
}

#[async_trait]
impl Events for StoreClient {
    async fn partitions(&self, topic: &str) -> Result<u16, StoreError> {
        self.look(0, "events", &EventsCall::Partitions { topic: topic.to_owned() }).await
    }

    async fn publish(&self, topic: &str, events: Vec<Envelope>) -> Result<(), StoreError> {
        let mut by_node: Vec<Vec<Envelope>> = vec![Vec::new(); self.node_count()];
        if self.node_count() > 1 {
            let partitions = Events::partitions(self, topic).await?;
            for event in events {
                let partition = archgen_spec::sharding::slot_of(event.key.as_bytes(), partitions);
                by_node[self.node_of_partition(topic, partition)].push(event);
            }
        } else if let Some(only) = by_node.first_mut() {
            *only = events;
        }
        for (node, events) in by_node.into_iter().enumerate().filter(|(_, events)| !events.is_empty()) {
            let call = EventsCall::Publish { topic: topic.to_owned(), events };
            self.call::<_, Value>(node, "events", &call).await?;
        }
        Ok(())
    }

    async fn fetch(
        &self,
        topic: &str,
        partition: u16,
        offset: u64,
        records_max: usize,
        wait_ms: u64,
    ) -> Result<Vec<Record>, StoreError> {
        let call = EventsCall::Fetch { topic: topic.to_owned(), partition, offset, records_max, wait_ms };
        self.call_waiting(self.node_of_partition(topic, partition), "events", &call, wait_ms).await
    }

    async fn committed(&self, group: &str, topic: &str, partition: u16) -> Result<u64, StoreError> {
        let call = EventsCall::Committed { group: group.to_owned(), topic: topic.to_owned(), partition };
        self.look(self.node_of_partition(topic, partition), "events", &call).await
    }

    async fn commit(&self, group: &str, topic: &str, partition: u16, offset: u64) -> Result<(), StoreError> {
        let call = EventsCall::Commit { group: group.to_owned(), topic: topic.to_owned(), partition, offset };
        self.call::<_, Value>(self.node_of_partition(topic, partition), "events", &call).await.map(|_| ())
    }
}

#[async_trait]
impl Index for StoreClient {
    async fn put(&self, index: &str, documents: Vec<Document>) -> Result<(), StoreError> {
        let mut by_node: Vec<Vec<Document>> = vec![Vec::new(); self.node_count()];
        for document in documents {
            by_node[self.node_of(&document.id)].push(document);
        }
        for (node, documents) in by_node.into_iter().enumerate().filter(|(_, d)| !d.is_empty()) {
            let call = IndexCall::Put { index: index.to_owned(), documents };
            self.call::<_, Value>(node, "index", &call).await?;
        }
        Ok(())
    }

    async fn delete(&self, index: &str, id: &str, version: u64) -> Result<(), StoreError> {
        let call = IndexCall::Delete { index: index.to_owned(), id: id.to_owned(), version };
        self.call::<_, Value>(self.node_of(id), "index", &call).await.map(|_| ())
    }

    async fn search(&self, index: &str, query: Query) -> Result<Vec<Hit>, StoreError> {
        let limit = query.limit;
        let call = IndexCall::Search { index: index.to_owned(), query };
        let mut hits: Vec<Hit> = Vec::new();
        for node in 0..self.node_count() {
            hits.extend(self.ask::<_, Vec<Hit>>(node, "index", &call).await?);
        }
        hits.sort_by(|a, b| b.rank.cmp(&a.rank).then_with(|| a.id.cmp(&b.id)));
        hits.truncate(limit);
        Ok(hits)
    }
}

#[async_trait]
impl Blobs for StoreClient {
    async fn presign(&self, bucket: &str, key: &str, grant: Grant, expires_ms: u64) -> Result<String, StoreError> {
        let call = BlobsCall::Presign { bucket: bucket.to_owned(), key: key.to_owned(), grant, expires_ms };
        self.look(self.node_of(key), "blobs", &call).await
    }

    async fn info(&self, bucket: &str, key: &str) -> Result<Option<BlobInfo>, StoreError> {
        let call = BlobsCall::Info { bucket: bucket.to_owned(), key: key.to_owned() };
        self.look(self.node_of(key), "blobs", &call).await
    }

    async fn first_bytes(&self, bucket: &str, key: &str, bytes_max: usize) -> Result<Bytes, StoreError> {
        let call = BlobsCall::First { bucket: bucket.to_owned(), key: key.to_owned(), bytes_max };
        let bytes: Vec<u8> = self.look(self.node_of(key), "blobs", &call).await?;
        Ok(Bytes::from(bytes))
    }

    async fn delete(&self, bucket: &str, key: &str) -> Result<(), StoreError> {
        let call = BlobsCall::Delete { bucket: bucket.to_owned(), key: key.to_owned() };
        self.call::<_, Value>(self.node_of(key), "blobs", &call).await.map(|_| ())
    }
}
