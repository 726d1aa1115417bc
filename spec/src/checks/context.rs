//! What the checks of meaning look at: what was written beside what was resolved from it.

use crate::ast::{self, Dataset, Named, Service, Spec, Store};
use crate::capacity::Use;
use crate::source::{FileId, Span, Spanned};
use crate::topology::{Component, Consistency, DatasetShape, Gateway, Need, StoreKind, Topology};
use crate::units::Date;

/// The written spec and the topology made of it. Services and stores have the same order in both.
pub struct Context<'a> {
    /// As written.
    pub spec: &'a Spec,
    /// As resolved. Faulty values have their defaults.
    pub topology: &'a Topology,
    /// The written services.
    pub services: &'a [Named<Service>],
    /// The written stores.
    pub stores: &'a [Named<Store>],
    /// Resolved needs of each service, each with its place.
    pub needs: &'a [Vec<Spanned<Need>>],
    /// The day on which the spec is checked, where the caller says it.
    pub today: Option<Date>,
}

/// How many copies something keeps.
pub struct Copies<'a> {
    /// What: a store, or a dataset that has its own number.
    pub name: &'a str,
    /// Copies, the first included.
    pub copies: u32,
    /// Machines to put them on.
    pub nodes: u32,
    /// Where the number is written.
    pub span: Span,
    /// The store that keeps them.
    pub store: &'a str,
    /// How many machines there are is written, but could not be read.
    pub nodes_unread: bool,
}

/// Copies of which some number must be there.
pub struct Quorum<'a> {
    /// Whose: a store, a topic or the registry.
    pub name: &'a str,
    /// What the copies are called.
    pub what: &'static str,
    /// How many there are.
    pub copies: u32,
    /// How many must be there for a write or a read.
    pub needed: u32,
    /// Where that is decided.
    pub span: Span,
    /// What to do where it is too many.
    pub advice: &'static str,
}

/// The datasets of a store, in written order.
pub fn datasets_of(store: &Store) -> &[Named<Dataset>] {
    let sections = [&store.tables, &store.collections, &store.topics, &store.indexes, &store.buckets];
    sections.into_iter().flatten().next().map_or(&[], |s| s.value.as_slice())
}

fn nodes_unread(store: &Store) -> bool {
    let read =
        [("nodes", store.nodes.is_some()), ("brokers", store.brokers.is_some()), ("shards", store.shards.is_some())];
    read.into_iter().any(|(key, read)| !read && store.said.contains(&key))
}

