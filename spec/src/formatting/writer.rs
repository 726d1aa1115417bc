//! Writes a tree in its canonical form, values as they are written.

use std::ops::Range;

use super::attach::{Anchor, Attached, Remark, column, dash, is_block, is_text_block};
use super::order::Scope;
use crate::source::{Entry, Node, Value};

/// Longest line into which brackets that stand on several lines are joined, columns.
const LINE_COLUMNS_MAX: usize = 120;
/// Blanks per level.
const INDENT: usize = 2;
/// Fewest blanks before a comment that stands behind something.
const REMARK_BLANKS_MIN: usize = 2;

/// The text that is written, and what it is made of.
pub(super) struct Writer<'a> {
    text: &'a str,
    attached: &'a Attached,
    out: String,
}

impl<'a> Writer<'a> {
    /// A writer of a text whose comments have been attached.
    pub(super) fn new(text: &'a str, attached: &'a Attached) -> Self {
        Self { text, attached, out: String::with_capacity(text.len()) }
    }

    /// The whole text.
    pub(super) fn document(mut self, root: &Node, scope: Scope<'_>) -> String {
        self.remarks(&self.attached.header, 0, true);
        if self.attached.header_apart && !self.attached.header.is_empty() {
            self.out.push('\n');
        }
        if is_block(self.text, root) {
            self.block(root, scope, 0);
        } else {
            self.value(root, scope, 0, 0..0);
            self.out.push('\n');
        }
        self.out
    }

    /// Every entry or item of a block. Depth is bounded by the parser's budget.
    fn block(&mut self, node: &Node, scope: Scope<'_>, indent: usize) {
        match &node.value {
            Value::Mapping(entries) => {
                let scope = scope.within(entries);
                for (index, entry) in scope.ordered(entries).into_iter().enumerate() {
                    self.before_entry(entry, entries, indent, index == 0);
                    self.blanks(indent);
                    self.entry(entry, scope, indent);
                }
            }
            Value::Sequence(items) => {
                for (index, one) in items.iter().enumerate() {
                    self.item(one, scope.item(), indent, index == 0);
                }
            }
            _ => {}
        }
    }

    /// The comments and the empty line before an entry. The one that was written first had no empty line to take along: where its
    /// siblings are apart, it is, too.
    fn before_entry(&mut self, entry: &Entry, all: &[Entry], indent: usize, first: bool) {
        let apart =
            |entry: &Entry| self.attached.apart.get(&(entry.key.span.start, false)).copied().unwrap_or_default();
        let moved = !first && all.first().is_some_and(|written| written.key.span == entry.key.span);
        let anchor = (entry.key.span.start, false);
        self.before(anchor, indent, first);
        if moved && !apart(entry) && all.iter().any(apart) {
            self.out.push('\n');
        }
    }

    /// The comments and the empty line before something.
    fn before(&mut self, anchor: Anchor, indent: usize, first: bool) {
        let none = Vec::new();
        let remarks = self.attached.before.get(&anchor).unwrap_or(&none);
        self.remarks(remarks, indent, first);
        let apart = self.attached.apart.get(&anchor).copied().unwrap_or_default();
        if apart && (!first || !remarks.is_empty()) {
            self.out.push('\n');
        }
    }

    fn remarks(&mut self, remarks: &[Remark], indent: usize, first: bool) {
        for (index, remark) in remarks.iter().enumerate() {
            if remark.apart && !(first && index == 0) {
                self.out.push('\n');
            }
            self.blanks(indent);
            self.out.push_str(&self.text[remark.range.clone()]);
            self.out.push('\n');
        }
    }

    fn blanks(&mut self, count: usize) {
        self.out.extend(std::iter::repeat_n(' ', count));
    }

