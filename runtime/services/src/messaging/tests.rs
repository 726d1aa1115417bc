//! Ownership, changes, mentions and event shapes as pure functions; rows over a strict account store.

mod changes;
mod rows;

use std::{collections::BTreeSet, time::Duration};

use archgen_ports::{
    ChannelId, MessageId, Position, UserId,
    messages::{Lease, LogEntry, Range},
};
use proptest::prelude::*;
use serde_json::json;
use tokio::time::Instant;

use super::{
    channels::is_id,
    history::Walk,
    kinds::{CREATED, MEMBER_ADDED},
    mentions::handles,
    ownership::{Ownership, Place, preferred},
    view::{self, ChannelEvent},
};

const LEASE: Duration = Duration::from_secs(2);

/// Six shards and three instances: which instances stand first, second and third for each shard.
fn order(shard: u16) -> [u32; 3] {
    let now = Instant::now();
    let mut all: Vec<u32> = (0..3).collect();
    all.sort_by_key(|ordinal| {
        let asks = |late: u32| ownership(*ordinal, now).wanted(now + LEASE / 2 * late).contains(&shard);
        (0..3).find(|late| asks(*late)).unwrap()
    });
    all.try_into().unwrap()
}

fn ownership(ordinal: u32, now: Instant) -> Ownership {
    ownership_of(ordinal, 6, now)
}

fn ownership_of(ordinal: u32, shards: u16, now: Instant) -> Ownership {
    let place = Place {
        owner: format!("messaging-{}", ordinal + 1),
        incarnation: format!("life-{ordinal}"),
        ordinal,
        replicas: 3,
        shards,
        lease: LEASE,
    };
    Ownership::new(place, now)
}

fn lease(shard: u16, ordinal: u32, epoch: u64, left_ms: u64) -> Lease {
    Lease { shard, owner: format!("messaging-{}", ordinal + 1), incarnation: format!("life-{ordinal}"), epoch, left_ms }
}

#[test]
fn asks_for_its_own_at_once_and_for_others_after_a_grace() {
    let now = Instant::now();
    for shard in 0..6 {
        let [first, second, third] = order(shard);
        assert_eq!(first, preferred(shard, 3));
        for (ordinal, late) in [(first, 0), (second, 1), (third, 2)] {
            let instance = ownership(ordinal, now);
            assert!(instance.wanted(now + LEASE / 2 * late).contains(&shard));
            let early = Duration::from_millis(1);
            assert!(late == 0 || !instance.wanted(now + LEASE / 2 * late - early).contains(&shard));
        }
    }
}

#[test]
fn what_an_instance_leaves_is_spread_over_all_others_and_nothing_else_moves() {
    const SHARDS: u16 = 1_024;
    for replicas in [2, 3, 6, 12] {
        let mut owned = vec![0u32; replicas as usize];
        let mut inherited = vec![0u32; replicas as usize + 1];
        for shard in 0..SHARDS {
            let (before, after) = (preferred(shard, replicas + 1), preferred(shard, replicas));
            owned[after as usize] += 1;
            // The last instance leaves.
            if before == replicas {
                inherited[after as usize] += 1;
            } else {
                assert_eq!(before, after, "shard {shard} moved without need");
            }
        }
        let fair = f64::from(SHARDS) / f64::from(replicas);
        assert!(owned.iter().all(|count| (f64::from(*count) / fair - 1.0).abs() < 0.35), "{owned:?}");
        let heirs = inherited.iter().filter(|count| **count > 0).count();
        assert_eq!(heirs, replicas as usize, "{inherited:?}");
    }
}

#[test]
fn a_live_owner_is_left_alone_and_a_dead_one_is_not() {
    let now = Instant::now();
    let [first, second, _] = order(0);
    let mut next = ownership(second, now);
    next.observe(&[lease(0, first, 1, 1_500)], now);
    assert!(!next.wanted(now + 10 * LEASE).contains(&0));
    next.observe(&[lease(0, first, 1, 0)], now + LEASE);
    assert!(!next.wanted(now + LEASE).contains(&0));
    assert!(next.wanted(now + LEASE + LEASE / 2).contains(&0));
}

