//! Public routes.

use std::{collections::BTreeSet, sync::Arc};

use archgen_ports::{ChannelId, MessageId, UserId, messages::Range};
use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Path, State as Extract},
    routing::{get, post, put},
};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    channels::{self, Channel, Kind, Rows},
    error::MessagingError,
    history::Walk,
    operation::{Change, Content, Operation, execute},
    state::{Shared, State},
    view,
};
use crate::{
    host::{Parameters, Payload},
    identity::Caller,
};

/// Body of a request, bytes: the largest message, each of its bytes escaped.
const REQUEST_BYTES_MAX: usize = 256 << 10;
/// Items of a page.
const PAGE_MAX: usize = 200;
/// Items of a page where the caller does not say.
const PAGE: usize = 50;
/// Name of a channel, characters.
const NAME_CHARS_MAX: usize = 80;
/// People of a group message.
const GROUP_MAX: usize = 9;

type Answer<T = Json<Value>> = Result<T, MessagingError>;

pub(super) fn routes(state: Arc<State>) -> Router {
    Router::new()
        .route("/api/v1/channels", get(list).post(create))
        .route("/api/v1/channels/{id}", get(show))
        .route("/api/v1/channels/{id}/join", post(join))
        .route("/api/v1/channels/{id}/members", get(members))
        .route("/api/v1/channels/{id}/members/{user}", put(add).delete(remove))
        .route("/api/v1/channels/{id}/messages", get(history).post(send))
        .route("/api/v1/channels/{id}/read", post(read))
        .route("/api/v1/dms", post(direct))
        .route("/api/v1/messages/{id}", get(message).patch(edit).delete(delete))
        .route("/api/v1/me/unread", get(unread))
        .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
        .with_state(Shared(state))
}

fn rows(state: &State) -> Rows<'_> {
    Rows(&*state.config.accounts)
}

fn page_limit(asked: Option<usize>) -> usize {
    asked.unwrap_or(PAGE).clamp(1, PAGE_MAX)
}

#[derive(Deserialize)]
struct ListQuery {
    limit: Option<usize>,
    cursor: Option<String>,
}

/// The caller's channels, then public ones by page.
async fn list(
    Extract(Shared(state)): Extract<Shared>,
    caller: Caller,
    Parameters(query): Parameters<ListQuery>,
) -> Answer {
    let own = rows(&state).channels_of(&caller.user).await?;
    let own_ids: BTreeSet<&ChannelId> = own.iter().map(|c| &c.id).collect();
    let limit = page_limit(query.limit.or(Some(PAGE_MAX)));
    let public = rows(&state).public(query.cursor.as_deref(), limit).await?;
    let next = (public.len() == limit).then(|| public.last().map(|c| c.id.clone())).flatten();
    let mut items: Vec<Value> = Vec::new();
    if query.cursor.is_none() {
        items.extend(own.iter().map(|c| channels::shown(c, true)));
    }
    items.extend(public.iter().filter(|c| !own_ids.contains(&c.id)).map(|c| channels::shown(c, false)));
    Ok(Json(json!({"items": items, "next": next})))
}

#[derive(Deserialize)]
struct NewChannel {
    name: String,
    #[serde(default = "public")]
    kind: Kind,
}

fn public() -> Kind {
    Kind::Public
}

async fn create(
    Extract(Shared(state)): Extract<Shared>,
    caller: Caller,
    Payload(new): Payload<NewChannel>,
) -> Answer<(StatusCode, Json<Value>)> {
    let name = new.name.trim().to_owned();
    if name.is_empty() || name.chars().count() > NAME_CHARS_MAX || name.chars().any(char::is_control) {
        return Err(MessagingError::Invalid(format!("a channel's name has 1 to {NAME_CHARS_MAX} characters")));
    }
    if !matches!(new.kind, Kind::Public | Kind::Private) {
        return Err(MessagingError::Invalid(
            "a channel is `public` or `private`; for people use /api/v1/dms".to_owned(),
        ));
    }
    let channel = fresh(&state, name, new.kind, &caller.user, None);
    let channel = rows(&state).create(channel, std::slice::from_ref(&caller.user)).await?;
    Ok((StatusCode::CREATED, Json(channels::shown(&channel, true))))
}

