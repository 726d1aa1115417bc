//! The `objectives:` section.

use super::Named;
use crate::units::Objective;

section! {
    /// What is promised.
    pub struct Objectives {
        /// Of everything that has none of its own.
        success: Objective,
        /// Of one component.
        components: Vec<Named<Objective>>,
    }
    required []
}
