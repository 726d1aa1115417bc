//! A text that is read in another form than it was written in, and the way back: whatever is found in it is said at the place in the
//! file.

use std::ops::Range;

use super::{Node, Span, Value};
use crate::diagnostic::Diagnostic;

/// A text with some of its parts replaced.
pub(super) struct Rewritten {
    /// What is read.
    pub text: String,
    /// Where a part begins that was kept or put in: in what is read, in the file, and whether it was put in.
    parts: Vec<(usize, usize, bool)>,
}

impl Rewritten {
    /// Replaces parts of a text, which stand in order and do not touch. `offset` is where the text begins in the file.
    pub(super) fn new(text: &str, offset: usize, replaced: &[(Range<usize>, String)]) -> Self {
        let mut new = String::with_capacity(text.len());
        let mut parts = vec![(offset, offset, false)];
        let mut done = 0;
        for (range, instead) in replaced {
            new.push_str(&text[done..range.start]);
            parts.push((offset + new.len(), offset + range.start, true));
            new.push_str(instead);
            parts.push((offset + new.len(), offset + range.end, false));
            done = range.end;
        }
        new.push_str(&text[done..]);
        Self { text: new, parts }
    }

    /// Where a place of what is read stands in the file; what was put in stands where it was put.
    pub(super) fn place(&self, at: usize) -> usize {
        match self.part(at) {
            Some((new, old, false)) => old + (at - new),
            Some((_, old, true)) => old,
            None => at,
        }
    }

    fn part(&self, at: usize) -> Option<(usize, usize, bool)> {
        let index = self.parts.partition_point(|(new, ..)| *new <= at);
        index.checked_sub(1).map(|index| self.parts[index])
    }

    fn back(&self, span: &mut Span) {
        span.start = self.place(span.start);
        span.end = self.place(span.end).max(span.start);
    }

    /// Moves a tree to where it stands in the file. Depth is bounded by the parser's budget.
    pub(super) fn node(&self, node: &mut Node) {
        self.back(&mut node.span);
        if let Some((_, span)) = &mut node.tag {
            self.back(span);
        }
        match &mut node.value {
            Value::Mapping(entries) => entries.iter_mut().for_each(|entry| {
                self.back(&mut entry.key.span);
                self.node(&mut entry.value);
            }),
            Value::Sequence(items) => items.iter_mut().for_each(|item| self.node(item)),
            _ => {}
        }
    }

    /// Moves what was found.
    pub(super) fn diagnostic(&self, found: &mut Diagnostic) {
        self.back(&mut found.primary);
        found.related.iter_mut().for_each(|(span, _)| self.back(span));
        // A change of what is not there mends nothing.
        let there = |span: Span| self.place(span.end) - self.place(span.start) == span.end - span.start;
        let put_in = |at: usize| self.part(at).is_some_and(|(.., put_in)| put_in);
        if found.fix.iter().flat_map(|fix| &fix.edits).any(|edit| put_in(edit.span.start) || !there(edit.span)) {
            found.fix = None;
        }
        found.fix.iter_mut().flat_map(|fix| &mut fix.edits).for_each(|edit| self.back(&mut edit.span));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_lead_back_to_the_file() {
        let rewritten = Rewritten::new("a\tb\tc", 10, &[(1..2, "    ".to_owned()), (3..4, String::new())]);
        assert_eq!(rewritten.text, "a    bc");
        let places: Vec<usize> = (10..=17).map(|at| rewritten.place(at)).collect();
        assert_eq!(places, [10, 11, 11, 11, 11, 12, 14, 15]);
    }
}
