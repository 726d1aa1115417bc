//! Plants bugs by name. Exists under `--cfg sabotage` alone.

use archgen_store::sabotage::{Sabotage, set};

/// Plants the bug of this name for every run of this process; `false` where there is none.
pub fn plant(name: &str) -> bool {
    let bug = match name {
        "ack-before-sync" => Sabotage::AckBeforeSync,
        "no-dedup" => Sabotage::NoDedup,
        "no-fence" => Sabotage::NoFence,
        _ => return false,
    };
    set(bug);
    true
}
