//! [`Digest`]: how both sides of a move see that they hold the same.

use serde::{Deserialize, Serialize};

/// Count, size and a checksum of pairs in which their order does not matter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest {
    /// Pairs.
    pub pairs: u64,
    /// Keys and values, bytes.
    pub bytes: u64,
    /// The sum of their hashes (xxh3), modulo 2^64.
    pub checksum: u64,
}

impl Digest {
    /// Takes one pair in.
    pub(crate) fn add(&mut self, key: &[u8], value: &[u8]) {
        self.pairs += 1;
        self.bytes += (key.len() + value.len()) as u64;
        let hash = xxhash_rust::xxh3::xxh3_64_with_seed(value, xxhash_rust::xxh3::xxh3_64(key));
        self.checksum = self.checksum.wrapping_add(hash);
    }
}
