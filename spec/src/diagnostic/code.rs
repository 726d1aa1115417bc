//! One problem: a stable code, how bad it is, where, why, and what to do.

use std::fmt;

use serde::Serialize;

use super::Fix;
use crate::source::Span;

/// A stable code, printed as `AG012`. It never changes its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(pub u16);

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AG{:03}", self.0)
    }
}

impl Code {
    /// Reads `AG012` (case does not matter). `None` where it has another form.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("AG").or_else(|| text.strip_prefix("ag"))?;
        if digits.len() != 3 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        digits.parse().ok().map(Self)
    }
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The spec cannot be used.
    Error,
    /// The spec can be used; a person should look.
    Warning,
}

impl Severity {
    /// As printed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// One problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Stable code.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong: lower-case, one line, no full stop.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// Where it is.
    pub primary: Span,
    /// Other places that matter, each with what it has to do with it.
    pub related: Vec<(Span, String)>,
    /// The change that mends it, where one is certain.
    pub fix: Option<Fix>,
    /// What it comes from, where several places may show one cause: they are joined to one report.
    pub(crate) cause: Option<String>,
}

impl Diagnostic {
    /// An error.
    pub fn error(code: Code, primary: Span, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            message: message.into(),
            help: None,
            primary,
            related: Vec::new(),
            fix: None,
            cause: None,
        }
    }

    /// A warning.
    pub fn warning(code: Code, primary: Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, primary, message) }
    }

    /// The same with a help line.
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same with the change that mends it.
    pub fn with_fix(mut self, fix: impl Into<Option<Fix>>) -> Self {
        self.fix = fix.into();
        self
    }

    /// The same as one of several that come from one cause.
    pub(crate) fn with_cause(mut self, cause: impl Into<String>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// The same with one more place.
    pub fn with_related(mut self, span: Span, what: impl Into<String>) -> Self {
        self.related.push((span, what.into()));
        self
    }
}
