//! From text to the YAML tree, within budgets and without recursion. Refuses what a spec must not contain: several
//! documents, anchors, aliases, merge keys, duplicate keys, foreign tags, and files too large or too deep.

use std::collections::BTreeMap;

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle};

use super::recover::recover;
use super::{Entry, FileId, Key, Node, Span, Tag, Value, clean, indentation};
use crate::checks::{anchor, duplicate_key, foreign_tag, multiple_documents, syntax, too_deep, too_large, wrong_type};
use crate::diagnostic::Diagnostic;

/// Largest file that is read, bytes: room for a hundred thousand services.
pub const FILE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Deepest nesting of mappings and lists.
pub const DEPTH_MAX: usize = 64;
/// Most values in one file: bounds memory where values are tiny.
const NODES_MAX: usize = 2_000_000;
/// After so many faults of form the rest of the file is not read.
const FAULTS_MAX: usize = 100;

/// Parses one file. The tree is `None` where nothing sensible can be made of the text; faults are added to `out`. A fault
/// of syntax costs the entry that it stands in, not the file: see `recover`.
pub fn parse(file: FileId, text: &str, out: &mut Vec<Diagnostic>) -> Option<Node> {
    if text.len() > FILE_BYTES_MAX {
        out.push(too_large::bytes(file, text.len()));
        return None;
    }
    let text = &*clean::without_controls(file, text, out);
    let text = &*clean::without_conflicts(file, text, out);
    let before = out.len();
    let piece = Piece { file, text, offset: 0, depth: 0 };
    match document(&piece, &mut Spent::default(), out) {
        Ok(root) => root,
        Err(Stop::Refused(root)) => root,
        Err(Stop::Syntax(at, kind)) => {
            // The pieces report again what the whole reported before it broke.
            out.truncate(before);
            indentation::read(file, text, at.start, out).unwrap_or_else(|| recover(file, text, (at, kind), out))
        }
    }
}

/// A part of a file that is parsed on its own.
pub(super) struct Piece<'a> {
    pub(super) file: FileId,
    pub(super) text: &'a str,
    /// Where the text begins in the file, bytes.
    pub(super) offset: usize,
    /// How deep in the file's tree it stands.
    pub(super) depth: usize,
}

/// What was used of the budgets that all pieces of one file share.
#[derive(Debug, Default)]
pub(super) struct Spent {
    faults: usize,
    nodes: usize,
}

/// Why a piece gave no tree.
pub(super) enum Stop {
    /// The rest is not worth reading and the reason has been reported; what was complete before it is given.
    Refused(Option<Node>),
    /// It is no YAML.
    Syntax(Span, ErrorKind),
}

/// The tree of one piece; `None` where it holds nothing but white space and comments.
pub(super) fn document(piece: &Piece<'_>, spent: &mut Spent, out: &mut Vec<Diagnostic>) -> Result<Option<Node>, Stop> {
    let mut builder = Builder { piece, out, spent, stack: Vec::new(), root: None, documents: 0 };
    // Both limits lie above our own budget, which the builder checks over both kinds of nesting together; they only
    // keep the scanner from queueing what we would refuse anyway.
    let mut options = granit_parser::options! { flow_nesting_limit: DEPTH_MAX + 2, block_nesting_limit: DEPTH_MAX + 2, emit_anchor_events: true, emit_unresolved_aliases: true };
    options.set_emit_comments(false);
    let mut parser = Parser::new_from_str_with_options(piece.text, options);
    while let Some(event) = parser.next_event() {
        match event {
            Ok((event, span)) => {
                if builder.event(event, span).is_err() {
                    return Err(Stop::Refused(builder.root));
                }
            }
            Err(error) => {
                let at = builder.at(error.marker());
                if *error.kind() != ErrorKind::RecursionLimitExceeded {
                    return Err(Stop::Syntax(at, error.kind().clone()));
                }
                builder.out.push(too_deep::at(at));
                return Err(Stop::Refused(None));
            }
        }
    }
    Ok(builder.root)
}

/// The rest of the file is not worth reading: the reason has been reported.
struct Refused;

enum Open {
    Sequence(Vec<Node>),
    /// Entries, the key that waits for its value, and the keys before.
    Mapping(Vec<Entry>, Option<Key>, Seen),
}

struct Frame {
    open: Open,
    start: Span,
    tag: Option<(Tag, Span)>,
    block: bool,
}

struct Builder<'a> {
    piece: &'a Piece<'a>,
    out: &'a mut Vec<Diagnostic>,
    spent: &'a mut Spent,
    stack: Vec<Frame>,
    root: Option<Node>,
    documents: usize,
}

