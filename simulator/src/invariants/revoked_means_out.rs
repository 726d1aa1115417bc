//! revoked-means-out: once a removal from a channel is acknowledged, the removed person is shown nothing that was sent later and
//! may read nothing.

use super::Report;
use crate::history::History;

pub(super) fn check(history: &History) -> Report {
    let mut report = Report::default();
    for removal in &history.removals {
        let Some(done) = removal.done else { continue };
        let place = (removal.person.clone(), removal.channel.clone());
        let shown = history.observations.get(&place).into_iter().flatten();
        let later = history.sends.values().filter(|s| s.channel == removal.channel && s.invoked > done);
        let later: Vec<_> = later.collect();
        report.checked += later.len();
        report.count("messages were sent after a removal", later.len());
        for seen in shown {
            if let Some(send) = later.iter().find(|s| s.acks.iter().any(|(seq, _)| *seq == seen.seq)) {
                report.breaches.push(format!(
                    "{} was removed at {:.2} s; `{}` was sent at {:.2} s and shown to them at {:.2} s",
                    removal.person,
                    done.as_secs_f64(),
                    send.client_msg_id,
                    send.invoked.as_secs_f64(),
                    seen.at.as_secs_f64()
                ));
            }
        }
        let read = history
            .reads
            .iter()
            .find(|r| r.person == removal.person && r.channel == removal.channel && r.invoked > done);
        if let Some(read) = read {
            report.breaches.push(format!(
                "{} was removed at {:.2} s and could read the channel at {:.2} s",
                removal.person,
                done.as_secs_f64(),
                read.invoked.as_secs_f64()
            ));
        }
    }
    report
}
