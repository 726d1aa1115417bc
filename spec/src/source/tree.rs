//! The YAML tree. Keys are text, scalars are kept as written, and every key and value knows its place.

use super::Span;

/// An overlay tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tag {
    /// `!unset`: remove the base's value.
    Unset,
    /// `!replace`: do not merge with the base's value.
    Replace,
    /// `!add`: this name is new on purpose.
    Add,
}

impl Tag {
    /// As written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unset => "!unset",
            Self::Replace => "!replace",
            Self::Add => "!add",
        }
    }
}

/// A value with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// What it is.
    pub value: Value,
    /// Where it stands.
    pub span: Span,
    /// Overlay tag and its place, where given.
    pub tag: Option<(Tag, Span)>,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Nothing, `~` or `null`.
    Null,
    /// A scalar, as text.
    Scalar {
        /// The text after unescaping.
        text: String,
        /// Written in quotes or as a block: never a number or boolean.
        quoted: bool,
    },
    /// A list.
    Sequence(Vec<Node>),
    /// A mapping in written order.
    Mapping(Vec<Entry>),
    /// Something that has been reported already and must not be reported again.
    Invalid,
}

/// One `key: value`.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: Key,
    /// The value.
    pub value: Node,
}

/// A key and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The key's text.
    pub text: String,
    /// Its place.
    pub span: Span,
}

impl Node {
    /// The entries of a mapping; none of anything else.
    pub fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Mapping(entries) => entries,
            _ => &[],
        }
    }

    /// The value of a key in a mapping.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find(|e| e.key.text == key).map(|e| &e.value)
    }

    /// The text of a scalar.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// What it is in words: `a mapping`, `the number 5`, `the text "x"`.
    pub fn describe(&self) -> String {
        match &self.value {
            Value::Null => "nothing".to_owned(),
            Value::Sequence(_) => "a list".to_owned(),
            Value::Mapping(_) => "a mapping".to_owned(),
            Value::Invalid => "an invalid value".to_owned(),
            Value::Scalar { text, quoted } => {
                let shown: String = text.chars().take(40).collect();
                let dots = if shown.len() < text.len() { "…" } else { "" };
                if !quoted && (text == "true" || text == "false") {
                    format!("the boolean `{text}`")
                } else if !quoted && text.parse::<f64>().is_ok() {
                    format!("the number {shown}{dots}")
                } else {
                    format!("the text \"{shown}{dots}\"")
                }
            }
        }
    }
}
