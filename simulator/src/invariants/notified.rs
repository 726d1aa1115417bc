//! notified-at-least-once: who was mentioned in an acknowledged message finds it among their notifications, once; nobody is
//! notified of a mention that there was not.

use std::collections::BTreeMap;

use super::Report;
use crate::history::{History, Outcome};

pub(super) fn check(history: &History) -> Report {
    let mut report = Report::default();
    let mut due: BTreeMap<(&str, &str), &str> = BTreeMap::new();
    for send in history.sends.values() {
        if let Outcome::Ok { id, .. } = &send.outcome {
            due.extend(
                send.mentions.iter().map(|person| ((person.as_str(), id.as_str()), send.client_msg_id.as_str())),
            );
        }
    }
    for ((person, message), key) in &due {
        let Some(inbox) = history.inboxes.get(*person) else { continue };
        report.checked += 1;
        match inbox.iter().filter(|found| found == message).count() {
            0 => report.breaches.push(format!("`{key}` mentions {person}, who was never notified of it")),
            1 => {}
            times => report.breaches.push(format!("`{key}` mentions {person} once, who was notified {times} times")),
        }
    }
    let unsure = |person: &str| {
        let open = history.sends.values().filter(|send| send.outcome == Outcome::Indeterminate);
        open.filter(|send| send.mentions.iter().any(|mentioned| mentioned == person)).count()
    };
    for (person, inbox) in &history.inboxes {
        let undue = inbox.iter().filter(|message| !due.contains_key(&(person.as_str(), message.as_str())));
        let undue: Vec<&String> = undue.collect();
        if undue.len() > unsure(person) {
            report.breaches.push(format!("{person} was notified of message {}, which mentions nobody", undue[0]));
        }
    }
    report.count("a mention was due", due.len());
    report
}
