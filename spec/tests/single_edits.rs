//! The mutation test: 500 single edits of the reference spec, each drawn from a seed. An edit drops, renames, retypes or moves one key;
//! the spec stays valid, or what is said points within two lines of the edit.
//!
//! A dropped key has two places: where it stood, and where the section is named that lacks it. A moved key has a third: where it stands
//! now. A report points to its primary and to its secondary spans.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::ops::Range;

use archgen_spec::diagnostic::{Diagnostic, Severity};
use archgen_spec::source::{Entry, FileId, Node, Value, parse};
use archgen_spec::{Loaded, ReadError, load};

const SLACK: &str = include_str!("../../examples/slack/topology.yaml");
/// How many edits are tried.
const EDITS: usize = 500;
/// How far from an edit a report may point, lines.
const NEAR_LINES: usize = 2;
/// The least share of edits that stay valid or are reported near, per cent.
const SHARE_MIN_PERCENT: usize = 95;

/// SplitMix64: a few lines that give the same edits on every machine.
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % u64::try_from(bound.max(1)).unwrap()).unwrap()
    }
}

/// One key of the spec and the mapping that it stands in.
#[derive(Clone, Copy)]
struct Place<'a> {
    mapping: &'a Node,
    index: usize,
    /// Where the mapping itself is named; `None` at the root.
    owner: Option<&'a Entry>,
}

impl<'a> Place<'a> {
    fn entry(self) -> &'a Entry {
        &self.mapping.entries()[self.index]
    }

    fn text(self) -> &'static str {
        &SLACK[self.entry().key.span.start..self.entry().value.span.end]
    }

    /// What goes away with the key: whole lines of a block, or the part between two commas.
    fn extent(self) -> Range<usize> {
        let entries = self.mapping.entries();
        let (start, end) = (self.entry().key.span.start, self.entry().value.span.end);
        if !is_flow(self.mapping) {
            return line_start(start)..SLACK[end..].find('\n').map_or(SLACK.len(), |i| end + i + 1);
        }
        match (entries.get(self.index + 1), self.index.checked_sub(1)) {
            (Some(next), _) => start..next.key.span.start,
            (None, Some(before)) => entries[before].value.span.end..end,
            (None, None) => start..end,
        }
    }
}

fn is_flow(mapping: &Node) -> bool {
    SLACK[mapping.span.start..].starts_with('{')
}

fn line_start(at: usize) -> usize {
    SLACK[..at].rfind('\n').map_or(0, |i| i + 1)
}

/// Every key, and every mapping with its owner.
fn places<'a>(node: &'a Node, owner: Option<&'a Entry>, all: &mut Vec<Place<'a>>) {
    for (index, entry) in node.entries().iter().enumerate() {
        all.push(Place { mapping: node, index, owner });
        places(&entry.value, Some(entry), all);
    }
    if let Value::Sequence(items) = &node.value {
        items.iter().for_each(|item| places(item, owner, all));
    }
}

/// An edited spec: what was done, the text, and the byte ranges of the new text that count as the edit.
struct Edited {
    what: String,
    text: String,
    at: Vec<Range<usize>>,
}

/// Replaces ranges of the reference spec, and says where the replacements stand afterwards.
fn replaced(mut edits: Vec<(Range<usize>, String)>) -> (String, Vec<Range<usize>>) {
    edits.sort_by_key(|(range, _)| range.start);
    let (mut text, mut at, mut done) = (String::new(), Vec::new(), 0);
    for (range, new) in edits {
        text.push_str(&SLACK[done..range.start]);
        at.push(text.len()..text.len() + new.len());
        text.push_str(&new);
        done = range.end;
    }
    text.push_str(&SLACK[done..]);
    (text, at)
}

fn drop_key(place: Place<'_>) -> Edited {
    let (text, at) = replaced(vec![(place.extent(), String::new())]);
    Edited { what: format!("drop `{}`", place.text().lines().next().unwrap()), text, at: lacking(place, at) }
}

/// The places of an edit that took a key away: the section that lacks it stands before it and so has not moved.
fn lacking(place: Place<'_>, mut at: Vec<Range<usize>>) -> Vec<Range<usize>> {
    at.extend(place.owner.map(|owner| owner.key.span.start..owner.key.span.end));
    at
}

fn rename(place: Place<'_>, draw: &mut Draw) -> Edited {
    let key = &place.entry().key;
    let mut letters: Vec<char> = key.text.chars().collect();
    let at = draw.below(letters.len());
    let letter = char::from(b'a' + u8::try_from(draw.below(26)).unwrap());
    match draw.below(3) {
        0 => letters.insert(at, letter),
        1 => letters[at] = letter,
        _ if at > 0 => letters.swap(at, at - 1),
        _ => letters.push(letter),
    }
    let new: String = letters.into_iter().collect();
    let (text, at) = replaced(vec![(key.span.start..key.span.end, new.clone())]);
    Edited { what: format!("rename `{}` to `{new}`", key.text), text, at }
}

