//! What an editor asks of a spec: completions, hover, definitions, references, renames, outline, hints. Pure: a place in a text
//! in, an answer out; the protocol is the command line's.
//!
//! `cursor` reads a half-typed line, `names` knows what is declared and where it is used, `project` holds one spec with its
//! overlays, and each question has a file of its own.

mod completion;
mod cursor;
mod facts;
mod hints;
mod hover;
mod names;
mod outline;
mod position;
mod project;
mod rename;
#[cfg(test)]
mod tests;

pub use completion::{Completion, CompletionKind};
pub use hints::Hint;
pub use hover::Hover;
pub use names::{Name, Use};
pub use outline::Outline;
pub use position::{LineColumn, Lines};
pub use project::{Problem, Project};
pub use rename::RenameError;
