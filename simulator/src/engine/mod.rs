//! Two engines under one trait: what moves simulated time, and what a network is made of.
//!
//! [`EngineKind::Event`] jumps from event to event and is for volume; [`EngineKind::Turmoil`] is the named reference. They share
//! nothing below [`archgen_env::net::Net`], so that one is a second opinion on the other: on one schedule both must come to
//! the same verdict.

mod contract;
mod event;
mod links;
mod processes;
mod ticks;

pub(crate) use contract::{
    Broken, DiskEvent, Engine, LATENCY_MS, Program, RETRANSMIT, Running, SYN_RETRY, SYN_TRIES_MAX, Weather, engine,
    retransmission,
};
pub use contract::{EngineKind, UnknownEngine};
pub(crate) use processes::ProcessEngine;
pub use processes::{NoFleet, RunningFleet};
