//! The ways of messages through the fleet: who handed which message to whom, and when it got there. Noted only where they are shown.

use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

/// Hops of one run, at most.
const HOPS_MAX: usize = 100_000;
/// How the ids that people give to their messages begin.
const AUTHOR: &[u8] = b"person-";

/// One message handed from host to host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hop {
    /// Its author's id for it.
    pub message: String,
    /// From whom.
    pub from: String,
    /// To whom.
    pub to: String,
    /// Sent, milliseconds.
    pub sent_ms: u64,
    /// When it arrives, milliseconds; `None` where it is lost until the link is mended.
    pub arrives_ms: Option<u64>,
}

/// What is noted. Cloning shares it.
#[derive(Clone, Default)]
pub struct Ways(Option<Arc<Mutex<Vec<Hop>>>>);

impl Ways {
    /// Ways that are noted.
    pub fn noted() -> Self {
        Self(Some(Arc::default()))
    }

    /// The messages that these bytes speak of; none where nothing is noted.
    pub fn messages(&self, bytes: &[u8]) -> Vec<String> {
        if self.0.is_none() { Vec::new() } else { mentioned(bytes) }
    }

    /// Notes a hop.
    pub fn note(&self, hop: Hop) {
        if let Some(hops) = &self.0 {
            let mut hops = hops.lock().unwrap_or_else(PoisonError::into_inner);
            if hops.len() < HOPS_MAX {
                hops.push(hop);
            }
        }
    }

    /// All hops so far, in the order in which they were sent.
    pub fn hops(&self) -> Vec<Hop> {
        self.0.as_ref().map_or_else(Vec::new, |hops| hops.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

/// Ids of the form `person-1-2` in quotes, each once.
fn mentioned(bytes: &[u8]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut rest = bytes;
    while let Some(at) = rest.windows(AUTHOR.len()).position(|window| window == AUTHOR) {
        let id = &rest[at..];
        let length = id.iter().position(|byte| *byte == b'"' || *byte == b'\\').unwrap_or(0);
        let numbers = id.get(AUTHOR.len()..length).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default();
        let is_id = numbers
            .split_once('-')
            .is_some_and(|(person, number)| person.parse::<u32>().is_ok() && number.parse::<u32>().is_ok());
        if is_id {
            let id = String::from_utf8_lossy(&id[..length]).into_owned();
            if !found.contains(&id) {
                found.push(id);
            }
        }
        rest = &rest[at + AUTHOR.len()..];
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_messages_are_told_from_names_of_people() {
        let text = br#"{"handle":"person-1","body":"message 3 by person-2","client_msg_id":"person-2-3","x":["person-2-3","person-10-0\"#;
        assert_eq!(mentioned(text), ["person-2-3", "person-10-0"]);
        assert!(Ways::default().messages(text).is_empty(), "nothing is looked for where nothing is noted");
        let ways = Ways::noted();
        assert_eq!(ways.messages(text).len(), 2);
    }
}
