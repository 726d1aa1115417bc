//! What a spec declares and where each of it is used, in the base and in every overlay.

use std::collections::BTreeMap;

use crate::reference::{Declares, Key, Refers, language};
use crate::source::{Entry, Node, Span, Spanned, Tag, Value};

/// Something that has a name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    /// A service or a store: they share one space of names.
    Component(String),
    /// A dataset of a store.
    Dataset(String, String),
    /// A column of a store's table.
    Column(String, String, String),
    /// A zone.
    Zone(String),
    /// A secret.
    Secret(String),
    /// A variable.
    Variable(String),
    /// A profile.
    Profile(String),
    /// A policy.
    Policy(String),
    /// A test.
    Test(String),
}

impl Name {
    /// As it is written where it is declared.
    pub fn text(&self) -> &str {
        match self {
            Self::Component(n) | Self::Dataset(_, n) | Self::Column(_, _, n) | Self::Zone(n) | Self::Secret(n) => n,
            Self::Variable(n) | Self::Profile(n) | Self::Policy(n) | Self::Test(n) => n,
        }
    }

    /// The same thing under another name.
    pub(super) fn renamed(&self, name: &str) -> Self {
        let name = name.to_owned();
        match self {
            Self::Component(_) => Self::Component(name),
            Self::Dataset(store, _) => Self::Dataset(store.clone(), name),
            Self::Column(store, table, _) => Self::Column(store.clone(), table.clone(), name),
            Self::Zone(_) => Self::Zone(name),
            Self::Secret(_) => Self::Secret(name),
            Self::Variable(_) => Self::Variable(name),
            Self::Profile(_) => Self::Profile(name),
            Self::Policy(_) => Self::Policy(name),
            Self::Test(_) => Self::Test(name),
        }
    }

    /// What it is.
    pub fn what(&self) -> &'static str {
        match self {
            Self::Component(_) => "component",
            Self::Dataset(..) => "dataset",
            Self::Column(..) => "column",
            Self::Zone(_) => "zone",
            Self::Secret(_) => "secret",
            Self::Variable(_) => "variable",
            Self::Profile(_) => "profile",
            Self::Policy(_) => "policy",
            Self::Test(_) => "test",
        }
    }
}

/// One place where a name stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// What is named.
    pub name: Name,
    /// Where the name stands, and nothing else.
    pub span: Span,
    /// Whether it is declared here; an overlay's key is a use.
    pub declares: bool,
}

/// The key whose value is due at a place, where a value there may declare or refer to something.
pub(super) fn key_of_value(names: &[&str]) -> Option<&'static Key> {
    let (item, at) = match names.split_last() {
        Some((last, list)) if last.starts_with('[') => (true, list),
        _ => (false, names),
    };
    let key = language().at(at)?;
    (!key.names_are_keys() && key.in_items().is_none_or(|in_items| in_items == item)).then_some(key)
}

/// Every use of a name in one file, in the order of the text. The first file is the base: only it declares, unless an overlay's key
/// says `!add`.
pub(super) fn uses(root: &Node, base: bool) -> Vec<Use> {
    let mut walk = Walk { path: Vec::new(), around: Vec::new(), base, found: Vec::new() };
    walk.node(root);
    walk.found.sort_by_key(|u| (u.span.file, u.span.start));
    walk.found
}

struct Walk<'n> {
    path: Vec<String>,
    /// The mappings around, outermost first.
    around: Vec<&'n Node>,
    base: bool,
    found: Vec<Use>,
}

impl<'n> Walk<'n> {
    /// Depth is bounded by the parser's budget.
    fn node(&mut self, node: &'n Node) {
        match &node.value {
            Value::Mapping(entries) => {
                self.around.push(node);
                for entry in entries {
                    self.path.push(entry.key.text.clone());
                    self.key(entry);
                    self.node(&entry.value);
                    self.path.pop();
                }
                self.around.pop();
            }
            Value::Sequence(items) => {
                for item in items {
                    self.path.push("[0]".to_owned());
                    self.node(item);
                    self.path.pop();
                }
            }
            Value::Scalar { text, .. } => self.scalar(&Spanned { value: text.clone(), span: node.span }),
            Value::Null | Value::Invalid => {}
        }
    }

    fn add(&mut self, name: Name, text: &Spanned<String>, start: usize, declares: bool) {
        let end = start + name.text().len();
        self.found.push(Use { name, span: text.part(start, end), declares });
    }

