//! Names that people change, looks at the names of others, and at the end a look into the registry.

use std::collections::BTreeSet;

use archgen_client::ApiError;
use archgen_env::{
    http::{Client, Limits},
    net::Address,
};
use archgen_spec::topology::{Component, Topology};
use http::{HeaderMap, Method};
use serde_json::{Value, json};

use super::{
    closing::{LOOK, LOOKS_MAX},
    person::{GUEST, Person},
};
use crate::{
    history::{Listing, ProfileLook, Renaming},
    world,
};

/// What stands between a handle and the version of a name.
const VERSION: &str = " v";

/// What the registry should list once all is well.
#[derive(Debug, Clone, Default)]
pub(super) struct Directory {
    /// Servers by name.
    pub(super) servers: Vec<(String, Address)>,
    /// Services with their instances.
    pub(super) services: Vec<(String, BTreeSet<String>)>,
}

impl Directory {
    /// Of a topology: everything that serves, apart from stores and the registry itself.
    pub(super) fn of(topology: &Topology, address: impl Fn(&str) -> Option<Address>) -> Self {
        let servers = topology.component_instances(Component::Registry).into_iter();
        let servers = servers.filter_map(|i| address(&i.name).map(|at| (i.name, at))).collect();
        let mut services: Vec<(String, BTreeSet<String>)> = Vec::new();
        for instance in topology.instances() {
            if matches!(instance.component, Component::Registry | Component::Store(_)) {
                continue;
            }
            let service = topology.component_name(instance.component).to_owned();
            match services.iter_mut().find(|(name, _)| *name == service) {
                Some((_, instances)) => {
                    instances.insert(instance.name);
                }
                None => services.push((service, [instance.name].into())),
            }
        }
        Self { servers, services }
    }
}

impl Person {
    /// Gives this person another name.
    pub(super) async fn rename(&self, version: u64) {
        let name = format!("{}{VERSION}{version}", self.handle(self.env.host()));
        let invoked = world::elapsed();
        let changed: Result<Value, ApiError> =
            self.api.call(Method::PATCH, "/api/v1/me", &json!({ "name": name })).await;
        let done = changed.is_ok().then(world::elapsed);
        let renaming = Renaming { person: self.env.host().to_owned(), version, invoked, done };
        self.recorder.note(|history| history.renamings.push(renaming));
    }

    /// Looks at the name of somebody.
    pub(super) async fn look_at(&self, of: &str) {
        let Some(id) = self.meeting.id_of(of) else { return };
        let invoked = world::elapsed();
        let shown: Result<Value, ApiError> =
            self.api.call(Method::GET, &format!("/api/v1/users/{id}"), &Value::Null).await;
        let Ok(shown) = shown else { return };
        let name = shown["name"].as_str().unwrap_or_default();
        let version = name.rsplit_once(VERSION).and_then(|(_, version)| version.parse().ok()).unwrap_or(0);
        let (person, of) = (self.env.host().to_owned(), of.to_owned());
        let look = ProfileLook { person, of, version, invoked, done: world::elapsed() };
        self.recorder.note(|history| history.profiles.push(look));
    }

    /// Looks at the names of all others.
    pub(super) async fn look_at_all(&self) {
        for other in super::names(self.plan.people) {
            if other != GUEST && other != self.env.host() {
                self.look_at(&other).await;
            }
        }
    }

    /// Asks every server of the registry for every service, a few times where an answer is not what lives.
    pub(super) async fn look_into_registry(&self) {
        let client = Client::new(&self.env, Limits { call_ms_max: 5_000, ..Limits::default() });
        for _ in 0..LOOKS_MAX {
            let mut all_right = true;
            for (server, address) in &self.directory.servers {
                for (service, live) in &self.directory.services {
                    let Some(listed) = listed(&client, address, service).await else {
                        all_right = false;
                        continue;
                    };
                    all_right &= listed == *live;
                    let listing = Listing { live: live.clone(), listed };
                    let place = (server.clone(), service.clone());
                    self.recorder.note(|history| drop(history.listings.insert(place, listing)));
                }
            }
            if all_right {
                return;
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// The instances of a service that a server of the registry takes for healthy.
async fn listed(client: &Client, server: &Address, service: &str) -> Option<BTreeSet<String>> {
    let path = format!("/v1/health/service/{service}?passing=true");
    let entries: Vec<Value> = client.get(server, &path, HeaderMap::new()).await.ok()?.json().ok()?;
    Some(entries.iter().filter_map(|entry| entry["Service"]["ID"].as_str().map(str::to_owned)).collect())
}
