//! AG019: a key as another tool calls it.

use super::{Explanation, bad_choice};
use crate::diagnostic::{Code, Diagnostic, Fix};
use crate::source::Span;
use crate::topology::StoreKind;

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(19),
    title: "a key of another tool",
    why: "Compose, Kubernetes and the engines themselves have other words for what a spec says. Guessing would make two spellings of one thing; ignoring the key would lose what was meant.",
    fix: "Write the key that the message names. What archgen derives by itself (networks, volumes, labels, probes) is left out.",
    before: r#"services:
  user: { port: 9300, depends_on: [search] }
  search: { port: 9600 }
"#,
    after: r#"services:
  user: { port: 9300, needs: [search] }
  search: { port: 9600 }
"#,
};

/// What stands in the place of another tool's key.
enum Ours {
    /// The same thing under our name, with a value of the same form.
    Renamed(&'static str),
    /// Our key, whose value is written differently: an example.
    Key(&'static str, &'static str),
    /// Nothing: why.
    Nothing(&'static str),
}

/// Keys of Compose, Kubernetes, nginx, Cassandra, Kafka, MongoDB and Elasticsearch, lower-case without `_`, `-` and `.`.
/// A key has several lines where different sections answer differently: the first whose key the section has counts.
const HABITS: &[(&str, Ours)] = &[
    ("dependson", Ours::Renamed("needs")),
    ("depends", Ours::Renamed("needs")),
    ("links", Ours::Renamed("needs")),
    ("requires", Ours::Renamed("needs")),
    ("uses", Ours::Renamed("needs")),
    ("upstreams", Ours::Renamed("needs")),
    ("environment", Ours::Renamed("env")),
    ("envfile", Ours::Key("env", "env: { NAME: value }")),
    ("entrypoint", Ours::Renamed("command")),
    ("cmd", Ours::Renamed("command")),
    ("args", Ours::Key("command", "command: [./program, --flag]")),
    ("ports", Ours::Key("port", "port: 9300")),
    ("expose", Ours::Key("port", "port: 9300")),
    ("containerport", Ours::Renamed("port")),
    ("targetport", Ours::Renamed("port")),
    ("listen", Ours::Renamed("port")),
    ("scale", Ours::Renamed("replicas")),
    ("instances", Ours::Renamed("replicas")),
    ("count", Ours::Renamed("replicas")),
    ("deploy", Ours::Key("replicas", "replicas: 3")),
    ("replicacount", Ours::Renamed("replicas")),
    ("replicationfactor", Ours::Renamed("replicas")),
    ("replicationfactor", Ours::Key("replication", "replication: { eu: 3 }")),
    ("numberofreplicas", Ours::Renamed("replicas")),
    ("healthcheck", Ours::Key("health", "health: /healthz every 5s")),
    ("livenessprobe", Ours::Key("health", "health: /healthz every 5s")),
    ("readinessprobe", Ours::Key("health", "health: /healthz every 5s")),
    ("startupprobe", Ours::Key("health", "health: /healthz every 5s")),
    ("restartpolicy", Ours::Key("restart", "restart: backoff 200ms..30s")),
    ("stopgraceperiod", Ours::Renamed("stop_within")),
    ("terminationgraceperiodseconds", Ours::Key("stop_within", "stop_within: 30s")),
    ("servername", Ours::Renamed("host")),
    ("hostname", Ours::Renamed("host")),
    ("proxypass", Ours::Renamed("to")),
    ("backend", Ours::Renamed("to")),
    ("service", Ours::Renamed("to")),
    ("upstream", Ours::Renamed("to")),
    ("locations", Ours::Renamed("routes")),
    ("paths", Ours::Renamed("routes")),
    ("rules", Ours::Renamed("routes")),
    ("proxyreadtimeout", Ours::Renamed("timeout")),
    ("clientmaxbodysize", Ours::Key("max_body", "max_body: 100MiB")),
    ("ratelimit", Ours::Key("limit", "limit: 5/s burst 10")),
    ("limitreq", Ours::Key("limit", "limit: 5/s burst 10")),
    ("crossorigin", Ours::Key("cors", "cors: { origins: [https://app.example.org] }")),
    ("corsorigins", Ours::Key("cors", "cors: { origins: [https://app.example.org] }")),
    ("alloworigins", Ours::Renamed("origins")),
    ("allowedorigins", Ours::Renamed("origins")),
    ("allowmethods", Ours::Renamed("methods")),
    ("allowedmethods", Ours::Renamed("methods")),
    ("allowheaders", Ours::Renamed("headers")),
    ("allowedheaders", Ours::Renamed("headers")),
    ("allowcredentials", Ours::Renamed("credentials")),
    ("maxage", Ours::Renamed("max_age")),
    ("loadbalancing", Ours::Renamed("balance")),
    ("retention", Ours::Renamed("retain")),
    ("retentionms", Ours::Key("retain", "retain: 7d")),
    ("retentionhours", Ours::Key("retain", "retain: 7d")),
    ("mininsyncreplicas", Ours::Renamed("min_insync")),
    ("numpartitions", Ours::Renamed("partitions")),
    ("partitioncount", Ours::Renamed("partitions")),
    ("partitionkey", Ours::Renamed("partition")),
    ("clusteringkey", Ours::Renamed("cluster")),
    ("clustering", Ours::Renamed("cluster")),
    ("primarykey", Ours::Renamed("key")),
    ("shardkey", Ours::Renamed("key")),
    ("defaulttimetolive", Ours::Renamed("ttl")),
    ("consistencylevel", Ours::Key("consistency", "consistency: { write: quorum, read: quorum }")),
    ("routing", Ours::Renamed("route")),
    ("versioning", Ours::Renamed("versioned")),
    ("lifecycle", Ours::Key("expire", "expire: 365d")),
    ("size", Ours::Renamed("nodes")),
    ("type", Ours::Renamed("kind")),
    ("engine", Ours::Renamed("kind")),
    ("driver", Ours::Renamed("kind")),
    ("image", Ours::Key("version", "version: \"15\"")),
    ("image", Ours::Key("kind", "kind: process, command: [./program]")),
    ("build", Ours::Key("command", "kind: process, command: [./program]")),
    ("build", Ours::Key("kind", "kind: process, command: [./program]")),
    ("containers", Ours::Key("command", "kind: process, command: [./program]")),
    ("networks", Ours::Nothing("who may talk to whom follows from `needs`")),
    ("network", Ours::Nothing("who may talk to whom follows from `needs`")),
    ("volumes", Ours::Nothing("data are kept in `stores`; services keep none")),
    ("labels", Ours::Nothing("labels are derived from names")),
    ("annotations", Ours::Nothing("labels are derived from names")),
    ("metadata", Ours::Nothing("the name is the key above it")),
    ("selector", Ours::Nothing("instances are found by their component's name")),
    ("containername", Ours::Nothing("instances are named after their component: `user-1`")),
    ("resources", Ours::Nothing("memory and disk are said of stores: `memory: 8GiB`")),
    ("logging", Ours::Nothing("every host writes its lines to `archgen logs`")),
    ("configs", Ours::Nothing("configuration is derived from the spec")),
    ("apiversion", Ours::Nothing("this is no Kubernetes manifest: a spec begins with `archgen: v1`")),
    ("spec", Ours::Nothing("this is no Kubernetes manifest: the keys stand at the top")),
    ("kind", Ours::Nothing("this is no Kubernetes manifest: what something is says the section that it stands in")),
    ("template", Ours::Nothing("this is no Kubernetes manifest: the keys stand in the service itself")),
    ("hostname", Ours::Nothing("instances are named after their component: `user-1`")),
    ("domainname", Ours::Nothing("instances are named after their component: `user-1`")),
    ("namespace", Ours::Nothing("everything of a spec stands in one namespace, named after the spec")),
    ("serviceaccount", Ours::Nothing("who may talk to whom follows from `needs`")),
    ("serviceaccountname", Ours::Nothing("who may talk to whom follows from `needs`")),
    ("networkpolicy", Ours::Nothing("who may talk to whom follows from `needs`")),
    ("affinity", Ours::Nothing("instances are spread over `zones`")),
    ("nodeselector", Ours::Nothing("instances are spread over `zones`")),
    ("tolerations", Ours::Nothing("instances are spread over `zones`")),
    ("topologyspreadconstraints", Ours::Nothing("instances are spread over `zones`")),
    ("ingress", Ours::Renamed("gateway")),
    ("ingress", Ours::Nothing("what the world may reach is said once, under `gateway.routes`")),
    ("autoscaling", Ours::Key("replicas", "replicas: 3")),
    ("hpa", Ours::Key("replicas", "replicas: 3")),
    ("minreplicas", Ours::Renamed("replicas")),
    ("maxreplicas", Ours::Renamed("replicas")),
    ("strategy", Ours::Nothing("instances are replaced one after the other, each within `stop_within`")),
    ("updateconfig", Ours::Nothing("instances are replaced one after the other, each within `stop_within`")),
    ("cpus", Ours::Nothing("what a service needs follows from the load and its `replicas`")),
    ("memlimit", Ours::Nothing("what a service needs follows from the load and its `replicas`")),
    ("extends", Ours::Key("profile", "profile: NAME")),
    ("profiles", Ours::Key("profile", "profile: NAME")),
    ("secrets", Ours::Key("env", "env: { PASSWORD: secret:NAME }")),
    ("envfrom", Ours::Key("env", "env: { NAME: value }")),
    (
        "initcontainers",
        Ours::Nothing("schemas are made before any service starts; other preparation is the program's own"),
    ),
    ("securitycontext", Ours::Nothing("generated containers run without privileges")),
    ("privileged", Ours::Nothing("generated containers run without privileges")),
    ("capadd", Ours::Nothing("generated containers run without privileges")),
    ("capdrop", Ours::Nothing("generated containers run without privileges")),
    ("imagepullpolicy", Ours::Nothing("a spec names no images")),
    ("workingdir", Ours::Nothing("a program starts in the folder of the spec")),
    ("volumemounts", Ours::Nothing("data are kept in `stores`; services keep none")),
    ("volumeclaimtemplates", Ours::Nothing("data are kept in `stores`; services keep none")),
    ("version", Ours::Nothing("the language is said once, as `archgen: v1`")),
    ("databases", Ours::Renamed("stores")),
    ("caches", Ours::Renamed("stores")),
    ("queues", Ours::Renamed("stores")),
    ("variables", Ours::Renamed("vars")),
    ("overlays", Ours::Renamed("environments")),
    ("scheduler", Ours::Renamed("sim")),
    ("chaos", Ours::Renamed("sim")),
    ("simulation", Ours::Renamed("sim")),
];

/// The kind and version of a store whose engine is in an image: `docker.io/library/postgres:15-alpine`.
fn engine(image: &str) -> Option<(&'static str, &str)> {
    let name = image.rsplit('/').next()?;
    let (name, tag) = name.split_once(':').unwrap_or((name, ""));
    let kinds: Vec<&'static str> = StoreKind::ALL.iter().map(|(word, _)| *word).collect();
    let kind = kinds.iter().find(|kind| **kind == name).copied().or_else(|| bad_choice::habit(name, &kinds))?;
    let version = tag.split(|c: char| !c.is_ascii_digit() && c != '.').next().unwrap_or("");
    Some((kind, if version.is_empty() { "…" } else { version }))
}

fn ours(key: &str, known: &[&str]) -> Option<&'static Ours> {
    let plain: String = key.chars().filter(|c| c.is_ascii_alphanumeric()).map(|c| c.to_ascii_lowercase()).collect();
    let fits = |ours: &Ours| match ours {
        Ours::Renamed(key) | Ours::Key(key, _) => known.contains(key),
        Ours::Nothing(_) => true,
    };
    HABITS.iter().find(|(theirs, ours)| *theirs == plain && fits(ours)).map(|(_, ours)| ours)
}

/// The report on a key of another tool, which may have a plain value, and our key for it; `None` where the key is nobody's.
pub fn at(
    span: Span,
    (key, value): (&str, Option<&str>),
    subject: &str,
    known: &[&str],
) -> Option<(Diagnostic, Option<&'static str>)> {
    if let Some((kind, version)) = value.filter(|_| key == "image" && known.contains(&"command")).and_then(engine) {
        let message = format!("`{key}` of {subject} is an engine's: engines are stores here");
        let help = format!("declare it under `stores:`, as `{{ kind: {kind}, version: \"{version}\" }}`");
        return Some((Diagnostic::error(EXPLANATION.code, span, message).with_help(help), Some("kind")));
    }
    let (message, help, fix, meant) = match ours(key, known)? {
        Ours::Renamed(ours) => {
            let fix = Some(Fix::replace(span, *ours));
            (format!("`{key}` of {subject} is called `{ours}` here"), format!("write `{ours}`"), fix, Some(*ours))
        }
        Ours::Key(ours, example) => (
            format!("`{key}` of {subject} is said with `{ours}` here"),
            format!("write `{example}`"),
            None,
            Some(*ours),
        ),
        Ours::Nothing(why) => (format!("{subject} needs no `{key}`"), format!("remove it: {why}"), None, None),
    };
    Some((Diagnostic::error(EXPLANATION.code, span, message).with_help(help).with_fix(fix), meant))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_holds() {
        crate::checks::testing::holds(&EXPLANATION);
    }

    #[test]
    fn what_a_foreign_key_means_is_not_missing() {
        let loaded = crate::checks::testing::loaded("services:\n  user: { ports: [\"9300:9300\"] }\n");
        let codes: Vec<Code> = loaded.diagnostics.iter().map(|d| d.code).collect();
        assert_eq!(codes, [EXPLANATION.code], "{:?}", loaded.diagnostics);
        assert_eq!(loaded.diagnostics[0].help.as_deref(), Some("write `port: 9300`"));
    }

    #[test]
    fn an_engine_s_image_is_a_store() {
        assert_eq!(engine("docker.io/library/postgres:15-alpine"), Some(("postgres", "15")));
        assert_eq!(engine("mariadb"), Some(("postgres", "…")));
        assert_eq!(engine("ghcr.io/example/billing:1.2"), None);
    }
}
