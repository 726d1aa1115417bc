//! Tests of the user service: its rules as pure functions, and its routes in this process over a strict account store.

mod flows;
mod rules;
pub(crate) mod store;
mod world;
