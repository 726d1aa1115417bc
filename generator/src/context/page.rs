//! One page of the whole architecture: pictures, services, routes, stores, what is promised. It needs nothing from anywhere.

use archgen_spec::topology::{Component, Topology};

use super::Files;
use crate::picture::{Theme, View, escaped, picture};
use crate::plan::{plan, shards_table};

const PATH: &str = "architecture.html";

const STYLE: &str = "\
:root{color-scheme:light dark;--paper:#fff;--ink:#1b2430;--quiet:#5a6675;--line:#d9dfe6;--field:#f6f8fa;--accent:#1f6fd0}
@media(prefers-color-scheme:dark){:root{--paper:#0f141a;--ink:#e9eef4;--quiet:#9aa7b5;--line:#2c3641;--field:#161d25;--accent:#7db4f5}}
*{box-sizing:border-box}body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 Inter,'Segoe UI','DejaVu Sans',sans-serif}
main{max-width:1240px;margin:0 auto;padding:32px 24px 96px}h1{font-size:30px;margin:0}h2{font-size:20px;margin:56px 0 12px}
p{margin:4px 0;color:var(--quiet)}nav{display:flex;gap:18px;flex-wrap:wrap;margin-top:14px}a{color:var(--accent);text-decoration:none}
a:hover{text-decoration:underline}.figures{display:grid;grid-template-columns:repeat(auto-fill,minmax(160px,1fr));gap:12px;margin-top:24px}
.figure{background:var(--field);border:1px solid var(--line);border-radius:12px;padding:14px 16px}.figure b{display:block;font-size:22px}
.figure span{color:var(--quiet)}.picture{overflow:auto;border:1px solid var(--line);border-radius:12px;background:var(--paper)}
.picture svg{display:block;max-width:none}.picture .dark{display:none}
@media(prefers-color-scheme:dark){.picture .dark{display:block}.picture .light{display:none}}
.table{overflow-x:auto}table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:7px 14px 7px 0;border-bottom:1px solid var(--line);vertical-align:top}
th{color:var(--quiet);font-weight:500}td.number,th.number{text-align:right}code,pre{font:13px/1.5 ui-monospace,'DejaVu Sans Mono',monospace}
pre{background:var(--field);border:1px solid var(--line);border-radius:12px;padding:16px;overflow:auto}
@media print{.picture{break-inside:avoid}}
";

/// `architecture.html`.
pub(crate) fn files(topology: &Topology, files: &mut Files) {
    let name = escaped(&topology.name);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width,initial-scale=1\">\n<title>{name}: architecture</title>\n<style>\n{STYLE}</style>\n</head>\n\
         <body><main>\n<h1>{name}</h1>\n<p>Its architecture, made from the spec. Change the spec, not this page.</p>\n"
    );
    page.push_str("<nav>");
    for (anchor, word) in SECTIONS {
        page.push_str(&format!("<a href=\"#{anchor}\">{word}</a>"));
    }
    page.push_str("</nav>\n");
    page.push_str(&figures(topology));
    for (anchor, view) in View::ALL {
        let heading = SECTIONS.iter().find(|(a, _)| *a == anchor).map_or(anchor, |(_, word)| word);
        page.push_str(&format!("<h2 id=\"{anchor}\">{heading}</h2>\n<div class=\"picture\">"));
        for (class, theme) in [("light", Theme::Light), ("dark", Theme::Dark)] {
            page.push_str(&format!("<div class=\"{class}\">{}</div>", picture(topology, view, theme)));
        }
        page.push_str("</div>\n");
    }
    page.push_str(&components(topology));
    page.push_str(&routes(topology));
    page.push_str(&datasets(topology));
    page.push_str(&format!(
        "<h2 id=\"capacity\">Capacity and losses</h2>\n<pre>{}</pre>\n",
        lines(&capacity(topology))
    ));
    page.push_str("</main></body>\n</html>\n");
    files.insert(PATH.to_owned(), page);
}

const SECTIONS: [(&str, &str); 8] = [
    ("logical", "Who calls whom"),
    ("failure-domains", "Failure domains"),
    ("data-flow", "Data flow"),
    ("shards", "Shards"),
    ("components", "Components"),
    ("routes", "Routes"),
    ("datasets", "What is kept"),
    ("capacity", "Capacity and losses"),
];

/// Placement and losses. When disks are full is left out: it would be another date each day.
fn capacity(topology: &Topology) -> String {
    let mut planned = plan(topology);
    for store in planned.stores.values_mut() {
        store.capacity.disk_full_in_days = None;
    }
    shards_table(&planned, 0)
}

