//! What is wrong with a spec, as data, and its renderings. It knows files and spans, not topologies.

mod code;
mod fix;
mod human;
mod json;
#[cfg(test)]
mod tests;

pub use code::{Code, Diagnostic, Severity};
pub use fix::{Edit, Fix};
pub use human::{PRINTED_MAX, human, human_of_all};
pub use json::{json, json_of_all};
