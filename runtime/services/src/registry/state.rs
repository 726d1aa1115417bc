//! What the registry's routes share: catalogue and pairs behind one lock, the change signal, and the running checks.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use archgen_env::{Env, http::Client, task::Task};
use archgen_ports::ServiceKey;
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

use super::{
    catalog::Catalog,
    definition::{CheckKind, ServiceDefinition},
    error::RegistryError,
    kv::Pairs,
    relay::Relay,
    wire::Node,
};

/// Everything under the lock.
pub(super) struct Data {
    pub catalog: Catalog,
    pub pairs: Pairs,
    /// Index of the last change of a pair.
    pub pairs_index: u64,
    checkers: BTreeMap<String, Vec<Task>>,
}

/// Index of the catalogue and of the pairs. Each grows by itself, so neither says anything about the other.
pub(super) type Indexes = (u64, u64);

/// State of the routes. Cloning shares it.
#[derive(Clone)]
pub(super) struct State {
    pub env: Env,
    pub client: Client,
    pub node: Arc<Node>,
    /// Needed for writes, where access is denied by default.
    pub write_key: Option<ServiceKey>,
    pub relay: Relay,
    data: Arc<Mutex<Data>>,
    changed: Arc<watch::Sender<Indexes>>,
}

impl State {
    pub(super) fn new(env: Env, client: Client, node: Node, write_key: Option<ServiceKey>, relay: Relay) -> Self {
        // Beginning at the wall clock keeps indexes growing over restarts, so that no watcher mistakes a new answer for
        // the one it has.
        let catalog = Catalog::new(env.wall_ms());
        let pairs_index = catalog.index();
        let changed = watch::channel((catalog.index(), pairs_index)).0;
        let data = Data { catalog, pairs: Pairs::default(), pairs_index, checkers: BTreeMap::new() };
        Self {
            env,
            client,
            node: Arc::new(node),
            write_key,
            relay,
            data: Arc::new(Mutex::new(data)),
            changed: Arc::new(changed),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Data> {
        self.data.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads.
    pub(super) fn read<T>(&self, look: impl FnOnce(&Data) -> T) -> T {
        look(&self.lock())
    }

    /// Works on the data, and wakes everyone who waits where that changed them.
    pub(super) fn change<T>(&self, work: impl FnOnce(&mut Data, Instant) -> T) -> T {
        let mut data = self.lock();
        let result = work(&mut data, Instant::now());
        let indexes = (data.catalog.index(), data.pairs_index);
        // A heartbeat that changes nothing wakes nobody.
        self.changed.send_if_modified(|told| std::mem::replace(told, indexes) != indexes);
        result
    }

    /// A signal of changes.
    pub(super) fn changes(&self) -> watch::Receiver<Indexes> {
        self.changed.subscribe()
    }

    /// Registers an instance and starts its HTTP checks in place of earlier ones.
    pub(super) fn register(&self, definition: ServiceDefinition) -> Result<(), RegistryError> {
        let id = definition.id.clone();
        let asked: Vec<_> = definition
            .checks
            .iter()
            .filter(|c| matches!(c.kind, CheckKind::Http { .. }))
            .map(|c| (c.id.clone(), c.kind.clone()))
            .collect();
        self.change(|data, now| {
            let before = data.catalog.service(&id).map(|s| s.modified);
            data.catalog.register(definition, now)?;
            if data.catalog.service(&id).map(|s| s.modified) != before {
                stop(data.checkers.remove(&id));
                if !asked.is_empty() {
                    let start = |(id, kind)| super::checks::start(self, id, kind);
                    data.checkers.insert(id.clone(), asked.into_iter().map(start).collect());
                }
            }
            Ok(())
        })
    }

    /// Removes an instance and ends its HTTP checks.
    pub(super) fn deregister(&self, id: &str) -> Result<(), RegistryError> {
        self.change(|data, _| {
            data.catalog.deregister(id)?;
            stop(data.checkers.remove(id));
            Ok(())
        })
    }

    /// Judges time-to-live checks, and ends the HTTP checks of instances removed by that.
    pub(super) fn expire(&self) {
        self.change(|data, now| {
            data.catalog.expire(now);
            let gone: Vec<String> =
                data.checkers.keys().filter(|id| data.catalog.service(id).is_none()).cloned().collect();
            for id in gone {
                stop(data.checkers.remove(&id));
            }
        });
    }

    /// The answer of `look` once its index differs from `seen`, or at the end of the wait, or when the host stops.
    pub(super) async fn wait<T>(&self, seen: u64, wait: Duration, look: impl Fn(&Data) -> (u64, T)) -> (u64, T) {
        let deadline = Instant::now() + wait;
        let mut changes = self.changed.subscribe();
        loop {
            changes.mark_unchanged();
            let answer = self.read(&look);
            if seen == 0 || answer.0 != seen {
                return answer;
            }
            tokio::select! {
                biased;
                () = self.env.shutdown().triggered() => return answer,
                changed = timeout_at(deadline, changes.changed()) => {
                    if !matches!(changed, Ok(Ok(()))) {
                        return answer;
                    }
                }
            }
        }
    }
}

fn stop(checkers: Option<Vec<Task>>) {
    for task in checkers.into_iter().flatten() {
        task.abort();
    }
}
