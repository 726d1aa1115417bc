//! `archgen migrate`: from an older language version to the one of today. Text is edited where it must be; comments, order and spacing
//! stay.
//!
//! The moves are one table, [`MOVES`]; which key is called otherwise now is the table of `checks::foreign_key`.

use std::collections::BTreeMap;

use crate::Loaded;
use crate::checks::{foreign_key, language_version};
use crate::diagnostic::Code;
use crate::mending::{Applied, Mended, mend_where};
use crate::source::{FileId, Node, Sources, Span, parse};

/// The language of today, as its line says it.
const TODAY: &str = "archgen: v1";
/// What drafts before the first version said of their language.
const DRAFTS: [&str; 6] = ["v0", "0", "1", "0.1", "v1alpha1", "v1beta1"];

/// Loads a spec anew: its texts by path, and an environment.
pub type Load<'a> = dyn Fn(&BTreeMap<String, String>, Option<&str>) -> Loaded + 'a;

/// One kind of move.
enum Move {
    /// The spec does not say its language: the line is added.
    AddVersion,
    /// It says a draft's: the value is replaced.
    ReplaceVersion(&'static [&'static str]),
    /// It says it too late: the line is moved to the top.
    RaiseVersion,
    /// Problems of this code have a fix that renames a key.
    Rename(Code),
}

/// Every move, in the order in which they are made.
const MOVES: &[Move] =
    &[Move::AddVersion, Move::ReplaceVersion(&DRAFTS), Move::RaiseVersion, Move::Rename(foreign_key::EXPLANATION.code)];

/// Moves a spec: `base` is the path of its own file among `texts`; `load` loads it anew with an environment.
pub fn migrate(mut texts: BTreeMap<String, String>, base: &str, load: &Load<'_>) -> Mended {
    let mut applied = Vec::new();
    for step in MOVES {
        match step {
            Move::Rename(code) => {
                let mut environments = vec![None];
                environments.extend(load(&texts, None).environments.into_iter().map(Some));
                for environment in environments {
                    let load = |texts: &BTreeMap<String, String>| load(texts, environment.as_deref());
                    let mended = mend_where(texts, &load, &|other| other == *code);
                    applied.extend(mended.applied);
                    texts = mended.texts;
                }
            }
            version => {
                let moved = texts.get(base).and_then(|text| version_line(version, text, base));
                if let Some((text, one)) = moved {
                    texts.insert(base.to_owned(), text);
                    applied.push(one);
                }
            }
        }
    }
    let loaded = load(&texts, None);
    Mended { texts, applied, loaded }
}

/// The text with its language said as it is today, and what was done; `None` where this move has nothing to do.
fn version_line(step: &Move, text: &str, path: &str) -> Option<(String, Applied)> {
    let root = parse(FileId(0), text, &mut Vec::new())?;
    let entries = root.entries();
    let first = entries.first()?.key.span.start;
    let said = entries.iter().find(|entry| entry.key.text == "archgen");
    let line_end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let (at, title, moved) = match (step, said) {
        (Move::AddVersion, None) => {
            let start = line_start(text, first);
            let line = format!("{TODAY}{line_end}");
            (first, format!("add `{TODAY}`"), [&text[..start], &line, &text[start..]].concat())
        }
        (Move::ReplaceVersion(drafts), Some(said)) if said.value.text().is_some_and(|now| drafts.contains(&now)) => {
            let span = said.value.span;
            let moved = [&text[..span.start], "v1", &text[span.end..]].concat();
            (span.start, format!("write `{TODAY}`"), moved)
        }
        (Move::RaiseVersion, Some(said)) if said.key.span.start != first => {
            let start = line_start(text, said.key.span.start);
            let end = text[said.value.span.end..].find('\n').map_or(text.len(), |at| said.value.span.end + at + 1);
            let (top, line) = (line_start(text, first), text[start..end].trim_end());
            let parts = [&text[..top], line, line_end, &text[top..start], &text[end..]];
            (said.key.span.start, format!("move `{TODAY}` to the top"), parts.concat())
        }
        _ => return None,
    };
    let mut sources = Sources::default();
    let file = sources.add(path, text.to_owned());
    let place = sources.place(Span { file, start: at, end: at });
    let applied = Applied { code: language_version::EXPLANATION.code, place, title };
    keeps(&root, &moved).then_some((moved, applied))
}

fn line_start(text: &str, at: usize) -> usize {
    let bom = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    text[..at].rfind('\n').map_or(bom, |index| index + 1)
}

/// Whether a text reads as this tree did, apart from its language: an edit that would break a spec is not made.
fn keeps(before: &Node, text: &str) -> bool {
    let mut faults = Vec::new();
    let Some(after) = parse(FileId(0), text, &mut faults) else { return false };
    let rest = |node: &Node| {
        let all = node.entries().iter().filter(|entry| entry.key.text != "archgen");
        all.map(|entry| (entry.key.text.clone(), entry.value.describe(), entry.value.entries().len()))
            .collect::<Vec<_>>()
    };
    faults.is_empty() && rest(before) == rest(&after)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ReadError, load};

    fn check(text: &str, expect: &str, moves: usize) {
        let texts = BTreeMap::from([("a.yaml".to_owned(), text.to_owned())]);
        let load = |texts: &BTreeMap<String, String>, environment: Option<&str>| {
            load("a.yaml", texts["a.yaml"].clone(), environment, &|_| Err(ReadError::Missing), &|_| None)
        };
        let moved = migrate(texts, "a.yaml", &load);
        assert_eq!(moved.texts["a.yaml"], expect);
        assert_eq!(moved.applied.len(), moves, "{:?}", moved.applied);
        let again = migrate(moved.texts.clone(), "a.yaml", &load);
        assert!(again.applied.is_empty() && again.texts == moved.texts, "{:?}", again.applied);
    }

    #[test]
    fn the_language_is_said_first() {
        check("# kept\n\nname: a # b\n", "# kept\n\narchgen: v1\nname: a # b\n", 1);
        check("\u{feff}name: a\r\n", "\u{feff}archgen: v1\r\nname: a\r\n", 1);
        check("archgen: v0   # draft\nname: a\n", "archgen: v1   # draft\nname: a\n", 1);
        check("name: a\narchgen: v1 # x\nzones: [b]\n", "archgen: v1 # x\nname: a\nzones: [b]\n", 1);
        check("name: a\narchgen: \"1\"\n", "archgen: v1\nname: a\n", 2);
        check("archgen: v1\nname: a\n", "archgen: v1\nname: a\n", 0);
    }

    #[test]
    fn keys_are_called_as_they_are_today() {
        check(
            "name: a\nservices:\n  # mine\n  own:\n    kind: process\n    port: 1\n    command: [x]\n    environment: { A: b }   # c\n  user: { port: 2, depends_on: [own], instances: 2 }\n",
            "archgen: v1\nname: a\nservices:\n  # mine\n  own:\n    kind: process\n    port: 1\n    command: [x]\n    env: { A: b }   # c\n  user: { port: 2, needs: [own], replicas: 2 }\n",
            4,
        );
    }

    #[test]
    fn what_is_not_ours_is_left_alone() {
        // A language that is not known yet, brackets around the whole, and no YAML.
        for text in ["archgen: v9\nname: a\n", "{ name: a }\n", "name: [\n", "- a\n"] {
            check(text, text, 0);
        }
    }
}
