//! Text, files, byte spans, and the YAML tree that keeps a span for every key and value.
//!
//! It knows YAML and positions; it knows nothing of what a topology means.

mod clean;
mod comments;
mod file;
mod indentation;
mod layout;
mod mend;
mod parse;
mod recover;
mod rewritten;
#[cfg(test)]
mod tests;
mod tree;

pub(crate) use comments::comments;
pub(crate) use mend::{Forgotten, without_comment};

pub use file::{FileId, Position, Sources, Span, Spanned};
pub use parse::{DEPTH_MAX, FILE_BYTES_MAX, parse};
pub use tree::{Entry, Key, Node, Tag, Value};
