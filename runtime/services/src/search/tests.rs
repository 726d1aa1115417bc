//! Tests of the search service: its rules as pure functions, and its consumer and route over loopback.

mod flows;
mod index;
mod rules;
