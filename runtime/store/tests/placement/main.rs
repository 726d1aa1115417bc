//! Stores whose nodes become more and fewer while they are used: nothing acknowledged is lost, doubled or out of reach.
#![expect(clippy::disallowed_methods, reason = "a test stands outside the hosts that it drives")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod conformance;
mod messages;
mod pace;
mod ports;
mod redirects;
mod store;
