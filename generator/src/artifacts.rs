//! Targets and their files. What each file says is decided in `context`, how it is written in `render`.

use std::collections::BTreeMap;

use archgen_spec::Loaded;
use archgen_spec::topology::{Instance, StoreId, Topology};
use thiserror::Error;

use crate::context::{
    Files, cassandra, compose, consul, elasticsearch, graph as graph_context, image, kafka, kubernetes, mongodb, nginx,
    observe, page, postgres, redis, s3,
};
use crate::diff::facts;
use crate::parallel::each;
use crate::picture::{Theme, View};
use crate::plan::engine_files;
use crate::private_address;
use crate::render::Engine;
use crate::system::System;

/// What a generated folder remembers of its spec: [`crate::diff::Facts`] as JSON.
pub const FACTS_PATH: &str = "facts.json";

/// Files to be written: path relative to the out folder, with `/`, to text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Artifacts {
    /// Path to text, in path order.
    pub files: BTreeMap<String, String>,
}

/// Why nothing could be generated.
#[derive(Debug, Error)]
pub enum GenerateError {
    /// A value cannot be written in its target's language.
    #[error("{text:?} cannot be written in {path} (templates/{path}.j2, line {line})")]
    Unwritable {
        /// Output path.
        path: String,
        /// Line of the template.
        line: usize,
        /// The value.
        text: String,
    },
    /// A template failed.
    #[error("cannot render {path} (templates/{path}.j2)")]
    Template {
        /// Output path.
        path: String,
        /// The engine's reason.
        source: minijinja::Error,
    },
    /// A column's type is no type of its store.
    #[error("\"{kind}\" is no column type (column {column} of {dataset})")]
    ColumnType {
        /// `<store>.<table>`.
        dataset: String,
        /// Column.
        column: String,
        /// Type as written.
        kind: String,
    },
    /// A JSON artifact has no text.
    #[error("cannot write {path}")]
    Json {
        /// Output path.
        path: String,
        /// Reason.
        source: serde_json::Error,
    },
}

/// A kind of artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// Gateway server and realtime edge.
    Nginx,
    /// Service registrations and intentions.
    Consul,
    /// PostgreSQL DDL.
    Postgres,
    /// Cassandra CQL.
    Cassandra,
    /// Kafka topics.
    Kafka,
    /// Elasticsearch index template.
    Elasticsearch,
    /// MongoDB collections.
    Mongodb,
    /// Redis configuration and access rules.
    Redis,
    /// S3 policies.
    S3,
    /// The image of our own hosts.
    Image,
    /// docker-compose file.
    Compose,
    /// Kubernetes manifests and a Kustomize base.
    Kubernetes,
    /// Prometheus, Alertmanager and Grafana.
    Observe,
    /// Diagrams of the logical view, and pictures of every view.
    Graph,
    /// `architecture.html`.
    Page,
    /// `plan.json`, each store's plan in its engine's own terms, and `addresses.json`.
    Plan,
}

impl Target {
    /// Every target with its name on the command line.
    pub const ALL: [(&'static str, Self); 16] = [
        ("nginx", Self::Nginx),
        ("consul", Self::Consul),
        ("postgres", Self::Postgres),
        ("cassandra", Self::Cassandra),
        ("kafka", Self::Kafka),
        ("elasticsearch", Self::Elasticsearch),
        ("mongodb", Self::Mongodb),
        ("redis", Self::Redis),
        ("s3", Self::S3),
        ("image", Self::Image),
        ("compose", Self::Compose),
        ("kubernetes", Self::Kubernetes),
        ("observe", Self::Observe),
        ("graph", Self::Graph),
        ("page", Self::Page),
        ("plan", Self::Plan),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, t)| *t == self).map_or("", |(n, _)| n)
    }

    /// The target that writes this path; `None` for a path that none does.
    pub fn of(path: &str) -> Option<Self> {
        match path.split('/').next().unwrap_or(path) {
            "prometheus" | "alertmanager" | "grafana" => Some(Self::Observe),
            "architecture.html" => Some(Self::Page),
            "plan" | "plan.json" | "addresses.json" | FACTS_PATH => Some(Self::Plan),
            folder => Self::named(folder).filter(|t| !matches!(t, Self::Observe | Self::Page)),
        }
    }

    /// The target of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(n, _)| *n == name).map(|(_, t)| *t)
    }
}

/// Where an instance is. Targets are made on several threads, which all ask.
pub type Address<'a> = &'a (dyn Fn(&Instance) -> String + Sync);

/// Every target, those first that take long: threads that make them end together.
const BY_WORK: [Target; Target::ALL.len()] = [
    Target::Plan,
    Target::Page,
    Target::Kubernetes,
    Target::Compose,
    Target::Graph,
    Target::Postgres,
    Target::Observe,
    Target::Consul,
    Target::Nginx,
    Target::Cassandra,
    Target::Kafka,
    Target::Elasticsearch,
    Target::Mongodb,
    Target::Redis,
    Target::S3,
    Target::Image,
];

