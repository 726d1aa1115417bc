//! What the nodes of a group say to each other, in bytes: numbers little-endian, texts and batches with their length before them.

use crate::engine::Batch;

/// A place in the log: no two entries of one log share one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// Term of the leader that wrote it.
    pub(super) term: u64,
    /// Place, from 1.
    pub(super) index: u64,
}

/// One entry: the term in which it was written, and its batch as bytes.
pub(super) type Entry = (u64, Vec<u8>);

/// A leader to a follower.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ship {
    pub(super) term: u64,
    pub(super) leader: u64,
    /// The entry before the first of these.
    pub(super) before: Place,
    pub(super) content: Content,
}

/// What a leader ships.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// The next entries; none to say that it still leads.
    Entries(Vec<Entry>),
    /// Everything up to `before`, as one batch.
    Whole(Vec<u8>),
}

/// A candidate to a voter.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ask {
    pub(super) term: u64,
    pub(super) candidate: u64,
    pub(super) last: Place,
    /// Asks whether it would be elected, without standing for election.
    pub(super) pre: bool,
}

/// Any answer: whether it was taken, the term of who answers, and the end of its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) taken: bool,
    pub(super) term: u64,
    pub(super) last: Place,
}

fn put(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(&number.to_le_bytes());
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let (head, rest) = bytes.split_first_chunk::<8>()?;
    *bytes = rest;
    Some(u64::from_le_bytes(*head))
}

fn take_bytes(bytes: &mut &[u8]) -> Option<Vec<u8>> {
    let length = usize::try_from(take(bytes)?).ok()?;
    let (head, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(head.to_vec())
}

fn take_place(bytes: &mut &[u8]) -> Option<Place> {
    Some(Place { term: take(bytes)?, index: take(bytes)? })
}

impl Ship {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for number in [self.term, self.leader, self.before.term, self.before.index] {
            put(&mut out, number);
        }
        match &self.content {
            Content::Entries(entries) => {
                put(&mut out, 0);
                for (term, batch) in entries {
                    put(&mut out, *term);
                    put_bytes(&mut out, batch);
                }
            }
            Content::Whole(batch) => {
                put(&mut out, 1);
                put_bytes(&mut out, batch);
            }
        }
        out
    }

    pub(super) fn decode(mut bytes: &[u8]) -> Option<Self> {
        let bytes = &mut bytes;
        let (term, leader, before) = (take(bytes)?, take(bytes)?, take_place(bytes)?);
        let content = match take(bytes)? {
            0 => {
                let mut entries = Vec::new();
                while !bytes.is_empty() {
                    entries.push((take(bytes)?, take_bytes(bytes)?));
                }
                Content::Entries(entries)
            }
            1 => Content::Whole(take_bytes(bytes)?),
            _ => return None,
        };
        Some(Self { term, leader, before, content })
    }
}

impl Ask {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for number in [self.term, self.candidate, self.last.term, self.last.index, u64::from(self.pre)] {
            put(&mut out, number);
        }
        out
    }

    pub(super) fn decode(mut bytes: &[u8]) -> Option<Self> {
        let bytes = &mut bytes;
        let (term, candidate, last) = (take(bytes)?, take(bytes)?, take_place(bytes)?);
        Some(Self { term, candidate, last, pre: take(bytes)? == 1 })
    }
}

impl Answer {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for number in [u64::from(self.taken), self.term, self.last.term, self.last.index] {
            put(&mut out, number);
        }
        out
    }

    pub(super) fn decode(mut bytes: &[u8]) -> Option<Self> {
        let bytes = &mut bytes;
        Some(Self { taken: take(bytes)? == 1, term: take(bytes)?, last: take_place(bytes)? })
    }
}

/// A batch as bytes.
pub(super) fn encode_batch<'a>(pairs: impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)>) -> Vec<u8> {
    let mut out = Vec::new();
    for (key, value) in pairs {
        put_bytes(&mut out, key);
        match value {
            Some(value) => {
                put(&mut out, 1);
                put_bytes(&mut out, value);
            }
            None => put(&mut out, 0),
        }
    }
    out
}

/// The batch of these bytes.
pub(super) fn decode_batch(mut bytes: &[u8]) -> Option<Batch> {
    let bytes = &mut bytes;
    let mut batch = Batch::new();
    while !bytes.is_empty() {
        let key = take_bytes(bytes)?;
        let value = if take(bytes)? == 1 { Some(take_bytes(bytes)?) } else { None };
        batch.insert(key, value);
    }
    Some(batch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_understood_and_what_is_cut_off_is_not() {
        let before = Place { term: 3, index: 9 };
        for content in [
            Content::Entries(Vec::new()),
            Content::Entries(vec![(3, vec![1, 2]), (4, Vec::new())]),
            Content::Whole(vec![7; 9]),
        ] {
            let ship = Ship { term: 4, leader: 2, before, content };
            let bytes = ship.encode();
            assert_eq!(Ship::decode(&bytes), Some(ship));
            assert_eq!(Ship::decode(&bytes[..bytes.len() - 1]), None);
        }
        let ask = Ask { term: 4, candidate: 1, last: before, pre: true };
        assert_eq!(Ask::decode(&ask.encode()), Some(ask));
        let answer = Answer { taken: true, term: 4, last: before };
        assert_eq!(Answer::decode(&answer.encode()), Some(answer));
    }

    #[test]
    fn a_batch_survives_its_bytes() {
        let batch = Batch::from([(b"a".to_vec(), Some(b"1".to_vec())), (b"b".to_vec(), None)]);
        let bytes = encode_batch(batch.iter().map(|(k, v)| (k.as_slice(), v.as_deref())));
        assert_eq!(decode_batch(&bytes), Some(batch));
        assert_eq!(decode_batch(&bytes[..bytes.len() - 1]), None);
    }
}