#[test]
fn holds_what_was_granted_until_the_lease_ends_or_another_has_it() {
    let now = Instant::now();
    let mut second = ownership(1, now);
    assert_eq!(second.granted(&[lease(1, 1, 7, 2_000), lease(0, 0, 3, 900)], now, now), [1]);
    assert_eq!(second.epoch(1, now + LEASE - Duration::from_millis(1)), Some(7));
    assert_eq!(second.epoch(1, now + LEASE), None, "the lease ran out");
    assert_eq!(second.epoch(0, now), None, "another's");
    assert_eq!(second.granted(&[lease(1, 1, 7, 2_000)], now, now), Vec::<u16>::new(), "a renewal is no gain");
    second.observe(&[lease(1, 2, 8, 2_000)], now);
    assert_eq!(second.epoch(1, now), None, "another took it over");
    assert_eq!(second.owner(1), Some("messaging-3"));
}

#[test]
fn a_lease_that_ran_out_here_is_gained_anew() {
    let now = Instant::now();
    let mut second = ownership(1, now);
    second.granted(&[lease(1, 1, 7, 2_000)], now, now);
    let late = now + LEASE + Duration::from_millis(1);
    assert_eq!(second.epoch(1, late), None);
    assert_eq!(second.granted(&[lease(1, 1, 7, 2_000)], late, late), [1], "the relay has passed it over");
}

#[test]
fn a_look_older_than_the_grant_changes_nothing() {
    let now = Instant::now();
    let mut second = ownership(1, now);
    second.granted(&[lease(1, 1, 7, 2_000)], now, now);
    second.observe(&[lease(1, 2, 6, 300)], now);
    assert_eq!((second.epoch(1, now), second.owner(1)), (Some(7), Some("messaging-2")));
}

#[test]
fn asks_back_what_prefers_it() {
    let now = Instant::now();
    let [first, second, third] = order(1);
    let mut returned = ownership(first, now);
    let own: Vec<Lease> = (0..6)
        .map(|shard| match (shard, preferred(shard, 3) == first) {
            (1, _) => lease(shard, second, 8, 2_000),
            (_, true) => lease(shard, first, 2, 2_000),
            (_, false) => lease(shard, third, 1, 2_000),
        })
        .collect();
    returned.observe(&own, now);
    assert_eq!(returned.abroad(), [(format!("messaging-{}", second + 1), vec![1])].into());
}

