//! Index: an inverted index on the store's own engine. Postings are kept per word and per keyword value, highest rank first, so
//! that a query reads on only until its page is full.

use std::collections::BTreeSet;

use archgen_ports::index::{Document, Hit, Query};
use serde::{Deserialize, Serialize};
use serde_json::{Value, to_value};

use super::{
    keys::{Key, last_text},
    postings::{Union, beyond, next_in_all, place},
};
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

/// Leaps between postings for one query; a query that needs more finds only what they came upon.
const LEAPS_MAX: usize = 100_000;
/// Hits in one answer.
const HITS_MAX: usize = 1_000;
/// Words that a prefix stands for.
const PREFIX_WORDS_MAX: usize = 256;
/// Distinct words kept of one document.
const WORDS_MAX: usize = 2_000;
/// Length of a word, characters; the rest is cut.
const WORD_CHARS_MAX: usize = 64;

/// The words of a text, in its order: runs of letters and digits, lower-cased.
fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|w| !w.is_empty())
        .take(WORDS_MAX)
        .map(|w| w.to_lowercase().chars().take(WORD_CHARS_MAX).collect())
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
    for word in words(&document.text).collect::<BTreeSet<_>>() {
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

/// Hits by descending rank, of the documents whose ids are `ours`.
///
/// # Errors
/// See [`DecisionError`].
pub fn search(
    engine: &dyn Engine,
    index: &str,
    query: &Query,
    ours: &dyn Fn(&str) -> bool,
) -> Result<Value, DecisionError> {
    if query.filters.values().any(Vec::is_empty) {
        return Ok(to_value(Vec::<Hit>::new())?);
    }
    let query_words: Vec<String> = query.words.iter().flat_map(|w| words(w)).collect();
    let without: BTreeSet<String> = query.without.iter().flat_map(|w| words(w)).collect();
    let mut unions = unions(engine, index, query, &query_words)?;
    let mut target = query.after.as_ref().map(|(rank, id)| beyond(place(*rank, id))).unwrap_or_default();
    let mut leaps = LEAPS_MAX;
    let mut hits = Vec::new();
    while hits.len() < query.limit.min(HITS_MAX)
        && let Some(found) = next_in_all(engine, &mut unions, target, &mut leaps)?
    {
        let id = last_text(&found);
        let document = stored(engine.get(&document_key(index, &id)?)?)?.and_then(|s| s.document);
        // A document that was replaced since is found at its new place, or not at all.
        if let Some(document) = document
            && ours(&id)
            && found == place(document.rank, &document.id)
            && matches(&document, query, &query_words, &without)
        {
            hits.push(Hit { id: document.id, rank: document.rank, stored: document.stored });
        }
        target = beyond(found);
    }
    Ok(to_value(hits)?)
}

/// What a hit must be in: each word's postings, and for each filter those of any of its values. A prefix of too many words is
/// left to [`matches`] where something else narrows the query down.
fn unions(
    engine: &dyn Engine,
    index: &str,
    query: &Query,
    query_words: &[String],
) -> Result<Vec<Union>, DecisionError> {
    let mut unions = Vec::new();
    for (field, values) in &query.filters {
        let ranges = values.iter().map(|value| Ok(keyword_key(index, field, value)?.below()));
        unions.push(Union::new(ranges.collect::<Result<_, DecisionError>>()?));
    }
    for (position, word) in query_words.iter().enumerate() {
        if query.prefix && position + 1 == query_words.len() {
            let words = words_from(engine, index, word)?;
            if words.len() < PREFIX_WORDS_MAX || unions.is_empty() {
                let ranges = words.iter().map(|word| Ok(word_key(index, word)?.below()));
                unions.push(Union::new(ranges.collect::<Result<_, DecisionError>>()?));
            }
        } else {
            unions.push(Union::new(vec![word_key(index, word)?.below()]));
        }
    }
    Ok(unions)
}

/// The indexed words with this prefix, in order, the first of them.
fn words_from(engine: &dyn Engine, index: &str, prefix: &str) -> Result<Vec<String>, DecisionError> {
    let mut from = word_key(index, prefix)?.done();
    let to = [from.as_slice(), &[0xff]].concat();
    let start = from.len() - prefix.len();
    let mut words = Vec::new();
    while words.len() < PREFIX_WORDS_MAX
        && let Some((key, _)) = engine.scan(&from, &to, 1, false)?.pop()
    {
        let length = key[start..].iter().position(|b| *b == 0).unwrap_or(key.len() - start);
        let word = String::from_utf8_lossy(&key[start..start + length]).into_owned();
        from = word_key(index, &word)?.below().1;
        words.push(word);
    }
    Ok(words)
}

fn matches(document: &Document, query: &Query, query_words: &[String], without: &BTreeSet<String>) -> bool {
    let own: BTreeSet<String> = words(&document.text).collect();
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
