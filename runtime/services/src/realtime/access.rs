//! [`Access`]: whether users are members of channels, asked of messaging anew each time and many at a time: what is asked while a call
//! is under way goes with the next one, so that every answer was looked up after it was asked for.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use archgen_ports::{ChannelId, UserId};
use serde_json::json;
use tokio::sync::oneshot;

use super::{
    calls::{self, CallError},
    state::State,
};

/// Memberships of one call.
const CALL_PAIRS_MAX: usize = 256;
/// Memberships that wait.
const WAITING_MAX: usize = 20_000;

type Pair = (UserId, ChannelId);
type Answer = Result<bool, Arc<CallError>>;

#[derive(Default)]
struct Asked {
    waiting: BTreeMap<Pair, Vec<oneshot::Sender<Answer>>>,
    /// Whether a call is under way.
    running: bool,
}

/// See the module's documentation.
#[derive(Default)]
pub(super) struct Access(Mutex<Asked>);

impl Access {
    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a user is a member of a channel, looked up after this was called.
pub(super) async fn is_member(state: &Arc<State>, user: &UserId, channel: &ChannelId) -> Answer {
    let (answer, answered) = oneshot::channel();
    {
        let mut asked = state.access.asked();
        if asked.waiting.len() >= WAITING_MAX {
            return Err(Arc::new(CallError::Deadline));
        }
        asked.waiting.entry((user.clone(), channel.clone())).or_default().push(answer);
        if !asked.running {
            asked.running = true;
            state.env.spawn("access", run(state.clone()));
        }
    }
    answered.await.unwrap_or_else(|_| Err(Arc::new(CallError::Deadline)))
}

async fn run(state: Arc<State>) {
    loop {
        let mut taken = Vec::new();
        {
            let mut asked = state.access.asked();
            while taken.len() < CALL_PAIRS_MAX
                && let Some(next) = asked.waiting.pop_first()
            {
                taken.push(next);
            }
            if taken.is_empty() {
                asked.running = false;
                return;
            }
        }
        let pairs: Vec<&Pair> = taken.iter().map(|(pair, _)| pair).collect();
        let answer = calls::messaging(&state, "/internal/members", &json!({"pairs": pairs})).await.map_err(Arc::new);
        for (at, (_, waiting)) in taken.into_iter().enumerate() {
            for one in waiting {
                let found = answer.as_ref().map(|answer| answer["members"][at] == true).map_err(Arc::clone);
                // Whoever asked may be gone.
                let _ = one.send(found);
            }
        }
    }
}
