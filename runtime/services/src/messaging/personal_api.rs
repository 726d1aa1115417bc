//! Routes of what belongs to one person: drafts, bookmarks, scheduled messages, keywords; and of groups.

use std::collections::BTreeSet;

use archgen_ports::{ChannelId, MessageId, UserId};
use axum::{
    Json,
    extract::{Path, State as Extract},
};
use futures_util::{StreamExt, TryStreamExt, stream};
use http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    api::{Answer, located},
    error::MessagingError,
    keywords,
    operation::Content,
    personal::{BOOKMARKS, Bookmark, DRAFTS, Draft, GROUP_MEMBERS_MAX, Group, Groups, SCHEDULED, Scheduled, Shelf},
    state::{Shared, State},
    view,
};
use crate::{
    host::{Documented, Payload, Route},
    identity::Caller,
};

/// How far ahead a message may be scheduled, milliseconds: 120 days.
const AHEAD_MS_MAX: u64 = 120 * 86_400_000;
/// Bookmarked messages read at once.
const READS_AT_ONCE: usize = 8;
/// Handle of a group, bytes.
const HANDLE_BYTES_MAX: usize = 40;

pub(super) fn routes(router: Documented<Shared>) -> Documented<Shared> {
    let at = Route::new;
    let (read, write, place, remove) = (Method::GET, Method::POST, Method::PUT, Method::DELETE);
    router
        .route(
            at(place.clone(), "/api/v1/channels/{id}/draft", "unsent text in a channel; empty for none")
                .body::<NewDraft>(),
            draft,
        )
        .route(at(read.clone(), "/api/v1/messages/drafts", "the caller's drafts"), drafts)
        .route(
            at(write, "/api/v1/channels/{id}/scheduled", "a message to be sent later, once")
                .body::<Later>()
                .answers(201),
            schedule,
        )
        .route(at(read.clone(), "/api/v1/messages/scheduled", "the caller's scheduled messages, by time"), scheduled)
        .route(at(remove.clone(), "/api/v1/messages/scheduled/{id}", "do not send it").answers(204), unschedule)
        .route(at(place.clone(), "/api/v1/messages/{id}/bookmark", "find a message again").answers(204), bookmark)
        .route(at(remove.clone(), "/api/v1/messages/{id}/bookmark", "forget it").answers(204), unbookmark)
        .route(
            at(read.clone(), "/api/v1/messages/bookmarks", "bookmarked messages that the caller may still see"),
            bookmarks,
        )
        .route(
            at(
                place.clone(),
                "/api/v1/messages/keywords",
                "words that mention the caller wherever a message holds them",
            )
            .body::<NewKeywords>(),
            put_keywords,
        )
        .route(at(read.clone(), "/api/v1/messages/keywords", "the caller's keywords"), own_keywords)
        .route(
            at(place, "/api/v1/channels/groups/{handle}", "people who are mentioned by one handle").body::<NewGroup>(),
            put_group,
        )
        .route(at(read, "/api/v1/channels/groups/{handle}", "a group"), group)
        .route(at(remove, "/api/v1/channels/groups/{handle}", "the end of a group").answers(204), end_group)
}

fn shelf<'a>(state: &'a State, table: &'static str) -> Shelf<'a> {
    Shelf(&*state.config.accounts, table)
}

fn list(items: impl serde::Serialize) -> Json<Value> {
    Json(json!({"items": items, "next": null}))
}

#[derive(Deserialize, JsonSchema)]
struct NewDraft {
    /// Text; empty for none.
    body: String,
    /// Id of the message that it will reply to.
    thread: Option<String>,
}

