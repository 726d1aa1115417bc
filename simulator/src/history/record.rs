//! The history of one run. Times are true simulated time, which no host can see.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::world;

/// How a send ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// Acknowledged.
    Ok {
        /// Place in the channel.
        seq: u64,
        /// Message id.
        id: String,
    },
    /// Refused for good: certainly not applied.
    Fail {
        /// Why.
        reason: String,
    },
    /// No answer by the end of the run: zero or one effect.
    Indeterminate,
}

/// One send: all tries with one client id.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Send {
    /// Who.
    pub person: String,
    /// Channel id.
    pub channel: String,
    /// Client id.
    pub client_msg_id: String,
    /// Body.
    pub body: String,
    /// People whom it mentions.
    pub mentions: Vec<String>,
    /// First try.
    pub invoked: Duration,
    /// Answer.
    pub done: Option<Duration>,
    /// Tries.
    pub tries: u32,
    /// Every acknowledgement received, in order: (seq, id).
    pub acks: Vec<(u64, String)>,
    /// How it ended.
    pub outcome: Outcome,
}

/// A message that a person's device showed, live or by catching up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// Place.
    pub seq: u64,
    /// Message id.
    pub id: String,
    /// When.
    pub at: Duration,
}

/// A message as the final history of a channel has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Final {
    /// Place.
    pub seq: u64,
    /// Ownership epoch.
    pub epoch: u64,
    /// Message id.
    pub id: String,
    /// Client id.
    pub client_msg_id: String,
    /// Body.
    pub body: String,
}

/// One page of a channel that a person read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Read {
    /// Who.
    pub person: String,
    /// Channel id.
    pub channel: String,
    /// Asked.
    pub invoked: Duration,
    /// Answered.
    pub done: Duration,
    /// What lies after this place was asked for.
    pub after_seq: u64,
    /// Most messages of the page.
    pub limit: usize,
    /// What it held, in order.
    pub seqs: Vec<u64>,
}

/// How a claim of a name ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Claimed {
    /// The name is theirs.
    Won,
    /// Somebody has it.
    Refused,
    /// No answer: it may be theirs or not.
    Unknown,
}

impl Claimed {
    /// In a sentence.
    pub fn word(self) -> &'static str {
        match self {
            Self::Won => "got it",
            Self::Refused => "was refused",
            Self::Unknown => "had no answer",
        }
    }
}

/// One claim of a name that only one may have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The name.
    pub name: String,
    /// Who.
    pub person: String,
    /// Asked.
    pub invoked: Duration,
    /// Answered.
    pub done: Option<Duration>,
    /// How it ended.
    pub claimed: Claimed,
}

/// A search while faults came and went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Search {
    /// Answered.
    pub done: Duration,
    /// Ids of messages that it found.
    pub hits: Vec<String>,
}

/// Somebody was removed from a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removal {
    /// Who was removed.
    pub person: String,
    /// Channel id.
    pub channel: String,
    /// Acknowledged.
    pub done: Option<Duration>,
}

/// A person gave themselves another name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renaming {
    /// Who.
    pub person: String,
    /// Which of their names it is.
    pub version: u64,
    /// First try.
    pub invoked: Duration,
    /// Acknowledged.
    pub done: Option<Duration>,
}

/// A look at somebody's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileLook {
    /// Who looked.
    pub person: String,
    /// At whom.
    pub of: String,
    /// Which name was shown; 0 for the first one.
    pub version: u64,
    /// Asked.
    pub invoked: Duration,
    /// Answered.
    pub done: Duration,
}

/// What a server of the registry listed of a service at the end.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// Instances that live.
    pub live: BTreeSet<String>,
    /// Instances that it listed.
    pub listed: BTreeSet<String>,
}

/// A file whose upload was completed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// Its id.
    pub id: String,
    /// Who uploaded it.
    pub person: String,
    /// What was sent, as a fingerprint.
    pub sent: String,
    /// Completed.
    pub done: Duration,
    /// What was read back at the end.
    pub found: Option<String>,
}

/// Everything that clients saw in one run.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct History {
    /// Sends by client id.
    pub sends: BTreeMap<String, Send>,
    /// (person, channel) to what was shown, in order.
    #[serde(with = "pairs")]
    pub observations: BTreeMap<(String, String), Vec<Observation>>,
    /// Channel to its final history.
    pub finals: BTreeMap<String, Vec<Final>>,
    /// Pages that people read.
    pub reads: Vec<Read>,
    /// Claims of names.
    pub claims: Vec<Claim>,
    /// Searches under faults.
    pub searches: Vec<Search>,
    /// Ids of all messages that a search found at the end.
    pub found: Option<Vec<String>>,
    /// Person to the ids of the messages that they were notified of.
    pub inboxes: BTreeMap<String, Vec<String>>,
    /// Removals from channels.
    pub removals: Vec<Removal>,
    /// Changes of names.
    pub renamings: Vec<Renaming>,
    /// Looks at names.
    pub profiles: Vec<ProfileLook>,
    /// For how long what was looked at may have been kept on the way at most, milliseconds.
    #[serde(default)]
    pub kept_ms_max: u64,
    /// (server, service) to what the server listed at the end.
    #[serde(with = "pairs")]
    pub listings: BTreeMap<(String, String), Listing>,
    /// Files that were uploaded.
    pub files: Vec<Stored>,
    /// Whether each person with a connected device was online at the end.
    pub presences: BTreeMap<String, bool>,
    /// Channels whose final history could not be read, with the reason.
    pub unread: BTreeMap<String, String>,
    /// Phases of moves between nodes of a store, with how often each was entered.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub moves: BTreeMap<String, usize>,
    /// Moves whose two sides differed, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub move_failures: Vec<String>,
    /// Hosts that ended by themselves, with the reason.
    pub host_failures: Vec<String>,
}

