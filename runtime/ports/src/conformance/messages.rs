//! Messages: leases, fences, density, deduplication, revisions, marks.

use serde_json::json;

use super::{Violation, expectation::expect};
use crate::{
    ChannelId, MessageId, Position, UserId,
    messages::{Append, Appended, Counts, LogEntry, Messages, NewEntry, Range, ReadState, Revision},
};

const DEDUP_MS: u64 = 3_600_000;
const TTL_MS: u64 = 60_000;

fn entry(id: u64, client_id: Option<&str>) -> NewEntry {
    NewEntry {
        id: MessageId(id.to_string()),
        kind: "message.created".to_owned(),
        author: UserId::from("ada"),
        ts: id,
        client_msg_id: client_id.map(str::to_owned),
        data: json!({"body": format!("body {id}")}),
        adds: Counts { messages: 1, everyone: 0 },
        index: None,
        revises: None,
    }
}

fn append(shard: u16, channel: &ChannelId, epoch: u64, head: u64, entries: Vec<NewEntry>) -> Append {
    Append { shard, epoch, channel: channel.clone(), head, dedup_ms: DEDUP_MS, entries }
}

fn places(appended: Appended) -> Vec<(u64, bool)> {
    match appended {
        Appended::Applied(outcomes) => outcomes.iter().map(|o| (o.entry.position.seq, o.duplicate)).collect(),
        _ => Vec::new(),
    }
}

fn seqs(entries: &[LogEntry]) -> Vec<u64> {
    entries.iter().map(|e| e.position.seq).collect()
}

/// The whole port. `shard` is the ownership shard of `channel` in the store behind the port.
///
/// # Errors
/// The first broken promise.
pub async fn messages(port: &dyn Messages, channel: &ChannelId, shard: u16) -> Result<(), Violation> {
    leases(port, shard).await?;
    let epoch = port.lease("one", "life 2", &[shard], TTL_MS).await?[0].epoch;
    appends(port, channel, shard, epoch).await?;
    reads(port, channel).await?;
    revisions(port, channel, shard, epoch).await?;
    marks(port, channel, shard).await?;
    fences(port, channel, shard, epoch).await
}

async fn leases(port: &dyn Messages, shard: u16) -> Result<(), Violation> {
    let first = port.lease("one", "life 1", &[shard], TTL_MS).await?;
    expect("a free shard is granted under epoch 1", (first[0].owner.as_str(), first[0].epoch), ("one", 1))?;
    let again = port.lease("one", "life 1", &[shard], TTL_MS).await?;
    expect("a renewal keeps the epoch", again[0].epoch, 1)?;
    let other = port.lease("two", "life 1", &[shard], TTL_MS).await?;
    expect("a held shard stays with its owner", (other[0].owner.as_str(), other[0].epoch), ("one", 1))?;
    let restarted = port.lease("one", "life 2", &[shard], TTL_MS).await?;
    expect("another life of the owner takes it at once, under a new epoch", restarted[0].epoch, 2)?;
    port.release("one", "life 2", &[shard]).await?;
    let taken = port.lease("two", "life 1", &[shard], TTL_MS).await?;
    expect("a released shard is free", (taken[0].owner.as_str(), taken[0].epoch), ("two", 3))?;
    port.release("two", "life 1", &[shard]).await?;
    let listed = port.leases().await?;
    expect("all leases are listed", listed.iter().any(|l| l.shard == shard && l.epoch == 3), true)
}

