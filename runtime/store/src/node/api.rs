//! The store protocol: one route per port, one call per request, under the fleet's key.

use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use archgen_env::http::Problem;
use archgen_ports::{ServiceKey, StoreError};
use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Request, State as Extract},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::post,
};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json, to_value};
use tokio::time::{Instant, timeout_at};

use super::{objects, state::State};
use crate::{
    committer::{Decision, DecisionError, Promise},
    operations::{
        accounts::{self, AccountsCall},
        cache::CacheCall,
        documents::{self, DocumentsCall},
        events::{self, EventsCall},
        index::{self, IndexCall},
        kept_cache,
        messages::{self, MessagesCall},
    },
    placement::{self, MoveCall, Touch, VERSION_HEADER, keep_ours, touch},
    replication::NotHere,
};

/// Body of one call.
const CALL_BYTES_MAX: usize = 16 << 20;
/// Marks the answer of a decision that came after its units were handed over.
const MOVED: &str = "\u{0}moved";
/// Longest wait of a fetch, milliseconds.
const FETCH_WAIT_MS_MAX: u64 = 30_000;

type Shared = Extract<Arc<State>>;
type Answer = Result<Json<Value>, Problem>;

pub(super) fn routes(state: Arc<State>) -> Router {
    Router::new()
        .route("/store/accounts", post(on_accounts))
        .route("/store/messages", post(on_messages))
        .route("/store/move", post(on_move))
        .route("/store/documents", post(on_documents))
        .route("/store/events", post(on_events))
        .route("/store/index", post(on_index))
        .route("/store/cache", post(on_cache))
        .route("/store/blobs", post(objects::on_call))
        .layer(DefaultBodyLimit::max(CALL_BYTES_MAX))
        .layer(middleware::from_fn_with_state(state.clone(), guard))
        .with_state(state)
}

async fn guard(Extract(state): Shared, request: Request, next: Next) -> Result<Response, Problem> {
    let presented = request.headers().get(ServiceKey::HEADER).map(|v| v.as_bytes()).unwrap_or_default();
    if !state.key.matches(presented) {
        return Err(Problem::new(StatusCode::UNAUTHORIZED, "fleet_only", "the store serves its fleet only"));
    }
    state.calls.inc();
    Ok(next.run(request).await)
}

/// A read's answer. An engine that cannot be read is a 500: nothing was applied.
pub(crate) fn read_answer(result: Result<Value, DecisionError>) -> Answer {
    result.map(Json).map_err(|error| match error {
        DecisionError::Invalid(reason) => Problem::invalid(reason),
        other => {
            tracing::error!(error = %other, "read failed");
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "engine", "the store cannot read its data")
        }
    })
}

/// A decision's answer once it is durable. 4xx and 503 say that nothing was applied, 500 that nobody knows.
pub(crate) async fn decide(state: &State, decision: Decision) -> Answer {
    decide_for(state, decision, Promise::Durable).await
}

/// As [`decide`], for an answer that promises something else.
async fn decide_for(state: &State, decision: Decision, promise: Promise) -> Answer {
    if let Some(replica) = &state.replica {
        replica.leads().map_err(elsewhere)?;
    }
    state.committer.decide(decision, promise).await.map(Json).map_err(|error| match error {
        StoreError::Refused(reason) if reason.contains("overloaded") => Problem::unavailable(reason),
        StoreError::Refused(reason) => Problem::invalid(reason),
        StoreError::Indeterminate(reason) => {
            tracing::error!(%reason, "a write has no known outcome");
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "engine", "the store cannot say whether it was written")
        }
    })
}

/// The call belongs to another node: certainly nothing was applied. The title is that node's ordinal, where it is known.
fn elsewhere(not_here: NotHere) -> Problem {
    let leader = not_here.leader.map_or_else(String::new, |leader| leader.to_string());
    Problem::new(StatusCode::MISDIRECTED_REQUEST, "not_here", leader)
}

