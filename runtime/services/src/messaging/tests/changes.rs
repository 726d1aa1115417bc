//! What changes do to messages, whatever the order: one way for every kind, checked against simple models.

use std::collections::{BTreeMap, BTreeSet};

use archgen_ports::{
    ChannelId, Position, UserId,
    messages::{Counts, EntryOutcome, LogEntry, NewEntry},
};
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::super::{
    change::{Act, Decision, PINS, Proposal, Say, decide, revised},
    error::MessagingError,
    kinds::{CREATED, DELETED, EDITED, KINDS, kind},
    recent::Recent,
    view::{self, ChannelEvent},
};

const PEOPLE: [&str; 3] = ["ada", "bob", "eve"];

/// A channel's log, as the writer and the store keep it together.
#[derive(Default)]
struct Log {
    entries: Vec<LogEntry>,
    counts: Counts,
}

impl Log {
    fn propose(&mut self, by: &str, target: Option<u64>, act: Act) -> Result<bool, MessagingError> {
        let seq = self.entries.len() as u64 + 1;
        let proposal = Proposal {
            id: seq.to_string().into(),
            author: by.into(),
            ts: 1_000 + seq,
            client_msg_id: None,
            target,
            act,
        };
        let at = target.map(|seq| self.entries[seq as usize - 1].clone());
        let Decision::Append(new) = decide(proposal, at.as_ref())? else { return Ok(false) };
        self.append(*new);
        Ok(true)
    }

    fn append(&mut self, new: NewEntry) {
        let seq = self.entries.len() as u64 + 1;
        if let Some(revision) = &new.revises {
            let target = &mut self.entries[revision.seq as usize - 1];
            *target = LogEntry { revised_by: seq, ..revised(target, revision) };
        }
        self.counts = self.counts.plus(new.adds);
        let (kind, data, client_msg_id) = (new.kind, new.data, new.client_msg_id);
        self.entries.push(LogEntry {
            position: Position { epoch: 1, seq },
            id: new.id,
            kind,
            author: new.author,
            ts: new.ts,
            client_msg_id,
            data,
            counts: self.counts,
            revised_by: 0,
            deleted: false,
        });
    }

    fn say(&mut self, by: &str, body: &str) -> u64 {
        self.propose(by, None, Act::Say(Say { body: body.to_owned(), ..Say::default() })).unwrap();
        self.entries.len() as u64
    }

    fn shown(&self, seq: u64) -> Value {
        view::message(&ChannelId::from("1"), &self.entries[seq as usize - 1])
    }
}

fn edit(body: &str) -> Act {
    Act::Edit { body: body.to_owned(), mentions: Vec::new() }
}

#[test]
fn every_kind_is_there_once() {
    let names: BTreeSet<&str> = KINDS.iter().map(|k| k.name).collect();
    let events: BTreeSet<&str> = KINDS.iter().map(|k| k.event).collect();
    assert_eq!((names.len(), events.len()), (KINDS.len(), KINDS.len()));
}

#[test]
fn text_lies_in_one_place_and_goes_with_the_message() {
    let mut log = Log::default();
    let seq = log.say("ada", "first secret");
    log.propose("ada", Some(seq), edit("second secret")).unwrap();
    log.propose("ada", Some(seq), edit("third")).unwrap();
    assert!(!log.propose("ada", Some(seq), edit("third")).unwrap(), "the same text is no edit");
    let texts: Vec<Value> = view::versions(&log.entries[0]).into_iter().map(|v| v["body"].clone()).collect();
    assert_eq!(texts, [json!("first secret"), json!("second secret"), json!("third")]);
    let channel = ChannelId::from("1");
    let event = ChannelEvent::new(&channel, &log.entries[1], Some(&log.entries[0]));
    assert_eq!((event.kind.as_str(), &event.data["body"]), (EDITED, &json!("third")), "an edit tells what stands now");
    assert!(!json!(ChannelEvent::new(&channel, &log.entries[0], None)).to_string().contains("secret"));
    assert!(log.propose("bob", Some(seq), edit("mine")).is_err());
    assert!(log.propose("bob", Some(seq), Act::Delete { moderates: false }).is_err());
    log.propose("bob", Some(seq), Act::Delete { moderates: true }).unwrap();
    for (at, entry) in log.entries.iter().enumerate() {
        let event = ChannelEvent::new(&channel, entry, Some(&log.entries[0]));
        let stored = json!(entry).to_string() + &json!(event).to_string();
        assert!(!stored.contains("secret") && !stored.contains("third"), "entry {at} keeps text: {stored}");
    }
    assert_eq!(log.entries.last().unwrap().kind, DELETED);
    assert!(matches!(log.propose("ada", Some(seq), edit("back")), Err(MessagingError::NotFound(_))));
}

