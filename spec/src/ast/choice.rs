//! Words out of a closed list.

use crate::checks::bad_choice;
use crate::source::Node;

use super::{Decoder, Shape};

/// A value that is one of a few words.
pub trait Choice: Copy + 'static {
    /// What it is: `a store kind`.
    const WHAT: &'static str;
    /// Every word and its meaning.
    fn words() -> &'static [(&'static str, Self)];
}

/// Reads a word.
pub fn decode<C: Choice>(node: &Node, decoder: &mut Decoder<'_>) -> Option<C> {
    let words: Vec<&str> = C::words().iter().map(|(w, _)| *w).collect();
    let Some(text) = node.text() else {
        decoder.expected(node, C::WHAT, Some(bad_choice::help("", &words)));
        return None;
    };
    let found = C::words().iter().find(|(w, _)| *w == text).map(|(_, v)| *v);
    if found.is_none() {
        let fault = bad_choice::at(node.span, text, C::WHAT, &words);
        decoder.report(fault);
    }
    found
}

/// The words as a shape.
pub fn shape<C: Choice>() -> Shape {
    Shape::Choice { what: C::WHAT, words: C::words().iter().map(|(word, _)| *word).collect() }
}

/// Declares an enum of words.
macro_rules! choice {
    ($(#[$meta:meta])* pub enum $name:ident: $what:literal { $( $(#[$vmeta:meta])* $variant:ident = $word:literal, )* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $( $(#[$vmeta])* $variant, )* }

        impl $crate::ast::Choice for $name {
            const WHAT: &'static str = $what;
            fn words() -> &'static [(&'static str, Self)] {
                &[$( ($word, Self::$variant) ),*]
            }
        }

        choice_decode!($name);
    };
}

/// Lets a [`Choice`] be decoded.
macro_rules! choice_decode {
    ($name:ty) => {
        impl $crate::ast::Decode for $name {
            fn decode(node: &$crate::source::Node, decoder: &mut $crate::ast::Decoder<'_>) -> Option<Self> {
                $crate::ast::choice::decode(node, decoder)
            }

            fn shape() -> $crate::ast::Shape {
                $crate::ast::choice::shape::<Self>()
            }
        }
    };
}

pub(super) use {choice, choice_decode};
