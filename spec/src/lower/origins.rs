//! Where each final value comes from.

use indexmap::IndexMap;

use crate::source::{Node, Sources, Span, Value};

/// A value's origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The value as written, or the default as it would be written.
    pub value: String,
    /// Where it comes from.
    pub source: OriginSource,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OriginSource {
    /// It is written here: in the base, in the overlay, or under `defaults:`.
    Written(Span),
    /// It is a default, for this reason.
    Default(&'static str),
}

impl Origin {
    /// `path:line:column`, or `default: reason`.
    pub fn place(&self, sources: &Sources) -> String {
        match &self.source {
            OriginSource::Written(span) => sources.place(*span),
            OriginSource::Default(reason) => format!("default: {reason}"),
        }
    }
}

/// The origin of every final value, by dotted path (`services.search.port`).
#[derive(Debug, Clone, Default)]
pub struct Origins {
    values: IndexMap<String, Origin>,
    /// Nobody will ask: nothing is noted.
    idle: bool,
}

impl Origins {
    /// Origins that nobody will ask for: they stay empty.
    pub(crate) fn idle() -> Self {
        Self { values: IndexMap::new(), idle: true }
    }

    /// The origin of one value.
    pub fn get(&self, path: &str) -> Option<&Origin> {
        self.values.get(path)
    }

    /// Every value in path order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Origin)> {
        let mut all: Vec<(&str, &Origin)> = self.values.iter().map(|(path, origin)| (path.as_str(), origin)).collect();
        all.sort_unstable_by_key(|(path, _)| *path);
        all.into_iter()
    }

    /// Every value: first what is written, in written order, then the defaults.
    pub fn in_written_order(&self) -> impl Iterator<Item = (&str, &Origin)> {
        self.values.iter().map(|(path, origin)| (path.as_str(), origin))
    }

    /// Path and value are made only where somebody may ask for them.
    pub(super) fn by_default(&mut self, noted: impl FnOnce() -> (String, String), reason: &'static str) {
        if !self.idle {
            let (path, value) = noted();
            self.values.insert(path, Origin { value, source: OriginSource::Default(reason) });
        }
    }

    /// As [`Self::by_default`].
    pub(super) fn written(&mut self, noted: impl FnOnce() -> (String, String), span: Span) {
        if !self.idle {
            let (path, value) = noted();
            self.values.insert(path, Origin { value, source: OriginSource::Written(span) });
        }
    }

    /// Takes every scalar of the merged tree.
    pub(crate) fn take_tree(&mut self, root: &Node) {
        if self.idle {
            return;
        }
        let mut waiting = vec![(String::new(), root)];
        while let Some((path, node)) = waiting.pop() {
            match &node.value {
                Value::Scalar { text, .. } => self.written(|| (path, text.clone()), node.span),
                Value::Mapping(entries) => waiting.extend(entries.iter().rev().map(|e| {
                    let below = if path.is_empty() { e.key.text.clone() } else { format!("{path}.{}", e.key.text) };
                    (below, &e.value)
                })),
                Value::Sequence(items) => {
                    waiting.extend(items.iter().enumerate().rev().map(|(i, item)| (format!("{path}[{i}]"), item)));
                }
                Value::Null | Value::Invalid => {}
            }
        }
    }
}
