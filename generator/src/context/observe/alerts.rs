//! Rules: how fast the budget for errors is burnt, over two windows each, and what else somebody must know of.

use archgen_spec::topology::{Component, Topology};

use super::metrics::{self, Owner, is_ours};
use crate::render::{Data, data};

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

/// What is promised, in words.
pub(crate) fn objectives(topology: &Topology) -> Vec<(String, String)> {
    let share = format!("{} %", OBJECTIVE * 100.0);
    let exporters = metrics::owners(topology);
    let mut all: Vec<(String, String)> = scraped(topology)
        .into_iter()
        .map(|c| (topology.component_name(c).to_owned(), format!("instances answer {share} of the time")))
        .collect();
    if exporters.contains(&Owner::Gateway) {
        all.push(("gateway".to_owned(), format!("{share} of exchanges with services succeed")));
    }
    if exporters.contains(&Owner::Engines) {
        all.push(("stores".to_owned(), format!("{share} of calls to engines succeed")));
    }
    all
}

/// The share of failures over each window.
pub(super) fn recording(topology: &Topology) -> Data<'_> {
    let mut rules = Vec::new();
    let exporters = metrics::owners(topology);
    for window in WINDOWS {
        rules.push(data!({
            "record": format!("component:unavailable:ratio_avg{window}"),
            "expr": format!("1 - avg by (component) (avg_over_time(up{{component!=\"\"}}[{window}]))"),
        }));
        if exporters.contains(&Owner::Gateway) {
            rules.push(data!({
                "record": format!("gateway:failures:ratio_rate{window}"),
                "expr": format!(
                    "sum(rate(archgen_gateway_upstream_failures_total[{window}])) / sum(rate(archgen_gateway_requests_total[{window}]))"
                ),
            }));
        }
        if exporters.contains(&Owner::Engines) {
            rules.push(data!({
                "record": format!("store:failures:ratio_rate{window}"),
                "expr": format!(
                    "sum by (store) (rate(archgen_store_calls_total{{outcome=~\"lost|shed|unreachable\",store!=\"\"}}[{window}])) / \
                     sum by (store) (rate(archgen_store_calls_total{{store!=\"\"}}[{window}]))"
                ),
            }));
        }
    }
    data!({"groups": [{"name": "recording", "interval": "30s", "rules": rules}]})
}

fn burn(name: &'static str, record: &str, what: &str) -> Vec<Data<'static>> {
    let budget = 1.0 - OBJECTIVE;
    let rule = |(factor, long, short, severity): (f64, &'static str, &str, &'static str)| {
        let limit = format!("{:.6}", factor * budget);
        data!({
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
pub(super) fn alerts(topology: &Topology) -> Data<'_> {
    let mut objectives = burn("ComponentUnavailable", "component:unavailable:ratio_avg", "{{ $labels.component }}");
    let mut causes = Vec::new();
    let exporters = metrics::owners(topology);
    if exporters.contains(&Owner::Gateway) {
        objectives.extend(burn("GatewayFailures", "gateway:failures:ratio_rate", "The gateway"));
    }
    if exporters.contains(&Owner::Engines) {
        objectives.extend(burn("StoreFailures", "store:failures:ratio_rate", "The store {{ $labels.store }}"));
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
        rule["labels"]["component"] = name.into();
        causes.push(rule);
    }
    if exporters.contains(&Owner::Consumer) {
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

/// A unit test of the rules: an instance that is gone wakes somebody, one that is there does not.
pub(super) fn test<'a>(topology: &'a Topology) -> Data<'a> {
    let first = scraped(topology).into_iter().next();
    let name = first.map_or("none", |c| topology.component_name(c));
    let series = |values: &'static str| data!([{"series": format!("up{{component=\"{name}\",job=\"{name}\",host=\"{name}-1\"}}"), "values": values}]);
    let fires = |severity: &'static str, window: &'static str, factor: &str, percent: &str| {
        data!({
            "exp_labels": {"component": name, "severity": severity, "window": window},
            "exp_annotations": {
                "summary": format!("{name} burns its budget for errors {factor} times too fast"),
                "description": format!("{percent} over {window}; 0.1 % are allowed."),
            },
        })
    };
    let all = data!([
        fires("page", "1h", "14.4", "100%"),
        fires("page", "6h", "6", "100%"),
        fires("ticket", "1d", "3", "100%"),
        fires("ticket", "3d", "1", "100%"),
    ]);
    let at = |time: &'static str, expected: Data<'a>| data!({"eval_time": time, "alertname": "ComponentUnavailable", "exp_alerts": expected});
    data!({
        "rule_files": ["recording.rules.yml", "alerts.rules.yml"],
        "evaluation_interval": "30s",
        "tests": [
            {"interval": "30s", "input_series": series("0x100"), "alert_rule_test": [at("20m", all)]},
            {"interval": "30s", "input_series": series("1x100"), "alert_rule_test": [at("20m", data!([]))]},
        ],
    })
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
        // What is gone burns its budget, too: one message is enough.
        "inhibit_rules": [{
            "source_matchers": ["severity=\"page\""],
            "target_matchers": ["severity=\"ticket\""],
            "equal": ["component"],
        }],
        "receivers": [receiver("page"), receiver("ticket")],
    })
}
