//! liveness: once everything is healed and has settled, every send has its answer.

use super::Report;
use crate::history::{History, Outcome};

pub(super) fn check(history: &History) -> Report {
    let mut report = Report { checked: history.sends.len(), ..Report::default() };
    let open = history.sends.values().filter(|send| send.outcome == Outcome::Indeterminate);
    for send in open {
        report.breaches.push(format!(
            "`{}`, begun at {:.2} s, had no answer in {} tries by the end",
            send.client_msg_id,
            send.invoked.as_secs_f64(),
            send.tries
        ));
    }
    report.count("a send was tried again", history.sends.values().filter(|send| send.tries > 1).count());
    report
}
