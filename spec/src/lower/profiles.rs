//! Profiles: bundles of keys that services and stores take by name. They are laid under what is written there before anything is
//! decoded, so that every key of a profile is read, checked and traced where it stands.

use std::collections::BTreeMap;

use crate::checks::{dangling, profile_cycle};
use crate::diagnostic::Diagnostic;
use crate::source::{Entry, Node, Span, Value};

use super::read::is_misspelt;

/// The key that takes a profile.
const PROFILE: &str = "profile";

/// Lays profiles under the services and stores that take them. Gives the places of the profiles, because what is wrong with one is
/// found wherever it is taken.
pub(crate) fn apply(root: &mut Node, out: &mut Vec<Diagnostic>) -> Vec<Span> {
    let written: Vec<Entry> = root.get("profiles").map_or(&[][..], Node::entries).to_vec();
    if written.is_empty() {
        // Without any, a `profile` that is taken is still a reference that names nothing.
        let misspelt = is_misspelt(root, "profiles");
        return if misspelt { Vec::new() } else { take(root, &BTreeMap::new(), out) };
    }
    let whole = resolved(&written, out);
    take(root, &whole, out)
}

fn take(root: &mut Node, profiles: &BTreeMap<String, Node>, out: &mut Vec<Diagnostic>) -> Vec<Span> {
    let Value::Mapping(sections) = &mut root.value else { return Vec::new() };
    for section in sections.iter_mut().filter(|s| matches!(s.key.text.as_str(), "services" | "stores")) {
        let Value::Mapping(entries) = &mut section.value.value else { continue };
        for entry in entries {
            let Some((name, span)) = taken(&entry.value) else { continue };
            match profiles.get(&name) {
                Some(profile) => lay_under(&mut entry.value, profile),
                None => out.push(unknown(&name, span, profiles.keys())),
            }
        }
    }
    let places = profiles.values().flat_map(Node::entries);
    places.map(|e| Span { end: e.value.span.end.max(e.key.span.end), ..e.key.span }).collect()
}

/// The profile that a section takes.
fn taken(section: &Node) -> Option<(String, Span)> {
    let node = section.get(PROFILE)?;
    // What is no name is reported when it is decoded.
    node.text().filter(|name| crate::ast::is_name(name)).map(|name| (name.to_owned(), node.span))
}

fn unknown<'a>(name: &str, span: Span, declared: impl Iterator<Item = &'a String>) -> Diagnostic {
    let declared: Vec<&str> = declared.map(String::as_str).collect();
    match declared.is_empty() {
        true => dangling::in_section(span, name, "profile", "profiles", &[]),
        false => dangling::at(span, name, "profile", &declared).with_cause(format!("profile {name}")),
    }
}

/// Every profile with what it takes from others.
fn resolved(written: &[Entry], out: &mut Vec<Diagnostic>) -> BTreeMap<String, Node> {
    let by_name: BTreeMap<&str, &Entry> = written.iter().map(|e| (e.key.text.as_str(), e)).collect();
    let mut whole = BTreeMap::new();
    let mut reported: Vec<&str> = Vec::new();
    for entry in written {
        // The chain of profiles below this one, nearest first.
        let mut chain = vec![entry];
        let mut node = entry.value.clone();
        while let Some((name, span)) = chain.last().and_then(|last| taken(&last.value)) {
            let Some(next) = by_name.get(name.as_str()) else {
                if chain.len() == 1 {
                    let declared: Vec<String> = by_name.keys().map(|n| (*n).to_owned()).collect();
                    out.push(unknown(&name, span, declared.iter()));
                }
                break;
            };
            if let Some(begin) = chain.iter().position(|known| known.key.text == next.key.text) {
                let circle = &chain[begin..];
                if !circle.iter().any(|e| reported.contains(&e.key.text.as_str())) {
                    let names: Vec<&str> = circle.iter().map(|e| e.key.text.as_str()).collect();
                    reported.extend(&names);
                    out.push(profile_cycle::at(span, &names));
                }
                break;
            }
            lay_under(&mut node, &next.value);
            chain.push(next);
        }
        whole.insert(entry.key.text.clone(), node);
    }
    whole
}

/// Adds what a section does not say itself; mappings are joined key by key. Depth is bounded by the parser's budget.
fn lay_under(section: &mut Node, below: &Node) {
    let Value::Mapping(own) = &mut section.value else { return };
    for entry in below.entries().iter().filter(|e| e.key.text != PROFILE) {
        match own.iter_mut().find(|e| e.key.text == entry.key.text) {
            Some(said) => lay_under(&mut said.value, &entry.value),
            None => own.push(entry.clone()),
        }
    }
}
