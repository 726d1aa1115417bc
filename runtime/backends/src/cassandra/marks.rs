//! Marks: what is published of each channel, and how far users have read. All of them only rise, because each is written under
//! itself as the timestamp: the greatest wins, whatever the order of arrival.

use std::collections::{BTreeMap, BTreeSet};

use archgen_ports::{
    ChannelId, StoreError,
    messages::{Counts, MENTIONS_MAX, ReadState, Unpublished},
};
use futures_util::{StreamExt, TryStreamExt, future::try_join, stream};

use super::{
    channels::Channels,
    link::{Link, Values, big, int, text},
    log,
    statements::Cql,
};

/// Hours that are searched for channels with unpublished entries; what is older is as old as the topic itself keeps anything.
const HOURS_MAX: i64 = 7 * 24;
/// Questions asked at once.
const AT_ONCE: usize = 16;

/// The hour, counted from the Unix epoch.
pub(super) fn hour(link: &Link) -> i64 {
    (link.env.wall_ms() / 3_600_000) as i64
}

/// Lists a channel as written to in an hour.
pub(super) fn touch(shard: u16, hour: i64, channel: &ChannelId) -> (Cql, Values) {
    (Cql::TouchedPut, vec![int(i32::from(shard)), big(hour), text(channel.as_str())])
}

/// The channels of a shard that were written to since all of it was published.
async fn touched(link: &Link, shard: u16) -> Result<BTreeSet<ChannelId>, StoreError> {
    let clean: Vec<(Option<i64>,)> = link.rows(Cql::Clean, vec![int(i32::from(shard))]).await?;
    let now = hour(link);
    // An hour more on each side, for owners whose clocks differ.
    let clean = clean.first().and_then(|row| row.0).unwrap_or(0) - 1;
    let hours = stream::iter((now - HOURS_MAX).max(clean)..=now + 1)
        .map(|hour| async move { link.rows::<(String,)>(Cql::Touched, vec![int(i32::from(shard)), big(hour)]).await });
    let rows: Vec<Vec<(String,)>> = hours.buffer_unordered(AT_ONCE).try_collect().await?;
    Ok(rows.into_iter().flatten().map(|(channel,)| ChannelId(channel)).collect())
}

/// See [`archgen_ports::messages::Messages::unpublished`].
pub(super) async fn unpublished(
    link: &Link,
    channels: &Channels,
    shard: u16,
    limit: usize,
) -> Result<Vec<Unpublished>, StoreError> {
    let known = match channels.unpublished(shard) {
        Some(known) => known,
        None => {
            // What is appended meanwhile is added by the append itself.
            channels.to_publish(shard, [], true);
            match touched(link, shard).await {
                Ok(found) => {
                    channels.to_publish(shard, found, true);
                    channels.unpublished(shard).unwrap_or_default()
                }
                Err(error) => {
                    channels.forget_shard(shard);
                    return Err(error);
                }
            }
        }
    };
    let none = known.is_empty();
    let looked = stream::iter(known).map(|channel| async move {
        let terms = log::terms(link, &channel).await?;
        let head = log::head(link, &channel, &terms).await?.seq;
        Ok::<_, StoreError>(Unpublished { channel, published: terms.published as u64, head: head as u64 })
    });
    let mut waiting = Vec::new();
    let mut looked = looked.buffered(AT_ONCE);
    while waiting.len() < limit
        && let Some(found) = looked.next().await
    {
        let found = found?;
        if found.published < found.head {
            waiting.push(found);
        }
    }
    drop(looked);
    if none {
        let now = hour(link);
        let written = link.write(Cql::CleanPut, vec![big(now), big(now), int(i32::from(shard))], None);
        // It only makes the next owner's search shorter.
        let _ = link.guard.write(written).await;
    }
    Ok(waiting)
}

