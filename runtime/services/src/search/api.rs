//! Route `/api/v1/search`, its wire shapes, and the confirmation that a membership has ended.

use std::collections::{BTreeMap, BTreeSet};

use archgen_ports::{
    ChannelId, UserId,
    index::{Hit, Query},
};
use axum::{
    Json, Router,
    extract::State as Of,
    response::IntoResponse,
    routing::{get, post},
};
use http::{StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    departures::RELIED_ON_MAX,
    document::{FILES, MESSAGES, PEOPLE, channel_access, owner_access},
    error::SearchError,
    peers::{Channel, channels_of, users_of},
    query::{Parsed, cursor, parse, place},
    state::{Shared, State},
};
use crate::{
    host::{Parameters, Payload},
    identity::{Caller, Internal},
};

/// Hits of one page.
const HITS_MAX: usize = 100;

/// The routes.
pub(super) fn routes(state: Shared) -> Router {
    Router::new().route("/api/v1/search", get(search)).route("/internal/out", post(out)).with_state(state)
}

#[derive(Deserialize)]
struct Out {
    user: UserId,
    channel: ChannelId,
}

/// Confirms that no search shows a user anything of a channel in which they are no member any more.
async fn out(Of(state): Of<Shared>, _: Internal, Payload(call): Payload<Out>) -> StatusCode {
    match state.departures.note(&call.user.0, &call.channel.0, Instant::now()) {
        true => StatusCode::NO_CONTENT,
        false => StatusCode::SERVICE_UNAVAILABLE,
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    #[default]
    Messages,
    Files,
    People,
}

#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    q: String,
    #[serde(default, rename = "type")]
    kind: Kind,
    limit: Option<usize>,
    cursor: Option<String>,
}

async fn search(
    Of(state): Of<Shared>,
    caller: Caller,
    Parameters(asked): Parameters<Asked>,
) -> Result<impl IntoResponse, SearchError> {
    let parsed = parse(&asked.q)?;
    let limit = asked.limit.unwrap_or(20).clamp(1, HITS_MAX);
    let after =
        asked.cursor.as_deref().map(|text| place(text).ok_or(SearchError::Invalid("cursor is not one of ours")));
    let after = after.transpose()?;
    let hits = match asked.kind {
        Kind::People => state.people(parsed, limit, after).await?,
        kind => state.content(kind, caller.user.as_str(), parsed, limit, after).await?,
    };
    let next = hits.last().filter(|_| hits.len() == limit).map(|hit| cursor(hit.rank, &hit.id));
    let items: Vec<Value> = hits.into_iter().map(|hit| hit.stored).collect();
    // A stored answer would outlive the caller's rights.
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(json!({"items": items, "next": next}))))
}

/// Filters that keep a query inside what the caller may see, and inside the channels that it names. `authors` are the resolved ids of
/// `from:`, where there was one.
pub(super) fn filters(
    kind: Kind,
    caller: &str,
    mine: &[Channel],
    parsed: &Parsed,
    authors: Option<Vec<String>>,
) -> BTreeMap<String, Vec<String>> {
    let named = |channel: &Channel| {
        let name = channel.name.as_deref().map(str::to_lowercase);
        parsed.channels.iter().any(|wanted| *wanted == channel.id || Some(wanted) == name.as_ref())
    };
    let chosen = mine.iter().filter(|channel| parsed.channels.is_empty() || named(channel));
    let chosen: Vec<String> = chosen.map(|channel| channel.id.clone()).collect();
    let mut filters = BTreeMap::new();
    if kind == Kind::Files {
        let mut access: Vec<String> = mine.iter().map(|channel| channel_access(&channel.id)).collect();
        access.push(owner_access(caller));
        filters.insert("access".to_owned(), access);
    }
    // A list without values matches nothing, which is what a channel the caller is not in must do.
    if kind == Kind::Messages || !parsed.channels.is_empty() {
        filters.insert("channel".to_owned(), chosen);
    }
    if let Some(authors) = authors {
        filters.insert("author".to_owned(), authors);
    }
    if parsed.has_file && kind == Kind::Messages {
        filters.insert("has".to_owned(), vec!["file".to_owned()]);
    }
    filters
}

/// Whether the caller may see this hit: the same rule as [`filters`], applied to what came back.
pub(super) fn visible(kind: Kind, caller: &str, mine: &BTreeSet<&str>, hit: &Hit) -> bool {
    let in_mine = hit.stored["channel"].as_str().is_some_and(|channel| mine.contains(channel));
    in_mine || (kind == Kind::Files && hit.stored["owner"] == caller)
}

impl State {
    async fn content(
        &self,
        kind: Kind,
        caller: &str,
        parsed: Parsed,
        limit: usize,
        after: Option<(u64, String)>,
    ) -> Result<Vec<Hit>, SearchError> {
        let began = Instant::now();
        let mine = channels_of(&self.messaging, caller).await?;
        let authors = match parsed.from.as_slice() {
            [] => None,
            named => Some(users_of(&self.user, named).await?),
        };
        let filters = filters(kind, caller, &mine, &parsed, authors);
        let query = Query { words: parsed.words, prefix: false, without: parsed.without, filters, limit, after };
        let index = if kind == Kind::Files { FILES } else { MESSAGES };
        let mut hits = self.index.search(index, query).await?;
        if began.elapsed() >= RELIED_ON_MAX {
            return Err(SearchError::Late);
        }
        let left = self.departures.since(caller, began);
        let ids = mine.iter().map(|channel| channel.id.as_str()).filter(|id| !left.contains(*id)).collect();
        let before = hits.len();
        hits.retain(|hit| visible(kind, caller, &ids, hit));
        if hits.len() != before && left.is_empty() {
            tracing::error!(index, "the index returned hits outside the filter; they were withheld");
        }
        Ok(hits)
    }

    /// People by the beginning of handle or name; all users of the system see each other.
    async fn people(
        &self,
        parsed: Parsed,
        limit: usize,
        after: Option<(u64, String)>,
    ) -> Result<Vec<Hit>, SearchError> {
        if !parsed.from.is_empty() || !parsed.channels.is_empty() || parsed.has_file {
            return Err(SearchError::Invalid("people are searched by words alone"));
        }
        let filters = BTreeMap::new();
        let query = Query { words: parsed.words, prefix: true, without: parsed.without, filters, limit, after };
        Ok(self.index.search(PEOPLE, query).await?)
    }
}
