//! Keywords: words that mention a person in whatever message of their channels holds them. They are their person's own affair: no
//! event that clients see tells them. The relay notes them with the other mentions, and the topic names whom a message reaches by them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use archgen_ports::{
    ChannelId, UserId,
    accounts::{Accounts, Expect, Write},
    messages::LogEntry,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, to_value};
use tokio::time::Instant;

use super::{error::MessagingError, kinds::CREATED, state::State};

const TABLE: &str = "keywords";
/// Keywords of one person.
pub(super) const WORDS_MAX: usize = 30;
/// One keyword, bytes.
pub(super) const WORD_BYTES_MAX: usize = 60;
/// People whose keywords are looked for.
const PEOPLE_MAX: usize = 100_000;
/// Rows read at a time.
const PAGE: usize = 200;
/// People whom one message reaches by keywords.
const REACHED_MAX: usize = 500;
/// How old what is known may be: so late a new keyword counts.
const FRESH: Duration = Duration::from_secs(2);

/// Row of the table, keyed by its user.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Row {
    user: UserId,
    words: BTreeSet<String>,
}

/// The words of a text as keywords are compared: letters and digits, in lower case.
pub(super) fn words(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect()
}

/// A keyword as it is kept; `None` where it is none: one word, not too long.
pub(super) fn keyword(text: &str) -> Option<String> {
    let mut found = words(text).into_iter();
    match (found.next(), found.next()) {
        (Some(word), None) if text.len() <= WORD_BYTES_MAX && word == text.trim().to_lowercase() => Some(word),
        _ => None,
    }
}

/// The words of a message that may reach people by a keyword: none where everyone is mentioned already.
fn reaching(entry: &LogEntry) -> BTreeSet<String> {
    let counts = entry.kind == CREATED && !entry.deleted && entry.data["everyone"].is_null();
    counts.then(|| entry.data["body"].as_str().map(words)).flatten().unwrap_or_default()
}

/// Whether a message reaches this person, who has these keywords, by one of them and not by name.
pub(super) fn reaches(entry: &LogEntry, user: &UserId, keywords: &BTreeSet<String>) -> bool {
    let named = entry.data["mentions"].as_array().is_some_and(|all| all.iter().any(|one| one == user.as_str()));
    entry.author != *user && !named && !reaching(entry).is_disjoint(keywords)
}

/// One person's keywords.
pub(super) async fn of(accounts: &dyn Accounts, user: &UserId) -> Result<BTreeSet<String>, MessagingError> {
    match accounts.get(TABLE, user.as_str()).await? {
        Some(row) => Ok(serde_json::from_value::<Row>(row.value)?.words),
        None => Ok(BTreeSet::new()),
    }
}

/// Replaces one person's keywords.
pub(super) async fn put(accounts: &dyn Accounts, user: &UserId, words: BTreeSet<String>) -> Result<(), MessagingError> {
    let value = if words.is_empty() { None } else { Some(to_value(Row { user: user.clone(), words })?) };
    let write = Write { table: TABLE.to_owned(), key: user.0.clone(), expect: Expect::Any, value };
    accounts.commit(vec![write]).await?;
    Ok(())
}

#[derive(Default)]
struct Known {
    by_word: BTreeMap<String, BTreeSet<UserId>>,
    read: Option<Instant>,
}

/// Everybody's keywords, as they were a moment ago.
#[derive(Default)]
pub(super) struct Keywords(Mutex<Known>);

impl Keywords {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn refresh(&self, accounts: &dyn Accounts) -> Result<(), MessagingError> {
        let now = Instant::now();
        if self.known().read.is_some_and(|read| now.duration_since(read) < FRESH) {
            return Ok(());
        }
        let mut by_word: BTreeMap<String, BTreeSet<UserId>> = BTreeMap::new();
        let (mut after, mut people): (Option<String>, usize) = (None, 0);
        loop {
            let page = accounts.scan(TABLE, after.as_deref(), PAGE).await?;
            let whole = page.len() < PAGE;
            people += page.len();
            after = page.last().map(|row| row.key.clone());
            for row in page {
                let Row { user, words } = serde_json::from_value(row.value)?;
                for word in words {
                    by_word.entry(word).or_default().insert(user.clone());
                }
            }
            if whole || people >= PEOPLE_MAX {
                break;
            }
        }
        *self.known() = Known { by_word, read: Some(now) };
        Ok(())
    }

    fn reached(&self, entry: &LogEntry, found: &BTreeSet<String>) -> BTreeSet<UserId> {
        let known = self.known();
        let users: BTreeSet<&UserId> = found.iter().filter_map(|word| known.by_word.get(word)).flatten().collect();
        users.into_iter().filter(|user| reaches(entry, user, found)).take(REACHED_MAX).cloned().collect()
    }
}

/// Members of the channel whom this message reaches by a keyword.
///
/// # Errors
/// The store's.
pub(super) async fn reached(
    state: &State,
    channel: &ChannelId,
    entry: &LogEntry,
) -> Result<Vec<UserId>, MessagingError> {
    let found = reaching(entry);
    if found.is_empty() {
        return Ok(Vec::new());
    }
    state.keywords.refresh(&*state.config.accounts).await?;
    let mut members = Vec::new();
    for user in state.keywords.reached(entry, &found) {
        if state.rows().member(channel, &user).await?.is_some() {
            members.push(user);
        }
    }
    Ok(members)
}

/// Adds to a message's data in the topic whom it reaches by a keyword.
pub(super) fn name(data: &mut Value, reached: &[UserId]) {
    if !reached.is_empty() {
        data["keywords"] = Value::from(reached.iter().map(|user| user.0.clone()).collect::<Vec<_>>());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keyword_is_one_word() {
        assert_eq!(keyword(" Deploy "), Some("deploy".to_owned()));
        assert_eq!(keyword("\u{d6}l"), Some("\u{f6}l".to_owned()));
        for text in ["", "two words", "a-b", "!", "x!", &"y".repeat(61)] {
            assert_eq!(keyword(text), None, "{text:?}");
        }
    }

    #[test]
    fn words_are_compared_whole_and_without_case() {
        let found: Vec<String> = words("Deploy! re-deployed (DEPLOY) 2x").into_iter().collect();
        assert_eq!(found, ["2x", "deploy", "deployed", "re"]);
    }
}
