//! What happens by itself: scheduled messages are sent, old ones are deleted where their channel does not keep them. One host does
//! it for the fleet: whoever owns the first shard; all of it may be done twice without harm.

use std::{sync::Arc, time::Duration};

use archgen_ports::messages::Range;

use super::{
    channels::Channel,
    error::MessagingError,
    kinds::CREATED,
    operation::{Change, Content, Operation, execute},
    personal::{SCHEDULED, Scheduled, Shelf},
    state::State,
};

/// Time between looks at what is scheduled: how late a message may be sent.
const SCHEDULED_EVERY: Duration = Duration::from_secs(1);
/// Scheduled messages sent in one look.
const SENT_AT_ONCE: usize = 50;
/// Looks at what is scheduled between two looks for old messages.
const LOOKS_PER_EXPIRY: u64 = 60;
/// Channels in one page of those that keep messages for some days only.
const CHANNELS_PAGE: usize = 100;
/// Entries read at a time.
const ENTRIES_PAGE: usize = 200;
/// A day, milliseconds.
const DAY_MS: u64 = 86_400_000;

/// Does the chores until aborted.
pub(super) async fn run(state: Arc<State>) {
    for look in 1u64.. {
        tokio::time::sleep(SCHEDULED_EVERY).await;
        if !state.owns_first_shard() {
            continue;
        }
        if let Err(error) = send_due(&state).await {
            tracing::warn!(%error, "scheduled messages wait");
        }
        if look % LOOKS_PER_EXPIRY == 0
            && let Err(error) = expire_all(&state).await
        {
            tracing::warn!(%error, "old messages are not deleted yet");
        }
    }
}

/// Sends what is due. A crash between the sending and the deletion of the row is found by the message's id.
pub(super) async fn send_due(state: &Arc<State>) -> Result<(), MessagingError> {
    let shelf = Shelf(&*state.config.accounts, SCHEDULED);
    for (scheduled, version) in shelf.first::<Scheduled>(SENT_AT_ONCE).await? {
        if scheduled.failed.is_some() || scheduled.at > state.env.wall_ms() {
            return Ok(());
        }
        let Scheduled { id, user, channel, content, .. } = scheduled.clone();
        if state.config.messages.by_id(&id).await?.is_none() {
            let content = Content { client_msg_id: Some(format!("scheduled:{id}")), ..content };
            let change = Change::Send { content, id: Some(id) };
            match execute(state, Operation { user, channel, change }, false).await {
                Ok(_) => {}
                Err(error) if error.is_final() => {
                    let failed = Some(error.problem().title);
                    let failed = Scheduled { failed, ..scheduled.clone() };
                    shelf.replace(&scheduled.key(), version, &failed.key(), &failed).await?;
                    continue;
                }
                Err(error) => return Err(error),
            }
        }
        shelf.take(&scheduled.key(), Some(version)).await?;
    }
    Ok(())
}

async fn expire_all(state: &Arc<State>) -> Result<(), MessagingError> {
    let mut after: Option<String> = None;
    loop {
        let channels = state.rows().expiring(after.as_deref(), CHANNELS_PAGE).await?;
        for channel in &channels {
            expire(state, channel).await?;
        }
        match channels.last() {
            Some(last) if channels.len() == CHANNELS_PAGE => after = Some(last.id.0.clone()),
            _ => return Ok(()),
        }
    }
}

/// Deletes a channel's messages that are too old; they are at the beginning of its log.
async fn expire(state: &Arc<State>, channel: &Channel) -> Result<(), MessagingError> {
    let before_ms = state.env.wall_ms().saturating_sub(channel.keep_days * DAY_MS);
    let mut seq = state.expired_to(&channel.id);
    loop {
        let entries = state.config.messages.read(&channel.id, Range::After(seq), ENTRIES_PAGE).await?;
        let old: Vec<_> = entries.iter().take_while(|e| e.ts < before_ms).collect();
        let Some(last) = old.last().map(|e| e.position.seq) else { return Ok(()) };
        let seqs = old.iter().filter(|e| e.kind == CREATED && !e.deleted).map(|e| e.position.seq).collect();
        let operation =
            Operation { user: "retention".into(), channel: channel.id.clone(), change: Change::Expire { seqs } };
        execute(state, operation, false).await?;
        state.set_expired_to(&channel.id, last);
        seq = last;
        if old.len() < entries.len() {
            return Ok(());
        }
    }
}
