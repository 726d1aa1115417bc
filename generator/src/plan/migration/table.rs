//! A migration for people: what moves, how long it takes, then every step with its commands and its way back.

use std::fmt::Write;

use super::{Migration, Step, StoreMigration};
use crate::plan::table::{bytes, span};

/// Everything to do, in order.
pub fn migration_table(migration: &Migration) -> String {
    let mut out = String::new();
    for reason in &migration.refused {
        let _ = writeln!(out, "refused: {reason}");
    }
    for note in &migration.notes {
        let _ = writeln!(out, "note: {note}");
    }
    if migration.is_empty() && migration.refused.is_empty() {
        out.push_str("nothing moves\n");
    }
    for owners in &migration.owners {
        let (from, to) = owners.replicas;
        let _ = writeln!(
            out,
            "{}: {} shards of {from} instances on {to}: no data move, owners hand over by epoch (`archgen up NEW`)",
            owners.service, owners.shards
        );
    }
    for store in &migration.stores {
        one(&mut out, store);
    }
    out
}

fn one(out: &mut String, store: &StoreMigration) {
    let size = store.bytes.map_or_else(|| "of unknown size".to_owned(), bytes);
    let took = store.seconds.map_or_else(|| "unknown time".to_owned(), eta);
    let _ = writeln!(
        out,
        "\n{} ({}): {} {}s move, {size}, {} waves, {took}",
        store.store,
        store.kind,
        store.moves,
        store.unit,
        store.waves.len()
    );
    for wave in &store.waves {
        let took = wave.seconds.map_or_else(String::new, |s| format!(", {}", eta(s)));
        let _ = writeln!(out, "  wave {}{took}", wave.number);
        for t in &wave.transfers {
            let what = t.dataset.as_ref().map_or_else(String::new, |d| format!(" of {d}"));
            let size = t.bytes.map_or_else(String::new, |b| format!(", {}", bytes(b)));
            let _ = writeln!(out, "    {} to {}: {} {}s{what}{size}", t.from, t.to, t.units.len(), store.unit);
        }
    }
    for step in &store.steps {
        steps(out, step);
    }
}

fn steps(out: &mut String, step: &Step) {
    let wave = step.wave.map_or_else(String::new, |w| format!(", wave {w}"));
    let _ = writeln!(out, "  {}{wave}: {}", step.phase.name(), step.does);
    let lines = |out: &mut String, mark: &str, commands: &[String]| {
        for line in commands.iter().flat_map(|c| c.lines()) {
            let _ = writeln!(out, "    {mark} {line}");
        }
    };
    lines(out, "$", &step.commands);
    lines(out, "rollback $", &step.rollback);
}

fn eta(seconds: u64) -> String {
    match seconds {
        s if s >= 172_800 => format!("about {} days", s / 86_400),
        s if s >= 7_200 => format!("about {} hours", s / 3_600),
        s if s >= 120 => format!("about {} minutes", s / 60),
        s => span(s),
    }
}
