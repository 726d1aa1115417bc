//! What could be read of the sections that declare names. A reference into a section that is misspelt or faulty is not judged: the
//! fault is reported where it is, and not once more for each reference.

use std::collections::BTreeSet;

use crate::ast::{Decode, Shape, Spec};
use crate::checks::{foreign_key, unknown_key};
use crate::source::{Node, Span};

/// A section that declares names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    Services,
    Stores,
    Secrets,
    Zones,
}

impl Section {
    /// Its key.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::Services => "services",
            Self::Stores => "stores",
            Self::Secrets => "secrets",
            Self::Zones => "zones",
        }
    }
}

/// What could be read.
pub(super) struct Read<'a> {
    spec: &'a Spec,
    unread: &'a BTreeSet<String>,
}

impl<'a> Read<'a> {
    pub(super) fn new(spec: &'a Spec) -> Self {
        Self { spec, unread: &spec.unread }
    }

    /// Where a section is, as far as it could be read.
    pub(super) fn place(&self, section: Section) -> Option<Span> {
        match section {
            Section::Services => self.spec.services.as_ref().map(|s| s.span),
            Section::Stores => self.spec.stores.as_ref().map(|s| s.span),
            Section::Secrets => self.spec.secrets.as_ref().map(|s| s.span),
            Section::Zones => self.spec.zones.as_ref().map(|z| z.span),
        }
    }

    fn is_empty(&self, section: Section) -> bool {
        match section {
            Section::Services => self.spec.services.as_ref().is_some_and(|s| s.value.is_empty()),
            Section::Stores => self.spec.stores.as_ref().is_some_and(|s| s.value.is_empty()),
            Section::Secrets => self.spec.secrets.as_ref().is_some_and(|s| s.value.is_empty()),
            Section::Zones => self.spec.zones.as_ref().is_some_and(|z| z.value.is_empty()),
        }
    }

    /// Nobody has written it, not even misspelt.
    pub(super) fn is_absent(&self, section: Section) -> bool {
        self.place(section).is_none() && !self.spec.said.contains(&section.key())
    }

    /// Whether the name at a dotted path is written, with a value that could not be read.
    pub(super) fn lost(&self, path: &str) -> bool {
        self.unread.contains(path)
    }

    fn lost_below(&self, section: Section) -> bool {
        let above = format!("{}.", section.key());
        self.unread.range(above.clone()..).next().is_some_and(|path| path.starts_with(&above))
    }

    /// Whether a name may be declared where it could not be read.
    pub(super) fn hides(&self, section: Section, name: &str) -> bool {
        if self.place(section).is_none() {
            return self.spec.said.contains(&section.key());
        }
        if section == Section::Zones && self.is_empty(section) {
            return true;
        }
        // Which zone stands in an item that is no text, nobody knows.
        let all = self.is_empty(section) || section == Section::Zones;
        self.lost(&format!("{}.{name}", section.key())) || (all && self.lost_below(section))
    }
}

/// Whether a section is not there because its key is misspelt, or another tool's. The decoder reports that.
pub(super) fn is_misspelt(root: &Node, section: &'static str) -> bool {
    let only = &[section];
    let near = |key: &str, known: &[&'static str]| match foreign_key::at(root.span, (key, None), "", known) {
        Some((_, ours)) => ours,
        None => unknown_key::meant(key, known),
    };
    let mut candidates = root.entries().iter().map(|entry| entry.key.text.as_str());
    // The language is walked only where some key may mean the section.
    if root.get(section).is_some() || !candidates.clone().any(|key| near(key, only) == Some(section)) {
        return false;
    }
    let Shape::Section(language) = Spec::shape() else { return false };
    let known: Vec<&'static str> = language.keys.iter().map(|(key, _)| *key).collect();
    candidates.any(|key| !known.contains(&key) && near(key, &known) == Some(section))
}
