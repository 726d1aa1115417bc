//! Each checker accepts a good history and finds each planted breach.

use std::time::Duration;

use super::{cache_coherent::kept_ms_max, check};
use crate::history::{
    Claim, Claimed, Final, History, Listing, Observation, Outcome, ProfileLook, Read, Removal, Renaming, Search, Send,
    Stored,
};

fn at(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Three sends by two people in one channel, all acknowledged, all seen by both.
fn good() -> History {
    let mut history = History::default();
    for (n, person) in [(1u64, "ada"), (2, "bob"), (3, "ada")] {
        let key = format!("k{n}");
        history.sends.insert(
            key.clone(),
            Send {
                person: person.to_owned(),
                channel: "c".to_owned(),
                client_msg_id: key.clone(),
                body: format!("body {n}"),
                mentions: if n == 2 { vec!["ada".to_owned()] } else { Vec::new() },
                invoked: at(n * 100),
                done: Some(at(n * 100 + 50)),
                tries: 1,
                acks: vec![(n, format!("m{n}"))],
                outcome: Outcome::Ok { seq: n, id: format!("m{n}") },
            },
        );
        let message = Final { seq: n, epoch: 1, id: format!("m{n}"), client_msg_id: key, body: format!("body {n}") };
        history.finals.entry("c".to_owned()).or_default().push(message);
        for watcher in ["ada", "bob"] {
            let seen = Observation { seq: n, id: format!("m{n}"), at: at(n * 100 + 60) };
            history.observations.entry((watcher.to_owned(), "c".to_owned())).or_default().push(seen);
        }
    }
    let read = |person: &str, at_ms, after_seq, seqs: &[u64]| Read {
        person: person.to_owned(),
        channel: "c".to_owned(),
        invoked: at(at_ms),
        done: at(at_ms + 10),
        after_seq,
        limit: 50,
        seqs: seqs.to_vec(),
    };
    history.reads = vec![read("ada", 200, 0, &[1]), read("ada", 400, 0, &[1, 2, 3])];
    let claim = |person: &str, at_ms, claimed| Claim {
        name: "ace".to_owned(),
        person: person.to_owned(),
        invoked: at(at_ms),
        done: (claimed != Claimed::Unknown).then(|| at(at_ms + 50)),
        claimed,
    };
    history.claims =
        vec![claim("ada", 0, Claimed::Won), claim("bob", 10, Claimed::Refused), claim("cy", 500, Claimed::Unknown)];
    history.searches = vec![Search { done: at(400), hits: vec!["m1".to_owned()] }];
    history.found = Some(["m1", "m2", "m3"].map(str::to_owned).to_vec());
    history.inboxes.insert("ada".to_owned(), vec!["m2".to_owned()]);
    history.files = vec![Stored {
        id: "f1".to_owned(),
        person: "ada".to_owned(),
        sent: "3 bytes, 07".to_owned(),
        done: at(300),
        found: Some("3 bytes, 07".to_owned()),
    }];
    history.presences.insert("ada".to_owned(), true);
    history.moves = [("copy".to_owned(), 2), ("switch".to_owned(), 2), ("keep".to_owned(), 1)].into();
    history.renamings = vec![renaming(1, 100), renaming(2, 5_000)];
    history.profiles = vec![look(0, 50), look(1, 200), look(1, 5_100), look(2, 20_000)];
    let both: std::collections::BTreeSet<String> = ["chat-1", "chat-2"].map(str::to_owned).into();
    let listing = Listing { live: both.clone(), listed: both };
    history.listings.insert(("registry-1".to_owned(), "chat".to_owned()), listing);
    history.removals = vec![Removal { person: "eve".to_owned(), channel: "c".to_owned(), done: Some(at(150)) }];
    history
}

/// Ada's change of her name.
fn renaming(version: u64, at_ms: u64) -> Renaming {
    Renaming { person: "ada".to_owned(), version, invoked: at(at_ms), done: Some(at(at_ms + 20)) }
}

/// Bob's look at Ada's name.
fn look(version: u64, at_ms: u64) -> ProfileLook {
    let (person, of) = ("bob".to_owned(), "ada".to_owned());
    ProfileLook { person, of, version, invoked: at(at_ms), done: at(at_ms + 10) }
}

fn breaches(history: &History, invariant: &str) -> Vec<String> {
    let finding = check(history).into_iter().find(|f| f.invariant == invariant).unwrap();
    assert!(finding.checked > 0, "{invariant} checked nothing");
    finding.breaches
}

#[test]
fn a_good_history_breaks_nothing() {
    for finding in check(&good()) {
        assert_eq!(finding.breaches, Vec::<String>::new(), "{}", finding.invariant);
        assert!(finding.checked >= 1, "{} checked nothing", finding.invariant);
    }
}

#[test]
fn a_name_long_replaced_and_one_not_written_yet_are_found() {
    let mut history = good();
    history.profiles.push(look(1, 30_000));
    assert!(breaches(&history, "cache-coherent")[0].contains("was shown version 1 at 30.01 s"));
    let mut history = good();
    history.profiles = vec![look(2, 300)];
    assert!(breaches(&history, "cache-coherent")[0].contains("not written yet"));
    // A change without an answer may be there or not.
    let mut history = good();
    history.renamings[1].done = None;
    history.profiles = vec![look(1, 40_000), look(2, 41_000)];
    assert!(breaches(&history, "cache-coherent").is_empty());
}

#[test]
fn what_the_gateway_keeps_may_be_shown_as_long_as_the_spec_says() {
    let shown = |kept_ms_max, at_ms| {
        let mut history = good();
        history.kept_ms_max = kept_ms_max;
        // Ada's second name was acknowledged at 5.02 s.
        history.profiles = vec![look(1, at_ms)];
        breaches(&history, "cache-coherent").len()
    };
    for kept_ms_max in [0, 1_000, 30_000] {
        let last_ms = 5_020 + kept_ms_max + 8_000;
        assert_eq!((shown(kept_ms_max, last_ms), shown(kept_ms_max, last_ms + 1)), (0, 1), "{kept_ms_max}");
    }
}

#[test]
fn the_longest_time_for_which_an_answer_is_kept_is_the_specs() {
    let mut topology = crate::faults::reference();
    assert_eq!(kept_ms_max(&topology), 1_000);
    let routes = &mut topology.gateway.as_mut().unwrap().routes;
    routes.iter_mut().find(|route| route.prefix == "/api/v1/search").unwrap().micro_cache = Some(at(45_000));
    assert_eq!(kept_ms_max(&topology), 45_000);
    topology.gateway.as_mut().unwrap().routes.iter_mut().for_each(|route| route.micro_cache = None);
    assert_eq!(kept_ms_max(&topology), 0);
}

#[test]
fn an_instance_that_is_not_listed_and_one_that_should_not_be_are_found() {
    let listed = |instances: &[&str]| {
        let mut history = good();
        let listing = history.listings.values_mut().next().unwrap();
        listing.listed = instances.iter().map(|name| (*name).to_owned()).collect();
        breaches(&history, "registry-converges").concat()
    };
    assert!(listed(&["chat-1"]).contains("does not list chat-2"));
    assert!(listed(&["chat-1", "chat-2", "chat-9"]).contains("lists chat-9"));
}

#[test]
fn a_lost_message_is_found() {
    let mut history = good();
    history.finals.get_mut("c").unwrap().pop();
    assert!(breaches(&history, "acked-not-lost")[0].contains("`k3`"));
}

#[test]
fn what_a_move_lost_doubled_or_damaged_is_found() {
    let found = |change: fn(&mut History)| {
        let mut history = good();
        change(&mut history);
        breaches(&history, "rebalance-loses-nothing").concat()
    };
    let lost = found(|history| drop(history.finals.get_mut("c").unwrap().remove(1)));
    assert!(lost.contains("`k2`") && lost.contains("lost"), "{lost}");
    let twice = found(|history| {
        let finals = history.finals.get_mut("c").unwrap();
        finals[1].client_msg_id = finals[0].client_msg_id.clone();
    });
    assert!(twice.contains("`k1` twice"), "{twice}");
    let differ = found(|history| history.move_failures.push("units differ".to_owned()));
    assert_eq!(differ, "units differ");
}

#[test]
fn a_moved_message_and_a_changed_body_are_found() {
    let mut history = good();
    history.finals.get_mut("c").unwrap()[0].body = "other".to_owned();
    history.finals.get_mut("c").unwrap()[2].seq = 9;
    assert_eq!(breaches(&history, "acked-not-lost").len(), 2);
}

#[test]
fn a_refused_message_in_history_is_found() {
    let mut history = good();
    history.sends.get_mut("k2").unwrap().outcome = Outcome::Fail { reason: "not a member".to_owned() };
    assert!(breaches(&history, "acked-not-lost")[0].contains("refused"));
}

#[test]
fn an_indeterminate_send_may_be_there_or_not() {
    let mut history = good();
    for key in ["k2", "k3"] {
        let send = history.sends.get_mut(key).unwrap();
        send.outcome = Outcome::Indeterminate;
        send.acks.clear();
    }
    history.finals.get_mut("c").unwrap().pop();
    assert!(breaches(&history, "acked-not-lost").is_empty());
}

#[test]
fn a_duplicate_is_found() {
    let mut history = good();
    let mut twice = history.finals["c"][1].clone();
    twice.seq = 4;
    twice.id = "m4".to_owned();
    history.finals.get_mut("c").unwrap().push(twice);
    assert!(breaches(&history, "exactly-once-effect")[0].contains("2 times"));
}

#[test]
fn acknowledgements_that_disagree_are_found() {
    let mut history = good();
    history.sends.get_mut("k1").unwrap().acks.push((7, "m7".to_owned()));
    assert!(breaches(&history, "exactly-once-effect")[0].contains("and later as m7"));
}

#[test]
fn a_device_that_goes_back_or_misses_one_is_found() {
    let mut history = good();
    history.observations.get_mut(&("bob".to_owned(), "c".to_owned())).unwrap().swap(0, 1);
    assert!(breaches(&history, "per-channel-order")[0].contains("bob was shown seq 2"));
    let mut history = good();
    history.observations.get_mut(&("bob".to_owned(), "c".to_owned())).unwrap().remove(1);
    assert!(breaches(&history, "per-channel-order")[0].contains("never seq 2"));
}

#[test]
fn two_messages_at_one_place_are_found() {
    let mut history = good();
    history.observations.get_mut(&("ada".to_owned(), "c".to_owned())).unwrap()[1].id = "zombie".to_owned();
    assert!(breaches(&history, "per-channel-order")[0].contains("zombie"));
}

#[test]
fn an_order_against_real_time_is_found() {
    let mut history = good();
    for (key, seq) in [("k1", 3), ("k3", 1)] {
        history.sends.get_mut(key).unwrap().outcome = Outcome::Ok { seq, id: String::new() };
    }
    assert!(breaches(&history, "per-channel-order").iter().any(|b| b.contains("before `k2` was sent")));
}

#[test]
fn a_read_that_forgets_what_was_known_is_found() {
    let mut history = good();
    history.reads[1].seqs = vec![2, 3];
    let found = breaches(&history, "session-guarantees");
    assert!(found[0].contains("ada knew seq 1") && found[0].contains("its own `k1`"), "{found:?}");
    history.reads[1].seqs = vec![1, 3];
    assert!(breaches(&history, "session-guarantees")[0].contains("shown on its device"));
    // A full page need not hold what lies behind it.
    history.reads[1].seqs = vec![1, 2];
    history.reads[1].limit = 2;
    assert!(breaches(&history, "session-guarantees").is_empty());
}

#[test]
fn a_mention_without_a_notification_a_second_one_and_an_undue_one_are_found() {
    let inbox = |messages: &[&str]| {
        let mut history = good();
        history.inboxes.insert("ada".to_owned(), messages.iter().map(|m| (*m).to_owned()).collect());
        breaches(&history, "notified-at-least-once").first().cloned().unwrap_or_default()
    };
    assert!(inbox(&[]).contains("never notified"));
    assert!(inbox(&["m2", "m2"]).contains("2 times"));
    assert!(inbox(&["m2", "m3"]).contains("message m3, which mentions nobody"));
    assert_eq!(inbox(&["m2"]), "");
}

#[test]
fn a_ghost_and_a_message_that_no_search_finds_are_found() {
    let mut history = good();
    history.searches[0].hits.push("m9".to_owned());
    history.found.as_mut().unwrap().pop();
    let found = breaches(&history, "search-converges");
    assert!(found[0].contains("m9, which is in no history") && found[1].contains("m3 is in history"), "{found:?}");
}

#[test]
fn a_message_or_a_read_after_a_removal_is_found() {
    let mut history = good();
    let seen = Observation { seq: 2, id: "m2".to_owned(), at: at(260) };
    history.observations.insert(("eve".to_owned(), "c".to_owned()), vec![seen]);
    assert!(breaches(&history, "revoked-means-out")[0].contains("`k2` was sent at 0.20 s and shown to them"));
    let mut history = good();
    history.reads[1].person = "eve".to_owned();
    assert!(breaches(&history, "revoked-means-out")[0].contains("could read"));
}

#[test]
fn an_epoch_that_falls_is_found() {
    let mut history = good();
    history.finals.get_mut("c").unwrap()[1].epoch = 2;
    assert!(breaches(&history, "shard-owner-unique")[0].contains("seq 3 after it of epoch 1"));
}

#[test]
fn two_who_win_one_name_and_a_refusal_without_a_winner_are_found() {
    let mut history = good();
    history.claims[1].claimed = Claimed::Won;
    assert!(breaches(&history, "unique-names")[0].contains("no order explains"));
    let mut history = good();
    history.claims.remove(0);
    history.claims.pop();
    assert!(breaches(&history, "unique-names")[0].contains("bob"));
    // Whoever had no answer may have taken it first.
    let mut history = good();
    history.claims[0].claimed = Claimed::Unknown;
    assert!(breaches(&history, "unique-names").is_empty());
}

#[test]
fn a_send_without_an_answer_is_found() {
    let mut history = good();
    history.sends.get_mut("k3").unwrap().outcome = Outcome::Indeterminate;
    assert!(breaches(&history, "liveness")[0].contains("`k3`"));
}

#[test]
fn a_file_that_changed_or_is_gone_is_found() {
    let mut history = good();
    history.files[0].found = Some("2 bytes, 06".to_owned());
    assert!(breaches(&history, "files-intact")[0].contains("reads back as 2 bytes"));
    history.files[0].found = None;
    assert!(breaches(&history, "files-intact")[0].contains("cannot be read"));
}

#[test]
fn somebody_connected_who_is_not_online_is_found() {
    let mut history = good();
    history.presences.insert("bob".to_owned(), false);
    assert!(breaches(&history, "presence-converges")[0].contains("bob"));
}