fn retype(place: Place<'_>, draw: &mut Draw) -> Edited {
    let entry = place.entry();
    let written = &SLACK[entry.value.span.start..entry.value.span.end];
    let choices = match &entry.value.value {
        Value::Scalar { .. } => [format!("[{written}]"), format!("{{ a: {written} }}"), "true".to_owned()],
        Value::Sequence(_) => ["7".to_owned(), "words".to_owned(), "{ a: 1 }".to_owned()],
        _ => ["7".to_owned(), "words".to_owned(), "[a, b]".to_owned()],
    };
    let new = choices[draw.below(choices.len())].clone();
    // A block value begins on a line of its own; what replaces it stands behind the key.
    let from = if written.contains('\n') { entry.key.span.end } else { entry.value.span.start };
    let shown = if written.contains('\n') { format!(": {new}") } else { new.clone() };
    let (text, at) = replaced(vec![(from..entry.value.span.end, shown)]);
    Edited { what: format!("retype `{}` to `{new}`", entry.key.text), text, at }
}

fn move_key(place: Place<'_>, all: &[Place<'_>], draw: &mut Draw) -> Edited {
    let extent = place.extent();
    let whole = place.text();
    let to = loop {
        let to = all[draw.below(all.len())];
        let first = to.mapping.entries()[0].key.span.start;
        let inside = extent.contains(&first) || std::ptr::eq(to.mapping, place.mapping);
        let fits = !is_flow(to.mapping) || !whole.contains('\n');
        if !inside && fits {
            break to;
        }
    };
    let first = to.mapping.entries()[0].key.span.start;
    let moved = if is_flow(to.mapping) {
        (first..first, format!("{whole}, "))
    } else {
        let deep = |at: usize| " ".repeat(at - line_start(at));
        let (old, new) = (deep(place.entry().key.span.start), deep(first));
        let lines = whole.lines().enumerate().map(|(index, line)| match index {
            0 => format!("{new}{line}\n"),
            _ => format!("{new}{}\n", line.strip_prefix(&old).unwrap_or(line)),
        });
        (line_start(first)..line_start(first), lines.collect())
    };
    let added = moved.1.len();
    let (text, at) = replaced(vec![(extent, String::new()), moved]);
    let owner = to.owner.map_or("the root", |o| o.key.text.as_str());
    let what = format!("move `{}` to {owner}", whole.lines().next().unwrap());
    // What was put in before the section that lacks the key has shifted it.
    let shift = place.owner.map_or(0, |owner| if first < owner.key.span.start { added } else { 0 });
    let mut at = lacking(place, at);
    if let (Some(_), Some(section)) = (place.owner, at.last_mut()) {
        *section = section.start + shift..section.end + shift;
    }
    Edited { what, text, at }
}

fn loaded(text: &str) -> Loaded {
    load("topology.yaml", text.to_owned(), None, &|_| Err(ReadError::Missing), &|_| None)
}

/// Whether a report points near the edit: with its primary span, with any.
fn points_near(found: &Diagnostic, loaded: &Loaded, edit: &Edited) -> (bool, bool) {
    let line = |at: usize| loaded.sources.position(FileId(0), at).line;
    let near = |start: usize, end: usize| {
        let (first, last) = (line(start), line(end));
        edit.at.iter().any(|r| first <= line(r.end) + NEAR_LINES && line(r.start) <= last + NEAR_LINES)
    };
    let primary = near(found.primary.start, found.primary.start);
    (primary, primary || found.related.iter().any(|(span, _)| near(span.start, span.start)))
}

#[test]
fn a_single_edit_stays_valid_or_is_reported_near() {
    let root = parse(FileId(0), SLACK, &mut Vec::new()).unwrap();
    let mut all = Vec::new();
    places(&root, None, &mut all);
    let mut draw = Draw(5);
    let (mut valid, mut primary, mut related) = (0, 0, 0);
    let mut far = Vec::new();
    for _ in 0..EDITS {
        let place = all[draw.below(all.len())];
        let edit = match draw.below(4) {
            0 => drop_key(place),
            1 => rename(place, &mut draw),
            2 => retype(place, &mut draw),
            _ => move_key(place, &all, &mut draw),
        };
        let loaded = loaded(&edit.text);
        let errors = loaded.diagnostics.iter().filter(|d| d.severity == Severity::Error);
        let near: Vec<(bool, bool)> = errors.clone().map(|d| points_near(d, &loaded, &edit)).collect();
        if near.is_empty() {
            valid += 1;
        } else if near.iter().any(|(primary, _)| *primary) {
            primary += 1;
        } else if near.iter().any(|(_, any)| *any) {
            related += 1;
        } else {
            let said = errors.map(|d| format!("\n    {} {} {}", loaded.sources.place(d.primary), d.code, d.message));
            far.push(format!("{}{}", edit.what, said.collect::<String>()));
        }
    }
    let good = EDITS - far.len();
    println!(
        "{EDITS} single edits: {valid} stay valid, {primary} are reported within {NEAR_LINES} lines, {related} by a secondary span; \
         {good} of {EDITS} = {:.1} %",
        good as f64 * 100.0 / EDITS as f64
    );
    far.iter().for_each(|one| println!("far away: {one}"));
    assert!(good * 100 >= EDITS * SHARE_MIN_PERCENT, "only {good} of {EDITS}:\n{}", far.join("\n"));
}
