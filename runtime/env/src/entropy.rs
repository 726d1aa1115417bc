//! Randomness: named streams, seeded once per host, so that a simulation can replay them.

use std::sync::{Arc, Mutex, PoisonError};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Makes the seed of a stream from its purpose.
pub trait EntropySource: Send + Sync + 'static {
    /// 32 bytes of seed for this purpose. A simulation derives them from (seed, host, purpose); the operating system's
    /// implementation draws them afresh.
    fn stream(&self, purpose: &str) -> [u8; 32];
}

/// One random stream (ChaCha8, portable across platforms). Clones share the stream.
#[derive(Clone)]
pub struct Entropy(Arc<Mutex<ChaCha8Rng>>);

impl Entropy {
    /// A stream of this seed.
    pub fn new(seed: [u8; 32]) -> Self {
        Self(Arc::new(Mutex::new(ChaCha8Rng::from_seed(seed))))
    }

    fn with<T>(&self, f: impl FnOnce(&mut ChaCha8Rng) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Fills the buffer.
    pub fn fill(&self, buffer: &mut [u8]) {
        self.with(|rng| rng.fill_bytes(buffer));
    }

    /// The next 64 bits.
    pub fn next_u64(&self) -> u64 {
        self.with(|rng| rng.next_u64())
    }

    /// A number below `bound`, uniform to one part in 2^32 for the bounds used here; 0 for a bound of 0.
    pub fn below(&self, bound: u64) -> u64 {
        ((u128::from(self.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// `N` random bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut out = [0u8; N];
        self.fill(&mut out);
        out
    }

    /// `bytes` random bytes in lower-case hexadecimal.
    pub fn token(&self, bytes: usize) -> String {
        let mut raw = vec![0u8; bytes];
        self.fill(&mut raw);
        raw.iter().map(|b| format!("{b:02x}")).collect()
    }
}
