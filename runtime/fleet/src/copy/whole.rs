//! The whole of a fleet, store by store.

use std::collections::BTreeSet;

use archgen_backends::{Metrics, PortSet};
use archgen_env::Env;
use archgen_ports::StoreError;
use archgen_spec::topology::{Component, ServiceKind, StoreId};

use super::{logs, objects, rows, topics};
use crate::{Assembly, FleetError, wiring::Wiring};

/// Rows, documents or entries in one call.
pub(super) const PAGE: usize = 200;

/// One kind of data as both sides have it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// `users.members`, `chat logs`.
    pub what: String,
    /// How many there were, and how many there are.
    pub counts: (u64, u64),
    /// Digests of their content.
    pub digests: (String, String),
}

impl Copied {
    /// Whether both sides are equal.
    pub fn is_equal(&self) -> bool {
        self.counts.0 == self.counts.1 && self.digests.0 == self.digests.1
    }
}

/// Why data cannot be copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// A fleet cannot be assembled.
    #[error(transparent)]
    Fleet(#[from] FleetError),
    /// A store does not answer, or refuses.
    #[error("{what}: {error}")]
    Store {
        /// What was copied.
        what: String,
        /// Its words.
        error: StoreError,
    },
    /// The other side has data.
    #[error(
        "{0} is not empty where it is to be copied to: data are never mixed; name another `namespace`, or empty it"
    )]
    NotEmpty(String),
    /// A store took what it was given for something else.
    #[error("{what}: {why}")]
    Odd {
        /// What was copied.
        what: String,
        /// What happened.
        why: String,
    },
    /// A store of one fleet has no counterpart.
    #[error("the other environment has no {1} store `{0}`")]
    NoCounterpart(String, &'static str),
}

/// Says for what an error is.
pub(super) trait Naming<T> {
    fn naming(self, what: &str) -> Result<T, CopyError>;
}

impl<T> Naming<T> for Result<T, StoreError> {
    fn naming(self, what: &str) -> Result<T, CopyError> {
        self.map_err(|error| CopyError::Store { what: what.to_owned(), error })
    }
}

/// A store on both sides.
struct Pair {
    name: String,
    from: PortSet,
    to: PortSet,
}

/// Copies everything and compares it; `said` hears of each kind of data when it is there.
///
/// # Errors
/// See [`CopyError`]. Nothing is written before the other side of every store was seen to be empty; what was copied before a later
/// error stays.
pub async fn copy(from: &Assembly, to: &Assembly, env: &Env, said: &mut dyn FnMut(&Copied)) -> Result<(), CopyError> {
    let pairs = pairs(from, to, env)?;
    // What stands in logs and buckets is known from the rows.
    let known = Known::of(from, env).await?;
    for pair in &pairs {
        vacant(from, pair, &known).await?;
    }
    let mut tell = |copied: Copied| said(&copied);
    for pair in &pairs {
        if let (Some(from), Some(to)) = (&pair.from.accounts, &pair.to.accounts) {
            rows::accounts(&pair.name, &**from, &**to, &mut tell).await?;
        }
        if let (Some(from), Some(to)) = (&pair.from.documents, &pair.to.documents) {
            rows::documents(&pair.name, &**from, &**to, &mut tell).await?;
        }
    }
    for pair in &pairs {
        if let (Some(from_port), Some(to_port)) = (&pair.from.messages, &pair.to.messages) {
            let (ports, shards) = ((&**from_port, &**to_port), (from.shards(), to.shards()));
            let copied = logs::copy(&pair.name, ports, shards, &known, env).await?;
            copied.into_iter().for_each(&mut tell);
        }
        if let (Some(from_port), Some(to_port)) = (&pair.from.blobs, &pair.to.blobs) {
            let buckets = buckets(from, &pair.name);
            tell(objects::copy(&pair.name, &**from_port, &**to_port, &buckets, &known.objects, env).await?);
        }
        if let (Some(from_port), Some(to_port)) = (&pair.from.events, &pair.to.events) {
            for topic in topics(from, &pair.name) {
                tell(topics::copy(&pair.name, &topic, &**from_port, &**to_port).await?);
            }
        }
    }
    Ok(())
}

