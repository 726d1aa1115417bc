//! What a node is asked for by a move: pages of units, changes, the hand-over, the journal.

use std::sync::Arc;

use archgen_env::http::Problem;
use axum::Json;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json, to_value};

use super::{Digest, Journal, Order, Placement, unit_of};
use crate::{
    committer::DecisionError,
    engine::{Engine, Pair},
    node::{State, decide, file_of, read_answer, remove},
    operations::cache::write_pair,
};

/// Where the journal is kept.
const JOURNAL: &[u8] = b"\0archgen-move";
/// Pairs that one page looks at.
const LOOKED_AT_MAX: usize = 4_096;
/// Bytes of keys and values in one page.
const PAGE_BYTES_MAX: usize = 512 << 10;
/// The keys of all ports, which begin with their names; what is the node's own begins with a zero byte.
const FIRST: &[u8] = b"\x01";
pub(super) const END: &[u8] = b"\x7f";

/// A call.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MoveCall {
    /// The placement as the node knows it.
    Placement,
    /// Begin to note what changes in these units.
    Track {
        /// Units.
        units: Vec<u16>,
        /// Name of the copy; not 0.
        tracking: u64,
    },
    /// A page of pairs of these units.
    Page {
        /// Units.
        units: Vec<u16>,
        /// Continue after this key.
        after: Option<Vec<u8>>,
    },
    /// What changed since tracking began or the batch before.
    Changed {
        /// Name of the copy.
        tracking: u64,
        /// Number of the batch, from 1; the same one again gives the same keys.
        batch: u64,
    },
    /// Write pairs of units that belong to another node; `None` deletes. Answers the digest of what is stored under these keys then.
    Load {
        /// Pairs.
        pairs: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    },
    /// Give units up: from the answer on their calls are refused here.
    Switch {
        /// Name of the copy, which must still be tracked; 0 gives them up without one.
        tracking: u64,
        /// The placement from now on.
        next: Placement,
    },
    /// Count, checksum and bytes of these units' pairs.
    Sum {
        /// Units.
        units: Vec<u16>,
    },
    /// Digest of these units' pairs in a range of keys, and where it ended: after some thousand pairs unless `until` is given.
    Digest {
        /// Units.
        units: Vec<u16>,
        /// The range begins after this key.
        after: Option<Vec<u8>>,
        /// Its last key.
        until: Option<Vec<u8>>,
    },
    /// Take a placement for true.
    Adopt {
        /// The placement.
        next: Placement,
    },
    /// Delete pairs of units that belong to another node, some at a time; `true` when none is left.
    Purge {
        /// Units.
        units: Vec<u16>,
    },
    /// The journal.
    ReadJournal,
    /// Replace the journal; what was ordered meanwhile stays. Answers it as it is then.
    WriteJournal {
        /// It.
        journal: Journal,
        /// Whether a move begins with it, which is refused while another is under way.
        begins: bool,
    },
    /// Write an order into the journal of the move under way. Answers it as it is then.
    Order {
        /// The order.
        order: Order,
    },
}

/// Some of a store's units.
struct Units {
    wanted: Vec<bool>,
}

impl Units {
    fn new(units: &[u16], of: u16) -> Self {
        let mut wanted = vec![false; usize::from(of)];
        units.iter().filter_map(|unit| wanted.get_mut(usize::from(*unit)).map(|w| *w = true)).for_each(drop);
        Self { wanted }
    }

    /// Whether a pair is of one of them.
    fn have(&self, key: &[u8], value: &[u8]) -> bool {
        unit_of(key, value, self.wanted.len() as u16).is_some_and(|unit| self.wanted[usize::from(unit)])
    }
}

/// Pairs of some units, and where to go on.
fn page(
    engine: &dyn Engine,
    units: &Units,
    after: Option<Vec<u8>>,
) -> Result<(Vec<Pair>, Option<Vec<u8>>), DecisionError> {
    let from = after.map_or_else(|| FIRST.to_vec(), |key| [key.as_slice(), &[0]].concat());
    let looked_at = engine.scan(&from, END, LOOKED_AT_MAX, false)?;
    let full = looked_at.len() == LOOKED_AT_MAX;
    let (mut found, mut bytes, mut next) = (Vec::new(), 0, None);
    for (key, value) in looked_at {
        next = Some(key.clone());
        if units.have(&key, &value) {
            bytes += key.len() + value.len();
            found.push((key, value));
            if bytes > PAGE_BYTES_MAX {
                return Ok((found, next));
            }
        }
    }
    Ok((found, next.filter(|_| full)))
}