fn fresh(state: &State, name: String, kind: Kind, creator: &UserId, dm_key: Option<String>) -> Channel {
    Channel {
        id: ChannelId(state.env.new_snowflake().to_string()),
        name,
        kind,
        creator: creator.clone(),
        created: state.env.wall_ms(),
        dm_key,
    }
}

#[derive(Deserialize)]
struct NewDirect {
    users: Vec<UserId>,
}

async fn direct(Extract(Shared(state)): Extract<Shared>, caller: Caller, Payload(new): Payload<NewDirect>) -> Answer {
    let mut people: BTreeSet<UserId> = new.users.into_iter().collect();
    people.insert(caller.user.clone());
    if people.len() < 2 || people.len() > GROUP_MAX {
        return Err(MessagingError::Invalid(format!("a direct message has 2 to {GROUP_MAX} people, you among them")));
    }
    let failed = |error: archgen_env::http::ClientError| MessagingError::User(error.to_string());
    let lookup = json!({"ids": people});
    let reply = state.config.user.call(http::Method::POST, "/internal/users/lookup", &lookup).await.map_err(failed)?;
    let known: Value = reply.json().map_err(failed)?;
    if known["items"].as_array().map_or(0, Vec::len) != people.len() {
        return Err(MessagingError::NotFound("user"));
    }
    let people: Vec<UserId> = people.into_iter().collect();
    let key = people.iter().map(UserId::as_str).collect::<Vec<_>>().join(",");
    let kind = if people.len() == 2 { Kind::Dm } else { Kind::GroupDm };
    let channel = fresh(&state, String::new(), kind, &caller.user, Some(key));
    let channel = rows(&state).create(channel, &people).await?;
    Ok(Json(channels::shown(&channel, true)))
}

async fn show(Extract(Shared(state)): Extract<Shared>, caller: Caller, Path(id): Path<ChannelId>) -> Answer {
    let channel = rows(&state).channel(&id).await?.ok_or(MessagingError::NotFound("channel"))?;
    let member = rows(&state).member(&id, &caller.user).await?.is_some();
    if !member && channel.kind != Kind::Public {
        return Err(MessagingError::NotFound("channel"));
    }
    Ok(Json(channels::shown(&channel, member)))
}

async fn members(Extract(Shared(state)): Extract<Shared>, caller: Caller, Path(id): Path<ChannelId>) -> Answer {
    rows(&state).opened(&id, &caller.user).await?;
    let members = rows(&state).members(&id).await?;
    let items: Vec<Value> = members.iter().map(|m| json!({"user": m.user, "role": m.role})).collect();
    Ok(Json(json!({"items": items, "next": null})))
}

async fn change(state: &Arc<State>, caller: Caller, channel: ChannelId, change: Change) -> Answer<Value> {
    execute(state, Operation { user: caller.user, channel, change }, false).await
}

async fn join(Extract(Shared(state)): Extract<Shared>, caller: Caller, Path(id): Path<ChannelId>) -> Answer {
    change(&state, caller, id, Change::Join).await.map(Json)
}

async fn add(
    Extract(Shared(state)): Extract<Shared>,
    caller: Caller,
    Path((id, member)): Path<(ChannelId, UserId)>,
) -> Answer {
    change(&state, caller, id, Change::Add { member }).await.map(Json)
}

async fn remove(
    Extract(Shared(state)): Extract<Shared>,
    caller: Caller,
    Path((id, member)): Path<(ChannelId, UserId)>,
) -> Answer<StatusCode> {
    change(&state, caller, id, Change::Remove { member }).await.map(|_| StatusCode::NO_CONTENT)
}

async fn send(
    Extract(Shared(state)): Extract<Shared>,
    caller: Caller,
    Path(id): Path<ChannelId>,
    Payload(content): Payload<Content>,
) -> Answer<(StatusCode, Json<Value>)> {
    let sent = change(&state, caller, id, Change::Send(content)).await?;
    Ok((StatusCode::CREATED, Json(sent)))
}

#[derive(Deserialize)]
struct HistoryQuery {
    after_seq: Option<u64>,
    before_seq: Option<u64>,
    limit: Option<usize>,
}

