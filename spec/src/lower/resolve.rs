//! The whole spec to the topology, and the checks of meaning on both.

use crate::ast::{Named, Service, Spec, Store};
use crate::checks::{self, Context};
use crate::diagnostic::Diagnostic;
use crate::source::Spanned;
use crate::topology::{Need, SecretSource, Topology};
use crate::units::Date;

use super::names::Names;
use super::origins::Origins;
use super::{components, routes, sections, stores};

/// What every part of the resolution works with.
pub(super) struct Resolution<'a> {
    pub(super) spec: &'a Spec,
    pub(super) names: Names<'a>,
    pub(super) origins: &'a mut Origins,
    pub(super) out: &'a mut Vec<Diagnostic>,
}

impl Resolution<'_> {
    /// The written value, or the default, whose reason is kept.
    pub(super) fn or<T>(
        &mut self,
        written: Option<T>,
        path: impl FnOnce() -> String,
        default: T,
        shown: &str,
        reason: &'static str,
    ) -> T {
        match written {
            Some(value) => value,
            None => {
                self.origins.by_default(|| (path(), shown.to_owned()), reason);
                default
            }
        }
    }
}

/// Resolves and checks. A faulty spec still gives a topology, with defaults in place of what is faulty, so that every
/// check can run; callers show it to no one unless there was no error.
pub(crate) fn resolve(spec: &Spec, today: Option<Date>, origins: &mut Origins, out: &mut Vec<Diagnostic>) -> Topology {
    let services: &[Named<Service>] = spec.services.as_ref().map_or(&[], |s| s.value.as_slice());
    let written_stores: &[Named<Store>] = spec.stores.as_ref().map_or(&[], |s| s.value.as_slice());
    let names = Names::new(spec, services, written_stores);
    let mut work = Resolution { spec, names, origins, out };
    let mut needs: Vec<Vec<Spanned<Need>>> = Vec::with_capacity(services.len());
    let mut resolved = Vec::with_capacity(services.len());
    for service in services {
        let (model, spanned) = components::service(service, &mut work);
        resolved.push(model);
        needs.push(spanned);
    }
    let zones: Vec<String> = spec.zones.iter().flat_map(|z| &z.value).map(|z| z.value.clone()).collect();
    let local = zones.is_empty().then(|| vec!["local".to_owned()]);
    let topology = Topology {
        name: spec.name.as_ref().map_or_else(String::new, |n| n.value.0.clone()),
        zones: local.unwrap_or(zones),
        secrets: secrets(spec),
        load: sections::load(&mut work),
        prices: sections::prices(&mut work),
        objectives: sections::objectives(&mut work),
        gateway: routes::gateway(&mut work),
        realtime: components::realtime(&mut work),
        registry: components::registry(&mut work),
        services: resolved,
        stores: written_stores.iter().map(|s| stores::store(s, &mut work)).collect(),
        simulation: sections::simulation(&mut work),
        policies: sections::policies(&mut work),
        tests: sections::tests(&mut work),
        drift_ignored: sections::drift_ignored(spec),
    };
    let context = Context { spec, topology: &topology, services, stores: written_stores, needs: &needs, today };
    checks::check(&context, work.out);
    crate::diagnostic::join(work.out);
    topology
}

fn secrets(spec: &Spec) -> indexmap::IndexMap<String, SecretSource> {
    let all = spec.secrets.iter().flat_map(|s| &s.value);
    all.map(|s| (s.name.value.clone(), s.value.value.0.clone())).collect()
}
