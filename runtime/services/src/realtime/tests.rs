//! The cursor as a pure function; a whole host among stub services, seen from its sockets, in `flows`.

mod flows;

use proptest::prelude::*;

use super::{
    cursor::{Cursor, Step},
    hub::event_name,
    subscribe::Room,
};

#[test]
fn delivers_each_once_in_order_and_asks_for_gaps() {
    let mut cursor = Cursor { epoch: 1, seq: 3 };
    let steps: Vec<Step> = [3, 4, 6, 5, 6, 4].into_iter().map(|seq| cursor.take(2, seq)).collect();
    assert_eq!(steps, [Step::Ignore, Step::Deliver, Step::Fetch, Step::Deliver, Step::Deliver, Step::Ignore]);
    assert_eq!(cursor, Cursor { epoch: 2, seq: 6 });
}

proptest! {
    /// Pushes may be lost, doubled and reordered: with the log fetched after each gap, everything is delivered once, in order.
    #[test]
    fn whatever_is_pushed_all_is_delivered(pushes in prop::collection::vec(1u64..40, 0..120)) {
        let mut cursor = Cursor { epoch: 0, seq: 0 };
        let mut delivered = Vec::new();
        for seq in pushes.iter().copied().chain([40]) {
            match cursor.take(1, seq) {
                Step::Deliver => delivered.push(seq),
                Step::Ignore => {}
                Step::Fetch => {
                    for seq in cursor.seq + 1..=seq {
                        prop_assert_eq!(cursor.take(1, seq), Step::Deliver);
                        delivered.push(seq);
                    }
                }
            }
        }
        prop_assert_eq!(delivered, (1..=40).collect::<Vec<_>>());
    }
}

#[test]
fn every_kind_of_entry_has_an_event() {
    let names: Vec<&str> =
        ["message.created", "message.edited", "message.deleted", "membership.added", "membership.removed"]
            .into_iter()
            .map(event_name)
            .collect();
    assert_eq!(names, ["msg:new", "msg:edited", "msg:deleted", "member:added", "member:removed"]);
}

#[test]
fn one_sub_brings_a_bounded_amount_and_always_something() {
    let mut room = Room { bytes: 0 };
    assert!(room.take(10 << 20), "the first entry always fits");
    assert!(!room.take(1));
    let mut room = Room { bytes: 0 };
    assert_eq!((0..100).take_while(|_| room.take(64 << 10)).count(), 8);
}
