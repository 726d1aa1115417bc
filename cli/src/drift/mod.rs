//! What is there, compared with what the spec says, place by place. It reads and never writes: nothing here can.

mod files;
mod fleet;
mod live_registry;
mod nginx;
mod schemas;

pub use files::files;
pub use fleet::fleet;
pub use live_registry::registry;
pub use nginx::nginx;
pub use schemas::schemas;

/// One thing that is not as the spec says.
#[derive(Debug, PartialEq, Eq, serde::Serialize)]
pub struct Drifted {
    /// Where: `file`, `fleet`, `nginx`, `registry` or `store`.
    pub place: &'static str,
    /// What, by the name that `--ignore` and the spec's `drift.ignore` know.
    pub what: String,
    /// How it is instead.
    pub how: String,
}

fn drifted(place: &'static str, what: impl Into<String>, how: impl Into<String>) -> Drifted {
    Drifted { place, what: what.into(), how: how.into() }
}
