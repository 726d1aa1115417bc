//! Overlays: what an environment changes in the base.
//!
//! Mappings merge key by key, lists whose items all have an `id` merge by it, everything else replaces. Where keys are
//! names (services, stores, routes, …), a name that the base does not have is an error unless it says `!add`.

use crate::checks::{foreign_tag, overlay_names_nothing};
use crate::diagnostic::Diagnostic;
use crate::source::{Entry, FileId, Node, Span, Tag, Value};

/// Applies an overlay to the base; gives what it removed.
pub(crate) fn merge(base: &mut Node, overlay: Node, out: &mut Vec<Diagnostic>) -> Vec<Removed> {
    let mut merging = Merging { path: Vec::new(), removed: Vec::new() };
    merge_node(base, overlay, &mut merging, out);
    merging.removed
}

/// What an overlay removed: its dotted path, and the place of the tag.
pub(crate) type Removed = (String, Span);

/// Where the merge stands, and what it has removed so far.
struct Merging {
    path: Vec<String>,
    removed: Vec<Removed>,
}

/// What is missing because an overlay removed it is told where.
pub(crate) fn tell_removed(removed: &[Removed], out: &mut [Diagnostic]) {
    for fault in out.iter_mut().filter(|fault| fault.cause.is_some()) {
        let caused = removed.iter().find(|(path, _)| fault.cause.as_deref().is_some_and(|cause| is_cause(cause, path)));
        if let Some((path, at)) = caused {
            fault.related.push((*at, format!("`{path}` is removed here")));
        }
    }
}

/// Whether what stood at a path is what a report is about: a key by its path, a name by itself.
fn is_cause(cause: &str, path: &str) -> bool {
    let parts: Vec<&str> = path.split('.').collect();
    cause == path
        || cause.strip_suffix(':') == Some(path)
        || match parts.as_slice() {
            ["services" | "stores", name] => cause == *name,
            ["secrets", name] => cause.strip_prefix("secret ") == Some(name),
            ["vars", name] => cause == *name,
            ["stores", store, _, dataset] => cause.split_once('.') == Some((store, dataset)),
            _ => false,
        }
}

/// Tags have no meaning outside overlays.
pub(crate) fn refuse_tags(base: &Node, out: &mut Vec<Diagnostic>) {
    each_tag(base, &mut |tag, span| out.push(foreign_tag::in_base(span, tag.name())));
}

/// Tags of the overlay that are still there after the merge stand where nothing is merged: inside a value that replaces
/// another one whole.
pub(crate) fn refuse_idle_tags(merged: &Node, overlay: FileId, out: &mut Vec<Diagnostic>) {
    each_tag(merged, &mut |tag, span| {
        if span.file == overlay {
            out.push(foreign_tag::idle(span, tag.name()));
        }
    });
}

fn each_tag(root: &Node, report: &mut dyn FnMut(Tag, Span)) {
    let mut waiting = vec![root];
    while let Some(node) = waiting.pop() {
        if let Some((tag, span)) = node.tag {
            report(tag, span);
        }
        match &node.value {
            Value::Mapping(entries) => waiting.extend(entries.iter().rev().map(|e| &e.value)),
            Value::Sequence(items) => waiting.extend(items.iter().rev()),
            _ => {}
        }
    }
}

/// Whether the keys below a path are names that someone chose, not words of the language.
fn names_below(path: &[String]) -> bool {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    matches!(
        path.as_slice(),
        ["vars" | "secrets" | "profiles" | "services" | "stores" | "environments"]
            | ["gateway", "routes"]
            | ["services", _, "env" | "queries"]
            | ["stores", _, "replication" | "tables" | "collections" | "topics" | "indexes" | "buckets"]
            | ["stores", _, "tables" | "collections", _, "columns" | "indexes"]
    )
}

