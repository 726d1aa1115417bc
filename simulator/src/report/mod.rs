//! Runs as text for people, as JSON and JUnit XML for programs, and one run as a page.

mod page;
mod render;

pub use page::page;
pub use render::{human, json, junit, story};