/// Whether what was just read may be told: what was acknowledged, and nothing that may yet be lost.
async fn may_tell(state: &State) -> Result<(), Problem> {
    match &state.replica {
        Some(replica) => replica.may_read().await.map_err(elsewhere),
        None => Ok(()),
    }
}

async fn told(state: &State, result: Result<Value, DecisionError>) -> Answer {
    may_tell(state).await?;
    read_answer(result)
}

async fn on_accounts(Extract(state): Shared, Json(call): Json<AccountsCall>) -> Answer {
    match accounts::read(&*state.engine, &call).transpose() {
        Some(result) => told(&state, result).await,
        None => match call {
            AccountsCall::Commit { writes } => {
                decide(&state, Box::new(move |view| accounts::commit(view, writes))).await
            }
            _ => Err(Problem::invalid("not a call")),
        },
    }
}

async fn on_documents(Extract(state): Shared, Json(call): Json<DocumentsCall>) -> Answer {
    match documents::read(&*state.engine, &call).transpose() {
        Some(result) => told(&state, result).await,
        None => match call {
            DocumentsCall::Put { collection, key, expect, value } => {
                decide(&state, Box::new(move |view| documents::put(view, &collection, &key, expect, value))).await
            }
            _ => Err(Problem::invalid("not a call")),
        },
    }
}

async fn on_messages(Extract(state): Shared, headers: HeaderMap, Json(call): Json<MessagesCall>) -> Response {
    let known = headers.get(VERSION_HEADER).and_then(|v| v.to_str().ok()?.parse::<u64>().ok()).unwrap_or(0);
    let here = |state: &State, call: &MessagesCall| match touch(call, state.held.placement().owners.len() as u16) {
        Touch::Units(units) => state.held.owns(&units),
        Touch::Everything => state.held.placement().version == known,
    };
    let here = |state: &State, call: &MessagesCall| state.replica.is_some() || here(state, call);
    if !here(&state, &call) {
        return moved(&state);
    }
    let now_ms = state.env.wall_ms();
    if let Some(answer) = messages::read(&*state.engine, &call, now_ms).transpose() {
        // It may have been read after the units were handed over, and be old.
        if !here(&state, &call) {
            return moved(&state);
        }
        let placement = state.held.placement();
        let alone = state.replica.is_none();
        let ours = |answer| if alone { keep_ours(&call, answer, &placement, state.held.me()) } else { answer };
        return told(&state, answer.map(ours)).await.into_response();
    }
    let promise = match call {
        // Who owns what is decided by agreement, as with lightweight transactions, whatever messages wait for.
        MessagesCall::Lease { .. } | MessagesCall::Release { .. } => Promise::Certain,
        // Entries that are relayed again have the ids of the first time.
        MessagesCall::MarkPublished { .. } => Promise::ForNow,
        _ => Promise::Durable,
    };
    let (env, held, alone) = (state.env.clone(), state.held.clone(), state.replica.is_none());
    let decided: Decision = Box::new(move |view| {
        let Touch::Units(units) = touch(&call, held.placement().owners.len() as u16) else {
            return Err(DecisionError::Invalid("a read is not a decision".to_owned()));
        };
        if alone && !held.owns(&units) {
            return Ok(json!({ MOVED: true }));
        }
        messages::decide(view, call, env.wall_ms())
    });
    match decide_for(&state, decided, promise).await {
        Ok(Json(answer)) if answer.get(MOVED).is_some() => moved(&state),
        answer => answer.into_response(),
    }
}

/// The answer to a call for units that are another node's: nothing was done, and who knows better now.
fn moved(state: &State) -> Response {
    (StatusCode::MISDIRECTED_REQUEST, Json(json!(*state.held.placement()))).into_response()
}

async fn on_move(Extract(state): Shared, Json(call): Json<MoveCall>) -> Answer {
    if state.replica.is_some() {
        return Err(Problem::invalid("a store that keeps several copies does not move them"));
    }
    placement::on_call(&state, call).await
}

