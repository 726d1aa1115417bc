//! Values, and their comparison as CEL compares them.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::Subject;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with a fraction.
    Double(f64),
    /// Text.
    Text(Cow<'a, str>),
    /// A list.
    List(Vec<Value<'a>>),
    /// One thing of the system.
    Thing(Subject, usize),
}

impl<'a> Value<'a> {
    pub(super) fn text(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    pub(super) fn texts(all: impl Iterator<Item = &'a str>) -> Self {
        Self::List(all.map(Self::text).collect())
    }

    /// The same without borrowing.
    pub(super) fn owned(self) -> Value<'static> {
        match self {
            Self::Bool(value) => Value::Bool(value),
            Self::Int(value) => Value::Int(value),
            Self::Double(value) => Value::Double(value),
            Self::Text(text) => Value::Text(Cow::Owned(text.into_owned())),
            Self::List(items) => Value::List(items.into_iter().map(Value::owned).collect()),
            Self::Thing(of, index) => Value::Thing(of, index),
        }
    }

    /// For a message.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Bool(value) => value.to_string(),
            Self::Int(value) => value.to_string(),
            // Three digits tell a share from its bound.
            Self::Double(value) => format!("{:?}", (value * 1000.0).round() / 1000.0),
            Self::Text(text) => format!("\"{}\"", text.chars().take(60).collect::<String>()),
            Self::List(items) => format!("[{}]", items.iter().take(8).map(Value::shown).collect::<Vec<_>>().join(", ")),
            Self::Thing(of, _) => of.name().to_owned(),
        }
    }

    /// Which of two values is greater; `None` where there is no order between them.
    pub(super) fn order(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => Some(a.cmp(b)),
            (Self::Int(a), Self::Int(b)) => Some(a.cmp(b)),
            (Self::Double(a), Self::Double(b)) => a.partial_cmp(b),
            (Self::Int(a), Self::Double(b)) => mixed(*a, *b),
            (Self::Double(a), Self::Int(b)) => mixed(*b, *a).map(Ordering::reverse),
            (Self::Text(a), Self::Text(b)) => Some(a.cmp(b)),
            _ => None,
        }
    }

    /// Whether two values are equal; numbers by what they are worth.
    pub(super) fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::List(a), Self::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.same(b)),
            (Self::Thing(a, i), Self::Thing(b, j)) => a == b && i == j,
            _ => self.order(other) == Some(Ordering::Equal),
        }
    }
}

/// A whole number against one with a fraction, without rounding the first.
fn mixed(whole: i64, real: f64) -> Option<Ordering> {
    if real.is_nan() {
        return None;
    }
    let floor = real.floor();
    if floor >= 9_223_372_036_854_775_808.0 {
        return Some(Ordering::Less);
    }
    if floor < -9_223_372_036_854_775_808.0 {
        return Some(Ordering::Greater);
    }
    let order = whole.cmp(&(floor as i64));
    Some(if order == Ordering::Equal && real > floor { Ordering::Less } else { order })
}
