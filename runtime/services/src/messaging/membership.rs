//! Rows that the log tells of: who is a member and with which role, and what a channel is like. The row is what counts; a row
//! that changed remembers what is still to be told, so that a change whose telling failed is told by whoever asks again. It is
//! never acknowledged untold.

use std::sync::Arc;

use archgen_env::sabotage::{Bug, is_planted};
use archgen_ports::{ChannelId, UserId, accounts::Expect, messages::LogEntry};
use serde_json::{Value, json};

use super::{
    change::{Act, Proposal},
    channels::{self, Channel, Member, Role, Untold},
    error::MessagingError,
    kinds::{self, CHANNEL_UPDATED, MEMBER_ADDED, MEMBER_CHANGED, MEMBER_REMOVED},
    notice,
    operation::proposal,
    state::State,
    writer,
};

/// Tries of a change that others conflict with.
const TRIES_MAX: usize = 8;

/// How someone is to stand to a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// A member, in whatever role.
    In,
    /// A member in this role.
    As(Role),
    /// No member.
    Out,
}

/// Brings a membership to what is wished. One that is so already stays so.
///
/// # Errors
/// See [`MessagingError`]; asked again, it goes on where it failed.
pub(super) async fn change(
    state: &Arc<State>,
    by: &UserId,
    channel: &ChannelId,
    user: &UserId,
    wish: Wish,
) -> Result<(), MessagingError> {
    let rows = state.rows();
    let untold = |kind: &str, role: Role| {
        let (id, data) = (format!("row:{}", state.env.new_uuid()), json!({"user": user, "role": role}));
        Some(Untold { id, by: by.clone(), kind: kind.to_owned(), data })
    };
    for _ in 0..TRIES_MAX {
        match (rows.standing(channel, user).await?, wish) {
            (Some((member, version)), _) if member.untold.is_some() => settle_member(state, member, version).await?,
            (Some(_), Wish::In) | (None, Wish::Out) => return Ok(()),
            (Some(_), Wish::Out) if is_planted(Bug::KeepRemoved) => return Ok(()),
            (None, Wish::As(_)) => return Err(MessagingError::NotFound("member")),
            (Some((member, _)), Wish::As(role)) if member.role == role => return Ok(()),
            // Applied or not, the next look at the row says how to go on.
            (Some((member, version)), Wish::As(role)) => {
                let member = Member { role, untold: untold(MEMBER_CHANGED, role), ..member };
                put(state, &member, Expect::Version(version)).await?;
            }
            (Some((member, version)), Wish::Out) => {
                let member = Member { untold: untold(MEMBER_REMOVED, member.role), ..member };
                put(state, &member, Expect::Version(version)).await?;
            }
            (None, Wish::In) => {
                let untold = untold(MEMBER_ADDED, Role::Member);
                let (channel, user, joined) = (channel.clone(), user.clone(), state.env.wall_ms());
                let member = Member { channel, user, role: Role::Member, joined, untold };
                put(state, &member, Expect::Absent).await?;
            }
        }
    }
    Err(MessagingError::Contended)
}

/// Tells what is untold of a member, once however often it is tried, then writes that it is told.
async fn settle_member(state: &Arc<State>, mut member: Member, version: u64) -> Result<(), MessagingError> {
    let Some(untold) = member.untold.take() else { return Ok(()) };
    let entry = tell(state, &member.channel, &untold).await?;
    let rows = state.rows();
    if untold.kind == MEMBER_REMOVED {
        notice::confirm_out(state, &member.channel, &member.user).await;
        let deleted = rows.delete_member(&member, version).await;
        state.doors().forget(&member.channel);
        return deleted;
    }
    if untold.kind == MEMBER_ADDED {
        // What was before they came is no news to them.
        let (seq, counts) = (entry.position.seq, entry.counts);
        state.config.messages.set_read(member.user.as_str(), &member.channel, seq, counts).await?;
    }
    put(state, &member, Expect::Version(version)).await?;
    if untold.kind == MEMBER_ADDED && untold.by != member.user {
        let channel = rows.channel(&member.channel).await?;
        let shown = channel.map(|c| channels::shown(&c, true));
        notice::tell(state, &member.user, "chan:joined", &json!({"ch": member.channel, "channel": shown})).await;
    }
    Ok(())
}

/// Changes a channel's row by `edit`, which returns the fields that differ. Nothing different, nothing told.
///
/// # Errors
/// See [`MessagingError`]; asked again, it goes on where it failed.
pub(super) async fn update(
    state: &Arc<State>,
    by: &UserId,
    id: &ChannelId,
    edit: impl Fn(&mut Channel) -> Value,
) -> Result<Channel, MessagingError> {
    let rows = state.rows();
    for _ in 0..TRIES_MAX {
        let (mut channel, version) = rows.channel_row(id).await?.ok_or(MessagingError::NotFound("channel"))?;
        if let Some(untold) = channel.untold.take() {
            tell(state, id, &untold).await?;
            put_channel(state, &channel, version).await?;
            continue;
        }
        let data = edit(&mut channel);
        if data.as_object().is_none_or(serde_json::Map::is_empty) {
            return Ok(channel);
        }
        let told = format!("row:{}", state.env.new_uuid());
        channel.untold = Some(Untold { id: told, by: by.clone(), kind: CHANNEL_UPDATED.to_owned(), data });
        put_channel(state, &channel, version).await?;
    }
    Err(MessagingError::Contended)
}

/// Writes a member's row; who was let in by the old one is asked anew, whatever came of it.
async fn put(state: &State, member: &Member, expect: Expect) -> Result<(), MessagingError> {
    let written = state.rows().put_member(member, expect).await;
    state.doors().forget(&member.channel);
    written
}

async fn put_channel(state: &State, channel: &Channel, version: u64) -> Result<(), MessagingError> {
    let written = state.rows().put_channel(channel, version).await;
    state.doors().forget(&channel.id);
    written
}

async fn tell(state: &Arc<State>, channel: &ChannelId, untold: &Untold) -> Result<LogEntry, MessagingError> {
    let kind = kinds::kind(&untold.kind).ok_or(MessagingError::Invalid("an unknown kind of change".to_owned()))?;
    let act = Act::Tell { kind: kind.name, data: untold.data.clone() };
    let told = Proposal { client_msg_id: Some(untold.id.clone()), ..proposal(state, &untold.by, None, act) };
    writer::propose(state, channel, told).await?.entry.ok_or(MessagingError::Unknown)
}
