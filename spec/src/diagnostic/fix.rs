//! A change of the text that certainly mends a problem. Whoever applies it reads the file again: spans are byte ranges
//! of the text that was checked.

use crate::source::Span;

/// One replacement: the text of the span becomes another. An empty span inserts, an empty text removes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// What is replaced, in which file.
    pub span: Span,
    /// What stands there afterwards.
    pub replacement: String,
}

/// Edits that belong together: all of them or none. They do not overlap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    /// What it does, for a menu: lower-case, one line (``write `port` ``).
    pub title: String,
    /// The edits.
    pub edits: Vec<Edit>,
}

impl Fix {
    /// Puts another text in place of a span.
    pub fn replace(span: Span, replacement: impl Into<String>) -> Self {
        let replacement = replacement.into();
        Self { title: format!("write `{replacement}`"), edits: vec![Edit { span, replacement }] }
    }

    /// Puts text where nothing is: the span is empty.
    pub fn insert(span: Span, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { title: format!("add `{text}`"), edits: vec![Edit { span, replacement: text }] }
    }

    /// Removes a span.
    pub fn remove(span: Span, title: impl Into<String>) -> Self {
        Self { title: title.into(), edits: vec![Edit { span, replacement: String::new() }] }
    }
}
