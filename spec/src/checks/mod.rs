//! Every diagnostic code, one file each: what it means, how it is found, what it says, its tests.
//!
//! Codes are grouped: 001 reading, 010 form, 020 overlays and substitution, 030 references, 040 placement, 050 safety,
//! 060 policies, 090 real engines.

mod context;
mod explanation;
mod registry;
#[cfg(test)]
mod testing;

pub(crate) mod anchor;
pub(crate) mod auth_off;
pub(crate) mod bad_choice;
pub(crate) mod bad_endpoint;
pub(crate) mod bad_name;
pub(crate) mod bad_unit;
pub(crate) mod bad_weight;
pub(crate) mod cannot_be_managed;
pub(crate) mod contradictory_load;
pub(crate) mod copies_above_nodes;
pub(crate) mod copies_above_zones;
pub(crate) mod cut_between_strangers;
pub(crate) mod cycle;
pub(crate) mod dangling;
pub(crate) mod default_allow;
pub(crate) mod duplicate_component;
pub(crate) mod duplicate_key;
pub(crate) mod embedded_with_endpoint;
pub(crate) mod empty_zone;
pub(crate) mod even_servers;
pub(crate) mod fan_in;
pub(crate) mod fault_never_happens;
pub(crate) mod fault_on_itself;
pub(crate) mod fault_outlasts_run;
pub(crate) mod foreign_key;
pub(crate) mod foreign_tag;
pub(crate) mod idle_consumers;
pub(crate) mod insync_above_replicas;
pub(crate) mod invariant_without_service;
pub(crate) mod keys_below_partitions;
pub(crate) mod language_version;
pub(crate) mod limit_above_limit;
pub(crate) mod load_key_unknown;
pub(crate) mod low_cardinality_key;
pub(crate) mod missing_key;
pub(crate) mod monotonic_key;
pub(crate) mod multiple_documents;
pub(crate) mod never_published;
pub(crate) mod nginx_too_old;
pub(crate) mod no_limits;
pub(crate) mod one_zone;
pub(crate) mod open_route_unlimited;
pub(crate) mod out_of_range;
pub(crate) mod over_capacity;
pub(crate) mod overlay_names_nothing;
pub(crate) mod partition_outgrows;
pub(crate) mod plain_http;
pub(crate) mod policy_broken;
pub(crate) mod port_twice;
pub(crate) mod quorum_of_all;
pub(crate) mod redundant_index;
pub(crate) mod route_without_service;
pub(crate) mod said_twice;
pub(crate) mod secret_literal;
pub(crate) mod settle_too_short;
pub(crate) mod shadowed_route;
pub(crate) mod shard_key_not_in_key;
pub(crate) mod stale_credentials;
pub(crate) mod stale_reads;
pub(crate) mod store_cannot_run;
pub(crate) mod suggestion;
pub(crate) mod syntax;
pub(crate) mod too_deep;
pub(crate) mod too_large;
pub(crate) mod unbounded_retention;
pub(crate) mod unknown_column;
pub(crate) mod unknown_environment;
pub(crate) mod unknown_key;
pub(crate) mod unknown_variable;
pub(crate) mod unpinned_version;
pub(crate) mod unreachable;
pub(crate) mod unreadable_overlay;
pub(crate) mod unset_environment;
pub(crate) mod unused_store;
pub(crate) mod weak_acks;
pub(crate) mod wrong_kind;
pub(crate) mod wrong_type;
pub(crate) mod yaml_boolean;
pub(crate) mod zone_breaks_quorum;
pub(crate) mod zone_over_capacity;

pub use explanation::Explanation;
pub use registry::{codes, explain};

pub(crate) use context::{Context, datasets_of};
pub(crate) use registry::check;
pub(crate) use suggestion::nearest;
