//! [`Cursor`]: this host's place in a channel's log. Pure: it decides what is delivered, ignored or fetched.

/// What to do with an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// It is the next one: deliver it.
    Deliver,
    /// It was delivered already.
    Ignore,
    /// Entries between are missing: fetch what comes after the cursor.
    Fetch,
}

/// The last place that was delivered to subscribers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cursor {
    pub(super) epoch: u64,
    pub(super) seq: u64,
}

impl Cursor {
    /// Takes an entry's place. The cursor moves only with [`Step::Deliver`].
    pub(super) fn take(&mut self, epoch: u64, seq: u64) -> Step {
        if seq <= self.seq {
            Step::Ignore
        } else if seq == self.seq + 1 {
            *self = Self { epoch, seq };
            Step::Deliver
        } else {
            Step::Fetch
        }
    }
}
