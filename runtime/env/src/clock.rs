//! Wall time. Monotonic time is `tokio::time` in both worlds and needs no trait.

/// A wall clock, which may be wrong and may jump.
pub trait WallClock: Send + Sync + 'static {
    /// Milliseconds since the Unix epoch.
    fn wall_ms(&self) -> u64;
}
