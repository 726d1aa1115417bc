//! Unit tests of the rules, for promtool: each objective's alerts fire where they should and nowhere below.

use archgen_spec::topology::Topology;
use archgen_spec::units::Unit;

use super::alerts::{Burning, annotations, burning};
use super::budgets::{self, BURNS, Budget, Burn};
use crate::render::{Data, data};

/// A unit test of the rules, for promtool. Of each objective one series is judged: as it is when nothing is lost, just below the fastest
/// burn, just above it, and gone.
pub(super) fn test(topology: &Topology) -> Data<'static> {
    let mut tests = Vec::new();
    for (burning, budget) in burning(topology) {
        let limit = BURNS[0].limit_millionths(budget.objective);
        let (below, above) = (short(limit - limit / 1_000 - 1, false), short(limit + limit / 1_000 + 1, true));
        for failing in [0, below, above, 1_000_000] {
            let expected: Vec<Data<'static>> = BURNS
                .into_iter()
                .filter(|burn| failing > burn.limit_millionths(budget.objective))
                .map(|burn| fires(burning, &budget, burn, failing))
                .collect();
            tests.push(data!({
                "interval": "30s",
                "input_series": series(burning, &budget, failing),
                "alert_rule_test": [{"eval_time": "20m", "alertname": burning.alert, "exp_alerts": expected}],
            }));
        }
    }
    data!({"rule_files": ["recording.rules.yml", "alerts.rules.yml"], "evaluation_interval": "30s", "tests": tests})
}

/// The number to four digits, as Prometheus prints it, upwards or downwards.
fn short(number: u64, upwards: bool) -> u64 {
    let unit = 10_u64.pow(number.max(1).ilog10().saturating_sub(3));
    if upwards { number.div_ceil(unit) * unit } else { number / unit * unit }
}

/// Series of which so many millionths fail.
fn series(burning: Burning, budget: &Budget, failing: u64) -> Data<'static> {
    let name = &budget.example;
    let counter = |series: String, each: u64| data!({"series": series, "values": format!("0+{each}x100")});
    match burning.alert {
        "GatewayFailures" => data!([
            counter("archgen_gateway_requests_total".to_owned(), 1_000_000),
            counter("archgen_gateway_upstream_failures_total".to_owned(), failing),
        ]),
        "StoreFailures" => data!([
            counter(format!("archgen_store_calls_total{{store=\"{name}\",outcome=\"done\"}}"), 1_000_000 - failing),
            counter(format!("archgen_store_calls_total{{store=\"{name}\",outcome=\"lost\"}}"), failing),
        ]),
        _ => data!([{
            "series": format!("up{{component=\"{name}\",job=\"{name}\",host=\"{name}-1\"}}"),
            "values": format!("{}x100", budgets::decimal(1_000_000 - failing, 6)),
        }]),
    }
}

/// The alert that is due where so many millionths fail.
fn fires(burning: Burning, budget: &Budget, burn: Burn, failing: u64) -> Data<'static> {
    let name = &budget.example;
    let share = format!("{}%", budgets::decimal(failing, 4));
    let what = burning.what.replace("{{ $labels.component }}", name).replace("{{ $labels.store }}", name);
    let objective = budget.objective.print();
    let mut labels = data!({"severity": burn.severity, "window": burn.long, "objective": objective});
    match burning.alert {
        "StoreFailures" => labels["store"] = name.clone().into(),
        _ => labels["component"] = name.clone().into(),
    }
    data!({"exp_labels": labels, "exp_annotations": annotations(&what, &share, burn, budget)})
}
