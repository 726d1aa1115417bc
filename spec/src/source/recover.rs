//! What is still read of a file that is no YAML: everything but the entries that are broken.
//!
//! The file is cut into entries by indentation, as a person reads it. An entry that parses alone is kept whole. One that
//! does not is reported, mended where the intent is plain (a bracket or quote that is never closed, a colon that is
//! missing), and else split further, until only the broken line is lost. Its key stays, with an invalid value, so that
//! nothing below reports it as missing.

use std::collections::BTreeMap;
use std::ops::Range;

use granit_parser::ErrorKind;

use super::layout::{Line, lines};
use super::mend::{self, Mend};
use super::parse::{DEPTH_MAX, Piece, Spent, Stop, document};
use super::rewritten::Rewritten;
use super::{Entry, FileId, Key, Node, Span, Value};
use crate::checks::{duplicate_key, multiple_documents, syntax, too_deep};
use crate::diagnostic::{Diagnostic, Fix};

/// Most text that is parsed again, bytes: every level of a broken file is parsed once more.
const AGAIN_BYTES_MAX: usize = 48 * 1024 * 1024;

/// Reads what can be read. `None` where nothing can.
pub(super) fn recover(file: FileId, text: &str, fault: (Span, ErrorKind), out: &mut Vec<Diagnostic>) -> Option<Node> {
    let lines = lines(text);
    let before = out.len();
    let mut work = Recovery {
        file,
        scratch: text.to_owned(),
        out,
        spent: Spent::default(),
        again_bytes: 0,
        tabs_said: false,
        whole: lines.len(),
        fault: fault.0.start,
        lines,
    };
    let mut level = Level::default();
    // What was read before the budget ended is still worth checking.
    let _ = work.entries(0..work.lines.len(), 0, &mut level);
    if work.out.len() == before {
        // Every piece is sound alone: it is the whole that is not.
        out.push(syntax::at(fault.0, &fault.1));
    }
    level.finish(file).filter(|node| !node.entries().is_empty() || matches!(node.value, Value::Sequence(_)))
}

/// A budget is spent: the reason has been reported.
struct Ended;

struct Recovery<'a> {
    file: FileId,
    /// The file's text, with what was mended in place. Offsets never change.
    scratch: String,
    lines: Vec<Line>,
    out: &'a mut Vec<Diagnostic>,
    spent: Spent,
    again_bytes: usize,
    tabs_said: bool,
    /// How many lines there are: where a second document begins, fewer.
    whole: usize,
    /// Where the whole text broke, bytes.
    fault: usize,
}

/// The siblings that were read so far.
#[derive(Default)]
struct Level {
    entries: Vec<Entry>,
    items: Vec<Node>,
    keys: BTreeMap<String, Span>,
}

impl Level {
    fn finish(self, file: FileId) -> Option<Node> {
        let (value, ends) = if self.entries.is_empty() {
            let ends = (self.items.first()?.span, self.items.last()?.span);
            (Value::Sequence(self.items), ends)
        } else {
            let last = self.entries.last()?;
            let ends = (self.entries.first()?.key.span, last.key.span.to(last.value.span));
            (Value::Mapping(self.entries), ends)
        };
        debug_assert_eq!(ends.0.file, file);
        Some(Node { value, span: ends.0.to(ends.1), tag: None })
    }
}

