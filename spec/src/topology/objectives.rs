//! What the system promises.

use indexmap::IndexMap;
use serde::Serialize;

use crate::units::Objective;

/// How much must succeed: of the checks of a component's instances, of the gateway's exchanges, of the calls to a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Objectives {
    /// Of everything that has none of its own.
    pub success: Objective,
    /// Of these components.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub components: IndexMap<String, Objective>,
}

impl Objectives {
    /// What this component promises.
    pub fn of(&self, component: &str) -> Objective {
        self.components.get(component).copied().unwrap_or(self.success)
    }
}
