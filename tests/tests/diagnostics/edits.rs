//! Random single edits to the reference spec: drop, rename, retype or move one key. Each either leaves a valid spec or is
//! reported, by the marked place or one beside it, within two lines of the edit.

use std::fs;
use std::path::Path;

use archgen_spec::diagnostic::{Severity, human};
use archgen_spec::source::{Entry, FileId, Node, Value, parse};
use archgen_spec::{Loaded, ReadError, load};

const EDITS: usize = 500;
const SEED: u64 = 20_261_124;
const LINES_NEAR: usize = 2;
const PERCENT_MIN: usize = 95;

/// SplitMix64 (Steele, Lea, Flood 2014): a few lines, and the same numbers on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % bound as u64).unwrap()
    }
}

/// Byte ranges of one entry: its key, its value, all of it with what separates it from its siblings.
#[derive(Clone, Debug)]
struct Place {
    key: (usize, usize),
    value: Option<(usize, usize)>,
    whole: (usize, usize),
    /// It has lines of its own, and so many blanks before it.
    indent: Option<usize>,
}

fn places(text: &str) -> Vec<Place> {
    let mut faults = Vec::new();
    let root = parse(FileId(0), text, &mut faults).unwrap();
    assert!(faults.is_empty(), "{faults:?}");
    let mut all = Vec::new();
    let mut waiting: Vec<&Node> = vec![&root];
    while let Some(node) = waiting.pop() {
        match &node.value {
            Value::Mapping(entries) => {
                all.extend(entries.iter().map(|e| place(text, e)));
                waiting.extend(entries.iter().map(|e| &e.value));
            }
            Value::Sequence(items) => waiting.extend(items),
            _ => {}
        }
    }
    all.sort_by_key(|p| p.key);
    all
}

fn place(text: &str, entry: &Entry) -> Place {
    let key = (entry.key.span.start, entry.key.span.end);
    let scalar = matches!(entry.value.value, Value::Scalar { .. });
    let end = entry.value.span.end.max(key.1);
    let line = text[..key.0].rfind('\n').map_or(0, |i| i + 1);
    let own_line = text[line..key.0].bytes().all(|b| b == b' ');
    let whole = if own_line {
        (line, text[end..].find('\n').map_or(text.len(), |i| end + i + 1))
    } else {
        // In a flow mapping the comma goes, too: the one behind it, else the one before it.
        match text[end..].strip_prefix(", ") {
            Some(_) => (key.0, end + 2),
            None => (text[..key.0].trim_end().strip_suffix(',').map_or(key.0, str::len), end),
        }
    };
    Place {
        key,
        value: scalar.then_some((entry.value.span.start, entry.value.span.end)),
        whole,
        indent: own_line.then_some(key.0 - line),
    }
}

fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

/// One edit: what was done, the new text, the lines on which it can be seen.
fn edit(text: &str, places: &[Place], random: &mut Random) -> (String, String, Vec<usize>) {
    let chosen = &places[random.below(places.len())];
    let key = &text[chosen.key.0..chosen.key.1];
    let line = line_of(text, chosen.key.0);
    let replaced = |(from, to): (usize, usize), by: &str| format!("{}{by}{}", &text[..from], &text[to..]);
    match random.below(4) {
        0 => (format!("drop {key} of line {line}"), replaced(chosen.whole, ""), vec![line]),
        1 => {
            let at = 1 + random.below(key.len().max(2) - 1);
            let at = (0..=at.min(key.len())).rev().find(|i| key.is_char_boundary(*i)).unwrap();
            let name = format!("{}x{}", &key[..at], &key[at..]);
            (format!("rename {key} of line {line} to {name}"), replaced(chosen.key, &name), vec![line])
        }
        2 if chosen.value.is_some() => {
            let values = ["[1, 2]", "{ a: 1 }", "true", "-5", "\"7\"", "no such thing", "12:30"];
            let value = values[random.below(values.len())];
            (format!("retype {key} of line {line} to {value}"), replaced(chosen.value.unwrap(), value), vec![line])
        }
        _ => {
            let lines: Vec<&Place> = places.iter().filter(|p| p.indent.is_some()).collect();
            let target = lines[random.below(lines.len())];
            let inside = target.whole.0 < chosen.whole.1 && chosen.whole.0 < target.whole.1;
            if chosen.indent.is_none() || inside {
                return (format!("drop {key} of line {line}"), replaced(chosen.whole, ""), vec![line]);
            }
            let indent = " ".repeat(target.indent.unwrap());
            let block: String = text[chosen.whole.0..chosen.whole.1]
                .lines()
                .map(|l| format!("{indent}{}\n", l.get(chosen.indent.unwrap()..).unwrap_or("")))
                .collect();
            let (mut moved, before) = (replaced(chosen.whole, ""), chosen.whole.0 < target.whole.0);
            let at = if before { target.whole.0 - (chosen.whole.1 - chosen.whole.0) } else { target.whole.0 };
            moved.insert_str(at, &block);
            let first = line_of(&moved, at);
            let from = line_of(text, chosen.whole.0) + if before { 0 } else { block.matches('\n').count() };
            let all = (first..=first + block.matches('\n').count()).chain([from]).collect();
            (format!("move {key} of line {line} to line {first}"), moved, all)
        }
    }
}

/// Whether some error marks a place near the edit. A place over several lines is near where its first line is.
fn near(loaded: &Loaded, lines: &[usize]) -> bool {
    let errors = loaded.diagnostics.iter().filter(|d| d.severity == Severity::Error);
    let mut marked = errors.flat_map(|d| d.related.iter().map(|(span, _)| *span).chain([d.primary]));
    marked.any(|span| {
        let at = loaded.sources.position(span.file, span.start).line;
        lines.iter().any(|line| line.abs_diff(at) <= LINES_NEAR)
    })
}

#[test]
fn a_single_edit_is_reported_where_it_was_made() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/slack/topology.yaml");
    let text = fs::read_to_string(path).unwrap();
    let places = places(&text);
    let mut random = Random(SEED);
    let (mut valid, mut reported, mut far) = (0, 0, Vec::new());
    for _ in 0..EDITS {
        let (what, edited, lines) = edit(&text, &places, &mut random);
        let loaded = load("topology.yaml", edited, None, &|_| Err(ReadError::Missing), &|_| None);
        if loaded.topology.is_some() {
            valid += 1;
        } else if near(&loaded, &lines) {
            reported += 1;
        } else {
            let said = human(&loaded.diagnostics, &loaded.sources, false);
            far.push(format!("{what}\n{}", said.lines().take(14).collect::<Vec<_>>().join("\n")));
        }
    }
    let percent = (valid + reported) * 100 / EDITS;
    println!(
        "{EDITS} edits: {valid} left a valid spec, {reported} were reported within {LINES_NEAR} lines, {} were not: {percent} %",
        far.len()
    );
    assert!(percent >= PERCENT_MIN, "{percent} %\n{}", far.join("\n\n"));
}
