//! Names to ids, and what is said when a name is wrong.

use std::cell::Cell;
use std::collections::BTreeMap;

use crate::ast::{Dataset, Named, Service, Spec, Store};
use crate::checks::{bad_name, dangling, datasets_of, nearest, suggestion, wrong_kind};
use crate::diagnostic::{Diagnostic, Fix};
use crate::source::{Span, Spanned};
use crate::topology::{DatasetRef, Need, ServiceId, StoreId, StoreKind};

use super::read::{Read, Section};

/// Most reports for which a similar name is looked for: each costs a comparison with every name.
const SEARCHES_MAX: usize = 100;

/// Where a name of a component can be declared.
const COMPONENTS: [Section; 2] = [Section::Services, Section::Stores];

/// The name space of one spec.
pub(super) struct Names<'a> {
    services: &'a [Named<Service>],
    stores: &'a [Named<Store>],
    by_service: BTreeMap<&'a str, ServiceId>,
    by_store: BTreeMap<&'a str, StoreId>,
    /// Usable names of what is declared under unusable ones.
    meant: BTreeMap<String, &'a str>,
    by_dataset: BTreeMap<(usize, &'a str), usize>,
    /// Reports for which a similar name was looked for.
    searches: Cell<usize>,
    secrets: Vec<&'a str>,
    zones: Vec<&'a str>,
    /// What could be read of the sections that declare names.
    read: Read<'a>,
    singletons: Vec<&'static str>,
}

impl<'a> Names<'a> {
    pub(super) fn new(spec: &'a Spec, services: &'a [Named<Service>], stores: &'a [Named<Store>]) -> Self {
        // The first of two equal names wins; the second is reported by its own check.
        let mut by_service = BTreeMap::new();
        for (index, service) in services.iter().enumerate() {
            by_service.entry(service.name.value.as_str()).or_insert(ServiceId(index));
        }
        let mut by_store = BTreeMap::new();
        for (index, store) in stores.iter().enumerate() {
            by_store.entry(store.name.value.as_str()).or_insert(StoreId(index));
        }
        let mut by_dataset = BTreeMap::new();
        for (store, named) in stores.iter().enumerate() {
            for (index, dataset) in datasets_of(&named.value).iter().enumerate() {
                by_dataset.entry((store, dataset.name.value.as_str())).or_insert(index);
            }
        }
        // A name that is not usable has been reported: what it was meant to be is declared.
        let mut meant = BTreeMap::new();
        for name in services.iter().map(|s| &s.name.value).chain(stores.iter().map(|s| &s.name.value)) {
            meant.extend(bad_name::better(name).map(|better| (better, name.as_str())));
        }
        let singletons = [
            spec.gateway.as_ref().map(|_| "gateway"),
            spec.realtime.as_ref().map(|_| "realtime"),
            spec.registry.as_ref().map(|_| "registry"),
        ];
        Self {
            services,
            stores,
            by_service,
            by_store,
            meant,
            by_dataset,
            searches: Cell::new(0),
            secrets: spec.secrets.iter().flat_map(|s| &s.value).map(|s| s.name.value.as_str()).collect(),
            zones: spec.zones.iter().flat_map(|z| &z.value).map(|z| z.value.as_str()).collect(),
            read: Read::new(spec),
            singletons: singletons.into_iter().flatten().collect(),
        }
    }

    fn kind(&self, store: StoreId) -> Option<StoreKind> {
        self.stores[store.0].value.kind.as_ref().map(|k| k.value)
    }

    /// The name as it is declared.
    fn declared<'n>(&'n self, name: &'n str) -> &'n str {
        self.meant.get(name).copied().unwrap_or(name)
    }

    /// What a name is, and where it was declared; `None` where it is nothing.
    fn what(&self, name: &str) -> Option<(&'static str, Option<Span>)> {
        if let Some(id) = self.by_service.get(self.declared(name)) {
            return Some(("a service", Some(self.services[id.0].name.span)));
        }
        if let Some(id) = self.by_store.get(self.declared(name)) {
            return Some(("a store", Some(self.stores[id.0].name.span)));
        }
        self.singletons.contains(&name).then_some(("a section of its own", None))
    }