    /// A name that stands as a key.
    fn key(&mut self, entry: &Entry) {
        let names: Vec<&str> = self.path.iter().map(String::as_str).collect();
        let Some(key) = language().at(&names).filter(|key| key.names_are_keys()) else { return };
        let text = Spanned { value: entry.key.text.clone(), span: entry.key.span };
        let declares = self.base || entry.value.tag.is_some_and(|(tag, _)| tag == Tag::Add);
        if let Some(name) = key.declares.and_then(|declares| self.declared(declares, &text.value)) {
            self.add(name, &text, 0, declares);
        }
        match key.refers {
            Some(Refers::Component) => self.add(Name::Component(text.value.clone()), &text, 0, false),
            // `chat-1` is a node of the store `chat`, around it.
            Some(Refers::Node) => {
                if let Some(store) = self.path.get(1).cloned().filter(|store| text.value.starts_with(store)) {
                    self.add(Name::Component(store), &text, 0, false);
                }
            }
            _ => {}
        }
    }

    /// What a text declares here.
    fn declared(&self, declares: Declares, text: &str) -> Option<Name> {
        let name = text.to_owned();
        let around = |index: usize| self.path.get(index).cloned();
        Some(match declares {
            Declares::Component | Declares::Itself => Name::Component(name),
            Declares::Dataset => Name::Dataset(around(1)?, name),
            // `channel_id bigint`.
            Declares::Column => Name::Column(around(1)?, around(3)?, text.split(' ').next()?.to_owned()),
            Declares::Zone => Name::Zone(name),
            Declares::Secret => Name::Secret(name),
            Declares::Variable => Name::Variable(name),
            Declares::Profile => Name::Profile(name),
            Declares::Policy => Name::Policy(name),
            Declares::Test => Name::Test(name),
        })
    }

    fn scalar(&mut self, text: &Spanned<String>) {
        for (at, _) in text.value.match_indices("${vars.") {
            let start = at + "${vars.".len();
            if let Some(length) = text.value[start..].find('}') {
                self.add(Name::Variable(text.value[start..start + length].to_owned()), text, start, false);
            }
        }
        let names: Vec<&str> = self.path.iter().map(String::as_str).collect();
        let Some(key) = key_of_value(&names) else { return };
        if let Some(name) = key.declares.and_then(|declares| self.declared(declares, &text.value)) {
            self.add(name, text, 0, self.base);
        }
        if let Some(refers) = key.refers {
            self.refers(refers, text);
        }
    }

    /// What a text refers to.
    fn refers(&mut self, refers: Refers, text: &Spanned<String>) {
        let name = text.value.clone();
        match refers {
            Refers::Zone => self.add(Name::Zone(name), text, 0, false),
            Refers::Profile => self.add(Name::Profile(name), text, 0, false),
            Refers::Secret => {
                if let Some(name) = name.strip_prefix("secret:") {
                    self.add(Name::Secret(name.to_owned()), text, "secret:".len(), false);
                }
            }
            Refers::Loss => match name.split(' ').collect::<Vec<_>>().as_slice() {
                ["zone", zone, ..] => self.add(Name::Zone((*zone).to_owned()), text, "zone ".len(), false),
                ["one", one, ..] => self.add(Name::Component((*one).to_owned()), text, "one ".len(), false),
                _ => {}
            },
            Refers::Column => {
                let hashed = name.strip_prefix("hash(").and_then(|rest| rest.strip_suffix(')'));
                if let (Some(store), Some(table)) = (self.path.get(1).cloned(), self.path.get(3).cloned()) {
                    let start = if hashed.is_some() { "hash(".len() } else { 0 };
                    let column = hashed.unwrap_or(&name).to_owned();
                    self.add(Name::Column(store, table, column), text, start, false);
                }
            }
            Refers::ColumnAsked => {
                let asked = self.around.last().and_then(|query| query.get("on")?.text());
                if let Some((store, table)) = asked.and_then(|asked| asked.split_once('.')) {
                    self.add(Name::Column(store.to_owned(), table.to_owned(), name), text, 0, false);
                }
            }
            Refers::Service | Refers::Need | Refers::Topic | Refers::Queried | Refers::Component | Refers::Node => {
                match name.split_once('.') {
                    Some((store, dataset)) => {
                        self.add(Name::Component(store.to_owned()), text, 0, false);
                        self.add(Name::Dataset(store.to_owned(), dataset.to_owned()), text, store.len() + 1, false);
                    }
                    None => self.add(Name::Component(name), text, 0, false),
                }
            }
        }
    }
}

/// What is declared, for completion: each name with the place of its declaration.
pub(super) fn declarations<'u>(all: impl Iterator<Item = &'u Use>) -> BTreeMap<&'u Name, Span> {
    let mut found = BTreeMap::new();
    for one in all.filter(|u| u.declares) {
        found.entry(&one.name).or_insert(one.span);
    }
    found
}