async fn appends(port: &dyn Messages, channel: &ChannelId, shard: u16, epoch: u64) -> Result<(), Violation> {
    let batch = vec![entry(101, Some("a")), entry(102, Some("b")), entry(103, Some("a"))];
    let written = port.append(append(shard, channel, epoch, 0, batch)).await?;
    expect(
        "seq is dense, a client id counts once also in one batch",
        places(written),
        vec![(1, false), (2, false), (1, true)],
    )?;
    let retry = port.append(append(shard, channel, epoch, 2, vec![entry(104, Some("b")), entry(105, None)])).await?;
    expect("a retry is answered with the first result", places(retry), vec![(2, true), (3, false)])?;
    let stale = port.append(append(shard, channel, epoch, 2, vec![entry(106, None)])).await?;
    expect("a wrong head applies nothing", stale, Appended::HeadMoved { head: 3 })?;
    let heads = port.heads(&[channel.clone(), ChannelId::from("999")]).await?;
    let ends: Vec<_> = heads.iter().map(|(c, head)| (c.clone(), head.position, head.published)).collect();
    expect("heads are of channels that have one", ends, vec![(channel.clone(), Position { epoch, seq: 3 }, 0)])?;
    expect("and tell the counts", heads[0].1.counts, Counts { messages: 3, everyone: 0 })
}

async fn reads(port: &dyn Messages, channel: &ChannelId) -> Result<(), Violation> {
    expect("after", seqs(&port.read(channel, Range::After(1), 10).await?), vec![2, 3])?;
    expect("after, in pages", seqs(&port.read(channel, Range::After(0), 2).await?), vec![1, 2])?;
    expect("before, the newest, ascending", seqs(&port.read(channel, Range::Before(3), 1).await?), vec![2])?;
    expect("latest, ascending", seqs(&port.read(channel, Range::Latest, 2).await?), vec![2, 3])?;
    expect("beyond the head is nothing", seqs(&port.read(channel, Range::After(3), 2).await?), Vec::new())?;
    let counts = port.read(channel, Range::After(1), 1).await?[0].counts;
    expect("an entry tells the counts at its place", counts, Counts { messages: 2, everyone: 0 })?;
    expect("chosen places, as asked for", seqs(&port.entries(channel, &[3, 9, 1]).await?), vec![3, 1])?;
    let found = port.by_id(&MessageId::from("102")).await?;
    expect("an id finds its entry", found.map(|(c, e)| (c, e.position.seq)), Some((channel.clone(), 2)))?;
    expect("an unknown id finds none", port.by_id(&MessageId::from("1")).await?.is_none(), true)
}

async fn revisions(port: &dyn Messages, channel: &ChannelId, shard: u16, epoch: u64) -> Result<(), Violation> {
    let edit = NewEntry {
        kind: "message.edited".to_owned(),
        revises: Some(Revision { seq: 2, data: Some(json!({"body": "edited"})) }),
        ..entry(107, None)
    };
    port.append(append(shard, channel, epoch, 3, vec![edit])).await?;
    let current = port.read(channel, Range::After(1), 1).await?;
    expect(
        "an edit replaces content in place",
        (&current[0].data, current[0].revised_by),
        (&json!({"body": "edited"}), 4),
    )?;
    let delete = NewEntry {
        kind: "message.deleted".to_owned(),
        revises: Some(Revision { seq: 2, data: None }),
        ..entry(108, None)
    };
    port.append(append(shard, channel, epoch, 4, vec![delete])).await?;
    let current = port.read(channel, Range::After(1), 1).await?;
    expect("a delete keeps the place", (current[0].deleted, current[0].position.seq), (true, 2))?;
    expect("and no content", &current[0].data, &json!(null))?;
    let late = NewEntry {
        kind: "message.edited".to_owned(),
        revises: Some(Revision { seq: 2, data: Some(json!({"body": "late"})) }),
        ..entry(112, None)
    };
    port.append(append(shard, channel, epoch, 5, vec![late])).await?;
    let current = port.read(channel, Range::After(1), 1).await?;
    expect("what is deleted stays so", (current[0].deleted, &current[0].data), (true, &json!(null)))?;
    let retry = port.append(append(shard, channel, epoch, 6, vec![entry(113, Some("b"))])).await?;
    expect("a retry does not bring it back", places(retry), vec![(2, true)])?;
    let twice = vec![entry(114, None), entry(114, None)];
    let refused = port.append(append(shard, channel, epoch, 6, twice)).await;
    expect("an id is used once in an append", refused.is_err_and(|e| e.is_refusal()), true)?;
    expect("and a refusal applies nothing", seqs(&port.read(channel, Range::After(6), 9).await?), Vec::new())
}

