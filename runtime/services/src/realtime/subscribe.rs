//! `sub`: brings a socket from its own place to where this host's cursor is, then lets it follow.
//!
//! Access is asked after the log was read and before the socket is let in, and again each time round: an entry that removes the
//! user is then either in what was read, or comes after the cursor and puts the socket out.

use std::sync::Arc;

use archgen_ports::{ChannelId, UserId};
use archgen_socketio::Socket;
use serde_json::{Value, json};

use super::{
    access,
    calls::{self, CallError},
    cursor::Cursor,
    hub::{Joined, SUBSCRIPTIONS_MAX},
    repair,
    state::State,
};

/// Entries brought by one `sub`; a client that is further behind asks again.
const MISSED_MAX: usize = 2_000;
/// Size of what one `sub` brings, bytes: half of what may wait for a socket, or the answer itself would end it.
const MISSED_BYTES_MAX: usize = 512 << 10;
/// Times that others may overtake a socket that is catching up.
const ROUNDS_MAX: usize = 10;

/// Answers a `sub`. `from` is the client's last `seq`; `None` begins at the head.
pub(super) async fn subscribe(
    state: &Arc<State>,
    socket: &Socket,
    user: &UserId,
    channel: &ChannelId,
    from: Option<u64>,
) -> Value {
    match catch_up(state, socket, user, channel, from).await {
        Ok(answer) => answer,
        Err(error) => calls::failed(&error),
    }
}

/// Answers a `sub` that asks for a badge: the head, and from then on a tick once a moment when it has moved.
pub(super) async fn badge(state: &Arc<State>, socket: &Socket, user: &UserId, channel: &ChannelId) -> Value {
    match show(state, socket, user, channel).await {
        Ok(answer) => answer,
        Err(error) => calls::failed(&error),
    }
}

async fn show(
    state: &Arc<State>,
    socket: &Socket,
    user: &UserId,
    channel: &ChannelId,
) -> Result<Value, Arc<CallError>> {
    // The head first: who is removed by then is refused, and who is removed later is put out.
    let asked = json!({"channels": [channel]});
    let answer = calls::messaging(state, "/internal/heads", &asked).await.map_err(Arc::new)?;
    let head = &answer["items"][0];
    let head = Cursor { epoch: head["epoch"].as_u64().unwrap_or(0), seq: head["seq"].as_u64().unwrap_or(0) };
    let joined = state.hub().follow_badge(socket.id(), channel, head);
    // Asked once the socket is in: an end of the membership that comes meanwhile finds it.
    let may = access::is_member(state, user, channel).await;
    if !may.as_ref().is_ok_and(|member| *member) {
        state.hub().unfollow(socket.id(), channel);
        may?;
        return Ok(calls::refused("not_found", "no such channel"));
    }
    Ok(match joined {
        Joined::Yes | Joined::Behind => {
            calls::done(json!({"head": {"epoch": head.epoch, "seq": head.seq}, "badge": true}))
        }
        Joined::Full => refused_as_full(),
        Joined::Gone => calls::refused("disconnected", "the socket is gone"),
    })
}

fn refused_as_full() -> Value {
    calls::refused("too_many_channels", &format!("a socket follows at most {SUBSCRIPTIONS_MAX} channels"))
}

/// Room for what one `sub` brings. The first entry always fits: a client makes progress.
pub(super) struct Room {
    pub(super) bytes: usize,
}

impl Room {
    pub(super) fn take(&mut self, bytes: usize) -> bool {
        let fits = self.bytes == 0 || self.bytes + bytes <= MISSED_BYTES_MAX;
        self.bytes += bytes;
        fits
    }
}

async fn catch_up(
    state: &Arc<State>,
    socket: &Socket,
    user: &UserId,
    channel: &ChannelId,
    from: Option<u64>,
) -> Result<Value, Arc<CallError>> {
    let mut missed: Vec<Arc<Value>> = Vec::new();
    let mut room = Room { bytes: 0 };
    let mut place = Cursor { epoch: 0, seq: from.unwrap_or(u64::MAX) };
    for round in 1..=ROUNDS_MAX {
        // What was delivered here a moment ago needs no read, and a herd shares the reads that are needed.
        let recent = state.hub().recent(channel, place.seq);
        let (items, head) = match recent {
            Some(recent) => recent,
            None => state.reads.after(state, channel, place.seq).await?,
        };
        if !access::is_member(state, user, channel).await? {
            return Ok(calls::refused("not_found", "no such channel"));
        }
        // Nobody is ahead of the head: a place beyond it would make this host's cursor pass over what comes.
        if place.seq > head.seq {
            place = head;
        }
        let asked = items.len();
        let items: Vec<Arc<Value>> = items.into_iter().take_while(|item| room.take(item.to_string().len())).collect();
        let full = items.len() < asked;
        if let Some(last) = items.last() {
            place =
                Cursor { epoch: last["epoch"].as_u64().unwrap_or(0), seq: last["seq"].as_u64().unwrap_or(place.seq) };
        }
        missed.extend(items);
        let head_json = json!({"epoch": head.epoch, "seq": head.seq});
        let answer = |missed: &[Arc<Value>], recovered: bool| {
            let epoch = if place.epoch == 0 { head.epoch } else { place.epoch };
            let missed: Vec<&Value> = missed.iter().map(|entry| &**entry).collect();
            calls::done(json!({"head": head_json, "epoch": epoch, "recovered": recovered, "missed": missed}))
        };
        if place.seq < head.seq {
            // Rounds bring fewer entries where these are large; what was brought is progress.
            if missed.len() >= MISSED_MAX || full || round == ROUNDS_MAX {
                return Ok(answer(&missed, false));
            }
            continue;
        }
        let joined = {
            let mut hub = state.hub();
            // What was read may be news to those who follow already.
            let fetch = hub.deliver(channel, &missed);
            let joined = hub.follow(socket.id(), channel, place, &missed);
            drop(hub);
            repair::fetch_if(state, channel, fetch);
            joined
        };
        match joined {
            Joined::Yes => return Ok(answer(&missed, true)),
            Joined::Behind => {}
            Joined::Full => return Ok(refused_as_full()),
            Joined::Gone => return Ok(calls::refused("disconnected", "the socket is gone")),
        }
    }
    Ok(calls::later("busy"))
}