impl<'a> Context<'a> {
    /// Every dataset with the index of its store and its own index in it.
    pub fn indexed_datasets(&self) -> impl Iterator<Item = (usize, usize, &'a Named<Dataset>)> + use<'a> {
        let stores = self.stores;
        stores.iter().enumerate().flat_map(|(store, named)| {
            datasets_of(&named.value).iter().enumerate().map(move |(index, dataset)| (store, index, dataset))
        })
    }

    /// Every dataset with the index of its store.
    pub fn datasets(&self) -> impl Iterator<Item = (usize, &'a Named<Dataset>)> + use<'a> {
        self.indexed_datasets().map(|(store, _, dataset)| (store, dataset))
    }

    /// The written faults of the simulation.
    pub fn faults(&self) -> impl Iterator<Item = &'a Spanned<ast::Fault>> + use<'a> {
        self.spec.sim.iter().flat_map(|s| &s.value.faults).flat_map(|f| &f.value)
    }

    /// Where the limit of a capacity figure is declared.
    pub fn limit_place(&self, figure: &Use) -> Span {
        match figure.of {
            Component::Store(id) => {
                let store = &self.stores[id.0];
                store.value.disk.as_ref().map_or(store.name.span, |d| d.span)
            }
            _ => self.spec.realtime.as_ref().map_or(Span::start_of(FileId(0)), |r| {
                r.value.replicas.as_ref().map_or(r.value.here, |replicas| replicas.span)
            }),
        }
    }

    /// The gateway, as written and as resolved, where its name is one that the world sees.
    pub fn public_gateway(&self) -> Option<(&'a ast::Gateway, &'a Gateway)> {
        let (written, model) = (&self.spec.gateway.as_ref()?.value, self.topology.gateway.as_ref()?);
        let local = matches!(model.host.as_str(), "localhost" | "127.0.0.1") || model.host.ends_with(".localhost");
        (!local).then_some((written, model))
    }

    /// Every group of several copies that decides by number: Cassandra, MongoDB, Kafka, Consul.
    pub fn quorums(&self) -> Vec<Quorum<'a>> {
        const THREE: &str = "keep three copies and ask for `quorum`, which is two of them";
        let mut all = Vec::new();
        for (written, model) in self.stores.iter().zip(&self.topology.stores).filter(|(_, model)| !model.embedded) {
            let (name, copies) = (written.name.value.as_str(), model.copies);
            let written = &written.value;
            let asked = |c: Consistency| match c {
                Consistency::One => 1,
                Consistency::Quorum => copies / 2 + 1,
                Consistency::All => copies,
            };
            let group = match model.kind {
                StoreKind::Cassandra => {
                    let span = written.consistency.as_ref().map(|c| c.span);
                    let span = span.or(written.replication.as_ref().map(|r| r.span));
                    let needed = asked(model.consistency.0).max(asked(model.consistency.1));
                    span.map(|span| Quorum { name, what: "copies", copies, needed, span, advice: THREE })
                }
                StoreKind::Mongodb => written.replicas.as_ref().map(|r| Quorum {
                    name,
                    what: "members",
                    copies,
                    needed: copies / 2 + 1,
                    span: r.span,
                    advice: "keep three members: a majority of three is two",
                }),
                _ => None,
            };
            all.extend(group);
        }
        for (store, index, topic) in self.indexed_datasets() {
            let model = &self.topology.stores[store];
            let DatasetShape::Topic { replicas, min_insync, .. } = model.datasets[index].shape else { continue };
            let span = topic.value.min_insync.as_ref().map(|m| m.span);
            let span = span.or(topic.value.replicas.as_ref().map(|r| r.span)).unwrap_or(topic.name.span);
            if !model.embedded {
                let advice = "keep three replicas with `min_insync: 2`";
                let name = topic.name.value.as_str();
                all.push(Quorum { name, what: "replicas", copies: replicas, needed: min_insync, span, advice });
            }
        }
        if let (Some(written), Some(registry)) = (&self.spec.registry, &self.topology.registry) {
            let copies = registry.servers;
            let span = written.value.servers.as_ref().map_or(written.value.here, |s| s.span);
            // An even number is another code's business.
            if !registry.embedded && copies % 2 == 1 {
                let advice = "run three servers in three zones";
                all.push(Quorum { name: "registry", what: "servers", copies, needed: copies / 2 + 1, span, advice });
            }
        }
        // What could never be met has been reported.
        all.retain(|group| group.copies > 1 && group.needed <= group.copies);
        all
    }

    /// Every declared number of copies of a real engine.
    pub fn copies(&self) -> Vec<Copies<'a>> {
        let mut all = Vec::new();
        for (written, model) in self.stores.iter().zip(&self.topology.stores) {
            // What a store without a known kind means by copies is not known.
            if model.embedded || written.value.kind.is_none() {
                continue;
            }
            let span = match model.kind {
                StoreKind::Cassandra => written.value.replication.as_ref().map(|r| r.span),
                StoreKind::Kafka | StoreKind::Elasticsearch => None,
                _ => written.value.replicas.as_ref().map(|r| r.span),
            };
            if let Some(span) = span {
                let (store, nodes_unread) = (written.name.value.as_str(), nodes_unread(&written.value));
                let (copies, nodes) = (model.copies, model.nodes);
                all.push(Copies { name: store, copies, nodes, span, store, nodes_unread });
            }
        }
        for (store, index, dataset) in self.indexed_datasets() {
            let model = &self.topology.stores[store];
            let copies = match model.datasets[index].shape {
                DatasetShape::Topic { replicas, .. } => replicas,
                DatasetShape::Index { replicas, .. } => replicas + 1,
                _ => continue,
            };
            if let (Some(written), false) = (&dataset.value.replicas, model.embedded) {
                let owner = &self.stores[store];
                all.push(Copies {
                    name: &dataset.name.value,
                    copies,
                    nodes: model.nodes,
                    span: written.span,
                    store: &owner.name.value,
                    nodes_unread: nodes_unread(&owner.value),
                });
            }
        }
        all
    }
}