fn merge_node(base: &mut Node, overlay: Node, merging: &mut Merging, out: &mut Vec<Diagnostic>) {
    let replace = matches!(overlay.tag, Some((Tag::Replace | Tag::Add, _)));
    match (&mut base.value, overlay.value) {
        (Value::Mapping(under), Value::Mapping(over)) if !replace => {
            // Overlays mostly have the order of the base: each search begins where the last one ended.
            let mut next = 0;
            for entry in over {
                merge_entry(under, entry, &mut next, merging, out);
            }
        }
        (Value::Sequence(under), Value::Sequence(over))
            if !replace && identified(under) && identified(&over) && !over.is_empty() =>
        {
            merge_items(under, over, merging, out);
        }
        // An overlay section with nothing below it changes nothing.
        (Value::Mapping(_), Value::Null) if !replace => {}
        (_, value) => *base = Node { value, span: overlay.span, tag: None },
    }
}

fn merge_entry(
    under: &mut Vec<Entry>,
    entry: Entry,
    next: &mut usize,
    merging: &mut Merging,
    out: &mut Vec<Diagnostic>,
) {
    let key = entry.key.text.as_str();
    let begin = (*next).min(under.len());
    let later = under[begin..].iter().position(|e| e.key.text == key).map(|i| begin + i);
    let found = later.or_else(|| under[..begin].iter().position(|e| e.key.text == key));
    *next = found.map_or(begin, |index| index + 1);
    let place = merging.path.join(".");
    match (found, entry.value.tag) {
        (_, Some((Tag::Unset, span))) if !matches!(entry.value.value, Value::Null | Value::Invalid) => {
            out.push(foreign_tag::with_value(span));
        }
        (Some(index), Some((Tag::Unset, span))) => {
            under.remove(index);
            let path = if place.is_empty() { key.to_owned() } else { format!("{place}.{key}") };
            merging.removed.push((path, span));
        }
        (None, Some((Tag::Unset, span))) => out.push(overlay_names_nothing::unset(span, key, &place)),
        (Some(index), _) => {
            merging.path.push(key.to_owned());
            merge_node(&mut under[index].value, entry.value, merging, out);
            merging.path.pop();
        }
        (None, tag) => {
            if names_below(&merging.path) && !matches!(tag, Some((Tag::Add, _))) && !key.is_empty() {
                let declared: Vec<&str> = under.iter().map(|e| e.key.text.as_str()).collect();
                out.push(overlay_names_nothing::at(entry.key.span, key, &place, &declared));
                return;
            }
            merging.path.push(key.to_owned());
            // The section is new, but what is below it is still checked for tags and names.
            let mut fresh = Node { value: Value::Mapping(Vec::new()), span: entry.value.span, tag: None };
            merge_node(&mut fresh, entry.value, merging, out);
            merging.path.pop();
            under.push(Entry { key: entry.key, value: fresh });
        }
    }
}

fn identified(items: &[Node]) -> bool {
    items.iter().all(|item| item.get("id").and_then(Node::text).is_some())
}

fn merge_items(under: &mut Vec<Node>, over: Vec<Node>, merging: &mut Merging, out: &mut Vec<Diagnostic>) {
    for item in over {
        let id = item.get("id").and_then(Node::text).unwrap_or("").to_owned();
        let found = under.iter().position(|n| n.get("id").and_then(Node::text) == Some(id.as_str()));
        match (found, item.tag) {
            (Some(index), Some((Tag::Unset, _))) => {
                under.remove(index);
            }
            (Some(index), _) => merge_node(&mut under[index], item, merging, out),
            (None, Some((Tag::Unset, span))) => {
                out.push(overlay_names_nothing::unset(span, &id, &merging.path.join(".")))
            }
            (None, Some((Tag::Add, _))) => under.push(Node { tag: None, ..item }),
            (None, _) => {
                let declared: Vec<&str> = under.iter().filter_map(|n| n.get("id").and_then(Node::text)).collect();
                let span = item.get("id").map_or(item.span, |n| n.span);
                out.push(overlay_names_nothing::at(span, &id, &merging.path.join("."), &declared));
            }
        }
    }
}