#[test]
fn a_thread_counts_its_replies_and_adds_nothing_unread_to_the_channel() {
    let mut log = Log::default();
    let root = log.say("ada", "root");
    let reply = |also_to_channel| {
        Act::Say(Say {
            body: "reply".to_owned(),
            thread: Some(root.to_string().into()),
            also_to_channel,
            everyone: Some("channel"),
            ..Say::default()
        })
    };
    log.propose("bob", Some(root), reply(false)).unwrap();
    assert_eq!(log.counts, Counts { messages: 1, everyone: 0 }, "in a thread, everyone is only who reads it");
    log.propose("eve", Some(root), reply(true)).unwrap();
    assert_eq!(log.counts, Counts { messages: 2, everyone: 1 });
    let replies = log.shown(root)["replies"].clone();
    assert_eq!((&replies["count"], &replies["users"]), (&json!(2), &json!(["bob", "eve"])));
    let nested = log.propose("ada", Some(2), reply(false));
    assert!(matches!(nested, Err(MessagingError::Invalid(_))), "a reply begins no thread");
    assert!(log.entries[1].data["body"] == "reply" && log.shown(root)["edited"] == false);
}

#[test]
fn pins_are_found_by_their_index() {
    let mut log = Log::default();
    let seq = log.say("ada", "keep");
    assert!(log.propose("bob", Some(seq), Act::Pin { on: true }).unwrap());
    assert!(!log.propose("eve", Some(seq), Act::Pin { on: true }).unwrap());
    assert_eq!(log.shown(seq)["pinned"]["by"], "bob");
    let proposal = Proposal {
        id: "9".into(),
        author: "eve".into(),
        ts: 1,
        client_msg_id: None,
        target: Some(seq),
        act: Act::Pin { on: false },
    };
    let Ok(Decision::Append(entry)) = decide(proposal, Some(&log.entries[0])) else { panic!("it is pinned") };
    assert_eq!(entry.index.as_deref(), Some(PINS));
    log.append(*entry);
    assert_eq!(log.shown(seq).get("pinned"), None);
}

