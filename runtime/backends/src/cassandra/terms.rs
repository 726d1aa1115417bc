//! Which rows of a channel's log stand. Pure.
//!
//! Cassandra cannot compare an epoch in the write itself without a lightweight transaction, so rows of owners who have lost the
//! shard, and of appends whose answer was lost, may surface at any time. Every time an owner takes a channel up, it draws a *term*
//! (its epoch, and a count of the times under it) and writes down with which sequence number the term begins. A row of an older
//! term at or after that place does not stand: it was never acknowledged.

use archgen_ports::messages::Counts;

/// Bits of a term that count the loads under one epoch.
const LOAD_BITS: u32 = 20;

/// The first term of an epoch.
pub(super) fn first_term(epoch: u64) -> i64 {
    (epoch << LOAD_BITS | 1) as i64
}

/// The epoch of a term.
pub(super) fn epoch_of(term: i64) -> u64 {
    term as u64 >> LOAD_BITS
}

/// How a term begins: its first sequence number, and the channel's counts before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Begin {
    pub(super) term: i64,
    pub(super) seq: i64,
    pub(super) counts: Counts,
}

/// The terms of a channel, newest first; and the published mark.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Terms {
    pub(super) begins: Vec<Begin>,
    pub(super) published: i64,
}

impl Terms {
    /// Whether a row stands.
    pub(super) fn stands(&self, seq: i64, term: i64) -> bool {
        self.begins.iter().take_while(|newer| newer.term > term).all(|newer| seq < newer.seq)
    }

    /// The newest term.
    pub(super) fn newest(&self) -> Option<i64> {
        self.begins.first().map(|newest| newest.term)
    }

    /// A sequence number that the head is certainly not below.
    pub(super) fn floor(&self) -> i64 {
        self.begins.first().map_or(0, |newest| newest.seq - 1).max(self.published)
    }

    /// The terms older than this one.
    pub(super) fn before(&self, term: i64) -> Self {
        let begins = self.begins.iter().copied().filter(|begin| begin.term < term).collect();
        Self { begins, published: self.published }
    }
}

/// Entries of one partition. A partition of ten thousand ordinary messages has some ten megabytes.
pub(super) const BUCKET_ENTRIES: i64 = 16_384;

/// The bucket of a sequence number.
pub(super) fn bucket(seq: i64) -> i64 {
    (seq.max(1) - 1) / BUCKET_ENTRIES
}

/// The last sequence number of a bucket.
pub(super) fn bucket_end(bucket: i64) -> i64 {
    (bucket + 1) * BUCKET_ENTRIES
}

/// Of rows in the order of `seq` (up or down), the one that stands at each place.
pub(super) fn standing<T>(terms: &Terms, rows: Vec<(i64, i64, T)>) -> Vec<(i64, i64, T)> {
    let mut kept: Vec<(i64, i64, T)> = Vec::with_capacity(rows.len());
    for row in rows.into_iter().filter(|(seq, term, _)| terms.stands(*seq, *term)) {
        match kept.last_mut() {
            Some(last) if last.0 == row.0 => {
                if last.1 < row.1 {
                    *last = row;
                }
            }
            _ => kept.push(row),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_an_older_term_stand_only_before_the_newer_begins() {
        let (one, two, three) = (first_term(1), first_term(1) + 1, first_term(4));
        assert_eq!((epoch_of(one), epoch_of(two), epoch_of(three)), (1, 1, 4));
        let begins = [(three, 8), (two, 5), (one, 1)].map(|(term, seq)| Begin { term, seq, counts: Counts::default() });
        let terms = Terms { begins: begins.to_vec(), published: 3 };
        assert!(terms.stands(4, one) && !terms.stands(5, one) && !terms.stands(9, one));
        assert!(terms.stands(7, two) && !terms.stands(8, two) && terms.stands(8, three));
        assert_eq!(terms.floor(), 7);
        assert!(terms.before(three).stands(8, two), "before the newest began, it stood");
        let rows = vec![(4, one, 'a'), (5, two, 'b'), (5, one, 'z'), (8, three, 'c'), (8, two, 'z'), (9, two, 'z')];
        let kept: String = standing(&terms, rows).into_iter().map(|(.., c)| c).collect();
        assert_eq!(kept, "abc");
    }

    #[test]
    fn buckets_are_dense_ranges_of_the_log() {
        assert_eq!((bucket(1), bucket(BUCKET_ENTRIES), bucket(BUCKET_ENTRIES + 1)), (0, 0, 1));
        assert_eq!(bucket(bucket_end(3)), 3);
        assert_eq!(bucket(bucket_end(3) + 1), 4);
    }
}