/// A page of messages, ascending. `next` is the `seq` to go on from, in the direction asked for.
async fn history(
    Extract(Shared(state)): Extract<Shared>,
    caller: Caller,
    Path(id): Path<ChannelId>,
    Parameters(query): Parameters<HistoryQuery>,
) -> Answer {
    rows(&state).opened(&id, &caller.user).await?;
    let range = match (query.after_seq, query.before_seq) {
        (Some(_), Some(_)) => return Err(MessagingError::Invalid("after_seq or before_seq, not both".to_owned())),
        (Some(after), None) => Range::After(after),
        (None, Some(before)) => Range::Before(before),
        (None, None) => Range::Latest,
    };
    let mut walk = Walk::new(range, page_limit(query.limit));
    loop {
        let (range, limit) = walk.read();
        if walk.take(state.config.messages.read(&id, range, limit).await?) {
            break;
        }
    }
    let page = walk.page();
    let items: Vec<Value> = page.messages.iter().map(|m| view::message(&id, m)).collect();
    Ok(Json(json!({"items": items, "next": page.next})))
}

/// The channel of a message that the caller may see.
async fn located(state: &State, caller: &Caller, id: &MessageId) -> Answer<(ChannelId, Value)> {
    let (channel, entry) = state.message(id).await?.ok_or(MessagingError::NotFound("message"))?;
    if rows(state).member(&channel, &caller.user).await?.is_none() {
        return Err(MessagingError::NotFound("message"));
    }
    let shown = view::message(&channel, &entry);
    Ok((channel, shown))
}

async fn message(Extract(Shared(state)): Extract<Shared>, caller: Caller, Path(id): Path<MessageId>) -> Answer {
    located(&state, &caller, &id).await.map(|(_, message)| Json(message))
}

#[derive(Deserialize)]
struct NewBody {
    body: String,
}

async fn edit(
    Extract(Shared(state)): Extract<Shared>,
    caller: Caller,
    Path(id): Path<MessageId>,
    Payload(new): Payload<NewBody>,
) -> Answer {
    let (channel, _) = located(&state, &caller, &id).await?;
    change(&state, caller, channel, Change::Edit { id, body: new.body }).await.map(Json)
}

async fn delete(
    Extract(Shared(state)): Extract<Shared>,
    caller: Caller,
    Path(id): Path<MessageId>,
) -> Answer<StatusCode> {
    let (channel, _) = located(&state, &caller, &id).await?;
    change(&state, caller, channel, Change::Delete { id }).await.map(|_| StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
struct ReadTo {
    seq: u64,
}

async fn read(
    Extract(Shared(state)): Extract<Shared>,
    caller: Caller,
    Path(id): Path<ChannelId>,
    Payload(to): Payload<ReadTo>,
) -> Answer {
    mark_read(&state, &caller.user, &id, to.seq).await.map(Json)
}

/// Moves the read mark, never beyond the head.
pub(super) async fn mark_read(state: &State, user: &UserId, id: &ChannelId, seq: u64) -> Answer<Value> {
    rows(state).opened(id, user).await?;
    let messages = &state.config.messages;
    // The entry there, or the newest where the mark would be beyond the head.
    let last = match messages.entries(id, &[seq]).await?.pop() {
        Some(entry) => Some(entry),
        None => messages.read(id, Range::Latest, 1).await?.pop(),
    };
    let Some(entry) = last.filter(|entry| entry.position.seq <= seq) else {
        return Ok(json!({"channel": id, "seq": 0}));
    };
    let mark = messages.set_read(user.as_str(), id, entry.position.seq, entry.counts).await?;
    Ok(json!({"channel": id, "seq": mark.seq}))
}

/// Per channel: messages after the read mark.
async fn unread(Extract(Shared(state)): Extract<Shared>, caller: Caller) -> Answer {
    let ids: Vec<ChannelId> = rows(&state).channels_of(&caller.user).await?.into_iter().map(|c| c.id).collect();
    let heads = state.config.messages.heads(&ids).await?;
    let marks = state.config.messages.read_states(caller.user.as_str()).await?;
    let items: Vec<Value> = heads
        .iter()
        .map(|(id, head)| {
            let mark = marks.iter().find(|m| m.channel == *id);
            let unread = head.counts.since(mark.map(|m| m.counts).unwrap_or_default()).messages;
            let seq = mark.map_or(0, |m| m.seq);
            json!({"channel": id, "unread": unread, "last_read_seq": seq, "head": head.position})
        })
        .collect();
    Ok(Json(json!({"items": items, "next": null})))
}
