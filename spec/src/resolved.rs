//! The spec as it is meant: base and overlay merged, variables put in, defaults filled in, every value with its origin. What
//! `archgen config` prints.
//!
//! A secret is never put in: references stay references, and where free text takes a value from the environment, the name of that
//! variable is shown instead of what it holds.

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;
use serde_json::{Map, Value, json};

use crate::ast::{Scalar, ScalarKind, Shape};
use crate::reference::{Default, Key, language};
use crate::{Loaded, Origin, OriginSource};

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// It stands here.
    Here {
        /// The file.
        file: String,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
    },
    /// It is a default, for this reason.
    Default(&'static str),
}

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub struct Leaf {
    /// The names on the way to it; an item of a list is `[0]`.
    pub names: Vec<String>,
    /// The value.
    pub value: Value,
    /// Its origin.
    pub origin: Written,
}

/// A whole resolved spec.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// Every value: what is written in written order, then the defaults.
    pub leaves: Vec<Leaf>,
    root: Tree,
}

#[derive(Debug, Clone)]
enum Tree {
    Leaf(usize),
    Map(IndexMap<String, Tree>),
    List(Vec<Tree>),
}

/// Resolves a spec that was loaded without errors.
pub fn resolved(loaded: &Loaded) -> Resolved {
    let environment = from_environment(loaded);
    let all = loaded.origins.in_written_order();
    let mut leaves: Vec<Leaf> = all.map(|(path, origin)| leaf(path, origin, &environment, loaded)).collect();
    // The whole of a section without any value says less than its keys do.
    let sections: BTreeSet<Vec<String>> = leaves.iter().flat_map(|l| prefixes(&l.names)).collect();
    leaves.retain(|l| {
        !sections.contains(&l.names)
            && matches!(shape(&l.names), Some(Shape::Scalar(_) | Shape::Choice { .. } | Shape::Either(_)) | None)
    });
    unwritten(&mut leaves);
    defaults(&mut leaves);
    let mut root = Tree::Map(IndexMap::new());
    for (index, leaf) in leaves.iter().enumerate() {
        root.put(&leaf.names, index);
    }
    Resolved { leaves, root }
}

/// Takes away what the resolution said of things that nobody named: a route that the gateway adds by itself is none of the spec's.
fn unwritten(leaves: &mut Vec<Leaf>) {
    let written: BTreeSet<Vec<String>> = leaves
        .iter()
        .filter(|l| matches!(l.origin, Written::Here { .. }))
        .flat_map(|l| prefixes(&l.names).collect::<Vec<_>>())
        .collect();
    let chosen = |names: &[String]| language().pattern(&words(names)).is_some_and(|pattern| pattern.ends_with('*'));
    leaves.retain(|l| {
        matches!(l.origin, Written::Here { .. })
            || prefixes(&l.names).all(|names| written.contains(&names) || !chosen(&names))
    });
}

fn prefixes(names: &[String]) -> impl Iterator<Item = Vec<String>> + '_ {
    (0..names.len()).map(|n| names[..n].to_vec())
}

fn words(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

/// What may stand at a place; `None` for an item of a list.
fn shape(names: &[String]) -> Option<&'static Shape> {
    language().at(&words(names)).map(|key| &key.shape)
}

fn leaf(path: &str, origin: &Origin, environment: &[String], loaded: &Loaded) -> Leaf {
    let names = language().split(path).unwrap_or_else(|| path.split('.').collect());
    let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
    let (text, origin) = match &origin.source {
        OriginSource::Default(reason) => (origin.value.clone(), Written::Default(reason)),
        OriginSource::Written(span) => {
            let at = loaded.sources.position(span.file, span.start);
            let file = loaded.sources.path(span.file).to_owned();
            let written = loaded.sources.slice(*span);
            let foreign = written.contains(ENVIRONMENT) || environment.iter().any(|used| written.contains(used));
            let text = if foreign && may_hold_secret(&names) {
                written.trim_matches(['"', '\'']).to_owned()
            } else {
                origin.value.clone()
            };
            (text, Written::Here { file, line: at.line, column: at.column })
        }
    };
    Leaf { value: value(&names, text), names, origin }
}

/// Free text may be a password that comes from the environment; everything else has a form that no secret has. An item of a list
/// has no key of its own and counts as free text.
fn may_hold_secret(names: &[String]) -> bool {
    shape(names).is_none_or(|shape| *shape == Shape::text("text", ""))
}

/// The variables whose value comes from the environment, as they are used: `${vars.NAME}`.
fn from_environment(loaded: &Loaded) -> Vec<String> {
    let all = loaded.origins.in_written_order().filter_map(|(path, origin)| {
        let OriginSource::Written(span) = &origin.source else { return None };
        let name = path.strip_prefix("vars.")?;
        loaded.sources.slice(*span).contains(ENVIRONMENT).then(|| format!("${{vars.{name}}}"))
    });
    all.collect()
}

const ENVIRONMENT: &str = "${env.";

/// The value as JSON and YAML know it.
fn value(names: &[String], text: String) -> Value {
    match shape(names) {
        Some(Shape::Scalar(Scalar { kind: ScalarKind::Boolean, .. })) => (text == "true").into(),
        Some(Shape::Scalar(Scalar { kind: ScalarKind::Whole(..), .. })) => {
            text.parse::<u64>().map_or_else(|_| text.into(), Value::from)
        }
        _ => text.into(),
    }
}

