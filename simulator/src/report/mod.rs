//! Runs as text for people and as JSON for programs.

mod render;

pub use render::{human, json};
