//! The supervisor: starts the hosts of a fleet in order of need, keeps them running, answers on its control socket, stops them in
//! reverse order. What a host does is not its business; where things are kept is `state`'s.

mod backoff;
mod board;
mod change;
mod child;
mod control;
mod demo;
mod floor;
mod lifecycle;
mod log_file;
mod moves;
mod output;
mod program;
mod progress;
mod servers;
mod unit;
mod welcome;

pub use board::{HostState, HostStatus};
pub use control::{Reply, Request, ask};
pub use demo::is_demonstrable;
pub use floor::{Mode, run};
pub use log_file::plain_tail;
pub use progress::Progress;
pub use servers::prepare as prepare_servers;
pub use unit::{missing, preflight, units};
pub use welcome::welcome;