proptest! {
    /// Reactions are a set: whoever reacts twice reacts once; an event is told exactly when something changes.
    #[test]
    fn reactions_are_sets(steps in prop::collection::vec((0usize..3, 0usize..3, any::<bool>()), 0..60)) {
        let mut log = Log::default();
        let seq = log.say("ada", "hello");
        let mut model: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
        for (who, what, on) in steps {
            let (user, emoji) = (PEOPLE[who], format!("emoji{what}"));
            let told = log.propose(user, Some(seq), Act::React { emoji: emoji.clone(), on }).unwrap();
            let users = model.entry(emoji).or_default();
            prop_assert_eq!(told, if on { users.insert(user) } else { users.remove(user) });
        }
        model.retain(|_, users| !users.is_empty());
        let shown = log.shown(seq);
        let all: BTreeMap<String, BTreeSet<String>> = shown.get("reactions").map_or_else(BTreeMap::new, |r| {
            let users = |v: &Value| v.as_array().unwrap().iter().map(|u| u.as_str().unwrap().to_owned()).collect();
            r.as_object().unwrap().iter().map(|(emoji, v)| (emoji.clone(), users(v))).collect()
        });
        let model: BTreeMap<String, BTreeSet<String>> =
            model.into_iter().map(|(e, u)| (e, u.into_iter().map(str::to_owned).collect())).collect();
        prop_assert_eq!(all, model);
    }

    /// Whatever happened, the difference of two counts is what a recount of the log between them gives.
    #[test]
    fn counts_are_what_a_recount_gives(steps in prop::collection::vec((0u8..6, 0usize..40, any::<bool>()), 1..60)) {
        let mut log = Log::default();
        log.say("ada", "first");
        for (what, at, yes) in steps {
            let seq = at as u64 % log.entries.len() as u64 + 1;
            let everyone = yes.then_some("channel");
            let thread = Some(seq.to_string().into());
            let say = Say { body: "x".to_owned(), everyone, ..Say::default() };
            let (target, act) = match what {
                0 | 1 => (None, Act::Say(say)),
                2 => (Some(seq), Act::Say(Say { thread, also_to_channel: yes, ..say })),
                3 => (Some(seq), edit("y")),
                4 => (Some(seq), Act::Delete { moderates: true }),
                _ => (Some(seq), Act::React { emoji: "+1".to_owned(), on: yes }),
            };
            // Refusals (a reply to what is no message) change nothing.
            let _ = log.propose("ada", target, act);
        }
        let mut messages = Vec::new();
        for entry in &log.entries {
            let counted = entry.counts;
            let before = messages.last().copied().unwrap_or(0);
            messages.push(counted.messages);
            let one = entry.kind == CREATED && !entry.deleted
                && (entry.data["thread"].is_null() || entry.data["also_to_channel"] == true);
            if !entry.deleted {
                prop_assert_eq!(counted.messages - before, u64::from(one));
            }
        }
        prop_assert_eq!(log.counts, log.entries.last().unwrap().counts);
    }

    /// What lies in memory is what the log says, or nothing.
    #[test]
    fn recent_entries_are_the_logs(batches in prop::collection::vec(1usize..200, 1..6), after in 0u64..600) {
        let (mut log, mut recent, channel) = (Log::default(), Recent::default(), ChannelId::from("1"));
        for batch in batches {
            let from = log.entries.len();
            for n in 0..batch {
                if n % 7 == 3 && !log.entries.is_empty() {
                    let seq = (n as u64) % log.entries.len() as u64 + 1;
                    let _ = log.propose("ada", Some(seq), Act::React { emoji: n.to_string(), on: true });
                } else {
                    log.say("ada", "x");
                }
            }
            // Each entry as it was when it was appended is not kept here; revisions reach what lies in memory.
            let fresh: Vec<EntryOutcome> =
                log.entries[from..].iter().map(|e| EntryOutcome { entry: e.clone(), duplicate: false }).collect();
            let none = vec![None; fresh.len()];
            recent.append(&channel, 1, &fresh, &none, Instant::now());
        }
        prop_assert!(recent.after(&channel, 2, after, 10).is_none(), "another epoch");
        if let Some((entries, head)) = recent.after(&channel, 1, after, 10) {
            let expected: Vec<u64> = (after + 1..=log.entries.len() as u64).take(10).collect();
            prop_assert_eq!(entries.iter().map(|e| e.position.seq).collect::<Vec<_>>(), expected);
            prop_assert_eq!(head.seq, log.entries.len() as u64);
        } else {
            prop_assert!(after + 1 < log.entries.len() as u64 - 200, "what is near the head is in memory");
        }
    }
}

#[test]
fn slow_mode_tells_a_second_message_from_a_retry() {
    let (mut log, mut recent, channel) = (Log::default(), Recent::default(), ChannelId::from("1"));
    log.say("ada", "x");
    log.entries[0].client_msg_id = Some("one".to_owned());
    let outcome = EntryOutcome { entry: log.entries[0].clone(), duplicate: false };
    recent.append(&channel, 1, &[outcome], &[None], Instant::now());
    let wrote = |who: &str, id: &str, since| recent.wrote_within(&channel, 1, &UserId::from(who), Some(id), since);
    assert_eq!(wrote("ada", "two", 900), Some(true));
    assert_eq!(wrote("ada", "one", 900), Some(false), "a retry");
    assert_eq!(wrote("ada", "two", 1_001), Some(false), "long enough ago");
    assert_eq!(wrote("bob", "two", 900), Some(false));
    assert!(kind("message.created").is_some());
}