fn partitions(state: &State, topic: &str) -> Result<u16, Problem> {
    state.topics.get(topic).copied().ok_or_else(|| Problem::invalid(format!("there is no topic `{topic}`")))
}

async fn on_events(Extract(state): Shared, Json(call): Json<EventsCall>) -> Answer {
    match call {
        EventsCall::Partitions { topic } => Ok(Json(partitions(&state, &topic)?.into())),
        EventsCall::Publish { topic, events } => {
            let partitions = partitions(&state, &topic)?;
            decide(&state, Box::new(move |view| events::publish(view, &topic, partitions, events))).await
        }
        EventsCall::Fetch { topic, partition, offset, records_max, wait_ms } => {
            partitions(&state, &topic)?;
            let mut commits = state.committer.commits();
            let deadline = Instant::now() + Duration::from_millis(wait_ms.min(FETCH_WAIT_MS_MAX));
            loop {
                commits.mark_unchanged();
                let found = events::fetch(&*state.engine, &topic, partition, offset, records_max);
                let stopping = state.env.shutdown().is_triggered();
                if !matches!(&found, Ok(records) if records.is_empty()) || stopping {
                    return told(&state, found.and_then(|records| Ok(to_value(records)?))).await;
                }
                if let Some(replica) = &state.replica {
                    replica.leads().map_err(elsewhere)?;
                }
                let waited = async {
                    tokio::select! {
                        biased;
                        () = state.env.shutdown().triggered() => {}
                        _ = commits.changed() => {}
                    }
                };
                if timeout_at(deadline, waited).await.is_err() {
                    return Ok(Json(Value::Array(Vec::new())));
                }
            }
        }
        EventsCall::Committed { group, topic, partition } => {
            told(&state, events::committed(&*state.engine, &group, &topic, partition).map(Value::from)).await
        }
        EventsCall::Commit { group, topic, partition, offset } => {
            // What is read again has the effects of the first time.
            let decision: Decision = Box::new(move |view| events::commit(view, &group, &topic, partition, offset));
            decide_for(&state, decision, Promise::ForNow).await
        }
    }
}

async fn on_index(Extract(state): Shared, Json(call): Json<IndexCall>) -> Answer {
    match call {
        IndexCall::Put { index, documents } => {
            let write_all: Decision = Box::new(move |view| {
                for document in documents {
                    let (id, version) = (document.id.clone(), document.version);
                    index::write(view, &index, &id, version, Some(document))?;
                }
                Ok(Value::Null)
            });
            decide(&state, write_all).await
        }
        IndexCall::Delete { index, id, version } => {
            decide(&state, Box::new(move |view| index::write(view, &index, &id, version, None))).await
        }
        IndexCall::Search { index, query } => told(&state, index::search(&*state.engine, &index, &query)).await,
    }
}

async fn on_cache(Extract(state): Shared, Json(call): Json<CacheCall>) -> Answer {
    if state.replica.is_some() {
        let env = state.env.clone();
        return match kept_cache::read(&*state.engine, &call, env.wall_ms()).transpose() {
            Some(result) => told(&state, result).await,
            None => decide(&state, Box::new(move |view| kept_cache::decide(view, call, env.wall_ms()))).await,
        };
    }
    let mut cache = state.cache.lock().unwrap_or_else(PoisonError::into_inner);
    let answer = match call {
        CacheCall::Get { key } => to_value(cache.get(&key)),
        CacheCall::Set { key, value, ttl_ms } => {
            cache.set(&key, value, ttl_ms);
            Ok(Value::Null)
        }
        CacheCall::Delete { key } => {
            cache.delete(&key);
            Ok(Value::Null)
        }
        CacheCall::Increment { key, by, ttl_ms } => to_value(cache.increment(&key, by, ttl_ms)),
        CacheCall::Keys { prefix, limit } => to_value(cache.keys(&prefix, limit)),
    };
    read_answer(answer.map_err(DecisionError::from))
}
