//! What a spec declares and where each of it is used, in the base and in every overlay.

use std::collections::BTreeMap;

use crate::reference::language;
use crate::source::{Node, Span, Spanned, Value};

/// Something that has a name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    /// A service or a store: they share one space of names.
    Component(String),
    /// A dataset of a store.
    Dataset(String, String),
    /// A zone.
    Zone(String),
    /// A secret.
    Secret(String),
    /// A variable.
    Variable(String),
}

impl Name {
    /// As it is written where it is declared.
    pub fn text(&self) -> &str {
        match self {
            Self::Component(n) | Self::Dataset(_, n) | Self::Zone(n) | Self::Secret(n) | Self::Variable(n) => n,
        }
    }

    /// What it is.
    pub fn what(&self) -> &'static str {
        match self {
            Self::Component(_) => "component",
            Self::Dataset(..) => "dataset",
            Self::Zone(_) => "zone",
            Self::Secret(_) => "secret",
            Self::Variable(_) => "variable",
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

/// What a value refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// A service.
    Service,
    /// A service, a store, or `store.dataset`; no log.
    Need,
    /// `store.topic`.
    Topic,
    /// Any component.
    Component,
    /// A zone.
    Zone,
    /// `secret:name`.
    Secret,
}

/// What a value at a place of the language refers to.
pub(super) fn target(pattern: &str) -> Option<Target> {
    Some(match pattern {
        "gateway.routes.*.to" | "gateway.auth.by" => Target::Service,
        "services.*.needs[]" | "realtime.needs[]" => Target::Need,
        "services.*.publishes[]" | "services.*.consumes[]" => Target::Topic,
        "sim.faults[].on" | "sim.faults[].between[]" => Target::Component,
        "sim.faults[].zone" => Target::Zone,
        "gateway.tls" | "services.*.environment.*" => Target::Secret,
        path if path.starts_with("stores.*.") && path.ends_with("password") => Target::Secret,
        _ => return None,
    })
}

/// Where a name is declared, by the pattern of its key.
fn declared(pattern: &str, path: &[String], key: &str) -> Option<Name> {
    Some(match pattern {
        "services.*" | "stores.*" => Name::Component(key.to_owned()),
        "secrets.*" => Name::Secret(key.to_owned()),
        "vars.*" => Name::Variable(key.to_owned()),
        "stores.*.tables.*"
        | "stores.*.collections.*"
        | "stores.*.topics.*"
        | "stores.*.indexes.*"
        | "stores.*.buckets.*" => Name::Dataset(path.get(1)?.clone(), key.to_owned()),
        _ => return None,
    })
}

/// Every use of a name in one file, in the order of the text. The first file is the base: only it declares, unless an overlay's key
/// says `!add`.
pub(super) fn uses(root: &Node, base: bool) -> Vec<Use> {
    let mut walk = Walk { path: Vec::new(), base, found: Vec::new() };
    walk.node(root);
    walk.found.sort_by_key(|u| (u.span.file, u.span.start));
    walk.found
}

struct Walk {
    path: Vec<String>,
    base: bool,
    found: Vec<Use>,
}

impl Walk {
    /// Depth is bounded by the parser's budget.
    fn node(&mut self, node: &Node) {
        match &node.value {
            Value::Mapping(entries) => {
                for entry in entries {
                    self.path.push(entry.key.text.clone());
                    let pattern = self.pattern();
                    if let Some(name) = declared(&pattern, &self.path, &entry.key.text) {
                        let span = Spanned { value: entry.key.text.clone(), span: entry.key.span };
                        let span = span.part(0, entry.key.text.len());
                        let declares = self.base || entry.value.tag.is_some_and(|(t, _)| t == crate::source::Tag::Add);
                        self.found.push(Use { name, span, declares });
                    }
                    self.node(&entry.value);
                    self.path.pop();
                }
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

    fn pattern(&self) -> String {
        let names: Vec<&str> = self.path.iter().map(String::as_str).collect();
        language().pattern(&names).unwrap_or_default()
    }

    fn scalar(&mut self, text: &Spanned<String>) {
        let pattern = self.pattern();
        let mut add = |name: Name, start: usize, declares: bool| {
            let end = start + name.text().len();
            self.found.push(Use { name, span: text.part(start, end), declares });
        };
        for (at, _) in text.value.match_indices("${vars.") {
            let start = at + "${vars.".len();
            if let Some(length) = text.value[start..].find('}') {
                add(Name::Variable(text.value[start..start + length].to_owned()), start, false);
            }
        }
        if pattern == "zones[]" {
            add(Name::Zone(text.value.clone()), 0, self.base);
        }
        match target(&pattern) {
            Some(Target::Zone) => add(Name::Zone(text.value.clone()), 0, false),
            Some(Target::Secret) => {
                if let Some(name) = text.value.strip_prefix("secret:") {
                    add(Name::Secret(name.to_owned()), "secret:".len(), false);
                }
            }
            Some(_) => match text.value.split_once('.') {
                Some((store, dataset)) => {
                    add(Name::Component(store.to_owned()), 0, false);
                    add(Name::Dataset(store.to_owned(), dataset.to_owned()), store.len() + 1, false);
                }
                None => add(Name::Component(text.value.clone()), 0, false),
            },
            None => {}
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
