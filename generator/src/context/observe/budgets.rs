//! Budgets for errors: what each objective leaves, and for whom. Rules, dashboards and the architecture page all read it here.

use std::collections::{BTreeMap, BTreeSet};

use archgen_spec::topology::{Component, Topology};
use archgen_spec::units::{Objective, Unit};

use super::metrics::{self, Owner, is_ours};

/// How many times faster than allowed, in tenths; over which long and short window; for whom. From the SRE workbook, chapter 5.
pub(super) const BURNS: [Burn; 4] = [
    Burn { tenths: 144, long: "1h", short: "5m", severity: "page" },
    Burn { tenths: 60, long: "6h", short: "30m", severity: "page" },
    Burn { tenths: 30, long: "1d", short: "2h", severity: "ticket" },
    Burn { tenths: 10, long: "3d", short: "6h", severity: "ticket" },
];
/// Windows of the rates that are recorded.
pub(super) const WINDOWS: [&str; 7] = ["5m", "30m", "1h", "2h", "6h", "1d", "3d"];

/// One pace that is too fast.
#[derive(Debug, Clone, Copy)]
pub(super) struct Burn {
    tenths: u64,
    pub(super) long: &'static str,
    pub(super) short: &'static str,
    pub(super) severity: &'static str,
}

impl Burn {
    /// So many times the pace that would just use the budget up: `14.4`.
    pub(super) fn factor(self) -> String {
        decimal(self.tenths, 1)
    }

    /// The share of failures above which it burns, in millionths.
    pub(super) fn limit_millionths(self, objective: Objective) -> u64 {
        self.tenths * u64::from(objective.0)
    }

    /// The same as a number.
    pub(super) fn limit(self, objective: Objective) -> String {
        decimal(self.limit_millionths(objective), 6)
    }
}

/// What is left for errors, as a share of one.
pub(super) fn budget(objective: Objective) -> String {
    decimal(u64::from(objective.0), 5)
}

/// So many parts of which `10^digits` are one, without zeros that say nothing.
pub(super) fn decimal(parts: u64, digits: usize) -> String {
    let text = format!("{parts:0>width$}", width = digits + 1);
    let (whole, fraction) = text.split_at(text.len() - digits);
    format!("{whole}.{fraction}").trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Series that share an objective.
pub(super) struct Budget {
    pub(super) objective: Objective,
    /// Selects them by their label, without braces; empty where they are all.
    pub(super) matcher: String,
    /// One of them.
    pub(super) example: String,
}

/// Instances that are asked for their metrics.
pub(super) fn scraped(topology: &Topology) -> Vec<Component> {
    let registry = |c: Component| c == Component::Registry && topology.registry.is_some();
    let exporter = |c: Component| c == Component::Gateway && metrics::exporter(topology).is_some();
    topology.components().into_iter().filter(|c| is_ours(topology, *c) || registry(*c) || exporter(*c)).collect()
}

/// Whether some component exports what this owner does.
pub(super) fn exports(topology: &Topology, owner: Owner) -> bool {
    metrics::owners(topology).contains(&owner)
}

impl Budget {
    /// A recorded series, of these only.
    pub(super) fn of(&self, record: &str) -> String {
        if self.matcher.is_empty() { record.to_owned() } else { format!("{record}{{{}}}", self.matcher) }
    }
}

/// The components that are scraped, by objective.
pub(super) fn of_components(topology: &Topology) -> Vec<Budget> {
    let names = scraped(topology).into_iter().map(|c| topology.component_name(c));
    grouped(topology, "component", names)
}

/// The engines that our services call, by objective.
pub(super) fn of_engines(topology: &Topology) -> Vec<Budget> {
    if !exports(topology, Owner::Engines) {
        return Vec::new();
    }
    let engines = topology.stores.iter().filter(|s| !s.embedded).map(|s| s.name.as_str());
    grouped(topology, "store", engines)
}

/// The gateway's exchanges.
pub(super) fn of_gateway(topology: &Topology) -> Vec<Budget> {
    if !exports(topology, Owner::Gateway) {
        return Vec::new();
    }
    let objective = topology.objectives.of("gateway");
    vec![Budget { objective, matcher: String::new(), example: "gateway".to_owned() }]
}

/// The common objective first; it is asked of whatever has none of its own, so that the list of names stays short.
fn grouped<'a>(topology: &'a Topology, label: &str, names: impl Iterator<Item = &'a str>) -> Vec<Budget> {
    let common = topology.objectives.success;
    let (usual, own): (Vec<&str>, Vec<&str>) = names.partition(|name| topology.objectives.of(name) == common);
    let mut by_objective: BTreeMap<Objective, Vec<&str>> = BTreeMap::new();
    for name in &own {
        by_objective.entry(topology.objectives.of(name)).or_default().push(name);
    }
    let except = if own.is_empty() { String::new() } else { format!("{label}!~\"{}\"", own.join("|")) };
    let first = usual.first().map(|name| Budget { objective: common, matcher: except, example: (*name).to_owned() });
    let others = by_objective.into_iter().map(|(objective, names)| Budget {
        objective,
        matcher: format!("{label}=~\"{}\"", names.join("|")),
        example: names[0].to_owned(),
    });
    first.into_iter().chain(others).collect()
}

/// One promise, in words.
pub(crate) struct Promise<'a> {
    /// Whose it is.
    pub(crate) of: &'a str,
    pub(crate) what: &'static str,
    /// How much of it.
    pub(crate) share: String,
}

/// What is promised.
pub(crate) fn objectives(topology: &Topology) -> Vec<Promise<'_>> {
    let promise = |of, what| Promise { of, what, share: topology.objectives.of(of).print() };
    let (measured, engines) = (BTreeSet::from_iter(scraped(topology)), exports(topology, Owner::Engines));
    let mut all = Vec::new();
    for component in topology.components() {
        let name = topology.component_name(component);
        let called = matches!(component, Component::Store(id) if engines && !topology.store(id).embedded);
        if measured.contains(&component) {
            all.push(promise(name, "its instances answer"));
        } else if called {
            all.push(promise(name, "calls to it succeed"));
        } else if topology.objectives.components.contains_key(name) {
            all.push(promise(name, "nothing that is scraped measures it"));
        }
    }
    if exports(topology, Owner::Gateway) {
        all.push(promise("gateway", "exchanges with services succeed"));
    }
    all
}
