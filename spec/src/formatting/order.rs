//! In which order the language names the keys of a section. Names that someone chose have no order but the written one.

use crate::ast::{Section, Shape};
use crate::source::Entry;

/// What the language has at a place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scope<'s> {
    shape: Option<&'s Shape>,
    /// The kind of the nearest section around it that says one: it decides the order where kinds have different keys.
    kind: Option<&'s str>,
}

impl<'s> Scope<'s> {
    /// That of a whole spec.
    pub(super) fn whole(shape: &'s Shape) -> Self {
        Self { shape: Some(shape), kind: None }
    }

    /// The same inside this mapping.
    pub(super) fn within(self, entries: &'s [Entry]) -> Self {
        let kind = entries.iter().find(|entry| entry.key.text == "kind").and_then(|entry| entry.value.text());
        Self { kind: kind.or(self.kind), ..self }
    }

    /// That below a key.
    pub(super) fn below(self, name: &str) -> Self {
        Self { shape: below(self.shape, name), ..self }
    }

    /// That of an item of a list.
    pub(super) fn item(self) -> Self {
        Self { shape: item(self.shape), ..self }
    }

    /// The entries of a mapping in canonical order: keys of the language as it names them, then unknown ones as they are written.
    pub(super) fn ordered(self, entries: &'s [Entry]) -> Vec<&'s Entry> {
        let mut all: Vec<&Entry> = entries.iter().collect();
        if let Some(section) = section(self.shape) {
            let cases = section.variants.iter().flat_map(|variants| &variants.cases);
            let own = cases.into_iter().find(|(kind, _)| Some(*kind) == self.kind).map(|(_, keys)| keys);
            let place = |entry: &&Entry| {
                let key = entry.key.text.as_str();
                let of_kind = own.and_then(|keys| keys.iter().position(|own| *own == key));
                of_kind.or_else(|| {
                    let later = own.map_or(0, Vec::len);
                    section.keys.iter().position(|(known, _)| *known == key).map(|at| at + later)
                })
            };
            all.sort_by_key(|entry| place(entry).unwrap_or(usize::MAX));
        }
        all
    }
}

fn below<'s>(shape: Option<&'s Shape>, name: &str) -> Option<&'s Shape> {
    match shape? {
        Shape::Section(section) => section.keys.iter().find(|(key, _)| *key == name).map(|(_, below)| below),
        Shape::Names(below) => Some(below),
        Shape::Either(all) => all.iter().find_map(|shape| below(Some(shape), name)),
        _ => None,
    }
}

fn item(shape: Option<&Shape>) -> Option<&Shape> {
    match shape? {
        Shape::List(below) | Shape::Pair(below) => Some(below),
        Shape::Either(all) => all.iter().find_map(|shape| item(Some(shape))),
        _ => None,
    }
}

fn section(shape: Option<&Shape>) -> Option<&Section> {
    match shape? {
        Shape::Section(section) => Some(section),
        Shape::Either(all) => all.iter().find_map(|shape| section(Some(shape))),
        _ => None,
    }
}
