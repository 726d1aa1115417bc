//! exactly-once-effect: one client id has at most one message in the final history, and all its acknowledgements agree.

use std::collections::BTreeMap;

use super::Report;
use crate::history::History;

pub(super) fn check(history: &History) -> Report {
    let mut breaches = Vec::new();
    let mut places: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (channel, finals) in &history.finals {
        for message in finals {
            places.entry(&message.client_msg_id).or_default().push(format!("channel {channel} seq {}", message.seq));
        }
    }
    for (key, places) in places.iter().filter(|(_, places)| places.len() > 1) {
        let tries = history.sends.get(*key).map_or(0, |s| s.tries);
        breaches.push(format!(
            "`{key}`, sent in {tries} tries, is in history {} times: {}",
            places.len(),
            places.join(", ")
        ));
    }
    for send in history.sends.values() {
        if let Some(first) = send.acks.first()
            && let Some(other) = send.acks.iter().find(|ack| *ack != first)
        {
            breaches.push(format!(
                "`{}` was acknowledged as message {}, seq {}, and later as {}, seq {}",
                send.client_msg_id, first.1, first.0, other.1, other.0
            ));
        }
    }
    let retried = history.sends.values().filter(|s| s.tries > 1 && !s.acks.is_empty()).count();
    let checked = history.sends.values().filter(|s| !s.acks.is_empty()).count();
    let mut report = Report { checked, breaches, ..Report::default() };
    report.count("a send that was tried again was acknowledged", retried);
    report
}
