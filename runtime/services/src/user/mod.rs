//! The user service: accounts, sign-in, sessions, the OAuth 2.0 and OpenID Connect provider, presence of record.
//!
//! It owns the account tables `users`, `sessions`, `refresh_tokens`, `oauth_clients`, `auth_codes`, `signing_keys` and `outbox`.
//! Channels and their members live in the same store but belong to messaging.
//!
//! Start with `config` (what it is given, `run`), `api` and `oauth` (routes), then `state`, `account`, `session`, `grant` (what the
//! routes do) and `password`, `attempts`, `local`, `token`, `keys`, `rotation`, `pkce`, `page`, `presence`, `outbox`, `sweep`.

mod account;
mod api;
mod attempts;
mod config;
mod error;
mod grant;
mod keys;
mod local;
mod oauth;
mod outbox;
mod page;
mod password;
mod pkce;
mod presence;
mod rotation;
mod rows;
mod session;
mod state;
mod sweep;
mod token;

#[cfg(test)]
pub(crate) mod tests;

pub use config::{Config, RegisteredClient, WEB_CLIENT, run};