    /// `key: value` with what belongs to it; what stands before it has been written.
    fn entry(&mut self, entry: &Entry, scope: Scope<'_>, indent: usize) {
        let anchor = (entry.key.span.start, false);
        self.out.push_str(&self.text[entry.key.span.start..entry.key.span.end]);
        self.out.push(':');
        let scope = scope.below(&entry.key.text);
        self.tag(&entry.value, true);
        if is_block(self.text, &entry.value) {
            self.behind(anchor);
            self.block(&entry.value, scope, indent + INDENT);
        } else {
            self.spaced_value(&entry.value, scope, indent, entry.key.span.start..entry.key.span.end);
            self.behind(anchor);
        }
        self.after(anchor, indent);
    }

    fn item(&mut self, one: &Node, scope: Scope<'_>, indent: usize, first: bool) {
        let anchor = (dash(self.text, one), true);
        self.before(anchor, indent, first);
        let inner = if is_block(self.text, one) { Some(&one.value) } else { None };
        match inner {
            // The first key stands behind the dash; what belongs before it stands before the dash.
            Some(Value::Mapping(entries)) if one.tag.is_none() => {
                let scope = scope.within(entries);
                for (index, entry) in scope.ordered(entries).into_iter().enumerate() {
                    if index == 0 {
                        self.before_entry(entry, entries, indent, true);
                        self.blanks(indent);
                        self.out.push_str("- ");
                        let remark = self.attached.behind.get(&anchor).cloned();
                        if let Some(remark) = remark {
                            self.out.push_str(&self.text[remark]);
                            self.out.push('\n');
                            self.blanks(indent + INDENT);
                        }
                    } else {
                        self.before_entry(entry, entries, indent + INDENT, false);
                        self.blanks(indent + INDENT);
                    }
                    self.entry(entry, scope, indent + INDENT);
                }
            }
            _ => {
                self.blanks(indent);
                self.out.push('-');
                self.tag(one, true);
                if inner.is_some() {
                    self.behind(anchor);
                    self.block(one, scope, indent + INDENT);
                } else {
                    self.spaced_value(one, scope, indent, anchor.0..anchor.0 + 1);
                    self.behind(anchor);
                }
            }
        }
        self.after(anchor, indent);
    }

    fn tag(&mut self, node: &Node, blank: bool) {
        if let Some((tag, _)) = node.tag {
            if blank {
                self.out.push(' ');
            }
            self.out.push_str(tag.name());
        }
    }

    /// The end of a line, with the comment that stands behind it. One that stood further out keeps its column, so that comments below
    /// each other stay so.
    fn behind(&mut self, anchor: Anchor) {
        if let Some(remark) = self.attached.behind.get(&anchor) {
            let line = self.out.rfind('\n').map_or(0, |index| index + 1);
            let here = self.out[line..].chars().count();
            let there = column(self.text, remark.start);
            self.blanks(there.saturating_sub(here).max(REMARK_BLANKS_MIN));
            self.out.push_str(&self.text[remark.clone()]);
        }
        self.out.push('\n');
    }

    fn after(&mut self, anchor: Anchor, indent: usize) {
        if let Some(remarks) = self.attached.after.get(&anchor) {
            self.remarks(remarks, indent, false);
        }
    }

    fn spaced_value(&mut self, node: &Node, scope: Scope<'_>, indent: usize, owner: Range<usize>) {
        if matches!(node.value, Value::Null) && self.written(node).is_empty() {
            return;
        }
        self.out.push(' ');
        self.value(node, scope, indent, owner);
    }

    /// A value that is no block, with the place of its owner: a key or a dash.
    fn value(&mut self, node: &Node, scope: Scope<'_>, indent: usize, owner: Range<usize>) {
        let written = self.written(node);
        let range = node.span.start..node.span.end;
        let flow = matches!(node.value, Value::Mapping(_) | Value::Sequence(_));
        if flow && !self.attached.holds_comments(&range) {
            let line = self.flow(node, scope);
            let here = self.out.len() - self.out.rfind('\n').map_or(0, |index| index + 1);
            if !line.contains('\n') {
                if written.contains('\n') && here + line.chars().count() > LINE_COLUMNS_MAX {
                    self.spread(node, scope, indent);
                } else {
                    self.out.push_str(&line);
                }
                return;
            }
        }
        let begins = if is_text_block(self.text, node) { self.sign(node, owner.end) } else { range.start };
        self.copy(begins..range.end, indent, column(self.text, owner.start));
    }

