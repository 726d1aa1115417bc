//! The load that the system is planned for.

use serde::Serialize;

/// Expected load.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Load {
    /// Registered users.
    pub users: u64,
    /// Users connected at peak.
    pub online: u64,
    /// Message traffic.
    pub messages: MessageLoad,
}

/// Message traffic.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MessageLoad {
    /// Mean messages per second.
    pub mean_per_second: f64,
    /// Peak messages per second.
    pub peak_per_second: f64,
    /// Mean size of a stored message, bytes.
    pub size_bytes: u64,
    /// The column by which traffic is keyed (`channel_id`).
    pub key: String,
    /// Zipf exponent of the key distribution; 0 is uniform.
    pub skew: f64,
    /// Distinct keys.
    pub keys: u64,
}

impl Default for Load {
    fn default() -> Self {
        Self {
            users: 1_000,
            online: 100,
            messages: MessageLoad {
                mean_per_second: 10.0,
                peak_per_second: 100.0,
                size_bytes: 900,
                key: "channel_id".to_owned(),
                skew: 0.8,
                keys: 1_000,
            },
        }
    }
}
