//! The `prices:` section.

use super::Named;
use crate::units::Money;

section! {
    /// What things cost a month.
    pub struct Prices {
        /// The currency.
        currency: String,
        /// Any instance of anything.
        instance: Money,
        /// An instance of one component.
        components: Vec<Named<Money>>,
        /// A gigabyte of disk.
        disk: Money,
    }
    required []
}
