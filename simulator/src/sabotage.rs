//! Plants bugs by name. Exists under `--cfg sabotage` alone.

use archgen_env::sabotage::{self, Bug};

/// Plants the bug of this name for every run of this process; `false` where there is none.
pub fn plant(name: &str) -> bool {
    let found = Bug::ALL.into_iter().find(|(known, _)| *known == name);
    found.inspect(|(_, bug)| sabotage::plant(*bug)).is_some()
}

/// Names of all bugs.
pub fn bugs() -> Vec<&'static str> {
    Bug::ALL.iter().map(|(name, _)| *name).collect()
}
