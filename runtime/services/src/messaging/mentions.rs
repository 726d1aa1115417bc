//! Mentions: handles in a body, and whom they name: users, groups of users, or everyone.

use std::collections::{BTreeMap, BTreeSet};

use archgen_ports::UserId;
use http::Method;
use serde::Deserialize;
use serde_json::json;

use super::{error::MessagingError, personal::Groups, state::State};

/// Handles looked up for one message; more are plain text.
const HANDLES_MAX: usize = 50;
/// Groups looked up for one message.
const GROUPS_MAX: usize = 5;
/// Users mentioned by one message.
const USERS_MAX: usize = 1_000;
/// Words that mention everyone.
const EVERYONE: [&str; 3] = ["channel", "here", "everyone"];

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

/// Whether these handles mention everyone: `channel`, or `here` for those who are online.
pub(super) fn everyone(handles: &BTreeSet<String>) -> Option<&'static str> {
    match EVERYONE.map(|word| handles.contains(word)) {
        [false, false, false] => None,
        [false, true, false] => Some("here"),
        _ => Some("channel"),
    }
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

/// The users that these handles name, by themselves or as a group. Without handles nobody is asked.
///
/// # Errors
/// [`MessagingError::User`], or the store's.
pub(super) async fn resolve(state: &State, mut handles: BTreeSet<String>) -> Result<Vec<UserId>, MessagingError> {
    handles.retain(|handle| !EVERYONE.contains(&handle.as_str()));
    if handles.is_empty() {
        return Ok(Vec::new());
    }
    let failed = |error: archgen_env::http::ClientError| MessagingError::User(error.to_string());
    let ask = json!({"handles": handles});
    let reply = state.config.user.call(Method::POST, "/internal/users/lookup", &ask).await.map_err(failed)?;
    let items: Items = reply.json().map_err(failed)?;
    let by_handle: BTreeMap<String, UserId> =
        items.items.into_iter().map(|f| (f.handle.to_ascii_lowercase(), f.id)).collect();
    let mut users: BTreeSet<UserId> = BTreeSet::new();
    let (known, unknown): (Vec<_>, Vec<_>) = handles.iter().partition(|handle| by_handle.contains_key(*handle));
    users.extend(known.into_iter().filter_map(|handle| by_handle.get(handle).cloned()));
    for handle in unknown.into_iter().take(GROUPS_MAX) {
        users.extend(Groups(&*state.config.accounts).members(handle).await?);
    }
    Ok(users.into_iter().take(USERS_MAX).collect())
}
