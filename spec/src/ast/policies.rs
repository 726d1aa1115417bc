//! The `policies:` section.

use crate::ast::choice::{choice, choice_decode};

use super::Name;

section! {
    /// One policy.
    pub struct Policy {
        /// Its id.
        id: Name,
        /// The rule.
        check: String,
        /// How bad it is to break it.
        level: Level,
    }
    required [id, check]
}

choice! {
    /// How bad it is to break a policy.
    pub enum Level: "a level" {
        /// An error.
        Error = "error",
        /// A warning.
        Warn = "warn",
    }
}
