//! What the checks of meaning look at: what was written beside what was resolved from it.

use crate::ast::{Dataset, Named, Service, Spec, Store};
use crate::source::{Span, Spanned};
use crate::topology::{DatasetShape, Need, StoreKind, Topology};

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
}

/// The datasets of a store, in written order.
pub fn datasets_of(store: &Store) -> &[Named<Dataset>] {
    let sections = [&store.tables, &store.collections, &store.topics, &store.indexes, &store.buckets];
    sections.into_iter().flatten().next().map_or(&[], |s| s.value.as_slice())
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

    /// Every declared number of copies of a real engine.
    pub fn copies(&self) -> Vec<Copies<'a>> {
        let mut all = Vec::new();
        for (written, model) in self.stores.iter().zip(&self.topology.stores) {
            if model.embedded {
                continue;
            }
            let span = match model.kind {
                StoreKind::Cassandra => written.value.replication.as_ref().map(|r| r.span),
                StoreKind::Kafka | StoreKind::Elasticsearch => None,
                _ => written.value.replicas.as_ref().map(|r| r.span),
            };
            if let Some(span) = span {
                all.push(Copies { name: &written.name.value, copies: model.copies, nodes: model.nodes, span });
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
                all.push(Copies { name: &dataset.name.value, copies, nodes: model.nodes, span: written.span });
            }
        }
        all
    }
}
