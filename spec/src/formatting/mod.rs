//! `archgen fmt`: one order of keys and one spacing, with every comment kept.
//!
//! Read the modules in this order: `canonical` joins the steps and refuses what would change a spec's meaning, `order` knows in which
//! order the language names its keys, `attach` finds to which key each comment belongs, `writer` writes, `same` compares trees.

mod attach;
mod canonical;
mod order;
mod same;
#[cfg(test)]
mod tests;
mod writer;

pub use canonical::{FormatError, formatted};