impl Builder<'_> {
    fn event(&mut self, event: Event<'_>, span: granit_parser::Span) -> Result<(), Refused> {
        let at = self.span(&span);
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    self.out.push(multiple_documents::at(at));
                    return Err(Refused);
                }
            }
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                self.fault(anchor::alias(at))?;
                self.place(Node { value: Value::Invalid, span: at, tag: None })?;
            }
            Event::Anchor(..) => self.fault(anchor::anchor(at))?,
            Event::Scalar(text, style, _, tag) => {
                let tag = self.tag(tag.as_deref(), &span)?;
                let quoted = style != ScalarStyle::Plain;
                let null = !quoted && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                let value = if null { Value::Null } else { Value::Scalar { text: text.into_owned(), quoted } };
                let at = self.trimmed(at);
                if matches!(style, ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted) {
                    self.indented(at)?;
                }
                self.place(Node { value, span: at, tag })?;
            }
            Event::SequenceStart(style, _, tag) => {
                let tag = self.tag(tag.as_deref(), &span)?;
                self.open(Open::Sequence(Vec::new()), at, tag, style)?;
            }
            Event::MappingStart(style, _, tag) => {
                let tag = self.tag(tag.as_deref(), &span)?;
                self.open(Open::Mapping(Vec::new(), None, Seen::default()), at, tag, style)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(at)?,
            _ => {}
        }
        Ok(())
    }

    fn open(
        &mut self,
        open: Open,
        start: Span,
        tag: Option<(Tag, Span)>,
        style: granit_parser::StructureStyle,
    ) -> Result<(), Refused> {
        if self.piece.depth + self.stack.len() >= DEPTH_MAX {
            self.out.push(too_deep::at(start));
            return Err(Refused);
        }
        let block = style == granit_parser::StructureStyle::Block;
        self.stack.push(Frame { open, start, tag, block });
        Ok(())
    }

    fn close(&mut self, end: Span) -> Result<(), Refused> {
        let Some(frame) = self.stack.pop() else { return Ok(()) };
        let (value, first, last) = match frame.open {
            Open::Sequence(items) => {
                let ends = (items.first().map(|n| n.span), items.last().map(|n| n.span));
                (Value::Sequence(items), ends.0, ends.1)
            }
            Open::Mapping(entries, ..) => {
                let ends = (entries.first().map(|e| e.key.span), entries.last().map(|e| e.key.span.to(e.value.span)));
                // `{{ name }}` is a template of other tools: its key has been reported.
                let template = !frame.block && matches!(entries.as_slice(), [one] if self.is_nested(&one.key));
                (if template { Value::Invalid } else { Value::Mapping(entries) }, ends.0, ends.1)
            }
        };
        // A block collection has no closing sign: its end event stands where the next thing begins.
        let span = match (frame.block, first, last) {
            (true, Some(first), Some(last)) => first.to(last),
            (true, ..) => frame.start,
            (false, ..) => frame.start.to(end),
        };
        if !frame.block {
            self.indented(span)?;
        }
        self.place(Node { value, span, tag: frame.tag })
    }

    /// Whether a key was a mapping or a list, and has been reported.
    fn is_nested(&self, key: &Key) -> bool {
        key.text.is_empty() && self.piece.text[key.span.start - self.piece.offset..].starts_with(['{', '['])
    }

    /// Lines that continue a value stand deeper than its owner, or a person could not tell where the value ends. A closing bracket may
    /// stand below its owner's first letter.
    fn indented(&mut self, value: Span) -> Result<(), Refused> {
        let Some(owner) = self.stack.last().filter(|f| f.block).map(|f| f.start.start - self.piece.offset) else {
            return Ok(());
        };
        let text = self.piece.text;
        let start = value.start - self.piece.offset;
        let written = text.get(start..value.end - self.piece.offset).unwrap_or("");
        if !written.contains('\n') {
            return Ok(());
        }
        let column = owner - text[..owner].rfind('\n').map_or(0, |at| at + 1);
        let mut at = value.start;
        for line in written.split_inclusive('\n') {
            let rest = line.trim_start();
            let spaces = line.len() - line.trim_start_matches(' ').len();
            let judged = at > value.start && !rest.is_empty() && !rest.starts_with([']', '}', '#']);
            if judged && spaces <= column {
                let start = at + line.len() - rest.len();
                let place = Span { start, end: start + rest.trim_end().len(), ..value };
                return self.fault(syntax::at(place, &ErrorKind::InvalidIndentation));
            }
            at += line.len();
        }
        Ok(())
    }

    /// Puts a finished node where it belongs: key, value, item or root.
    fn place(&mut self, node: Node) -> Result<(), Refused> {
        self.spent.nodes += 1;
        if self.spent.nodes > NODES_MAX {
            self.out.push(too_large::values(node.span, NODES_MAX));
            return Err(Refused);
        }
        let Some(frame) = self.stack.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        let fault = match &mut frame.open {
            Open::Sequence(items) => {
                items.push(node);
                None
            }
            Open::Mapping(entries, pending, keys) => match pending.take() {
                Some(key) => {
                    entries.push(Entry { key, value: node });
                    None
                }
                None => {
                    let (key, fault) = key_of(node, entries, keys);
                    *pending = Some(key);
                    fault
                }
            },
        };
        match fault {
            Some(fault) => self.fault(fault),
            None => Ok(()),
        }
    }

    fn fault(&mut self, fault: Diagnostic) -> Result<(), Refused> {
        self.out.push(fault);
        self.spent.fault().then_some(()).ok_or(Refused)
    }

    fn tag(
        &mut self,
        tag: Option<&granit_parser::Tag>,
        span: &granit_parser::Span,
    ) -> Result<Option<(Tag, Span)>, Refused> {
        let Some(tag) = tag else { return Ok(None) };
        let at = span.tag_span().map_or_else(|| self.span(span), |s| self.span(&s));
        let known = [Tag::Unset, Tag::Replace, Tag::Add].into_iter().find(|t| t.name() == tag.original());
        match known {
            Some(known) => Ok(Some((known, at))),
            None => {
                self.fault(foreign_tag::at(at, &tag.original()))?;
                Ok(None)
            }
        }
    }

    fn span(&self, span: &granit_parser::Span) -> Span {
        let range = span.byte_range().unwrap_or(0..0);
        let start = self.piece.offset + range.start;
        Span { file: self.piece.file, start, end: start.max(self.piece.offset + range.end) }
    }

    /// The same span without the white space at its end (block scalars and empty values).
    fn trimmed(&self, span: Span) -> Span {
        let offset = self.piece.offset;
        let text = self.piece.text.get(span.start - offset..span.end - offset).unwrap_or("");
        Span { end: span.start + text.trim_end().len(), ..span }
    }

    fn at(&self, marker: &granit_parser::Marker) -> Span {
        let start = marker.byte_offset().unwrap_or(0).min(self.piece.text.len());
        let rest = self.piece.text.get(start..).unwrap_or("");
        let width = rest.chars().next().filter(|c| *c != '\n').map_or(0, char::len_utf8);
        let start = self.piece.offset + start;
        Span { file: self.piece.file, start, end: start + width }
    }
}

