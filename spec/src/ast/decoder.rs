//! The collecting decoder: it reports every fault of form and goes on. Nothing here knows a particular section.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::Shape;
use crate::checks::{foreign_key, language_version, missing_key, syntax, unknown_key, wrong_type};
use crate::diagnostic::{Diagnostic, Fix};
use crate::source::{Entry, Node, Span, Spanned, Value};

/// A value that may be absent, or present and faulty (and then reported).
pub type Field<T> = Option<Spanned<T>>;

/// An entry of a mapping whose keys are names.
#[derive(Debug, Clone)]
pub struct Named<T> {
    /// The name.
    pub name: Spanned<String>,
    /// What is said about it.
    pub value: T,
}

/// Reads one node as one shape.
pub trait Decode: Sized {
    /// Reads it. `None` after a report.
    fn decode(node: &Node, decoder: &mut Decoder<'_>) -> Option<Self>;

    /// What is accepted.
    fn shape() -> Shape;
}

/// The names from the root to what is being read, in one text: a mapping of a hundred thousand names is walked without a text for
/// each.
#[derive(Debug, Default)]
struct Trail {
    /// The names, joined by dots.
    text: String,
    /// Where each begins.
    starts: Vec<usize>,
}

impl Trail {
    fn push(&mut self, name: std::fmt::Arguments<'_>) {
        if !self.starts.is_empty() {
            self.text.push('.');
        }
        self.starts.push(self.text.len());
        let _ = self.text.write_fmt(name);
    }

    fn pop(&mut self) {
        if let Some(start) = self.starts.pop() {
            self.text.truncate(start.saturating_sub(1));
        }
    }

    fn names(&self) -> impl DoubleEndedIterator<Item = &str> {
        let end = |index: usize| self.starts.get(index + 1).map_or(self.text.len(), |next| next - 1);
        self.starts.iter().enumerate().map(move |(index, start)| &self.text[*start..end(index)])
    }

    /// Whether this is an item of a list.
    fn is_item(&self) -> bool {
        self.starts.last().is_some_and(|start| self.text[*start..].starts_with('['))
    }
}

/// State of one decoding.
pub struct Decoder<'a> {
    out: &'a mut Vec<Diagnostic>,
    path: Trail,
    /// Kind of the store that is being read: it decides which keys its datasets have.
    pub(super) store_kind: Option<crate::topology::StoreKind>,
    /// Where the innermost section is named, and the outer ones before it.
    places: Vec<Span>,
    /// Dotted paths of names and items whose value could not be read.
    unread: BTreeSet<String>,
}

impl<'a> Decoder<'a> {
    /// A decoder that reports to `out`.
    pub fn new(out: &'a mut Vec<Diagnostic>) -> Self {
        Self { out, path: Trail::default(), store_kind: None, places: Vec::new(), unread: BTreeSet::new() }
    }

    /// Reports.
    pub fn report(&mut self, diagnostic: Diagnostic) {
        self.out.push(diagnostic);
    }

    /// The dotted path of what is being read.
    pub fn path(&self) -> String {
        self.path.text.clone()
    }

    /// The path's last name in back quotes, or `the spec`.
    pub fn subject(&self) -> String {
        // As `archgen explain` takes it: `sim.faults[0].for`.
        if self.path.starts.is_empty() {
            "the spec".to_owned()
        } else {
            format!("`{}`", self.path().replace(".[", "["))
        }
    }

    /// At the root, everything whose value could not be read; elsewhere nothing.
    pub(super) fn unread(&mut self) -> BTreeSet<String> {
        if self.path.starts.is_empty() { std::mem::take(&mut self.unread) } else { BTreeSet::new() }
    }

    /// The names on the path from the root.
    pub fn names(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.path.names()
    }

    /// Reads a value that stands under a key.
    pub fn under<T: Decode>(&mut self, key: &str, key_span: Span, node: &Node) -> Field<T> {
        self.path.push(format_args!("{key}"));
        self.places.push(key_span);
        let value = T::decode(node, self);
        self.path.pop();
        self.places.pop();
        // A collection is best pointed at by its name, a scalar by itself.
        let span = if matches!(node.value, Value::Scalar { .. }) { node.span } else { key_span };
        value.map(|value| Spanned { value, span })
    }

