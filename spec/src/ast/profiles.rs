//! The `profiles:` section: keys that several services, or several stores, have in common.

use crate::units::{Bytes, HealthCheck, Period, RestartBackoff};

use super::stores::{ConsistencyPair, Credentials};
use super::{Endpoints, Identifier, Name, Named, VersionName};

section! {
    /// A bundle of keys.
    pub struct Profile {
        /// A profile whose keys this one has as well.
        profile: Name,
        /// Services: instances. Stores: copies beside the first.
        replicas: u64,
        /// Services: within which it answers. Stores: after which an answer is given up.
        timeout: Period,
        /// Services: further tries of what it calls.
        retries: u64,
        /// Services: health check.
        health: HealthCheck,
        /// Services: grace at shutdown.
        stop_within: Period,
        /// Services: restart backoff.
        restart: RestartBackoff,
        /// Stores: engine version.
        version: VersionName,
        /// Stores: archgen-store stands in.
        embedded: bool,
        /// Stores: a real engine that is already there.
        endpoint: Endpoints,
        /// Stores: a real engine that `archgen up` starts and stops.
        managed: bool,
        /// Stores: database, keyspace or prefix of names.
        namespace: Identifier,
        /// Stores: who connects.
        credentials: Credentials,
        /// Stores: encryption.
        tls: String,
        /// Stores: nodes.
        nodes: u32,
        /// Stores: memory per node.
        memory: Bytes,
        /// Stores: disk per node.
        disk: Bytes,
        /// Cassandra: datacenter to replication factor.
        replication: Vec<Named<u32>>,
        /// Cassandra: consistency of writes and reads.
        consistency: ConsistencyPair,
    }
    required []
}

/// Profiles by name.
pub type Profiles = Vec<Named<Profile>>;
