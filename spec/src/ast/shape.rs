//! What the decoders accept, as data. Every [`super::Decode`] type describes itself, so that the reference, the JSON Schema and
//! the editor are made from the same declarations that read a spec.

/// What a value may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    /// A scalar.
    Scalar(Scalar),
    /// One of a few words.
    Choice {
        /// What it is: `a store kind`.
        what: &'static str,
        /// The words.
        words: Vec<&'static str>,
    },
    /// A list.
    List(Box<Shape>),
    /// A list of exactly two.
    Pair(Box<Shape>),
    /// A mapping whose keys are names that someone chose.
    Names(Box<Shape>),
    /// A mapping whose keys are words of the language.
    Section(Section),
    /// One of several.
    Either(Vec<Shape>),
}

/// A scalar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scalar {
    /// What it is: `a duration`.
    pub what: &'static str,
    /// The accepted forms, where they are not plain.
    pub forms: &'static str,
    /// What YAML makes of it.
    pub kind: ScalarKind,
    /// Its form as a regular expression without anchors; empty where any text may be right.
    pub pattern: &'static str,
    /// A bare number may stand there, too.
    pub bare: bool,
}

/// What YAML makes of a scalar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScalarKind {
    /// Text; a number is taken as it is written.
    Text,
    /// `true` or `false`.
    Boolean,
    /// A whole number within bounds, both included.
    Whole(u64, u64),
}

/// A mapping whose keys are words of the language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Keys in the order in which they are documented.
    pub keys: Vec<(&'static str, Shape)>,
    /// Keys that must be there, where the section has them.
    pub required: &'static [&'static str],
    /// Which keys each kind has, where that differs.
    pub variants: Option<Variants>,
}

/// Keys by kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variants {
    /// What decides the kind.
    pub by: Decider,
    /// Every kind and its keys.
    pub cases: Vec<(&'static str, Vec<&'static str>)>,
}

/// What decides the kind of a section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decider {
    /// Its `kind`.
    Kind,
    /// Its `kind`, else its name.
    KindOrName,
    /// The kind of the nearest section around it that has one.
    Outer,
}

impl Shape {
    /// Text of some form.
    pub const fn text(what: &'static str, forms: &'static str) -> Self {
        Self::Scalar(Scalar { what, forms, kind: ScalarKind::Text, pattern: "", bare: true })
    }

    /// Text of a form that a regular expression can tell; `bare` where a number alone has it.
    pub const fn form(what: &'static str, forms: &'static str, pattern: &'static str, bare: bool) -> Self {
        Self::Scalar(Scalar { what, forms, kind: ScalarKind::Text, pattern, bare })
    }

    /// A whole number.
    pub const fn whole(least: u64, most: u64) -> Self {
        Self::Scalar(Scalar {
            what: "a whole number",
            forms: "",
            kind: ScalarKind::Whole(least, most),
            pattern: "",
            bare: true,
        })
    }

    /// What it is, in words: `a list of names`.
    pub fn describe(&self) -> String {
        match self {
            Self::Scalar(Scalar { kind: ScalarKind::Whole(least, most), .. }) => {
                format!("a whole number, {least} to {most}")
            }
            Self::Scalar(scalar) => scalar.what.to_owned(),
            Self::Choice { what, .. } => (*what).to_owned(),
            Self::List(item) => format!("a list, each {}", item.describe()),
            Self::Pair(item) => format!("a list of two, each {}", item.describe()),
            Self::Names(value) => match value.as_ref() {
                Self::Section(_) => "a mapping of names to sections".to_owned(),
                value => format!("a mapping of names, each to {}", value.describe()),
            },
            Self::Section(_) => "a section".to_owned(),
            Self::Either(all) => all.iter().map(Self::describe).collect::<Vec<_>>().join(", or "),
        }
    }

    /// The accepted forms, where they are not plain.
    pub fn forms(&self) -> Option<String> {
        match self {
            Self::Scalar(scalar) => (!scalar.forms.is_empty()).then(|| scalar.forms.to_owned()),
            Self::Choice { words, .. } => Some(words.iter().map(|w| format!("`{w}`")).collect::<Vec<_>>().join(", ")),
            Self::List(inner) | Self::Pair(inner) | Self::Names(inner) => inner.forms(),
            Self::Section(_) => None,
            Self::Either(all) => {
                let forms: Vec<String> = all.iter().filter_map(Self::forms).collect();
                (!forms.is_empty()).then(|| forms.join("; "))
            }
        }
    }
}