    /// Reports that something else was expected, unless the node has been reported already.
    pub fn expected(&mut self, node: &Node, expected: &str, help: Option<String>) {
        if matches!(node.value, Value::Invalid) {
            return;
        }
        let span = self.place_of(node);
        let fault = wrong_type::at(span, &self.subject(), expected, &node.describe(), help);
        self.report(fault);
    }

    /// Reports a value in quotes that must stand without them.
    pub fn unquoted(&mut self, node: &Node, expected: &str, text: &str) {
        let fault = wrong_type::at(node.span, &self.subject(), expected, &node.describe(), None);
        self.report(fault.with_help(format!("drop the quotes: {text}")).with_fix(Fix::replace(node.span, text)));
    }

    /// Reports a text that is no such value, with what is probably meant and what is accepted.
    pub fn unlike(&mut self, node: &Node, expected: &str, right: Option<String>, accepted: &str) {
        let fault = wrong_type::at(node.span, &self.subject(), expected, &node.describe(), None);
        let comment = node.text().is_some_and(|text| text.contains('#'));
        let help = match &right {
            Some(right) => format!("did you mean `{right}`? accepted: {accepted}"),
            None if comment => format!("a comment has a blank before its `#`; accepted: {accepted}"),
            None => format!("accepted: {accepted}"),
        };
        self.report(fault.with_help(help).with_fix(right.map(|right| Fix::replace(node.span, right))));
    }

    /// The best place to point at: the node itself, or the key above it where the node is empty or spans many lines.
    pub fn place_of(&self, node: &Node) -> Span {
        let empty = node.span.start >= node.span.end;
        let block = matches!(node.value, Value::Mapping(_) | Value::Sequence(_));
        if empty || block { self.places.last().copied().unwrap_or(node.span) } else { node.span }
    }
}

/// The keys of one mapping while it is read.
pub struct Keys<'a> {
    entries: &'a [Entry],
    here: Span,
    known: &'static [&'static str],
    limit: Option<(String, Vec<&'static str>)>,
    /// The kind that decides the keys is missing or wrong, which is reported elsewhere.
    undecided: bool,
}

impl<'a> Keys<'a> {
    /// The key of a field: the field's name without the raw-identifier mark.
    pub const fn name(field: &'static str) -> &'static str {
        match field.as_bytes() {
            [b'r', b'#', ..] => field.split_at(2).1,
            _ => field,
        }
    }

    /// Starts reading a mapping. `None` after a report where the node is none.
    pub fn open(node: &'a Node, decoder: &mut Decoder<'_>, known: &'static [&'static str]) -> Option<Self> {
        let Value::Mapping(entries) = &node.value else {
            decoder.expected(node, "a mapping", Some(format!("its keys are {}", unknown_key::list(known))));
            return None;
        };
        let first = entries.first().map_or(node.span, |e| e.key.span);
        // An item of a list has no name of its own, so its first key stands for it.
        let here = if decoder.path.is_item() || decoder.places.is_empty() {
            first
        } else {
            decoder.places.last().copied().unwrap_or(first)
        };
        Some(Self { entries, here, known, limit: None, undecided: false })
    }

    /// Narrows the keys to what this kind of thing has: its description and the keys.
    pub fn limit(&mut self, limit: Option<(String, Vec<&'static str>)>) {
        self.undecided = limit.is_none();
        self.limit = limit;
    }

    /// Where the section is named.
    pub fn here(&self) -> Span {
        self.here
    }

    /// The known keys that are written.
    pub fn said(&self) -> Vec<&'static str> {
        let written = |key: &&&str| self.entries.iter().any(|e| e.key.text == ***key);
        self.known.iter().filter(written).copied().collect()
    }

    /// Reads the value of a key, where it is present.
    pub fn take<T: Decode>(&mut self, key: &'static str, decoder: &mut Decoder<'_>) -> Field<T> {
        if self.limit.as_ref().is_some_and(|(_, keys)| !keys.contains(&key)) {
            return None;
        }
        let entry = self.entries.iter().find(|e| e.key.text == key)?;
        decoder.under(key, entry.key.span, &entry.value)
    }

