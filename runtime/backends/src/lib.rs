//! Real engines behind the ports. Here now: [`consul`], the registry port over Consul's HTTP API. It needs no driver, so no
//! feature guards it, and archgen's own registry host answers the same calls.
//!
//! PostgreSQL, Cassandra, MongoDB, Redis, Kafka, Elasticsearch and S3 have no implementation here yet; a topology that asks
//! for one of them unembedded is refused where the fleet is assembled.

pub mod consul;