/// Adds the defaults of every section that is there and that the resolution did not have to decide.
fn defaults(leaves: &mut Vec<Leaf>) {
    let kinds: BTreeMap<Vec<String>, String> = leaves
        .iter()
        .filter(|l| l.names.last().is_some_and(|n| n == "kind"))
        .filter_map(|l| Some((l.names[..l.names.len() - 1].to_vec(), l.value.as_str()?.to_owned())))
        .collect();
    let taken: BTreeSet<Vec<String>> =
        leaves.iter().flat_map(|l| prefixes(&l.names).chain([l.names.clone()]).collect::<Vec<_>>()).collect();
    let mut fresh = Vec::new();
    for section in taken.iter().filter(|names| !matches!(shape(names), Some(Shape::Scalar(_) | Shape::Choice { .. }))) {
        let kind = (0..=section.len()).rev().find_map(|n| kinds.get(&section[..n]));
        for key in language().below(&words(section)) {
            let Default::Value(shown, reason) = key.entry.default else { continue };
            let names: Vec<String> = section.iter().cloned().chain([key.name().to_owned()]).collect();
            if !taken.contains(&names) && has(key, kind) {
                let value = value(&names, shown.to_owned());
                fresh.push(Leaf { names, value, origin: Written::Default(reason) });
            }
        }
    }
    leaves.extend(fresh);
}

fn has(key: &Key, kind: Option<&String>) -> bool {
    key.kinds.is_empty() || kind.is_some_and(|kind| key.kinds.contains(&kind.as_str()))
}

impl Tree {
    fn put(&mut self, names: &[String], index: usize) {
        let Some((name, rest)) = names.split_first() else {
            *self = Self::Leaf(index);
            return;
        };
        if name.starts_with('[') {
            if !matches!(self, Self::List(_)) {
                *self = Self::List(Vec::new());
            }
            let Self::List(items) = self else { return };
            let at: usize = name.trim_matches(['[', ']']).parse().unwrap_or(items.len());
            while items.len() <= at && items.len() < crate::source::FILE_BYTES_MAX {
                items.push(Self::Map(IndexMap::new()));
            }
            if let Some(item) = items.get_mut(at) {
                item.put(rest, index);
            }
        } else {
            if !matches!(self, Self::Map(_)) {
                *self = Self::Map(IndexMap::new());
            }
            let Self::Map(entries) = self else { return };
            entries.entry(name.clone()).or_insert_with(|| Self::Map(IndexMap::new())).put(rest, index);
        }
    }
}

impl Resolved {
    /// As YAML; with `origins`, each value is followed by where it comes from.
    pub fn yaml(&self, origins: bool) -> String {
        let mut text = String::new();
        self.block(&self.root, 0, origins, &mut text);
        text
    }

    /// Depth is bounded by the parser's budget.
    fn block(&self, tree: &Tree, depth: usize, origins: bool, text: &mut String) {
        let indent = "  ".repeat(depth);
        match tree {
            Tree::Leaf(_) => {}
            Tree::Map(entries) => {
                for (name, below) in entries {
                    self.entry(
                        &format!("{indent}{}:", scalar(&name.clone().into(), false)),
                        below,
                        depth,
                        origins,
                        text,
                    );
                }
            }
            Tree::List(items) => {
                for item in items {
                    self.entry(&format!("{indent}-"), item, depth, origins, text);
                }
            }
        }
    }

    fn entry(&self, head: &str, below: &Tree, depth: usize, origins: bool, text: &mut String) {
        match below {
            Tree::Leaf(index) => {
                let leaf = &self.leaves[*index];
                let version = leaf.names.last().is_some_and(|n| n == "version");
                text.push_str(&format!("{head} {}", scalar(&leaf.value, version)));
                if origins {
                    text.push_str(&format!("  # {}", leaf.origin.text()));
                }
                text.push('\n');
            }
            _ => {
                text.push_str(&format!("{head}\n"));
                self.block(below, depth + 1, origins, text);
            }
        }
    }

    /// The spec as JSON.
    pub fn json(&self) -> Value {
        self.value(&self.root)
    }

    fn value(&self, tree: &Tree) -> Value {
        match tree {
            Tree::Leaf(index) => self.leaves[*index].value.clone(),
            Tree::Map(all) => Value::Object(all.iter().map(|(n, t)| (n.clone(), self.value(t))).collect::<Map<_, _>>()),
            Tree::List(items) => items.iter().map(|t| self.value(t)).collect(),
        }
    }

    /// The spec as JSON with the origin of every value. Its shape is a contract: additions only, else `version` grows.
    pub fn json_with_origins(&self, environment: Option<&str>) -> Value {
        let values: Vec<Value> = self
            .leaves
            .iter()
            .map(|leaf| {
                let origin = match &leaf.origin {
                    Written::Here { file, line, column } => json!({ "file": file, "line": line, "column": column }),
                    Written::Default(reason) => json!({ "default": reason }),
                };
                json!({ "path": leaf.names, "value": leaf.value, "origin": origin })
            })
            .collect();
        json!({ "version": 1, "environment": environment, "spec": self.json(), "values": values })
    }
}

impl Written {
    /// `file:line:column`, or `default: reason`.
    pub fn text(&self) -> String {
        match self {
            Self::Here { file, line, column } => format!("{file}:{line}:{column}"),
            Self::Default(reason) => format!("default: {reason}"),
        }
    }
}

/// A scalar as YAML: plain where nothing could be taken for something else.
fn scalar(value: &Value, quoted: bool) -> String {
    let Value::String(text) = value else { return value.to_string() };
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-()%±+".contains(c);
    let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric() || "/.±".contains(c));
    let words = text.split(' ').all(|word| !word.is_empty() && word.chars().all(plain));
    let reserved =
        matches!(text.to_ascii_lowercase().as_str(), "true" | "false" | "null" | "yes" | "no" | "on" | "off");
    if begins && words && !reserved && !quoted { text.clone() } else { value.to_string() }
}
