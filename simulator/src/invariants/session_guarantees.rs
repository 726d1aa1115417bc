//! session-guarantees: what a person knows of a channel is in every later read of that person: own acknowledged messages
//! (read your writes), and whatever an earlier read or the device showed (monotonic reads; Terry and others 1994).

use std::collections::BTreeMap;

use super::Report;
use crate::history::{History, Outcome, Read};

pub(super) fn check(history: &History) -> Report {
    let mut report = Report::default();
    let mut by_session: BTreeMap<(&str, &str), Vec<&Read>> = BTreeMap::new();
    for read in &history.reads {
        by_session.entry((&read.person, &read.channel)).or_default().push(read);
    }
    for ((person, channel), mut reads) in by_session {
        reads.sort_by_key(|read| read.invoked);
        let own = history.sends.values().filter(|s| s.person == person && s.channel == channel);
        let own = own.filter_map(|send| match (&send.outcome, send.done) {
            (Outcome::Ok { seq, .. }, Some(done)) => Some((*seq, done, format!("its own `{}`", send.client_msg_id))),
            _ => None,
        });
        let shown = history.observations.get(&(person.to_owned(), channel.to_owned())).into_iter().flatten();
        let shown = shown.map(|o| (o.seq, o.at, "shown on its device".to_owned()));
        let mut known: Vec<_> = own.chain(shown).collect();
        for read in reads {
            report.checked += 1;
            report.breaches.extend(forgotten(read, &known, &mut report.sometimes));
            if let Some(pair) = read.seqs.windows(2).find(|pair| pair[0] >= pair[1]) {
                report
                    .breaches
                    .push(format!("channel {channel}: {person} read seq {} before seq {}", pair[0], pair[1]));
            }
            let earlier = format!("read at {:.2} s", read.done.as_secs_f64());
            known.extend(read.seqs.iter().map(|seq| (*seq, read.done, earlier.clone())));
        }
    }
    report
}

/// Something known before the read began, in the range that it covered, and not in its answer.
fn forgotten(
    read: &Read,
    known: &[(u64, std::time::Duration, String)],
    sometimes: &mut BTreeMap<&'static str, usize>,
) -> Option<String> {
    // A full page covers what lies up to its end.
    let end = if read.seqs.len() >= read.limit { read.seqs.last().copied().unwrap_or(0) } else { u64::MAX };
    let within = |seq: u64| seq > read.after_seq && seq <= end;
    let before = known.iter().filter(|(seq, at, _)| within(*seq) && *at < read.invoked);
    let (there, missing): (Vec<_>, Vec<_>) = before.partition(|(seq, ..)| read.seqs.contains(seq));
    *sometimes.entry("a read had to show what was known").or_default() += usize::from(!there.is_empty());
    let (seq, at, how) = missing.first()?;
    Some(format!(
        "channel {}: {} knew seq {seq} at {:.2} s ({how}), and did not find it in a read begun at {:.2} s",
        read.channel,
        read.person,
        at.as_secs_f64(),
        read.invoked.as_secs_f64()
    ))
}
