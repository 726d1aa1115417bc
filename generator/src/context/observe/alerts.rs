//! Rules: how fast the budget for errors is burnt, over two windows each, and what else somebody must know of.

use archgen_spec::topology::Topology;
use archgen_spec::units::Unit;

use super::budgets::{self, BURNS, Budget, Burn, WINDOWS, exports, scraped};
use super::metrics::Owner;
use crate::render::{Data, data};

/// Over which a budget is counted. A Prometheus that keeps less counts over what it has.
const PERIOD: &str = "30d";

/// Exchanges with services that failed, as a share.
fn gateway_failures(function: &str, window: &str) -> String {
    format!(
        "sum({function}(archgen_gateway_upstream_failures_total[{window}])) / \
         sum({function}(archgen_gateway_requests_total[{window}]))"
    )
}

/// Calls to engines that failed, as a share of each store's.
fn store_failures(function: &str, window: &str, matcher: &str) -> String {
    let stores = format!("store!=\"\"{}{matcher}", if matcher.is_empty() { "" } else { "," });
    format!(
        "sum by (store) ({function}(archgen_store_calls_total{{outcome=~\"lost|shed|unreachable\",{stores}}}[{window}])) / \
         sum by (store) ({function}(archgen_store_calls_total{{{stores}}}[{window}]))"
    )
}

/// The shares of failures over each window, and what is spent of each budget.
pub(super) fn recording(topology: &Topology) -> Data<'static> {
    let (gateway, engines) = (budgets::of_gateway(topology), budgets::of_engines(topology));
    let rule = |record: String, expression: String| data!({"record": record, "expr": expression});
    let mut rates = Vec::new();
    for window in WINDOWS {
        let up = format!("1 - avg by (component) (avg_over_time(up{{component!=\"\"}}[{window}]))");
        rates.push(rule(format!("component:unavailable:ratio_avg{window}"), up));
        if !gateway.is_empty() {
            rates.push(rule(format!("gateway:failures:ratio_rate{window}"), gateway_failures("rate", window)));
        }
        if !engines.is_empty() {
            rates.push(rule(format!("store:failures:ratio_rate{window}"), store_failures("rate", window, "")));
        }
    }
    let mut spent = Vec::new();
    let mut spend = |of: &str, share: String, budget: &Budget| {
        let expression = format!("{share} / {}", budgets::budget(budget.objective));
        let mut rule = rule(format!("{of}:budget_spent:ratio{PERIOD}"), expression);
        rule["labels"] = data!({"objective": budget.objective.print()});
        spent.push(rule);
    };
    for budget in budgets::of_components(topology) {
        let unavailable = budget.of("component:unavailable:ratio_avg5m");
        spend("component", format!("avg_over_time({unavailable}[{PERIOD}])"), &budget);
    }
    for budget in &gateway {
        spend("gateway", gateway_failures("increase", PERIOD), budget);
    }
    for budget in &engines {
        spend("store", store_failures("increase", PERIOD, &budget.matcher), budget);
    }
    data!({"groups": [
        {"name": "recording", "interval": "30s", "rules": rates},
        // What is read over a month changes slowly, and to read it costs.
        {"name": "budgets", "interval": "5m", "rules": spent},
    ]})
}

/// Something that burns a budget.
#[derive(Clone, Copy)]
pub(super) struct Burning {
    pub(super) alert: &'static str,
    record: &'static str,
    /// As the summary names it.
    pub(super) what: &'static str,
    /// The component, where the series do not say it.
    component: Option<&'static str>,
}

const COMPONENT: Burning = Burning {
    alert: "ComponentUnavailable",
    record: "component:unavailable:ratio_avg",
    what: "{{ $labels.component }}",
    component: None,
};
const GATEWAY: Burning = Burning {
    alert: "GatewayFailures",
    record: "gateway:failures:ratio_rate",
    what: "The gateway",
    component: Some("gateway"),
};
const STORE: Burning = Burning {
    alert: "StoreFailures",
    record: "store:failures:ratio_rate",
    what: "The store {{ $labels.store }}",
    component: None,
};

/// Everything that has a budget.
pub(super) fn burning(topology: &Topology) -> Vec<(Burning, Budget)> {
    let of = |burning: Burning, budgets: Vec<Budget>| budgets.into_iter().map(move |budget| (burning, budget));
    let mut all: Vec<_> = of(COMPONENT, budgets::of_components(topology)).collect();
    all.extend(of(GATEWAY, budgets::of_gateway(topology)));
    all.extend(of(STORE, budgets::of_engines(topology)));
    all
}

