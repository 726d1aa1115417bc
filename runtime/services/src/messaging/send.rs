//! New messages: one by one, or many of one channel that came together. Those are stored in the order in which they came, most of
//! them in one append.

use std::{collections::BTreeMap, sync::Arc};

use archgen_ports::{ChannelId, MessageId, UserId};
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    change::{Act, Proposal, Say},
    channels::{Channel, Member},
    doors,
    error::MessagingError,
    mentions,
    operation::{Change, Content, at_owner, may, proposal, target},
    state::State,
    writer::{self, Done},
};

/// Messages of one call.
const SENDS_MAX: usize = 128;

/// A message as a socket sent it, with whose it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Sent {
    user: UserId,
    body: Value,
}

/// Messages for one channel, in order.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Sends {
    channel: ChannelId,
    sends: Vec<Sent>,
    /// Whether another host of this service handed them to this one.
    #[serde(default)]
    handed: bool,
}

type Opened = Result<(Channel, Member), MessagingError>;

/// One message of a member who may send it.
pub(super) async fn one(
    state: &Arc<State>,
    channel: &Channel,
    user: &UserId,
    content: Content,
    id: Option<MessageId>,
) -> Result<Value, MessagingError> {
    let new = prepared(state, channel, user, content, id).await?;
    acknowledged(&channel.id, writer::propose(state, &channel.id, new).await?)
}

/// Many messages of one channel. The answer names the owner and has an item for each, in order: its acknowledgement, or
/// `{problem}`.
///
/// # Errors
/// See [`MessagingError`]; then none of them was stored by this call.
pub(super) async fn many(state: &Arc<State>, sends: Sends) -> Result<Value, MessagingError> {
    if sends.sends.len() > SENDS_MAX {
        return Err(MessagingError::Invalid(format!("at most {SENDS_MAX} messages")));
    }
    let here = || many_here(state, &sends);
    if sends.handed {
        return here().await;
    }
    let handed = Sends { handed: true, ..sends.clone() };
    at_owner(state, &sends.channel, "/internal/sends", &handed, here).await
}

async fn many_here(state: &Arc<State>, Sends { channel, sends, .. }: &Sends) -> Result<Value, MessagingError> {
    if state.epoch(channel).is_none() {
        return Err(MessagingError::NotOwner);
    }
    let mut doors: BTreeMap<&UserId, Opened> = BTreeMap::new();
    for Sent { user, .. } in sends {
        if !doors.contains_key(user) {
            doors.insert(user, doors::opened(state, channel, user).await);
        }
    }
    let prepared = join_all(sends.iter().map(|Sent { user, body }| {
        let door = &doors[user];
        async move {
            let (channel, member) = door.as_ref().map_err(again)?;
            let content = content(body.clone())?;
            may(channel, member, &Change::Send { content: content.clone(), id: None })?;
            prepared(state, channel, user, content, None).await
        }
    }));
    let mut full = false;
    let offered = prepared.await.into_iter().map(|new| {
        // What comes after one that found no room must not overtake it.
        if full {
            return Err(MessagingError::Overloaded);
        }
        let offered = new.and_then(|new| writer::offer(state, channel, new));
        full = matches!(offered, Err(MessagingError::Overloaded));
        offered
    });
    let offered: Vec<_> = offered.collect();
    let done = join_all(offered.into_iter().map(|offered| async move { writer::answered(offered?).await })).await;
    if done.iter().all(|one| matches!(one, Err(MessagingError::NotOwner))) {
        return Err(MessagingError::NotOwner);
    }
    let items = done.into_iter().map(|one| match one.and_then(|done| acknowledged(channel, done)) {
        Ok(answer) => answer,
        Err(error) => json!({"problem": error.problem()}),
    });
    Ok(json!({"owner": state.place.owner, "items": items.collect::<Vec<Value>>()}))
}

/// The same refusal for each message of one user.
fn again(error: &MessagingError) -> MessagingError {
    match error {
        MessagingError::NotFound(what) => MessagingError::NotFound(what),
        MessagingError::Store(error) => MessagingError::Store(error.clone()),
        _ => MessagingError::Unknown,
    }
}

/// What a socket's event says. A retry must have one effect, so it names itself.
fn content(mut body: Value) -> Result<Content, MessagingError> {
    // Clients leave optional fields out or say null.
    if let Some(fields) = body.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    let content: Content = serde_json::from_value(body).map_err(|error| MessagingError::Invalid(error.to_string()))?;
    if content.client_msg_id.as_ref().is_none_or(String::is_empty) {
        let why = "`client_msg_id` is needed, so that a retry has one effect";
        return Err(MessagingError::Invalid(why.to_owned()));
    }
    Ok(content)
}

async fn prepared(
    state: &Arc<State>,
    channel: &Channel,
    user: &UserId,
    content: Content,
    id: Option<MessageId>,
) -> Result<Proposal, MessagingError> {
    content.check()?;
    let thread = content.thread.clone().map(MessageId);
    let root = match &thread {
        Some(root) => Some(target(state, &channel.id, root).await.map_err(|error| match error {
            MessagingError::NotFound(_) => MessagingError::NotFound("thread"),
            error => error,
        })?),
        None => None,
    };
    let handles = mentions::handles(&content.body);
    let say = Say {
        everyone: mentions::everyone(&handles),
        mentions: mentions::resolve(state, handles).await?,
        body: content.body,
        files: content.files,
        thread,
        also_to_channel: content.also_to_channel,
        apart_ms: channel.slow_mode_s * 1_000,
    };
    let new = proposal(state, user, root.map(|root| root.position.seq), Act::Say(say));
    Ok(Proposal { client_msg_id: content.client_msg_id, id: id.unwrap_or(new.id), ..new })
}

fn acknowledged(channel: &ChannelId, done: Done) -> Result<Value, MessagingError> {
    let entry = done.entry.ok_or(MessagingError::Unknown)?;
    Ok(json!({
        "id": entry.id,
        "channel": channel,
        "seq": entry.position.seq,
        "epoch": entry.position.epoch,
        "ts": entry.ts,
        "client_msg_id": entry.client_msg_id,
        "duplicate": done.duplicate,
    }))
}
