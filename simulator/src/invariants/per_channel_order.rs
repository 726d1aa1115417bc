//! per-channel-order: in each channel, `seq` and message id are one to one over everything anyone saw; each device shows
//! messages in strictly ascending order and misses none between the first and the last; the final history is ascending; and a
//! send that began after another was acknowledged comes later (Herlihy and Wing's real-time order).

use std::collections::BTreeMap;

use super::Report;
use crate::history::{History, Outcome};

pub(super) fn check(history: &History) -> Report {
    let mut breaches = Vec::new();
    let mut checked = 0;
    let mut channels: BTreeMap<&str, Vec<(u64, &str, String)>> = BTreeMap::new();
    for (channel, finals) in &history.finals {
        checked += finals.len();
        let seen = channels.entry(channel).or_default();
        seen.extend(finals.iter().map(|m| (m.seq, m.id.as_str(), "the final history".to_owned())));
        for pair in finals.windows(2).filter(|pair| pair[0].seq >= pair[1].seq) {
            breaches.push(format!("channel {channel}: history has seq {} before seq {}", pair[0].seq, pair[1].seq));
        }
    }
    for ((person, channel), shown) in &history.observations {
        checked += shown.len();
        let seen = channels.entry(channel).or_default();
        seen.extend(shown.iter().map(|o| (o.seq, o.id.as_str(), person.clone())));
        for pair in shown.windows(2).filter(|pair| pair[0].seq >= pair[1].seq) {
            breaches.push(format!(
                "channel {channel}: {person} was shown seq {} at {:.2} s and then seq {} at {:.2} s",
                pair[0].seq,
                pair[0].at.as_secs_f64(),
                pair[1].seq,
                pair[1].at.as_secs_f64()
            ));
        }
        breaches.extend(missed(history, person, channel));
    }
    for (channel, seen) in &channels {
        breaches.extend(disagreement(channel, seen));
    }
    breaches.extend(real_time(history));
    Report { checked, breaches, ..Report::default() }
}

/// A message between the first and the last that this device showed, in history, never shown.
fn missed(history: &History, person: &str, channel: &str) -> Option<String> {
    let shown = history.observations.get(&(person.to_owned(), channel.to_owned()))?;
    let (first, last) = (shown.first()?.seq, shown.last()?.seq);
    let message = history
        .finals
        .get(channel)?
        .iter()
        .filter(|m| (first..=last).contains(&m.seq))
        .find(|m| !shown.iter().any(|o| o.seq == m.seq))?;
    Some(format!(
        "channel {channel}: {person} was shown seq {first} to seq {last}, but never seq {} (message {})",
        message.seq, message.id
    ))
}

fn disagreement(channel: &str, seen: &[(u64, &str, String)]) -> Vec<String> {
    let mut by_seq: BTreeMap<u64, (&str, &str)> = BTreeMap::new();
    let mut by_id: BTreeMap<&str, (u64, &str)> = BTreeMap::new();
    let mut breaches = Vec::new();
    for (seq, id, who) in seen {
        let (other, whom) = *by_seq.entry(*seq).or_insert((id, who));
        if other != *id {
            breaches.push(format!("channel {channel}, seq {seq}: message {other} for {whom}, message {id} for {who}"));
        }
        let (other, whom) = *by_id.entry(id).or_insert((*seq, who));
        if other != *seq {
            breaches.push(format!("channel {channel}, message {id}: seq {other} for {whom}, seq {seq} for {who}"));
        }
    }
    breaches
}

/// Sweeps sends by their beginning, keeping the highest seq acknowledged before.
fn real_time(history: &History) -> Vec<String> {
    let mut breaches = Vec::new();
    let mut by_channel: BTreeMap<&str, Vec<_>> = BTreeMap::new();
    for send in history.sends.values() {
        if let (Outcome::Ok { seq, .. }, Some(done)) = (&send.outcome, send.done) {
            by_channel.entry(&send.channel).or_default().push((send.invoked, done, *seq, &send.client_msg_id));
        }
    }
    for (channel, sends) in by_channel {
        let mut begun = sends.clone();
        begun.sort_by_key(|(invoked, ..)| *invoked);
        let mut ended = sends;
        ended.sort_by_key(|(_, done, ..)| *done);
        let mut ended = ended.into_iter().peekable();
        let mut highest: Option<(u64, &String)> = None;
        for (invoked, _, seq, key) in begun {
            while let Some((_, _, before, earlier)) = ended.next_if(|(_, done, ..)| *done < invoked) {
                if highest.is_none_or(|(h, _)| before > h) {
                    highest = Some((before, earlier));
                }
            }
            if let Some((before, earlier)) = highest.filter(|(h, _)| *h > seq) {
                breaches.push(format!(
                    "channel {channel}: `{earlier}` was acknowledged at seq {before} before `{key}` was sent, and `{key}` got seq {seq}"
                ));
            }
        }
    }
    breaches
}
