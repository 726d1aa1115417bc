//! The `policies:` section.

use crate::ast::choice::{choice, choice_decode};
use crate::expression::Subject;
use crate::units::Date;

use super::{Choice, Name};

section! {
    /// One policy.
    pub struct Policy {
        /// Its id.
        id: Name,
        /// What the rule is asked of, one by one.
        every: Subject,
        /// The rule.
        check: String,
        /// How bad it is to break it.
        level: Level,
        /// Until when it may be broken.
        waive: Waiver,
    }
    required [id, check]
}

section! {
    /// Leave to break a policy for a while.
    pub struct Waiver {
        /// The last day.
        until: Date,
        /// The reason.
        why: String,
    }
    required [until, why]
}

impl Choice for Subject {
    const WHAT: &'static str = "something that there are many of";
    fn words() -> &'static [(&'static str, Self)] {
        &[
            ("service", Self::Service),
            ("store", Self::Store),
            ("topic", Self::Topic),
            ("route", Self::Route),
            ("zone", Self::Zone),
            ("capacity", Self::Capacity),
        ]
    }
}

choice_decode!(Subject);

choice! {
    /// How bad it is to break a policy.
    pub enum Level: "a level" {
        /// An error.
        Error = "error",
        /// A warning.
        Warn = "warn",
    }
}
