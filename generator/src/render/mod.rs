//! Text from templates: one engine, one escaping rule per target. What is said is decided in `context`.

mod engine;
mod escape;
mod yaml;

#[cfg(test)]
mod tests;

pub(crate) use engine::Engine;
pub(crate) use escape::sql_identifier;
pub(crate) use yaml::yaml;