/// What to generate.
#[derive(Default)]
pub struct Options<'a> {
    /// Only these targets; empty means all.
    pub only: Vec<Target>,
    /// Address of an instance (no port); `None` takes [`private_address`].
    pub address: Option<Address<'a>>,
    /// What the topology was loaded from: the page of the architecture links to its lines.
    pub loaded: Option<&'a Loaded>,
    /// Port of an instance; `None` takes the one that the spec says of all of its kind.
    pub port: Option<&'a (dyn Fn(&Instance) -> u16 + Sync)>,
    /// For servers that `archgen up` starts: single ones, on loopback alone, with their data beside their files. What is generated
    /// otherwise is for machines of their own, whatever the spec says of this one.
    pub here: bool,
}

/// A diagram's language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GraphFormat {
    /// Mermaid flowchart.
    Mermaid,
    /// Graphviz.
    Dot,
    /// Structurizr DSL (C4).
    Structurizr,
    /// PlantUML.
    PlantUml,
}

impl GraphFormat {
    /// Where it is among the artifacts.
    fn path(self) -> &'static str {
        match self {
            Self::Mermaid => "graph/logical.mmd",
            Self::Dot => "graph/logical.dot",
            Self::Structurizr => "graph/logical.dsl",
            Self::PlantUml => "graph/logical.puml",
        }
    }
}

/// Generates the artifacts of a topology. The same topology and options give the same bytes.
///
/// # Errors
/// Where a declared value cannot be written in a target's language.
pub fn generate(topology: &Topology, options: &Options<'_>) -> Result<Artifacts, GenerateError> {
    let engine = Engine::new()?;
    let system = System::of(topology);
    let default = |i: &Instance| private_address(topology, i);
    let address: Address<'_> = options.address.unwrap_or(&default);
    let place = |i: &Instance| format!("{}:{}", address(i), options.port.map_or(i.port, |port| port(i)));
    let wanted = |target: &Target| options.only.is_empty() || options.only.contains(target);
    let targets: Vec<Target> = BY_WORK.into_iter().filter(wanted).collect();
    let made = each(&targets, |target| {
        let mut files = Files::new();
        match target {
            Target::Nginx => nginx::files(topology, &place, options.here, &engine, &mut files)?,
            Target::Consul => consul::files(&system, address, &mut files)?,
            Target::Postgres => postgres::files(topology, options.here, &engine, &mut files)?,
            Target::Cassandra => cassandra::files(topology, &engine, &mut files)?,
            Target::Kafka => kafka::files(topology, &mut files)?,
            Target::Elasticsearch => elasticsearch::files(topology, &mut files)?,
            Target::Mongodb => mongodb::files(topology, &engine, &mut files)?,
            Target::Redis => redis::files(&system, options.here, &engine, &mut files)?,
            Target::S3 => s3::files(topology, &mut files)?,
            Target::Image => image::files(topology, &engine, &mut files)?,
            Target::Kubernetes => kubernetes::files(&system, &mut files)?,
            Target::Observe => observe::files(topology, address, &mut files)?,
            Target::Compose => compose::files(topology, address, &mut files),
            Target::Graph => graphs(&system, &mut files),
            Target::Page => page::files(&system, options.loaded, &mut files),
            Target::Plan => plan_files(&system, &place, &mut files)?,
        }
        Ok(files)
    });
    // The first target in the order of `ALL` that fails says why, whichever thread was sooner.
    let mut made: Vec<(Target, Result<Files, GenerateError>)> = targets.into_iter().zip(made).collect();
    made.sort_unstable_by_key(|(target, _)| *target);
    let mut files = Files::new();
    for (_, part) in made {
        files.append(&mut part?);
    }
    Ok(Artifacts { files })
}

/// The logical view as a diagram.
pub fn graph(topology: &Topology, format: GraphFormat) -> String {
    graph_context::logical(topology).text(format)
}

/// Every diagram, and each view drawn for light and for dark pages.
fn graphs(system: &System<'_>, files: &mut Files) {
    let logical = graph_context::logical(system.topology);
    for format in [GraphFormat::Mermaid, GraphFormat::Dot, GraphFormat::Structurizr, GraphFormat::PlantUml] {
        files.insert(format.path().to_owned(), logical.text(format));
    }
    for (name, view) in View::ALL {
        files.insert(format!("graph/{name}.svg"), system.picture(view, Theme::Light).to_owned());
        files.insert(format!("graph/{name}-dark.svg"), system.picture(view, Theme::Dark).to_owned());
    }
}

fn plan_files(system: &System<'_>, place: Address<'_>, files: &mut Files) -> Result<(), GenerateError> {
    let topology = system.topology;
    let path = "plan.json".to_owned();
    // Compact: a slot map in indented form has one line per copy.
    let text = serde_json::to_string(system.plan());
    files.insert(path.clone(), text.map_err(|source| GenerateError::Json { path, source })? + "\n");
    for (id, store) in topology.stores.iter().enumerate() {
        for (file, text) in engine_files(topology, StoreId(id)) {
            files.insert(format!("plan/{}/{file}", store.name), text);
        }
    }
    let addresses: BTreeMap<String, String> = topology.instances().iter().map(|i| (i.name.clone(), place(i))).collect();
    json_file("addresses.json", &addresses, files)?;
    json_file(FACTS_PATH, &facts(topology), files)
}

/// Adds an indented JSON file.
pub(crate) fn json_file(path: &str, value: &impl serde::Serialize, files: &mut Files) -> Result<(), GenerateError> {
    let text =
        serde_json::to_string_pretty(value).map_err(|source| GenerateError::Json { path: path.to_owned(), source })?;
    files.insert(path.to_owned(), text + "\n");
    Ok(())
}
