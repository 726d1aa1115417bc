//! What changes a channel: one closed set of operations, done by the channel's owner, handed to it by anyone else. Here it is
//! decided who may; what a change does to the log is decided by the writer.

use std::sync::Arc;

use archgen_env::http::Problem;
use archgen_ports::{ChannelId, MessageId, UserId, messages::LogEntry};
use http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    change::{Act, Proposal},
    channels::{self, Channel, EXPIRES, Kind, MEMBERS_MAX, Member, Posting, Role, is_id},
    doors,
    error::MessagingError,
    lease,
    membership::{self, Wish},
    mentions, send,
    state::State,
    view, writer,
};

/// Body of a message, bytes.
const BODY_BYTES_MAX: usize = 40_000;
/// A client's own id of a message, bytes.
const CLIENT_ID_BYTES_MAX: usize = 128;
/// Files of one message.
const FILES_MAX: usize = 20;
/// Name of a channel, characters.
const NAME_CHARS_MAX: usize = 80;
/// Topic of a channel, characters.
const TOPIC_CHARS_MAX: usize = 250;
/// Longest pause between two messages in slow mode, seconds: six hours, as elsewhere.
const SLOW_MODE_S_MAX: u64 = 21_600;
/// Longest time that messages are kept where they are not kept for ever, days.
const KEEP_DAYS_MAX: u64 = 36_500;

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
    /// A new message; under this id where it was drawn before.
    Send { content: Content, id: Option<MessageId> },
    /// New text of the author's message.
    Edit { id: MessageId, body: String },
    /// A message goes: the author's own, or any where the caller moderates.
    Delete { id: MessageId },
    /// The caller's reaction comes or goes.
    React { id: MessageId, emoji: String, on: bool },
    /// A message is pinned or no longer.
    Pin { id: MessageId, on: bool },
    /// The caller joins a public channel.
    Join,
    /// A member adds another.
    Add { member: UserId },
    /// Someone is removed, or leaves.
    Remove { member: UserId },
    /// The owner gives a role.
    SetRole { member: UserId, role: Role },
    /// Settings of the channel.
    Update(Settings),
    /// Messages at these places are too old. Asked by this service alone.
    Expire { seqs: Vec<u64> },
}

/// Settings to change; what is absent stays.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    /// New name.
    pub(super) name: Option<String>,
    /// New topic; empty for none.
    pub(super) topic: Option<String>,
    /// An archived channel is read only.
    pub(super) archived: Option<bool>,
    /// Seconds between two messages of one member; 0 for none.
    pub(super) slow_mode_s: Option<u64>,
    /// Who may write messages.
    pub(super) posting: Option<Posting>,
    /// Days after which messages are deleted; 0 for never.
    pub(super) keep_days: Option<u64>,
}

/// Content of a new message.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub(super) struct Content {
    /// The client's own id: a retry under the same one has one effect.
    #[serde(default)]
    pub(super) client_msg_id: Option<String>,
    /// Text.
    #[serde(default)]
    pub(super) body: String,
    /// Id of the message that it replies to.
    #[serde(default)]
    pub(super) thread: Option<String>,
    /// A reply that is also a message of the channel.
    #[serde(default)]
    pub(super) also_to_channel: bool,
    /// Ids of files.
    #[serde(default)]
    pub(super) files: Vec<String>,
}

fn invalid<T>(why: String) -> Result<T, MessagingError> {
    Err(MessagingError::Invalid(why))
}

fn check_body(body: &str) -> Result<(), MessagingError> {
    if body.len() > BODY_BYTES_MAX {
        return invalid(format!("a body has at most {BODY_BYTES_MAX} bytes; this one has {}", body.len()));
    }
    Ok(())
}

impl Content {
    /// Whether it can be a message.
    pub(super) fn check(&self) -> Result<(), MessagingError> {
        if self.body.trim().is_empty() && self.files.is_empty() {
            return invalid("a message has a body or a file".to_owned());
        }
        check_body(&self.body)?;
        let bad = |id: &String| id.is_empty() || id.len() > CLIENT_ID_BYTES_MAX || id.contains('\0');
        if self.client_msg_id.as_ref().is_some_and(bad) {
            return invalid(format!("client_msg_id has 1 to {CLIENT_ID_BYTES_MAX} bytes"));
        }
        if self.files.len() > FILES_MAX || !self.files.iter().all(|id| is_id(id)) {
            return invalid(format!("a message has at most {FILES_MAX} files, each named by its id"));
        }
        Ok(())
    }
}

