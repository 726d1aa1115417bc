//! What changes a channel's log: one closed set of operations, done by the channel's owner, handed to it by anyone else.

use std::sync::Arc;

use archgen_env::http::Problem;
use archgen_ports::{
    ChannelId, MessageId, UserId,
    messages::{Counts, LogEntry, NewEntry, Revision},
};
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    channels::{Kind, MEMBERS_MAX, Rows, is_id},
    error::MessagingError,
    lease, membership, mentions,
    state::State,
    view::{CREATED, DELETED, EDITED},
    writer,
};

/// Body of a message, bytes.
const BODY_BYTES_MAX: usize = 40_000;
/// A client's own id of a message, bytes.
const CLIENT_ID_BYTES_MAX: usize = 128;
/// Files of one message.
const FILES_MAX: usize = 20;

/// A change, with who asks for it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Operation {
    pub(super) user: UserId,
    pub(super) channel: ChannelId,
    pub(super) change: Change,
}

/// The changes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Change {
    /// A new message.
    Send(Content),
    /// New text of the author's message.
    Edit { id: MessageId, body: String },
    /// The author's message goes.
    Delete { id: MessageId },
    /// The caller joins a public channel.
    Join,
    /// A member adds another.
    Add { member: UserId },
    /// The owner removes someone, or someone leaves.
    Remove { member: UserId },
}

/// Content of a new message.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Content {
    #[serde(default)]
    pub(super) client_msg_id: Option<String>,
    pub(super) body: String,
    #[serde(default)]
    pub(super) thread: Option<MessageId>,
    #[serde(default)]
    pub(super) files: Vec<String>,
}

impl Content {
    fn check(&self) -> Result<(), MessagingError> {
        let invalid = |why: String| Err(MessagingError::Invalid(why));
        if self.body.trim().is_empty() && self.files.is_empty() {
            return invalid("a message has a body or a file".to_owned());
        }
        if self.body.len() > BODY_BYTES_MAX {
            return invalid(format!("a body has at most {BODY_BYTES_MAX} bytes; this one has {}", self.body.len()));
        }
        if self
            .client_msg_id
            .as_ref()
            .is_some_and(|id| id.is_empty() || id.len() > CLIENT_ID_BYTES_MAX || id.contains('\0'))
        {
            return invalid(format!("client_msg_id has 1 to {CLIENT_ID_BYTES_MAX} bytes"));
        }
        if self.files.len() > FILES_MAX || !self.files.iter().all(|id| is_id(id)) {
            return invalid(format!("a message has at most {FILES_MAX} files, each named by its id"));
        }
        Ok(())
    }
}

/// Tries of a call whose owner turns out to be another.
const OWNERS_TRIED_MAX: usize = 2;

/// Does an operation here, where this host owns the channel, or has the owner do it. `handed` says that another host handed it
/// to this one, which then does not pass it on.
///
/// # Errors
/// See [`MessagingError`].
pub(super) async fn execute(state: &Arc<State>, operation: Operation, handed: bool) -> Result<Value, MessagingError> {
    let shard = state.shard(&operation.channel);
    if handed {
        return perform(state, operation).await;
    }
    for _ in 0..OWNERS_TRIED_MAX {
        let (owned, owner) = {
            let ownership = state.ownership();
            (ownership.epoch(shard, Instant::now()).is_some(), ownership.owner(shard).map(str::to_owned))
        };
        let done = match owner {
            _ if owned => perform(state, operation.clone()).await,
            Some(owner) if owner != state.place.owner => hand(state, &owner, &operation).await,
            _ => Err(MessagingError::NotOwner),
        };
        match done {
            // Nothing was appended. Who owns it now?
            Err(MessagingError::NotOwner) => lease::look_again(state).await,
            done => return done,
        }
    }
    Err(MessagingError::Owner("the channel changes hands".to_owned()))
}

