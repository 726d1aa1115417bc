//! Index: an inverted index on the store's own engine. Postings are kept per word and per keyword value, newest rank first.

use std::collections::BTreeSet;

use archgen_ports::index::{Document, Hit, Query};
use serde::{Deserialize, Serialize};
use serde_json::{Value, to_value};

use super::keys::{Key, last_text};
use crate::{
    committer::DecisionError,
    engine::{Engine, View},
};

/// A call of the index port on the wire.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IndexCall {
    /// Add or replace.
    Put {
        /// Index.
        index: String,
        /// Documents.
        documents: Vec<Document>,
    },
    /// Remove.
    Delete {
        /// Index.
        index: String,
        /// Id.
        id: String,
        /// Version.
        version: u64,
    },
    /// Search.
    Search {
        /// Index.
        index: String,
        /// Query.
        query: Query,
    },
}

#[derive(Serialize, Deserialize)]
struct Stored {
    version: u64,
    /// `None` once deleted: the version is remembered, so that an older put stays away.
    document: Option<Document>,
}

/// Postings looked at for one query; a query that needs more finds only what they hold.
const CANDIDATES_MAX: usize = 20_000;
/// Distinct words kept of one document.
const WORDS_MAX: usize = 2_000;
/// Length of a word, characters; the rest is cut.
const WORD_CHARS_MAX: usize = 64;

/// The words of a text: runs of letters and digits, lower-cased.
pub fn words(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|w| !w.is_empty())
        .take(WORDS_MAX)
        .map(|w| w.to_lowercase().chars().take(WORD_CHARS_MAX).collect())
        .collect()
}

fn document_key(index: &str, id: &str) -> Result<Vec<u8>, DecisionError> {
    Ok(Key::new("index").text("document")?.text(index)?.text(id)?.done())
}

fn word_key(index: &str, word: &str) -> Result<Key, DecisionError> {
    Key::new("index").text("word")?.text(index)?.text(word)
}

fn keyword_key(index: &str, field: &str, value: &str) -> Result<Key, DecisionError> {
    Key::new("index").text("keyword")?.text(index)?.text(field)?.text(value)
}

/// Every posting of a document. The rank is stored complemented, so that the newest comes first.
fn postings(index: &str, document: &Document) -> Result<Vec<Vec<u8>>, DecisionError> {
    let mut keys = Vec::new();
    for word in words(&document.text) {
        keys.push(word_key(index, &word)?.number(!document.rank).text(&document.id)?.done());
    }
    for (field, values) in &document.keywords {
        for value in values {
            keys.push(keyword_key(index, field, value)?.number(!document.rank).text(&document.id)?.done());
        }
    }
    Ok(keys)
}

fn stored(bytes: Option<Vec<u8>>) -> Result<Option<Stored>, DecisionError> {
    Ok(bytes.map(|b| serde_json::from_slice(&b)).transpose()?)
}

/// Puts (`Some`) or deletes (`None`) one document, unless a newer version is there.
///
/// # Errors
/// See [`DecisionError`].
pub fn write(
    view: &mut View<'_>,
    index: &str,
    id: &str,
    version: u64,
    document: Option<Document>,
) -> Result<Value, DecisionError> {
    let key = document_key(index, id)?;
    let current = stored(view.get(&key)?)?;
    if current.as_ref().is_some_and(|c| c.version > version) {
        return Ok(Value::Null);
    }
    if let Some(old) = current.and_then(|c| c.document) {
        for posting in postings(index, &old)? {
            view.delete(posting);
        }
    }
    for posting in document.as_ref().map(|d| postings(index, d)).transpose()?.unwrap_or_default() {
        view.put(posting, Vec::new());
    }
    view.put(key, serde_json::to_vec(&Stored { version, document })?);
    Ok(Value::Null)
}

/// Hits by descending rank.
///
/// # Errors
/// See [`DecisionError`].
pub fn search(engine: &dyn Engine, index: &str, query: &Query) -> Result<Value, DecisionError> {
    if query.filters.values().any(Vec::is_empty) {
        return Ok(to_value(Vec::<Hit>::new())?);
    }
    let query_words: Vec<String> = query.words.iter().flat_map(|w| words(w)).collect();
    let without: BTreeSet<String> = query.without.iter().flat_map(|w| words(w)).collect();
    let mut hits = Vec::new();
    for id in candidates(engine, index, query, &query_words)? {
        let Some(document) = stored(engine.get(&document_key(index, &id)?)?)?.and_then(|s| s.document) else {
            continue;
        };
        if matches(&document, query, &query_words, &without) {
            hits.push(Hit { id: document.id, rank: document.rank, stored: document.stored });
        }
    }
    hits.sort_by(|a, b| b.rank.cmp(&a.rank).then_with(|| a.id.cmp(&b.id)));
    let after = |hit: &Hit| match &query.after {
        Some((rank, id)) => hit.rank < *rank || (hit.rank == *rank && hit.id > *id),
        None => true,
    };
    let page: Vec<Hit> = hits.into_iter().filter(after).take(query.limit).collect();
    Ok(to_value(page)?)
}

/// Ids that may match: from the postings of one word, or, for a query without words, of the shortest filter.
fn candidates(
    engine: &dyn Engine,
    index: &str,
    query: &Query,
    query_words: &[String],
) -> Result<BTreeSet<String>, DecisionError> {
    let mut ranges = Vec::new();
    match (query_words, query_words.len(), query.prefix) {
        ([.., last], 1, true) => {
            let from = word_key(index, last)?.done();
            let mut to = from.clone();
            to.push(0xff);
            ranges.push((from, to));
        }
        ([first, ..], ..) => ranges.push(word_key(index, first)?.below()),
        ([], ..) => {
            let shortest = query.filters.iter().min_by_key(|(_, values)| values.len());
            for value in shortest.map(|(_, values)| values.as_slice()).unwrap_or_default() {
                let field = shortest.map_or("", |(field, _)| field);
                ranges.push(keyword_key(index, field, value)?.below());
            }
        }
    }
    let mut ids = BTreeSet::new();
    for (from, to) in ranges {
        let left = CANDIDATES_MAX.saturating_sub(ids.len());
        ids.extend(engine.scan(&from, &to, left, false)?.into_iter().map(|(key, _)| last_text(&key)));
    }
    Ok(ids)
}

fn matches(document: &Document, query: &Query, query_words: &[String], without: &BTreeSet<String>) -> bool {
    let own = words(&document.text);
    let has = |position: usize, word: &String| {
        let is_last = position + 1 == query_words.len();
        own.contains(word) || (query.prefix && is_last && own.iter().any(|w| w.starts_with(word.as_str())))
    };
    query_words.iter().enumerate().all(|(position, word)| has(position, word))
        && own.is_disjoint(without)
        && query.filters.iter().all(|(field, accepted)| {
            document.keywords.get(field).is_some_and(|values| values.iter().any(|v| accepted.contains(v)))
        })
}
