//! [`Owned`]: a call held against what this node owns, when it comes, when it is decided and when it is answered. Between these its
//! units may have been handed over.

use std::sync::Arc;

use archgen_env::http::Problem;
use archgen_spec::sharding::slot_of;
use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    api::{decide_for, told},
    state::State,
};
use crate::{
    committer::{Decision, DecisionError, Promise},
    placement::{Placement, Touch, Touches, VERSION_HEADER},
};

/// Marks the answer of a decision that came after its units were handed over.
const MOVED: &str = "\u{0}moved";

/// What a node that has not the units of a call says: which placement it knows. Whoever knows an older one asks for it; the whole of
/// it with each answer would be some 50 KiB for a store of slots.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Known {
    /// Its version.
    pub(crate) version: u64,
}

/// Why a call is not answered here.
pub(crate) enum Unserved {
    /// As everywhere.
    Problem(Problem),
    /// Its units are another node's: nothing was done, and this is who has what.
    Moved(Arc<Placement>),
}

impl From<Problem> for Unserved {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl IntoResponse for Unserved {
    fn into_response(self) -> Response {
        match self {
            Self::Problem(problem) => problem.into_response(),
            Self::Moved(placement) => {
                let known = Known { version: placement.version };
                (StatusCode::MISDIRECTED_REQUEST, Json(known)).into_response()
            }
        }
    }
}

/// The answer to a call of a port.
pub(crate) type Served = Result<Json<Value>, Unserved>;

/// A call that this node may answer.
pub(super) struct Owned {
    state: Arc<State>,
    touch: Touch,
    /// The placement by which whoever asks all nodes divides what they say.
    known: u64,
    /// As it was when the call came.
    placement: Arc<Placement>,
}

impl Owned {
    /// The call, unless it belongs to another node.
    pub(super) fn new(state: &Arc<State>, headers: &HeaderMap, call: &impl Touches) -> Result<Self, Unserved> {
        let known = headers.get(VERSION_HEADER).and_then(|v| v.to_str().ok()?.parse::<u64>().ok()).unwrap_or(0);
        let placement = state.held.placement();
        let partitions = |topic: &str| state.topics.get(topic).copied().unwrap_or(1);
        let touch = call.touch(placement.owners.len() as u16, &partitions);
        let owned = Self { state: state.clone(), touch, known, placement };
        owned.check().map(|()| owned)
    }

    /// Whether the call is still this node's.
    pub(super) fn check(&self) -> Result<(), Unserved> {
        // Where a group keeps copies, it is the group that has a place.
        let here = self.state.replica.is_some()
            || match &self.touch {
                Touch::Units(units) => self.state.held.owns(units),
                Touch::Everything => self.state.held.placement().version == self.known,
                Touch::Nothing => true,
            };
        if here { Ok(()) } else { Err(Unserved::Moved(self.state.held.placement())) }
    }

    /// Whether what hashes by this text is this node's own: a copy that is being made, or one that was left, is not.
    pub(super) fn is_ours(&self, text: &str) -> bool {
        let unit = || slot_of(text.as_bytes(), self.placement.owners.len() as u16);
        self.state.replica.is_some() || self.placement.owner(unit()) == self.state.held.me()
    }

    /// The answer to a read, which may have been made after its units were handed over, and be old.
    pub(super) async fn read(self, result: Result<Value, DecisionError>) -> Served {
        self.check()?;
        Ok(told(&self.state, result).await?)
    }

    /// Decides, where the units are still this node's by then.
    pub(super) async fn decide(self, promise: Promise, decision: Decision) -> Served {
        let (held, alone, touch) = (self.state.held.clone(), self.state.replica.is_none(), self.touch);
        let decided: Decision = Box::new(move |view| match touch {
            Touch::Everything => Err(DecisionError::Invalid("a read is not a decision".to_owned())),
            Touch::Units(units) if alone && !held.owns(&units) => Ok(json!({ MOVED: true })),
            _ => decision(view),
        });
        let answer = decide_for(&self.state, decided, promise).await?;
        if answer.0.get(MOVED).is_some() { Err(Unserved::Moved(self.state.held.placement())) } else { Ok(answer) }
    }
}
