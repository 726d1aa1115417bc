//! The messages port on [`Placed`]: calls go to the owner of what they touch, which may be moving; what is asked of all nodes is
//! put together.

use std::{collections::BTreeMap, future::Future};

use archgen_ports::{
    ChannelId, MessageId, StoreError,
    messages::{Append, Appended, Counts, Head, Lease, LogEntry, Messages, Range, ReadState, Unpublished},
};
use async_trait::async_trait;
use futures_util::future::join_all;
use serde_json::Value;

use super::{
    answers::{of_whole, reached, whole},
    placed::{Patience, Placed, Unanswered, no_node},
    reach::Ports,
};
use crate::{operations::messages::MessagesCall, placement::Placement};

/// Units by their owner.
fn by_owner(placement: &Placement, units: &[u16]) -> BTreeMap<u32, Vec<u16>> {
    let mut owners: BTreeMap<u32, Vec<u16>> = BTreeMap::new();
    for unit in units {
        owners.entry(placement.owner(*unit)).or_default().push(*unit);
    }
    owners
}

impl Placed {
    /// A call for the units of one owner each; where one of them moves, they are divided anew.
    async fn leased(
        &self,
        shards: &[u16],
        call_ms_max: u64,
        make: &(dyn Fn(Vec<u16>) -> MessagesCall + Sync),
    ) -> Result<Vec<Lease>, StoreError> {
        let mut patience = Patience::new(call_ms_max);
        loop {
            let placement = self.placement();
            let left_ms = patience.left_ms();
            let mut calls = Vec::new();
            for (owner, shards) in by_owner(&placement, shards) {
                calls.push((placement.nodes.get(owner as usize).cloned(), make(shards)));
            }
            let calls = calls.iter().map(|(node, call)| async move {
                let node = node.as_ref().ok_or_else(|| Unanswered::Failed(no_node(), true))?;
                self.send::<_, Option<Vec<Lease>>>(node, call, left_ms, None).await
            });
            let mut answers = Vec::new();
            let mut moved = None;
            let mut unsent = false;
            for answer in join_all(calls).await {
                match answer {
                    Ok(leases) => answers.push(Ok(leases.unwrap_or_default())),
                    Err(Unanswered::Moved(node, version)) => moved = Some((node, version)),
                    Err(Unanswered::Failed(error, never)) => {
                        unsent |= never;
                        answers.push(Err(error));
                    }
                }
            }
            let unanswered = match moved {
                // Asking again renews what was granted just now.
                Some((node, version)) => Unanswered::Moved(node, version),
                None => match reached(answers) {
                    Ok(leases) => return Ok(leases),
                    Err(error) => Unanswered::Failed(error, unsent),
                },
            };
            self.settle(&mut patience, unanswered).await?;
        }
    }

    /// Asks the owner of what each key belongs to, for all of its keys at once, and puts the answers together.
    async fn by_key<K, T, F>(
        &self,
        keys: &[K],
        text: fn(&K) -> &str,
        ask: impl Fn(Vec<u16>, Vec<K>) -> F,
    ) -> Result<Vec<T>, StoreError>
    where
        K: Clone,
        F: Future<Output = Result<Option<T>, StoreError>>,
    {
        let placement = self.placement();
        let mut owners: BTreeMap<u32, (Vec<u16>, Vec<K>)> = BTreeMap::new();
        for key in keys {
            let unit = self.unit_of(text(key));
            let (units, keys) = owners.entry(placement.owner(unit)).or_default();
            units.push(unit);
            keys.push(key.clone());
        }
        let mut answers = Vec::new();
        for (units, keys) in owners.into_values() {
            let answer = ask(units.clone(), keys.clone()).await;
            match answer.map_err(|error| of_whole(!answers.is_empty(), error))? {
                Some(answer) => answers.push(answer),
                // They have come to be on different nodes since they were put together.
                None => {
                    for (unit, key) in units.into_iter().zip(keys) {
                        let answer = ask(vec![unit], vec![key]).await;
                        answers.extend(answer.map_err(|error| of_whole(!answers.is_empty(), error))?);
                    }
                }
            }
        }
        Ok(answers)
    }

    async fn found(&self, id: &MessageId) -> Result<Option<(ChannelId, LogEntry)>, StoreError> {
        let mut patience = Patience::new(self.call_ms_max);
        loop {
            let placement = self.placement();
            match self.found_at(&placement, id, patience.left_ms()).await {
                Ok(found) => return Ok(found),
                Err(unanswered) => self.settle(&mut patience, unanswered).await?,
            }
        }
    }