/// Maps whose keys JSON cannot name, as lists of pairs.
mod pairs {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<K: Serialize, V: Serialize, S: Serializer>(
        map: &BTreeMap<K, V>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(map)
    }

    pub(super) fn deserialize<'de, K: Deserialize<'de> + Ord, V: Deserialize<'de>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<K, V>, D::Error> {
        Ok(Vec::<(K, V)>::deserialize(deserializer)?.into_iter().collect())
    }
}

/// Writes a history while the run goes on. Cloning shares it.
#[derive(Clone, Default)]
pub struct Recorder(Arc<Mutex<History>>);

impl Recorder {
    fn with<T>(&self, f: impl FnOnce(&mut History) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A send begins.
    pub fn invoke(&self, person: &str, channel: &str, client_msg_id: &str, body: &str, mentions: &[String]) {
        let send = Send {
            person: person.to_owned(),
            channel: channel.to_owned(),
            client_msg_id: client_msg_id.to_owned(),
            body: body.to_owned(),
            mentions: mentions.to_vec(),
            invoked: world::elapsed(),
            done: None,
            tries: 0,
            acks: Vec::new(),
            outcome: Outcome::Indeterminate,
        };
        self.with(|h| h.sends.insert(client_msg_id.to_owned(), send));
    }

    /// A move enters a phase.
    pub fn moving(&self, phase: &str) {
        self.with(|h| *h.moves.entry(phase.to_owned()).or_default() += 1);
    }

    /// The two sides of a move differ.
    pub fn move_failed(&self, why: &str) {
        self.with(|h| h.move_failures.push(why.to_owned()));
    }

    /// Another try of a send.
    pub fn tried(&self, client_msg_id: &str) {
        self.with(|h| {
            if let Some(send) = h.sends.get_mut(client_msg_id) {
                send.tries += 1;
            }
        });
    }

    /// A send was acknowledged.
    pub fn acked(&self, client_msg_id: &str, seq: u64, id: &str) {
        self.with(|h| {
            if let Some(send) = h.sends.get_mut(client_msg_id) {
                send.acks.push((seq, id.to_owned()));
                send.done.get_or_insert_with(world::elapsed);
                if send.outcome == Outcome::Indeterminate {
                    send.outcome = Outcome::Ok { seq, id: id.to_owned() };
                }
            }
        });
    }

    /// A send was refused for good.
    pub fn refused(&self, client_msg_id: &str, reason: &str) {
        self.with(|h| {
            if let Some(send) = h.sends.get_mut(client_msg_id) {
                send.done.get_or_insert_with(world::elapsed);
                send.outcome = Outcome::Fail { reason: reason.to_owned() };
            }
        });
    }

    /// A device showed a message.
    pub fn observed(&self, person: &str, channel: &str, seq: u64, id: &str) {
        let seen = Observation { seq, id: id.to_owned(), at: world::elapsed() };
        self.with(|h| h.observations.entry((person.to_owned(), channel.to_owned())).or_default().push(seen));
    }

    /// The highest place in a channel that a person knows of.
    pub fn highest(&self, person: &str, channel: &str) -> u64 {
        self.with(|h| {
            let shown = h.observations.get(&(person.to_owned(), channel.to_owned()));
            shown.and_then(|shown| shown.last()).map_or(0, |last| last.seq)
        })
    }

    /// Adds to the history what has no rule of its own.
    pub fn note(&self, add: impl FnOnce(&mut History)) {
        self.with(add);
    }

    /// A channel's final history.
    pub fn finished(&self, channel: &str, messages: Vec<Final>) {
        self.with(|h| h.finals.insert(channel.to_owned(), messages));
    }

    /// A channel's final history could not be read.
    pub fn unread(&self, channel: &str, reason: &str) {
        self.with(|h| h.unread.insert(channel.to_owned(), reason.to_owned()));
    }

    /// A host ended by itself.
    pub fn host_failed(&self, host: &str, reason: &str) {
        let at = world::elapsed().as_millis();
        self.with(|h| h.host_failures.push(format!("{host} at {at} ms: {reason}")));
    }

    /// The history so far.
    pub fn history(&self) -> History {
        self.with(|h| h.clone())
    }
}
