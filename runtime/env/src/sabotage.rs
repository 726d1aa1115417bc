//! Planted bugs, one at a time, that the simulator must find. Without `--cfg sabotage` none can be planted, and every question
//! after one is a constant.

/// A planted bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// The store acknowledges before its log is synced.
    AckBeforeSync,
    /// The store forgets which client ids were seen.
    NoDedup,
    /// The store accepts a stale owner's appends.
    NoFence,
    /// The store leaves the newest message out of a page.
    StaleRead,
    /// The store lets two rows have one unique value.
    NoUnique,
    /// A consumer gives an event up after its first failure.
    GiveUp,
    /// Messaging acknowledges a removal and leaves the member in.
    KeepRemoved,
    /// The object store gives back a changed byte.
    ChangedByte,
    /// Realtime hosts forget to say who is there.
    SilentPresence,
    /// A device forgets a message that it should send again.
    NoResend,
    /// A unit is handed over before its last changes have arrived.
    SwitchEarly,
    /// A device that comes back begins at the newest place instead of its own.
    ForgetPlace,
    /// The gateway keeps answers long after their time.
    KeepStale,
    /// A host that the registry has forgotten does not register again.
    StayForgotten,
}

impl Bug {
    /// Every bug with its name.
    pub const ALL: [(&'static str, Self); 14] = [
        ("ack-before-sync", Self::AckBeforeSync),
        ("no-dedup", Self::NoDedup),
        ("no-fence", Self::NoFence),
        ("stale-read", Self::StaleRead),
        ("no-unique", Self::NoUnique),
        ("give-up", Self::GiveUp),
        ("keep-removed", Self::KeepRemoved),
        ("changed-byte", Self::ChangedByte),
        ("silent-presence", Self::SilentPresence),
        ("no-resend", Self::NoResend),
        ("switch-early", Self::SwitchEarly),
        ("forget-place", Self::ForgetPlace),
        ("keep-stale", Self::KeepStale),
        ("stay-forgotten", Self::StayForgotten),
    ];
}

#[cfg(not(sabotage))]
mod planting {
    use super::Bug;

    /// Whether this bug is planted: never.
    pub const fn is_planted(_: Bug) -> bool {
        false
    }
}

#[cfg(sabotage)]
mod planting {
    use std::sync::atomic::{AtomicU8, Ordering};

    use super::Bug;

    static PLANTED: AtomicU8 = AtomicU8::new(0);

    /// Plants a bug for this process.
    pub fn plant(bug: Bug) {
        PLANTED.store(bug as u8 + 1, Ordering::Relaxed);
    }

    /// Whether this bug is planted.
    pub fn is_planted(bug: Bug) -> bool {
        PLANTED.load(Ordering::Relaxed) == bug as u8 + 1
    }
}

pub use planting::is_planted;
#[cfg(sabotage)]
pub use planting::plant;
