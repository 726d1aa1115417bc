//! Cache and index.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::json;

use super::{Violation, expectation::expect};
use crate::{
    cache::Cache,
    index::{Document, Index, Query},
};

/// Time to live of what is meant to stay, milliseconds.
const LONG_MS: u64 = 600_000;

/// Values are there until their time is over, counters count. `wait` passes at least the given milliseconds on the cache's clock.
///
/// # Errors
/// The first broken promise.
pub async fn cache<W: AsyncFn(u64)>(port: &dyn Cache, wait: W) -> Result<(), Violation> {
    expect("nothing is there", port.get("k").await?, None)?;
    port.set("k", Bytes::from_static(b"\x00\xffv"), LONG_MS).await?;
    expect("a value is bytes", port.get("k").await?, Some(Bytes::from_static(b"\x00\xffv")))?;
    port.set("k", Bytes::from_static(b"w"), 20).await?;
    wait(40).await;
    expect("a value goes with its time", port.get("k").await?, None)?;
    expect("a counter begins at 0", port.increment("n", 2, LONG_MS).await?, 2)?;
    expect("and counts", port.increment("n", -1, LONG_MS).await?, 1)?;
    expect("a counter lives from its first increment", port.increment("m", 1, 30).await?, 1)?;
    port.increment("m", 1, LONG_MS).await?;
    wait(60).await;
    expect("and no longer", port.increment("m", 1, LONG_MS).await?, 1)?;
    port.set("p#b", Bytes::new(), LONG_MS).await?;
    port.set("p#a", Bytes::new(), LONG_MS).await?;
    expect("keys of a group, sorted", port.keys("p#", 10).await?, vec!["p#a".to_owned(), "p#b".to_owned()])?;
    port.delete("p#a").await?;
    expect("a deleted key is gone", port.keys("p#", 10).await?, vec!["p#b".to_owned()])
}

fn document(id: &str, version: u64, text: &str, channel: &str, rank: u64) -> Document {
    Document {
        id: id.to_owned(),
        version,
        text: text.to_owned(),
        keywords: BTreeMap::from([("channel".to_owned(), vec![channel.to_owned()])]),
        rank,
        stored: json!({"id": id}),
    }
}

/// Ids of the hits, once what was put is searchable.
async fn ids<S: AsyncFn()>(port: &dyn Index, settle: &S, query: Query) -> Result<Vec<String>, Violation> {
    settle().await;
    Ok(port.search("messages", query).await?.into_iter().map(|hit| hit.id).collect())
}

fn words(text: &[&str]) -> Query {
    Query { words: text.iter().map(|w| (*w).to_owned()).collect(), limit: 10, ..Query::default() }
}