/// Has the owner do it.
async fn hand(state: &Arc<State>, owner: &str, operation: &Operation) -> Result<Value, MessagingError> {
    let peers = &state.config.messaging;
    let peer = peers.named(owner).ok_or_else(|| MessagingError::Owner(format!("{owner} is not known")))?;
    let failed = |error: archgen_env::http::ClientError| MessagingError::Owner(error.to_string());
    let reply = peers.call_at(peer, Method::POST, "/internal/operations", operation).await.map_err(failed)?;
    if reply.status.is_success() {
        return reply.json().map_err(failed);
    }
    if reply.status == StatusCode::MISDIRECTED_REQUEST {
        return Err(MessagingError::NotOwner);
    }
    if reply.status.is_server_error() {
        return Err(MessagingError::Owner(format!("{owner} answered {}", reply.status.as_u16())));
    }
    Err(MessagingError::Passed(reply.json::<Problem>().map_err(failed)?))
}

async fn perform(state: &Arc<State>, operation: Operation) -> Result<Value, MessagingError> {
    if state.ownership().epoch(state.shard(&operation.channel), Instant::now()).is_none() {
        return Err(MessagingError::NotOwner);
    }
    let Operation { user, channel, change } = operation;
    match change {
        Change::Send(content) => send(state, &user, &channel, content).await,
        Change::Edit { id, body } => edit(state, &user, &channel, id, body).await,
        Change::Delete { id } => delete(state, &user, &channel, id).await,
        Change::Join => join(state, &user, &channel).await,
        Change::Add { member } => add(state, &user, &channel, &member).await,
        Change::Remove { member } => remove(state, &user, &channel, &member).await,
    }
}

pub(super) fn entry(state: &State, kind: &str, author: &UserId, data: Value) -> NewEntry {
    NewEntry {
        id: MessageId(state.env.new_snowflake().to_string()),
        kind: kind.to_owned(),
        author: author.clone(),
        ts: state.env.wall_ms(),
        client_msg_id: None,
        adds: Counts { messages: u64::from(kind == CREATED), everyone: 0 },
        data,
        index: None,
        revises: None,
    }
}

fn rows(state: &State) -> Rows<'_> {
    Rows(&*state.config.accounts)
}

async fn send(
    state: &Arc<State>,
    user: &UserId,
    channel: &ChannelId,
    content: Content,
) -> Result<Value, MessagingError> {
    content.check()?;
    rows(state).opened(channel, user).await?;
    if let Some(root) = &content.thread
        && state.message(root).await?.is_none_or(|(its, _)| its != *channel)
    {
        return Err(MessagingError::NotFound("thread"));
    }
    let mentions = mentions::resolve(&state.config.user, &content.body).await?;
    let data = json!({"body": content.body, "thread": content.thread, "files": content.files, "mentions": mentions});
    let new = NewEntry { client_msg_id: content.client_msg_id, ..entry(state, CREATED, user, data) };
    let outcome = writer::append(state, channel, new).await?;
    let entry = outcome.entry;
    Ok(json!({
        "id": entry.id,
        "channel": channel,
        "seq": entry.position.seq,
        "epoch": entry.position.epoch,
        "ts": entry.ts,
        "client_msg_id": entry.client_msg_id,
        "duplicate": outcome.duplicate,
    }))
}

/// The author's own message in this channel.
async fn own(
    state: &Arc<State>,
    user: &UserId,
    channel: &ChannelId,
    id: &MessageId,
) -> Result<LogEntry, MessagingError> {
    rows(state).opened(channel, user).await?;
    let found = state.message(id).await?.filter(|(its, _)| its == channel);
    let (_, entry) = found.ok_or(MessagingError::NotFound("message"))?;
    if entry.author == *user {
        Ok(entry)
    } else {
        Err(MessagingError::Forbidden("only its author may change a message"))
    }
}

