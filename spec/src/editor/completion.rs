//! What can be written at a cursor: keys that the section has and that are not there yet, the words of a choice, and names of the
//! kind that is due.

use super::Project;
use super::cursor::{Cursor, Slot, cursor};
use super::names::{Name, Target, declarations, target};
use crate::ast::{Shape, Variants};
use crate::reference::{Key, language};
use crate::source::{FileId, Node, Span, Value};

/// What a completion is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompletionKind {
    /// A key of the language.
    Key,
    /// A word of a choice.
    Word,
    /// A name of the spec.
    Name,
}

/// One thing that can be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// As listed.
    pub label: String,
    /// What it is.
    pub kind: CompletionKind,
    /// A few words on it.
    pub detail: String,
    /// All there is to say, Markdown; may be empty.
    pub documentation: String,
    /// What is replaced.
    pub span: Span,
    /// By what.
    pub text: String,
}

/// Most completions of one request.
const COMPLETIONS_MAX: usize = 500;

impl Project {
    /// What can be written at a place.
    pub fn completions(&self, file: FileId, offset: usize) -> Vec<Completion> {
        let Some(here) = self.files.get(file.0 as usize) else { return Vec::new() };
        let Some(at) = cursor(&here.text, offset) else { return Vec::new() };
        let span = at.typed(file, &here.text, offset);
        let typed = here.text.get(at.start..offset).unwrap_or("");
        let mut all = match at.slot {
            _ if typed.contains("${") => self.variables(span, typed),
            Slot::Key => self.keys(file, &at, span),
            Slot::Value => self.values(&at, span),
            Slot::KeyOrValue => {
                let mut all = self.values(&at, span);
                all.extend(self.keys(file, &at, span));
                all
            }
        };
        all.truncate(COMPLETIONS_MAX);
        all
    }

    fn keys(&self, file: FileId, at: &Cursor, span: Span) -> Vec<Completion> {
        let names = at.names();
        let section = self.section(file, &names, at.start);
        let present: Vec<&str> = section.iter().flat_map(|n| n.entries()).map(|e| e.key.text.as_str()).collect();
        let kind = self.kind(file, &names, at.start);
        let mut all = Vec::new();
        for key in language().below(&names) {
            if key.name() == "*" {
                all.extend(self.base_names(file, &names, &present, key, span));
                continue;
            }
            let other = kind.as_deref().is_some_and(|kind| !key.kinds.is_empty() && !key.kinds.contains(&kind));
            if other || present.contains(&key.name()) {
                continue;
            }
            let opens = matches!(key.shape, Shape::Section(_) | Shape::Names(_));
            all.push(Completion {
                label: key.name().to_owned(),
                kind: CompletionKind::Key,
                detail: key.shape.describe(),
                documentation: key.markdown(),
                span,
                text: if opens { format!("{}:", key.name()) } else { format!("{}: ", key.name()) },
            });
        }
        all
    }

    /// In an overlay, the names that the base has at the same place.
    fn base_names(&self, file: FileId, names: &[&str], present: &[&str], key: &Key, span: Span) -> Vec<Completion> {
        if file.0 == 0 {
            return Vec::new();
        }
        let base = self.files.first().and_then(|f| f.tree.as_ref()).and_then(|root| below(root, names));
        let fresh = base.iter().flat_map(|n| n.entries()).filter(|e| !present.contains(&e.key.text.as_str()));
        let one = |name: &str| Completion {
            label: name.to_owned(),
            kind: CompletionKind::Name,
            detail: key.shape.describe(),
            documentation: key.markdown(),
            span,
            text: format!("{name}:"),
        };
        fresh.map(|e| one(&e.key.text)).collect()
    }

    fn values(&self, at: &Cursor, span: Span) -> Vec<Completion> {
        let Some(pattern) = language().pattern(&at.names()) else { return Vec::new() };
        if let Some(target) = target(&pattern) {
            return self.named(target, span);
        }
        let names = at.names();
        let shape = match language().key(pattern.trim_end_matches("[]")) {
            Some(key) if names.last() == Some(&"[0]") => item(&key.shape),
            Some(key) => Some(&key.shape),
            None => None,
        };
        let mut words: Vec<(&'static str, &'static str)> = Vec::new();
        shape.iter().for_each(|shape| choices(shape, &mut words));
        let word = |(word, what): (&str, &str)| Completion {
            label: word.to_owned(),
            kind: CompletionKind::Word,
            detail: what.to_owned(),
            documentation: String::new(),
            span,
            text: word.to_owned(),
        };
        words.into_iter().map(word).collect()
    }

