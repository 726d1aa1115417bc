//! What can be written at a cursor: keys that the section has and that are not there yet, the words of a choice, and names of the
//! kind that is due.

use super::Project;
use super::cursor::{Cursor, Slot, cursor};
use super::names::{Name, declarations, key_of_value};
use crate::ast::{Shape, Variants};
use crate::reference::{Key, Refers, language};
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
/// Most nodes of a store that are listed.
const NODES_MAX: usize = 100;

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
            Slot::Value => self.values(file, &at, (typed, span)),
            Slot::KeyOrValue => {
                let mut all = self.values(file, &at, (typed, span));
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
                all.extend(self.named_keys(&names, &present, key, span));
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

    fn values(&self, file: FileId, at: &Cursor, (typed, span): (&str, Span)) -> Vec<Completion> {
        let names = at.names();
        if let Some(refers) = key_of_value(&names).and_then(|key| key.refers) {
            return self.named(refers, (file, &names, at.start), span);
        }
        let Some(pattern) = language().pattern(&names) else { return Vec::new() };
        if matches!(pattern.as_str(), "policies[].check" | "tests[].check") {
            return self.facts(file, &names, at.start, (typed, span));
        }
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

    /// Names of the right kind for a place.
    fn named(&self, refers: Refers, (file, names, offset): (FileId, &[&str], usize), span: Span) -> Vec<Completion> {
        let root = self.files.first().and_then(|f| f.tree.as_ref());
        let section = |name: &str| root.and_then(|r| r.get(name));
        let is_service = |name: &str| section("services").is_some_and(|s| s.get(name).is_some());
        let store_kind = |name: &str| section("stores").and_then(|s| s.get(name)?.get("kind")?.text());
        let is_store = |name: &str| section("stores").is_some_and(|s| s.get(name).is_some());
        let store = |name: &str| match is_store(name) {
            true => format!("{} store", store_kind(name).unwrap_or("a")),
            false => "component".to_owned(),
        };
        let is_log = |name: &str| store_kind(name) == Some("kafka");
        // The table around the place, or the one that the query asks.
        let table = match refers {
            Refers::Column => names.get(1).zip(names.get(3)).map(|(store, table)| (*store, *table)),
            Refers::ColumnAsked => {
                let query = names.get(..4).and_then(|names| self.section(file, names, offset));
                query.and_then(|query| query.get("on")?.text()?.split_once('.'))
            }
            _ => None,
        };
        let mut found: Vec<(String, String)> = Vec::new();
        for name in declarations(self.uses()).into_keys() {
            let entry = match (refers, name) {
                (Refers::Service | Refers::Need | Refers::Component, Name::Component(n)) if is_service(n) => {
                    (n.clone(), "service".to_owned())
                }
                (Refers::Loss, Name::Component(n)) => (format!("one {n} for 5s"), "loss of one instance".to_owned()),
                (Refers::Loss, Name::Zone(n)) => (format!("zone {n} for 60s"), "loss of a zone".to_owned()),
                (Refers::Component, Name::Component(n)) => (n.clone(), store(n)),
                (Refers::Need, Name::Component(n)) if is_store(n) && !is_log(n) => (n.clone(), store(n)),
                (Refers::Need | Refers::Queried, Name::Dataset(s, d)) if !is_log(s) => {
                    (format!("{s}.{d}"), format!("dataset of {s}"))
                }
                (Refers::Topic, Name::Dataset(s, d)) if is_log(s) => (format!("{s}.{d}"), format!("topic of {s}")),
                (Refers::Zone, Name::Zone(n)) => (n.clone(), "zone".to_owned()),
                (Refers::Profile, Name::Profile(n)) => (n.clone(), "profile".to_owned()),
                (Refers::Secret, Name::Secret(n)) => (format!("secret:{n}"), "secret".to_owned()),
                (Refers::Column | Refers::ColumnAsked, Name::Column(s, t, c))
                    if table == Some((s.as_str(), t.as_str())) =>
                {
                    let hashed = names.last() == Some(&"by") && refers == Refers::Column;
                    (if hashed { format!("hash({c})") } else { c.clone() }, format!("column of {s}.{t}"))
                }
                _ => continue,
            };
            found.push(entry);
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

    /// Components, or nodes of the store around, where names of them are keys.
    fn named_keys(&self, names: &[&str], present: &[&str], key: &Key, span: Span) -> Vec<Completion> {
        let root = self.files.first().and_then(|f| f.tree.as_ref());
        let fresh: Vec<String> = match key.refers {
            Some(refers @ Refers::Component) => {
                self.named(refers, (FileId(0), names, 0), span).into_iter().map(|c| c.label).collect()
            }
            Some(Refers::Node) => {
                let store = names.get(1).copied().unwrap_or_default();
                let nodes = root.and_then(|r| r.get("stores")?.get(store)?.get("nodes")?.text()?.parse().ok());
                (1..=nodes.unwrap_or(1_usize).min(NODES_MAX)).map(|node| format!("{store}-{node}")).collect()
            }
            _ => Vec::new(),
        };
        let one = |name: String| Completion {
            text: format!("{name}: "),
            label: name,
            kind: CompletionKind::Name,
            detail: key.shape.describe(),
            documentation: key.markdown(),
            span,
        };
        fresh.into_iter().filter(|name| !present.contains(&name.as_str())).map(one).collect()
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
    pub(super) fn section(&self, file: FileId, names: &[&str], offset: usize) -> Option<&Node> {
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
