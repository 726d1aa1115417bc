//! [`Tail`]: a channel's last entries, as they were delivered here. It serves those who missed a moment without a read. Pure.

use std::{collections::VecDeque, sync::Arc};

use serde_json::{Map, Value};

/// Entries kept of one channel.
const ENTRIES_MAX: usize = 256;
/// Their size as JSON, bytes.
const BYTES_MAX: usize = 256 << 10;

/// Entries without a gap, the newest last.
#[derive(Default)]
pub(super) struct Tail {
    entries: VecDeque<(u64, usize, Arc<Value>)>,
    bytes: usize,
}

impl Tail {
    /// Takes the next entry; one that is not the next begins anew.
    pub(super) fn push(&mut self, seq: u64, bytes: usize, entry: Arc<Value>) {
        if self.entries.back().is_some_and(|(last, ..)| last + 1 != seq) {
            *self = Self::default();
        }
        self.bytes += bytes;
        self.entries.push_back((seq, bytes, entry));
        while self.entries.len() > ENTRIES_MAX || self.bytes > BYTES_MAX {
            let Some((_, bytes, _)) = self.entries.pop_front() else { break };
            self.bytes -= bytes;
        }
    }

    /// Takes in that the message at this place has other content now: text that was replaced or deleted is not served again. An edit
    /// of it tells the same.
    pub(super) fn revise(&mut self, target: u64, content: &Map<String, Value>, deleted: bool) {
        for (seq, _, entry) in &mut self.entries {
            let borrows = entry["data"]["target_seq"] == target && entry["data"]["body"].is_string();
            if *seq != target && !borrows {
                continue;
            }
            let entry = Arc::make_mut(entry);
            if deleted && *seq == target {
                entry["data"] = Value::Object(Map::new());
            }
            for (field, value) in content {
                entry["data"][field] = value.clone();
            }
        }
    }

    /// Everything after `seq`, if all of it up to `newest` is here.
    pub(super) fn after(&self, seq: u64, newest: u64) -> Option<Vec<Arc<Value>>> {
        if seq >= newest {
            return (seq == newest).then(Vec::new);
        }
        let (first, ..) = self.entries.front()?;
        let (last, ..) = self.entries.back()?;
        if *first > seq + 1 || *last != newest {
            return None;
        }
        Some(self.entries.iter().filter(|(at, ..)| *at > seq).map(|(.., entry)| entry.clone()).collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tail(seqs: impl IntoIterator<Item = u64>, bytes: usize) -> Tail {
        let mut tail = Tail::default();
        seqs.into_iter().for_each(|seq| tail.push(seq, bytes, Arc::new(json!(seq))));
        tail
    }

    #[test]
    fn deleted_text_is_not_served_again() {
        let mut tail = Tail::default();
        let entries = [json!({"data": {"body": "secret"}}), json!({"data": {"target_seq": 1, "body": "secret too"}})];
        for (at, entry) in entries.into_iter().enumerate() {
            tail.push(at as u64 + 1, 10, Arc::new(entry));
        }
        let content = Map::from_iter([("body".to_owned(), Value::Null)]);
        tail.revise(1, &content, true);
        let served = json!(tail.after(0, 2).unwrap().iter().map(|e| (**e).clone()).collect::<Vec<_>>()).to_string();
        assert!(!served.contains("secret"), "{served}");
    }

    fn check(tail: &Tail, seq: u64, newest: u64, expect: Option<&[u64]>) {
        let seen = tail.after(seq, newest).map(|all| all.iter().filter_map(|entry| entry.as_u64()).collect::<Vec<_>>());
        assert_eq!(seen.as_deref(), expect);
    }

    #[test]
    fn gives_what_it_has_whole_or_nothing() {
        let recent = tail(5..=9, 10);
        check(&recent, 6, 9, Some(&[7, 8, 9]));
        check(&recent, 4, 9, Some(&[5, 6, 7, 8, 9]));
        check(&recent, 3, 9, None);
        check(&recent, 9, 9, Some(&[]));
        check(&recent, 10, 9, None);
        check(&recent, 6, 10, None);
        check(&Tail::default(), 3, 3, Some(&[]));
        check(&Tail::default(), 2, 3, None);
    }

    #[test]
    fn is_bounded_and_never_has_a_gap() {
        check(&tail(1..=1_000, 1), 744, 1_000, Some(&(745..=1_000).collect::<Vec<_>>()));
        check(&tail(1..=1_000, 1), 743, 1_000, None);
        check(&tail(1..=10, 100 << 10), 8, 10, Some(&[9, 10]));
        check(&tail(1..=10, 100 << 10), 7, 10, None);
        check(&tail([1, 2, 4, 5], 1), 3, 5, Some(&[4, 5]));
        check(&tail([1, 2, 4, 5], 1), 1, 5, None);
    }
}
