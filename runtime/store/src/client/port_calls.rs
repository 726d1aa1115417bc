//! The ports but that of messages, however the store is reached: which call, to where, and how answers of several nodes are put
//! together.

use std::sync::PoisonError;

use archgen_ports::{
    Envelope, StoreError,
    accounts::{Accounts, Commit, Expect, Row, Write},
    blobs::{BlobInfo, Blobs, Grant},
    cache::Cache,
    documents::{Documents, Put},
    events::{Events, Record, partition_of},
    index::{Document, Hit, Index, Query},
};
use async_trait::async_trait;
use bytes::Bytes;
use serde_json::Value;

use super::reach::{Ports, Reach, Spot};
use crate::{
    node::BlobsCall,
    operations::{
        accounts::AccountsCall, cache::CacheCall, documents::DocumentsCall, events::EventsCall, index::IndexCall,
    },
    placement::partition_text,
};

#[async_trait]
impl<R: Reach> Accounts for Ports<R> {
    async fn get(&self, table: &str, key: &str) -> Result<Option<Row>, StoreError> {
        let call = AccountsCall::Get { table: table.to_owned(), key: key.to_owned() };
        self.0.look(Spot::First, &call).await
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
        self.0.look(Spot::First, &call).await
    }

    async fn scan(&self, table: &str, after: Option<&str>, limit: usize) -> Result<Vec<Row>, StoreError> {
        let call = AccountsCall::Scan { table: table.to_owned(), after: after.map(str::to_owned), limit };
        self.0.look(Spot::First, &call).await
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<Commit, StoreError> {
        self.0.write(Spot::First, &AccountsCall::Commit { writes }).await
    }
}

#[async_trait]
impl<R: Reach> Documents for Ports<R> {
    async fn get(&self, collection: &str, key: &str) -> Result<Option<Row>, StoreError> {
        let call = DocumentsCall::Get { collection: collection.to_owned(), key: key.to_owned() };
        self.0.look(Spot::Of(key), &call).await
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
        let mut rows: Vec<Row> = self.0.everywhere::<_, Vec<Row>>(false, &call).await?.into_iter().flatten().collect();
        rows.sort_by(|a, b| if newest_first { b.key.cmp(&a.key) } else { a.key.cmp(&b.key) });
        rows.truncate(limit);
        Ok(rows)
    }

    async fn scan(&self, collection: &str, after: Option<&str>, limit: usize) -> Result<Vec<Row>, StoreError> {
        let call = DocumentsCall::Scan { collection: collection.to_owned(), after: after.map(str::to_owned), limit };
        let mut rows: Vec<Row> = self.0.everywhere::<_, Vec<Row>>(false, &call).await?.into_iter().flatten().collect();
        rows.sort_by(|a, b| a.key.cmp(&b.key));
        rows.truncate(limit);
        Ok(rows)
    }

    async fn put(&self, collection: &str, key: &str, expect: Expect, value: Option<Value>) -> Result<Put, StoreError> {
        let call = DocumentsCall::Put { collection: collection.to_owned(), key: key.to_owned(), expect, value };
        self.0.write(Spot::Of(key), &call).await
    }
}

#[async_trait]
impl<R: Reach> Cache for Ports<R> {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, StoreError> {
        let call = CacheCall::Get { key: key.to_owned() };
        let found: Option<Vec<u8>> = self.0.look(Spot::Of(key), &call).await?;
        Ok(found.map(Bytes::from))
    }

    async fn set(&self, key: &str, value: Bytes, ttl_ms: u64) -> Result<(), StoreError> {
        let call = CacheCall::Set { key: key.to_owned(), value: value.to_vec(), ttl_ms };
        self.0.write::<_, Value>(Spot::Of(key), &call).await.map(|_| ())
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        let call = CacheCall::Delete { key: key.to_owned() };
        self.0.write::<_, Value>(Spot::Of(key), &call).await.map(|_| ())
    }

    async fn increment(&self, key: &str, by: i64, ttl_ms: u64) -> Result<i64, StoreError> {
        let call = CacheCall::Increment { key: key.to_owned(), by, ttl_ms };
        self.0.write(Spot::Of(key), &call).await
    }