async fn draft(
    Extract(Shared(state)): Extract<Shared>,
    caller: Caller,
    Path(id): Path<ChannelId>,
    Payload(NewDraft { body, thread }): Payload<NewDraft>,
) -> Answer {
    state.rows().opened(&id, &caller.user).await?;
    let key = format!("{}:{id}", caller.user);
    if body.trim().is_empty() {
        shelf(&state, DRAFTS).take(&key, None).await?;
        return Ok(Json(Value::Null));
    }
    Content { body: body.clone(), ..Content::default() }.check()?;
    let draft = Draft { user: caller.user.clone(), channel: id, body, thread, changed: state.env.wall_ms() };
    shelf(&state, DRAFTS).put(&caller.user, &key, &draft).await?;
    Ok(Json(json!(draft)))
}

async fn drafts(Extract(Shared(state)): Extract<Shared>, caller: Caller) -> Answer {
    Ok(list(shelf(&state, DRAFTS).of::<Draft>(&caller.user).await?))
}

#[derive(Deserialize, JsonSchema)]
struct Later {
    /// When, milliseconds since the Unix epoch.
    at: u64,
    /// The message.
    #[serde(flatten)]
    content: Content,
}

async fn schedule(
    Extract(Shared(state)): Extract<Shared>,
    caller: Caller,
    Path(id): Path<ChannelId>,
    Payload(Later { at, content }): Payload<Later>,
) -> Answer<(StatusCode, Json<Value>)> {
    state.rows().opened(&id, &caller.user).await?;
    content.check()?;
    if at > state.env.wall_ms().saturating_add(AHEAD_MS_MAX) {
        return Err(MessagingError::Invalid("a message is scheduled for the next 120 days".to_owned()));
    }
    let message = MessageId(state.env.new_snowflake().to_string());
    let scheduled = Scheduled { id: message, user: caller.user.clone(), channel: id, at, content, failed: None };
    shelf(&state, SCHEDULED).put(&caller.user, &scheduled.key(), &scheduled).await?;
    Ok((StatusCode::CREATED, Json(json!(scheduled))))
}

async fn scheduled(Extract(Shared(state)): Extract<Shared>, caller: Caller) -> Answer {
    Ok(list(shelf(&state, SCHEDULED).of::<Scheduled>(&caller.user).await?))
}

