//! What services ask of tables and collections, so that indexes and questions can be held against each other.

use crate::source::Spanned;
use crate::units::Rate;

use super::Identifier;

section! {
    /// One kind of question.
    pub struct Query {
        /// The table or collection.
        on: String,
        /// The columns whose values are given.
        by: Vec<Spanned<Identifier>>,
        /// How often it is asked.
        rate: Rate,
    }
    required [on, by]
}