/// See [`archgen_ports::messages::Messages::mark_published`].
pub(super) async fn mark_published(
    link: &Link,
    channels: &Channels,
    shard: u16,
    channel: &ChannelId,
    seq: u64,
) -> Result<(), StoreError> {
    let seq = seq as i64;
    let values = vec![big(seq), big(seq), text(channel.as_str())];
    link.guard.write(link.write(Cql::Published, values, None)).await?;
    let slot = channels.slot(channel);
    // While somebody appends there is more to publish anyhow.
    if let Ok(turn) = slot.try_lock()
        && turn.as_ref().is_some_and(|known| known.head <= seq)
    {
        channels.published(shard, channel);
    }
    Ok(())
}

type MarkRow = (String, Option<i64>, Option<i64>, Option<i64>);

fn mark((channel, seq, messages, everyone): MarkRow) -> ReadState {
    ReadState {
        channel: ChannelId(channel),
        seq: seq.unwrap_or(0) as u64,
        counts: log::counts(messages, everyone),
        mentions: BTreeSet::new(),
    }
}

/// See [`archgen_ports::messages::Messages::set_read`].
pub(super) async fn set_read(
    link: &Link,
    reader: &str,
    channel: &ChannelId,
    seq: u64,
    counts: Counts,
) -> Result<ReadState, StoreError> {
    let (whose, which, seq) = (text(reader), text(channel.as_str()), seq as i64);
    let counts = [big(counts.messages as i64), big(counts.everyone as i64), big(seq)];
    let values = [whose.clone(), which.clone(), big(seq)].into_iter().chain(counts).collect();
    link.guard.write(link.write(Cql::ReadMarkPut, values, None)).await?;
    let rows: Vec<MarkRow> = link.rows(Cql::ReadMark, vec![whose.clone(), which.clone()]).await?;
    let row = rows.into_iter().next();
    let mut state = mark(row.ok_or_else(|| StoreError::Indeterminate("the mark is not there".to_owned()))?);
    let read = vec![whose.clone(), which.clone(), big(state.seq as i64)];
    link.guard.write(link.write(Cql::MentionsRead, read.clone(), Some(link.stamps.next()))).await?;
    let values = read.into_iter().chain([int(MENTIONS_MAX as i32)]).collect();
    let rows: Vec<(String, i64)> = link.rows(Cql::MentionsIn, values).await?;
    state.mentions = rows.into_iter().map(|(_, seq)| seq as u64).collect();
    Ok(state)
}

/// See [`archgen_ports::messages::Messages::note_mentions`].
pub(super) async fn note_mentions(
    link: &Link,
    channel: &ChannelId,
    seq: u64,
    readers: &[String],
) -> Result<(), StoreError> {
    let noted = stream::iter(readers.to_vec()).map(|reader| {
        let values = vec![text(reader), text(channel.as_str()), big(seq as i64)];
        link.guard.write(link.write(Cql::MentionPut, values, Some(link.stamps.next())))
    });
    noted.buffer_unordered(AT_ONCE).try_collect().await
}

/// See [`archgen_ports::messages::Messages::read_states`].
pub(super) async fn read_states(link: &Link, reader: &str) -> Result<Vec<ReadState>, StoreError> {
    let marks = link.rows::<MarkRow>(Cql::ReadMarks, vec![text(reader)]);
    let (marks, mentions) = try_join(marks, link.rows::<(String, i64)>(Cql::Mentions, vec![text(reader)])).await?;
    let mut states: BTreeMap<ChannelId, ReadState> =
        marks.into_iter().map(mark).map(|state| (state.channel.clone(), state)).collect();
    for (channel, seq) in mentions {
        let state = states.entry(ChannelId(channel.clone())).or_insert_with(|| mark((channel, None, None, None)));
        // What is noted late was read before.
        if seq as u64 > state.seq && state.mentions.len() < MENTIONS_MAX {
            state.mentions.insert(seq as u64);
        }
    }
    Ok(states.into_values().collect())
}
