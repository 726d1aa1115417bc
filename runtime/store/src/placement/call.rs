//! What a node is asked for by a move: pages of units, changes, the hand-over, the journal.

use std::sync::Arc;

use archgen_env::http::Problem;
use axum::Json;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json, to_value};

use super::{Journal, Placement, unit_of};
use crate::{
    committer::DecisionError,
    engine::{Engine, Pair},
    node::{State, decide, read_answer},
};

/// Where the journal is kept.
const JOURNAL: &[u8] = b"\0archgen-move";
/// Pairs that one page looks at.
const LOOKED_AT_MAX: usize = 4_096;
/// Bytes of keys and values in one page.
const PAGE_BYTES_MAX: usize = 512 << 10;
/// Changed keys in one answer.
const CHANGED_MAX: usize = 1_024;
/// The keys of the messages port: `messages…`.
const FIRST: &[u8] = b"messages";
const END: &[u8] = b"messaget";

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
    /// What changed since tracking began or was last asked.
    Changed {
        /// Name of the copy.
        tracking: u64,
    },
    /// Write pairs of units that belong to another node; `None` deletes.
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
    /// Count and checksum of these units' pairs.
    Sum {
        /// Units.
        units: Vec<u16>,
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
    /// Replace the journal.
    WriteJournal {
        /// It.
        journal: Journal,
    },
}

/// Pairs of some units, and where to go on.
fn page(
    engine: &dyn Engine,
    units: &[u16],
    of: u16,
    after: Option<Vec<u8>>,
) -> Result<(Vec<Pair>, Option<Vec<u8>>), DecisionError> {
    let from = after.map_or_else(|| FIRST.to_vec(), |key| [key.as_slice(), &[0]].concat());
    let looked_at = engine.scan(&from, END, LOOKED_AT_MAX, false)?;
    let full = looked_at.len() == LOOKED_AT_MAX;
    let (mut found, mut bytes, mut next) = (Vec::new(), 0, None);
    for (key, value) in looked_at {
        next = Some(key.clone());
        if unit_of(&key, &value, of).is_some_and(|unit| units.contains(&unit)) {
            bytes += key.len() + value.len();
            found.push((key, value));
            if bytes > PAGE_BYTES_MAX {
                return Ok((found, next));
            }
        }
    }
    Ok((found, next.filter(|_| full)))
}

/// Count, and a checksum in which the order of pairs does not matter.
fn sum(engine: &dyn Engine, units: &[u16], of: u16) -> Result<(u64, u64), DecisionError> {
    let (mut count, mut total, mut after) = (0u64, 0u64, None);
    loop {
        let (pairs, next) = page(engine, units, of, after)?;
        for (key, value) in &pairs {
            count += 1;
            let hash = xxhash_rust::xxh3::xxh3_64_with_seed(value, xxhash_rust::xxh3::xxh3_64(key));
            total = total.wrapping_add(hash);
        }
        after = next;
        if after.is_none() {
            return Ok((count, total));
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
            read_answer(page(&*state.engine, &units, of, after).and_then(|found| Ok(to_value(found)?)))
        }
        MoveCall::Changed { tracking } => {
            let Some(changed) = state.held.take_changed(tracking, CHANGED_MAX) else {
                return Err(Problem::invalid("this copy is no longer tracked: begin it anew"));
            };
            let values = changed.keys.into_iter().map(|key| Ok((state.engine.get(&key)?, key)));
            let pairs = values.map(|pair| pair.map(|(value, key)| (key, value)));
            let pairs: Result<Vec<(Vec<u8>, Option<Vec<u8>>)>, DecisionError> = pairs.collect();
            read_answer(pairs.and_then(|pairs| Ok(json!([pairs, changed.more]))))
        }
        MoveCall::Load { pairs } => {
            let held = state.held.clone();
            let load = move |view: &mut crate::engine::View<'_>| {
                for (key, value) in pairs {
                    let unit = unit_of(&key, value.as_deref().unwrap_or_default(), of);
                    if unit.is_some_and(|unit| held.owns(&[unit])) {
                        return Err(DecisionError::Invalid("that unit is this node's own".to_owned()));
                    }
                    match value {
                        Some(value) => view.put(key, value),
                        None => view.delete(key),
                    }
                }
                Ok(Value::Null)
            };
            decide(state, Box::new(load)).await
        }
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
            let summed = state.env.compute(move || sum(&*engine, &units, of)).await;
            read_answer(summed.and_then(|sums| Ok(to_value(sums)?)))
        }
        MoveCall::Adopt { next } => {
            let held = state.held.clone();
            decide(state, Box::new(move |view| held.adopt(view, next).map(|()| Value::Null))).await
        }
        MoveCall::Purge { units } => purge(state, units, of).await,
        MoveCall::ReadJournal => {
            read_answer(state.engine.get(JOURNAL).map_err(DecisionError::from).and_then(|stored| {
                Ok(stored.map(|bytes| serde_json::from_slice::<Value>(&bytes)).transpose()?.unwrap_or(Value::Null))
            }))
        }
        MoveCall::WriteJournal { journal } => {
            let write = move |view: &mut crate::engine::View<'_>| {
                view.put(JOURNAL.to_vec(), serde_json::to_vec(&journal)?);
                Ok(Value::Null)
            };
            decide(state, Box::new(write)).await
        }
    }
}

async fn purge(state: &Arc<State>, units: Vec<u16>, of: u16) -> Result<Json<Value>, Problem> {
    let units: Vec<u16> = units.into_iter().filter(|unit| !state.held.owns(&[*unit])).collect();
    let mut after = None;
    loop {
        let found = page(&*state.engine, &units, of, after);
        let (pairs, next) = found.map_err(|error| Problem::invalid(error.to_string()))?;
        let held = state.held.clone();
        let delete = move |view: &mut crate::engine::View<'_>| {
            for (key, value) in pairs {
                // One that became this node's own meanwhile stays.
                if unit_of(&key, &value, of).is_some_and(|unit| !held.owns(&[unit])) {
                    view.delete(key);
                }
            }
            Ok(Value::Null)
        };
        let _done = decide(state, Box::new(delete)).await?;
        after = next;
        if after.is_none() {
            return Ok(Json(Value::Bool(true)));
        }
    }
}
