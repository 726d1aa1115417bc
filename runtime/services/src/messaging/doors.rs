//! Who may write to the channels that this host owns, remembered for moments: a channel's rows and its members' are changed by its
//! owner alone, who forgets here what it changes. What was read under one epoch counts under that epoch only, so that what another
//! owner changed before or after is never taken from here. Nobody reads by what is remembered here: access to what was written is asked
//! of the rows each time.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use archgen_ports::{ChannelId, UserId};
use tokio::time::Instant;

use super::{
    channels::{Channel, MEMBERS_MAX, Member},
    error::MessagingError,
    state::State,
};

/// How long a row counts without another look.
const FRESH: Duration = Duration::from_secs(1);
/// Memberships remembered; one more, and all are forgotten.
const OPENED_MAX: usize = 20_000;

/// Time between counts of one channel's members.
const COUNTED_EVERY: Duration = Duration::from_secs(60);
/// Channels whose size is remembered; one more, and all are forgotten.
const SIZES_MAX: usize = 20_000;

struct Opened {
    epoch: u64,
    until: Instant,
    rows: (Channel, Member),
}

/// How many members a channel has, about: who has left meanwhile is still counted.
struct Size {
    epoch: u64,
    until: Instant,
    count: usize,
}

/// Channels and members as they were read.
#[derive(Default)]
pub(super) struct Doors {
    sizes: BTreeMap<ChannelId, Size>,
    opened: BTreeMap<ChannelId, BTreeMap<UserId, Opened>>,
    count: usize,
    /// Counts what was forgotten: a read that was under way meanwhile is not remembered.
    forgotten: u64,
}

impl Doors {
    fn get(&self, channel: &ChannelId, user: &UserId, epoch: u64, now: Instant) -> Option<(Channel, Member)> {
        let opened = self.opened.get(channel)?.get(user)?;
        (opened.epoch == epoch && now < opened.until).then(|| opened.rows.clone())
    }

    fn put(&mut self, channel: &ChannelId, user: &UserId, opened: Opened, forgotten: u64) {
        if forgotten != self.forgotten {
            return;
        }
        if self.count >= OPENED_MAX {
            self.opened.clear();
            self.count = 0;
        }
        if self.opened.entry(channel.clone()).or_default().insert(user.clone(), opened).is_none() {
            self.count += 1;
        }
    }

    /// Counts one more member of a channel whose size is known: whether there is room.
    fn takes_one(&mut self, channel: &ChannelId, epoch: u64, now: Instant) -> Option<bool> {
        let size = self.sizes.get_mut(channel).filter(|size| size.epoch == epoch && now < size.until)?;
        let room = size.count < MEMBERS_MAX;
        size.count += usize::from(room);
        Some(room)
    }

    /// Forgets what is known of a channel: it is being changed.
    pub(super) fn forget(&mut self, channel: &ChannelId) {
        self.forgotten += 1;
        self.count -= self.opened.remove(channel).map_or(0, |members| members.len());
    }
}

/// The channel that this host owns, where this user is a member; otherwise it does not exist for them.
///
/// # Errors
/// [`MessagingError::NotOwner`], [`MessagingError::NotFound`], or the store's.
pub(super) async fn opened(
    state: &Arc<State>,
    channel: &ChannelId,
    user: &UserId,
) -> Result<(Channel, Member), MessagingError> {
    let asked = Instant::now();
    let epoch = state.epoch(channel).ok_or(MessagingError::NotOwner)?;
    let (known, forgotten) = {
        let doors = state.doors();
        (doors.get(channel, user, epoch, asked), doors.forgotten)
    };
    if let Some(rows) = known {
        return Ok(rows);
    }
    let rows = state.rows().opened(channel, user).await?;
    let opened = Opened { epoch, until: asked + FRESH, rows: rows.clone() };
    state.doors().put(channel, user, opened, forgotten);
    Ok(rows)
}

/// Whether the channel takes one more member. All are counted once a while only, so that a crowd that joins does not count itself over
/// and over.
///
/// # Errors
/// [`MessagingError::NotOwner`], or the store's.
pub(super) async fn takes_one(state: &Arc<State>, channel: &ChannelId) -> Result<bool, MessagingError> {
    let asked = Instant::now();
    let epoch = state.epoch(channel).ok_or(MessagingError::NotOwner)?;
    if let Some(room) = state.doors().takes_one(channel, epoch, asked) {
        return Ok(room);
    }
    let count = state.rows().members(channel).await?.len();
    let mut doors = state.doors();
    if doors.sizes.len() >= SIZES_MAX {
        doors.sizes.clear();
    }
    doors.sizes.insert(channel.clone(), Size { epoch, until: asked + COUNTED_EVERY, count });
    Ok(doors.takes_one(channel, epoch, asked).unwrap_or(true))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn opened(epoch: u64, until: Instant) -> Opened {
        let channel = json!({"id": "c", "name": "c", "kind": "public", "creator": "ada", "created": 1});
        let member = json!({"channel": "c", "user": "ada", "role": "member", "joined": 1});
        Opened {
            epoch,
            until,
            rows: (serde_json::from_value(channel).unwrap(), serde_json::from_value(member).unwrap()),
        }
    }

    #[test]
    fn a_crowd_that_joins_is_counted_as_it_comes() {
        let (c, now) = (ChannelId::from("c"), Instant::now());
        let mut doors = Doors::default();
        assert_eq!(doors.takes_one(&c, 3, now), None);
        doors.sizes.insert(c.clone(), Size { epoch: 3, until: now + COUNTED_EVERY, count: MEMBERS_MAX - 2 });
        let took: Vec<_> = (0..3).map(|_| doors.takes_one(&c, 3, now)).collect();
        assert_eq!(took, [Some(true), Some(true), Some(false)]);
        assert_eq!(doors.takes_one(&c, 4, now), None);
        assert_eq!(doors.takes_one(&c, 3, now + COUNTED_EVERY), None, "some may have left");
    }

    #[test]
    fn counts_under_its_epoch_for_a_moment_and_until_it_is_changed() {
        let (c, ada, now) = (ChannelId::from("c"), UserId::from("ada"), Instant::now());
        let mut doors = Doors::default();
        doors.put(&c, &ada, opened(3, now + FRESH), 0);
        assert!(doors.get(&c, &ada, 3, now).is_some());
        assert!(doors.get(&c, &ada, 4, now).is_none(), "another epoch");
        assert!(doors.get(&c, &ada, 3, now + FRESH).is_none(), "too old");
        assert!(doors.get(&c, &"bob".into(), 3, now).is_none());
        doors.forget(&c);
        assert!(doors.get(&c, &ada, 3, now).is_none(), "changed");
        doors.put(&c, &ada, opened(3, now + FRESH), 0);
        assert!(doors.get(&c, &ada, 3, now).is_none(), "read before the change");
        doors.put(&c, &ada, opened(3, now + FRESH), 1);
        assert_eq!((doors.get(&c, &ada, 3, now).is_some(), doors.count), (true, 1));
    }
}
