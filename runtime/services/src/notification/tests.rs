//! Tests of the notification service: its rules as pure functions, and its consumer and routes over loopback.

mod documents;
mod flows;
mod rules;