/// Bytes of what is stored under a key, itself included.
fn size(engine: &dyn Engine, key: &[u8]) -> usize {
    key.len() + engine.get(key).ok().flatten().map_or(0, |value| value.len())
}

/// The digest of everything that a node has of these units.
fn sum(engine: &dyn Engine, units: &Units) -> Result<Digest, DecisionError> {
    let (mut digest, mut after) = (Digest::default(), None);
    loop {
        let (pairs, next) = page(engine, units, after)?;
        pairs.iter().for_each(|(key, value)| digest.add(key, value));
        after = next;
        if after.is_none() {
            return Ok(digest);
        }
    }
}

/// The digest of a range, and its last key where there are more beyond.
fn range_digest(
    engine: &dyn Engine,
    units: &Units,
    after: Option<Vec<u8>>,
    until: Option<&[u8]>,
) -> Result<(Digest, Option<Vec<u8>>), DecisionError> {
    let mut digest = Digest::default();
    let mut from = after.map_or_else(|| FIRST.to_vec(), |key| [key.as_slice(), &[0]].concat());
    let end = until.map_or_else(|| END.to_vec(), |last| [last, &[0]].concat());
    loop {
        let looked_at = engine.scan(&from, &end, LOOKED_AT_MAX, false)?;
        let full = looked_at.len() == LOOKED_AT_MAX;
        let last = looked_at.last().map(|(key, _)| key.clone());
        for (key, value) in &looked_at {
            if units.have(key, value) {
                digest.add(key, value);
            }
        }
        match last {
            Some(last) if full && until.is_some() => from = [last.as_slice(), &[0]].concat(),
            last => return Ok((digest, last.filter(|_| full))),
        }
    }
}

/// Answers one.
///
/// # Errors
/// It makes no sense here, or the engine failed.
pub(crate) async fn on_call(state: &Arc<State>, call: MoveCall) -> Result<Json<Value>, Problem> {
    let of = state.held.placement().owners.len() as u16;
    match call {
        MoveCall::Placement => Ok(Json(json!(*state.held.placement()))),
        MoveCall::Track { units, tracking } => {
            state.held.track(&units, tracking);
            // What was decided before is committed once this is answered, so that the copy sees it.
            decide(state, Box::new(|_| Ok(Value::Null))).await
        }
        MoveCall::Page { units, after } => {
            read_answer(page(&*state.engine, &Units::new(&units, of), after).and_then(|found| Ok(to_value(found)?)))
        }
        MoveCall::Changed { tracking, batch } => {
            let Some(changed) = state.held.take_changed(tracking, batch, |key| size(&*state.engine, key)) else {
                return Err(Problem::invalid("this copy is no longer tracked: begin it anew"));
            };
            let read = |key: Vec<u8>| state.engine.get(&key).map(|value| (key, value));
            let pairs: Result<Vec<_>, _> = changed.keys.into_iter().map(read).collect();
            read_answer(pairs.map(|pairs| json!([pairs, changed.more])).map_err(DecisionError::from))
        }
        MoveCall::Load { pairs } => load(state, pairs, of).await,
        MoveCall::Switch { tracking, next } => {
            let held = state.held.clone();
            let give = move |view: &mut crate::engine::View<'_>| {
                if tracking != 0 && !held.tracks(tracking) {
                    return Err(DecisionError::Invalid("this copy is no longer tracked: begin it anew".to_owned()));
                }
                held.adopt(view, next)?;
                Ok(Value::Null)
            };
            decide(state, Box::new(give)).await
        }
        MoveCall::Sum { units } => {
            let engine = state.engine.clone();
            let summed = state.env.compute(move || sum(&*engine, &Units::new(&units, of))).await;
            read_answer(summed.and_then(|sums| Ok(to_value(sums)?)))
        }
        MoveCall::Digest { units, after, until } => {
            let engine = state.engine.clone();
            let digest = move || range_digest(&*engine, &Units::new(&units, of), after, until.as_deref());
            read_answer(state.env.compute(digest).await.and_then(|found| Ok(to_value(found)?)))
        }
        MoveCall::Adopt { next } => {
            let held = state.held.clone();
            decide(state, Box::new(move |view| held.adopt(view, next).map(|()| Value::Null))).await
        }
        MoveCall::Purge { units } => purge(state, units, of).await,
        MoveCall::ReadJournal | MoveCall::WriteJournal { .. } | MoveCall::Order { .. } => on_journal(state, call).await,
    }
}