async fn edit(
    state: &Arc<State>,
    user: &UserId,
    channel: &ChannelId,
    id: MessageId,
    body: String,
) -> Result<Value, MessagingError> {
    let mut target = own(state, user, channel, &id).await?;
    if target.deleted {
        return Err(MessagingError::NotFound("message"));
    }
    let content = Content { client_msg_id: None, body, thread: None, files: Vec::new() };
    content.check()?;
    let mentions = mentions::resolve(&state.config.user, &content.body).await?;
    target.data["body"] = json!(content.body);
    target.data["mentions"] = json!(mentions);
    let seq = target.position.seq;
    let data = json!({"id": id, "target_seq": seq, "body": content.body, "mentions": mentions});
    let revises = Some(Revision { seq, data: Some(target.data.clone()) });
    let outcome = writer::append(state, channel, NewEntry { revises, ..entry(state, EDITED, user, data) }).await?;
    target.revised_by = outcome.entry.position.seq;
    Ok(super::view::message(channel, &target))
}

async fn delete(
    state: &Arc<State>,
    user: &UserId,
    channel: &ChannelId,
    id: MessageId,
) -> Result<Value, MessagingError> {
    let target = own(state, user, channel, &id).await?;
    let seq = target.position.seq;
    let data = json!({"id": id, "target_seq": seq});
    let revises = Some(Revision { seq, data: None });
    // A deletion tried again, because its answer was lost, is done.
    if !target.deleted {
        writer::append(state, channel, NewEntry { revises, ..entry(state, DELETED, user, data) }).await?;
    }
    Ok(json!({"id": id, "deleted": true}))
}

async fn join(state: &Arc<State>, user: &UserId, channel: &ChannelId) -> Result<Value, MessagingError> {
    let found = rows(state).channel(channel).await?.filter(|c| c.kind == Kind::Public);
    let found = found.ok_or(MessagingError::NotFound("channel"))?;
    room(state, channel).await?;
    membership::admit(state, user, channel, user).await?;
    Ok(super::channels::shown(&found, true))
}

async fn add(state: &Arc<State>, user: &UserId, channel: &ChannelId, member: &UserId) -> Result<Value, MessagingError> {
    let (found, _) = rows(state).opened(channel, user).await?;
    if matches!(found.kind, Kind::Dm | Kind::GroupDm) {
        return Err(MessagingError::Forbidden("the people of a direct message are fixed"));
    }
    room(state, channel).await?;
    let failed = |error: archgen_env::http::ClientError| MessagingError::User(error.to_string());
    let lookup = json!({"ids": [member]});
    let reply = state.config.user.call(Method::POST, "/internal/users/lookup", &lookup).await.map_err(failed)?;
    let known: Value = reply.json().map_err(failed)?;
    if known["items"].as_array().is_none_or(Vec::is_empty) {
        return Err(MessagingError::NotFound("user"));
    }
    membership::admit(state, user, channel, member).await?;
    Ok(json!({"channel": channel, "user": member, "role": "member"}))
}

async fn remove(
    state: &Arc<State>,
    user: &UserId,
    channel: &ChannelId,
    member: &UserId,
) -> Result<Value, MessagingError> {
    let (found, own) = match rows(state).opened(channel, user).await {
        // Who leaves again, because the first answer was lost, has left or is about to.
        Err(MessagingError::NotFound(_)) if user == member && rows(state).standing(channel, user).await?.is_some() => {
            membership::dismiss(state, user, channel, member).await?;
            return Ok(Value::Null);
        }
        opened => opened?,
    };
    if matches!(found.kind, Kind::Dm | Kind::GroupDm) {
        return Err(MessagingError::Forbidden("the people of a direct message are fixed"));
    }
    if user != member && own.role != "owner" {
        return Err(MessagingError::Forbidden("only the channel's owner may remove others"));
    }
    membership::dismiss(state, user, channel, member).await?;
    Ok(Value::Null)
}

/// Whether the channel takes one more member.
async fn room(state: &Arc<State>, channel: &ChannelId) -> Result<(), MessagingError> {
    if rows(state).members(channel).await?.len() >= MEMBERS_MAX {
        return Err(MessagingError::Invalid(format!("a channel has at most {MEMBERS_MAX} members")));
    }
    Ok(())
}
