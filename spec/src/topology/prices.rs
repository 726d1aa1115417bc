//! What the system's parts cost.

use indexmap::IndexMap;
use serde::Serialize;

/// Prices a month.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Prices {
    /// The currency, as written after an amount.
    pub currency: String,
    /// Any instance that has no price of its own.
    pub instance: f64,
    /// An instance of these components.
    pub components: IndexMap<String, f64>,
    /// A gigabyte (10^9 bytes) of declared disk.
    pub disk: f64,
}

impl Prices {
    /// An instance of this component.
    pub fn instance_of(&self, component: &str) -> f64 {
        self.components.get(component).copied().unwrap_or(self.instance)
    }
}
