//! Mentions: handles in a body, and the users they name.

use std::collections::{BTreeMap, BTreeSet};

use archgen_ports::UserId;
use http::Method;
use serde::Deserialize;
use serde_json::json;

use super::error::MessagingError;
use crate::host::Peers;

/// Handles looked up for one message; more are plain text.
const HANDLES_MAX: usize = 50;

/// Handles after an `@` at the start of a word: letters, digits, `_`, `-` and `.`, without a final dot.
pub(super) fn handles(body: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut before = ' ';
    for (at, character) in body.char_indices() {
        if character == '@' && !before.is_alphanumeric() {
            let rest = &body[at + 1..];
            let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "_-.".contains(c))).unwrap_or(rest.len());
            let handle = rest[..end].trim_end_matches('.');
            if !handle.is_empty() && found.len() < HANDLES_MAX {
                found.insert(handle.to_ascii_lowercase());
            }
        }
        before = character;
    }
    found
}

#[derive(Deserialize)]
struct Found {
    id: UserId,
    handle: String,
}

#[derive(Deserialize)]
struct Items {
    items: Vec<Found>,
}

/// The users that a body mentions. A body without handles asks nobody.
///
/// # Errors
/// [`MessagingError::User`].
pub(super) async fn resolve(user: &Peers, body: &str) -> Result<Vec<UserId>, MessagingError> {
    let handles = handles(body);
    if handles.is_empty() {
        return Ok(Vec::new());
    }
    let failed = |error: archgen_env::http::ClientError| MessagingError::User(error.to_string());
    let reply =
        user.call(Method::POST, "/internal/users/lookup", &json!({"handles": handles})).await.map_err(failed)?;
    let items: Items = reply.json().map_err(failed)?;
    let by_handle: BTreeMap<String, UserId> =
        items.items.into_iter().map(|f| (f.handle.to_ascii_lowercase(), f.id)).collect();
    Ok(by_handle.into_iter().filter(|(handle, _)| handles.contains(handle)).map(|(_, id)| id).collect())
}
