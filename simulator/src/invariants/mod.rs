//! Promises as checkers over the history. Each says how many operations it checked; one that checked too few has proved nothing.

mod acked_not_lost;
mod cache_coherent;
mod checkers;
mod exactly_once_effect;
mod files_intact;
mod linearizable;
mod liveness;
mod notified;
mod per_channel_order;
mod presence_converges;
mod rebalance_loses_nothing;
mod registry_converges;
mod revoked_means_out;
mod search_converges;
mod session_guarantees;
mod shard_owner_unique;
#[cfg(test)]
mod tests;
mod unique_names;

pub(crate) use cache_coherent::kept_ms_max;
use checkers::Report;
pub use checkers::{Finding, check, is_declared, unchecked};
