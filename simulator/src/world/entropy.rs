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
    let mut out = [0u8; 32];
    for chunk in out.chunks_mut(8) {
        hash = hash.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = hash;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        chunk.copy_from_slice(&(z ^ (z >> 31)).to_le_bytes());
    }
    out
}