/// Refuses where the other side of a store has something of what is to be copied there.
async fn vacant(from: &Assembly, pair: &Pair, known: &Known) -> Result<(), CopyError> {
    let (name, to) = (&pair.name, &pair.to);
    if let Some(accounts) = &to.accounts {
        rows::vacant_accounts(name, &**accounts).await?;
    }
    if let Some(documents) = &to.documents {
        rows::vacant_documents(name, &**documents).await?;
    }
    if let Some(messages) = &to.messages {
        logs::vacant(name, &**messages, known).await?;
    }
    if let Some(blobs) = &to.blobs {
        objects::vacant(name, &**blobs, &buckets(from, name), &known.objects).await?;
    }
    if let Some(events) = &to.events {
        for topic in topics(from, name) {
            topics::vacant(name, &topic, &**events).await?;
        }
    }
    Ok(())
}

/// Keys under which logs and buckets hold something.
pub(super) struct Known {
    pub(super) channels: BTreeSet<String>,
    pub(super) users: BTreeSet<String>,
    pub(super) objects: BTreeSet<String>,
}

impl Known {
    async fn of(from: &Assembly, env: &Env) -> Result<Self, CopyError> {
        let mut known = Self { channels: BTreeSet::new(), users: BTreeSet::new(), objects: BTreeSet::new() };
        for (id, store) in from.topology.stores.iter().enumerate() {
            let ports = ports(from, StoreId(id), env)?;
            if let Some(accounts) = ports.accounts {
                known.channels.extend(rows::keys(&store.name, &*accounts, "channels").await?);
                known.users.extend(rows::keys(&store.name, &*accounts, "users").await?);
            }
            if let Some(documents) = ports.documents {
                known.objects.extend(rows::objects(&store.name, &*documents).await?);
            }
        }
        Ok(known)
    }
}

fn ports(assembly: &Assembly, id: StoreId, env: &Env) -> Result<PortSet, CopyError> {
    let missing = || FleetError::NoAddress(assembly.topology.name.clone());
    let instance = assembly.topology.instances().into_iter().next().ok_or_else(missing)?;
    let wiring = Wiring { assembly, instance: &instance, env: env.clone(), metrics: Metrics::default() };
    Ok(wiring.store_ports(id)?)
}

/// The stores that are not the same on both sides.
fn pairs(from: &Assembly, to: &Assembly, env: &Env) -> Result<Vec<Pair>, CopyError> {
    let mut pairs = Vec::new();
    for (id, store) in from.topology.stores.iter().enumerate() {
        let other = to.topology.stores.iter().position(|s| s.name == store.name && s.kind == store.kind);
        let other = other.ok_or_else(|| CopyError::NoCounterpart(store.name.clone(), store.kind.name()))?;
        let counterpart = &to.topology.stores[other];
        let nodes = |assembly: &Assembly, id: StoreId| -> Vec<_> {
            let instances = assembly.topology.component_instances(Component::Store(id));
            instances.iter().map(|i| assembly.addresses.get(&i.name).cloned()).collect()
        };
        let same = store.embedded == counterpart.embedded
            && nodes(from, StoreId(id)) == nodes(to, StoreId(other))
            && store.endpoints == counterpart.endpoints
            && (store.embedded || store.namespace == counterpart.namespace);
        if !same {
            let (from, to) = (ports(from, StoreId(id), env)?, ports(to, StoreId(other), env)?);
            pairs.push(Pair { name: store.name.clone(), from, to });
        }
    }
    Ok(pairs)
}

fn buckets(from: &Assembly, store: &str) -> Vec<String> {
    let found = from.topology.stores.iter().filter(|s| s.name == store);
    found.flat_map(|s| s.datasets.iter().map(|d| d.name.clone())).collect()
}

/// Topics that are no relay's: what logs hold is published again from them.
fn topics(from: &Assembly, store: &str) -> Vec<String> {
    let topology = &from.topology;
    let relayed: Vec<_> = topology
        .services
        .iter()
        .filter(|s| s.kind == ServiceKind::Messaging)
        .flat_map(|s| s.publishes.iter().copied())
        .collect();
    let mut all = Vec::new();
    for (id, found) in topology.stores.iter().enumerate().filter(|(_, s)| s.name == store) {
        let is_relayed = |n: usize| relayed.iter().any(|d| d.store == StoreId(id) && d.dataset == n);
        all.extend(found.datasets.iter().enumerate().filter(|(n, _)| !is_relayed(*n)).map(|(_, d)| d.name.clone()));
    }
    all
}