proptest! {
    /// Whatever was granted and seen, no two instances hold one shard under one epoch.
    #[test]
    fn an_epoch_has_one_holder(grants in prop::collection::vec((0u16..6, 0u32..3), 1..60)) {
        let now = Instant::now();
        let mut all: Vec<Ownership> = (0..3).map(|o| ownership(o, now)).collect();
        let mut epochs = [0u64; 6];
        for (shard, ordinal) in grants {
            epochs[shard as usize] += 1;
            all[ordinal as usize].granted(&[lease(shard, ordinal, epochs[shard as usize], 2_000)], now, now);
            for shard in 0..6 {
                let held: Vec<u64> = all.iter().filter_map(|o| o.epoch(shard, now)).collect();
                let distinct: BTreeSet<&u64> = held.iter().collect();
                prop_assert_eq!(held.len(), distinct.len());
            }
        }
    }

    #[test]
    fn handles_never_panic_and_are_plain(body in "\\PC{0,200}") {
        for handle in handles(&body) {
            prop_assert!(handle.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-.".contains(c)));
        }
    }
}

#[test]
fn handles_begin_words() {
    let found: Vec<String> = handles("@Ada, see mail@example.test and (@bob_2). @@carol @ada @").into_iter().collect();
    assert_eq!(found, ["ada", "bob_2", "carol"]);
}

fn entry(deleted: bool) -> LogEntry {
    LogEntry {
        position: Position { epoch: 2, seq: 5 },
        id: MessageId::from("9"),
        kind: CREATED.to_owned(),
        author: UserId::from("ada"),
        ts: 1,
        client_msg_id: Some("c".to_owned()),
        data: if deleted { json!(null) } else { json!({"body": "hello", "files": [], "mentions": []}) },
        counts: archgen_ports::messages::Counts::default(),
        revised_by: if deleted { 6 } else { 0 },
        deleted,
    }
}

#[test]
fn a_deleted_message_keeps_its_place_without_content() {
    let channel = ChannelId::from("1");
    let shown = view::message(&channel, &entry(true));
    assert_eq!((&shown["seq"], &shown["body"], &shown["deleted"]), (&json!(5), &json!(null), &json!(true)));
    let event = ChannelEvent::new(&channel, &entry(true), None);
    assert_eq!(event.data["body"], json!(null));
    let envelope = super::relay::envelope(&event, &entry(true));
    assert_eq!((envelope.event_id.as_str(), &envelope.data["id"]), ("1:5", &json!("9")));
}

#[test]
fn an_event_names_its_predecessor() {
    let event = ChannelEvent::new(&ChannelId::from("1"), &entry(false), None);
    assert_eq!((event.prev_seq, event.seq, event.epoch), (4, 5, 2));
    assert_eq!(event.data["body"], "hello");
}

fn log(kinds: &[bool]) -> Vec<LogEntry> {
    let entry_at = |(index, is_message): (usize, &bool)| LogEntry {
        position: Position { epoch: 1, seq: index as u64 + 1 },
        kind: if *is_message { CREATED } else { MEMBER_ADDED }.to_owned(),
        ..entry(false)
    };
    kinds.iter().enumerate().map(entry_at).collect()
}

/// What a store may answer: the range's entries, but no more than `short` of them at a time.
fn read(log: &[LogEntry], (range, limit): (Range, usize), short: usize) -> Vec<LogEntry> {
    let limit = limit.min(short);
    let newest = |end: usize| log[end.saturating_sub(limit)..end].to_vec();
    match range {
        Range::After(seq) => log.iter().skip(seq as usize).take(limit).cloned().collect(),
        Range::Before(seq) => newest(log.len().min(seq.saturating_sub(1) as usize)),
        Range::Latest => newest(log.len()),
    }
}

fn pages(log: &[LogEntry], first: Range, limit: usize, short: usize) -> Vec<Vec<u64>> {
    let (mut range, mut pages) = (first, Vec::new());
    loop {
        let mut walk = Walk::new(range, limit);
        while !walk.take(read(log, walk.read(), short)) {}
        let page = walk.page();
        pages.push(page.messages.iter().map(|m| m.position.seq).collect());
        range = match (page.next, first) {
            (None, _) => return pages,
            (Some(next), Range::After(_)) => Range::After(next),
            (Some(next), _) => Range::Before(next),
        };
    }
}

proptest! {
    /// Paging either way meets each message once, in order, and never more than a page holds.
    #[test]
    fn pages_meet_each_message_once(
        kinds in prop::collection::vec(prop::bool::weighted(0.7), 0..80),
        limit in 1usize..12,
        short in 1usize..20,
    ) {
        let log = log(&kinds);
        let all: Vec<u64> = log.iter().filter(|e| e.kind == CREATED).map(|e| e.position.seq).collect();
        let forward = pages(&log, Range::After(0), limit, short);
        prop_assert!(forward.iter().all(|p| p.len() <= limit));
        prop_assert_eq!(forward.concat(), all.clone());
        let mut backward = pages(&log, Range::Latest, limit, short);
        prop_assert!(backward.iter().all(|p| p.len() <= limit));
        backward.reverse();
        prop_assert_eq!(backward.concat(), all);
    }
}

#[test]
fn a_full_page_says_whether_more_follows() {
    let log = log(&[true, true, true, true]);
    assert_eq!(pages(&log, Range::After(0), 2, 100), [[1, 2], [3, 4]]);
    assert_eq!(pages(&log, Range::Latest, 2, 100), [[3, 4], [1, 2]]);
}

#[test]
fn what_no_key_can_hold_is_no_id() {
    assert!(is_id("0198c0de-0000-7000-8000-000000000000") && is_id("7262930284"));
    for text in ["", "a\0b", "a:b", "a b", "\u{e4}", &"9".repeat(65)] {
        assert!(!is_id(text), "{text:?}");
    }
}

#[test]
fn instances_that_come_or_leave_have_their_shards_handed_over() {
    let now = Instant::now();
    let mut third = ownership_of(2, 64, now);
    let theirs: Vec<u16> = (0..64).filter(|shard| third.prefers_us(*shard)).collect();
    assert!(!theirs.is_empty());
    third.granted(&theirs.iter().map(|s| lease(*s, 2, 4, 2_000)).collect::<Vec<_>>(), now, now);
    // Two are to stay: the third wants nothing new, goes on serving what it has, and gives it to whoever prefers it now.
    third.shared_by(2);
    assert_eq!(third.wanted(now), theirs);
    let heirs: Vec<u32> = theirs.iter().map(|shard| preferred(*shard, 2)).collect();
    for (shard, heir) in theirs.iter().zip(heirs) {
        assert!(!third.prefers_us(*shard) && heir < 2);
        let mut heir = ownership_of(heir, 64, now);
        heir.shared_by(2);
        heir.observe(&[lease(*shard, 2, 4, 2_000)], now);
        assert_eq!(heir.abroad().get("messaging-3"), Some(&vec![*shard]));
        assert!(third.drop_shard(*shard));
    }
    assert!(third.wanted(now).is_empty());
    third.shared_by(3);
    assert_eq!(third.wanted(now), theirs, "it is to stay again");
}
