//! The outline of a file: its sections, and below them what is named in them.

use super::Project;
use crate::source::{FileId, Node, Span, Value};

/// One line of the outline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    /// The key, or the `id` or `kind` of a list's item.
    pub name: String,
    /// A scalar's text; empty for what has parts.
    pub detail: String,
    /// The whole entry.
    pub span: Span,
    /// The key.
    pub key: Span,
    /// What is below it.
    pub below: Vec<Outline>,
}

/// Below this an outline is no help any more.
const DEPTH_MAX: usize = 4;
/// Longest detail, characters.
const DETAIL_MAX: usize = 60;

impl Project {
    /// The outline of a file.
    pub fn outline(&self, file: FileId) -> Vec<Outline> {
        let tree = self.files.get(file.0 as usize).and_then(|f| f.tree.as_ref());
        tree.map(|tree| below(tree, 0)).unwrap_or_default()
    }
}

fn below(node: &Node, depth: usize) -> Vec<Outline> {
    if depth == DEPTH_MAX {
        return Vec::new();
    }
    match &node.value {
        Value::Mapping(entries) => {
            let named = entries.iter().filter(|e| !e.key.text.is_empty());
            named.map(|e| one(e.key.text.clone(), e.key.span, &e.value, depth)).collect()
        }
        Value::Sequence(items) => {
            // A list of plain values is one thing.
            let parts = items.iter().filter(|item| !item.entries().is_empty());
            let named = parts.map(|item| {
                let name = ["id", "kind"].iter().find_map(|key| item.get(key).and_then(Node::text)).unwrap_or("item");
                let key = item.entries().first().map_or(item.span, |e| e.key.span);
                one(name.to_owned(), key, item, depth)
            });
            named.collect()
        }
        _ => Vec::new(),
    }
}

fn one(name: String, key: Span, value: &Node, depth: usize) -> Outline {
    let detail = value.text().unwrap_or("").chars().take(DETAIL_MAX).collect();
    Outline { name, detail, span: key.to(value.span), key, below: below(value, depth + 1) }
}
