//! The gateway host: the one door for REST. It routes by the spec, checks access tokens, limits, balances over discovered
//! instances, retries within a budget, caches for moments, bounds bodies and time, and serves the page.
//!
//! It keeps nothing durable, rewrites no path, and knows no endpoint of any service. Socket.IO goes past it: upgrades are
//! refused. It speaks plain HTTP; TLS ends in front of it.

mod api;
mod auth;
mod balance;
mod body;
mod cache;
mod config;
mod cors;
mod discovery;
mod error;
mod headers;
mod limit;
mod metrics;
mod page;
mod proxy;
mod retry;
mod routing;
mod state;

#[cfg(test)]
mod tests;

pub use config::{Config, REVOKED, Upstream, run};