fn burn(burning: Burning, budget: &Budget) -> Vec<Data<'static>> {
    let rules = BURNS.into_iter().map(|burn| {
        let (long, short) = (burn.long, burn.short);
        let limit = burn.limit(budget.objective);
        let series = |window: &str| budget.of(&format!("{}{window}", burning.record));
        let mut rule = data!({
            "alert": burning.alert,
            "expr": format!("{} > {limit} and {} > {limit}", series(long), series(short)),
            "for": "2m",
            "labels": {"severity": burn.severity, "window": long, "objective": budget.objective.print()},
            "annotations": annotations(burning.what, "{{ $value | humanizePercentage }}", burn, budget),
        });
        if let Some(component) = burning.component {
            rule["labels"]["component"] = component.into();
        }
        rule
    });
    rules.collect()
}

pub(super) fn annotations(what: &str, share: &str, burn: Burn, budget: &Budget) -> Data<'static> {
    data!({
        "summary": format!("{what} burns its budget for errors {} times too fast", burn.factor()),
        "description": format!("{share} over {}; {} % are allowed.", burn.long, budget.objective.budget_percent()),
    })
}

fn alert(
    name: &'static str,
    expression: String,
    (wait, severity): (&'static str, &'static str),
    summary: impl Into<Data<'static>>,
    description: impl Into<Data<'static>>,
) -> Data<'static> {
    let (summary, description): (Data<'_>, Data<'_>) = (summary.into(), description.into());
    data!({
        "alert": name,
        "expr": expression,
        "for": wait,
        "labels": {"severity": severity},
        "annotations": {"summary": summary, "description": description},
    })
}

/// Whom to wake, and for what.
pub(super) fn alerts(topology: &Topology) -> Data<'static> {
    let objectives: Vec<Data<'static>> =
        burning(topology).iter().flat_map(|(what, budget)| burn(*what, budget)).collect();
    let mut causes = Vec::new();
    if exports(topology, Owner::Engines) {
        causes.push(alert(
            "StoreAway",
            "max by (store) (archgen_store_breaker_open) > 0".to_owned(),
            ("1m", "page"),
            "Calls to {{ $labels.store }} are refused at once",
            "The store has not answered for a while; services answer 503 where they need it.",
        ));
    }
    for component in scraped(topology) {
        let name = topology.component_name(component);
        let count = topology.component_instances(component).len();
        let zones = topology.zones.len().min(count).max(1);
        // What is left when the largest zone is gone.
        let left = count - count.div_ceil(zones);
        let mut rule = alert(
            "TooFewInstances",
            format!("sum(up{{job=\"{name}\"}}) < {}", left.max(1)),
            ("1m", "page"),
            format!("{name} has fewer instances than after the loss of a zone"),
            format!("{{{{ $value }}}} of {count} answer."),
        );
        rule["labels"]["component"] = name.to_owned().into();
        causes.push(rule);
    }
    if exports(topology, Owner::Consumer) {
        causes.push(alert(
            "EventsLate",
            "max by (component, host) ({__name__=~\"archgen_consumer_.+_lag_ms\"}) > 60000".to_owned(),
            ("5m", "ticket"),
            "{{ $labels.host }} is more than a minute behind",
            "The oldest event that it has not handled is {{ $value }} ms old.",
        ));
        causes.push(alert(
            "EventsBuried",
            "sum by (component) (increase(archgen_consumer_buried_total[1h])) > 0".to_owned(),
            ("1m", "ticket"),
            "{{ $labels.component }} gave up events",
            "They are recorded as dead letters and will not be tried again by themselves.",
        ));
    }
    data!({"groups": [{"name": "objectives", "rules": objectives}, {"name": "causes", "rules": causes}]})
}

/// `alertmanager.yml`: two receivers, whose addresses are secrets and so are files.
pub(super) fn route() -> Data<'static> {
    let receiver = |name: &'static str| {
        data!({"name": name, "webhook_configs": [{
            "url_file": format!("/etc/alertmanager/secrets/{name}-url"), "send_resolved": true,
        }]})
    };
    data!({
        "global": {"resolve_timeout": "5m"},
        "route": {
            "receiver": "ticket",
            "group_by": ["alertname", "component"],
            "group_wait": "30s",
            "group_interval": "5m",
            "repeat_interval": "4h",
            "routes": [{"receiver": "page", "matchers": ["severity=\"page\""], "repeat_interval": "1h"}],
        },
        // What is gone burns its budget, too, and what burns fast also burns slowly: one message is enough.
        "inhibit_rules": [{
            "source_matchers": ["severity=\"page\""],
            "target_matchers": ["severity=\"ticket\""],
            "equal": ["component", "store"],
        }],
        "receivers": [receiver("page"), receiver("ticket")],
    })
}