/// All words and filters must match, the newest come first, and versions make replays harmless. `settle` makes what was put
/// searchable, or waits until it is.
///
/// # Errors
/// The first broken promise.
pub async fn index<S: AsyncFn()>(port: &dyn Index, settle: S) -> Result<(), Violation> {
    port.put(
        "messages",
        vec![
            document("1", 1, "The quick Fox", "c1", 1),
            document("2", 2, "quick brown dogs", "c2", 2),
            document("3", 3, "quick foxtrot", "c1", 3),
        ],
    )
    .await?;
    let text = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
    expect("newest first", ids(port, &settle, words(&["quick"])).await?, text(&["3", "2", "1"]))?;
    expect("every word, whatever its case", ids(port, &settle, words(&["QUICK", "fox"])).await?, text(&["1"]))?;
    expect(
        "a prefix where asked",
        ids(port, &settle, Query { prefix: true, ..words(&["fox"]) }).await?,
        text(&["3", "1"]),
    )?;
    expect(
        "without a word",
        ids(port, &settle, Query { without: text(&["brown"]), ..words(&["quick"]) }).await?,
        text(&["3", "1"]),
    )?;
    let channel = |list: &[&str]| BTreeMap::from([("channel".to_owned(), text(list))]);
    expect(
        "filtered",
        ids(port, &settle, Query { filters: channel(&["c2"]), ..words(&["quick"]) }).await?,
        text(&["2"]),
    )?;
    expect(
        "an empty filter matches nothing",
        ids(port, &settle, Query { filters: channel(&[]), ..words(&["quick"]) }).await?,
        text(&[]),
    )?;
    expect(
        "by filter alone",
        ids(port, &settle, Query { filters: channel(&["c1"]), ..words(&[]) }).await?,
        text(&["3", "1"]),
    )?;
    let page = Query { limit: 1, after: Some((3, "3".to_owned())), ..words(&["quick"]) };
    expect("in pages", ids(port, &settle, page).await?, text(&["2"]))?;
    port.put("messages", vec![document("1", 5, "slow snail", "c1", 1)]).await?;
    expect("a newer version replaces", ids(port, &settle, words(&["fox"])).await?, text(&[]))?;
    port.put("messages", vec![document("1", 4, "quick fox", "c1", 1)]).await?;
    expect("an older one does not", ids(port, &settle, words(&["snail"])).await?, text(&["1"]))?;
    port.delete("messages", "1", 6).await?;
    port.put("messages", vec![document("1", 5, "slow snail", "c1", 1)]).await?;
    expect("a deleted document stays away from older puts", ids(port, &settle, words(&["snail"])).await?, text(&[]))?;
    expect(
        "the prefix is the last word as written",
        ids(port, &settle, Query { prefix: true, ..words(&["quick-foxt"]) }).await?,
        text(&["3"]),
    )?;
    large_index(port, &settle).await
}

/// Documents of the larger index.
const MANY: u64 = 400;

/// Among many documents with a common word, rare filters find theirs, and pages are without gap or repetition.
async fn large_index<S: AsyncFn()>(port: &dyn Index, settle: &S) -> Result<(), Violation> {
    let channel = |n: u64| if n % 97 == 5 { "rare" } else { "common" };
    let text = |n: u64| format!("all {} w{}", if n.is_multiple_of(3) { "third" } else { "other" }, n);
    // Two documents share each rank: the id decides.
    let all = (0..MANY).map(|n| document(&format!("{n:04}"), 1, &text(n), channel(n), n / 2)).collect();
    port.put("large", all).await?;
    settle().await;
    let mut ordered: Vec<u64> = (0..MANY).collect();
    ordered.sort_by_key(|n| (u64::MAX - n / 2, *n));
    let expected = |holds: &dyn Fn(u64) -> bool| {
        ordered.iter().filter(|n| holds(**n)).map(|n| format!("{n:04}")).collect::<Vec<_>>()
    };
    let pages = async |query: Query| {
        let mut found = Vec::new();
        let mut after = None;
        loop {
            let page = port.search("large", Query { limit: 70, after: after.take(), ..query.clone() }).await?;
            let Some(last) = page.last() else { return Ok::<_, Violation>(found) };
            after = Some((last.rank, last.id.clone()));
            found.extend(page.into_iter().map(|hit| hit.id));
        }
    };
    let rare = BTreeMap::from([("channel".to_owned(), vec!["rare".to_owned(), "none".to_owned()])]);
    let both = BTreeMap::from([("channel".to_owned(), vec!["rare".to_owned(), "common".to_owned()])]);
    expect("all, in pages", pages(words(&["all"])).await?, expected(&|_| true))?;
    expect("two words", pages(words(&["all", "third"])).await?, expected(&|n| n.is_multiple_of(3)))?;
    let query = Query { filters: rare, ..words(&["all"]) };
    expect("a rare filter", pages(query).await?, expected(&|n| n % 97 == 5))?;
    let query = Query { filters: both, ..words(&["third"]) };
    expect("any of a filter's values, once", pages(query).await?, expected(&|n| n.is_multiple_of(3)))?;
    let query = Query { prefix: true, ..words(&["all", "w1"]) };
    expect("a prefix of many words", pages(query).await?, expected(&|n| n.to_string().starts_with('1')))?;
    let query = Query { prefix: true, ..words(&["all", "w"]) };
    expect("a prefix of very many words", pages(query).await?, expected(&|_| true))
}