impl Recovery<'_> {
    /// Reads sibling entries.
    fn entries(&mut self, lines: Range<usize>, depth: usize, level: &mut Level) -> Result<(), Ended> {
        if depth >= DEPTH_MAX {
            self.out.push(too_deep::at(self.content(lines.start)));
            return Err(Ended);
        }
        let list = self.is_item(lines.start);
        let indent = self.lines[lines.start.min(self.lines.len().saturating_sub(1))..].first().map_or(0, |l| l.indent);
        let mut next = lines.start;
        // Lines of one mapping that slipped out of a list have one cause.
        let mut strayed = false;
        while next < lines.end.min(self.whole) {
            let first = next;
            next += 1;
            while next < lines.end && self.belongs(next, indent, list) {
                next += 1;
            }
            if depth == 0 && self.marker(first, level)? {
                continue;
            }
            if self.lines[first].indent < indent && !self.lines[first].tabs {
                self.report(syntax::at(self.content(first), &ErrorKind::InvalidIndentation))?;
            }
            if list && !self.is_item(first) {
                if !std::mem::replace(&mut strayed, true) {
                    self.report(syntax::no_item(self.content(first)))?;
                }
                // It most likely belongs to the item above it.
                let mut below = Level::default();
                self.entry(first..next, depth, &mut below)?;
                let below = below.finish(self.file).map(|node| node.value);
                if let (Some(item), Some(Value::Mapping(more))) = (level.items.last_mut(), below)
                    && let Value::Mapping(entries) = &mut item.value
                {
                    entries.extend(more);
                }
                continue;
            }
            strayed = false;
            self.entry(first..next, depth, level)?;
        }
        Ok(())
    }

    /// Whether a line belongs to the entry above it.
    fn belongs(&self, line: usize, indent: usize, list: bool) -> bool {
        let here = &self.lines[line];
        let text = &self.scratch[here.start + here.indent..here.end];
        here.indent > indent || text.starts_with(['}', ']']) || (!list && self.is_item(line) && here.indent == indent)
    }

    fn is_item(&self, line: usize) -> bool {
        self.lines.get(line).is_some_and(|l| {
            let text = &self.scratch[l.start + l.indent..l.end];
            text == "-" || text.starts_with("- ")
        })
    }

    /// Directives and document marks. A second document ends the reading.
    fn marker(&mut self, line: usize, level: &Level) -> Result<bool, Ended> {
        let Line { start, end, .. } = self.lines[line];
        let text = self.scratch[start..end].to_owned();
        if !(text.starts_with("---") || text.starts_with("...") || text.starts_with('%')) {
            return Ok(false);
        }
        if text.starts_with("---") && !(level.entries.is_empty() && level.items.is_empty()) {
            self.whole = line;
            let at = Span { file: self.file, start, end: start + 3 };
            self.report(multiple_documents::at(at))?;
        }
        if text.starts_with('%')
            && let Err(Some((at, kind))) = self.parse(start, &format!("{text}\n---\n"), 0)?
        {
            self.report(syntax::at(at, &kind))?;
        }
        Ok(true)
    }

    /// Reads one entry and all that is below it.
    fn entry(&mut self, lines: Range<usize>, depth: usize, level: &mut Level) -> Result<(), Ended> {
        let start = self.lines[lines.start].start;
        let end = self.lines.get(lines.end).map_or(self.scratch.len(), |next| next.start);
        if self.breaks_below(&lines, end) && !self.tabs(&lines)? {
            return self.broken_entry(lines, depth, level, None);
        }
        let whole = self.scratch[start..end].to_owned();
        let fault = match self.parse(start, &whole, depth)? {
            Ok(None) => return Ok(()),
            Ok(Some(node)) if !matches!(node.value, Value::Scalar { .. } | Value::Null) => {
                return self.keep(node, level);
            }
            Ok(Some(_)) => None,
            Err(fault) => fault,
        };
        if self.tabs(&lines)? {
            return self.entry(lines, depth, level);
        }
        if let Some(node) = self.mended(start, &whole, depth)? {
            return self.keep(node, level);
        }
        if self.is_item(lines.start) {
            return self.broken_item(lines, depth, level, fault);
        }
        self.broken_entry(lines, depth, level, fault)
    }

    /// Whether an entry is a key with a block below it that holds the place where the whole text broke: then it need not be parsed to know
    /// that it breaks there. Of a long section that a person types in, this saves half of the work.
    fn breaks_below(&self, lines: &Range<usize>, end: usize) -> bool {
        let [head, second, ..] = &self.lines[lines.clone()] else { return false };
        let text = &self.scratch[head.start + head.indent..head.end];
        (second.start..end).contains(&self.fault)
            && second.indent > head.indent
            && mend::without_comment(text).trim_end().strip_suffix(':').is_some_and(mend::is_key)
    }

    /// Tabs in the indentation are reported once, and read as one blank each. True where there were some.
    fn tabs(&mut self, lines: &Range<usize>) -> Result<bool, Ended> {
        let mut found = Vec::new();
        for line in &self.lines[lines.clone()] {
            let blank = &self.scratch[line.start..line.start + line.indent];
            found.extend(blank.match_indices('\t').map(|(at, _)| line.start + at));
        }
        let Some(first) = found.first() else { return Ok(false) };
        if !self.tabs_said {
            self.tabs_said = true;
            let at = Span { file: self.file, start: *first, end: first + 1 };
            self.report(syntax::tab(at))?;
        }
        for at in found {
            self.scratch.replace_range(at..=at, " ");
        }
        Ok(true)
    }

    /// Tries what people forget: the closing bracket, the closing quote, the quotes around a variable.
    fn mended(&mut self, start: usize, whole: &str, depth: usize) -> Result<Option<Node>, Ended> {
        for way in mend::all(whole) {
            let before = self.out.len();
            if let Ok(Some(mut node)) = self.parse(start, &way.text, depth)?
                && !matches!(node.value, Value::Scalar { .. } | Value::Null)
            {
                self.lead_back(&way, (start, whole), before, &mut node);
                let Mend { at, what, added, .. } = &way;
                let found = &whole[at.clone()];
                let one_line = !whole[..added.0].contains('\n');
                let behind = way.inside().then(|| &whole[at.end..added.0]);
                let place = Span { file: self.file, start: start + added.0, end: start + added.0 };
                let at = Span { file: self.file, start: start + at.start, end: start + at.end };
                let fault = syntax::forgotten(at, *what, (found, behind), (place, &added.1));
                self.report(if one_line || behind.is_some() { fault } else { fault.with_fix(None) })?;
                return Ok(Some(node));
            }
            // What was found in a text that is not taken is not said.
            self.out.truncate(before);
        }
        Ok(None)
    }

    /// Moves what was read of a mended text, and found in it, to where it stands in the text as written.
    fn lead_back(&mut self, way: &Mend, (start, whole): (usize, &str), before: usize, node: &mut Node) {
        mend::undo(node);
        let (at, added) = way.added.clone();
        let rewritten = Rewritten::new(whole, start, &[(at..at, added)]);
        rewritten.node(node);
        self.out[before..].iter_mut().for_each(|found| rewritten.diagnostic(found));
    }

    /// A list's item: without its dash it is a block like any other.
    fn broken_item(&mut self, lines: Range<usize>, depth: usize, level: &mut Level, fault: Fault) -> Result<(), Ended> {
        let line = self.lines[lines.start];
        let dash = line.start + line.indent;
        let rest = &self.scratch[dash + 1..line.end];
        let gap = rest.len() - rest.trim_start().len();
        let nested = rest[gap..].starts_with("- ") || mend::key(&rest[gap..]).is_some();
        let mut below = Level::default();
        if rest[gap..].is_empty() || rest[gap..].starts_with('#') {
            self.below(lines.start + 1..lines.end, depth, &mut below)?;
        } else if nested {
            self.scratch.replace_range(dash..=dash, " ");
            self.lines[lines.start].indent = line.indent + 1 + gap;
            self.below(lines.clone(), depth, &mut below)?;
        } else {
            self.report_fault(lines.start, fault)?;
        }
        let invalid = Node { value: Value::Invalid, span: self.content(lines.start), tag: None };
        level.items.push(below.finish(self.file).unwrap_or(invalid));
        Ok(())
    }

    /// An entry of a mapping that does not parse and could not be mended as a whole.
    fn broken_entry(
        &mut self,
        lines: Range<usize>,
        depth: usize,
        level: &mut Level,
        fault: Fault,
    ) -> Result<(), Ended> {
        let Line { start, end, .. } = self.lines[lines.start];
        let rest = lines.start + 1..lines.end;
        let head = self.scratch[start..end].to_owned();
        let parsed = self.parse(start, &head, depth)?;
        let content = self.content(lines.start);
        match parsed {
            Ok(Some(Node { value: Value::Mapping(entries), .. })) if !rest.is_empty() => {
                let [entry] = entries.as_slice() else { return self.report_fault(lines.start, fault) };
                if entry.value.value == Value::Null {
                    let mut below = Level::default();
                    self.below(rest, depth, &mut below)?;
                    let value = below.finish(self.file).unwrap_or_else(|| invalid(entry.value.span));
                    return self.add(Entry { key: entry.key.clone(), value }, level);
                }
                // A block of text: only its first line can be judged.
                if head.trim_end().ends_with(['|', '>', '-', '+']) && entry.value.text() == Some("") {
                    self.report_fault(lines.start, fault)?;
                    let value = invalid(entry.value.span);
                    return self.add(Entry { key: entry.key.clone(), value }, level);
                }
                let (key, at) = (entry.key.clone(), self.content(rest.start));
                self.add(entry.clone(), level)?;
                let deeper = self.lines[rest.start].indent > self.lines[lines.start].indent;
                if deeper && !self.lines[rest.start].tabs {
                    self.report(syntax::indented(at, &key))?;
                }
                // They most likely stand beside it.
                self.entries(rest, depth, level)
            }
            Ok(_) => self.lone(lines, depth, level, content),
            Err(_) if !rest.is_empty() => {
                let before = self.out.len();
                self.entry(lines.start..lines.start + 1, depth, level)?;
                debug_assert!(self.out.len() > before, "a broken head is reported");
                let mut below = Level::default();
                self.below(rest, depth, &mut below)?;
                if let (Some(last), Some(node)) = (level.entries.last_mut(), below.finish(self.file))
                    && last.key.span.start >= start
                    && last.value.value == Value::Invalid
                {
                    last.value = node;
                }
                Ok(())
            }
            Err(fault) => {
                let found = mend::key(&head[content.start - start..]).map(|length| content.start + length);
                self.report_fault(lines.start, fault)?;
                let Some(colon) = found else { return Ok(()) };
                let key = Span { end: colon, ..content };
                let value = Span { start: colon + 1, ..content };
                self.add(Entry { key: self.key(key), value: invalid(value) }, level)
            }
        }
    }

    /// A line without a colon, or with one that has no blank behind it.
    fn lone(&mut self, lines: Range<usize>, depth: usize, level: &mut Level, content: Span) -> Result<(), Ended> {
        let text = &self.scratch[content.start..content.end];
        let part =
            |start: usize, end: usize| Span { start: content.start + start, end: content.start + end, ..content };
        let glued = text.split_once(':').filter(|(key, value)| mend::is_key(key) && !value.is_empty());
        let apart = Some(lines.len()).filter(|lines| *lines == 1).and_then(|_| mend::without_colon(text));
        let (key, value, fault) = match (glued, apart) {
            (Some((key, value)), _) => {
                let colon = part(key.len(), key.len() + 1);
                (part(0, key.len()), part(key.len() + 1, text.len()), syntax::no_blank(colon, key, value))
            }
            (None, Some((end, begin))) => {
                let fault = syntax::no_colon_between(content, part(0, end), part(begin, text.len()), text);
                (part(0, end), part(begin, text.len()), fault)
            }
            (None, None) => {
                let fault = syntax::no_colon(content, text);
                // What stands below it says that it is a key.
                let owner = lines.len() > 1 && mend::is_key(text);
                let colon = Span { start: content.end, ..content };
                (content, colon, if owner { fault.with_fix(Fix::insert(colon, ":")) } else { fault })
            }
        };
        self.report(fault)?;
        let mut below = Level::default();
        self.below(lines.start + 1..lines.end, depth, &mut below)?;
        let value = match below.finish(self.file) {
            Some(node) => node,
            None if glued_value(&self.scratch, value) => {
                let text = self.scratch[value.start..value.end].to_owned();
                self.parse(value.start, &text, depth)?.ok().flatten().unwrap_or_else(|| invalid(value))
            }
            None => invalid(value),
        };
        self.add(Entry { key: self.key(key), value }, level)
    }

    /// What stands below an entry, where anything does.
    fn below(&mut self, lines: Range<usize>, depth: usize, level: &mut Level) -> Result<(), Ended> {
        if lines.is_empty() { Ok(()) } else { self.entries(lines, depth + 1, level) }
    }

    fn keep(&mut self, node: Node, level: &mut Level) -> Result<(), Ended> {
        match node.value {
            Value::Mapping(entries) => entries.into_iter().try_for_each(|entry| self.add(entry, level)),
            Value::Sequence(items) => {
                level.items.extend(items);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn add(&mut self, mut entry: Entry, level: &mut Level) -> Result<(), Ended> {
        let text = entry.key.text.clone();
        match level.keys.get(&text) {
            Some(first) if !text.is_empty() => {
                let fault = duplicate_key::at(entry.key.span, &text, *first);
                entry.key.text.clear();
                level.entries.push(entry);
                return self.report(fault);
            }
            _ => level.keys.insert(text, entry.key.span),
        };
        level.entries.push(entry);
        Ok(())
    }

    fn key(&self, span: Span) -> Key {
        Key { text: self.scratch[span.start..span.end].trim_end().to_owned(), span }
    }

    /// The text of a line without blanks around it.
    fn content(&self, line: usize) -> Span {
        let Some(line) = self.lines.get(line) else { return Span::start_of(self.file) };
        let text = &self.scratch[line.start + line.indent..line.end];
        let text = mend::without_comment(text).trim_end();
        Span { file: self.file, start: line.start + line.indent, end: line.start + line.indent + text.len() }
    }

    fn report_fault(&mut self, line: usize, fault: Fault) -> Result<(), Ended> {
        let place = self.content(line);
        let diagnostic = match fault {
            Some((at, kind)) if at.start >= place.start && at.end <= place.end && at.end > at.start => {
                syntax::at(at, &kind)
            }
            Some((_, kind)) => syntax::at(place, &kind),
            None => syntax::no_colon(place, &self.scratch[place.start..place.end]),
        };
        self.report(diagnostic)
    }

    fn report(&mut self, diagnostic: Diagnostic) -> Result<(), Ended> {
        self.out.push(diagnostic);
        if self.spent.fault() { Ok(()) } else { Err(Ended) }
    }

    /// Parses a text that stands (or would stand) at an offset. The inner error is its fault of syntax.
    fn parse(&mut self, offset: usize, text: &str, depth: usize) -> Result<Result<Option<Node>, Fault>, Ended> {
        self.again_bytes += text.len();
        if self.again_bytes > AGAIN_BYTES_MAX {
            self.out.push(syntax::too_broken(Span { file: self.file, start: offset, end: offset }));
            return Err(Ended);
        }
        let piece = Piece { file: self.file, text, offset, depth };
        let before = self.out.len();
        match document(&piece, &mut self.spent, self.out) {
            Ok(node) => Ok(Ok(node)),
            Err(Stop::Refused(_)) => Err(Ended),
            Err(Stop::Syntax(at, kind)) => {
                self.out.truncate(before);
                Ok(Err(Some((at, kind))))
            }
        }
    }
}

/// What the parser said of a text; `None` where it is YAML but no entry.
type Fault = Option<(Span, ErrorKind)>;

fn glued_value(text: &str, span: Span) -> bool {
    text.get(span.start..span.end).is_some_and(|t| !t.is_empty())
}

fn invalid(span: Span) -> Node {
    Node { value: Value::Invalid, span, tag: None }
}
