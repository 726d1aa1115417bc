//! The `load:` section.

use super::Identifier;
use crate::units::{Bytes, Count, Rate, Zipf};

section! {
    /// Expected load.
    pub struct Load {
        /// Registered users.
        users: Count,
        /// Connected at peak.
        online: Count,
        /// Message traffic.
        messages: Messages,
    }
    required []
}

section! {
    /// Message traffic.
    pub struct Messages {
        /// Mean rate.
        mean: Rate,
        /// Peak rate.
        peak: Rate,
        /// Mean size.
        size: Bytes,
        /// Column that traffic is keyed by.
        key: Identifier,
        /// Distribution of keys.
        skew: Zipf,
        /// Distinct keys.
        keys: Count,
    }
    required []
}
