//! [`Cursor`]: a device's place in a channel. Pure: it decides what is shown, ignored or fetched.

/// What to do with an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It is the next one: show it.
    Show,
    /// It was shown already.
    Ignore,
    /// Events between were missed: ask for what comes after the cursor.
    Fetch,
}

/// The last place of one channel that was shown; the default stands before the first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cursor {
    /// Ownership epoch of the last entry.
    pub epoch: u64,
    /// Its seq; 0 before the first.
    pub seq: u64,
}

impl Cursor {
    /// Takes an event's place. The cursor moves only with [`Step::Show`].
    pub fn take(&mut self, epoch: u64, seq: u64) -> Step {
        if seq <= self.seq {
            Step::Ignore
        } else if seq == self.seq + 1 {
            *self = Self { epoch, seq };
            Step::Show
        } else {
            Step::Fetch
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_each_once_in_order_and_asks_for_gaps() {
        let mut cursor = Cursor::default();
        let steps: Vec<Step> = [1, 2, 2, 4, 3, 4, 1].into_iter().map(|seq| cursor.take(1, seq)).collect();
        use Step::{Fetch, Ignore, Show};
        assert_eq!(steps, [Show, Show, Ignore, Fetch, Show, Show, Ignore]);
        assert_eq!(cursor, Cursor { epoch: 1, seq: 4 });
    }
}
