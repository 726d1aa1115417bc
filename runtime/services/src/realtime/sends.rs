//! [`Sends`]: new messages on their way to messaging. Those of one channel go together, in the order in which they came: what comes
//! while a call is under way goes with the next one. A call that brings no answer is made again before anything that came later, so
//! that a failure does not change the order either; the client's own id makes that harmless.

use std::{
    collections::{BTreeMap, VecDeque, btree_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use archgen_env::http::Problem;
use archgen_ports::{ChannelId, UserId};
use http::Method;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};

use super::{
    calls::{self, CallError},
    state::State,
};

/// Messages of one call.
const CALL_SENDS_MAX: usize = 128;
/// Bodies of one call, bytes; the one that goes beyond is its last.
const CALL_BYTES_MAX: usize = 2 << 20;
/// Messages that wait for one channel.
const WAITING_MAX: usize = 8_192;
/// Bodies that wait for one channel, bytes.
const WAITING_BYTES_MAX: usize = 32 << 20;
/// Channels with a call under way.
const CHANNELS_MAX: usize = 20_000;
/// Owners remembered.
const OWNERS_MAX: usize = 50_000;
/// Time in which a call is tried again, milliseconds: less than a client waits for its acknowledgement.
const TRY_MS_MAX: u64 = 2_500;
/// Wait before a call is made again, milliseconds.
const AGAIN_MS: u64 = 50;

/// A message as messaging takes it.
#[derive(Serialize)]
struct Sent {
    user: UserId,
    body: Value,
}

struct Waiting {
    sent: Sent,
    bytes: usize,
    answer: oneshot::Sender<Value>,
}

/// What waits for a channel whose lane runs.
#[derive(Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    bytes: usize,
}

impl Queue {
    /// Takes what goes into one call.
    fn take(&mut self) -> Vec<Waiting> {
        let (mut taken, mut bytes) = (Vec::new(), 0);
        while taken.len() < CALL_SENDS_MAX
            && bytes < CALL_BYTES_MAX
            && let Some(next) = self.waiting.pop_front()
        {
            bytes += next.bytes;
            taken.push(next);
        }
        self.bytes -= bytes;
        taken
    }
}

/// See the module's documentation.
#[derive(Default)]
pub(super) struct Sends {
    lanes: Mutex<BTreeMap<ChannelId, Queue>>,
    owners: Mutex<BTreeMap<ChannelId, String>>,
}

