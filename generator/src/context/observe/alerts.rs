//! Rules: how fast the budget for errors is burnt, over two windows each, and what else somebody must know of.

use archgen_spec::topology::{Component, Topology};
use serde_json::{Value, json};

use super::metrics::{self, Owner, is_ours};

/// What is promised while the spec declares nothing else: of a thousand checks of an instance, or of a thousand exchanges, one may fail.
const OBJECTIVE: f64 = 0.999;
/// Windows of the rates that are recorded.
const WINDOWS: [&str; 7] = ["5m", "30m", "1h", "2h", "6h", "1d", "3d"];
/// How many times faster than allowed, over which long and short window, for whom. From the SRE workbook, chapter 5.
const BURNS: [(f64, &str, &str, &str); 4] =
    [(14.4, "1h", "5m", "page"), (6.0, "6h", "30m", "page"), (3.0, "1d", "2h", "ticket"), (1.0, "3d", "6h", "ticket")];

fn scraped(topology: &Topology) -> Vec<Component> {
    let registry = |c: Component| c == Component::Registry && topology.registry.is_some();
    let exporter = |c: Component| c == Component::Gateway && metrics::exporter(topology).is_some();
    topology.components().into_iter().filter(|c| is_ours(topology, *c) || registry(*c) || exporter(*c)).collect()
}

fn exports(topology: &Topology, owner: Owner) -> bool {
    topology.components().iter().any(|c| metrics::of(topology, *c).iter().any(|m| m.owner == owner))
}

/// What is promised, in words.
pub(crate) fn objectives(topology: &Topology) -> Vec<(String, String)> {
    let share = format!("{} %", OBJECTIVE * 100.0);
    let mut all: Vec<(String, String)> = scraped(topology)
        .into_iter()
        .map(|c| (topology.component_name(c).to_owned(), format!("instances answer {share} of the time")))
        .collect();
    if exports(topology, Owner::Gateway) {
        all.push(("gateway".to_owned(), format!("{share} of exchanges with services succeed")));
    }
    if exports(topology, Owner::Engines) {
        all.push(("stores".to_owned(), format!("{share} of calls to engines succeed")));
    }
    all
}

/// The share of failures over each window.
pub(super) fn recording(topology: &Topology) -> Value {
    let mut rules = Vec::new();
    for window in WINDOWS {
        rules.push(json!({
            "record": format!("component:unavailable:ratio_avg{window}"),
            "expr": format!("1 - avg by (component) (avg_over_time(up{{component!=\"\"}}[{window}]))"),
        }));
        if exports(topology, Owner::Gateway) {
            rules.push(json!({
                "record": format!("gateway:failures:ratio_rate{window}"),
                "expr": format!(
                    "sum(rate(archgen_gateway_upstream_failures_total[{window}])) / sum(rate(archgen_gateway_requests_total[{window}]))"
                ),
            }));
        }
        if exports(topology, Owner::Engines) {
            rules.push(json!({
                "record": format!("store:failures:ratio_rate{window}"),
                "expr": format!(
                    "sum by (store) (rate(archgen_store_calls_total{{outcome=~\"lost|shed|unreachable\",store!=\"\"}}[{window}])) / \
                     sum by (store) (rate(archgen_store_calls_total{{store!=\"\"}}[{window}]))"
                ),
            }));
        }
    }
    json!({"groups": [{"name": "recording", "interval": "30s", "rules": rules}]})
}

fn burn(name: &str, record: &str, what: &str) -> Vec<Value> {
    let budget = 1.0 - OBJECTIVE;
    let rule = |(factor, long, short, severity): (f64, &str, &str, &str)| {
        let limit = format!("{:.6}", factor * budget);
        json!({
            "alert": name,
            "expr": format!("{record}{long} > {limit} and {record}{short} > {limit}"),
            "for": "2m",
            "labels": {"severity": severity, "window": long},
            "annotations": {
                "summary": format!("{what} burns its budget for errors {factor} times too fast"),
                "description": format!("{{{{ $value | humanizePercentage }}}} over {long}; {:.1} % are allowed.", budget * 100.0),
            },
        })
    };
    BURNS.into_iter().map(rule).collect()
}

fn alert(name: &str, expression: String, wait: &str, severity: &str, summary: &str, description: &str) -> Value {
    json!({
        "alert": name,
        "expr": expression,
        "for": wait,
        "labels": {"severity": severity},
        "annotations": {"summary": summary, "description": description},
    })
}

