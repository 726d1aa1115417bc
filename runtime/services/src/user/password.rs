//! Password hashing: Argon2id (RFC 9106) off the event loop, few at a time, the same work for unknown users.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use archgen_env::{Env, entropy::Entropy};
use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::error::UserError;

/// Hashes computed at once.
const RUNNING_MAX: usize = 4;
/// Requests that compute or wait for their turn; more are shed.
const PENDING_MAX: usize = 64;
/// Passes over the memory.
const PASSES: u32 = 2;
/// Lanes.
const LANES: u32 = 1;
/// Least memory the algorithm allows, KiB: 8 per lane.
const MEMORY_KIB_MIN: u64 = 8 * LANES as u64;
/// Most memory allowed here, KiB: 1 GiB.
const MEMORY_KIB_MAX: u64 = 1 << 20;
const SALT_BYTES: usize = 16;

/// Hashes and checks passwords.
pub(super) struct Passwords {
    env: Env,
    salts: Entropy,
    params: Params,
    /// Checked where the user is unknown, so that the answer takes as long as for a known one.
    dummy: Arc<str>,
    running: Semaphore,
    pending: AtomicUsize,
}

/// A place among those who compute or wait; it frees itself.
pub(super) struct Turn<'a> {
    _running: SemaphorePermit<'a>,
    _pending: Pending<'a>,
}

struct Pending<'a>(&'a AtomicUsize);

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Passwords {
    /// `memory_bytes` per hash, raised to the least that Argon2 allows.
    pub async fn new(env: &Env, memory_bytes: u64) -> Result<Self, UserError> {
        let memory_kib = (memory_bytes / 1_024).clamp(MEMORY_KIB_MIN, MEMORY_KIB_MAX);
        let memory_kib = u32::try_from(memory_kib).map_err(|_| UserError::Crypto("argon2 memory"))?;
        let params =
            Params::new(memory_kib, PASSES, LANES, None).map_err(|_| UserError::Crypto("argon2 parameters"))?;
        let salts = env.entropy("salts");
        let (salt, nobody) = (salts.bytes::<SALT_BYTES>(), salts.token(32));
        let dummy = env.compute({
            let params = params.clone();
            move || hash(params, nobody.as_bytes(), &salt)
        });
        let dummy = dummy.await?.into();
        let (running, pending) = (Semaphore::new(RUNNING_MAX), AtomicUsize::new(0));
        Ok(Self { env: env.clone(), salts, params, dummy, running, pending })
    }

    /// Waits for a turn to compute.
    ///
    /// # Errors
    /// [`UserError::Overloaded`] where too many wait already.
    pub async fn turn(&self) -> Result<Turn<'_>, UserError> {
        let before = self.pending.fetch_add(1, Ordering::Relaxed);
        let pending = Pending(&self.pending);
        if before >= PENDING_MAX {
            return Err(UserError::Overloaded);
        }
        let running = self.running.acquire().await.map_err(|_| UserError::Overloaded)?;
        Ok(Turn { _running: running, _pending: pending })
    }

    /// The PHC string of a new password.
    pub async fn hash(&self, _turn: &Turn<'_>, password: String) -> Result<String, UserError> {
        let (params, salt) = (self.params.clone(), self.salts.bytes::<SALT_BYTES>());
        self.env.compute(move || hash(params, password.as_bytes(), &salt)).await
    }

    /// Whether the password matches the stored hash; with no hash the same work is done and the answer is no.
    pub async fn check(&self, _turn: &Turn<'_>, password: String, stored: Option<&str>) -> bool {
        let known = stored.is_some();
        let stored: Arc<str> = stored.map_or_else(|| self.dummy.clone(), Into::into);
        let matches = self.env.compute(move || {
            PasswordHash::new(&stored)
                .is_ok_and(|stored| Argon2::default().verify_password(password.as_bytes(), &stored).is_ok())
        });
        matches.await && known
    }
}

fn hash(params: Params, password: &[u8], salt: &[u8]) -> Result<String, UserError> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_with_salt(password, salt)
        .map(|hash: PasswordHash| hash.to_string())
        .map_err(|_| UserError::Crypto("argon2"))
}
