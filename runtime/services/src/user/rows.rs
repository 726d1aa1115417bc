//! Rows of the account tables as this service reads and writes them. Secrets in them are hashes, but for signing keys.

use archgen_ports::accounts::Row;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::error::UserError;

/// Table `users`, keyed by user id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct User {
    /// Case-folded address; unique.
    pub email: String,
    /// Lower case; unique.
    pub handle: String,
    pub name: String,
    /// Argon2id hash in PHC form.
    pub password: String,
    pub created_ms: u64,
}

/// Table `sessions`, keyed by session id. A session is also the family of its refresh tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Session {
    pub user: String,
    pub client: String,
    pub device: String,
    pub scope: String,
    pub created_ms: u64,
    pub seen_ms: u64,
    /// After this no refresh extends it.
    pub expires_ms: u64,
    pub revoked: bool,
}

/// Table `refresh_tokens`, keyed by the token's digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RefreshToken {
    /// The session.
    pub family: String,
    pub expires_ms: u64,
    /// When it was first exchanged for its successor.
    pub rotated_ms: Option<u64>,
    /// How many successors it has been given.
    pub rotations: u32,
}

/// Table `auth_codes`, keyed by the code's digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct AuthCode {
    pub client: String,
    pub user: String,
    pub redirect_uri: String,
    pub challenge: String,
    pub scope: String,
    pub nonce: Option<String>,
    pub issued_ms: u64,
    pub expires_ms: u64,
    /// The session that its first use began.
    pub session: Option<String>,
}

/// Table `oauth_clients`, keyed by client id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Client {
    pub name: String,
    pub redirect_uris: Vec<String>,
    /// Digest of a confidential client's secret; a public client has none.
    pub secret_sha256: Option<String>,
}

/// A row decoded, with what is needed to write it again.
#[derive(Debug, Clone)]
pub(super) struct Stored<T> {
    pub key: String,
    pub version: u64,
    pub value: T,
}

impl<T: DeserializeOwned> Stored<T> {
    pub fn decode(row: Row) -> Result<Self, UserError> {
        let value = serde_json::from_value(row.value).map_err(|_| UserError::Corrupt(row.key.clone()))?;
        Ok(Self { key: row.key, version: row.version, value })
    }
}

/// A row's value as JSON.
pub(super) fn encode<T: Serialize>(value: &T) -> Result<Value, UserError> {
    serde_json::to_value(value).map_err(|_| UserError::Corrupt("a row of ours".to_owned()))
}

/// What is stored in place of a secret that is itself random: its SHA-256, in hexadecimal.
pub(super) fn digest(secret: &str) -> String {
    Sha256::digest(secret.as_bytes()).iter().map(|b| format!("{b:02x}")).collect()
}
