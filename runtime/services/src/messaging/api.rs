//! Public routes.

use std::{collections::BTreeSet, sync::Arc};

use archgen_ports::{
    ChannelId, MessageId, UserId,
    messages::{LogEntry, Range},
};
use axum::{
    Json,
    body::Bytes,
    extract::{Path, State as Extract},
};
use http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    change::{PINS, thread_index},
    channels::{self, Channel, Kind, Posting, Role},
    directs,
    error::MessagingError,
    history::{Page, Walk},
    notice,
    operation::{Change, Content, Operation, Settings, checked_name, execute},
    reads,
    state::{Shared, State},
    view,
};
use crate::{
    host::{Documented, Parameters, Payload, Route},
    identity::Caller,
};

/// Items of a page.
const PAGE_MAX: usize = 200;
/// Items of a page where the caller does not say.
const PAGE: usize = 50;
/// Pins of a channel that are shown.
const PINS_MAX: usize = 100;

pub(super) type Answer<T = Json<Value>> = Result<T, MessagingError>;

/// The routes of channels and messages.
pub(super) fn routes(router: Documented<Shared>) -> Documented<Shared> {
    let at = Route::new;
    let (read, write) = (Method::GET, Method::POST);
    let (change, place, remove_) = (Method::PATCH, Method::PUT, Method::DELETE);
    router
        .route(
            at(read.clone(), "/api/v1/channels", "the caller's channels, then public ones").query::<ListQuery>(),
            list,
        )
        .route(at(write.clone(), "/api/v1/channels", "a new channel").body::<NewChannel>().answers(201), create)
        .route(at(read.clone(), "/api/v1/channels/{id}", "a channel"), show)
        .route(at(change.clone(), "/api/v1/channels/{id}", "settings of a channel").body::<Settings>(), update)
        .route(at(write.clone(), "/api/v1/channels/{id}/join", "join a public channel"), join)
        .route(at(read.clone(), "/api/v1/channels/{id}/members", "its members, after a cursor"), members)
        .route(at(place.clone(), "/api/v1/channels/{id}/members/{user}", "add a member, or give a role"), add)
        .route(
            at(
                remove_.clone(),
                "/api/v1/channels/{id}/members/{user}",
                "end a membership: nothing reaches them after it",
            )
            .answers(204),
            remove,
        )
        .route(
            at(read.clone(), "/api/v1/channels/{id}/messages", "a page of messages, ascending").query::<HistoryQuery>(),
            history,
        )
        .route(
            at(write.clone(), "/api/v1/channels/{id}/messages", "a new message; the answer means that it is durable")
                .body::<Content>()
                .answers(201),
            send,
        )
        .route(
            at(write.clone(), "/api/v1/channels/{id}/ephemeral", "text that one member sees now and nobody keeps")
                .body::<Ephemeral>(),
            ephemeral,
        )
        .route(at(read.clone(), "/api/v1/channels/{id}/pins", "its pinned messages"), pins)
        .route(
            at(write.clone(), "/api/v1/channels/{id}/read", "the channel was read up to a place").body::<ReadTo>(),
            read_to,
        )
        .route(
            at(write.clone(), "/api/v1/dms", "the one direct conversation of these people")
                .body::<directs::NewDirect>(),
            directs::direct,
        )
        .route(at(read.clone(), "/api/v1/messages/{id}", "a message, as it stands"), message)
        .route(at(change, "/api/v1/messages/{id}", "new text of one's own message").body::<NewBody>(), edit)
        .route(at(remove_.clone(), "/api/v1/messages/{id}", "the end of a message").answers(204), delete)
        .route(at(read.clone(), "/api/v1/messages/{id}/history", "its texts, oldest first"), versions)
        .route(at(read.clone(), "/api/v1/messages/{id}/thread", "its replies").query::<ThreadQuery>(), thread)
        .route(at(place.clone(), "/api/v1/messages/{id}/reactions/{emoji}", "react"), react)
        .route(at(remove_.clone(), "/api/v1/messages/{id}/reactions/{emoji}", "take a reaction back"), unreact)
        .route(at(place, "/api/v1/messages/{id}/pin", "pin a message"), pin)
        .route(at(remove_, "/api/v1/messages/{id}/pin", "unpin it"), unpin)
        .route(at(read, "/api/v1/me/unread", "what is unread, by channel").query::<UnreadQuery>(), unread)
}

fn page_limit(asked: Option<usize>) -> usize {
    asked.unwrap_or(PAGE).clamp(1, PAGE_MAX)
}

