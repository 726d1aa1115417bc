//! Accounts: relational rows with unique keys and transactions.
//!
//! Promise: a commit is atomic, isolated (its checks and its writes see one state), and durable when it returns.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::StoreError;

/// A table: its name, and which top-level text fields of a row are unique or indexed.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    /// Name.
    pub name: &'static str,
    /// Fields whose value no two rows share (rows without the field are exempt).
    pub unique: &'static [&'static str],
    /// Fields by which rows are looked up.
    pub indexes: &'static [&'static str],
}

/// Every table of the reference system.
pub const TABLES: &[Table] = &[
    Table { name: "users", unique: &["email", "handle"], indexes: &[] },
    Table { name: "sessions", unique: &[], indexes: &["user"] },
    Table { name: "refresh_tokens", unique: &[], indexes: &["family"] },
    Table { name: "oauth_clients", unique: &[], indexes: &[] },
    Table { name: "auth_codes", unique: &[], indexes: &[] },
    Table { name: "signing_keys", unique: &[], indexes: &[] },
    Table { name: "channels", unique: &["dm_key"], indexes: &["kind", "expires"] },
    Table { name: "members", unique: &[], indexes: &["channel", "user"] },
    Table { name: "drafts", unique: &[], indexes: &["user"] },
    Table { name: "bookmarks", unique: &[], indexes: &["user"] },
    Table { name: "scheduled", unique: &[], indexes: &["user"] },
    Table { name: "groups", unique: &[], indexes: &[] },
    Table { name: "keywords", unique: &[], indexes: &[] },
    Table { name: "outbox", unique: &[], indexes: &[] },
];

/// The table of this name.
pub fn table(name: &str) -> Option<&'static Table> {
    TABLES.iter().find(|t| t.name == name)
}

/// A stored row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Primary key.
    pub key: String,
    /// Increases by one at each write of the row, from 1.
    pub version: u64,
    /// A JSON object.
    pub value: Value,
}

/// What must hold for a write to apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Expect {
    /// Nothing.
    Any,
    /// The row does not exist.
    Absent,
    /// The row exists in this version.
    Version(u64),
}

/// One write of a transaction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Write {
    /// Table name.
    pub table: String,
    /// Primary key.
    pub key: String,
    /// Condition.
    pub expect: Expect,
    /// The new value; `None` deletes the row.
    pub value: Option<Value>,
}

/// Result of a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Commit {
    /// All writes applied.
    Applied,
    /// A condition did not hold; nothing applied.
    Conflict {
        /// Table.
        table: String,
        /// Key of the row.
        key: String,
    },
    /// A unique field is taken; nothing applied.
    Taken {
        /// Table.
        table: String,
        /// Field.
        field: String,
    },
}

/// The port.
#[async_trait]
pub trait Accounts: Send + Sync + 'static {
    /// The row of this key.
    ///
    /// # Errors
    /// See [`StoreError`].
    async fn get(&self, table: &str, key: &str) -> Result<Option<Row>, StoreError>;

    /// Rows whose unique or indexed field has this value, by ascending key, after the key `after`, at most `limit`.
    ///
    /// # Errors
    /// See [`StoreError`]; [`StoreError::Refused`] for a field that is neither unique nor indexed.
    async fn find(
        &self,
        table: &str,
        field: &str,
        value: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError>;

    /// All rows by ascending key after `after`, at most `limit`.
    ///
    /// # Errors
    /// See [`StoreError`].
    async fn scan(&self, table: &str, after: Option<&str>, limit: usize) -> Result<Vec<Row>, StoreError>;

    /// Applies all writes or none.
    ///
    /// # Errors
    /// See [`StoreError`]; after [`StoreError::Indeterminate`] the caller reads before it decides.
    async fn commit(&self, writes: Vec<Write>) -> Result<Commit, StoreError>;
}