    /// The entry as the nodes of this placement have it.
    async fn found_at(
        &self,
        placement: &Placement,
        id: &MessageId,
        left_ms: u64,
    ) -> Result<Option<(ChannelId, LogEntry)>, Unanswered> {
        let call = MessagesCall::ById { id: id.clone() };
        for node in &placement.nodes {
            if let Some(found) = self.send(node, &call, left_ms, Some(placement.version)).await? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

#[async_trait]
impl Messages for Ports<Placed> {
    async fn lease(
        &self,
        owner: &str,
        incarnation: &str,
        shards: &[u16],
        ttl_ms: u64,
    ) -> Result<Vec<Lease>, StoreError> {
        let Self(nodes, _) = self;
        let make = |shards: Vec<u16>| {
            let (owner, incarnation) = (owner.to_owned(), incarnation.to_owned());
            MessagesCall::Lease { owner, incarnation, shards, ttl_ms }
        };
        nodes.leased(shards, nodes.call_ms_max.min(ttl_ms / 4), &make).await
    }

    async fn release(&self, owner: &str, incarnation: &str, shards: &[u16]) -> Result<(), StoreError> {
        let Self(nodes, _) = self;
        let make = |shards: Vec<u16>| {
            let (owner, incarnation) = (owner.to_owned(), incarnation.to_owned());
            MessagesCall::Release { owner, incarnation, shards }
        };
        nodes.leased(shards, nodes.call_ms_max, &make).await.map(drop)
    }

    async fn leases(&self) -> Result<Vec<Lease>, StoreError> {
        let Self(nodes, _) = self;
        let mut patience = Patience::new(nodes.call_ms_max);
        loop {
            let placement = nodes.placement();
            let (left_ms, version) = (patience.left_ms(), Some(placement.version));
            let ask = |node| nodes.send(node, &MessagesCall::Leases, left_ms, version);
            let mut answers = Vec::new();
            let mut moved = None;
            for answer in join_all(placement.nodes.iter().map(ask)).await {
                match answer {
                    Ok(leases) => answers.push(Ok(leases)),
                    Err(Unanswered::Failed(error, _)) => answers.push(Err(error)),
                    Err(Unanswered::Moved(node, version)) => moved = Some((node, version)),
                }
            }
            let Some((node, version)) = moved else { return reached(answers) };
            nodes.settle(&mut patience, Unanswered::Moved(node, version)).await?;
        }
    }

    async fn append(&self, append: Append) -> Result<Appended, StoreError> {
        let Self(nodes, _) = self;
        nodes.call_unit(append.shard, &MessagesCall::Append(append)).await
    }

    async fn read(&self, channel: &ChannelId, range: Range, limit: usize) -> Result<Vec<LogEntry>, StoreError> {
        let Self(nodes, _) = self;
        let call = MessagesCall::Read { channel: channel.clone(), range, limit };
        nodes.read_unit(nodes.unit_of(&channel.0), &call).await
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
        nodes.read_unit(nodes.unit_of(&channel.0), &call).await
    }

    async fn entries(&self, channel: &ChannelId, seqs: &[u64]) -> Result<Vec<LogEntry>, StoreError> {
        let Self(nodes, _) = self;
        let ask = |seqs| async move {
            let call = MessagesCall::Entries { channel: channel.clone(), seqs };
            nodes.read_unit(nodes.unit_of(&channel.0), &call).await
        };
        whole(seqs, ask).await
    }

    async fn heads(&self, channels: &[ChannelId]) -> Result<Vec<(ChannelId, Head)>, StoreError> {
        let Self(nodes, _) = self;
        let ask = |units: Vec<u16>, channels| async move {
            let call = MessagesCall::Heads { channels };
            nodes.again(|| nodes.call_units::<_, Vec<(ChannelId, Head)>>(&units, &call, 0)).await
        };
        Ok(nodes.by_key(channels, |channel| &channel.0, ask).await?.into_iter().flatten().collect())
    }

    async fn by_id(&self, id: &MessageId) -> Result<Option<(ChannelId, LogEntry)>, StoreError> {
        let Self(nodes, _) = self;
        nodes.again(|| nodes.found(id)).await
    }

    async fn unpublished(&self, shard: u16, limit: usize) -> Result<Vec<Unpublished>, StoreError> {
        let Self(nodes, _) = self;
        nodes.read_unit(shard, &MessagesCall::Unpublished { shard, limit }).await
    }

    async fn mark_published(&self, shard: u16, channel: &ChannelId, seq: u64) -> Result<(), StoreError> {
        let Self(nodes, _) = self;
        let call = MessagesCall::MarkPublished { shard, channel: channel.clone(), seq };
        nodes.call_unit::<_, Value>(shard, &call).await.map(drop)
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
        nodes.call_unit(nodes.unit_of(reader), &call).await
    }

    async fn note_mentions(&self, channel: &ChannelId, seq: u64, readers: &[String]) -> Result<(), StoreError> {
        let Self(nodes, _) = self;
        let ask = |units: Vec<u16>, readers| async move {
            let call = MessagesCall::NoteMentions { channel: channel.clone(), seq, readers };
            nodes.call_units::<_, Value>(&units, &call, 0).await
        };
        nodes.by_key(readers, String::as_str, ask).await.map(drop)
    }

    async fn read_states(&self, reader: &str) -> Result<Vec<ReadState>, StoreError> {
        let Self(nodes, _) = self;
        nodes.read_unit(nodes.unit_of(reader), &MessagesCall::ReadStates { reader: reader.to_owned() }).await
    }
}