    /// The same with the place of the component that is probably meant, else of the sections in which one could be declared.
    fn hinted(&self, fault: Diagnostic, name: &str, what: &str, declared: &[&str]) -> Diagnostic {
        let near = nearest(name, declared.iter().copied());
        if let Some(place) = near.and_then(|near| self.what(near)).and_then(|(_, place)| place) {
            return fault.with_related(place, "this is declared");
        }
        let (services, stores) = (self.read.place(Section::Services), self.read.place(Section::Stores));
        let services = services.filter(|_| what != "store").map(|at| (at, "services are declared here"));
        let stores = stores.filter(|_| what != "service").map(|at| (at, "stores are declared here"));
        services.into_iter().chain(stores).fold(fault, |fault, (at, what)| fault.with_related(at, what))
    }

    fn components(&self) -> impl Iterator<Item = &'a str> {
        self.by_service.keys().chain(self.by_store.keys()).copied()
    }

    /// Reports a name that is none of the declared ones, unless the section that could declare it could not be read, which has been
    /// reported there. Comparing it with all of them takes time: only the first reports do.
    fn dangling(
        &self,
        (span, name): (Span, &str),
        what: &str,
        sections: &[Section],
        declared: impl Iterator<Item = &'a str>,
        out: &mut Vec<Diagnostic>,
    ) {
        if sections.iter().any(|section| self.read.hides(*section, name)) {
            return;
        }
        if self.searches_over() {
            let fault =
                dangling::at(span, name, what, &[]).with_help("the first of these errors list what is declared");
            out.push(fault.with_cause(name));
            return;
        }
        let declared: Vec<&str> = declared.collect();
        // Names that a whole section is missing for have one cause.
        let absent = sections.iter().find(|section| self.read.is_absent(**section));
        out.push(match absent.filter(|_| nearest(name, declared.iter().copied()).is_none()) {
            Some(absent) => {
                let fault = dangling::in_section(span, name, what, absent.key(), &declared);
                self.hinted(fault, name, what, &declared)
            }
            None => self.hinted(dangling::at(span, name, what, &declared), name, what, &declared).with_cause(name),
        });
    }

    fn searches_over(&self) -> bool {
        self.searches.set(self.searches.get() + 1);
        self.searches.get() > SEARCHES_MAX
    }

    /// A service by name.
    pub(super) fn service(&self, name: &Spanned<String>, out: &mut Vec<Diagnostic>) -> Option<ServiceId> {
        let text = name.value.as_str();
        if let Some(id) = self.by_service.get(self.declared(text)) {
            return Some(*id);
        }
        out.push(match self.what(text) {
            Some((found, place)) => wrong_kind::at(name.span, text, found, "a service is due here", place),
            None => {
                let declared = self.by_service.keys().copied();
                self.dangling((name.span, text), "service", &[Section::Services], declared, out);
                return None;
            }
        });
        None
    }

    /// A service, a store, or a dataset as `store.dataset`.
    pub(super) fn need(&self, name: &Spanned<String>, out: &mut Vec<Diagnostic>) -> Option<Need> {
        let text = name.value.as_str();
        let need = if let Some(id) = self.by_service.get(self.declared(text)) {
            Need::Service(*id)
        } else if let Some(id) = self.by_store.get(self.declared(text)) {
            Need::Store(*id)
        } else if text.contains('.') {
            Need::Dataset(self.dataset(name, out)?)
        } else {
            out.push(match self.what(text) {
                Some((found, place)) => {
                    wrong_kind::at(name.span, text, found, "a service, a store or a `store.dataset` is due here", place)
                }
                None => {
                    self.dangling((name.span, text), "service or store", &COMPONENTS, self.components(), out);
                    return None;
                }
            });
            return None;
        };
        let store = match need {
            Need::Service(_) => return Some(need),
            Need::Store(id) => id,
            Need::Dataset(dataset) => dataset.store,
        };
        if self.kind(store) == Some(StoreKind::Kafka) {
            let declared = Some(self.stores[store.0].name.span);
            let (found, topic) = match need {
                Need::Dataset(_) => ("a topic", text.to_owned()),
                _ => ("a log", format!("{text}.TOPIC")),
            };
            let fault = wrong_kind::at(name.span, text, found, "say it under `publishes` or `consumes`", declared);
            let help = format!("write `consumes: [{topic}]` to read it, `publishes: [{topic}]` to write it");
            out.push(fault.with_help(help));
            return None;
        }
        Some(need)
    }

    /// A topic as `store.topic`.
    pub(super) fn topic(&self, name: &Spanned<String>, out: &mut Vec<Diagnostic>) -> Option<DatasetRef> {
        let text = name.value.as_str();
        if !text.contains('.') {
            out.push(match self.what(text) {
                Some((found, place)) => self.no_topic((name.span, text), found, place),
                None if self.read.hides(Section::Stores, text) => return None,
                None if self.read.is_absent(Section::Stores) => {
                    dangling::in_section(name.span, text, "topic", Section::Stores.key(), &[])
                }
                None => {
                    let topics = self.topics();
                    let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
                    dangling::at(name.span, text, "topic", &topics).with_cause(text)
                }
            });
            return None;
        }
        let dataset = self.dataset(name, out)?;
        match self.kind(dataset.store) {
            Some(StoreKind::Kafka) | None => Some(dataset),
            Some(kind) => {
                let found = match kind {
                    StoreKind::Redis => "in a cache",
                    StoreKind::Postgres | StoreKind::Cassandra => "a table",
                    StoreKind::Mongodb => "a collection",
                    StoreKind::Kafka => "a topic",
                    StoreKind::Elasticsearch => "an index",
                    StoreKind::S3 => "a bucket",
                };
                let declared = datasets_of(&self.stores[dataset.store.0].value).get(dataset.dataset);
                out.push(self.no_topic((name.span, text), found, declared.map(|d| d.name.span)));
                None
            }
        }
    }

    /// What a query asks, as `store.dataset`: anything but a topic.
    pub(super) fn queried(&self, name: &Spanned<String>, out: &mut Vec<Diagnostic>) -> Option<DatasetRef> {
        const DUE: &str = "a table, collection, index or bucket is due here, as `store.table`";
        let text = name.value.as_str();
        if !text.contains('.') {
            out.push(match self.what(text) {
                Some((found, place)) => wrong_kind::at(name.span, text, found, DUE, place),
                None => {
                    let declared = self.by_store.keys().copied();
                    self.dangling((name.span, text), "store", &[Section::Stores], declared, out);
                    return None;
                }
            });
            return None;
        }
        let dataset = self.dataset(name, out)?;
        if self.kind(dataset.store) == Some(StoreKind::Kafka) {
            let declared = datasets_of(&self.stores[dataset.store.0].value).get(dataset.dataset);
            out.push(wrong_kind::at(name.span, text, "a topic", DUE, declared.map(|d| d.name.span)));
            return None;
        }
        Some(dataset)
    }

    /// Something else stands where a topic is due.
    fn no_topic(&self, (span, text): (Span, &str), found: &str, place: Option<Span>) -> Diagnostic {
        let topics = self.topics();
        let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
        wrong_kind::at(span, text, found, "a topic is due here, as `store.topic`", place).with_help(suggestion::help(
            text,
            "declared topics",
            &topics,
        ))
    }

    /// Every topic as `store.topic`.
    fn topics(&self) -> Vec<String> {
        let logs = self.stores.iter().filter(|s| s.value.topics.is_some());
        let each =
            |s: &'a Named<Store>| datasets_of(&s.value).iter().map(|d| format!("{}.{}", s.name.value, d.name.value));
        logs.flat_map(each).collect()
    }

    fn dataset(&self, name: &Spanned<String>, out: &mut Vec<Diagnostic>) -> Option<DatasetRef> {
        let text = name.value.as_str();
        let short = text.strip_prefix("stores.").or_else(|| text.strip_prefix("services."));
        if let Some(short) = short {
            let fault = dangling::at(name.span, text, "service, store or dataset", &[]);
            let prefix = name.part(0, text.len() - short.len());
            let known = self.by_service.contains_key(short)
                || short.split('.').next().is_some_and(|store| self.by_store.contains_key(store));
            let fix = Fix { title: format!("write `{short}`"), ..Fix::remove(prefix, "") };
            out.push(fault.with_help(format!("write `{short}`")).with_fix(Some(fix).filter(|_| known)));
            return None;
        }
        let (store, dataset) = text.split_once('.')?;
        let Some(id) = self.by_store.get(self.declared(store)) else {
            let place_of_store = name.part(0, store.len());
            out.push(match self.what(store) {
                Some((found, place)) => {
                    wrong_kind::at(place_of_store, store, found, "a store is due before the dot", place)
                }
                None => {
                    let declared = self.by_store.keys().copied();
                    self.dangling((place_of_store, store), "store", &[Section::Stores], declared, out);
                    return None;
                }
            });
            return None;
        };
        let datasets = datasets_of(&self.stores[id.0].value);
        let Some(&index) = self.by_dataset.get(&(id.0, dataset)) else {
            self.no_dataset(name, (*id, store), dataset, datasets, out);
            return None;
        };
        Some(DatasetRef { store: *id, dataset: index })
    }

    /// Reports that a store has no such dataset, unless what it declares is not known.
    fn no_dataset(
        &self,
        name: &Spanned<String>,
        (id, store): (StoreId, &str),
        dataset: &str,
        datasets: &[Named<Dataset>],
        out: &mut Vec<Diagnostic>,
    ) {
        let owner = &self.stores[id.0];
        let section = self.kind(id).map_or("datasets", StoreKind::dataset_section);
        // A kind or a section that could not be read has been reported.
        let unread = self.kind(id).is_none() || (datasets.is_empty() && owner.value.said.contains(&section));
        if unread || self.read.lost(&format!("stores.{store}.{section}.{dataset}")) {
            return;
        }
        let what = self.kind(id).map_or("dataset", StoreKind::dataset_word);
        let cause = if datasets.is_empty() { format!("datasets of {store}") } else { format!("{store}.{dataset}") };
        if self.searches_over() {
            let fault = dangling::in_store(name.span, dataset, what, store, &[]);
            out.push(fault.with_help("the first of these errors list what is declared").with_cause(cause));
            return;
        }
        let declared: Vec<&str> = datasets.iter().map(|d| d.name.value.as_str()).collect();
        let place = name.part(store.len() + 1, name.value.len());
        let mut fault = dangling::in_store(place, dataset, what, store, &declared).with_cause(cause);
        let near = nearest(dataset, declared.iter().copied());
        match (datasets.iter().find(|d| Some(d.name.value.as_str()) == near), section_of(&owner.value)) {
            (Some(near), _) => fault = fault.with_related(near.name.span, "this is declared"),
            (None, Some(at)) => fault = fault.with_related(at, format!("its {section} are declared here")),
            (None, None) => {}
        }
        out.push(fault.with_related(owner.name.span, "the store is declared here"));
    }

    /// A declared secret as `secret:name`; gives the name.
    pub(super) fn secret(&self, text: &Spanned<String>, out: &mut Vec<Diagnostic>) -> Option<String> {
        let Some(name) = text.value.strip_prefix("secret:") else {
            let fault = wrong_kind::at(text.span, &text.value, "no reference to a secret", "write `secret:NAME`", None);
            out.push(fault);
            return None;
        };
        if self.secrets.contains(&name) {
            return Some(name.to_owned());
        }
        let place = text.part("secret:".len(), text.value.len());
        self.absent((place, name), "secret", Section::Secrets, &self.secrets, out);
        None
    }

    /// A component that a fault can hit.
    pub(super) fn component(&self, name: &Spanned<String>, out: &mut Vec<Diagnostic>) -> String {
        if self.what(&name.value).is_none() {
            let declared = self.components().chain(self.singletons.iter().copied());
            self.dangling((name.span, &name.value), "component", &COMPONENTS, declared, out);
        }
        name.value.clone()
    }

    /// A declared zone.
    pub(super) fn zone(&self, name: &Spanned<String>, out: &mut Vec<Diagnostic>) -> String {
        if !self.zones.contains(&name.value.as_str()) {
            self.absent((name.span, &name.value), "zone", Section::Zones, &self.zones, out);
        }
        name.value.clone()
    }

    /// Reports a secret or zone that is not declared, unless its section could not be read.
    fn absent(
        &self,
        (span, name): (Span, &str),
        what: &str,
        section: Section,
        declared: &[&str],
        out: &mut Vec<Diagnostic>,
    ) {
        if self.read.hides(section, name) {
            return;
        }
        out.push(match self.read.place(section) {
            Some(at) => {
                let fault = dangling::at(span, name, what, declared).with_cause(format!("{what} {name}"));
                fault.with_related(at, format!("{} are declared here", section.key()))
            }
            None => dangling::in_section(span, name, what, section.key(), &[]),
        });
    }
}

/// Where a store names its tables, collections, topics, indexes or buckets.
fn section_of(store: &Store) -> Option<Span> {
    let sections = [&store.tables, &store.collections, &store.topics, &store.indexes, &store.buckets];
    sections.into_iter().flatten().next().map(|section| section.span)
}
