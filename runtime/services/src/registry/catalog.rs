//! The catalogue: registered instances, their checks, and the index that grows with each change. No time passes and
//! nothing waits in here.

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::{
    definition::{CheckDefinition, CheckKind, ServiceDefinition, Status},
    error::RegistryError,
};

/// Registered instances.
const SERVICES_MAX: usize = 4_096;
/// Service names ever seen.
const NAMES_MAX: usize = 8_192;
/// Output kept of a check, bytes.
const OUTPUT_BYTES_MAX: usize = 1_024;

/// A registered instance.
#[derive(Debug, Clone)]
pub(super) struct Service {
    pub definition: ServiceDefinition,
    pub created: u64,
    pub modified: u64,
}

/// A check's state.
#[derive(Debug, Clone)]
pub(super) struct Check {
    pub definition: CheckDefinition,
    /// Instance id.
    pub service: String,
    pub status: Status,
    pub output: String,
    pub created: u64,
    pub modified: u64,
    /// When a time-to-live check fails unless told otherwise.
    deadline: Option<Instant>,
    /// When the instance is removed for having been critical too long.
    remove_at: Option<Instant>,
}

/// The catalogue.
pub(super) struct Catalog {
    first: u64,
    index: u64,
    services: BTreeMap<String, Service>,
    checks: BTreeMap<String, Check>,
    /// Last change of each service name, kept when its last instance goes, so that an index never runs backwards.
    names: BTreeMap<String, u64>,
}

impl Catalog {
    /// An empty catalogue. The first index should be above any that an earlier run gave out.
    pub(super) fn new(first: u64) -> Self {
        let first = first.max(1);
        Self { first, index: first, services: BTreeMap::new(), checks: BTreeMap::new(), names: BTreeMap::new() }
    }

    /// Index of the whole catalogue.
    pub(super) fn index(&self) -> u64 {
        self.index
    }

    /// Index of what is known about a service name.
    pub(super) fn index_of(&self, name: &str) -> u64 {
        self.names.get(name).copied().unwrap_or(self.first)
    }

    /// Instances by id.
    pub(super) fn services(&self) -> impl Iterator<Item = &Service> {
        self.services.values()
    }

    /// Instances of one name, by id.
    pub(super) fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Service> {
        self.services.values().filter(move |s| s.definition.name == name)
    }

    /// An instance.
    pub(super) fn service(&self, id: &str) -> Option<&Service> {
        self.services.get(id)
    }

    /// All checks by id.
    pub(super) fn checks(&self) -> impl Iterator<Item = &Check> {
        self.checks.values()
    }

    /// Checks of an instance.
    pub(super) fn checks_of<'a>(&'a self, service: &'a str) -> impl Iterator<Item = &'a Check> {
        self.checks.values().filter(move |c| c.service == service)
    }

    /// The worst state among an instance's checks.
    pub(super) fn health(&self, service: &str) -> Status {
        self.checks_of(service).map(|c| c.status).max().unwrap_or(Status::Passing)
    }

    /// Registers an instance, replacing one of the same id. Registering the same again only renews its checks.
    pub(super) fn register(&mut self, definition: ServiceDefinition, now: Instant) -> Result<(), RegistryError> {
        let old = self.services.get(&definition.id);
        if old.is_none() && self.services.len() >= SERVICES_MAX {
            return Err(RegistryError::Full { what: "instances", max: SERVICES_MAX });
        }
        if !self.names.contains_key(&definition.name) && self.names.len() >= NAMES_MAX {
            return Err(RegistryError::Full { what: "service names", max: NAMES_MAX });
        }
        if let Some(taken) = definition
            .checks
            .iter()
            .find(|c| self.checks.get(&c.id).is_some_and(|there| there.service != definition.id))
        {
            return Err(RegistryError::Malformed(format!("check ID {:?} belongs to another service", taken.id)));
        }
        let same = old.is_some_and(|o| o.definition == definition)
            && definition.checks.iter().all(|c| self.checks.get(&c.id).is_some_and(|there| there.status == c.status));
        if same {
            for check in &definition.checks {
                if let Some(there) = self.checks.get_mut(&check.id) {
                    there.renew(now);
                }
            }
            return Ok(());
        }
        let moved = old.filter(|o| o.definition.name != definition.name).map(|o| o.definition.name.clone());
        let created = old.map(|o| o.created);
        self.index += 1;
        if let Some(name) = moved {
            self.names.insert(name, self.index);
        }
        self.names.insert(definition.name.clone(), self.index);
        self.checks.retain(|_, c| c.service != definition.id);
        for check in &definition.checks {
            self.checks.insert(check.id.clone(), Check::new(check.clone(), &definition.id, self.index, now));
        }
        let created = created.unwrap_or(self.index);
        self.services.insert(definition.id.clone(), Service { definition, created, modified: self.index });
        Ok(())
    }

