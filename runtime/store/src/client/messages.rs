//! The messages port on [`PlacedClient`]: calls go to the owner of what they touch, which may be moving; what is asked of all nodes is
//! put together.

use std::collections::BTreeMap;

use archgen_ports::{
    ChannelId, MessageId, StoreError,
    messages::{Append, Appended, Counts, Head, Lease, LogEntry, Messages, Range, ReadState, Unpublished},
};
use async_trait::async_trait;
use futures_util::future::join_all;
use serde_json::Value;

use super::{
    PlacedClient,
    placed::{Patience, Unanswered, no_node},
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

/// The leases of the nodes that answered, by shard: one that is down takes away its own shards only.
fn reached(answers: Vec<Result<Vec<Lease>, StoreError>>) -> Result<Vec<Lease>, StoreError> {
    let mut leases: Vec<Lease> = Vec::new();
    let mut failed = None;
    let mut answered = false;
    for answer in answers {
        match answer {
            Ok(some) => {
                answered = true;
                leases.extend(some);
            }
            Err(error) => failed = Some(error),
        }
    }
    match failed {
        Some(error) if !answered => return Err(error),
        Some(error) => tracing::warn!(%error, "a node does not say who owns its shards"),
        None => {}
    }
    leases.sort_by_key(|l| l.shard);
    Ok(leases)
}

impl PlacedClient {
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
                self.send::<_, Option<Vec<Lease>>>(node, "messages", call, left_ms, None).await
            });
            let mut answers = Vec::new();
            let mut moved = None;
            let mut unsent = false;
            for answer in join_all(calls).await {
                match answer {
                    Ok(leases) => answers.push(Ok(leases.unwrap_or_default())),
                    Err(Unanswered::Moved(found)) => moved = Some(found),
                    Err(Unanswered::Failed(error, never)) => {
                        unsent |= never;
                        answers.push(Err(error));
                    }
                }
            }
            let unanswered = match moved {
                // Asking again renews what was granted just now.
                Some(found) => Unanswered::Moved(found),
                None => match reached(answers) {
                    Ok(leases) => return Ok(leases),
                    Err(error) => Unanswered::Failed(error, unsent),
                },
            };
            self.settle(&mut patience, unanswered).await?;
        }
    }

    /// Heads of channels whose units all have one owner; `None` where they no longer do.
    async fn heads_of(&self, channels: &[ChannelId]) -> Result<Option<Vec<(ChannelId, Head)>>, StoreError> {
        let mut patience = Patience::new(self.call_ms_max);
        let call = MessagesCall::Heads { channels: channels.to_vec() };
        loop {
            let placement = self.placement();
            let mut owners: Vec<u32> = channels.iter().map(|c| placement.owner(self.unit_of(&c.0))).collect();
            owners.dedup();
            let [owner] = owners.as_slice() else { return Ok(None) };
            let node = placement.nodes.get(*owner as usize).ok_or_else(no_node)?;
            match self.send(node, "messages", &call, patience.left_ms(), None).await {
                Ok(heads) => return Ok(Some(heads)),
                Err(unanswered) => self.settle(&mut patience, unanswered).await?,
            }
        }
    }

    /// Notes mentions of readers whose units all have one owner; `false` where they no longer do.
    async fn note_at_one(&self, channel: &ChannelId, seq: u64, readers: &[String]) -> Result<bool, StoreError> {
        let mut patience = Patience::new(self.call_ms_max);
        let call = MessagesCall::NoteMentions { channel: channel.clone(), seq, readers: readers.to_vec() };
        loop {
            let placement = self.placement();
            let mut owners: Vec<u32> = readers.iter().map(|r| placement.owner(self.unit_of(r))).collect();
            owners.dedup();
            let [owner] = owners.as_slice() else { return Ok(false) };
            let node = placement.nodes.get(*owner as usize).ok_or_else(no_node)?;
            match self.send::<_, Value>(node, "messages", &call, patience.left_ms(), None).await {
                Ok(_) => return Ok(true),
                Err(unanswered) => self.settle(&mut patience, unanswered).await?,
            }
        }
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
            if let Some(found) = self.send(node, "messages", &call, left_ms, Some(placement.version)).await? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

#[async_trait]
impl Messages for PlacedClient {
    async fn lease(
        &self,
        owner: &str,
        incarnation: &str,
        shards: &[u16],
        ttl_ms: u64,
    ) -> Result<Vec<Lease>, StoreError> {
        let make = |shards: Vec<u16>| {
            let (owner, incarnation) = (owner.to_owned(), incarnation.to_owned());
            MessagesCall::Lease { owner, incarnation, shards, ttl_ms }
        };
        self.leased(shards, self.call_ms_max.min(ttl_ms / 4), &make).await
    }

    async fn release(&self, owner: &str, incarnation: &str, shards: &[u16]) -> Result<(), StoreError> {
        let make = |shards: Vec<u16>| {
            let (owner, incarnation) = (owner.to_owned(), incarnation.to_owned());
            MessagesCall::Release { owner, incarnation, shards }
        };
        self.leased(shards, self.call_ms_max, &make).await.map(drop)
    }

    async fn leases(&self) -> Result<Vec<Lease>, StoreError> {
        let mut patience = Patience::new(self.call_ms_max);
        loop {
            let placement = self.placement();
            let (left_ms, version) = (patience.left_ms(), Some(placement.version));
            let ask = |node| self.send(node, "messages", &MessagesCall::Leases, left_ms, version);
            let mut answers = Vec::new();
            let mut moved = None;
            for answer in join_all(placement.nodes.iter().map(ask)).await {
                match answer {
                    Ok(leases) => answers.push(Ok(leases)),
                    Err(Unanswered::Failed(error, _)) => answers.push(Err(error)),
                    Err(Unanswered::Moved(found)) => moved = Some(found),
                }
            }
            let Some(found) = moved else { return reached(answers) };
            self.settle(&mut patience, Unanswered::Moved(found)).await?;
        }
    }

    async fn append(&self, append: Append) -> Result<Appended, StoreError> {
        self.call_unit(append.shard, &MessagesCall::Append(append)).await
    }

    async fn read(&self, channel: &ChannelId, range: Range, limit: usize) -> Result<Vec<LogEntry>, StoreError> {
        let call = MessagesCall::Read { channel: channel.clone(), range, limit };
        self.read_unit(self.unit_of(&channel.0), &call).await
    }

    async fn indexed(
        &self,
        channel: &ChannelId,
        index: &str,
        after_seq: u64,
        limit: usize,
    ) -> Result<Vec<LogEntry>, StoreError> {
        let call = MessagesCall::Indexed { channel: channel.clone(), index: index.to_owned(), after_seq, limit };
        self.read_unit(self.unit_of(&channel.0), &call).await
    }

    async fn entries(&self, channel: &ChannelId, seqs: &[u64]) -> Result<Vec<LogEntry>, StoreError> {
        let mut found: Vec<LogEntry> = Vec::new();
        let mut left = seqs;
        // An answer is bounded in bytes: what did not fit is asked for again.
        while !left.is_empty() {
            let call = MessagesCall::Entries { channel: channel.clone(), seqs: left.to_vec() };
            let some: Vec<LogEntry> = self.read_unit(self.unit_of(&channel.0), &call).await?;
            let Some(last) = some.last().map(|e| e.position.seq) else { break };
            let asked = left.iter().position(|seq| *seq == last).map_or(left.len(), |at| at + 1);
            left = &left[asked..];
            found.extend(some);
        }
        Ok(found)
    }

    async fn heads(&self, channels: &[ChannelId]) -> Result<Vec<(ChannelId, Head)>, StoreError> {
        let mut by_owner: BTreeMap<u32, Vec<ChannelId>> = BTreeMap::new();
        let placement = self.placement();
        for channel in channels {
            by_owner.entry(placement.owner(self.unit_of(&channel.0))).or_default().push(channel.clone());
        }
        let mut heads: Vec<(ChannelId, Head)> = Vec::new();
        for channels in by_owner.into_values() {
            match self.again(|| self.heads_of(&channels)).await? {
                Some(some) => heads.extend(some),
                // They have come to be on different nodes since they were put together.
                None => {
                    for channel in channels {
                        heads.extend(self.heads_of(&[channel]).await?.unwrap_or_default());
                    }
                }
            }
        }
        Ok(heads)
    }

    async fn by_id(&self, id: &MessageId) -> Result<Option<(ChannelId, LogEntry)>, StoreError> {
        self.again(|| self.found(id)).await
    }

    async fn unpublished(&self, shard: u16, limit: usize) -> Result<Vec<Unpublished>, StoreError> {
        self.read_unit(shard, &MessagesCall::Unpublished { shard, limit }).await
    }

    async fn mark_published(&self, shard: u16, channel: &ChannelId, seq: u64) -> Result<(), StoreError> {
        let call = MessagesCall::MarkPublished { shard, channel: channel.clone(), seq };
        self.call_unit::<_, Value>(shard, &call).await.map(drop)
    }

    async fn set_read(
        &self,
        reader: &str,
        channel: &ChannelId,
        seq: u64,
        counts: Counts,
    ) -> Result<ReadState, StoreError> {
        let call = MessagesCall::SetRead { reader: reader.to_owned(), channel: channel.clone(), seq, counts };
        self.call_unit(self.unit_of(reader), &call).await
    }

    async fn note_mentions(&self, channel: &ChannelId, seq: u64, readers: &[String]) -> Result<(), StoreError> {
        let mut by_owner: BTreeMap<u32, Vec<String>> = BTreeMap::new();
        let placement = self.placement();
        for reader in readers {
            by_owner.entry(placement.owner(self.unit_of(reader))).or_default().push(reader.clone());
        }
        for readers in by_owner.into_values() {
            if !self.note_at_one(channel, seq, &readers).await? {
                // They have come to be on different nodes since they were put together.
                for reader in &readers {
                    self.note_at_one(channel, seq, std::slice::from_ref(reader)).await?;
                }
            }
        }
        Ok(())
    }

    async fn read_states(&self, reader: &str) -> Result<Vec<ReadState>, StoreError> {
        self.read_unit(self.unit_of(reader), &MessagesCall::ReadStates { reader: reader.to_owned() }).await
    }
}
