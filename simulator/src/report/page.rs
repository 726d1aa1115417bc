//! One offline page about one run: a lane for each host and person, fault bars, operations, and the story in words.

use archgen_spec::topology::Topology;
use serde::Serialize;
use serde_json::json;

use crate::{
    faults::Scheduled,
    history::{Outcome, Send},
    people,
    plan::Plan,
    run::Recorded,
    world::Hop,
};

const PAGE: &str = include_str!("page.html");

/// Hops of one message that are drawn; retries and catching up make many.
const HOPS_MAX: usize = 400;

#[derive(Serialize)]
struct Operation<'a> {
    id: &'a str,
    person: &'a str,
    channel: &'a str,
    from_ms: u64,
    to_ms: u64,
    tries: u32,
    outcome: &'static str,
    words: String,
    /// The story names it.
    lit: bool,
    seen: Vec<Seen<'a>>,
    way: Vec<&'a Hop>,
}

#[derive(Serialize)]
struct Seen<'a> {
    person: &'a str,
    at_ms: u64,
}

/// The page, complete in itself.
pub fn page(topology: &Topology, spec: &str, plan: &Plan, recorded: &Recorded) -> String {
    let run = &recorded.run;
    let witnesses = || run.findings.iter().flat_map(|finding| &finding.breaches);
    let named = |text: &str| witnesses().chain(&run.remarks).any(|breach| breach.contains(text));
    let operations: Vec<Operation<'_>> =
        recorded.history.sends.values().map(|send| operation(recorded, send, &named)).collect();
    let begun = recorded.stages.iter().find(|(name, _)| name == "faults").map_or(0, |(_, at)| *at);
    let broken = run.findings.iter().filter(|finding| !finding.breaches.is_empty());
    let told = broken.flat_map(|f| f.breaches.iter().map(move |breach| format!("{}: {breach}", f.invariant)));
    let data = json!({
        "spec": spec,
        "seed": run.seed,
        "engine": run.engine,
        "verdict": run.verdict,
        "digest": run.digest,
        "simulated_ms": run.simulated_ms,
        "hosts": topology.instances().into_iter().map(|i| i.name).collect::<Vec<_>>(),
        "people": people::names(plan.people),
        "stages": recorded.stages.iter().map(|(name, at_ms)| json!({"name": name, "at_ms": at_ms})).collect::<Vec<_>>(),
        "faults": run.schedule.iter().map(|fault| bar(fault, begun)).collect::<Vec<_>>(),
        "operations": operations,
        "steps": steps(recorded),
        "story": told.chain(run.remarks.iter().cloned()).collect::<Vec<_>>(),
    });
    // Nothing in the data may end the script that carries it.
    PAGE.replace("/*DATA*/", &data.to_string().replace('<', "\\u003c"))
}

/// What people did beside sending.
fn steps(recorded: &Recorded) -> Vec<serde_json::Value> {
    let history = &recorded.history;
    let ms = |time: std::time::Duration| time.as_millis() as u64;
    let step = |person: &str, channel: &str, from, to, words: String| json!({"person": person, "channel": channel, "from_ms": from, "to_ms": to, "words": words});
    let reads = history.reads.iter().map(|r| {
        let shown = r
            .seqs
            .last()
            .map_or_else(|| "nothing".to_owned(), |last| format!("{} messages up to seq {last}", r.seqs.len()));
        step(&r.person, &r.channel, ms(r.invoked), ms(r.done), format!("read after seq {}: {shown}", r.after_seq))
    });
    let claims = history.claims.iter().map(|c| {
        let done = c.done.map_or(recorded.run.simulated_ms, ms);
        step(&c.person, "", ms(c.invoked), done, format!("claimed `{}`: {}", c.name, c.claimed.word()))
    });
    let removals = history
        .removals
        .iter()
        .filter_map(|r| r.done.map(|done| (r, done)))
        .map(|(r, done)| step(&r.person, &r.channel, ms(done), ms(done), "removed from the channel".to_owned()));
    let names = history.renamings.iter().map(|r| {
        let done = r.done.map_or(recorded.run.simulated_ms, ms);
        step(&r.person, "", ms(r.invoked), done, format!("changed their name to version {}", r.version))
    });
    let looks = history
        .profiles
        .iter()
        .map(|l| step(&l.person, "", ms(l.invoked), ms(l.done), format!("looked at {}: version {}", l.of, l.version)));
    let files =
        history.files.iter().map(|f| step(&f.person, "", ms(f.done), ms(f.done), format!("uploaded file {}", f.id)));
    reads.chain(claims).chain(removals).chain(names).chain(looks).chain(files).collect()
}

fn bar(fault: &Scheduled, begun: u64) -> serde_json::Value {
    let kind = fault.action.kind();
    let group = match kind {
        "exit" | "power-loss" | "disk-loss" | "pause" => "host",
        "clock-skew" | "clock-drift" => "clock",
        "slow-disk" | "full-disk" | "corrupt-disk" | "cache-flush" => "disk",
        _ => "network",
    };
    json!({
        "words": fault.to_string(),
        "group": group,
        "hosts": fault.action.hosts(),
        "from_ms": begun + fault.at_ms,
        "to_ms": begun + fault.at_ms + fault.for_ms,
    })
}

fn operation<'a>(recorded: &'a Recorded, send: &'a Send, named: &dyn Fn(&str) -> bool) -> Operation<'a> {
    let (history, end_ms) = (&recorded.history, recorded.run.simulated_ms);
    let (outcome, words, id) = match &send.outcome {
        Outcome::Ok { seq, id } => ("ok", format!("acknowledged at seq {seq}, message {id}"), Some(id.as_str())),
        Outcome::Fail { reason } => ("fail", format!("refused: {reason}"), None),
        Outcome::Indeterminate => ("indeterminate", "no answer".to_owned(), None),
    };
    let shown = history.observations.iter().filter(|((_, channel), _)| *channel == send.channel);
    let seen = shown.flat_map(|((person, _), seen)| seen.iter().map(move |o| (person, o)));
    let seen = seen.filter(|(_, o)| Some(o.id.as_str()) == id);
    Operation {
        id: &send.client_msg_id,
        person: &send.person,
        channel: &send.channel,
        from_ms: send.invoked.as_millis() as u64,
        to_ms: send.done.map_or(end_ms, |done| done.as_millis() as u64),
        tries: send.tries,
        outcome,
        words,
        lit: named(&format!("`{}`", send.client_msg_id)) || id.is_some_and(named),
        seen: seen.map(|(person, o)| Seen { person, at_ms: o.at.as_millis() as u64 }).collect(),
        way: recorded.hops.iter().filter(|hop| hop.message == send.client_msg_id).take(HOPS_MAX).collect(),
    }
}