    fn named(&self, target: Target, span: Span) -> Vec<Completion> {
        let root = self.files.first().and_then(|f| f.tree.as_ref());
        let section = |name: &str| root.and_then(|r| r.get(name));
        let is_service = |name: &str| section("services").is_some_and(|s| s.get(name).is_some());
        let store_kind = |name: &str| section("stores").and_then(|s| s.get(name)?.get("kind")?.text());
        let mut found: Vec<(String, String)> = Vec::new();
        for name in declarations(self.uses()).into_keys() {
            let entry = match (target, name) {
                (Target::Service, Name::Component(n)) if is_service(n) => (n.clone(), "service".to_owned()),
                (Target::Need | Target::Component, Name::Component(n)) if is_service(n) => {
                    (n.clone(), "service".to_owned())
                }
                (Target::Component, Name::Component(n)) => {
                    (n.clone(), format!("{} store", store_kind(n).unwrap_or("a")))
                }
                (Target::Need, Name::Component(n)) if store_kind(n) != Some("kafka") => {
                    (n.clone(), format!("{} store", store_kind(n).unwrap_or("a")))
                }
                (Target::Need, Name::Dataset(s, d)) if store_kind(s) != Some("kafka") => {
                    (format!("{s}.{d}"), format!("dataset of {s}"))
                }
                (Target::Topic, Name::Dataset(s, d)) if store_kind(s) == Some("kafka") => {
                    (format!("{s}.{d}"), format!("topic of {s}"))
                }
                (Target::Zone, Name::Zone(n)) => (n.clone(), "zone".to_owned()),
                (Target::Secret, Name::Secret(n)) => (format!("secret:{n}"), "secret".to_owned()),
                _ => continue,
            };
            found.push(entry);
        }
        if target == Target::Component {
            let singles = ["gateway", "realtime", "registry"].into_iter().filter(|n| section(n).is_some());
            found.extend(singles.map(|n| (n.to_owned(), "component".to_owned())));
        }
        let name = |(label, detail): (String, String)| Completion {
            text: label.clone(),
            label,
            kind: CompletionKind::Name,
            detail,
            documentation: String::new(),
            span,
        };
        found.into_iter().map(name).collect()
    }

    /// `${vars.NAME}` where a `${` has been typed.
    fn variables(&self, span: Span, typed: &str) -> Vec<Completion> {
        let start = span.start + typed.rfind("${").unwrap_or(0);
        let span = Span { start, ..span };
        let names = declarations(self.uses()).into_keys().filter(|n| matches!(n, Name::Variable(_)));
        let one = |name: &Name| {
            let text = format!("${{vars.{}}}", name.text());
            Completion {
                label: text.clone(),
                kind: CompletionKind::Name,
                detail: "variable".to_owned(),
                documentation: String::new(),
                span,
                text,
            }
        };
        names.map(one).collect()
    }

    /// The mapping in which a key is typed: in a list the item that holds the place.
    fn section(&self, file: FileId, names: &[&str], offset: usize) -> Option<&Node> {
        let mut node = self.files.get(file.0 as usize)?.tree.as_ref()?;
        for name in names {
            node = match &node.value {
                Value::Sequence(items) => {
                    let before = items.iter().rposition(|item| item.span.start <= offset);
                    items.get(before.unwrap_or(0))?
                }
                _ => node.get(name)?,
            };
        }
        Some(node)
    }

    /// The kind that decides which keys there are: that of the nearest section around that has one.
    fn kind(&self, file: FileId, names: &[&str], offset: usize) -> Option<String> {
        (1..=names.len()).rev().find_map(|length| {
            let names = &names[..length];
            let shape = language().at(names).map(|key| &key.shape).or_else(|| {
                let list = language().at(&names[..length - 1])?;
                item(&list.shape)
            })?;
            let Shape::Section(section) = shape else { return None };
            let Some(Variants { cases, .. }) = &section.variants else { return None };
            // An overlay says no kind; the base does.
            let files = [file, FileId(0)];
            let written = files.iter().find_map(|f| self.section(*f, names, offset)?.get("kind")?.text());
            let word = written.or(names.last().copied())?;
            cases.iter().any(|(kind, _)| *kind == word).then(|| word.to_owned())
        })
    }
}

/// The node at the end of a path of keys.
fn below<'n>(root: &'n Node, names: &[&str]) -> Option<&'n Node> {
    names.iter().try_fold(root, |node, name| node.get(name))
}

fn item(shape: &Shape) -> Option<&Shape> {
    match shape {
        Shape::List(item) | Shape::Pair(item) => Some(item),
        Shape::Either(all) => all.iter().find_map(item),
        _ => None,
    }
}

fn choices(shape: &Shape, words: &mut Vec<(&'static str, &'static str)>) {
    match shape {
        Shape::Choice { what, words: all } => words.extend(all.iter().map(|w| (*w, *what))),
        Shape::Scalar(scalar) if scalar.kind == crate::ast::ScalarKind::Boolean => {
            words.extend([("true", "yes"), ("false", "no")]);
        }
        Shape::Either(all) => all.iter().for_each(|shape| choices(shape, words)),
        _ => {}
    }
}
