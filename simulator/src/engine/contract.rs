//! What an engine is: the trait, the names, and the constants of TCP that both engines share.

use std::{fmt, future::Future, pin::Pin, str::FromStr, time::Duration};

use archgen_env::{Env, entropy::Entropy};
use serde::{Deserialize, Serialize};

use crate::world::World;

/// Least and most latency of a message between two hosts, milliseconds.
pub const LATENCY_MS: (u64, u64) = (1, 10);
/// Wait before a segment is sent again, as in Linux (`TCP_RTO_MIN`); doubled each time (RFC 6298).
pub const RETRANSMIT: Duration = Duration::from_millis(200);
/// Wait before a SYN is sent again (RFC 6298); doubled each time.
pub const SYN_RETRY: Duration = Duration::from_secs(1);
/// SYNs sent before an attempt to connect fails.
pub const SYN_TRIES_MAX: u32 = 6;

/// Which engine runs a simulation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineKind {
    /// Time jumps to the next event.
    #[default]
    Event,
    /// The turmoil crate: a fixed tick, one runtime per host.
    Turmoil,
}

impl EngineKind {
    /// Every engine.
    pub const ALL: [Self; 2] = [Self::Event, Self::Turmoil];

    /// Its name on the command line and in artifacts.
    pub fn name(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Turmoil => "turmoil",
        }
    }
}

impl fmt::Display for EngineKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a text names no engine.
#[derive(Debug, thiserror::Error)]
#[error("no engine is called `{0}`")]
pub struct UnknownEngine(String);

impl FromStr for EngineKind {
    type Err = UnknownEngine;

    fn from_str(text: &str) -> Result<Self, UnknownEngine> {
        Self::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| UnknownEngine(text.to_owned()))
    }
}

/// What runs on a host, erased.
pub type Running = Pin<Box<dyn Future<Output = ()> + Send>>;
/// A program: started anew at each start of its host, with that life's environment.
pub type Program = Box<dyn Fn(Env) -> Running + Send + Sync>;

/// The weather of a directed link.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Weather {
    /// Added to the latency of each segment.
    pub extra_ms: u64,
    /// Segments lost and sent again, of a thousand.
    pub lost_per_thousand: u64,
    /// Bytes a second; 0 where the link is not the bottleneck.
    pub bytes_per_second: u64,
    /// A new connection is refused.
    pub refused: bool,
}

/// A simulation under way. Names are those of hosts and people.
pub trait Engine {
    /// Adds a host and starts it.
    fn add_host(&mut self, name: &str, program: Program);
    /// Adds a person, who lives until the end of their program.
    fn add_person(&mut self, name: &str, program: Program);
    /// Runs until this time, or until all people are done, and says whether they are.
    ///
    /// # Errors
    /// The engine itself failed; in words.
    fn advance(&mut self, until: Duration) -> Result<bool, Broken>;
    /// Hosts whose programs ended by themselves since this was last asked; [`Engine::advance`] returns early for them.
    fn take_ended(&mut self) -> Vec<String>;
    /// True time since the start.
    fn now(&self) -> Duration;

    /// Segments by sender and receiver, where the engine counts them.
    fn traffic(&self) -> Vec<(String, String, u64)> {
        Vec::new()
    }

    /// Nothing more passes from one host to another.
    fn cut(&mut self, from: &str, to: &str);
    /// Takes one cut back.
    fn join(&mut self, from: &str, to: &str);
    /// Sets the weather from one host to another.
    fn weather(&mut self, from: &str, to: &str, weather: Weather);
    /// Resets every connection between two hosts.
    fn reset(&mut self, a: &str, b: &str);
    /// The host's process is killed; the machine's kernel takes leave of its peers.
    fn exit(&mut self, host: &str);
    /// The host's machine loses power: its peers hear nothing.
    fn power_off(&mut self, host: &str);
    /// The host's machine is up and its process started anew.
    fn start(&mut self, host: &str);
    /// The world that it runs in.
    fn world(&self) -> &World;

    /// The host's process is held still, as by SIGSTOP.
    fn hold(&mut self, host: &str) {
        self.world().machine(host).hold();
    }
    /// It goes on.
    fn release(&mut self, host: &str) {
        self.world().machine(host).release();
    }
    /// The host's wall clock is off by this much, and from now on by so much more each second.
    fn set_clock(&mut self, host: &str, offset_ms: i64, ms_per_second: i64) {
        let now = self.now();
        self.world().skews.set(host, offset_ms);
        if ms_per_second != 0 {
            self.world().skews.drift(host, ms_per_second, now);
        }
    }
    /// Something happens to the host's disk.
    fn on_disk(&mut self, host: &str, event: DiskEvent<'_>) {
        let disk = self.world().disk(host);
        match event {
            DiskEvent::Slow(call_ms) => self.world().machine(host).set_device_ms(call_ms),
            DiskEvent::Full(is_full) => disk.set_full(is_full),
            DiskEvent::PowerLost(entropy) => disk.lose_power(entropy),
            DiskEvent::Lost => disk.lose_all(),
            DiskEvent::Corrupt(entropy) => disk.corrupt(entropy),
        }
    }
    /// Ends the simulation in a process that is about to end: nothing in it runs again, and its memory is the kernel's to take back.
    fn leave(self: Box<Self>) {
        std::mem::forget(self);
    }
}

/// What happens to a disk.
pub enum DiskEvent<'a> {
    /// Each call takes so long from now on, milliseconds.
    Slow(u64),
    /// It is full, or no longer.
    Full(bool),
    /// Its machine lost power: what was not synced is gone, but for a part.
    PowerLost(&'a Entropy),
    /// It is gone, and an empty one in its place.
    Lost,
    /// A byte that it holds is another one.
    Corrupt(&'a Entropy),
}

/// The engine failed; in words.
#[derive(Debug, thiserror::Error)]
#[error("the simulation stopped: {0}")]
pub struct Broken(pub String);

/// An engine of this kind in this world.
pub fn engine(kind: EngineKind, world: &World) -> Box<dyn Engine> {
    match kind {
        EngineKind::Event => Box::new(super::event::EventEngine::new(world)),
        EngineKind::Turmoil => Box::new(super::ticks::TickEngine::new(world)),
    }
}

/// When what was first sent at `since` and lost is sent for the first time at or after `healed`, both since the same origin.
pub(crate) fn retransmission(since: Duration, healed: Duration) -> Duration {
    let mut due = since;
    let mut wait = RETRANSMIT;
    while due < healed {
        due += wait;
        wait *= 2;
    }
    due
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_lost_is_sent_again_after_doubling_waits() {
        let ms = Duration::from_millis;
        let after = |healed| retransmission(ms(1_000), ms(healed)).as_millis();
        assert_eq!(
            [after(900), after(1_000), after(1_001), after(1_201), after(1_601), after(2_401)],
            [1_000, 1_000, 1_200, 1_600, 2_400, 4_000]
        );
    }

    #[test]
    fn engines_have_names() {
        for kind in EngineKind::ALL {
            assert_eq!(kind.name().parse::<EngineKind>().unwrap(), kind);
        }
        assert!("quantum".parse::<EngineKind>().is_err());
    }
}