async fn marks(port: &dyn Messages, channel: &ChannelId, shard: u16) -> Result<(), Violation> {
    let waiting = port.unpublished(shard, 10).await?;
    expect(
        "what was appended waits to be published",
        waiting.iter().map(|u| (u.published, u.head)).collect(),
        vec![(0, 6)],
    )?;
    port.mark_published(shard, channel, 3).await?;
    port.mark_published(shard, channel, 1).await?;
    let waiting = port.unpublished(shard, 10).await?;
    expect("the mark only rises", waiting.iter().map(|u| u.published).collect(), vec![3])?;
    port.mark_published(shard, channel, 6).await?;
    expect("what is published waits no more", port.unpublished(shard, 10).await?.len(), 0)?;
    let at = |messages| Counts { messages, everyone: 0 };
    port.note_mentions(channel, 2, &["ada".to_owned(), "bob".to_owned()]).await?;
    port.note_mentions(channel, 5, &["ada".to_owned()]).await?;
    port.note_mentions(channel, 5, &["ada".to_owned()]).await?;
    let mentions = |state: &ReadState| state.mentions.iter().copied().collect::<Vec<u64>>();
    let unread = port.read_states("ada").await?;
    expect("mentions, each once", unread.iter().map(mentions).collect(), vec![vec![2, 5]])?;
    let read = port.set_read("ada", channel, 4, at(4)).await?;
    expect("a read mark forgets what is before it", (read.seq, mentions(&read)), (4, vec![5]))?;
    let read = port.set_read("ada", channel, 2, at(2)).await?;
    expect("it only rises", (read.seq, read.counts), (4, at(4)))?;
    port.note_mentions(channel, 3, &["ada".to_owned()]).await?;
    let states = port.read_states("ada").await?;
    let states: Vec<_> = states.iter().map(|s| (s.channel.clone(), s.seq, mentions(s))).collect();
    expect("it is listed, without what is noted late", states, vec![(channel.clone(), 4, vec![5])])
}

async fn fences(port: &dyn Messages, channel: &ChannelId, shard: u16, epoch: u64) -> Result<(), Violation> {
    port.release("one", "life 2", &[shard]).await?;
    let newer = port.lease("two", "life 2", &[shard], TTL_MS).await?[0].epoch;
    expect("a change of owner raises the epoch", newer, epoch + 1)?;
    let stale = port.append(append(shard, channel, epoch, 6, vec![entry(109, None)])).await?;
    expect("a stale owner is fenced", stale, Appended::Fenced { epoch: newer })?;
    expect("and wrote nothing", seqs(&port.read(channel, Range::After(6), 9).await?), Vec::new())?;
    let written = port.append(append(shard, channel, newer, 6, vec![entry(110, Some("a"))])).await?;
    expect("deduplication outlives a change of owner", places(written), vec![(1, true)])?;
    let reply = NewEntry { adds: Counts::default(), index: Some("thread".to_owned()), ..entry(111, None) };
    let next = port.append(append(shard, channel, newer, 6, vec![reply, entry(115, None)])).await?;
    expect("and seq goes on densely", places(next), vec![(7, false), (8, false)])?;
    expect("an index finds its own", seqs(&port.indexed(channel, "thread", 0, 9).await?), vec![7])?;
    expect("after a place", seqs(&port.indexed(channel, "thread", 7, 9).await?), Vec::new())?;
    expect("another index has none", seqs(&port.indexed(channel, "thre", 0, 9).await?), Vec::new())?;
    let head = port.heads(std::slice::from_ref(channel)).await?[0].1;
    expect("what adds nothing is not counted", head.counts, Counts { messages: 7, everyone: 0 })
}