    /// Where the sign stands that begins a block of text.
    fn sign(&self, node: &Node, owner_end: usize) -> usize {
        let from = node.tag.map_or(owner_end, |(_, tag)| tag.end);
        self.text[from..].find(['|', '>']).map_or(node.span.start, |at| from + at)
    }

    fn written(&self, node: &Node) -> &'a str {
        &self.text[node.span.start..node.span.end]
    }

    /// Copies lines as they are, moved as far as their owner moved.
    fn copy(&mut self, range: Range<usize>, indent: usize, was: usize) {
        for (index, line) in self.text[range].split('\n').enumerate() {
            if index == 0 {
                self.out.push_str(line.trim_end());
                continue;
            }
            self.out.push('\n');
            let rest = line.trim_start_matches(' ');
            if !rest.trim().is_empty() {
                let blanks = line.len() - rest.len() + indent;
                // A closing bracket may stand below its owner; everything else stands deeper.
                let least = if rest.starts_with([']', '}']) { indent } else { indent + 1 };
                self.blanks(blanks.saturating_sub(was).max(least));
                self.out.push_str(rest);
            }
        }
    }

    /// Brackets on one line.
    fn flow(&self, node: &Node, scope: Scope<'_>) -> String {
        let tag = node.tag.map_or_else(String::new, |(tag, _)| format!("{} ", tag.name()));
        let parts = self.parts(node, scope).map(|parts| parts.join(", "));
        match (&node.value, parts) {
            (Value::Mapping(_), Some(parts)) if parts.is_empty() => "{}".to_owned(),
            (Value::Mapping(_), Some(parts)) => format!("{{ {parts} }}"),
            (_, Some(parts)) => format!("[{parts}]"),
            (Value::Null, None) if tag.is_empty() => "null".to_owned(),
            (Value::Null, None) => tag.trim_end().to_owned(),
            (_, None) => format!("{tag}{}", self.written(node)),
        }
    }

    /// The entries or items between brackets; `None` of anything else.
    fn parts(&self, node: &Node, scope: Scope<'_>) -> Option<Vec<String>> {
        let tagged = |node: &Node, scope: Scope<'_>| match (&node.value, node.tag) {
            (Value::Mapping(_) | Value::Sequence(_), Some((tag, _))) => {
                format!("{} {}", tag.name(), self.flow(node, scope))
            }
            _ => self.flow(node, scope),
        };
        match &node.value {
            Value::Mapping(entries) => Some(
                scope
                    .within(entries)
                    .ordered(entries)
                    .into_iter()
                    .map(|entry| {
                        let key = &self.text[entry.key.span.start..entry.key.span.end];
                        format!("{key}: {}", tagged(&entry.value, scope.within(entries).below(&entry.key.text)))
                    })
                    .collect(),
            ),
            Value::Sequence(items) => Some(items.iter().map(|one| tagged(one, scope.item())).collect()),
            _ => None,
        }
    }

    /// Brackets that do not fit on one line: one part on each.
    fn spread(&mut self, node: &Node, scope: Scope<'_>, indent: usize) {
        let (open, close) = if matches!(node.value, Value::Mapping(_)) { ('{', '}') } else { ('[', ']') };
        self.out.push(open);
        self.out.push('\n');
        for part in self.parts(node, scope).unwrap_or_default() {
            self.blanks(indent + INDENT);
            self.out.push_str(&part);
            self.out.push_str(",\n");
        }
        self.blanks(indent);
        self.out.push(close);
    }
}
