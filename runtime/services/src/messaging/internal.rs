//! Routes for other hosts of the fleet.

use std::sync::Arc;

use archgen_ports::{ChannelId, MessageId, UserId, messages::Range};
use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Path, State as Extract},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    api,
    channels::Rows,
    error::MessagingError,
    lease,
    operation::{Change, Content, Operation, execute},
    state::{Shared, State},
    view::ChannelEvent,
};
use crate::{host::Payload, identity::Internal};

/// Body of an internal request, bytes.
const REQUEST_BYTES_MAX: usize = 256 << 10;
/// Events of one answer.
const LOG_EVENTS_MAX: usize = 500;
/// Channels of one question.
const HEADS_MAX: usize = 5_000;

type Answer = Result<Json<Value>, MessagingError>;

pub(super) fn routes(state: Arc<State>) -> Router {
    Router::new()
        .route("/internal/operations", post(operation))
        .route("/internal/send", post(send))
        .route("/internal/edit", post(edit))
        .route("/internal/delete", post(delete))
        .route("/internal/read", post(read))
        .route("/internal/access", post(access))
        .route("/internal/log", post(log))
        .route("/internal/heads", post(heads))
        .route("/internal/handover", post(handover))
        .route("/internal/users/{user}/channels", get(channels_of))
        .route("/internal/channels/{id}/members", get(members))
        .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
        .with_state(Shared(state))
}

fn rows(state: &State) -> Rows<'_> {
    Rows(&*state.config.accounts)
}

async fn operation(
    Extract(Shared(state)): Extract<Shared>,
    _: Internal,
    Payload(operation): Payload<Operation>,
) -> Answer {
    execute(&state, operation, true).await.map(Json)
}

#[derive(Deserialize)]
struct SendCall {
    user: UserId,
    channel: ChannelId,
    client_msg_id: Option<String>,
    body: String,
    #[serde(default)]
    thread: Option<MessageId>,
    #[serde(default)]
    files: Vec<String>,
}

async fn send(Extract(Shared(state)): Extract<Shared>, _: Internal, Payload(call): Payload<SendCall>) -> Answer {
    let SendCall { user, channel, client_msg_id, body, thread, files } = call;
    let change = Change::Send(Content { client_msg_id, body, thread, files });
    execute(&state, Operation { user, channel, change }, false).await.map(Json)
}

#[derive(Deserialize)]
struct MessageCall {
    user: UserId,
    id: MessageId,
    #[serde(default)]
    body: String,
}

async fn on_message(state: &Arc<State>, user: UserId, id: MessageId, change: Change) -> Answer {
    let (channel, _) = state.message(&id).await?.ok_or(MessagingError::NotFound("message"))?;
    execute(state, Operation { user, channel, change }, false).await.map(Json)
}

async fn edit(Extract(Shared(state)): Extract<Shared>, _: Internal, Payload(call): Payload<MessageCall>) -> Answer {
    let change = Change::Edit { id: call.id.clone(), body: call.body };
    on_message(&state, call.user, call.id, change).await
}

async fn delete(Extract(Shared(state)): Extract<Shared>, _: Internal, Payload(call): Payload<MessageCall>) -> Answer {
    let change = Change::Delete { id: call.id.clone() };
    on_message(&state, call.user, call.id, change).await
}

#[derive(Deserialize)]
struct ReadCall {
    user: UserId,
    channel: ChannelId,
    seq: u64,
}

async fn read(Extract(Shared(state)): Extract<Shared>, _: Internal, Payload(call): Payload<ReadCall>) -> Answer {
    api::mark_read(&state, &call.user, &call.channel, call.seq).await.map(Json)
}

#[derive(Deserialize)]
struct AccessCall {
    user: UserId,
    channel: ChannelId,
}

async fn access(Extract(Shared(state)): Extract<Shared>, _: Internal, Payload(call): Payload<AccessCall>) -> Answer {
    let member = rows(&state).member(&call.channel, &call.user).await?;
    let channel = match &member {
        Some(_) => rows(&state).channel(&call.channel).await?,
        None => None,
    };
    Ok(Json(json!({
        "member": member.is_some(),
        "role": member.map(|m| m.role),
        "name": channel.as_ref().map(|c| c.name.clone()),
        "kind": channel.map(|c| c.kind),
    })))
}

#[derive(Deserialize)]
struct LogCall {
    channel: ChannelId,
    #[serde(default)]
    after_seq: u64,
    limit: Option<usize>,
}

async fn log(Extract(Shared(state)): Extract<Shared>, _: Internal, Payload(call): Payload<LogCall>) -> Answer {
    let limit = call.limit.unwrap_or(LOG_EVENTS_MAX).clamp(1, LOG_EVENTS_MAX);
    let entries = state.config.messages.read(&call.channel, Range::After(call.after_seq), limit).await?;
    let items: Vec<ChannelEvent> = entries.iter().map(|e| ChannelEvent::new(&call.channel, e)).collect();
    let heads = state.config.messages.heads(std::slice::from_ref(&call.channel)).await?;
    let head = heads.first().map_or(json!({"epoch": 0, "seq": 0}), |(_, head)| json!(head.position));
    Ok(Json(json!({"items": items, "head": head})))
}

#[derive(Deserialize)]
struct HeadsCall {
    channels: Vec<ChannelId>,
}

async fn heads(Extract(Shared(state)): Extract<Shared>, _: Internal, Payload(call): Payload<HeadsCall>) -> Answer {
    if call.channels.len() > HEADS_MAX {
        return Err(MessagingError::Invalid(format!("at most {HEADS_MAX} channels")));
    }
    let heads = state.config.messages.heads(&call.channels).await?;
    let items: Vec<Value> =
        heads.iter().map(|(id, h)| json!({"channel": id, "epoch": h.position.epoch, "seq": h.position.seq})).collect();
    Ok(Json(json!({"items": items})))
}

#[derive(Deserialize)]
struct HandoverCall {
    shards: Vec<u16>,
}

async fn handover(
    Extract(Shared(state)): Extract<Shared>,
    _: Internal,
    Payload(call): Payload<HandoverCall>,
) -> Answer {
    let given = lease::hand_over(&state, call.shards).await;
    Ok(Json(json!({"given": given})))
}

async fn channels_of(Extract(Shared(state)): Extract<Shared>, _: Internal, Path(user): Path<UserId>) -> Answer {
    let channels = rows(&state).channels_of(&user).await?;
    let items: Vec<Value> = channels.iter().map(|c| json!({"id": c.id, "name": c.name, "kind": c.kind})).collect();
    Ok(Json(json!({"items": items, "next": null})))
}

async fn members(Extract(Shared(state)): Extract<Shared>, _: Internal, Path(id): Path<ChannelId>) -> Answer {
    let members = rows(&state).members(&id).await?;
    let items: Vec<Value> = members.iter().map(|m| json!({"user": m.user, "role": m.role})).collect();
    Ok(Json(json!({"items": items, "next": null})))
}
