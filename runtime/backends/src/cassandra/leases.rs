//! Leases of ownership shards: the only lightweight transactions.
//!
//! All leases are rows of one partition, and a change of some of them is one transaction on the partition's version. Time is
//! never compared between machines: who wants a shard must have seen its lease unchanged for the whole time to live, and who
//! holds it counts from before it asked. Both are durations on one machine's monotonic clock.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use archgen_ports::{StoreError, messages::Lease};
use tokio::time::{Instant, sleep};

use super::{
    link::{Link, Values, big, int, text},
    statements::Cql,
};
use crate::Failure;

/// Tries of a change that others keep getting ahead of.
const TRIES_MAX: u32 = 8;
/// Longest pause before the next try, milliseconds.
const PAUSE_MS_MAX: u64 = 40;
/// The part of a lease's time that is not used, for clocks that do not run alike: one in this many.
const MARGIN: u32 = 10;

/// A lease as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    shard: i32,
    owner: String,
    incarnation: String,
    epoch: i64,
    /// Changes at each renewal.
    beat: i64,
    ttl_ms: i64,
    held: bool,
}

type Stored =
    (Option<i64>, Option<i32>, Option<String>, Option<String>, Option<i64>, Option<i64>, Option<i64>, Option<bool>);

/// A lease as it was seen: since when it has not changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sight {
    epoch: i64,
    beat: i64,
    since: Instant,
}

/// What this process knows about leases.
#[derive(Default)]
pub(super) struct Leases {
    sights: Mutex<BTreeMap<i32, Sight>>,
    /// Granted to this process: shard to its epoch and to the time until which nobody else can have it.
    granted: Mutex<BTreeMap<u16, (u64, Instant)>>,
}

impl Leases {
    /// Until when nobody else can own the shard, where this process took it under this epoch.
    pub(super) fn certain_until(&self, shard: u16, epoch: u64) -> Option<Instant> {
        let granted = self.granted.lock().unwrap_or_else(PoisonError::into_inner);
        granted.get(&shard).filter(|(its, _)| *its == epoch).map(|(_, until)| *until)
    }

    /// Time left of a lease, milliseconds, as far as this process has watched it.
    fn left_ms(&self, row: &Row, now: Instant) -> u64 {
        let mut sights = self.sights.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = Sight { epoch: row.epoch, beat: row.beat, since: now };
        let sight = sights.entry(row.shard).or_insert(fresh);
        if (sight.epoch, sight.beat) != (row.epoch, row.beat) {
            *sight = fresh;
        }
        if !row.held {
            return 0;
        }
        let ttl = Duration::from_millis(row.ttl_ms.max(0) as u64);
        ttl.saturating_sub(now.saturating_duration_since(sight.since)).as_millis() as u64
    }

    fn visible(&self, row: &Row, now: Instant) -> Lease {
        Lease {
            shard: row.shard.clamp(0, i32::from(u16::MAX)) as u16,
            owner: row.owner.clone(),
            incarnation: row.incarnation.clone(),
            epoch: row.epoch.max(0) as u64,
            left_ms: self.left_ms(row, now),
        }
    }
}

async fn stored(link: &Link) -> Result<(Option<i64>, BTreeMap<i32, Row>), StoreError> {
    let rows: Vec<Stored> = link.rows(Cql::Leases, Values::new()).await?;
    let version = rows.first().and_then(|row| row.0);
    let rows = rows.into_iter().filter_map(|(_, shard, owner, incarnation, epoch, beat, ttl_ms, held)| {
        let (shard, owner, incarnation) = (shard?, owner?, incarnation?);
        Some((shard, Row { shard, owner, incarnation, epoch: epoch?, beat: beat?, ttl_ms: ttl_ms?, held: held? }))
    });
    Ok((version, rows.collect()))
}

fn put(row: &Row) -> (Cql, Values) {
    let values = vec![
        int(row.shard),
        text(&row.owner),
        text(&row.incarnation),
        big(row.epoch),
        big(row.beat),
        big(row.ttl_ms),
        Some(scylla::value::CqlValue::Boolean(row.held)),
    ];
    (Cql::LeasePut, values)
}

/// Applies changes to the leases as they are in `version`; whether nobody was ahead.
async fn change(link: &Link, version: Option<i64>, rows: &[Row]) -> Result<bool, StoreError> {
    let next = big(version.unwrap_or(0) + 1);
    let mut writes = vec![(Cql::LeaseVersion, vec![next, version.and_then(big)])];
    writes.extend(rows.iter().map(put));
    let changed = link.guard.write(async {
        match link.transaction(writes).await {
            // What became of it shows at the next look.
            Err(Failure::Lost(_)) => Ok(false),
            other => other,
        }
    });
    changed.await
}

