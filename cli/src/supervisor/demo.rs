//! Two demo users and a channel, made through the public API as any client would. Safe to repeat.

use std::time::Duration;

use anyhow::{Context, bail};
use archgen_env::{
    http::{Client, Limits, Problem, Reply},
    net::Address,
};
use archgen_spec::topology::{ServiceKind, Topology};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::floor::Floor;
use crate::state::demo_password;

/// A demo user.
pub struct Person {
    /// Address to sign in with.
    pub email: &'static str,
    handle: &'static str,
    name: &'static str,
}

/// The demo users.
pub const PEOPLE: [Person; 2] = [
    Person { email: "ada@example.test", handle: "ada", name: "Ada Lovelace" },
    Person { email: "grace@example.test", handle: "grace", name: "Grace Hopper" },
];
/// The channel that both are in.
const CHANNEL: &str = "general";
/// The whole of it must be done in this time.
const WITHIN: Duration = Duration::from_secs(15);
/// Tries of one call: hosts that are ready may not have found each other yet.
const TRIES_MAX: u32 = 20;
const TRY_AGAIN: Duration = Duration::from_millis(250);

/// Whether a system has what the demo users need: a gateway, accounts, channels.
pub fn is_demonstrable(topology: &Topology) -> bool {
    let has = |kind: &ServiceKind| topology.services.iter().any(|s| s.kind == *kind);
    topology.gateway.is_some() && has(&ServiceKind::User) && has(&ServiceKind::Messaging)
}

/// Makes them.
///
/// # Errors
/// The API refuses, or does not answer in time.
pub async fn seed(floor: &Floor) -> anyhow::Result<()> {
    let gateway = {
        let fleet = floor.fleet();
        fleet.addresses.get("gateway-1").filter(|_| fleet.demo).cloned()
    };
    let Some(gateway) = gateway else { return Ok(()) };
    let password = demo_password(&floor.state, &floor.env.entropy("demo"))?;
    let limits = Limits { call_ms_max: 5_000, reply_bytes_max: 1 << 20, ..Limits::default() };
    let api = Api { client: Client::new(&floor.env, limits), gateway };
    timeout(WITHIN, api.seed(&password)).await.context("no answer in time")?
}

struct Api {
    client: Client,
    gateway: Address,
}

impl Api {
    async fn seed(&self, password: &str) -> anyhow::Result<()> {
        let mut tokens = Vec::new();
        for person in &PEOPLE {
            let account =
                json!({"email": person.email, "handle": person.handle, "name": person.name, "password": password});
            let made = self.call(Method::POST, "/api/v1/auth/register", None, &account).await?;
            if !made.status.is_success() && made.status != StatusCode::CONFLICT {
                bail!("registration of {} was refused: {}", person.email, reason(&made));
            }
            let session = json!({"email": person.email, "password": password, "device": "demo"});
            let session = self.must(Method::POST, "/api/v1/auth/login", None, &session).await?;
            let token = session["access_token"].as_str().context("the sign-in gave no token")?;
            tokens.push(token.to_owned());
        }
        let [first, rest @ ..] = tokens.as_slice() else { return Ok(()) };
        let channels = self.must(Method::GET, "/api/v1/channels", Some(first), &Value::Null).await?;
        let known = channels["items"].as_array().into_iter().flatten().find(|c| c["name"] == CHANNEL);
        let channel = match known {
            Some(channel) => channel.clone(),
            None => {
                let new = json!({"name": CHANNEL, "kind": "public"});
                self.must(Method::POST, "/api/v1/channels", Some(first), &new).await?
            }
        };
        let id = channel["id"].as_str().context("the channel has no id")?;
        for token in rest {
            self.must(Method::POST, &format!("/api/v1/channels/{id}/join"), Some(token), &json!({})).await?;
        }
        for token in &tokens {
            // The token was for this alone.
            self.call(Method::POST, "/api/v1/auth/logout", Some(token), &json!({})).await?;
        }
        Ok(())
    }

    async fn must(&self, method: Method, path: &str, token: Option<&str>, body: &Value) -> anyhow::Result<Value> {
        let reply = self.call(method, path, token, body).await?;
        if !reply.status.is_success() {
            bail!("{path} was refused: {}", reason(&reply));
        }
        Ok(if reply.body.is_empty() { Value::Null } else { reply.json()? })
    }

    /// Calls, again where the system is not yet able to answer. Every call here may be repeated.
    async fn call(&self, method: Method, path: &str, token: Option<&str>, body: &Value) -> anyhow::Result<Reply> {
        let mut headers = HeaderMap::new();
        if let Some(token) = token {
            let mut value =
                HeaderValue::from_str(&format!("Bearer {token}")).context("the token is no header value")?;
            value.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, value);
        }
        let mut tries = 0;
        loop {
            tries += 1;
            let reply = if body.is_null() {
                self.client.call(method.clone(), &self.gateway, path, headers.clone(), Vec::new()).await
            } else {
                self.client.json(method.clone(), &self.gateway, path, headers.clone(), body).await
            };
            match reply {
                Ok(reply) if !is_transient(reply.status) || tries == TRIES_MAX => return Ok(reply),
                Err(error) if tries == TRIES_MAX => return Err(error.into()),
                _ => sleep(TRY_AGAIN).await,
            }
        }
    }
}

fn is_transient(status: StatusCode) -> bool {
    status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS
}

fn reason(reply: &Reply) -> String {
    match reply.json::<Problem>() {
        Ok(problem) => format!("{} ({})", problem.title, problem.status),
        Err(_) => format!("status {}", reply.status.as_u16()),
    }
}
