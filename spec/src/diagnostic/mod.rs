//! What is wrong with a spec, as data, and its renderings. It knows files and spans, not topologies.

mod code;
mod fix;
mod github;
mod human;
mod joined;
mod json;
mod sarif;
#[cfg(test)]
mod tests;

pub use code::{Code, Diagnostic, Severity};
pub use fix::{Edit, Fix};
pub use github::github_of_all;
pub use human::{PRINTED_MAX, human, human_of_all, human_within};
pub(crate) use joined::join;
pub use json::{json, json_of_all};
pub use sarif::sarif_of_all;
