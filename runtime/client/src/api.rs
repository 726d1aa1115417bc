//! The public HTTP API, as far as a device needs it.

use std::sync::{Arc, Mutex, PoisonError};

use archgen_env::{
    Env,
    http::{Client, ClientError, Limits, Problem, Reply},
    net::Address,
};
use http::{HeaderMap, HeaderValue, Method, header};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// No usable answer: the call may or may not have had its effect.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The system said no.
    #[error("{} ({}): {}", .0.status, .0.code, .0.title)]
    Problem(Problem),
}

impl ApiError {
    /// Whether a later try may succeed: no answer, overload, or a fault on the server's side.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Client(_) => true,
            Self::Problem(problem) => problem.status >= 500 || problem.status == 429,
        }
    }
}

/// A signed-in user.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Session {
    /// Bearer token.
    pub access_token: String,
    /// For a new access token.
    pub refresh_token: String,
    /// Life of the access token, seconds.
    pub expires_in: u64,
}

/// A channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channel {
    /// Id.
    pub id: String,
    /// Name.
    #[serde(default)]
    pub name: String,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Id.
    pub id: String,
    /// Ownership epoch.
    pub epoch: u64,
    /// Place in the channel.
    pub seq: u64,
    /// Author's user id.
    pub author: String,
    /// The author's own id for it.
    #[serde(default)]
    pub client_msg_id: Option<String>,
    /// Text; `None` when deleted.
    #[serde(default)]
    pub body: Option<String>,
}

/// One page of a list.
#[derive(Debug, Clone, Deserialize)]
pub struct Page<T> {
    /// Items.
    pub items: Vec<T>,
    /// Where the next page begins.
    pub next: Option<Value>,
}

/// The API as one user. Cloning shares the session.
#[derive(Clone)]
pub struct Api {
    client: Client,
    gateway: Address,
    session: Arc<Mutex<Option<Session>>>,
}

impl Api {
    /// The API behind this gateway.
    pub fn new(env: &Env, gateway: Address) -> Self {
        let limits = Limits { call_ms_max: 8_000, idle_per_host_max: 2, ..Limits::default() };
        Self { client: Client::new(env, limits), gateway, session: Arc::default() }
    }

    /// The access token, once signed in.
    pub fn access_token(&self) -> Option<String> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|s| s.access_token.clone())
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Some(token) = self.access_token()
            && let Ok(mut value) = HeaderValue::from_str(&format!("Bearer {token}"))
        {
            value.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, value);
        }
        headers
    }

    fn answer<T: DeserializeOwned>(reply: &Reply) -> Result<T, ApiError> {
        if reply.status.is_success() {
            let body: &[u8] = if reply.body.is_empty() { b"null" } else { &reply.body };
            return serde_json::from_slice(body)
                .map_err(|e| ClientError::Unexpected("the API".to_owned(), e.to_string()).into());
        }
        Err(ApiError::Problem(reply.json().unwrap_or_else(|_| Problem {
            status: reply.status.as_u16(),
            code: "unknown".to_owned(),
            title: String::from_utf8_lossy(&reply.body).chars().take(200).collect(),
            retry_after_s: None,
        })))
    }

    /// Any JSON call.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub async fn call<T: DeserializeOwned>(&self, method: Method, path: &str, body: &Value) -> Result<T, ApiError> {
        let reply = if method == Method::GET {
            self.client.get(&self.gateway, path, self.headers()).await?
        } else {
            self.client.json(method, &self.gateway, path, self.headers(), body).await?
        };
        Self::answer(&reply)
    }

    /// Registers a user; an email that is taken is an error of status 409.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub async fn register(&self, email: &str, handle: &str, password: &str) -> Result<Value, ApiError> {
        let body = json!({"email": email, "handle": handle, "name": handle, "password": password});
        self.call(Method::POST, "/api/v1/auth/register", &body).await
    }

    /// Signs in and keeps the session.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub async fn login(&self, email: &str, password: &str) -> Result<Session, ApiError> {
        let body = json!({"email": email, "password": password});
        let session: Session = self.call(Method::POST, "/api/v1/auth/login", &body).await?;
        *self.session.lock().unwrap_or_else(PoisonError::into_inner) = Some(session.clone());
        Ok(session)
    }

    /// Creates a channel.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub async fn create_channel(&self, name: &str, kind: &str) -> Result<Channel, ApiError> {
        self.call(Method::POST, "/api/v1/channels", &json!({"name": name, "kind": kind})).await
    }

    /// Joins a public channel.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub async fn join(&self, channel: &str) -> Result<Value, ApiError> {
        self.call(Method::POST, &format!("/api/v1/channels/{channel}/join"), &json!({})).await
    }

    /// One page of history after a place, ascending.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub async fn history(&self, channel: &str, after_seq: u64, limit: usize) -> Result<Page<Message>, ApiError> {
        let path = format!("/api/v1/channels/{channel}/messages?after_seq={after_seq}&limit={limit}");
        self.call(Method::GET, &path, &Value::Null).await
    }

    /// The whole history of a channel.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub async fn whole_history(&self, channel: &str) -> Result<Vec<Message>, ApiError> {
        const PAGE: usize = 200;
        let mut all: Vec<Message> = Vec::new();
        loop {
            let after = all.last().map_or(0, |m| m.seq);
            let page = self.history(channel, after, PAGE).await?;
            let more = page.next.is_some_and(|next| !next.is_null()) && !page.items.is_empty();
            all.extend(page.items);
            if !more {
                return Ok(all);
            }
        }
    }
}
