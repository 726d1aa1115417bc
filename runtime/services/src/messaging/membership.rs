//! Who comes and who leaves: the row is what counts, and the log tells of it. A row that changed remembers what is still to be
//! told, so that a change whose telling failed is told by whoever asks again; it is never acknowledged untold.

use std::sync::Arc;

use archgen_ports::{ChannelId, UserId, accounts::Expect};
use serde_json::json;

use super::{
    channels::{Member, Rows, Untold},
    error::MessagingError,
    operation::entry,
    state::State,
    view::{MEMBER_ADDED, MEMBER_REMOVED},
    writer,
};

/// Tries of a change that others conflict with.
const TRIES_MAX: usize = 8;

/// Makes someone a member. One who is already stays one.
///
/// # Errors
/// See [`MessagingError`]; asked again, it goes on where it failed.
pub(super) async fn admit(
    state: &Arc<State>,
    by: &UserId,
    channel: &ChannelId,
    user: &UserId,
) -> Result<(), MessagingError> {
    let rows = Rows(&*state.config.accounts);
    for _ in 0..TRIES_MAX {
        match rows.standing(channel, user).await? {
            Some((member, version)) => {
                let stays = !member.is_leaving();
                settle(state, member, version).await?;
                if stays {
                    return Ok(());
                }
            }
            None => {
                let member = Member {
                    channel: channel.clone(),
                    user: user.clone(),
                    role: "member".to_owned(),
                    joined: state.env.wall_ms(),
                    untold: Some(untold(state, by, false)),
                };
                // Applied or not, the next look at the row says how to go on.
                rows.put_member(&member, Expect::Absent).await?;
            }
        }
    }
    Err(MessagingError::Contended)
}

/// Ends a membership. One who is no member stays none.
///
/// # Errors
/// See [`MessagingError`]; asked again, it goes on where it failed.
pub(super) async fn dismiss(
    state: &Arc<State>,
    by: &UserId,
    channel: &ChannelId,
    user: &UserId,
) -> Result<(), MessagingError> {
    let rows = Rows(&*state.config.accounts);
    for _ in 0..TRIES_MAX {
        match rows.standing(channel, user).await? {
            None => return Ok(()),
            Some((member, version)) if member.untold.is_some() => settle(state, member, version).await?,
            Some((mut member, version)) => {
                member.untold = Some(untold(state, by, true));
                rows.put_member(&member, Expect::Version(version)).await?;
            }
        }
    }
    Err(MessagingError::Contended)
}

fn untold(state: &State, by: &UserId, leaving: bool) -> Untold {
    Untold { id: format!("membership:{}", state.env.new_uuid()), by: by.clone(), leaving }
}

/// Tells what is untold, once however often it is tried, and then writes that it is told.
async fn settle(state: &Arc<State>, mut member: Member, version: u64) -> Result<(), MessagingError> {
    let Some(untold) = member.untold.take() else { return Ok(()) };
    let kind = if untold.leaving { MEMBER_REMOVED } else { MEMBER_ADDED };
    let data = json!({"user": member.user, "role": member.role});
    let mut told = entry(state, kind, &untold.by, data);
    told.client_msg_id = Some(untold.id);
    writer::append(state, &member.channel, told).await?;
    let rows = Rows(&*state.config.accounts);
    if untold.leaving {
        rows.delete_member(&member, version).await
    } else {
        rows.put_member(&member, Expect::Version(version)).await
    }
}