async fn load(state: &Arc<State>, pairs: Vec<(Vec<u8>, Option<Vec<u8>>)>, of: u16) -> Result<Json<Value>, Problem> {
    let keys: Vec<Vec<u8>> = pairs.iter().map(|(key, _)| key.clone()).collect();
    let held = state.held.clone();
    let now: Vec<String> = pairs.iter().filter_map(|(key, value)| file_of(key, value.as_deref())).collect();
    let load = move |view: &mut crate::engine::View<'_>| {
        let mut replaced = Vec::new();
        for (key, value) in pairs {
            let unit = unit_of(&key, value.as_deref().unwrap_or_default(), of);
            if unit.is_some_and(|unit| held.owns(&[unit])) {
                return Err(DecisionError::Invalid("that unit is this node's own".to_owned()));
            }
            replaced.extend(file_of(&key, view.get(&key)?.as_deref()));
            write_pair(view, key, value)?;
        }
        Ok(json!(replaced))
    };
    let Json(replaced) = decide(state, Box::new(load)).await?;
    let replaced: Vec<String> = serde_json::from_value(replaced).unwrap_or_default();
    for file in replaced.into_iter().filter(|file| !now.contains(file)) {
        remove(state, file).await;
    }
    let mut digest = Digest::default();
    let stored = keys.iter().try_for_each(|key| {
        if let Some(value) = state.engine.get(key)? {
            digest.add(key, &value);
        }
        Ok::<_, DecisionError>(())
    });
    read_answer(stored.and_then(|()| Ok(to_value(digest)?)))
}

async fn on_journal(state: &Arc<State>, call: MoveCall) -> Result<Json<Value>, Problem> {
    let write = move |view: &mut crate::engine::View<'_>| {
        let stored: Option<Journal> = view.get(JOURNAL)?.map(|bytes| serde_json::from_slice(&bytes)).transpose()?;
        let under_way = stored.clone().filter(|stored| !stored.is_done());
        let journal = match (call, under_way) {
            (MoveCall::WriteJournal { begins: true, .. }, Some(_)) => {
                return Err(DecisionError::Invalid("another move is under way".to_owned()));
            }
            (MoveCall::WriteJournal { mut journal, .. }, stored) => {
                stored.into_iter().for_each(|stored| journal.obey(stored));
                journal
            }
            (MoveCall::Order { order }, Some(mut journal)) => {
                journal.take(order);
                journal
            }
            (MoveCall::Order { .. }, None) => return Ok(Value::Null),
            _ => return Ok(to_value(stored)?),
        };
        view.put(JOURNAL.to_vec(), serde_json::to_vec(&journal)?);
        Ok(to_value(journal)?)
    };
    decide(state, Box::new(write)).await
}

async fn purge(state: &Arc<State>, units: Vec<u16>, of: u16) -> Result<Json<Value>, Problem> {
    let units: Vec<u16> = units.into_iter().filter(|unit| !state.held.owns(&[*unit])).collect();
    let (mut after, units) = (None, Units::new(&units, of));
    loop {
        let found = page(&*state.engine, &units, after);
        let (pairs, next) = found.map_err(|error| Problem::invalid(error.to_string()))?;
        let held = state.held.clone();
        let delete = move |view: &mut crate::engine::View<'_>| {
            let mut files = Vec::new();
            for (key, value) in pairs {
                // One that became this node's own meanwhile stays.
                if unit_of(&key, &value, of).is_some_and(|unit| !held.owns(&[unit])) {
                    files.extend(file_of(&key, view.get(&key)?.as_deref()));
                    write_pair(view, key, None)?;
                }
            }
            Ok(json!(files))
        };
        let Json(files) = decide(state, Box::new(delete)).await?;
        for file in serde_json::from_value::<Vec<String>>(files).unwrap_or_default() {
            remove(state, file).await;
        }
        after = next;
        if after.is_none() {
            return Ok(Json(Value::Bool(true)));
        }
    }
}
