//! Which node of an embedded store holds which unit of its data, and how units move while they are used.
//!
//! A unit of messages is an ownership shard: all channels that hash to it with their logs, deduplication keys, leases and marks, and
//! the read marks of the readers that hash to it. Elsewhere it is a slot: what hashes to it by its key (documents, objects, entries of
//! a cache), by its id (an index), or by its topic and partition (events). All accounts are one unit, for a transaction may touch any.
//! `map` is the placement, `unit` says to which unit a call or a stored pair belongs,
//! `held` is a node's view of it, `call` what nodes are asked, `digest` how two of them compare, `journal` what is kept of a move;
//! `mover` does one, with `transfer` for what goes between two nodes.

mod call;
mod digest;
mod held;
mod journal;
mod map;
mod mover;
mod touch;
mod transfer;
mod unit;

pub use call::MoveCall;
pub use digest::Digest;
pub use journal::{COPIED_BYTES_PER_SECOND_MAX, Journal, Order, Phase};
pub use map::Placement;
pub use mover::{MoveError, Mover};

pub(crate) use call::on_call;
pub(crate) use held::Held;
pub(crate) use map::VERSION_HEADER;
pub(crate) use touch::{Touch, Touches, keep_ours};
pub(crate) use unit::{partition_text, unit_of};
