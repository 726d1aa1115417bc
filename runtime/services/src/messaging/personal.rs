//! What belongs to one person, and to groups of them: drafts, bookmarks, scheduled messages, groups. Rows of the relational store;
//! nothing here is in a channel's log until it is sent.

use archgen_ports::{
    ChannelId, MessageId, UserId,
    accounts::{Accounts, Commit, Expect, Row, Write},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, to_value};

use super::{error::MessagingError, operation::Content};

/// Drafts, bookmarks or scheduled messages of one user.
const ITEMS_MAX: usize = 500;
/// Members of a group.
pub(super) const GROUP_MEMBERS_MAX: usize = 200;

/// Unsent text, one per user and channel.
pub(super) const DRAFTS: &str = "drafts";
/// Messages that a user wants to find again.
pub(super) const BOOKMARKS: &str = "bookmarks";
/// Messages to be sent later, by key in order of time.
pub(super) const SCHEDULED: &str = "scheduled";

/// Row of [`DRAFTS`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Draft {
    pub(super) user: UserId,
    pub(super) channel: ChannelId,
    pub(super) body: String,
    #[serde(default)]
    pub(super) thread: Option<String>,
    pub(super) changed: u64,
}

/// Row of [`BOOKMARKS`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Bookmark {
    pub(super) user: UserId,
    pub(super) channel: ChannelId,
    pub(super) message: MessageId,
    pub(super) created: u64,
}

/// Row of [`SCHEDULED`]. The message's id is drawn when it is scheduled: the store takes an id once, so it is sent once, however
/// late and however often it is tried.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Scheduled {
    pub(super) id: MessageId,
    pub(super) user: UserId,
    pub(super) channel: ChannelId,
    pub(super) at: u64,
    pub(super) content: Content,
    /// Why it was not sent; it then waits no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) failed: Option<String>,
}

impl Scheduled {
    /// Key of its row: those that wait, by time; those that failed, behind them.
    pub(super) fn key(&self) -> String {
        match self.failed {
            None => format!("{:015}:{}", self.at, self.id),
            Some(_) => format!("~{}", self.id),
        }
    }
}

fn parse<T: DeserializeOwned>(row: Row) -> Result<T, MessagingError> {
    Ok(serde_json::from_value(row.value)?)
}

/// A table of things that belong to users.
#[derive(Clone, Copy)]
pub(super) struct Shelf<'a>(pub(super) &'a dyn Accounts, pub(super) &'static str);

impl Shelf<'_> {
    /// All of a user's, by key.
    pub(super) async fn of<T: DeserializeOwned>(&self, user: &UserId) -> Result<Vec<T>, MessagingError> {
        let rows = self.0.find(self.1, "user", user.as_str(), None, ITEMS_MAX).await?;
        rows.into_iter().map(parse).collect()
    }

    /// The first ones of everybody, by key.
    pub(super) async fn first<T: DeserializeOwned>(&self, limit: usize) -> Result<Vec<(T, u64)>, MessagingError> {
        let rows = self.0.scan(self.1, None, limit).await?;
        rows.into_iter().map(|row| Ok((row.version, parse(row)?))).map(|r| r.map(|(v, t)| (t, v))).collect()
    }

    /// Puts a thing there; one more than fits is refused.
    pub(super) async fn put<T: Serialize>(&self, user: &UserId, key: &str, value: &T) -> Result<(), MessagingError> {
        let known = self.0.get(self.1, key).await?.is_some();
        if !known && self.0.find(self.1, "user", user.as_str(), None, ITEMS_MAX).await?.len() >= ITEMS_MAX {
            return Err(MessagingError::Invalid(format!("at most {ITEMS_MAX} {}", self.1)));
        }
        self.write(key, Expect::Any, Some(to_value(value)?)).await.map(drop)
    }

    /// Takes a thing away; whether it was there in this version, where one is given.
    pub(super) async fn take(&self, key: &str, version: Option<u64>) -> Result<bool, MessagingError> {
        self.write(key, version.map_or(Expect::Any, Expect::Version), None).await
    }

    async fn write(&self, key: &str, expect: Expect, value: Option<Value>) -> Result<bool, MessagingError> {
        let write = Write { table: self.1.to_owned(), key: key.to_owned(), expect, value };
        Ok(self.0.commit(vec![write]).await? == Commit::Applied)
    }

    /// Replaces a thing by another under its own key, all or nothing.
    pub(super) async fn replace<T: Serialize>(
        &self,
        key: &str,
        version: u64,
        new_key: &str,
        value: &T,
    ) -> Result<(), MessagingError> {
        let table = || self.1.to_owned();
        let gone = Write { table: table(), key: key.to_owned(), expect: Expect::Version(version), value: None };
        let value = Some(to_value(value)?);
        let new = Write { table: table(), key: new_key.to_owned(), expect: Expect::Any, value };
        self.0.commit(vec![gone, new]).await?;
        Ok(())
    }
}

/// Row of `groups`: people who are mentioned by one handle.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Group {
    pub(super) handle: String,
    pub(super) owner: UserId,
    pub(super) members: Vec<UserId>,
}

/// The groups.
#[derive(Clone, Copy)]
pub(super) struct Groups<'a>(pub(super) &'a dyn Accounts);

impl Groups<'_> {
    pub(super) async fn get(&self, handle: &str) -> Result<Option<Group>, MessagingError> {
        if handle.is_empty() || handle.len() > 64 || handle.contains(['\0', ':']) {
            return Ok(None);
        }
        self.0.get("groups", handle).await?.map(parse).transpose()
    }

    /// Members of the group of this handle; none where there is no such group.
    pub(super) async fn members(&self, handle: &str) -> Result<Vec<UserId>, MessagingError> {
        Ok(self.get(handle).await?.map(|group| group.members).unwrap_or_default())
    }

    /// Writes a group; `None` deletes it.
    pub(super) async fn put(&self, handle: &str, group: Option<&Group>) -> Result<(), MessagingError> {
        let value = group.map(to_value).transpose()?;
        let write = Write { table: "groups".to_owned(), key: handle.to_owned(), expect: Expect::Any, value };
        self.0.commit(vec![write]).await?;
        Ok(())
    }
}
