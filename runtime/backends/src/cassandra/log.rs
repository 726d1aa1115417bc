//! Reading channels' logs: what stands of the rows, with its revisions.

use std::collections::BTreeMap;

use archgen_ports::{
    ChannelId, MessageId, Position, StoreError,
    messages::{Counts, LogEntry, NewEntry, Range},
};
use futures_util::{StreamExt, TryStreamExt, future::try_join, stream};
use serde_json::Value;

use super::{
    link::{Link, big, int, text},
    statements::Cql,
    terms::{Begin, Terms, bucket, bucket_end, epoch_of, standing},
};

/// Rows asked for at once.
const ROWS_MAX: usize = 300;
/// Entries read at once.
const AT_ONCE: usize = 16;
/// Entries of one answer, bytes of JSON.
const PAGE_BYTES_MAX: usize = 4 << 20;

/// An entry as it was written.
#[derive(Debug, Clone)]
pub(super) struct Written {
    pub(super) seq: i64,
    pub(super) term: i64,
    /// First sequence number of the append that it came with.
    pub(super) batch: i64,
    pub(super) counts: Counts,
    pub(super) entry: NewEntry,
    /// When it was written, microseconds.
    pub(super) stamp: i64,
    bytes: usize,
}

type EntryRow = (i64, i64, Option<i64>, Option<i64>, Option<i64>, Option<String>, Option<i64>);

fn unreadable(what: &str, why: &dyn std::fmt::Display) -> StoreError {
    StoreError::Refused(format!("{what} cannot be read: {why}"))
}

fn written(row: EntryRow) -> Result<Option<Written>, StoreError> {
    let (seq, term, batch, messages, everyone, Some(json), stamp) = row else { return Ok(None) };
    let entry = serde_json::from_str(&json).map_err(|error| unreadable("an entry", &error))?;
    let (batch, stamp) = (batch.unwrap_or(seq), stamp.unwrap_or(0));
    let counts = counts(messages, everyone);
    Ok(Some(Written { seq, term, batch, counts, entry, stamp, bytes: json.len() }))
}

/// Counts from their columns.
pub(super) fn counts(messages: Option<i64>, everyone: Option<i64>) -> Counts {
    let whole = |column: Option<i64>| column.unwrap_or(0).max(0) as u64;
    Counts { messages: whole(messages), everyone: whole(everyone) }
}

/// The entry of a write, without its revisions.
pub(super) fn log_entry(seq: i64, term: i64, counts: Counts, entry: NewEntry) -> LogEntry {
    LogEntry {
        position: Position { epoch: epoch_of(term), seq: seq as u64 },
        id: entry.id,
        kind: entry.kind,
        author: entry.author,
        ts: entry.ts,
        client_msg_id: entry.client_msg_id,
        data: entry.data,
        counts,
        revised_by: 0,
        deleted: false,
    }
}

fn channel_bucket(channel: &ChannelId, bucket: i64) -> [Option<scylla::value::CqlValue>; 2] {
    [text(channel.as_str()), big(bucket)]
}

type TermRow = (Option<i64>, Option<i64>, Option<i64>, Option<i64>, Option<i64>);

/// The terms of a channel.
pub(super) async fn terms(link: &Link, channel: &ChannelId) -> Result<Terms, StoreError> {
    let rows: Vec<TermRow> = link.rows(Cql::Terms, vec![text(channel.as_str())]).await?;
    let published = rows.first().and_then(|row| row.4).unwrap_or(0);
    // A channel without terms may have a row for its published mark alone.
    let begins = rows.into_iter().filter_map(|(term, seq, messages, everyone, _)| {
        Some(Begin { term: term?, seq: seq?, counts: counts(messages, everyone) })
    });
    Ok(Terms { begins: begins.collect(), published })
}

/// The end of a log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct End {
    pub(super) seq: i64,
    pub(super) term: i64,
    pub(super) counts: Counts,
}

/// The last entry that stands; `seq` is 0 in a channel that was never written to.
pub(super) async fn head(link: &Link, channel: &ChannelId, terms: &Terms) -> Result<End, StoreError> {
    let floor = terms.floor();
    let Some(newest) = terms.begins.first() else { return Ok(End::default()) };
    let mut found = None;
    for number in bucket(floor).. {
        match newest_in(link, channel, terms, number, floor - 1).await? {
            Some(newest) => found = Some(newest),
            None => break,
        }
        if found.is_none_or(|end| end.seq < bucket_end(number)) {
            break;
        }
    }
    // Where the entries themselves are over their time, the marks still say how far the log went.
    let expired = terms.begins.iter().find(|begin| begin.seq <= floor).unwrap_or(newest);
    Ok(found.unwrap_or(End { seq: floor, term: expired.term, counts: newest.counts }))
}

