//! Instances: the hosts that a topology consists of, by name. Shared by the generator and the fleet, so that an nginx
//! upstream, a Consul registration, a child process and a simulated host are always the same set.

use serde::Serialize;

use super::{Need, ServiceId, ServiceKind, StoreId, StoreKind, Topology};

/// What an instance is one of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Component {
    /// A registry server.
    Registry,
    /// A node of a store.
    Store(StoreId),
    /// A replica of a service.
    Service(ServiceId),
    /// A replica of the realtime layer.
    Realtime,
    /// A replica of the gateway.
    Gateway,
}

/// One host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Instance {
    /// `<component>-<ordinal>`, ordinal from 1: `messaging-2`.
    pub name: String,
    /// What it is one of.
    pub component: Component,
    /// 0-based ordinal among the component's instances.
    pub ordinal: u32,
    /// Its failure domain.
    pub zone: String,
    /// Its port on its own address.
    pub port: u16,
}

impl Topology {
    /// Name of a component as written in the spec.
    pub fn component_name(&self, component: Component) -> &str {
        match component {
            Component::Registry => "registry",
            Component::Store(id) => &self.store(id).name,
            Component::Service(id) => &self.service(id).name,
            Component::Realtime => "realtime",
            Component::Gateway => "gateway",
        }
    }

    /// Every component: registry, stores, services, realtime, gateway, each in declared order.
    pub fn components(&self) -> Vec<Component> {
        let mut all = Vec::new();
        all.extend(self.registry.as_ref().map(|_| Component::Registry));
        all.extend((0..self.stores.len()).map(|i| Component::Store(StoreId(i))));
        all.extend((0..self.services.len()).map(|i| Component::Service(ServiceId(i))));
        all.extend(self.realtime.as_ref().map(|_| Component::Realtime));
        all.extend(self.gateway.as_ref().map(|_| Component::Gateway));
        all
    }

    /// The component of this name.
    pub fn component_named(&self, name: &str) -> Option<Component> {
        self.components().into_iter().find(|c| self.component_name(*c) == name)
    }

    /// Components that the spec says this one needs, each once. Everything but the registry itself also needs the registry.
    pub fn component_needs(&self, component: Component) -> Vec<Component> {
        let from_needs = |needs: &[Need]| -> Vec<Component> {
            needs
                .iter()
                .map(|n| match n {
                    Need::Service(id) => Component::Service(*id),
                    Need::Store(id) => Component::Store(*id),
                    Need::Dataset(d) => Component::Store(d.store),
                })
                .collect()
        };
        let mut all: Vec<Component> = match component {
            Component::Registry | Component::Store(_) => Vec::new(),
            Component::Service(id) => {
                let service = self.service(id);
                let mut all = from_needs(&service.needs);
                all.extend(service.publishes.iter().chain(&service.consumes).map(|d| Component::Store(d.store)));
                all
            }
            Component::Realtime => self.realtime.as_ref().map_or_else(Vec::new, |r| from_needs(&r.needs)),
            Component::Gateway => self.gateway.as_ref().map_or_else(Vec::new, |g| {
                let routed = g.routes.iter().map(|r| Component::Service(r.to));
                routed.chain(g.auth.as_ref().map(|a| Component::Service(a.by))).collect()
            }),
        };
        if !matches!(component, Component::Registry | Component::Store(_)) && self.registry.is_some() {
            all.insert(0, Component::Registry);
        }
        let mut unique = Vec::with_capacity(all.len());
        for c in all {
            if !unique.contains(&c) {
                unique.push(c);
            }
        }
        unique
    }

    /// Components that this one opens connections to, each once: what it needs, and what services of archgen's own call although the
    /// spec need not say so. Instances of one component that call each other are not in it.
    pub fn component_calls(&self, component: Component) -> Vec<Component> {
        // Each of these looks through all services or stores: only what the component's own kind asks for is looked for.
        let of_kind = |kind: &ServiceKind| {
            self.services.iter().position(|s| s.kind == *kind).map(|i| Component::Service(ServiceId(i)))
        };
        let (user, messaging) = (|| of_kind(&ServiceKind::User), || of_kind(&ServiceKind::Messaging));
        let realtime = self.realtime.as_ref().map(|_| Component::Realtime);
        // Who names no cache uses the first one.
        let cache =
            || self.stores.iter().position(|s| s.kind == StoreKind::Redis).map(|i| Component::Store(StoreId(i)));
        let embedded = self.gateway.as_ref().map(|g| g.embedded);
        let unsaid = match component {
            Component::Registry | Component::Store(_) => Vec::new(),
            Component::Gateway if embedded == Some(true) => vec![user(), cache()],
            // nginx is the edge of sockets too.
            Component::Gateway => vec![realtime],
            Component::Realtime => vec![messaging(), user(), cache()],
            Component::Service(id) => match self.service(id).kind {
                ServiceKind::Messaging => {
                    vec![user(), realtime, of_kind(&ServiceKind::File), of_kind(&ServiceKind::Search)]
                }
                ServiceKind::User => vec![realtime, embedded.filter(|own| *own).map(|_| Component::Gateway)],
                ServiceKind::File => vec![messaging()],
                ServiceKind::Notification => vec![messaging(), realtime],
                ServiceKind::Search => vec![messaging(), user()],
                ServiceKind::Process { .. } => Vec::new(),
            },
        };
        let mut all = self.component_needs(component);
        for called in unsaid.into_iter().flatten() {
            if called != component && !all.contains(&called) {
                all.push(called);
            }
        }
        all
    }

    /// Instances of one component, ordinal order; zones are taken in turn.
    pub fn component_instances(&self, component: Component) -> Vec<Instance> {
        let (count, port) = match component {
            // A server that is there already is no host of ours; one that `archgen up` starts is a single host.
            Component::Registry => self.registry.as_ref().map_or((0, 0), |r| match r.is_real() {
                true => (u32::from(r.managed), r.port),
                false => (r.servers, r.port),
            }),
            Component::Store(id) if self.store(id).is_real() => {
                (u32::from(self.store(id).managed), self.store(id).port)
            }
            Component::Store(id) => (self.store(id).nodes, self.store(id).port),
            Component::Service(id) => (self.service(id).replicas, self.service(id).port),
            Component::Realtime => self.realtime.as_ref().map_or((0, 0), |r| (r.replicas, r.port)),
            Component::Gateway => self.gateway.as_ref().map_or((0, 0), |g| (g.replicas, g.port)),
        };
        let name = self.component_name(component);
        (0..count)
            .map(|ordinal| Instance {
                name: format!("{name}-{}", ordinal + 1),
                component,
                ordinal,
                zone: self.zones[ordinal as usize % self.zones.len()].clone(),
                port,
            })
            .collect()
    }

    /// Every instance of the system, in component order.
    pub fn instances(&self) -> Vec<Instance> {
        self.components().into_iter().flat_map(|c| self.component_instances(c)).collect()
    }
}
