//! Random streams split by (seed, host, life, purpose), so that one more draw in one place shifts nothing elsewhere.

use archgen_env::entropy::EntropySource;

pub(super) struct SimulatedEntropy {
    seed: u64,
    host: String,
    life: u64,
}

impl SimulatedEntropy {
    pub(super) fn new(seed: u64, host: &str, life: u64) -> Self {
        Self { seed, host: host.to_owned(), life }
    }
}

impl EntropySource for SimulatedEntropy {
    fn stream(&self, purpose: &str) -> [u8; 32] {
        stream_seed(self.seed, &[self.host.as_bytes(), &self.life.to_le_bytes(), purpose.as_bytes()])
    }
}

/// The seed of a stream: four SplitMix64 outputs (Steele, Lea, Flood 2014) of an FNV-1a hash of the parts.
pub fn stream_seed(seed: u64, parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = 0xcbf2_9ce4_8422_2325u64 ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for part in parts {
        for byte in part.iter().chain(&[0xffu8]) {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    let mut draw = Draw(hash);
    let mut out = [0u8; 32];
    for chunk in out.chunks_mut(8) {
        chunk.copy_from_slice(&draw.next().to_le_bytes());
    }
    out
}

/// A light stream of draws (SplitMix64; Steele, Lea, Flood 2014), for the many small decisions of a network.
#[derive(Debug, Clone)]
pub struct Draw(u64);

impl Draw {
    /// The stream of these parts.
    pub fn new(seed: u64, parts: &[&[u8]]) -> Self {
        let [a, b, c, d, e, f, g, h, ..] = stream_seed(seed, parts);
        Self(u64::from_le_bytes([a, b, c, d, e, f, g, h]))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`; 0 for a bound of 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    /// A number from `least` to `most`.
    pub fn between(&mut self, (least, most): (u64, u64)) -> u64 {
        least + self.below(most.saturating_sub(least) + 1)
    }

    /// True in `share` cases of a thousand.
    pub fn chance(&mut self, share: u64) -> bool {
        self.below(1_000) < share
    }
}