/// The newest place of a bucket that stands, above `above`.
async fn newest_in(
    link: &Link,
    channel: &ChannelId,
    terms: &Terms,
    number: i64,
    above: i64,
) -> Result<Option<End>, StoreError> {
    let mut below = i64::MAX;
    loop {
        let [channel, number] = channel_bucket(channel, number);
        let values = vec![channel, number, big(above), big(below), int(ROWS_MAX as i32)];
        let rows: Vec<(i64, i64, Option<i64>, Option<i64>)> = link.rows(Cql::Places, values).await?;
        let last = rows.last().map(|row| row.0);
        let whole = rows.len() < ROWS_MAX;
        let stand = rows.into_iter().filter(|row| terms.stands(row.0, row.1)).max();
        let newest = stand.map(|(seq, term, m, e)| End { seq, term, counts: counts(m, e) });
        match (newest, last) {
            (Some(newest), _) => return Ok(Some(newest)),
            (None, Some(last)) if !whole && last < below => below = last,
            (None, _) => return Ok(None),
        }
    }
}

/// Some rows of a bucket, in order; whether there may be more.
struct Rows {
    rows: Vec<Written>,
    more: bool,
}

impl Rows {
    /// Rows from an answer to a question for at most `asked`. Those of the last place are left to the next answer, because not all
    /// of its terms may be here.
    fn new(answer: Vec<EntryRow>, asked: usize) -> Result<Self, StoreError> {
        let more = answer.len() >= asked;
        let parsed: Result<Vec<Option<Written>>, StoreError> = answer.into_iter().map(written).collect();
        let mut rows: Vec<Written> = parsed?.into_iter().flatten().collect();
        if more && let Some(last) = rows.last().map(|row| row.seq) {
            let cut = rows.partition_point(|row| row.seq != last);
            if cut > 0 {
                rows.truncate(cut);
            }
        }
        Ok(Self { rows, more })
    }
}

/// A few rows more than are wanted: some may not stand.
fn asked(limit: usize) -> usize {
    (limit + 8).min(ROWS_MAX)
}

fn stand(terms: &Terms, rows: Vec<Written>) -> Vec<Written> {
    let rows = rows.into_iter().map(|row| (row.seq, row.term, row)).collect();
    standing(terms, rows).into_iter().map(|(.., row)| row).collect()
}

async fn some(
    link: &Link,
    cql: Cql,
    channel: &ChannelId,
    (number, beyond): (i64, i64),
    limit: usize,
) -> Result<Rows, StoreError> {
    let [channel, number] = channel_bucket(channel, number);
    let asked = asked(limit);
    Rows::new(link.rows(cql, vec![channel, number, big(beyond), int(asked as i32)]).await?, asked)
}

/// What is kept of a page while it is read.
struct Page {
    kept: Vec<Written>,
    bytes: usize,
    limit: usize,
}

impl Page {
    /// Takes rows while there is room; whether there still is.
    fn take(&mut self, rows: Vec<Written>) -> bool {
        for row in rows {
            self.bytes += row.bytes;
            if self.bytes > PAGE_BYTES_MAX && !self.kept.is_empty() {
                return false;
            }
            self.kept.push(row);
            if self.kept.len() >= self.limit {
                return false;
            }
        }
        true
    }

    fn room(&self) -> usize {
        self.limit - self.kept.len()
    }
}

/// Entries after `seq`, ascending.
async fn up(link: &Link, channel: &ChannelId, after: i64, limit: usize) -> Result<(Terms, Vec<Written>), StoreError> {
    let (mut number, mut at) = (bucket(after + 1), after);
    let first = some(link, Cql::Up, channel, (number, at), limit);
    let (terms, mut found) = try_join(terms(link, channel), first).await?;
    let mut page = Page { kept: Vec::new(), bytes: 0, limit };
    loop {
        at = found.rows.last().map_or(at, |row| row.seq);
        if !page.take(stand(&terms, found.rows)) {
            break;
        }
        if !found.more {
            let end = bucket_end(number);
            // The log goes on in the next bucket only where this one is full, or was and is over its time.
            if page.kept.last().map_or(after, |row| row.seq) < end && terms.floor() <= end {
                break;
            }
            number += 1;
        }
        found = some(link, Cql::Up, channel, (number, at), page.room()).await?;
    }
    Ok((terms, page.kept))
}

/// The newest entries up to this place, descending.
async fn down(
    link: &Link,
    channel: &ChannelId,
    terms: &Terms,
    head: i64,
    limit: usize,
) -> Result<Vec<Written>, StoreError> {
    let (mut number, mut below) = (bucket(head), head + 1);
    let mut page = Page { kept: Vec::new(), bytes: 0, limit };
    while below > 1 {
        let found = some(link, Cql::Down, channel, (number, below), page.room()).await?;
        below = found.rows.last().map_or(below, |row| row.seq);
        if !page.take(stand(terms, found.rows)) || (!found.more && number == 0) {
            break;
        }
        if !found.more {
            number -= 1;
        }
    }
    Ok(page.kept)
}

/// The newest entries up to this place, ascending, at most `limit`.
pub(super) async fn tail(
    link: &Link,
    channel: &ChannelId,
    terms: &Terms,
    head: i64,
    limit: usize,
) -> Result<Vec<Written>, StoreError> {
    let mut rows = down(link, channel, terms, head, limit).await?;
    rows.reverse();
    Ok(rows)
}

