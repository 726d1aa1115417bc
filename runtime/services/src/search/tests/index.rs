//! A strict text index for tests: versions guard puts and deletes, an empty filter matches nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use archgen_ports::{
    StoreError,
    index::{Document, Hit, Index, Query},
};
use async_trait::async_trait;
use tokio::sync::{Notify, Semaphore};

/// By index and id: the newest version, and the document unless that version deleted it.
type Documents = BTreeMap<(String, String), (u64, Option<Document>)>;

#[derive(Default)]
pub(super) struct Memory {
    documents: Mutex<Documents>,
    /// Searches that found something wait here, once there is a gate, after they said so.
    pub(super) gate: Mutex<Option<Arc<Gate>>>,
}

pub(super) struct Gate {
    pub(super) found: Notify,
    pub(super) open: Semaphore,
}

impl Memory {
    fn documents(&self) -> MutexGuard<'_, Documents> {
        self.documents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn found(&self, index: &str, query: &Query) -> Vec<Hit> {
        let all = self.documents();
        let documents = all.iter().filter(|((of, _), _)| of == index).filter_map(|(_, (_, d))| d.as_ref());
        let hit = |d: &Document| Hit { id: d.id.clone(), rank: d.rank, stored: d.stored.clone() };
        let mut hits: Vec<Hit> = documents.filter(|document| matches(document, query)).map(hit).collect();
        hits.sort_by(|a, b| (b.rank, &a.id).cmp(&(a.rank, &b.id)));
        if let Some((rank, id)) = &query.after {
            hits.retain(|hit| hit.rank < *rank || (hit.rank == *rank && hit.id > *id));
        }
        hits.truncate(query.limit);
        hits
    }
}

fn matches(document: &Document, query: &Query) -> bool {
    let words: BTreeSet<&str> = document.text.split(' ').collect();
    let required = query.words.iter().enumerate().all(|(place, word)| {
        let prefix = query.prefix && place + 1 == query.words.len();
        words.contains(word.as_str()) || (prefix && words.iter().any(|w| w.starts_with(word.as_str())))
    });
    let excluded = query.without.iter().any(|word| words.contains(word.as_str()));
    let filtered = query.filters.iter().all(|(field, accepted)| {
        document.keywords.get(field).is_some_and(|values| values.iter().any(|value| accepted.contains(value)))
    });
    required && !excluded && filtered
}

#[async_trait]
impl Index for Memory {
    async fn put(&self, index: &str, documents: Vec<Document>) -> Result<(), StoreError> {
        let mut all = self.documents();
        for document in documents {
            let newest = all.entry((index.to_owned(), document.id.clone())).or_default();
            if document.version >= newest.0 {
                *newest = (document.version, Some(document));
            }
        }
        Ok(())
    }

    async fn delete(&self, index: &str, id: &str, version: u64) -> Result<(), StoreError> {
        let mut all = self.documents();
        let newest = all.entry((index.to_owned(), id.to_owned())).or_default();
        if version >= newest.0 {
            *newest = (version, None);
        }
        Ok(())
    }

    async fn search(&self, index: &str, query: Query) -> Result<Vec<Hit>, StoreError> {
        let hits = self.found(index, &query);
        let gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(gate) = gate {
            gate.found.notify_one();
            gate.open.acquire().await.expect("the gate stays").forget();
        }
        Ok(hits)
    }
}