async fn unschedule(
    Extract(Shared(state)): Extract<Shared>,
    caller: Caller,
    Path(id): Path<MessageId>,
) -> Answer<StatusCode> {
    let own = shelf(&state, SCHEDULED).of::<Scheduled>(&caller.user).await?;
    let found = own.into_iter().find(|s| s.id == id).ok_or(MessagingError::NotFound("scheduled message"))?;
    shelf(&state, SCHEDULED).take(&found.key(), None).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn bookmark(
    Extract(Shared(state)): Extract<Shared>,
    caller: Caller,
    Path(id): Path<MessageId>,
) -> Answer<StatusCode> {
    let (channel, _) = located(&state, &caller.user, &id).await?;
    let (key, created) = (format!("{}:{id}", caller.user), state.env.wall_ms());
    let bookmark = Bookmark { user: caller.user.clone(), channel, message: id, created };
    shelf(&state, BOOKMARKS).put(&caller.user, &key, &bookmark).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn unbookmark(
    Extract(Shared(state)): Extract<Shared>,
    caller: Caller,
    Path(id): Path<MessageId>,
) -> Answer<StatusCode> {
    shelf(&state, BOOKMARKS).take(&format!("{}:{id}", caller.user), None).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn bookmarks(Extract(Shared(state)): Extract<Shared>, caller: Caller) -> Answer {
    let marked = shelf(&state, BOOKMARKS).of::<Bookmark>(&caller.user).await?;
    let found = stream::iter(marked).map(|mark| {
        let (state, user) = (state.clone(), caller.user.clone());
        async move {
            match located(&state, &user, &mark.message).await {
                Ok((channel, entry)) => Ok(Some(view::message(&channel, &entry))),
                Err(MessagingError::NotFound(_)) => Ok(None),
                Err(error) => Err(error),
            }
        }
    });
    let found: Vec<Option<Value>> = found.buffered(READS_AT_ONCE).try_collect().await?;
    Ok(list(found.into_iter().flatten().collect::<Vec<_>>()))
}

#[derive(Deserialize, JsonSchema)]
struct NewKeywords {
    /// All of them, each one word; case does not count.
    words: Vec<String>,
}

async fn put_keywords(
    Extract(Shared(state)): Extract<Shared>,
    caller: Caller,
    Payload(NewKeywords { words }): Payload<NewKeywords>,
) -> Answer {
    let kept: Option<BTreeSet<String>> = words.iter().map(|word| keywords::keyword(word)).collect();
    let kept = kept.filter(|kept| kept.len() <= keywords::WORDS_MAX && words.len() <= keywords::WORDS_MAX);
    let (count, bytes) = (keywords::WORDS_MAX, keywords::WORD_BYTES_MAX);
    let why = || format!("at most {count} keywords, each one word of at most {bytes} bytes");
    let kept = kept.ok_or_else(|| MessagingError::Invalid(why()))?;
    keywords::put(&*state.config.accounts, &caller.user, kept.clone()).await?;
    Ok(Json(json!({"words": kept})))
}

async fn own_keywords(Extract(Shared(state)): Extract<Shared>, caller: Caller) -> Answer {
    Ok(Json(json!({"words": keywords::of(&*state.config.accounts, &caller.user).await?})))
}

#[derive(Deserialize, JsonSchema)]
struct NewGroup {
    /// Ids of its members.
    members: Vec<String>,
}

async fn put_group(
    Extract(Shared(state)): Extract<Shared>,
    caller: Caller,
    Path(handle): Path<String>,
    Payload(new): Payload<NewGroup>,
) -> Answer {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-".contains(&b);
    if handle.is_empty() || handle.len() > HANDLE_BYTES_MAX || !handle.bytes().all(plain) {
        let why = format!("a group's handle has 1 to {HANDLE_BYTES_MAX} of a-z, 0-9, _ and -");
        return Err(MessagingError::Invalid(why));
    }
    if new.members.len() > GROUP_MEMBERS_MAX {
        return Err(MessagingError::Invalid(format!("a group has at most {GROUP_MEMBERS_MAX} members")));
    }
    let groups = Groups(&*state.config.accounts);
    if groups.get(&handle).await?.is_some_and(|group| group.owner != caller.user) {
        return Err(MessagingError::Forbidden("only its owner may change a group"));
    }
    let failed = |error: archgen_env::http::ClientError| MessagingError::User(error.to_string());
    let ask = json!({"handles": [handle], "ids": new.members});
    let reply = state.config.user.call(Method::POST, "/internal/users/lookup", &ask).await.map_err(failed)?;
    let known: Value = reply.json().map_err(failed)?;
    let known = known["items"].as_array().cloned().unwrap_or_default();
    if known.iter().any(|user| user["handle"].as_str().is_some_and(|h| h.eq_ignore_ascii_case(&handle))) {
        return Err(MessagingError::Invalid("a user has this handle".to_owned()));
    }
    let members = new.members.into_iter().map(UserId);
    let members = members.filter(|id| known.iter().any(|user| user["id"] == json!(id))).collect();
    let group = Group { handle: handle.clone(), owner: caller.user, members };
    groups.put(&handle, Some(&group)).await?;
    Ok(Json(json!(group)))
}

async fn group(Extract(Shared(state)): Extract<Shared>, _: Caller, Path(handle): Path<String>) -> Answer {
    let group = Groups(&*state.config.accounts).get(&handle).await?;
    group.map(|group| Json(json!(group))).ok_or(MessagingError::NotFound("group"))
}

async fn end_group(
    Extract(Shared(state)): Extract<Shared>,
    caller: Caller,
    Path(handle): Path<String>,
) -> Answer<StatusCode> {
    let groups = Groups(&*state.config.accounts);
    let group = groups.get(&handle).await?.ok_or(MessagingError::NotFound("group"))?;
    if group.owner != caller.user {
        return Err(MessagingError::Forbidden("only its owner may end a group"));
    }
    groups.put(&handle, None).await?;
    Ok(StatusCode::NO_CONTENT)
}
