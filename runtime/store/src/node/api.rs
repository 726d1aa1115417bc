//! The store protocol: one route per port, one call per request, under the fleet's key.

use std::{sync::Arc, time::Duration};

use archgen_env::http::Problem;
use archgen_ports::{ServiceKey, StoreError};
use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Request, State as Extract},
    middleware::{self, Next},
    response::Response,
    routing::{get, post},
};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, to_value};
use tokio::time::{Instant, timeout_at};

use super::{
    object_files, objects,
    owned::{Owned, Served},
    state::State,
};
use crate::{
    committer::{Decision, DecisionError, Promise},
    operations::{
        accounts::{self, AccountsCall},
        cache::{self, CacheCall},
        documents::{self, DocumentsCall},
        events::{self, EventsCall},
        index::{self, IndexCall},
        messages::{self, MessagesCall},
    },
    placement::{self, MoveCall, keep_ours},
    replication::NotHere,
};

/// Body of one call.
const CALL_BYTES_MAX: usize = 16 << 20;
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
        .route("/store/file/{name}", get(object_files::send).put(object_files::receive))
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
pub(super) async fn decide_for(state: &State, decision: Decision, promise: Promise) -> Answer {
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

pub(super) async fn told(state: &State, result: Result<Value, DecisionError>) -> Answer {
    may_tell(state).await?;
    read_answer(result)
}

async fn on_accounts(Extract(state): Shared, headers: HeaderMap, Json(call): Json<AccountsCall>) -> Served {
    let owned = Owned::new(&state, &headers, &call)?;
    match accounts::read(&*state.engine, &call).transpose() {
        Some(result) => owned.read(result).await,
        None => match call {
            AccountsCall::Commit { writes } => {
                owned.decide(Promise::Durable, Box::new(move |view| accounts::commit(view, writes))).await
            }
            _ => Err(Problem::invalid("not a call").into()),
        },
    }
}

async fn on_documents(Extract(state): Shared, headers: HeaderMap, Json(call): Json<DocumentsCall>) -> Served {
    let owned = Owned::new(&state, &headers, &call)?;
    let found = documents::read(&*state.engine, &call, &|key| owned.is_ours(key));
    match found.transpose() {
        Some(result) => owned.read(result).await,
        None => match call {
            DocumentsCall::Put { collection, key, expect, value } => {
                let put: Decision = Box::new(move |view| documents::put(view, &collection, &key, expect, value));
                owned.decide(Promise::Durable, put).await
            }
            _ => Err(Problem::invalid("not a call").into()),
        },
    }
}

async fn on_messages(Extract(state): Shared, headers: HeaderMap, Json(call): Json<MessagesCall>) -> Served {
    let owned = Owned::new(&state, &headers, &call)?;
    let env = state.env.clone();
    if let Some(answer) = messages::read(&*state.engine, &call, env.wall_ms()).transpose() {
        let (placement, me) = (state.held.placement(), state.held.me());
        let alone = state.replica.is_none();
        let ours = |answer| if alone { keep_ours(&call, answer, &placement, me) } else { answer };
        return owned.read(answer.map(ours)).await;
    }
    let promise = match call {
        // Who owns what is decided by agreement, as with lightweight transactions, whatever messages wait for.
        MessagesCall::Lease { .. } | MessagesCall::Release { .. } => Promise::Certain,
        // Entries that are relayed again have the ids of the first time.
        MessagesCall::MarkPublished { .. } => Promise::ForNow,
        _ => Promise::Durable,
    };
    owned.decide(promise, Box::new(move |view| messages::decide(view, call, env.wall_ms()))).await
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

async fn on_events(Extract(state): Shared, headers: HeaderMap, Json(call): Json<EventsCall>) -> Served {
    let owned = Owned::new(&state, &headers, &call)?;
    match call {
        EventsCall::Partitions { topic } => Ok(Json(partitions(&state, &topic)?.into())),
        EventsCall::Publish { topic, events } => {
            let partitions = partitions(&state, &topic)?;
            let publish: Decision = Box::new(move |view| events::publish(view, &topic, partitions, events));
            owned.decide(Promise::Durable, publish).await
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
                    return owned.read(found.and_then(|records| Ok(to_value(records)?))).await;
                }
                // It may have been handed over while nothing came.
                owned.check()?;
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
            owned.read(events::committed(&*state.engine, &group, &topic, partition).map(Value::from)).await
        }
        EventsCall::Commit { group, topic, partition, offset } => {
            // What is read again has the effects of the first time.
            let commit: Decision = Box::new(move |view| events::commit(view, &group, &topic, partition, offset));
            owned.decide(Promise::ForNow, commit).await
        }
    }
}

async fn on_index(Extract(state): Shared, headers: HeaderMap, Json(call): Json<IndexCall>) -> Served {
    let owned = Owned::new(&state, &headers, &call)?;
    match call {
        IndexCall::Put { index, documents } => {
            let write_all: Decision = Box::new(move |view| {
                for document in documents {
                    let (id, version) = (document.id.clone(), document.version);
                    index::write(view, &index, &id, version, Some(document))?;
                }
                Ok(Value::Null)
            });
            owned.decide(Promise::Durable, write_all).await
        }
        IndexCall::Delete { index, id, version } => {
            let delete: Decision = Box::new(move |view| index::write(view, &index, &id, version, None));
            owned.decide(Promise::Durable, delete).await
        }
        IndexCall::Search { index, query } => {
            let found = index::search(&*state.engine, &index, &query, &|id| owned.is_ours(id));
            owned.read(found).await
        }
    }
}

async fn on_cache(Extract(state): Shared, headers: HeaderMap, Json(call): Json<CacheCall>) -> Served {
    let owned = Owned::new(&state, &headers, &call)?;
    let env = state.env.clone();
    let found = cache::read(&*state.engine, &call, env.wall_ms(), &|key| owned.is_ours(key));
    match found.transpose() {
        Some(result) => owned.read(result).await,
        // A restart empties the only copy, as it may: its writes need no sync.
        None => {
            let promise = if state.replica.is_some() { Promise::Durable } else { Promise::ForNow };
            owned.decide(promise, Box::new(move |view| cache::decide(view, call, env.wall_ms()))).await
        }
    }
}
