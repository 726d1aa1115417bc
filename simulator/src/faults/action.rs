//! What a fault does to whom, and how it is told.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Kinds of fault that a link can meet.
pub const LINK_KINDS: &[&str] = &["partition", "one-way-cut", "latency", "loss", "slow-link", "reset", "refuse"];
/// Kinds of fault that a host can meet.
pub const HOST_KINDS: &[&str] = &["exit", "power-loss", "pause", "clock-skew", "clock-drift", "slow-disk", "full-disk"];

/// What is done to whom; host names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Action {
    /// No traffic either way.
    Partition {
        /// One host.
        a: String,
        /// Other host.
        b: String,
    },
    /// No traffic from one host to the other.
    OneWayCut {
        /// Sender.
        from: String,
        /// Receiver.
        to: String,
    },
    /// Every message takes longer, both ways.
    Latency {
        /// One host.
        a: String,
        /// Other host.
        b: String,
        /// Added, milliseconds.
        extra_ms: u64,
    },
    /// Segments are lost and sent again, both ways.
    Loss {
        /// One host.
        a: String,
        /// Other host.
        b: String,
        /// Of a thousand.
        per_thousand: u64,
    },
    /// The link carries little, both ways.
    SlowLink {
        /// One host.
        a: String,
        /// Other host.
        b: String,
        /// Bytes a second.
        bytes_per_second: u64,
    },
    /// Every connection between the two is reset, once.
    Reset {
        /// One host.
        a: String,
        /// Other host.
        b: String,
    },
    /// New connections from one host to the other are refused.
    Refuse {
        /// Client.
        from: String,
        /// Server.
        to: String,
    },
    /// The process exits and is started again at the end.
    Exit {
        /// Host.
        host: String,
    },
    /// The machine loses power and is started again at the end.
    PowerLoss {
        /// Host.
        host: String,
    },
    /// The machine is lost with its disk; an empty one takes its place at the end.
    DiskLoss {
        /// Host.
        host: String,
    },
    /// The process is held still (SIGSTOP) and goes on at the end.
    Pause {
        /// Host.
        host: String,
    },
    /// The wall clock is off.
    ClockSkew {
        /// Host.
        host: String,
        /// Offset, milliseconds.
        offset_ms: i64,
    },
    /// The wall clock runs too fast or too slow, and is set right at the end.
    ClockDrift {
        /// Host.
        host: String,
        /// Milliseconds gained a second.
        ms_per_second: i64,
    },
    /// Each call of the disk takes long.
    SlowDisk {
        /// Host.
        host: String,
        /// Of each call, milliseconds.
        call_ms: u64,
    },
    /// Nothing more can be written to the disk.
    FullDisk {
        /// Host.
        host: String,
    },
    /// A cache loses everything at once, and serves on.
    CacheFlush {
        /// Host.
        host: String,
    },
    /// One byte of the disk becomes another, and the process is started anew; at the end an empty disk takes its place.
    CorruptDisk {
        /// Host.
        host: String,
    },
}

