//! Routes for other hosts of the fleet.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use archgen_ports::{
    ChannelId, UserId,
    messages::{APPEND_ENTRIES_MAX, LogEntry, Range},
};
use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Path, State as Extract},
    routing::{get, post},
};
use futures_util::future::join_all;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    act::Act,
    error::MessagingError,
    lease,
    operation::{Operation, execute},
    send::{self, Sends},
    state::{Shared, State},
    view::{ChannelEvent, borrowed_from},
};
use crate::{host::Payload, identity::Internal};

/// Body of an internal request, bytes.
const REQUEST_BYTES_MAX: usize = 256 << 10;
/// Body of a request that brings many messages, bytes: realtime hosts keep well below it.
const SENDS_BYTES_MAX: usize = 16 << 20;
/// Events of one answer.
const LOG_EVENTS_MAX: usize = 500;
/// Memberships asked about at a time, and how many of their rows are read at once.
const PAIRS_MAX: usize = 256;
const READS_AT_ONCE: usize = 16;
/// Channels of one question.
const HEADS_MAX: usize = 5_000;

type Answer = Result<Json<Value>, MessagingError>;

pub(super) fn routes(state: Arc<State>) -> Router {
    Router::new()
        .route("/internal/operations", post(operation))
        .route("/internal/act", post(act))
        .route("/internal/sends", post(sends).layer(DefaultBodyLimit::max(SENDS_BYTES_MAX)))
        .route("/internal/access", post(access))
        .route("/internal/members", post(are_members))
        .route("/internal/log", post(log))
        .route("/internal/heads", post(heads))
        .route("/internal/handover", post(handover))
        .route("/internal/users/{user}/channels", get(channels_of))
        .route("/internal/channels/{id}/members", get(members))
        .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
        .with_state(Shared(state))
}

async fn operation(
    Extract(Shared(state)): Extract<Shared>,
    _: Internal,
    Payload(operation): Payload<Operation>,
) -> Answer {
    execute(&state, operation, true).await.map(Json)
}

async fn act(Extract(Shared(state)): Extract<Shared>, _: Internal, Payload(act): Payload<Act>) -> Answer {
    super::act::act(&state, act).await.map(Json)
}

async fn sends(Extract(Shared(state)): Extract<Shared>, _: Internal, Payload(sends): Payload<Sends>) -> Answer {
    send::many(&state, sends).await.map(Json)
}

#[derive(Deserialize)]
struct AccessCall {
    user: UserId,
    channel: ChannelId,
}

async fn access(Extract(Shared(state)): Extract<Shared>, _: Internal, Payload(call): Payload<AccessCall>) -> Answer {
    let member = state.rows().member(&call.channel, &call.user).await?;
    let channel = match &member {
        Some(_) => state.rows().channel(&call.channel).await?,
        None => None,
    };
    Ok(Json(json!({
        "member": member.is_some(),
        "role": member.map(|m| m.role),
        "name": channel.as_ref().map(|c| c.name.clone()),
        "archived": channel.as_ref().map(|c| c.archived),
        "kind": channel.map(|c| c.kind),
    })))
}

#[derive(Deserialize)]
struct MembersCall {
    pairs: Vec<(UserId, ChannelId)>,
}

/// Whether each of these users is a member of the channel beside them, in order.
async fn are_members(
    Extract(Shared(state)): Extract<Shared>,
    _: Internal,
    Payload(MembersCall { pairs }): Payload<MembersCall>,
) -> Answer {
    if pairs.len() > PAIRS_MAX {
        return Err(MessagingError::Invalid(format!("at most {PAIRS_MAX} pairs")));
    }
    let mut members = Vec::with_capacity(pairs.len());
    for part in pairs.chunks(READS_AT_ONCE) {
        let rows = state.rows();
        let found = join_all(part.iter().map(|(user, channel)| rows.member(channel, user))).await;
        for member in found {
            members.push(member?.is_some());
        }
    }
    Ok(Json(json!({"members": members})))
}

#[derive(Deserialize)]
struct LogCall {
    channel: ChannelId,
    #[serde(default)]
    after_seq: u64,
    limit: Option<usize>,
}

/// A part of a channel's log, and its head. The channel's owner reads it from memory where it can.
async fn log(Extract(Shared(state)): Extract<Shared>, _: Internal, Payload(call): Payload<LogCall>) -> Answer {
    let LogCall { channel, after_seq, limit } = call;
    let limit = limit.unwrap_or(LOG_EVENTS_MAX).clamp(1, LOG_EVENTS_MAX);
    let messages = &state.config.messages;
    let epoch = state.epoch(&channel);
    let recent = epoch.and_then(|epoch| state.recent().after(&channel, epoch, after_seq, limit));
    let (entries, head) = match recent {
        Some((entries, head)) => (entries, Some(head)),
        None => {
            let entries = messages.read(&channel, Range::After(after_seq), limit).await?;
            let heads = messages.heads(std::slice::from_ref(&channel)).await?;
            (entries, heads.first().map(|(_, head)| head.position))
        }
    };
    let items = events(&state, &channel, &entries).await?;
    let head = head.map_or(json!({"epoch": 0, "seq": 0}), |head| json!(head));
    Ok(Json(json!({"items": items, "head": head})))
}

/// The events of these entries, with what they need of the messages that they revise, as those stand now.
pub(super) async fn events(
    state: &State,
    channel: &ChannelId,
    entries: &[LogEntry],
) -> Result<Vec<ChannelEvent>, MessagingError> {
    let seqs: BTreeSet<u64> = entries.iter().filter_map(borrowed_from).collect();
    let seqs: Vec<u64> = seqs.into_iter().collect();
    let mut targets: BTreeMap<u64, LogEntry> = BTreeMap::new();
    for part in seqs.chunks(APPEND_ENTRIES_MAX) {
        let some = state.config.messages.entries(channel, part).await?;
        targets.extend(some.into_iter().map(|e| (e.position.seq, e)));
    }
    let event = |e: &LogEntry| ChannelEvent::new(channel, e, borrowed_from(e).and_then(|seq| targets.get(&seq)));
    Ok(entries.iter().map(event).collect())
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
    let channels = state.rows().channels_of(&user).await?;
    let items: Vec<Value> = channels.iter().map(|c| json!({"id": c.id, "name": c.name, "kind": c.kind})).collect();
    Ok(Json(json!({"items": items, "next": null})))
}

async fn members(Extract(Shared(state)): Extract<Shared>, _: Internal, Path(id): Path<ChannelId>) -> Answer {
    let members = state.rows().members(&id).await?;
    let items: Vec<Value> = members.iter().map(|m| json!({"user": m.user, "role": m.role})).collect();
    Ok(Json(json!({"items": items, "next": null})))
}
