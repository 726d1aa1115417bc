//! Documents and queries in the engine's words. Pure.

use std::collections::BTreeSet;

use archgen_ports::index::{Document, Hit, Query};
use serde_json::{Value, json};

/// Words kept of one document.
const WORDS_MAX: usize = 2_000;
/// Length of a word, characters; the rest is cut.
const WORD_CHARS_MAX: usize = 64;
/// Hits in one answer.
const HITS_MAX: usize = 1_000;

/// The words of a text, in its order: runs of letters and digits, lower-cased.
fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .take(WORDS_MAX)
        .map(|word| word.to_lowercase().chars().take(WORD_CHARS_MAX).collect())
}

fn keyword(field: &str, value: &str) -> String {
    format!("{field}={value}")
}

/// A document as it is indexed.
pub(super) fn source(document: &Document) -> Value {
    let keywords: Vec<String> =
        document.keywords.iter().flat_map(|(field, values)| values.iter().map(|value| keyword(field, value))).collect();
    json!({
        "id": document.id,
        "deleted": false,
        "words": words(&document.text).collect::<Vec<_>>().join(" "),
        "keywords": keywords,
        "rank": document.rank.min(i64::MAX as u64),
        "stored": document.stored,
    })
}

/// What is left of a deleted document.
pub(super) fn grave(id: &str) -> Value {
    json!({"id": id, "deleted": true, "rank": 0})
}

/// A query as it is asked; `None` where nothing can match.
pub(super) fn search(query: &Query) -> Option<Value> {
    if query.filters.values().any(Vec::is_empty) {
        return None;
    }
    let all: Vec<String> = query.words.iter().flat_map(|text| words(text)).collect();
    let mut filter = vec![json!({"term": {"deleted": false}})];
    for (position, word) in all.iter().enumerate() {
        let kind = if query.prefix && position + 1 == all.len() { "prefix" } else { "term" };
        filter.push(json!({kind: {"words": word}}));
    }
    for (field, values) in &query.filters {
        let values: Vec<String> = values.iter().map(|value| keyword(field, value)).collect();
        filter.push(json!({"terms": {"keywords": values}}));
    }
    let without: BTreeSet<String> = query.without.iter().flat_map(|text| words(text)).collect();
    let without: Vec<Value> = without.into_iter().map(|word| json!({"term": {"words": word}})).collect();
    let mut body = json!({
        "size": query.limit.min(HITS_MAX),
        "track_total_hits": false,
        "_source": ["id", "rank", "stored"],
        "sort": [{"rank": "desc"}, {"id": "asc"}],
        "query": {"bool": {"filter": filter, "must_not": without}},
    });
    if let Some((rank, id)) = &query.after {
        body["search_after"] = json!([rank, id]);
    }
    Some(body)
}

/// The hits of an answer.
pub(super) fn hits(answer: &Value) -> Vec<Hit> {
    let found = answer["hits"]["hits"].as_array().map(Vec::as_slice).unwrap_or_default();
    let hit = |hit: &Value| {
        let source = &hit["_source"];
        let id = source["id"].as_str()?.to_owned();
        Some(Hit { id, rank: source["rank"].as_u64()?, stored: source["stored"].clone() })
    };
    found.iter().filter_map(hit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_runs_of_letters_and_digits() {
        assert_eq!(words("Don't stop, foo_bar Ünï2!").collect::<Vec<_>>(), ["don", "t", "stop", "foo", "bar", "ünï2"]);
        assert_eq!(words(&"x".repeat(99)).next().map(|w| w.len()), Some(WORD_CHARS_MAX));
    }

    #[test]
    fn an_empty_filter_asks_nothing() {
        let filters = [("channel".to_owned(), Vec::new())].into();
        assert!(search(&Query { filters, ..Query::default() }).is_none());
    }
}