/// Whom to wake, and for what.
pub(super) fn alerts(topology: &Topology) -> Value {
    let mut objectives = burn("ComponentUnavailable", "component:unavailable:ratio_avg", "{{ $labels.component }}");
    let mut causes = Vec::new();
    if exports(topology, Owner::Gateway) {
        objectives.extend(burn("GatewayFailures", "gateway:failures:ratio_rate", "The gateway"));
    }
    if exports(topology, Owner::Engines) {
        objectives.extend(burn("StoreFailures", "store:failures:ratio_rate", "The store {{ $labels.store }}"));
        causes.push(alert(
            "StoreAway",
            "max by (store) (archgen_store_breaker_open) > 0".to_owned(),
            "1m",
            "page",
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
            "1m",
            "page",
            &format!("{name} has fewer instances than after the loss of a zone"),
            &format!("{{{{ $value }}}} of {count} answer."),
        );
        rule["labels"]["component"] = name.into();
        causes.push(rule);
    }
    if exports(topology, Owner::Consumer) {
        causes.push(alert(
            "EventsLate",
            "max by (component, host) ({__name__=~\"archgen_consumer_.+_lag_ms\"}) > 60000".to_owned(),
            "5m",
            "ticket",
            "{{ $labels.host }} is more than a minute behind",
            "The oldest event that it has not handled is {{ $value }} ms old.",
        ));
        causes.push(alert(
            "EventsBuried",
            "sum by (component) (increase(archgen_consumer_buried_total[1h])) > 0".to_owned(),
            "1m",
            "ticket",
            "{{ $labels.component }} gave up events",
            "They are recorded as dead letters and will not be tried again by themselves.",
        ));
    }
    json!({"groups": [{"name": "objectives", "rules": objectives}, {"name": "causes", "rules": causes}]})
}

/// A unit test of the rules: an instance that is gone wakes somebody, one that is there does not.
pub(super) fn test(topology: &Topology) -> Value {
    let first = scraped(topology).into_iter().next();
    let name = first.map_or("none", |c| topology.component_name(c));
    let series = |values: &str| json!([{"series": format!("up{{component=\"{name}\",job=\"{name}\",host=\"{name}-1\"}}"), "values": values}]);
    let fires = |severity: &str, window: &str, factor: &str, percent: &str| {
        json!({
            "exp_labels": {"component": name, "severity": severity, "window": window},
            "exp_annotations": {
                "summary": format!("{name} burns its budget for errors {factor} times too fast"),
                "description": format!("{percent} over {window}; 0.1 % are allowed."),
            },
        })
    };
    let all = [
        fires("page", "1h", "14.4", "100%"),
        fires("page", "6h", "6", "100%"),
        fires("ticket", "1d", "3", "100%"),
        fires("ticket", "3d", "1", "100%"),
    ];
    let at = |time: &str, expected: Value| json!({"eval_time": time, "alertname": "ComponentUnavailable", "exp_alerts": expected});
    json!({
        "rule_files": ["recording.rules.yml", "alerts.rules.yml"],
        "evaluation_interval": "30s",
        "tests": [
            {"interval": "30s", "input_series": series("0x100"), "alert_rule_test": [at("20m", json!(all))]},
            {"interval": "30s", "input_series": series("1x100"), "alert_rule_test": [at("20m", json!([]))]},
        ],
    })
}

/// `alertmanager.yml`: two receivers, whose addresses are secrets and so are files.
pub(super) fn route() -> Value {
    let receiver = |name: &str| {
        json!({"name": name, "webhook_configs": [{
            "url_file": format!("/etc/alertmanager/secrets/{name}-url"), "send_resolved": true,
        }]})
    };
    json!({
        "global": {"resolve_timeout": "5m"},
        "route": {
            "receiver": "ticket",
            "group_by": ["alertname", "component"],
            "group_wait": "30s",
            "group_interval": "5m",
            "repeat_interval": "4h",
            "routes": [{"receiver": "page", "matchers": ["severity=\"page\""], "repeat_interval": "1h"}],
        },
        // What is gone burns its budget, too: one message is enough.
        "inhibit_rules": [{
            "source_matchers": ["severity=\"page\""],
            "target_matchers": ["severity=\"ticket\""],
            "equal": ["component"],
        }],
        "receivers": [receiver("page"), receiver("ticket")],
    })
}
