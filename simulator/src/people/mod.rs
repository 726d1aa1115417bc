//! Simulated people: real clients of the public API, with real HTTP and real Socket.IO, who say what they saw.

mod acts;
mod closing;
mod files;
mod guest;
mod looks;
mod person;
mod stages;

pub use person::{Outside, names, start};
pub use stages::{Stage, Stages};
