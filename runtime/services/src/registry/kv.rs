//! The key-value part: small values, check-and-set, prefix reads; in memory like the rest.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde_json::{Value, json};

use super::error::RegistryError;

/// Keys.
const KEYS_MAX: usize = 4_096;
/// One value, bytes (Consul's own bound).
pub(super) const VALUE_BYTES_MAX: usize = 512 << 10;
/// All values, bytes.
const TOTAL_BYTES_MAX: usize = 32 << 20;

struct Entry {
    value: Bytes,
    flags: u64,
    created: u64,
    modified: u64,
}

/// The pairs.
#[derive(Default)]
pub(super) struct Pairs {
    entries: BTreeMap<String, Entry>,
    bytes: usize,
}

impl Pairs {
    /// Sets a pair under the new index unless `cas` names another modification than the present one (0: absent).
    pub(super) fn put(
        &mut self,
        key: &str,
        value: Bytes,
        flags: u64,
        cas: Option<u64>,
        index: u64,
    ) -> Result<bool, RegistryError> {
        let there = self.entries.get(key);
        if cas.is_some_and(|cas| cas != there.map_or(0, |e| e.modified)) {
            return Ok(false);
        }
        if there.is_none() && self.entries.len() >= KEYS_MAX {
            return Err(RegistryError::Full { what: "keys", max: KEYS_MAX });
        }
        let bytes = self.bytes - there.map_or(0, |e| e.value.len()) + value.len();
        if bytes > TOTAL_BYTES_MAX {
            return Err(RegistryError::Full { what: "value bytes", max: TOTAL_BYTES_MAX });
        }
        let created = there.map_or(index, |e| e.created);
        self.bytes = bytes;
        self.entries.insert(key.to_owned(), Entry { value, flags, created, modified: index });
        Ok(true)
    }

    /// Removes a key, or every key with this prefix.
    pub(super) fn delete(&mut self, key: &str, recurse: bool, cas: Option<u64>) -> bool {
        if recurse {
            self.entries.retain(|k, _| !k.starts_with(key));
        } else if cas.is_none_or(|cas| self.entries.get(key).is_some_and(|e| e.modified == cas)) {
            self.entries.remove(key);
        } else {
            return false;
        }
        self.bytes = self.entries.values().map(|e| e.value.len()).sum();
        true
    }

    /// The value alone.
    pub(super) fn raw(&self, key: &str) -> Option<Bytes> {
        self.entries.get(key).map(|e| e.value.clone())
    }

    /// Pairs of this key or prefix.
    pub(super) fn get(&self, key: &str, recurse: bool) -> Vec<Value> {
        self.matching(key, recurse)
            .map(|(key, e)| {
                json!({
                    "LockIndex": 0, "Key": key, "Flags": e.flags, "Value": STANDARD.encode(&e.value),
                    "CreateIndex": e.created, "ModifyIndex": e.modified,
                })
            })
            .collect()
    }

    /// Keys with this prefix.
    pub(super) fn keys(&self, prefix: &str) -> Vec<String> {
        self.matching(prefix, true).map(|(key, _)| key.to_owned()).collect()
    }

    /// Last change under this key or prefix; 0 where there is none.
    pub(super) fn index_of(&self, key: &str, recurse: bool) -> u64 {
        self.matching(key, recurse).map(|(_, e)| e.modified).max().unwrap_or(0)
    }

    fn matching<'a>(&'a self, key: &'a str, recurse: bool) -> impl Iterator<Item = (&'a str, &'a Entry)> {
        self.entries
            .range(key.to_owned()..)
            .take_while(move |(k, _)| if recurse { k.starts_with(key) } else { k.as_str() == key })
            .map(|(k, e)| (k.as_str(), e))
    }
}