async fn pause(link: &Link) {
    sleep(Duration::from_millis(1 + link.env.entropy("cassandra").below(PAUSE_MS_MAX))).await;
}

fn contended() -> StoreError {
    StoreError::Refused("the leases are changed by others all the time".to_owned())
}

impl Leases {
    /// See [`archgen_ports::messages::Messages::lease`].
    pub(super) async fn take(
        &self,
        link: &Link,
        (owner, incarnation): (&str, &str),
        shards: &[u16],
        ttl_ms: u64,
    ) -> Result<Vec<Lease>, StoreError> {
        for _ in 0..TRIES_MAX {
            let asked = Instant::now();
            let (version, rows) = stored(link).await?;
            let changes: Vec<Row> = shards
                .iter()
                .filter_map(|shard| {
                    let current = rows.get(&i32::from(*shard));
                    let epoch = self.next_epoch(current, owner, incarnation, asked)?;
                    Some(Row {
                        shard: i32::from(*shard),
                        owner: owner.to_owned(),
                        incarnation: incarnation.to_owned(),
                        epoch,
                        beat: version.unwrap_or(0) + 1,
                        ttl_ms: i64::try_from(ttl_ms).unwrap_or(i64::MAX),
                        held: true,
                    })
                })
                .collect();
            if changes.is_empty() || change(link, version, &changes).await? {
                self.grant(&changes, asked, ttl_ms);
                let now = Instant::now();
                let changed: BTreeMap<i32, Row> = changes.into_iter().map(|row| (row.shard, row)).collect();
                let all = shards.iter().map(|shard| i32::from(*shard));
                let of = |shard: i32| changed.get(&shard).or_else(|| rows.get(&shard));
                return Ok(all.filter_map(of).map(|row| self.visible(row, now)).collect());
            }
            pause(link).await;
        }
        Err(contended())
    }

    /// The epoch under which this owner may have the shard now; `None` where another has it.
    fn next_epoch(&self, current: Option<&Row>, owner: &str, incarnation: &str, now: Instant) -> Option<i64> {
        let Some(row) = current else { return Some(1) };
        let left_ms = self.left_ms(row, now);
        if row.owner == owner && row.incarnation == incarnation {
            Some(row.epoch)
        } else if row.owner == owner || left_ms == 0 {
            // Another life of the same host is over, since this one asks.
            Some(row.epoch + 1)
        } else {
            None
        }
    }

    fn grant(&self, rows: &[Row], asked: Instant, ttl_ms: u64) {
        let ttl = Duration::from_millis(ttl_ms);
        let until = asked + ttl.saturating_sub(ttl / MARGIN);
        let mut granted = self.granted.lock().unwrap_or_else(PoisonError::into_inner);
        granted.extend(rows.iter().map(|row| (row.shard as u16, (row.epoch as u64, until))));
    }

    /// See [`archgen_ports::messages::Messages::release`].
    pub(super) async fn release(
        &self,
        link: &Link,
        (owner, incarnation): (&str, &str),
        shards: &[u16],
    ) -> Result<(), StoreError> {
        {
            let mut granted = self.granted.lock().unwrap_or_else(PoisonError::into_inner);
            granted.retain(|shard, _| !shards.contains(shard));
        }
        for _ in 0..TRIES_MAX {
            let (version, rows) = stored(link).await?;
            let own = shards.iter().filter_map(|shard| rows.get(&i32::from(*shard)));
            let own = own.filter(|row| row.owner == owner && row.incarnation == incarnation && row.held);
            let changes: Vec<Row> = own.map(|row| Row { held: false, beat: row.beat + 1, ..row.clone() }).collect();
            if changes.is_empty() || change(link, version, &changes).await? {
                return Ok(());
            }
            pause(link).await;
        }
        Err(contended())
    }

    /// See [`archgen_ports::messages::Messages::leases`].
    pub(super) async fn list(&self, link: &Link) -> Result<Vec<Lease>, StoreError> {
        let (_, rows) = stored(link).await?;
        let now = Instant::now();
        Ok(rows.values().map(|row| self.visible(row, now)).collect())
    }

    /// The newest epoch of a shard, 0 where it was never granted.
    pub(super) async fn newest(&self, link: &Link, shard: u16) -> Result<u64, StoreError> {
        let (_, rows) = stored(link).await?;
        Ok(rows.get(&i32::from(shard)).map_or(0, |row| row.epoch.max(0) as u64))
    }
}