impl Sends {
    fn lanes(&self) -> MutexGuard<'_, BTreeMap<ChannelId, Queue>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn owners(&self) -> MutexGuard<'_, BTreeMap<ChannelId, String>> {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends a message and returns its acknowledgement. Its place is taken before the first wait.
pub(super) async fn send(state: &Arc<State>, user: &UserId, channel: ChannelId, body: Value, bytes: usize) -> Value {
    let (answer, answered) = oneshot::channel();
    let waiting = Waiting { sent: Sent { user: user.clone(), body }, bytes, answer };
    {
        let mut lanes = state.sends.lanes();
        let full = lanes.len() >= CHANNELS_MAX;
        match lanes.entry(channel) {
            Entry::Occupied(lane) => {
                let queue = lane.into_mut();
                if queue.waiting.len() >= WAITING_MAX || queue.bytes + bytes > WAITING_BYTES_MAX {
                    return calls::later("busy");
                }
                queue.bytes += bytes;
                queue.waiting.push_back(waiting);
            }
            Entry::Vacant(_) if full => return calls::later("busy"),
            Entry::Vacant(lane) => {
                state.env.spawn("sends", run(state.clone(), lane.key().clone()));
                lane.insert(Queue { waiting: VecDeque::from([waiting]), bytes });
            }
        }
    }
    answered.await.unwrap_or_else(|_| calls::later("unavailable"))
}

/// Makes a channel's calls, one at a time, until nothing waits.
async fn run(state: Arc<State>, channel: ChannelId) {
    loop {
        let taken = {
            let mut lanes = state.sends.lanes();
            let taken = lanes.get_mut(&channel).map(Queue::take).unwrap_or_default();
            if taken.is_empty() {
                lanes.remove(&channel);
                return;
            }
            taken
        };
        deliver(&state, &channel, taken).await;
    }
}

/// Brings these messages to messaging and answers whoever waits for them.
async fn deliver(state: &Arc<State>, channel: &ChannelId, mut taken: Vec<Waiting>) {
    let until = Instant::now() + Duration::from_millis(TRY_MS_MAX);
    loop {
        let sends: Vec<&Sent> = taken.iter().map(|one| &one.sent).collect();
        let answer = match timeout_at(until, call(state, channel, &sends)).await {
            Ok(answer) => answer,
            Err(_) => Err(CallError::Deadline),
        };
        match answer {
            Ok(items) if items.len() == taken.len() => {
                let mut again = Vec::new();
                for (one, item) in taken.into_iter().zip(items) {
                    match verdict(item) {
                        // What comes after it in this call may stand already; in the next call it comes first.
                        Err(retry) if Instant::now() < until => again.push((one, retry)),
                        Ok(answer) | Err(answer) => drop(one.answer.send(answer)),
                    }
                }
                if again.is_empty() {
                    return;
                }
                taken = again.into_iter().map(|(one, _)| one).collect();
            }
            Ok(_) => return answer_all(taken, &calls::later("unavailable")),
            Err(CallError::Problem(problem)) if !is_passing(&problem) => {
                return answer_all(taken, &calls::refused(&problem.code, &problem.title));
            }
            Err(error) => {
                tracing::debug!(%channel, %error, "messages were not taken");
                if Instant::now() >= until {
                    return answer_all(taken, &calls::later("unavailable"));
                }
            }
        }
        let again = Instant::now() + Duration::from_millis(AGAIN_MS);
        tokio::time::sleep_until(again.min(until)).await;
    }
}

fn answer_all(taken: Vec<Waiting>, answer: &Value) {
    for one in taken {
        // Whoever asked may be gone.
        let _ = one.answer.send(answer.clone());
    }
}

/// Whether a refusal may be another in a moment.
fn is_passing(problem: &Problem) -> bool {
    problem.status >= 500 || problem.status == 421
}

/// The acknowledgement, or as an error one that another try may better.
fn verdict(mut item: Value) -> Result<Value, Value> {
    match item.get_mut("problem").map(Value::take) {
        None => Ok(calls::done(item)),
        Some(problem) => match serde_json::from_value::<Problem>(problem) {
            Ok(problem) if is_passing(&problem) => Err(calls::later("unavailable")),
            Ok(problem) => Ok(calls::failed(&CallError::Problem(problem))),
            Err(_) => Err(calls::later("unavailable")),
        },
    }
}

/// One call: to the owner where it is known, otherwise to any instance, which says who owns the channel.
async fn call(state: &Arc<State>, channel: &ChannelId, sends: &[&Sent]) -> Result<Vec<Value>, CallError> {
    let body = json!({"channel": channel, "sends": sends});
    let owner = state.sends.owners().get(channel).cloned();
    let peers = &state.config.messaging;
    let reply = match owner.as_deref().and_then(|name| peers.named(name)) {
        Some(peer) => peers.call_at(&peer, Method::POST, "/internal/sends", &body).await,
        None => peers.call(Method::POST, "/internal/sends", &body).await,
    };
    let answer: Result<Value, CallError> = match reply {
        Ok(reply) if reply.status.is_success() => reply.json().map_err(CallError::from),
        Ok(reply) => Err(CallError::Problem(reply.json()?)),
        Err(error) => Err(error.into()),
    };
    let mut owners = state.sends.owners();
    match answer {
        Ok(mut answer) => {
            if let Some(name) = answer["owner"].as_str()
                && owner.as_deref() != Some(name)
            {
                if owners.len() >= OWNERS_MAX {
                    owners.clear();
                }
                owners.insert(channel.clone(), name.to_owned());
            }
            match answer["items"].take() {
                Value::Array(items) => Ok(items),
                _ => Ok(Vec::new()),
            }
        }
        Err(error) => {
            owners.remove(channel);
            Err(error)
        }
    }
}