    /// Removes an instance and its checks.
    pub(super) fn deregister(&mut self, id: &str) -> Result<(), RegistryError> {
        let gone = self.services.remove(id).ok_or_else(|| RegistryError::UnknownService(id.to_owned()))?;
        self.checks.retain(|_, c| c.service != id);
        self.index += 1;
        self.names.insert(gone.definition.name, self.index);
        Ok(())
    }

    /// Takes word from an instance about its time-to-live check.
    pub(super) fn told(&mut self, id: &str, status: Status, output: &str, now: Instant) -> Result<(), RegistryError> {
        match self.checks.get(id) {
            None => Err(RegistryError::UnknownCheck(id.to_owned())),
            Some(check) if !matches!(check.definition.kind, CheckKind::Ttl(_)) => {
                Err(RegistryError::NotTtl(id.to_owned()))
            }
            Some(_) => {
                self.set(id, status, output, now);
                Ok(())
            }
        }
    }

    /// Sets a check's state; unknown checks are ignored (they were removed meanwhile).
    pub(super) fn set(&mut self, id: &str, status: Status, output: &str, now: Instant) {
        let Some(check) = self.checks.get_mut(id) else { return };
        check.renew(now);
        let output = bounded(output);
        if check.status == status && check.output == output {
            return;
        }
        let changed = check.status != status;
        check.output = output.to_owned();
        if changed {
            self.index += 1;
            check.status = status;
            check.modified = self.index;
            check.remove_at = check.definition.deregister_after.filter(|_| status == Status::Critical).map(|d| now + d);
            if let Some(service) = self.services.get(&check.service) {
                self.names.insert(service.definition.name.clone(), self.index);
            }
        }
    }

    /// When [`Self::expire`] has something to do next.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let of = |c: &Check| {
            let ttl = c.deadline.filter(|_| c.status != Status::Critical);
            ttl.into_iter().chain(c.remove_at).min()
        };
        self.checks.values().filter_map(of).min()
    }

    /// Fails checks that were not renewed and removes instances that were critical too long.
    pub(super) fn expire(&mut self, now: Instant) {
        let late: Vec<String> = self
            .checks
            .values()
            .filter(|c| c.status != Status::Critical && c.deadline.is_some_and(|d| d <= now))
            .map(|c| c.definition.id.clone())
            .collect();
        for id in late {
            self.set(&id, Status::Critical, "TTL expired", now);
        }
        let dead: Vec<String> =
            self.checks.values().filter(|c| c.remove_at.is_some_and(|d| d <= now)).map(|c| c.service.clone()).collect();
        for id in dead {
            // One instance may have two dead checks; the second removal finds nothing.
            let _ = self.deregister(&id);
        }
    }
}

impl Check {
    fn new(definition: CheckDefinition, service: &str, index: u64, now: Instant) -> Self {
        let remove_at = definition.deregister_after.filter(|_| definition.status == Status::Critical).map(|d| now + d);
        let mut check = Self {
            service: service.to_owned(),
            status: definition.status,
            output: String::new(),
            created: index,
            modified: index,
            deadline: None,
            remove_at,
            definition,
        };
        check.renew(now);
        check
    }

    fn renew(&mut self, now: Instant) {
        if let CheckKind::Ttl(ttl) = self.definition.kind {
            self.deadline = Some(now + ttl);
        }
    }
}

fn bounded(output: &str) -> &str {
    let mut end = output.len().min(OUTPUT_BYTES_MAX);
    while !output.is_char_boundary(end) {
        end -= 1;
    }
    &output[..end]
}
