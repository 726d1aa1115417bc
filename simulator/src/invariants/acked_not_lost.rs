//! acked-not-lost: every acknowledged message is in the final history of its channel, at the acknowledged place and with the
//! body that was sent; a message that was refused for good is not (Jepsen's set checker, with ok/fail/info outcomes).

use super::Report;
use crate::history::{History, Outcome};

pub(super) fn check(history: &History) -> Report {
    let mut checked = 0;
    let mut breaches = Vec::new();
    for send in history.sends.values() {
        let Some(finals) = history.finals.get(&send.channel) else { continue };
        let found = finals.iter().find(|m| m.client_msg_id == send.client_msg_id);
        let key = &send.client_msg_id;
        match (&send.outcome, found) {
            (Outcome::Ok { seq, id }, None) => breaches.push(format!(
                "`{key}` by {} was acknowledged at {:.2} s as message {id}, seq {seq}, of channel {}, and is not in its history",
                send.person,
                send.done.unwrap_or_default().as_secs_f64(),
                send.channel
            )),
            (Outcome::Ok { seq, id }, Some(message)) if (message.seq, &message.id) != (*seq, id) => breaches.push(format!(
                "`{key}` was acknowledged as message {id}, seq {seq}; history has it as {}, seq {}",
                message.id, message.seq
            )),
            (Outcome::Ok { .. }, Some(message)) if message.body != send.body => {
                breaches.push(format!("`{key}` was sent as {:?}; history has {:?}", send.body, message.body));
            }
            (Outcome::Fail { reason }, Some(message)) => breaches.push(format!(
                "`{key}` was refused ({reason}) and is in history all the same, at seq {}",
                message.seq
            )),
            _ => {}
        }
        checked += usize::from(send.outcome != Outcome::Indeterminate);
    }
    let mut report = Report { checked, breaches, ..Report::default() };
    report.count("a message was acknowledged", checked);
    report
}
