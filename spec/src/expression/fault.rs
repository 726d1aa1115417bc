//! What is wrong with an expression, and where.

/// One fault of an expression. Places are bytes of its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What kind of fault.
    pub kind: FaultKind,
    /// Where it begins.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
    /// What is wrong: a fragment.
    pub what: String,
    /// What to do.
    pub help: Option<String>,
    /// What certainly belongs there instead.
    pub instead: Option<String>,
}

/// Kinds of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// It is no expression.
    Syntax,
    /// A name that nothing has.
    Unknown,
    /// A value of the wrong type.
    Type,
    /// It has no value.
    Value,
}

impl Fault {
    pub(super) fn new(kind: FaultKind, place: (usize, usize), what: impl Into<String>) -> Self {
        Self { kind, start: place.0, end: place.1, what: what.into(), help: None, instead: None }
    }

    pub(super) fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same with what certainly belongs there.
    pub(super) fn with_instead(mut self, instead: impl Into<String>) -> Self {
        self.instead = Some(instead.into());
        self
    }
}