impl Action {
    /// Its kind, as in the artifacts.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Partition { .. } => "partition",
            Self::OneWayCut { .. } => "one-way-cut",
            Self::Latency { .. } => "latency",
            Self::Loss { .. } => "loss",
            Self::SlowLink { .. } => "slow-link",
            Self::Reset { .. } => "reset",
            Self::Refuse { .. } => "refuse",
            Self::Exit { .. } => "exit",
            Self::PowerLoss { .. } => "power-loss",
            Self::DiskLoss { .. } => "disk-loss",
            Self::Pause { .. } => "pause",
            Self::ClockSkew { .. } => "clock-skew",
            Self::ClockDrift { .. } => "clock-drift",
            Self::SlowDisk { .. } => "slow-disk",
            Self::FullDisk { .. } => "full-disk",
            Self::CorruptDisk { .. } => "corrupt-disk",
            Self::CacheFlush { .. } => "cache-flush",
        }
    }

    /// Whether it needs a simulated disk.
    pub fn is_of_disks(&self) -> bool {
        matches!(
            self,
            Self::DiskLoss { .. }
                | Self::SlowDisk { .. }
                | Self::FullDisk { .. }
                | Self::CorruptDisk { .. }
                | Self::CacheFlush { .. }
        )
    }

    /// The hosts that it touches: one, or the two ends of a link.
    pub fn hosts(&self) -> Vec<&str> {
        match self {
            Self::Partition { a, b }
            | Self::Latency { a, b, .. }
            | Self::Loss { a, b, .. }
            | Self::SlowLink { a, b, .. }
            | Self::Reset { a, b } => vec![a, b],
            Self::OneWayCut { from, to } | Self::Refuse { from, to } => vec![from, to],
            Self::Exit { host }
            | Self::PowerLoss { host }
            | Self::DiskLoss { host }
            | Self::Pause { host }
            | Self::ClockSkew { host, .. }
            | Self::ClockDrift { host, .. }
            | Self::SlowDisk { host, .. }
            | Self::FullDisk { host }
            | Self::CorruptDisk { host }
            | Self::CacheFlush { host } => vec![host],
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |ms: u64| ms as f64 / 1000.0;
        match self {
            Self::Partition { a, b } => write!(f, "{a} and {b} cannot reach each other"),
            Self::OneWayCut { from, to } => write!(f, "nothing from {from} reaches {to}"),
            Self::Latency { a, b, extra_ms } => write!(f, "messages between {a} and {b} take {extra_ms} ms longer"),
            Self::Loss { a, b, per_thousand } => {
                write!(f, "{per_thousand} of 1,000 segments between {a} and {b} are lost and sent again")
            }
            Self::SlowLink { a, b, bytes_per_second } => {
                write!(f, "the link between {a} and {b} carries {bytes_per_second} bytes a second")
            }
            Self::Reset { a, b } => write!(f, "every connection between {a} and {b} is reset"),
            Self::Refuse { from, to } => write!(f, "{to} refuses new connections from {from}"),
            Self::Exit { host } => write!(f, "{host}'s process is gone"),
            Self::PowerLoss { host } => write!(f, "{host} has no power; what it had not synced is lost"),
            Self::DiskLoss { host } => write!(f, "{host} is lost with its disk; an empty machine takes its place"),
            Self::Pause { host } => write!(f, "{host}'s process stands still"),
            Self::ClockSkew { host, offset_ms } => {
                let way = if *offset_ms < 0 { "behind" } else { "ahead" };
                write!(f, "{host}'s clock is {:.2} s {way}", seconds(offset_ms.unsigned_abs()))
            }
            Self::ClockDrift { host, ms_per_second } => {
                let way = if *ms_per_second < 0 { "loses" } else { "gains" };
                write!(f, "{host}'s clock {way} {} ms a second", ms_per_second.unsigned_abs())
            }
            Self::SlowDisk { host, call_ms } => write!(f, "each call of {host}'s disk takes {call_ms} ms"),
            Self::FullDisk { host } => write!(f, "{host}'s disk is full"),
            Self::CacheFlush { host } => write!(f, "{host} forgets everything that it keeps"),
            Self::CorruptDisk { host } => {
                write!(f, "a byte of {host}'s disk is another one at its next start; an empty disk takes its place")
            }
        }
    }
}

/// A fault with its time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scheduled {
    /// Start, milliseconds after the fault phase begins.
    pub at_ms: u64,
    /// Length, milliseconds.
    pub for_ms: u64,
    /// What.
    #[serde(flatten)]
    pub action: Action,
}

impl fmt::Display for Scheduled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (at, lasts) = (self.at_ms as f64 / 1000.0, self.for_ms as f64 / 1000.0);
        match self.action {
            Action::Reset { .. } | Action::CacheFlush { .. } => write!(f, "at {at:.2} s: {}", self.action),
            _ => write!(f, "at {at:.2} s, for {lasts:.2} s: {}", self.action),
        }
    }
}
