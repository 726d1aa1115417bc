//! One page of the whole architecture: pictures, services, routes, stores, what is promised. It needs nothing from anywhere.

use archgen_spec::Loaded;
use archgen_spec::topology::{Component, Topology};

use super::spec_text::SpecText;
use super::{Files, observe};
use crate::parallel::mapped;
use crate::picture::{Theme, View, escaped};
use crate::plan::shards_table;
use crate::system::System;

const PATH: &str = "architecture.html";

const STYLE: &str = "\
:root{color-scheme:light dark;--paper:#fff;--ink:#1b2430;--quiet:#5a6675;--line:#d9dfe6;--field:#f6f8fa;--accent:#1f6fd0}
@media(prefers-color-scheme:dark){:root{--paper:#0f141a;--ink:#e9eef4;--quiet:#9aa7b5;--line:#2c3641;--field:#161d25;--accent:#7db4f5}}
*{box-sizing:border-box}body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 Inter,'Segoe UI','DejaVu Sans',sans-serif}
main{max-width:1480px;margin:0 auto;padding:32px 24px 96px}h1{font-size:30px;margin:0}h2{font-size:20px;margin:56px 0 12px}
p{margin:4px 0;color:var(--quiet)}nav{display:flex;gap:18px;flex-wrap:wrap;margin-top:14px}a{color:var(--accent);text-decoration:none}
a:hover{text-decoration:underline}.figures{display:grid;grid-template-columns:repeat(auto-fill,minmax(160px,1fr));gap:12px;margin-top:24px}
.figure{background:var(--field);border:1px solid var(--line);border-radius:12px;padding:14px 16px}.figure b{display:block;font-size:22px}
.figure span{color:var(--quiet)}.picture{overflow:auto;border:1px solid var(--line);border-radius:12px;background:var(--paper)}
.picture svg{display:block;max-width:none}.picture.fits svg{max-width:100%;height:auto}.picture .dark{display:none}
@media(prefers-color-scheme:dark){.picture .dark{display:block}.picture .light{display:none}}
.table{overflow-x:auto}table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:7px 14px 7px 0;border-bottom:1px solid var(--line);vertical-align:top}
th{color:var(--quiet);font-weight:500}td.number,th.number{text-align:right}code,pre{font:13px/1.5 ui-monospace,'DejaVu Sans Mono',monospace}
pre{background:var(--field);border:1px solid var(--line);border-radius:12px;padding:16px;overflow:auto}
.spec{counter-reset:line;padding:12px 0}.spec span{display:block;padding:0 16px 0 64px;position:relative;white-space:pre}
.spec span::before{counter-increment:line;content:counter(line);position:absolute;left:0;width:48px;text-align:right;color:var(--quiet)}
.spec span:target{background:color-mix(in srgb,var(--accent) 22%,transparent)}td a,.figure a{color:inherit;border-bottom:1px dotted var(--quiet)}
td [title],.figure [title]{cursor:help}
@media print{.picture{break-inside:avoid}}
";

/// `architecture.html`. Where the spec's text is known, each fact links to the line that says it.
pub(crate) fn files(system: &System<'_>, loaded: Option<&Loaded>, files: &mut Files) {
    let topology = system.topology;
    let facts = Facts { topology, spec: loaded.and_then(SpecText::of) };
    let name = escaped(&topology.name);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width,initial-scale=1\">\n<title>{name}: architecture</title>\n<style>\n{STYLE}</style>\n</head>\n\
         <body><main>\n<h1>{name}</h1>\n<p>Its architecture, made from the spec. Change the spec, not this page.</p>\n"
    );
    page.push_str("<nav>");
    for (anchor, word) in SECTIONS.iter().filter(|(anchor, _)| *anchor != SPEC || facts.spec.is_some()) {
        page.push_str(&format!("<a href=\"#{anchor}\">{word}</a>"));
    }
    page.push_str("</nav>\n");
    page.push_str(&facts.figures());
    for (anchor, view) in View::ALL {
        let heading = SECTIONS.iter().find(|(a, _)| *a == anchor).map_or(anchor, |(_, word)| word);
        let class = if fits(system.picture(view, Theme::Light)) { "picture fits" } else { "picture" };
        page.push_str(&format!("<h2 id=\"{anchor}\">{heading}</h2>\n<div class=\"{class}\">"));
        for (class, theme) in [("light", Theme::Light), ("dark", Theme::Dark)] {
            page.push_str(&format!("<div class=\"{class}\">{}</div>", system.picture(view, theme)));
        }
        page.push_str("</div>\n");
    }
    page.push_str(&facts.components());
    page.push_str(&facts.routes());
    page.push_str(&facts.datasets());
    page.push_str(&facts.objectives());
    page.push_str(&format!("<h2 id=\"capacity\">Capacity and losses</h2>\n<pre>{}</pre>\n", lines(&capacity(system))));
    if let Some(spec) = &facts.spec {
        page.push_str(&format!("<h2 id=\"{SPEC}\">The spec</h2>\n{}", spec.html()));
    }
    page.push_str("</main></body>\n</html>\n");
    files.insert(PATH.to_owned(), page);
}

