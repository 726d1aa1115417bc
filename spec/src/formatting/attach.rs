//! To which key or item each comment belongs, so that it goes where that goes.
//!
//! A comment behind something belongs to it. One on a line of its own belongs to what follows, unless it is indented deeper: then it ends
//! what stands before it, at its depth. What stands before the first key belongs to the file.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::source::{Node, Value};

/// A comment, or a group's first line, with whether an empty line stands before it.
#[derive(Debug, Clone)]
pub(super) struct Remark {
    /// From its `#` on.
    pub range: Range<usize>,
    /// An empty line stands before it.
    pub apart: bool,
}

/// A key of a block mapping or an item of a block list: (where it begins, whether it is an item).
pub(super) type Anchor = (usize, bool);

/// The comments of a text, by what they belong to.
#[derive(Debug, Default)]
pub(super) struct Attached {
    /// Of the file.
    pub header: Vec<Remark>,
    /// Whether an empty line stands between them and the first key.
    pub header_apart: bool,
    /// On lines of their own, before something.
    pub before: BTreeMap<Anchor, Vec<Remark>>,
    /// On the same line, behind something.
    pub behind: BTreeMap<Anchor, Range<usize>>,
    /// On lines of their own, after something and all that is below it.
    pub after: BTreeMap<Anchor, Vec<Remark>>,
    /// What has an empty line before it.
    pub apart: BTreeMap<Anchor, bool>,
    /// Comments that stand inside a value and are copied with it.
    pub inside: Vec<Range<usize>>,
}

/// Something that a comment can belong to, in the order of the text.
struct Place {
    anchor: Anchor,
    column: usize,
    /// One past the key, its tag, or a value that is no block.
    head_end: usize,
    /// The value, where it is no block.
    value: Option<Range<usize>>,
    parent: Option<usize>,
}

/// Whether a node is a mapping or list written with indentation, with something in it.
pub(super) fn is_block(text: &str, node: &Node) -> bool {
    match &node.value {
        Value::Mapping(entries) => !entries.is_empty() && !text[node.span.start..].starts_with('{'),
        // A block begins where its first item does, brackets before it; and the item can have brackets of its own.
        Value::Sequence(items) => items.first().is_some_and(|first| first.span.start == node.span.start),
        _ => false,
    }
}

/// Whether a node is text behind `|` or `>`.
pub(super) fn is_text_block(text: &str, node: &Node) -> bool {
    matches!(node.value, Value::Scalar { quoted: true, .. }) && !text[node.span.start..].starts_with(['"', '\''])
}

/// The first byte of the line.
pub(super) fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |index| index + 1)
}

/// Where the dash of an item stands. Between it and the item there can be blanks, ends of lines and comments. Depth is bounded by the
/// parser's budget.
pub(super) fn dash(text: &str, item: &Node) -> usize {
    // The span of a list begins behind its first dash.
    let start = match &item.value {
        Value::Sequence(items) if is_block(text, item) => {
            items.first().map_or(item.span.start, |first| dash(text, first))
        }
        _ => item.span.start,
    };
    let start = item.tag.map_or(start, |(_, tag)| tag.start.min(start));
    let mut before = text[..start].trim_end();
    while !before.ends_with('-') {
        let line = line_start(before, before.len());
        let Some(comment) = comment_start(&before[line..]) else { return start };
        before = before[..line + comment].trim_end();
    }
    before.len() - 1
}

/// Where the comment of a line begins on which no quotes stand.
fn comment_start(line: &str) -> Option<usize> {
    line.match_indices('#').map(|(at, _)| at).find(|at| *at == 0 || line[..*at].ends_with([' ', '\t']))
}

/// The column of a byte, blanks before it in characters.
pub(super) fn column(text: &str, at: usize) -> usize {
    text[line_start(text, at)..at].chars().count()
}

fn places(text: &str, node: &Node, parent: Option<usize>, all: &mut Vec<Place>) {
    match &node.value {
        Value::Mapping(entries) => {
            for entry in entries {
                let start = entry.key.span.start;
                add(text, (start, false), column(text, start), entry.key.span.end, &entry.value, parent, all);
            }
        }
        Value::Sequence(items) => {
            for item in items {
                let at = dash(text, item);
                add(text, (at, true), column(text, at), at + 1, item, parent, all);
            }
        }
        _ => {}
    }
}

/// Adds one place and everything below it. Depth is bounded by the parser's budget.
fn add(
    text: &str,
    anchor: Anchor,
    column: usize,
    key_end: usize,
    value: &Node,
    parent: Option<usize>,
    all: &mut Vec<Place>,
) {
    let head_end = value.tag.map_or(key_end, |(_, tag)| tag.end.max(key_end));
    let block = is_block(text, value);
    // The sign that begins a block of text stands before its span.
    let start = if is_text_block(text, value) { key_end } else { value.span.start.max(key_end) };
    let written = (!block).then(|| start..value.span.end.max(head_end));
    all.push(Place { anchor, column, head_end, value: written, parent });
    if block {
        let here = all.len() - 1;
        places(text, value, Some(here), all);
    }
}

impl Attached {
    /// Finds out for every comment of a text.
    pub(super) fn new(text: &str, root: &Node, comments: &[Range<usize>]) -> Self {
        let mut all = Vec::new();
        if is_block(text, root) {
            places(text, root, None, &mut all);
        }
        let mut attached = Self::default();
        for place in &all {
            attached.apart.insert(place.anchor, apart(text, place.anchor.0));
        }
        attached.header_apart = all.first().is_some_and(|first| apart(text, first.anchor.0));
        for comment in comments {
            attached.add(text, comment, &all);
        }
        attached
    }

    fn add(&mut self, text: &str, comment: &Range<usize>, all: &[Place]) {
        let next = all.partition_point(|place| place.anchor.0 < comment.start);
        let remark = Remark { range: comment.clone(), apart: apart(text, comment.start) };
        let Some(previous) = next.checked_sub(1) else {
            self.header.push(remark);
            return;
        };
        let place = &all[previous];
        let inside = place.value.as_ref().is_some_and(|value| value.start < comment.start && comment.end <= value.end);
        if inside {
            self.inside.push(comment.clone());
            return;
        }
        let line = line_start(text, comment.start);
        let end = place.value.as_ref().map_or(place.head_end, |value| value.end);
        if end > line && !self.behind.contains_key(&place.anchor) {
            self.behind.insert(place.anchor, comment.clone());
            return;
        }
        let column = column(text, comment.start);
        let ending = |next: &Place| column > next.column;
        if all.get(next).is_none_or(ending) {
            let mut chain = std::iter::successors(Some(previous), |index| all[*index].parent);
            if let Some(index) = chain.find(|index| all[*index].column <= column) {
                self.after.entry(all[index].anchor).or_default().push(remark);
                return;
            }
        }
        match all.get(next) {
            Some(next) => self.before.entry(next.anchor).or_default().push(remark),
            None => self.after.entry(all[0].anchor).or_default().push(remark),
        }
    }

    /// Whether a value holds comments of its own.
    pub(super) fn holds_comments(&self, value: &Range<usize>) -> bool {
        let first = self.inside.partition_point(|comment| comment.start < value.start);
        self.inside.get(first).is_some_and(|comment| comment.end <= value.end)
    }
}

/// Whether the line before the one on which something begins is empty.
fn apart(text: &str, at: usize) -> bool {
    let start = line_start(text, at);
    start > 0 && text[line_start(text, start - 1)..start].trim().is_empty()
}
