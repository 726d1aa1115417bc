//! Grafana: a dashboard for each component and one for the fleet. Each panel stands over a metric that hosts export.

use archgen_spec::topology::{Component, Topology};
use serde_json::{Value, json};

use archgen_spec::units::Unit;

use super::budgets::{self, BURNS};
use super::metrics::{self, Metric, is_ours};

/// Panels in a row of the grid, which has 24 columns.
const PER_ROW: usize = 2;
const HEIGHT: usize = 8;

/// One panel: what is asked, by name of its legend.
struct Panel {
    title: String,
    unit: &'static str,
    kind: &'static str,
    queries: Vec<(String, String)>,
    /// Values from which it is bad, each with its colour.
    limits: Vec<(f64, &'static str)>,
}

/// What is spent of a budget for errors; red from where it is all.
fn spent(title: String, query: String, legend: &str) -> Panel {
    let limits = vec![(0.5, "orange"), (1.0, "red")];
    Panel { title, unit: "percentunit", kind: "timeseries", queries: vec![(query, legend.to_owned())], limits }
}

/// The whole fleet at one look.
pub(super) fn fleet(topology: &Topology) -> Value {
    let mut panels = vec![
        Panel {
            title: "Instances that answer".to_owned(),
            unit: "short",
            kind: "stat",
            queries: vec![("sum by (component) (up{component!=\"\"})".to_owned(), "{{component}}".to_owned())],
            limits: Vec::new(),
        },
        Panel {
            title: "Unavailable, over an hour".to_owned(),
            unit: "percentunit",
            kind: "timeseries",
            queries: vec![("component:unavailable:ratio_avg1h".to_owned(), "{{component}}".to_owned())],
            limits: Vec::new(),
        },
        spent(
            "Budget for errors spent, over 30 days".to_owned(),
            "component:budget_spent:ratio30d".to_owned(),
            "{{component}}",
        ),
    ];
    if !budgets::of_gateway(topology).is_empty() {
        let title = "Budget of the gateway's exchanges spent, over 30 days".to_owned();
        panels.push(spent(title, "gateway:budget_spent:ratio30d".to_owned(), "gateway"));
    }
    if !budgets::of_engines(topology).is_empty() {
        let title = "Budget of calls to engines spent, over 30 days".to_owned();
        panels.push(spent(title, "store:budget_spent:ratio30d".to_owned(), "{{store}}"));
    }
    let mut seen: Vec<(&str, &str)> = Vec::new();
    for component in topology.components() {
        for metric in metrics::of(topology, component) {
            if !seen.contains(&(metric.name, metric.by)) {
                seen.push((metric.name, metric.by));
                panels.push(panel(metric, "", "component"));
            }
        }
    }
    dashboard(topology, "fleet", "all of it", panels)
}

/// One component, instance by instance.
pub(super) fn component(topology: &Topology, component: Component) -> Value {
    let name = topology.component_name(component);
    let mut panels = Vec::new();
    if is_ours(topology, component) || !metrics::of(topology, component).is_empty() {
        panels.push(Panel {
            title: "Answers".to_owned(),
            unit: "short",
            kind: "timeseries",
            queries: vec![(format!("up{{job=\"{name}\"}}"), "{{host}}".to_owned())],
            limits: Vec::new(),
        });
        let objective = topology.objectives.of(name);
        panels.push(Panel {
            title: format!("Unavailable, over an hour; {} is promised", objective.print()),
            unit: "percentunit",
            kind: "timeseries",
            queries: vec![(format!("component:unavailable:ratio_avg1h{{component=\"{name}\"}}"), name.to_owned())],
            limits: vec![(BURNS[0].limit_millionths(objective) as f64 / 1e6, "red")],
        });
        panels.push(spent(
            "Budget for errors spent, over 30 days".to_owned(),
            format!("component:budget_spent:ratio30d{{component=\"{name}\"}}"),
            name,
        ));
    }
    panels.extend(metrics::of(topology, component).into_iter().map(|m| panel(m, name, "host")));
    dashboard(topology, name, name, panels)
}

fn panel(metric: &Metric, job: &str, by: &'static str) -> Panel {
    let regular = metric.name.contains('+');
    let mut labels: Vec<String> = Vec::new();
    if regular {
        labels.push(format!("__name__=~\"{}\"", metric.name));
    }
    if !job.is_empty() {
        labels.push(format!("job=\"{job}\""));
    }
    let name = if regular { "" } else { metric.name };
    let selected = if labels.is_empty() { name.to_owned() } else { format!("{name}{{{}}}", labels.join(",")) };
    let split = if metric.by.is_empty() { by.to_owned() } else { format!("{by}, {}", metric.by) };
    let query = if metric.counter {
        format!("sum by ({split}) (rate({selected}[$__rate_interval]))")
    } else {
        format!("max by ({split}) ({selected})")
    };
    let legend = split.split(", ").map(|l| format!("{{{{{l}}}}}")).collect::<Vec<_>>().join(" ");
    Panel {
        title: metric.title.to_owned(),
        unit: metric.unit,
        kind: "timeseries",
        queries: vec![(query, legend)],
        limits: Vec::new(),
    }
}

fn dashboard(topology: &Topology, id: &str, title: &str, panels: Vec<Panel>) -> Value {
    let source = json!({"type": "prometheus", "uid": "${source}"});
    let drawn = panels.into_iter().enumerate().map(|(index, panel)| {
        let targets: Vec<Value> = panel
            .queries
            .into_iter()
            .zip('A'..='Z')
            .map(|((expression, legend), letter)| {
                json!({"refId": letter.to_string(), "datasource": source, "expr": expression, "legendFormat": legend})
            })
            .collect();
        json!({
            "id": index + 1,
            "type": panel.kind,
            "title": panel.title,
            "datasource": source,
            "gridPos": {
                "x": index % PER_ROW * (24 / PER_ROW), "y": index / PER_ROW * HEIGHT, "w": 24 / PER_ROW, "h": HEIGHT,
            },
            "fieldConfig": {"defaults": defaults(panel.unit, &panel.limits), "overrides": []},
            "options": {},
            "targets": targets,
        })
    });
    json!({
        "uid": uid(topology, id),
        "title": format!("{}: {title}", topology.name),
        "tags": ["archgen", topology.name],
        "schemaVersion": 39,
        "version": 1,
        "editable": true,
        "timezone": "browser",
        "time": {"from": "now-6h", "to": "now"},
        "refresh": "30s",
        "templating": {"list": [{
            "name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus", "current": {}, "hide": 0,
        }]},
        "annotations": {"list": []},
        "panels": drawn.collect::<Vec<Value>>(),
    })
}

/// How values are shown, with a line at each limit.
fn defaults(unit: &str, limits: &[(f64, &str)]) -> Value {
    let mut defaults = json!({"unit": unit, "min": 0});
    if !limits.is_empty() {
        let first = json!({"color": "green", "value": null});
        let limits = limits.iter().map(|(limit, color)| json!({"color": color, "value": limit}));
        let steps: Vec<Value> = std::iter::once(first).chain(limits).collect();
        defaults["thresholds"] = json!({"mode": "absolute", "steps": steps});
        defaults["custom"] = json!({"thresholdsStyle": {"mode": "line"}});
    }
    defaults
}

/// Grafana's limit is 40 characters.
fn uid(topology: &Topology, id: &str) -> String {
    let whole = format!("{}/{id}", topology.name);
    format!("archgen-{}", &blake3::hash(whole.as_bytes()).to_hex().as_str()[..16])
}
