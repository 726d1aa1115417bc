//! What a YAML artifact says, as data: names and texts are borrowed where they can be, for a large system has millions of them.
//! [`data!`] writes it as `serde_json::json!` does; how it looks in a file is `yaml`'s.

use std::borrow::Cow;
use std::ops::{Index, IndexMut};

use serde_json::Number;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Data<'a> {
    Null,
    Bool(bool),
    Number(Number),
    Text(Cow<'a, str>),
    List(Vec<Data<'a>>),
    Map(Map<'a>),
}

/// Names and values, in the order in which they were added.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Map<'a>(Vec<(Cow<'a, str>, Data<'a>)>);

impl<'a> Map<'a> {
    /// With room for so many.
    pub(crate) fn with_room(count: usize) -> Self {
        Self(Vec::with_capacity(count))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Data<'a>)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), value))
    }

    /// Adds a name that is not in it yet.
    pub(crate) fn push(&mut self, name: impl Into<Cow<'a, str>>, value: impl Into<Data<'a>>) {
        self.0.push((name.into(), value.into()));
    }

    /// Adds a name, or gives it another value where it is.
    pub(crate) fn insert(&mut self, name: impl Into<Cow<'a, str>>, value: impl Into<Data<'a>>) {
        let name = name.into();
        *self.at(name) = value.into();
    }

    fn at(&mut self, name: Cow<'a, str>) -> &mut Data<'a> {
        let place = self.0.iter().position(|(known, _)| *known == name).unwrap_or_else(|| {
            self.0.push((name, Data::Null));
            self.0.len() - 1
        });
        &mut self.0[place].1
    }
}

impl<'a, N: Into<Cow<'a, str>>, V: Into<Data<'a>>> FromIterator<(N, V)> for Map<'a> {
    /// Of names that differ.
    fn from_iter<I: IntoIterator<Item = (N, V)>>(all: I) -> Self {
        Self(all.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl<'a, V: Into<Data<'a>>> FromIterator<V> for Data<'a> {
    fn from_iter<I: IntoIterator<Item = V>>(all: I) -> Self {
        Self::List(all.into_iter().map(Into::into).collect())
    }
}

static ABSENT: Data<'static> = Data::Null;

impl<'a> Index<&'static str> for Data<'a> {
    type Output = Data<'a>;

    fn index(&self, name: &'static str) -> &Data<'a> {
        match self {
            Self::Map(map) => map.0.iter().find(|(known, _)| known == name).map_or(&ABSENT, |(_, value)| value),
            _ => &ABSENT,
        }
    }
}

impl IndexMut<&'static str> for Data<'_> {
    /// What is no mapping becomes one.
    fn index_mut(&mut self, name: &'static str) -> &mut Self {
        if !matches!(self, Self::Map(_)) {
            *self = Self::Map(Map::default());
        }
        match self {
            Self::Map(map) => map.at(Cow::Borrowed(name)),
            other => other,
        }
    }
}

macro_rules! from {
    ($($kind:ty => |$value:ident| $made:expr),* $(,)?) => {
        $(impl<'a> From<$kind> for Data<'a> {
            fn from($value: $kind) -> Self {
                $made
            }
        })*
    };
}

from! {
    bool => |value| Self::Bool(value),
    i32 => |value| Self::Number(value.into()),
    u16 => |value| Self::Number(value.into()),
    u32 => |value| Self::Number(value.into()),
    u64 => |value| Self::Number(value.into()),
    usize => |value| Self::Number(value.into()),
    &'a str => |value| Self::Text(Cow::Borrowed(value)),
    &'a String => |value| Self::Text(Cow::Borrowed(value)),
    String => |value| Self::Text(Cow::Owned(value)),
    Cow<'a, str> => |value| Self::Text(value),
    Map<'a> => |value| Self::Map(value),
}

impl<'a, V: Into<Data<'a>>> From<Vec<V>> for Data<'a> {
    fn from(all: Vec<V>) -> Self {
        all.into_iter().collect()
    }
}

impl<'a> From<&'a [String]> for Data<'a> {
    fn from(all: &'a [String]) -> Self {
        all.iter().collect()
    }
}

/// Data as it is written in JSON: names are literals, or expressions in parentheses; values are data or expressions.
macro_rules! data {
    ([ $($all:tt)* ]) => { $crate::render::Data::List($crate::render::data!(@list [] $($all)*)) };
    ({}) => { $crate::render::Data::Map($crate::render::Map::default()) };
    ({ $($all:tt)* }) => {{
        let mut map = $crate::render::Map::with_room(4);
        $crate::render::data!(@map map $($all)*);
        $crate::render::Data::Map(map)
    }};
    (@list [$($done:expr,)*]) => { vec![$($done,)*] };
    (@list [$($done:expr,)*] { $($value:tt)* } $(, $($rest:tt)*)?) => {
        $crate::render::data!(@list [$($done,)* $crate::render::data!({ $($value)* }),] $($($rest)*)?)
    };
    (@list [$($done:expr,)*] [ $($value:tt)* ] $(, $($rest:tt)*)?) => {
        $crate::render::data!(@list [$($done,)* $crate::render::data!([ $($value)* ]),] $($($rest)*)?)
    };
    (@list [$($done:expr,)*] $value:expr $(, $($rest:tt)*)?) => {
        $crate::render::data!(@list [$($done,)* $crate::render::Data::from($value),] $($($rest)*)?)
    };
    (@map $map:ident) => {};
    (@map $map:ident $name:tt : { $($value:tt)* } $(, $($rest:tt)*)?) => {
        $map.push($name, $crate::render::data!({ $($value)* }));
        $crate::render::data!(@map $map $($($rest)*)?);
    };
    (@map $map:ident $name:tt : [ $($value:tt)* ] $(, $($rest:tt)*)?) => {
        $map.push($name, $crate::render::data!([ $($value)* ]));
        $crate::render::data!(@map $map $($($rest)*)?);
    };
    (@map $map:ident $name:tt : $value:expr $(, $($rest:tt)*)?) => {
        $map.push($name, $crate::render::Data::from($value));
        $crate::render::data!(@map $map $($($rest)*)?);
    };
}

pub(crate) use data;