    /// Reports unknown keys and missing required ones. Gives the keys that misspelt and foreign ones mean.
    pub fn close(self, required: &[&'static str], decoder: &mut Decoder<'_>) -> Vec<&'static str> {
        let known: &[&'static str] = match &self.limit {
            Some((_, keys)) => keys,
            None => self.known,
        };
        let subject = |decoder: &Decoder<'_>| match &self.limit {
            Some((what, _)) => format!("{} ({what})", decoder.subject()),
            None => decoder.subject(),
        };
        // What a misspelt or foreign key means is not missing as well.
        let mut meant: Vec<&'static str> = Vec::new();
        for entry in self.entries {
            let key = entry.key.text.as_str();
            if key.is_empty() || known.contains(&key) {
                continue;
            }
            let (mut fault, ours) = self.stranger(entry, &subject(decoder), known);
            // What is there already cannot be written a second time.
            if ours.is_some_and(|ours| meant.contains(&ours) || self.entries.iter().any(|e| e.key.text == ours)) {
                fault.fix = None;
            }
            meant.extend(ours);
            decoder.report(fault);
        }
        for key in required {
            let present = self.entries.iter().any(|e| e.key.text == *key);
            let due = known.contains(key) && (!self.undecided || *key == "kind");
            if due && !present && !meant.contains(key) {
                let names: Vec<&str> = decoder.names().collect();
                let language = names.is_empty() && *key == "archgen";
                decoder.report(match self.entries.first().filter(|_| language) {
                    Some(first) => language_version::missing(first.key.span),
                    None => missing_key::at(self.here, &names, key, &subject(decoder)),
                });
            }
        }
        meant
    }
}

impl Keys<'_> {
    /// The report on a key that the section does not have, and the key that it means.
    fn stranger(&self, entry: &Entry, subject: &str, known: &[&'static str]) -> (Diagnostic, Option<&'static str>) {
        let key = entry.key.text.as_str();
        // `{ to:user }` is a key without a value.
        let glued = key.split_once(':').filter(|(_, value)| !value.is_empty() && entry.value.value == Value::Null);
        let span = entry.key.span;
        if let Some((name, value)) = glued.filter(|_| span.end - span.start == key.len())
            && let Some(ours) = known.iter().find(|ours| **ours == name)
        {
            let colon = Span { start: span.start + name.len(), end: span.start + name.len() + 1, ..span };
            return (syntax::no_blank(colon, name, value), Some(ours));
        }
        foreign_key::at(span, (key, entry.value.text()), subject, known)
            .unwrap_or_else(|| (unknown_key::at(span, key, subject, known), unknown_key::meant(key, known)))
    }
}

impl<T: Decode> Decode for Vec<Spanned<T>> {
    fn decode(node: &Node, decoder: &mut Decoder<'_>) -> Option<Self> {
        let Value::Sequence(items) = &node.value else {
            decoder.expected(node, "a list", Some("write it as `[a, b]`".to_owned()));
            return None;
        };
        let mut all = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            decoder.path.push(format_args!("[{index}]"));
            if let Some(value) = T::decode(item, decoder) {
                let span = match item.entries().first() {
                    Some(first) => first.key.span,
                    None => item.span,
                };
                all.push(Spanned { value, span });
            } else {
                decoder.unread.insert(decoder.path());
            }
            decoder.path.pop();
        }
        Some(all)
    }

    fn shape() -> Shape {
        Shape::List(Box::new(T::shape()))
    }
}

impl<T: Decode> Decode for Vec<Named<T>> {
    fn decode(node: &Node, decoder: &mut Decoder<'_>) -> Option<Self> {
        let Value::Mapping(entries) = &node.value else {
            decoder.expected(node, "a mapping of names", Some("write it as `name: { … }`".to_owned()));
            return None;
        };
        let mut all = Vec::with_capacity(entries.len());
        for entry in entries.iter().filter(|e| !e.key.text.is_empty()) {
            if let Some(value) = decoder.under(&entry.key.text, entry.key.span, &entry.value) {
                let name = Spanned { value: entry.key.text.clone(), span: entry.key.span };
                all.push(Named { name, value: value.value });
            } else {
                decoder.path.push(format_args!("{}", entry.key.text));
                decoder.unread.insert(decoder.path());
                decoder.path.pop();
            }
        }
        Some(all)
    }

    fn shape() -> Shape {
        Shape::Names(Box::new(T::shape()))
    }
}