/// Whether a picture is still legible when it is as wide as the page; a wider one is moved about instead.
fn fits(svg: &str) -> bool {
    const WIDTH_MAX: u32 = 2_000;
    let width = svg.split(" width=\"").nth(1).and_then(|rest| rest.split('"').next()?.parse().ok());
    width.is_some_and(|width: u32| width <= WIDTH_MAX)
}

const SPEC: &str = "spec";
const SECTIONS: [(&str, &str); 10] = [
    ("logical", "Who calls whom"),
    ("failure-domains", "Failure domains"),
    ("data-flow", "Data flow"),
    ("shards", "Shards"),
    ("components", "Components"),
    ("routes", "Routes"),
    ("datasets", "What is kept"),
    ("objectives", "Objectives"),
    ("capacity", "Capacity and losses"),
    (SPEC, "The spec"),
];

/// Placement and losses. When disks are full is left out: it would be another date each day.
fn capacity(system: &System<'_>) -> String {
    let mut planned = system.plan().clone();
    for store in planned.stores.values_mut() {
        store.capacity.disk_full_in_days = None;
    }
    shards_table(&planned, 0)
}

/// Text of several lines.
fn lines(text: &str) -> String {
    text.lines().map(escaped).collect::<Vec<_>>().join("\n")
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

/// Cells are HTML already.
fn row(cells: &[String]) -> String {
    let mut out = String::from("<tr>");
    for cell in cells {
        out.extend(["<td>", cell, "</td>"]);
    }
    out.push_str("</tr>\n");
    out
}

fn table(heading: &[&str], rows: impl Iterator<Item = String>) -> String {
    let head: String = heading.iter().map(|h| format!("<th>{h}</th>")).collect();
    let body: String = rows.collect();
    format!("<div class=\"table\"><table><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table></div>\n")
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

/// What the page says, each with the place where the spec says it.
struct Facts<'a> {
    topology: &'a Topology,
    spec: Option<SpecText<'a>>,
}

impl Facts<'_> {
    /// A value, linked to the line of this path.
    fn said(&self, value: &str, path: &str) -> String {
        self.spec.as_ref().map_or_else(|| escaped(value), |spec| spec.linked(value, path))
    }

    /// The path of a component in the spec.
    fn path(&self, component: Component) -> String {
        let name = self.topology.component_name(component);
        match component {
            Component::Service(_) => format!("services.{name}"),
            Component::Store(_) => format!("stores.{name}"),
            Component::Registry | Component::Realtime | Component::Gateway => name.to_owned(),
        }
    }

    fn figures(&self) -> String {
        let (topology, load) = (self.topology, &self.topology.load);
        let all = [
            (topology.components().len().to_string(), "", "components"),
            (topology.instances().len().to_string(), "", "instances"),
            (topology.zones.len().to_string(), "zones", "failure domains"),
            (thousands(load.users), "load.users", "users"),
            (thousands(load.online), "load.online", "online at once"),
            (thousands(load.messages.mean_per_second.round() as u64), "load.messages.mean", "messages a second"),
            (
                thousands(load.messages.peak_per_second.round() as u64),
                "load.messages.peak",
                "messages a second at the peak",
            ),
        ];
        let cards = all.map(|(value, path, word)| {
            format!("<div class=\"figure\"><b>{}</b><span>{word}</span></div>", self.said(&value, path))
        });
        format!("<div class=\"figures\">{}</div>\n", cards.concat())
    }

    fn components(&self) -> String {
        let topology = self.topology;
        let rows = mapped(&topology.components(), |component| {
            let component = *component;
            let path = self.path(component);
            let instances = topology.component_instances(component);
            let needs = topology.component_needs(component).into_iter().filter(|c| *c != Component::Registry);
            let port = instances.first().map_or_else(|| "elsewhere".to_owned(), |i| i.port.to_string());
            let count = match component {
                Component::Registry => "servers",
                Component::Store(_) => "nodes",
                _ => "replicas",
            };
            let needed: Vec<String> =
                needs.map(|c| self.said(topology.component_name(c), &format!("{path}.needs"))).collect();
            row(&[
                self.said(topology.component_name(component), &path),
                self.said(kind(topology, component), &format!("{path}.kind")),
                self.said(&instances.len().to_string(), &format!("{path}.{count}")),
                self.said(&port, &format!("{path}.port")),
                needed.join(", "),
            ])
        });
        let heading = ["Name", "Kind", "Instances", "Port", "Needs"];
        format!("<h2 id=\"components\">Components</h2>\n{}", table(&heading, rows.into_iter()))
    }

    fn routes(&self) -> String {
        let Some(gateway) = &self.topology.gateway else {
            return "<h2 id=\"routes\">Routes</h2>\n<p>There is no gateway.</p>\n".to_owned();
        };
        let rows = gateway.routes.iter().map(|route| {
            let path = format!("gateway.routes.{}", route.prefix);
            let said = |value: &str, key: &str| self.said(value, &format!("{path}.{key}"));
            let cached =
                route.micro_cache.map_or_else(|| "never".to_owned(), |time| format!("{} s", time.as_secs_f64()));
            let limit = route.limit.map_or_else(String::new, |l| format!("{}/s, {} at once", l.per_second, l.burst));
            row(&[
                self.said(&route.prefix, &path),
                said(&self.topology.service(route.to).name, "to"),
                said(if route.authenticated { "token" } else { "open" }, "auth"),
                said(&format!("{} s", route.timeout.as_secs_f64()), "timeout"),
                said(&cached, "micro_cache"),
                said(&limit, "limit"),
            ])
        });
        let revocation = gateway.auth.as_ref().map_or_else(String::new, |auth| {
            let delay = self.said(&format!("{} s", auth.cache.as_secs_f64()), "gateway.auth.cache");
            format!("<p>A revoked token is refused after {delay} at the latest.</p>\n")
        });
        let heading = ["Path", "Answered by", "Access", "Deadline", "Cached", "Own limit"];
        format!("<h2 id=\"routes\">Routes</h2>\n{revocation}{}", table(&heading, rows))
    }

    fn datasets(&self) -> String {
        let rows = self.topology.stores.iter().flat_map(|store| {
            let path = format!("stores.{}", store.name);
            let kept = |name: &str, word: &str, path: &str, store_path: &str| {
                row(&[
                    self.said(name, path),
                    word.to_owned(),
                    self.said(store.kind.name(), &format!("{store_path}.kind")),
                    self.said(&store.copies.to_string(), &format!("{store_path}.replicas")),
                ])
            };
            let section = store.kind.dataset_section();
            let all = store.datasets.iter().map(|dataset| {
                let place = format!("{path}.{section}.{}", dataset.name);
                kept(&format!("{}.{}", store.name, dataset.name), store.kind.dataset_word(), &place, &path)
            });
            if store.datasets.is_empty() { vec![kept(&store.name, "store", &path, &path)] } else { all.collect() }
        });
        format!("<h2 id=\"datasets\">What is kept</h2>\n{}", table(&["Name", "What", "Engine", "Copies"], rows))
    }

    /// Which promises wake somebody when they are broken.
    fn objectives(&self) -> String {
        let own = &self.topology.objectives.components;
        let rows = observe::objectives(self.topology).into_iter().map(|promise| {
            let path = match own.contains_key(promise.of) {
                true => format!("objectives.components.{}", promise.of),
                false => "objectives.success".to_owned(),
            };
            row(&[escaped(promise.of), promise.what.to_owned(), self.said(&promise.share, &path)])
        });
        format!("<h2 id=\"objectives\">Objectives</h2>\n{}", table(&["What", "Promise", "Share"], rows))
    }
}
