//! Each checker accepts a good history and finds each planted breach.

use std::time::Duration;

use archgen_spec::topology::Invariant;

use super::check;
use crate::history::{Final, History, Observation, Outcome, Send};

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
                invoked: at(n * 100),
                done: Some(at(n * 100 + 50)),
                tries: 1,
                acks: vec![(n, format!("m{n}"))],
                outcome: Outcome::Ok { seq: n, id: format!("m{n}") },
            },
        );
        let message = Final { seq: n, id: format!("m{n}"), client_msg_id: key, body: format!("body {n}") };
        history.finals.entry("c".to_owned()).or_default().push(message);
        for watcher in ["ada", "bob"] {
            let seen = Observation { seq: n, id: format!("m{n}"), at: at(n * 100 + 60) };
            history.observations.entry((watcher.to_owned(), "c".to_owned())).or_default().push(seen);
        }
    }
    history
}

fn breaches(history: &History, invariant: Invariant) -> Vec<String> {
    let findings = check(history, &[invariant]);
    assert!(findings[0].checked > 0);
    findings[0].breaches.clone()
}

#[test]
fn a_good_history_breaks_nothing() {
    for finding in check(&good(), &[Invariant::AckedNotLost, Invariant::PerChannelOrder, Invariant::ExactlyOnceEffect])
    {
        assert_eq!(finding.breaches, Vec::<String>::new(), "{}", finding.invariant);
        assert!(finding.checked >= 3);
    }
}

#[test]
fn a_lost_message_is_found() {
    let mut history = good();
    history.finals.get_mut("c").unwrap().pop();
    assert!(breaches(&history, Invariant::AckedNotLost)[0].contains("`k3`"));
}

#[test]
fn a_moved_message_and_a_changed_body_are_found() {
    let mut history = good();
    history.finals.get_mut("c").unwrap()[0].body = "other".to_owned();
    history.finals.get_mut("c").unwrap()[2].seq = 9;
    assert_eq!(breaches(&history, Invariant::AckedNotLost).len(), 2);
}

#[test]
fn a_refused_message_in_history_is_found() {
    let mut history = good();
    history.sends.get_mut("k2").unwrap().outcome = Outcome::Fail { reason: "not a member".to_owned() };
    assert!(breaches(&history, Invariant::AckedNotLost)[0].contains("refused"));
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
    assert!(breaches(&history, Invariant::AckedNotLost).is_empty());
}

#[test]
fn a_duplicate_is_found() {
    let mut history = good();
    let mut twice = history.finals["c"][1].clone();
    twice.seq = 4;
    twice.id = "m4".to_owned();
    history.finals.get_mut("c").unwrap().push(twice);
    assert!(breaches(&history, Invariant::ExactlyOnceEffect)[0].contains("2 times"));
}

#[test]
fn acknowledgements_that_disagree_are_found() {
    let mut history = good();
    history.sends.get_mut("k1").unwrap().acks.push((7, "m7".to_owned()));
    assert!(breaches(&history, Invariant::ExactlyOnceEffect)[0].contains("and later as m7"));
}

#[test]
fn a_device_that_goes_back_or_misses_one_is_found() {
    let mut history = good();
    history.observations.get_mut(&("bob".to_owned(), "c".to_owned())).unwrap().swap(0, 1);
    assert!(breaches(&history, Invariant::PerChannelOrder)[0].contains("bob was shown seq 2"));
    let mut history = good();
    history.observations.get_mut(&("bob".to_owned(), "c".to_owned())).unwrap().remove(1);
    assert!(breaches(&history, Invariant::PerChannelOrder)[0].contains("never seq 2"));
}

#[test]
fn two_messages_at_one_place_are_found() {
    let mut history = good();
    history.observations.get_mut(&("ada".to_owned(), "c".to_owned())).unwrap()[1].id = "zombie".to_owned();
    assert!(breaches(&history, Invariant::PerChannelOrder)[0].contains("zombie"));
}

#[test]
fn an_order_against_real_time_is_found() {
    let mut history = good();
    for (key, seq) in [("k1", 3), ("k3", 1)] {
        history.sends.get_mut(key).unwrap().outcome = Outcome::Ok { seq, id: String::new() };
    }
    assert!(breaches(&history, Invariant::PerChannelOrder).iter().any(|b| b.contains("before `k2` was sent")));
}