#[derive(Deserialize, JsonSchema)]
struct ListQuery {
    /// Public channels at most.
    limit: Option<usize>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// The caller's channels, then public ones by page.
async fn list(
    Extract(Shared(state)): Extract<Shared>,
    caller: Caller,
    Parameters(query): Parameters<ListQuery>,
) -> Answer {
    let own = state.rows().channels_of(&caller.user).await?;
    let own_ids: BTreeSet<&ChannelId> = own.iter().map(|c| &c.id).collect();
    let limit = page_limit(query.limit.or(Some(PAGE_MAX)));
    let public = state.rows().public(query.cursor.as_deref(), limit).await?;
    let next = (public.len() == limit).then(|| public.last().map(|c| c.id.clone())).flatten();
    let mut items: Vec<Value> = Vec::new();
    if query.cursor.is_none() {
        items.extend(own.iter().map(|c| channels::shown(c, true)));
    }
    items.extend(public.iter().filter(|c| !own_ids.contains(&c.id)).map(|c| channels::shown(c, false)));
    Ok(Json(json!({"items": items, "next": next})))
}

#[derive(Deserialize, JsonSchema)]
struct NewChannel {
    /// Its name.
    name: String,
    /// `public` or `private`.
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
    let name = checked_name(&new.name)?;
    if !matches!(new.kind, Kind::Public | Kind::Private) {
        return Err(MessagingError::Invalid(
            "a channel is `public` or `private`; for people use /api/v1/dms".to_owned(),
        ));
    }
    let channel = fresh(&state, name, new.kind, &caller.user, None);
    let channel = state.rows().create(channel, std::slice::from_ref(&caller.user)).await?;
    Ok((StatusCode::CREATED, Json(channels::shown(&channel, true))))
}

pub(super) fn fresh(state: &State, name: String, kind: Kind, creator: &UserId, dm_key: Option<String>) -> Channel {
    Channel {
        id: ChannelId(state.env.new_snowflake().to_string()),
        name,
        kind,
        creator: creator.clone(),
        created: state.env.wall_ms(),
        topic: String::new(),
        archived: false,
        slow_mode_s: 0,
        posting: Posting::Everyone,
        keep_days: 0,
        expires: None,
        untold: None,
        dm_key,
    }
}

async fn show(Extract(Shared(state)): Extract<Shared>, caller: Caller, Path(id): Path<ChannelId>) -> Answer {
    let channel = state.rows().channel(&id).await?.ok_or(MessagingError::NotFound("channel"))?;
    let member = state.rows().member(&id, &caller.user).await?.is_some();
    if !member && channel.kind != Kind::Public {
        return Err(MessagingError::NotFound("channel"));
    }
    Ok(Json(channels::shown(&channel, member)))
}

async fn members(
    Extract(Shared(state)): Extract<Shared>,
    caller: Caller,
    Path(id): Path<ChannelId>,
    Parameters(ListQuery { cursor, limit }): Parameters<ListQuery>,
) -> Answer {
    let rows = state.rows();
    rows.opened(&id, &caller.user).await?;
    let page = rows.members_page(&id, cursor.as_deref(), page_limit(limit.or(Some(PAGE_MAX))));
    let (members, next) = rows.shown(&id, &caller.user, page).await?;
    let items: Vec<Value> = members.iter().map(|m| json!({"user": m.user, "role": m.role})).collect();
    Ok(Json(json!({"items": items, "next": next})))
}

async fn change(state: &Arc<State>, caller: Caller, channel: ChannelId, change: Change) -> Answer<Value> {
    execute(state, Operation { user: caller.user, channel, change }, false).await
}

async fn join(Extract(Shared(state)): Extract<Shared>, caller: Caller, Path(id): Path<ChannelId>) -> Answer {
    change(&state, caller, id, Change::Join).await.map(Json)
}

async fn update(
    Extract(Shared(state)): Extract<Shared>,
    caller: Caller,
    Path(id): Path<ChannelId>,
    Payload(settings): Payload<Settings>,
) -> Answer {
    change(&state, caller, id, Change::Update(settings)).await.map(Json)
}

#[derive(Deserialize)]
struct NewRole {
    role: Role,
}

/// Without a body someone is added; with one, they are given a role.
async fn add(
    Extract(Shared(state)): Extract<Shared>,
    caller: Caller,
    Path((id, member)): Path<(ChannelId, UserId)>,
    body: Bytes,
) -> Answer {
    let role = match body.trim_ascii() {
        b"" | b"null" | b"{}" => None,
        some => Some(serde_json::from_slice::<NewRole>(some).map_err(|e| MessagingError::Invalid(e.to_string()))?.role),
    };
    let wanted = match role {
        None => Change::Add { member },
        Some(role) => Change::SetRole { member, role },
    };
    change(&state, caller, id, wanted).await.map(Json)
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
    let sent = change(&state, caller, id, Change::Send { content, id: None }).await?;
    Ok((StatusCode::CREATED, Json(sent)))
}

#[derive(Deserialize, JsonSchema)]
struct Ephemeral {
    /// Who sees it.
    user: String,
    /// Text.
    body: String,
}

async fn ephemeral(
    Extract(Shared(state)): Extract<Shared>,
    caller: Caller,
    Path(id): Path<ChannelId>,
    Payload(Ephemeral { user, body }): Payload<Ephemeral>,
) -> Answer {
    state.rows().opened(&id, &caller.user).await?;
    let user = UserId(user);
    state.rows().member(&id, &user).await?.ok_or(MessagingError::NotFound("member"))?;
    Content { body: body.clone(), ..Content::default() }.check()?;
    let item = json!({"ch": id, "author": caller.user, "ts": state.env.wall_ms(), "body": body});
    let sockets = notice::tell(&state, &user, "msg:ephemeral", &item).await;
    Ok(Json(json!({"sockets": sockets})))
}

#[derive(Deserialize, JsonSchema)]
struct HistoryQuery {
    /// Messages after this place.
    after_seq: Option<u64>,
    /// Messages before this place.
    before_seq: Option<u64>,
    /// Messages on both sides of this place, itself among them.
    around: Option<u64>,
    /// Messages at most.
    limit: Option<usize>,
}

/// A page of messages, ascending. `next` is the `seq` to go on from, in the direction asked for; around a place, `before` and
/// `after` are.
async fn history(
    Extract(Shared(state)): Extract<Shared>,
    caller: Caller,
    Path(id): Path<ChannelId>,
    Parameters(query): Parameters<HistoryQuery>,
) -> Answer {
    state.rows().opened(&id, &caller.user).await?;
    let limit = page_limit(query.limit);
    let range = match (query.after_seq, query.before_seq, query.around) {
        (Some(after), None, None) => Range::After(after),
        (None, Some(before), None) => Range::Before(before),
        (None, None, None) => Range::Latest,
        (None, None, Some(place)) => {
            let sides = async {
                let before = walked(&state, &id, Range::Before(place.saturating_add(1)), limit.div_ceil(2)).await?;
                Ok((before, walked(&state, &id, Range::After(place), (limit / 2).max(1)).await?))
            };
            let (before, after) = state.rows().shown(&id, &caller.user, sides).await?;
            let all = before.messages.iter().chain(&after.messages);
            let items: Vec<Value> = all.map(|m| view::message(&id, m)).collect();
            return Ok(Json(json!({"items": items, "before": before.next, "after": after.next, "next": after.next})));
        }
        _ => {
            return Err(MessagingError::Invalid("one of after_seq, before_seq and around, not more".to_owned()));
        }
    };
    let page = state.rows().shown(&id, &caller.user, walked(&state, &id, range, limit)).await?;
    let items: Vec<Value> = page.messages.iter().map(|m| view::message(&id, m)).collect();
    Ok(Json(json!({"items": items, "next": page.next})))
}

async fn walked(state: &State, channel: &ChannelId, range: Range, limit: usize) -> Answer<Page> {
    let mut walk = Walk::new(range, limit);
    loop {
        let (range, limit) = walk.read();
        if walk.take(state.config.messages.read(channel, range, limit).await?) {
            return Ok(walk.page());
        }
    }
}

async fn pins(Extract(Shared(state)): Extract<Shared>, caller: Caller, Path(id): Path<ChannelId>) -> Answer {
    state.rows().opened(&id, &caller.user).await?;
    let entries = state.rows().shown(&id, &caller.user, pinned(&state, &id)).await?;
    let items: Vec<Value> = entries.iter().filter(|e| !e.deleted).map(|m| view::message(&id, m)).collect();
    Ok(Json(json!({"items": items, "next": null})))
}

/// The pinned messages of a channel.
async fn pinned(state: &State, channel: &ChannelId) -> Answer<Vec<LogEntry>> {
    let messages = &state.config.messages;
    let (mut pinned, mut after) = (BTreeSet::new(), 0);
    loop {
        let entries = messages.indexed(channel, PINS, after, PAGE_MAX).await?;
        let Some(last) = entries.last() else { break };
        after = last.position.seq;
        for entry in &entries {
            if let Some(seq) = entry.data["target_seq"].as_u64() {
                match entry.data["on"] == true {
                    true => pinned.insert(seq),
                    false => pinned.remove(&seq),
                };
            }
        }
    }
    let newest: Vec<u64> = pinned.into_iter().rev().take(PINS_MAX).collect();
    Ok(messages.entries(channel, &newest).await?)
}

/// A message that the caller may see, with its channel.
pub(super) async fn located(state: &State, user: &UserId, id: &MessageId) -> Answer<(ChannelId, LogEntry)> {
    let (channel, entry) = state.message(id).await?.ok_or(MessagingError::NotFound("message"))?;
    if state.rows().member(&channel, user).await?.is_none() {
        return Err(MessagingError::NotFound("message"));
    }
    Ok((channel, entry))
}

async fn message(Extract(Shared(state)): Extract<Shared>, caller: Caller, Path(id): Path<MessageId>) -> Answer {
    located(&state, &caller.user, &id).await.map(|(channel, entry)| Json(view::message(&channel, &entry)))
}

async fn versions(Extract(Shared(state)): Extract<Shared>, caller: Caller, Path(id): Path<MessageId>) -> Answer {
    let (_, entry) = located(&state, &caller.user, &id).await?;
    Ok(Json(json!({"items": view::versions(&entry), "next": null})))
}

#[derive(Deserialize, JsonSchema)]
struct ThreadQuery {
    /// Replies after this place.
    after_seq: Option<u64>,
    /// Replies at most.
    limit: Option<usize>,
}

/// A thread's root, and a page of its replies, ascending.
async fn thread(
    Extract(Shared(state)): Extract<Shared>,
    caller: Caller,
    Path(id): Path<MessageId>,
    Parameters(query): Parameters<ThreadQuery>,
) -> Answer {
    let (channel, root) = located(&state, &caller.user, &id).await?;
    let (index, limit) = (thread_index(root.position.seq), page_limit(query.limit));
    let after = query.after_seq.unwrap_or(0);
    let read = async { Ok(state.config.messages.indexed(&channel, &index, after, limit).await?) };
    let replies = state.rows().shown(&channel, &caller.user, read).await?;
    let next = (replies.len() == limit).then(|| replies.last().map(|r| r.position.seq)).flatten();
    let items: Vec<Value> = replies.iter().map(|m| view::message(&channel, m)).collect();
    Ok(Json(json!({"root": view::message(&channel, &root), "items": items, "next": next})))
}

/// A change of one message, wherever it is; what stands after it.
async fn on_message(state: &Arc<State>, caller: Caller, id: MessageId, wanted: Change) -> Answer {
    let (channel, _) = located(state, &caller.user, &id).await?;
    change(state, caller, channel, wanted).await.map(Json)
}

#[derive(Deserialize, JsonSchema)]
struct NewBody {
    /// Text.
    body: String,
}

async fn edit(
    Extract(Shared(state)): Extract<Shared>,
    caller: Caller,
    Path(id): Path<MessageId>,
    Payload(new): Payload<NewBody>,
) -> Answer {
    on_message(&state, caller, id.clone(), Change::Edit { id, body: new.body }).await
}

async fn delete(
    Extract(Shared(state)): Extract<Shared>,
    caller: Caller,
    Path(id): Path<MessageId>,
) -> Answer<StatusCode> {
    on_message(&state, caller, id.clone(), Change::Delete { id }).await.map(|_| StatusCode::NO_CONTENT)
}

async fn react(
    Extract(Shared(state)): Extract<Shared>,
    caller: Caller,
    Path((id, emoji)): Path<(MessageId, String)>,
) -> Answer {
    on_message(&state, caller, id.clone(), Change::React { id, emoji, on: true }).await
}

async fn unreact(
    Extract(Shared(state)): Extract<Shared>,
    caller: Caller,
    Path((id, emoji)): Path<(MessageId, String)>,
) -> Answer {
    on_message(&state, caller, id.clone(), Change::React { id, emoji, on: false }).await
}

async fn pin(Extract(Shared(state)): Extract<Shared>, caller: Caller, Path(id): Path<MessageId>) -> Answer {
    on_message(&state, caller, id.clone(), Change::Pin { id, on: true }).await
}

async fn unpin(Extract(Shared(state)): Extract<Shared>, caller: Caller, Path(id): Path<MessageId>) -> Answer {
    on_message(&state, caller, id.clone(), Change::Pin { id, on: false }).await
}

#[derive(Deserialize, JsonSchema)]
struct ReadTo {
    /// The last place that was read.
    seq: u64,
    /// On which device, which then has a mark of its own.
    device: Option<String>,
}

async fn read_to(
    Extract(Shared(state)): Extract<Shared>,
    caller: Caller,
    Path(id): Path<ChannelId>,
    Payload(to): Payload<ReadTo>,
) -> Answer {
    reads::mark(&state, &caller.user, &id, to.seq, to.device.as_deref()).await.map(Json)
}

#[derive(Deserialize, JsonSchema)]
struct UnreadQuery {
    /// By the mark of this device in place of the user's.
    device: Option<String>,
}

async fn unread(
    Extract(Shared(state)): Extract<Shared>,
    caller: Caller,
    Parameters(query): Parameters<UnreadQuery>,
) -> Answer {
    let items = reads::unread(&state, &caller.user, query.device.as_deref()).await?;
    Ok(Json(json!({"items": items, "next": null})))
}