impl Spent {
    /// Counts one fault. False where it is one too many.
    pub(super) fn fault(&mut self) -> bool {
        self.faults += 1;
        self.faults < FAULTS_MAX
    }
}

/// The keys of one mapping with their places. Few are looked for among the entries themselves: nearly every mapping is small.
#[derive(Default)]
struct Seen {
    keys: BTreeMap<String, Span>,
    /// How many entries are among them.
    entries: usize,
}

/// Mappings of more keys have them in order.
const UNORDERED_KEYS_MAX: usize = 16;

impl Seen {
    /// Where this key stands already among the entries read so far.
    fn first(&mut self, entries: &[Entry], text: &str) -> Option<Span> {
        if entries.len() <= UNORDERED_KEYS_MAX {
            return entries.iter().find(|e| e.key.text == text).map(|e| e.key.span);
        }
        for entry in &entries[self.entries..] {
            self.keys.entry(entry.key.text.clone()).or_insert(entry.key.span);
        }
        self.entries = entries.len();
        self.keys.get(text).copied()
    }
}

/// Reads a node as a key. A key that is no plain text, stands twice, or is a merge key is a fault.
fn key_of(node: Node, entries: &[Entry], seen: &mut Seen) -> (Key, Option<Diagnostic>) {
    let span = node.span;
    let (text, mut fault) = match node.value {
        Value::Scalar { text, .. } => (text, None),
        Value::Null => ("null".to_owned(), None),
        // An alias as key has been reported when it was met.
        Value::Invalid => (String::new(), None),
        Value::Sequence(_) => (String::new(), Some(wrong_type::at(span, "a key", "text", "a list", None))),
        Value::Mapping(_) => {
            let help = "a spec has no templates: a variable is written `${vars.name}`".to_owned();
            (String::new(), Some(wrong_type::at(span, "a key", "text", "a mapping", Some(help))))
        }
    };
    if text == "<<" {
        fault = Some(anchor::merge_key(span));
    } else if fault.is_none() && !text.is_empty() {
        fault = seen.first(entries, &text).map(|first| duplicate_key::at(span, &text, first));
    }
    // A key that was reported gets a name that nothing looks for, so that one fault is not reported twice.
    let text = if fault.is_some() { String::new() } else { text };
    (Key { text, span }, fault)
}