/// A part of a log, ascending, as it stands now.
pub(super) async fn read(
    link: &Link,
    channel: &ChannelId,
    range: Range,
    limit: usize,
) -> Result<Vec<LogEntry>, StoreError> {
    let whole = |seq: u64| i64::try_from(seq).unwrap_or(i64::MAX - 1);
    let (terms, rows) = match range {
        _ if limit == 0 => return Ok(Vec::new()),
        Range::After(seq) => up(link, channel, whole(seq), limit).await?,
        Range::Before(_) | Range::Latest => {
            let terms = terms(link, channel).await?;
            let head = head(link, channel, &terms).await?.seq;
            let last = if let Range::Before(seq) = range { head.min(whole(seq) - 1) } else { head };
            let rows = tail(link, channel, &terms, last, limit).await?;
            (terms, rows)
        }
    };
    revised(link, channel, &terms, rows).await
}

type RevisionRow = (i64, i64, i64, Option<bool>, Option<String>);

/// The entries with what their revisions made of them.
async fn revised(
    link: &Link,
    channel: &ChannelId,
    terms: &Terms,
    rows: Vec<Written>,
) -> Result<Vec<LogEntry>, StoreError> {
    let mut entries: Vec<LogEntry> =
        rows.into_iter().map(|row| log_entry(row.seq, row.term, row.counts, row.entry)).collect();
    let mut ranges: BTreeMap<i64, (i64, i64)> = BTreeMap::new();
    for entry in &entries {
        let seq = entry.position.seq as i64;
        let range = ranges.entry(bucket(seq)).or_insert((seq, seq));
        *range = (range.0.min(seq), range.1.max(seq));
    }
    for (number, (from, to)) in ranges {
        let [its, of] = channel_bucket(channel, number);
        let rows: Vec<RevisionRow> = link.rows(Cql::Revisions, vec![its, of, big(from), big(to)]).await?;
        // Ascending, so that the newest decides.
        for (target, seq, term, deleted, data) in rows {
            if !terms.stands(seq, term) {
                continue;
            }
            let Some(entry) = entries.iter_mut().find(|e| e.position.seq as i64 == target) else { continue };
            entry.revised_by = seq as u64;
            // What is deleted stays deleted, whatever comes after.
            entry.deleted = entry.deleted || deleted.unwrap_or(false);
            entry.data = match data {
                Some(json) if !entry.deleted => {
                    serde_json::from_str(&json).map_err(|error| unreadable("a revision", &error))?
                }
                _ => Value::Null,
            };
        }
    }
    Ok(entries)
}

/// The entry at a place, as it stands now.
pub(super) async fn at(link: &Link, channel: &ChannelId, seq: i64) -> Result<Option<LogEntry>, StoreError> {
    let found = read(link, channel, Range::After(seq.max(1) as u64 - 1), 1).await?;
    Ok(found.into_iter().next().filter(|entry| entry.position.seq as i64 == seq))
}

/// The entries at these places, as they are asked for.
pub(super) async fn entries(link: &Link, channel: &ChannelId, seqs: &[u64]) -> Result<Vec<LogEntry>, StoreError> {
    let found = stream::iter(seqs.to_vec()).map(|seq| at(link, channel, seq as i64)).buffered(AT_ONCE);
    let found: Vec<Option<LogEntry>> = found.try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

/// Entries of an index after a place. The index is written beside the log.
pub(super) async fn indexed(
    link: &Link,
    channel: &ChannelId,
    name: &str,
    after_seq: u64,
    limit: usize,
) -> Result<Vec<LogEntry>, StoreError> {
    let terms = terms(link, channel).await?;
    let (mut found, mut after) = (Vec::new(), after_seq as i64);
    while found.len() < limit {
        let asked = asked(limit);
        let values = vec![text(channel.as_str()), text(name), big(after), int(asked as i32)];
        let rows: Vec<(i64, i64)> = link.rows(Cql::Indexed, values).await?;
        let more = rows.len() >= asked;
        after = rows.last().map_or(after, |(seq, _)| *seq);
        let places = rows.into_iter().filter(|(seq, term)| terms.stands(*seq, *term)).map(|(seq, _)| seq as u64);
        let mut places: Vec<u64> = places.collect();
        places.dedup();
        places.truncate(limit - found.len());
        found.extend(entries(link, channel, &places).await?);
        if !more {
            break;
        }
    }
    Ok(found)
}

/// The entry of an id. The index is written beside the log, so that it may point where the log has another entry.
pub(super) async fn by_id(link: &Link, id: &MessageId) -> Result<Option<(ChannelId, LogEntry)>, StoreError> {
    let places: Vec<(String, i64)> = link.rows(Cql::ById, vec![text(id.as_str())]).await?;
    for (channel, seq) in places {
        let channel = ChannelId(channel);
        if let Some(entry) = at(link, &channel, seq).await?
            && entry.id == *id
        {
            return Ok(Some((channel, entry)));
        }
    }
    Ok(None)
}