/// Text of several lines.
fn lines(text: &str) -> String {
    text.lines().map(escaped).collect::<Vec<_>>().join("\n")
}

fn figures(topology: &Topology) -> String {
    let load = &topology.load;
    let all = [
        (topology.components().len().to_string(), "components"),
        (topology.instances().len().to_string(), "instances"),
        (topology.zones.len().to_string(), "failure domains"),
        (thousands(load.users), "users"),
        (thousands(load.online), "online at once"),
        (thousands(load.messages.mean_per_second.round() as u64), "messages a second"),
        (thousands(load.messages.peak_per_second.round() as u64), "messages a second at the peak"),
    ];
    let cards = all.map(|(value, word)| format!("<div class=\"figure\"><b>{value}</b><span>{word}</span></div>"));
    format!("<div class=\"figures\">{}</div>\n", cards.concat())
}

/// 5000000 as 5,000,000.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn table(heading: &[&str], rows: Vec<Vec<String>>) -> String {
    let head: String = heading.iter().map(|h| format!("<th>{h}</th>")).collect();
    let body: String = rows
        .into_iter()
        .map(|row| format!("<tr>{}</tr>\n", row.iter().map(|c| format!("<td>{}</td>", escaped(c))).collect::<String>()))
        .collect();
    format!("<div class=\"table\"><table><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table></div>\n")
}

fn components(topology: &Topology) -> String {
    let rows = topology.components().into_iter().map(|component| {
        let instances = topology.component_instances(component);
        let needs = topology.component_needs(component).into_iter().filter(|c| *c != Component::Registry);
        let port = instances.first().map_or_else(|| "elsewhere".to_owned(), |i| i.port.to_string());
        vec![
            topology.component_name(component).to_owned(),
            kind(topology, component).to_owned(),
            instances.len().to_string(),
            port,
            needs.map(|c| topology.component_name(c)).collect::<Vec<_>>().join(", "),
        ]
    });
    let heading = ["Name", "Kind", "Instances", "Port", "Needs"];
    format!("<h2 id=\"components\">Components</h2>\n{}", table(&heading, rows.collect()))
}

fn kind(topology: &Topology, component: Component) -> &str {
    match component {
        Component::Registry => "registry",
        Component::Gateway => "gateway",
        Component::Realtime => "socket.io",
        Component::Store(id) => topology.store(id).kind.name(),
        Component::Service(_) => "service",
    }
}

fn routes(topology: &Topology) -> String {
    let Some(gateway) = &topology.gateway else {
        return "<h2 id=\"routes\">Routes</h2>\n<p>There is no gateway.</p>\n".to_owned();
    };
    let rows = gateway.routes.iter().map(|route| {
        vec![
            route.prefix.clone(),
            topology.service(route.to).name.clone(),
            if route.authenticated { "token" } else { "open" }.to_owned(),
            format!("{} s", route.timeout.as_secs_f64()),
            route.micro_cache.map_or_else(|| "never".to_owned(), |time| format!("{} s", time.as_secs_f64())),
            route.limit.map_or_else(String::new, |l| format!("{}/s, {} at once", l.per_second, l.burst)),
        ]
    });
    let revocation = gateway.auth.as_ref().map_or_else(String::new, |auth| {
        format!("<p>A revoked token is refused after {} s at the latest.</p>\n", auth.cache.as_secs_f64())
    });
    let heading = ["Path", "Answered by", "Access", "Deadline", "Cached", "Own limit"];
    format!("<h2 id=\"routes\">Routes</h2>\n{revocation}{}", table(&heading, rows.collect()))
}

fn datasets(topology: &Topology) -> String {
    let rows = topology.stores.iter().flat_map(|store| {
        let all = store.datasets.iter().map(|dataset| {
            let word = store.kind.dataset_word().to_owned();
            vec![
                format!("{}.{}", store.name, dataset.name),
                word,
                store.kind.name().to_owned(),
                store.copies.to_string(),
            ]
        });
        let whole =
            vec![store.name.clone(), "store".to_owned(), store.kind.name().to_owned(), store.copies.to_string()];
        if store.datasets.is_empty() { vec![whole] } else { all.collect() }
    });
    format!("<h2 id=\"datasets\">What is kept</h2>\n{}", table(&["Name", "What", "Engine", "Copies"], rows.collect()))
}
