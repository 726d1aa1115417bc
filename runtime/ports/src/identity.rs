//! Ids and positions that cross ports and wires.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }
    };
}

text_id! {
    /// A user: UUID version 7.
    UserId
}
text_id! {
    /// A channel: time-ordered 63-bit number in decimal.
    ChannelId
}
text_id! {
    /// A message: time-ordered 63-bit number in decimal.
    MessageId
}

/// A place in a channel's log. `seq` is dense over the channel's whole life; `epoch` names the ownership under which the
/// entry was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Position {
    /// Ownership epoch.
    pub epoch: u64,
    /// Sequence number, from 1.
    pub seq: u64,
}

/// The key by which hosts of one fleet know each other. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct ServiceKey(String);

impl ServiceKey {
    /// HTTP header that carries it.
    pub const HEADER: &'static str = "x-archgen-service-key";

    /// A key of this text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The key's text, for a header.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether the presented text is this key; the time taken does not depend on where they differ.
    pub fn matches(&self, presented: &[u8]) -> bool {
        let own = self.0.as_bytes();
        own.len() == presented.len() && own.iter().zip(presented).fold(0u8, |d, (a, b)| d | (a ^ b)) == 0
    }
}

impl fmt::Debug for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServiceKey(…)")
    }
}