/// Whether this can be a channel's name; as it is kept.
pub(super) fn checked_name(name: &str) -> Result<String, MessagingError> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > NAME_CHARS_MAX || name.chars().any(char::is_control) {
        return invalid(format!("a channel's name has 1 to {NAME_CHARS_MAX} characters"));
    }
    Ok(name.to_owned())
}

/// Tries of a call whose owner turns out to be another.
const OWNERS_TRIED_MAX: usize = 2;

/// Does an operation here, where this host owns the channel, or has the owner do it. `handed` says that another host handed it
/// to this one, which then does not pass it on.
///
/// # Errors
/// See [`MessagingError`].
pub(super) async fn execute(state: &Arc<State>, operation: Operation, handed: bool) -> Result<Value, MessagingError> {
    if handed {
        return perform(state, operation).await;
    }
    let here = || perform(state, operation.clone());
    at_owner(state, &operation.channel, "/internal/operations", &operation, here).await
}

/// Does what a body asks for `here`, where this host owns the channel, or has the owner do it under this path.
///
/// # Errors
/// See [`MessagingError`].
pub(super) async fn at_owner<B, W>(
    state: &Arc<State>,
    channel: &ChannelId,
    path: &str,
    body: &B,
    here: impl Fn() -> W,
) -> Result<Value, MessagingError>
where
    B: Serialize,
    W: Future<Output = Result<Value, MessagingError>>,
{
    let shard = state.shard(channel);
    for _ in 0..OWNERS_TRIED_MAX {
        let (owned, owner) = {
            let ownership = state.ownership();
            (ownership.epoch(shard, Instant::now()).is_some(), ownership.owner(shard).map(str::to_owned))
        };
        let done = match owner {
            _ if owned => here().await,
            Some(owner) if owner != state.place.owner => hand(state, &owner, path, body).await,
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
async fn hand<B: Serialize>(state: &Arc<State>, owner: &str, path: &str, body: &B) -> Result<Value, MessagingError> {
    let peers = &state.config.messaging;
    let peer = peers.named(owner).ok_or_else(|| MessagingError::Owner(format!("{owner} is not known")))?;
    let failed = |error: archgen_env::http::ClientError| MessagingError::Owner(error.to_string());
    let reply = peers.call_at(&peer, Method::POST, path, body).await.map_err(failed)?;
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
    if state.epoch(&operation.channel).is_none() {
        return Err(MessagingError::NotOwner);
    }
    let Operation { user, channel, change } = operation;
    match change {
        Change::Join => join(state, &user, &channel).await,
        Change::Remove { member } => remove(state, &user, &channel, &member).await,
        Change::Expire { seqs } => expire(state, &channel, seqs).await,
        change => {
            let (found, member) = doors::opened(state, &channel, &user).await?;
            may(&found, &member, &change)?;
            as_member(state, found, member, change).await
        }
    }
}

/// Whether a member of this role may make this change in this channel.
pub(super) fn may(channel: &Channel, member: &Member, change: &Change) -> Result<(), MessagingError> {
    let direct = matches!(channel.kind, Kind::Dm | Kind::GroupDm);
    let (needs, refusal) = match change {
        Change::Send { .. } if channel.posting == Posting::Admins => (Role::Admin, "only owners and admins post here"),
        Change::SetRole { .. } => (Role::Owner, "only the channel's owner may give roles"),
        Change::Update(settings) if !settings.is_topic_only() => {
            (Role::Admin, "only owners and admins may change the channel")
        }
        _ => (Role::Member, ""),
    };
    match change {
        Change::Add { .. } | Change::SetRole { .. } if direct => {
            Err(MessagingError::Forbidden("the people of a direct message are fixed"))
        }
        Change::Update(_) if direct => Err(MessagingError::Forbidden("a direct message has no settings")),
        _ if member.role < needs => Err(MessagingError::Forbidden(refusal)),
        Change::Update(Settings { archived: Some(false), .. }) => Ok(()),
        _ if channel.archived => Err(MessagingError::Forbidden("the channel is archived")),
        _ => Ok(()),
    }
}

/// A proposal by this user, now.
pub(super) fn proposal(state: &State, by: &UserId, target: Option<u64>, act: Act) -> Proposal {
    Proposal {
        id: MessageId(state.env.new_snowflake().to_string()),
        author: by.clone(),
        ts: state.env.wall_ms(),
        client_msg_id: None,
        target,
        act,
    }
}

async fn as_member(
    state: &Arc<State>,
    channel: Channel,
    member: Member,
    change: Change,
) -> Result<Value, MessagingError> {
    let (id, user) = (channel.id.clone(), member.user.clone());
    let (message, act) = match change {
        Change::Send { content, id } => return send::one(state, &channel, &user, content, id).await,
        Change::Add { member } => return add(state, &user, &id, &member).await,
        Change::SetRole { member, role } => return set_role(state, &user, &id, &member, role).await,
        Change::Update(settings) => return update(state, &user, &channel, settings).await,
        Change::Join | Change::Remove { .. } | Change::Expire { .. } => return Ok(Value::Null),
        Change::Edit { id, body } => {
            if body.trim().is_empty() {
                return invalid("a message has a body; to take it back, delete it".to_owned());
            }
            check_body(&body)?;
            let mentions = mentions::resolve(state, mentions::handles(&body)).await?;
            (id, Act::Edit { body, mentions })
        }
        Change::Delete { id } => {
            let direct = matches!(channel.kind, Kind::Dm | Kind::GroupDm);
            (id, Act::Delete { moderates: member.role >= Role::Admin && !direct })
        }
        Change::React { id, emoji, on } => (id, Act::React { emoji, on }),
        Change::Pin { id, on } => (id, Act::Pin { on }),
    };
    let target = target(state, &id, &message).await?;
    if let (Act::Delete { moderates }, true) = (&act, target.deleted) {
        // A deletion tried again, because its answer was lost, is done.
        let own = *moderates || target.author == user;
        return own.then(|| json!({"id": message, "deleted": true})).ok_or(MessagingError::NotFound("message"));
    }
    let deletes = matches!(act, Act::Delete { .. });
    let done = writer::propose(state, &id, proposal(state, &user, Some(target.position.seq), act)).await?;
    match done.target {
        Some(target) if !deletes => Ok(view::message(&id, &target)),
        _ => Ok(json!({"id": message, "deleted": true})),
    }
}

/// The message of this id in this channel.
pub(super) async fn target(state: &State, channel: &ChannelId, id: &MessageId) -> Result<LogEntry, MessagingError> {
    let found = state.message(id).await?.filter(|(its, _)| its == channel);
    found.map(|(_, entry)| entry).ok_or(MessagingError::NotFound("message"))
}

async fn join(state: &Arc<State>, user: &UserId, channel: &ChannelId) -> Result<Value, MessagingError> {
    let found = state.rows().channel(channel).await?.filter(|c| c.kind == Kind::Public);
    let found = found.ok_or(MessagingError::NotFound("channel"))?;
    if found.archived {
        return Err(MessagingError::Forbidden("the channel is archived"));
    }
    room(state, channel).await?;
    membership::change(state, user, channel, user, Wish::In).await?;
    Ok(channels::shown(&found, true))
}

async fn add(state: &Arc<State>, by: &UserId, channel: &ChannelId, member: &UserId) -> Result<Value, MessagingError> {
    room(state, channel).await?;
    let failed = |error: archgen_env::http::ClientError| MessagingError::User(error.to_string());
    let lookup = json!({"ids": [member]});
    let reply = state.config.user.call(Method::POST, "/internal/users/lookup", &lookup).await.map_err(failed)?;
    let known: Value = reply.json().map_err(failed)?;
    if known["items"].as_array().is_none_or(Vec::is_empty) {
        return Err(MessagingError::NotFound("user"));
    }
    membership::change(state, by, channel, member, Wish::In).await?;
    Ok(json!({"channel": channel, "user": member, "role": "member"}))
}

async fn set_role(
    state: &Arc<State>,
    by: &UserId,
    channel: &ChannelId,
    member: &UserId,
    role: Role,
) -> Result<Value, MessagingError> {
    if by == member {
        return Err(MessagingError::Forbidden("another owner changes an owner's role"));
    }
    membership::change(state, by, channel, member, Wish::As(role)).await?;
    Ok(json!({"channel": channel, "user": member, "role": role}))
}

async fn remove(
    state: &Arc<State>,
    user: &UserId,
    channel: &ChannelId,
    member: &UserId,
) -> Result<Value, MessagingError> {
    let rows = state.rows();
    let (found, own) = match rows.opened(channel, user).await {
        // Who leaves again, because the first answer was lost, has left or is about to.
        Err(MessagingError::NotFound(_)) if user == member && rows.standing(channel, user).await?.is_some() => {
            membership::change(state, user, channel, member, Wish::Out).await?;
            return Ok(Value::Null);
        }
        opened => opened?,
    };
    if matches!(found.kind, Kind::Dm | Kind::GroupDm) {
        return Err(MessagingError::Forbidden("the people of a direct message are fixed"));
    }
    if user != member {
        let theirs = rows.member(channel, member).await?.map(|m| m.role);
        if own.role < Role::Admin || (theirs >= Some(own.role) && own.role != Role::Owner) {
            return Err(MessagingError::Forbidden("only the channel's owners and admins may remove others"));
        }
    }
    membership::change(state, user, channel, member, Wish::Out).await?;
    Ok(Value::Null)
}

impl Settings {
    fn is_topic_only(&self) -> bool {
        let Self { name, topic: _, archived, slow_mode_s, posting, keep_days } = self;
        name.is_none() && archived.is_none() && slow_mode_s.is_none() && posting.is_none() && keep_days.is_none()
    }

    fn checked(mut self) -> Result<Self, MessagingError> {
        self.name = self.name.as_deref().map(checked_name).transpose()?;
        if self.topic.as_ref().is_some_and(|topic| topic.chars().count() > TOPIC_CHARS_MAX) {
            return invalid(format!("a topic has at most {TOPIC_CHARS_MAX} characters"));
        }
        if self.slow_mode_s.is_some_and(|s| s > SLOW_MODE_S_MAX) {
            return invalid(format!("slow mode has at most {SLOW_MODE_S_MAX} seconds"));
        }
        if self.keep_days.is_some_and(|days| days > KEEP_DAYS_MAX) {
            return invalid(format!("messages are kept for at most {KEEP_DAYS_MAX} days, or for ever: 0"));
        }
        Ok(self)
    }

    /// Puts the settings into a channel; returns what is different now.
    fn apply(&self, channel: &mut Channel) -> Value {
        let mut changed = serde_json::Map::new();
        macro_rules! set {
            ($($field:ident),*) => {$(
                if let Some(value) = &self.$field && *value != channel.$field {
                    channel.$field = value.clone();
                    changed.insert(stringify!($field).to_owned(), json!(value));
                }
            )*};
        }
        set!(name, topic, archived, slow_mode_s, posting, keep_days);
        channel.expires = (channel.keep_days > 0).then(|| EXPIRES.to_owned());
        Value::Object(changed)
    }
}

async fn update(
    state: &Arc<State>,
    user: &UserId,
    channel: &Channel,
    settings: Settings,
) -> Result<Value, MessagingError> {
    let settings = settings.checked()?;
    let updated = membership::update(state, user, &channel.id, |channel| settings.apply(channel)).await?;
    Ok(channels::shown(&updated, true))
}

async fn expire(state: &Arc<State>, channel: &ChannelId, seqs: Vec<u64>) -> Result<Value, MessagingError> {
    let nobody = UserId::from("retention");
    let mut expired = 0;
    for seq in seqs {
        let act = Act::Delete { moderates: true };
        match writer::propose(state, channel, proposal(state, &nobody, Some(seq), act)).await {
            Ok(_) => expired += 1,
            Err(MessagingError::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(json!({"expired": expired}))
}

/// Whether the channel takes one more member.
async fn room(state: &Arc<State>, channel: &ChannelId) -> Result<(), MessagingError> {
    if !doors::takes_one(state, channel).await? {
        return Err(MessagingError::Invalid(format!("a channel has at most {MEMBERS_MAX} members")));
    }
    Ok(())
}
