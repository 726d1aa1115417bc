//! The query language, the filters that keep a query inside what its caller may see, and the documents.

use std::collections::BTreeSet;

use archgen_ports::index::Hit;
use proptest::prelude::*;
use serde_json::json;

use super::super::{
    api::{Kind, filters, visible},
    document::{self, Message},
    peers::Channel,
    query::{Parsed, QueryError, TERMS_MAX, cursor, parse, place, words},
};

fn list(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn queries_parse() {
    let words = |required: &[&str]| Parsed { words: list(required), ..Parsed::default() };
    for (text, expected) in [
        ("Hello  WORLD", words(&["hello", "world"])),
        ("\"two words\" one", words(&["two", "words", "one"])),
        ("\"left open", words(&["left", "open"])),
        ("http://a.b/c", words(&["http", "a", "b", "c"])),
        ("\"from:ada\"", words(&["from", "ada"])),
        ("well-known", words(&["well", "known"])),
        ("Grüße", words(&["grüße"])),
        ("a -b -\"c d\"", Parsed { words: list(&["a"]), without: list(&["b", "c", "d"]), ..Parsed::default() }),
        ("from:@Ada from:bob", Parsed { from: list(&["ada", "bob"]), ..Parsed::default() }),
        ("IN:#General x", Parsed { words: list(&["x"]), channels: list(&["general"]), ..Parsed::default() }),
        ("in:\"two words\"", Parsed { channels: list(&["two words"]), ..Parsed::default() }),
        ("has:file", Parsed { has_file: true, ..Parsed::default() }),
    ] {
        assert_eq!(parse(text), Ok(expected), "{text}");
    }
    for (text, error) in [
        ("", QueryError::Empty),
        (" - \" \" ", QueryError::Empty),
        ("has:cheese", QueryError::UnknownHas),
        (&"a ".repeat(TERMS_MAX + 1), QueryError::TooManyTerms),
        (&"a".repeat(2_000), QueryError::TooLong),
    ] {
        assert_eq!(parse(text), Err(error), "{text}");
    }
}

#[test]
fn a_message_document_has_what_filters_ask_for() {
    let message = Message {
        id: "9".to_owned(),
        channel: "5".to_owned(),
        author: "ada".to_owned(),
        ts: 7,
        body: "Re: well-known".to_owned(),
        thread: json!(null),
        files: vec![json!("f")],
    };
    let document = document::message(&message, 1, 3, 4);
    assert_eq!((document.text.as_str(), document.version, document.rank), ("re well known", 4, 7));
    assert_eq!(document.keywords["has"], ["file"]);
    assert_eq!((&document.stored["edited"], &document.stored["seq"]), (&json!(true), &json!(3)));
    assert_eq!(document::message(&message, 1, 3, 3).stored["edited"], false);
}

fn channels(named: &[(&str, &str)]) -> Vec<Channel> {
    let channel = |(id, name): &(&str, &str)| Channel { id: (*id).to_owned(), name: Some((*name).to_owned()) };
    named.iter().map(channel).collect()
}

#[test]
fn a_channel_the_caller_is_not_in_matches_nothing() {
    let mine = channels(&[("1", "General"), ("2", "random")]);
    let channel_filter =
        |text: &str| filters(Kind::Messages, "ada", &mine, &parse(text).unwrap(), None)["channel"].clone();
    assert_eq!(channel_filter("x"), ["1", "2"]);
    assert_eq!(channel_filter("x in:general"), ["1"]);
    assert_eq!(channel_filter("x in:2"), ["2"]);
    assert!(channel_filter("x in:3").is_empty());
    assert!(filters(Kind::Messages, "ada", &[], &parse("x").unwrap(), None)["channel"].is_empty());
}

#[test]
fn files_are_seen_by_owner_and_members() {
    let mine = channels(&[("1", "general")]);
    let filters = filters(Kind::Files, "ada", &mine, &parse("x").unwrap(), Some(vec![]));
    assert_eq!(filters["access"], ["channel:1", "user:ada"]);
    assert!(filters["author"].is_empty() && !filters.contains_key("channel"));
    let file = |channel: Option<&str>, owner: &str| Hit {
        id: "f".to_owned(),
        rank: 0,
        stored: json!({"channel": channel, "owner": owner}),
    };
    let ids = BTreeSet::from(["1"]);
    assert!(visible(Kind::Files, "ada", &ids, &file(None, "ada")));
    assert!(visible(Kind::Files, "ada", &ids, &file(Some("1"), "bob")));
    assert!(!visible(Kind::Files, "ada", &ids, &file(Some("2"), "bob")));
    assert!(!visible(Kind::Messages, "ada", &ids, &file(Some("2"), "ada")));
}

proptest! {
    #[test]
    fn any_text_parses_or_is_refused(text in ".{0,300}") {
        if let Ok(parsed) = parse(&text) {
            let all = parsed.words.iter().chain(&parsed.without);
            for word in all {
                prop_assert!(!word.is_empty() && word.chars().all(char::is_alphanumeric) || word.to_lowercase() == *word);
            }
            prop_assert!(parsed.words.len() + parsed.without.len() <= TERMS_MAX);
        }
    }

    #[test]
    fn operators_and_quotes_in_any_mixture_do_not_panic(text in "[-\": a#@éfromhasinile]{0,60}") {
        let _ = parse(&text);
    }

    #[test]
    fn a_query_finds_the_words_of_a_text(text in "[a-zA-Z0-9äöü ]{1,60}") {
        let own: Vec<String> = words(&text).collect();
        prop_assume!(!own.is_empty() && own.len() <= TERMS_MAX);
        prop_assert_eq!(parse(&text).unwrap().words, own);
    }

    #[test]
    fn cursors_round_trip(rank: u64, id in "[a-z0-9.-]{1,40}") {
        prop_assert_eq!(place(&cursor(rank, &id)), Some((rank, id)));
    }
}