    async fn keys(&self, prefix: &str, limit: usize) -> Result<Vec<String>, StoreError> {
        let call = CacheCall::Keys { prefix: prefix.to_owned(), limit };
        let found = self.0.everywhere::<_, Vec<String>>(false, &call).await?;
        let mut keys: Vec<String> = found.into_iter().flatten().collect();
        keys.sort();
        keys.truncate(limit);
        Ok(keys)
    }
}

#[async_trait]
impl<R: Reach> Events for Ports<R> {
    async fn partitions(&self, topic: &str) -> Result<u16, StoreError> {
        self.0.look(Spot::First, &EventsCall::Partitions { topic: topic.to_owned() }).await
    }

    async fn publish(&self, topic: &str, events: Vec<Envelope>) -> Result<(), StoreError> {
        let known = self.1.lock().unwrap_or_else(PoisonError::into_inner).get(topic).copied();
        let partitions = match known {
            Some(partitions) => partitions,
            None => {
                // Nothing was published by a question.
                let found = Events::partitions(self, topic).await;
                let partitions = found.map_err(|error| StoreError::Refused(error.to_string()))?.max(1);
                self.1.lock().unwrap_or_else(PoisonError::into_inner).insert(topic.to_owned(), partitions);
                partitions
            }
        };
        let text = |event: &Envelope| partition_text(topic, partition_of(&event.key, partitions));
        let things = events.into_iter().map(|event| (text(&event), event)).collect();
        self.0.divided(things, |events| EventsCall::Publish { topic: topic.to_owned(), events }).await
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
        self.0.wait(Spot::Of(&partition_text(topic, partition)), &call, wait_ms).await
    }

    async fn committed(&self, group: &str, topic: &str, partition: u16) -> Result<u64, StoreError> {
        let call = EventsCall::Committed { group: group.to_owned(), topic: topic.to_owned(), partition };
        self.0.look(Spot::Of(&partition_text(topic, partition)), &call).await
    }

    async fn commit(&self, group: &str, topic: &str, partition: u16, offset: u64) -> Result<(), StoreError> {
        let call = EventsCall::Commit { group: group.to_owned(), topic: topic.to_owned(), partition, offset };
        self.0.write::<_, Value>(Spot::Of(&partition_text(topic, partition)), &call).await.map(|_| ())
    }
}

#[async_trait]
impl<R: Reach> Index for Ports<R> {
    async fn put(&self, index: &str, documents: Vec<Document>) -> Result<(), StoreError> {
        let things = documents.into_iter().map(|document| (document.id.clone(), document)).collect();
        self.0.divided(things, |documents| IndexCall::Put { index: index.to_owned(), documents }).await
    }

    async fn delete(&self, index: &str, id: &str, version: u64) -> Result<(), StoreError> {
        let call = IndexCall::Delete { index: index.to_owned(), id: id.to_owned(), version };
        self.0.write::<_, Value>(Spot::Of(id), &call).await.map(|_| ())
    }

    async fn search(&self, index: &str, query: Query) -> Result<Vec<Hit>, StoreError> {
        let limit = query.limit;
        let call = IndexCall::Search { index: index.to_owned(), query };
        let mut hits: Vec<Hit> = self.0.everywhere::<_, Vec<Hit>>(true, &call).await?.into_iter().flatten().collect();
        hits.sort_by(|a, b| b.rank.cmp(&a.rank).then_with(|| a.id.cmp(&b.id)));
        hits.truncate(limit);
        Ok(hits)
    }
}

#[async_trait]
impl<R: Reach> Blobs for Ports<R> {
    async fn presign(&self, bucket: &str, key: &str, grant: Grant, expires_ms: u64) -> Result<String, StoreError> {
        let call = BlobsCall::Presign { bucket: bucket.to_owned(), key: key.to_owned(), grant, expires_ms };
        self.0.look(Spot::Of(key), &call).await
    }

    async fn info(&self, bucket: &str, key: &str) -> Result<Option<BlobInfo>, StoreError> {
        let call = BlobsCall::Info { bucket: bucket.to_owned(), key: key.to_owned() };
        self.0.look(Spot::Of(key), &call).await
    }

    async fn first_bytes(&self, bucket: &str, key: &str, bytes_max: usize) -> Result<Bytes, StoreError> {
        let call = BlobsCall::First { bucket: bucket.to_owned(), key: key.to_owned(), bytes_max };
        let bytes: Vec<u8> = self.0.look(Spot::Of(key), &call).await?;
        Ok(Bytes::from(bytes))
    }

    async fn delete(&self, bucket: &str, key: &str) -> Result<(), StoreError> {
        let call = BlobsCall::Delete { bucket: bucket.to_owned(), key: key.to_owned() };
        self.0.write::<_, Value>(Spot::Of(key), &call).await.map(|_| ())
    }
}
