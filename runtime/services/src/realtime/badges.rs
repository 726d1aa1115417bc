//! [`Badges`]: channels that a client shows without having them open. Its sockets hear that there is more, not what: a tick once a
//! moment and channel, however much was written, and the same bytes for all. So a channel with very many members costs its readers'
//! hosts what those who look at it cost.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use archgen_ports::ChannelId;
use archgen_socketio::Encoded;
use serde_json::json;

use super::{cursor::Cursor, state::State};

/// Time between the ticks of one channel.
const TICK_EVERY: Duration = Duration::from_secs(1);

struct Badge {
    head: Cursor,
    sockets: BTreeSet<String>,
}

/// Sockets by the channels that they show a badge of.
#[derive(Default)]
pub(super) struct Badges {
    channels: BTreeMap<ChannelId, Badge>,
    /// Channels whose sockets are to be told of a new head.
    moved: BTreeSet<ChannelId>,
}

impl Badges {
    /// A socket, which knows this head, is told of later ones.
    pub(super) fn follow(&mut self, id: &str, channel: &ChannelId, head: Cursor) {
        let badge = self.channels.entry(channel.clone()).or_insert_with(|| Badge { head, sockets: BTreeSet::new() });
        if badge.head.seq > head.seq {
            self.moved.insert(channel.clone());
        }
        badge.sockets.insert(id.to_owned());
    }

    pub(super) fn leave(&mut self, id: &str, channel: &ChannelId) {
        if let Some(badge) = self.channels.get_mut(channel) {
            badge.sockets.remove(id);
            if badge.sockets.is_empty() {
                self.channels.remove(channel);
                self.moved.remove(channel);
            }
        }
    }

    /// A head was seen.
    pub(super) fn head(&mut self, channel: &ChannelId, epoch: u64, seq: u64) {
        if let Some(badge) = self.channels.get_mut(channel).filter(|badge| badge.head.seq < seq) {
            badge.head = Cursor { epoch, seq };
            self.moved.insert(channel.clone());
        }
    }

    pub(super) fn channels(&self) -> impl Iterator<Item = &ChannelId> {
        self.channels.keys()
    }

    /// The channels whose head has moved, with the head and whom to tell.
    pub(super) fn take_moved(&mut self) -> Vec<(ChannelId, Cursor, &BTreeSet<String>)> {
        let moved = std::mem::take(&mut self.moved);
        let of = |channel: ChannelId| {
            let badge = self.channels.get(&channel)?;
            Some((channel, badge.head, &badge.sockets))
        };
        moved.into_iter().filter_map(of).collect()
    }
}

/// Sends the ticks, for ever.
pub(super) async fn tell(state: Arc<State>) {
    loop {
        tokio::time::sleep(TICK_EVERY).await;
        state.hub().send_ticks();
    }
}

/// The tick of a channel.
pub(super) fn tick(channel: &ChannelId, head: Cursor) -> Encoded {
    Encoded::event("unread", &json!({"ch": channel, "epoch": head.epoch, "seq": head.seq}))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moved(badges: &mut Badges) -> Vec<(String, u64, usize)> {
        badges.take_moved().into_iter().map(|(channel, head, sockets)| (channel.0, head.seq, sockets.len())).collect()
    }

    #[test]
    fn tells_the_newest_head_once_and_nothing_that_is_known() {
        let (a, b) = (ChannelId::from("a"), ChannelId::from("b"));
        let mut badges = Badges::default();
        badges.follow("1", &a, Cursor { epoch: 1, seq: 5 });
        badges.follow("2", &a, Cursor { epoch: 1, seq: 5 });
        badges.head(&a, 1, 5);
        badges.head(&b, 1, 9);
        assert!(moved(&mut badges).is_empty());
        for seq in [6, 9, 7] {
            badges.head(&a, 1, seq);
        }
        assert_eq!(moved(&mut badges), [("a".to_owned(), 9, 2)]);
        assert!(moved(&mut badges).is_empty());
        badges.follow("3", &a, Cursor { epoch: 1, seq: 8 });
        assert_eq!(moved(&mut badges), [("a".to_owned(), 9, 3)], "who comes with an older head hears of it");
        badges.head(&a, 1, 10);
        for id in ["1", "2", "3"] {
            badges.leave(id, &a);
        }
        assert!(moved(&mut badges).is_empty() && badges.channels().next().is_none());
    }
}
