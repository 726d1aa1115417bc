//! From a docker-compose file to a spec, with a list of every key that has no place in one. Nothing is guessed in silence.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_yaml::Value;

/// A key that is not in the spec.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Dropped {
    /// Path in the compose file.
    pub path: String,
    /// Why.
    pub reason: String,
}

/// What came of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The spec.
    pub spec: String,
    /// Everything of the file that is not in it, in order of the paths.
    pub dropped: Vec<Dropped>,
    /// Keys that were taken over.
    pub taken: usize,
}

/// Why a file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// It is no YAML.
    #[error("cannot read the compose file")]
    Yaml(#[from] serde_yaml::Error),
    /// It has no services.
    #[error("the compose file has no services")]
    NoServices,
}

/// Images of engines: a part of the name, the kind of store, the usual port.
const ENGINES: [(&str, &str); 12] = [
    ("postgres", "postgres"),
    ("postgis", "postgres"),
    ("timescaledb", "postgres"),
    ("redis", "redis"),
    ("valkey", "redis"),
    ("mongo", "mongodb"),
    ("cassandra", "cassandra"),
    ("scylla", "cassandra"),
    ("kafka", "kafka"),
    ("elasticsearch", "elasticsearch"),
    ("opensearch", "elasticsearch"),
    ("minio", "s3"),
];
/// Parts of names of images that only look like an engine: consoles, exporters, proxies.
const COMPANIONS: [&str; 10] =
    ["express", "exporter", "ui", "admin", "kibana", "dashboards", "insight", "commander", "rest", "connect"];
/// A store that is written and read by topic.
const LOG: &str = "kafka";
/// First port that is given to a service that says none.
const FIRST_PORT: u16 = 18_000;

/// Turns a compose file into a spec.
///
/// # Errors
/// It is no YAML, or has no services.
pub fn compose(text: &str) -> Result<Imported, ImportError> {
    let mut file: Value = serde_yaml::from_str(text)?;
    file.apply_merge()?;
    let services = file.get("services").and_then(Value::as_mapping).ok_or(ImportError::NoServices)?;
    let mut import = Import { dropped: Vec::new(), taken: 0, secrets: BTreeMap::new(), ports: BTreeSet::new() };
    let names = import.names(services);
    let logs = services.iter().filter(|(_, service)| engine(service) == Some(LOG)).filter_map(|(key, _)| key.as_str());
    let logs: BTreeSet<&str> = logs.collect();
    let (mut parts, mut stores) = (String::new(), String::new());
    for (key, service) in services {
        let Some(original) = key.as_str() else { continue };
        let name = &names[original];
        match engine(service) {
            Some(kind) => {
                import.drop_rest(original, service, &["image"], "a store is run by archgen or by whoever runs it");
                let _ = writeln!(stores, "  {name}: {{ kind: {kind}, embedded: true }}");
            }
            None => parts.push_str(&import.service((original, name), service, &names, &logs)),
        }
    }
    for (key, value) in file.as_mapping().into_iter().flatten() {
        let Some(key) = key.as_str().filter(|k| !["services", "name"].contains(k)) else { continue };
        let reason = match key {
            "version" => "it has no meaning any more",
            "volumes" => "archgen keeps data under its own folder, a real engine where its owner says",
            "networks" => "who may call whom follows from `needs`",
            "secrets" | "configs" => "declare under `secrets` what a program reads",
            _ if key.starts_with("x-") => "an extension: what refers to it was taken over",
            _ => "no such thing in a spec",
        };
        import.every(key, value, reason);
    }
    Ok(import.finish(&file, parts, stores))
}

struct Import {
    dropped: Vec<Dropped>,
    taken: usize,
    /// Name in the spec to variable.
    secrets: BTreeMap<String, String>,
    ports: BTreeSet<u16>,
}

fn engine(service: &Value) -> Option<&'static str> {
    let image = service.get("image")?.as_str()?;
    // The registry's host and the tag say nothing of what it is.
    let name = image.rsplit('/').next()?.split([':', '@']).next()?;
    if COMPANIONS.iter().any(|c| name.split(['-', '_']).any(|part| part == *c)) {
        return None;
    }
    ENGINES.iter().find(|(part, _)| name.contains(part)).map(|(_, kind)| *kind)
}

/// A scalar as text.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null => Some(String::new()),
        _ => None,
    }
}

/// Text in quotes, in which `${` of the spec's own variables does not occur.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text.replace("${", "$${")).to_string()
}

impl Import {
    /// Legal and distinct names.
    fn names(&self, services: &serde_yaml::Mapping) -> BTreeMap<String, String> {
        let mut names = BTreeMap::new();
        let mut used: BTreeSet<String> = ["gateway", "realtime", "registry"].map(str::to_owned).into();
        for original in services.keys().filter_map(Value::as_str) {
            let lower = original.to_ascii_lowercase();
            let mut name: String = lower.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
            name = name.trim_matches('-').to_owned();
            if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
                name.insert_str(0, "s-");
            }
            name.truncate(40);
            let mut free = name.trim_end_matches('-').to_owned();
            let mut number = 2;
            while !used.insert(free.clone()) {
                free = format!("{name}-{number}");
                number += 1;
            }
            names.insert(original.to_owned(), free);
        }
        names
    }

    fn drop(&mut self, path: String, reason: &str) {
        self.dropped.push(Dropped { path, reason: reason.to_owned() });
    }

    /// Everything below a key.
    fn every(&mut self, path: &str, value: &Value, reason: &str) {
        match value.as_mapping().filter(|m| !m.is_empty()) {
            Some(map) => {
                for key in map.keys().filter_map(Value::as_str) {
                    self.drop(format!("{path}.{key}"), reason);
                }
            }
            None => self.drop(path.to_owned(), reason),
        }
    }

    fn drop_rest(&mut self, original: &str, service: &Value, taken: &[&str], reason: &str) {
        for (key, _) in service.as_mapping().into_iter().flatten() {
            let Some(key) = key.as_str() else { continue };
            if taken.contains(&key) {
                self.taken += 1;
            } else {
                self.drop(format!("services.{original}.{key}"), reason);
            }
        }
    }

    fn service(
        &mut self,
        (original, name): (&str, &str),
        service: &Value,
        names: &BTreeMap<String, String>,
        logs: &BTreeSet<&str>,
    ) -> String {
        let path = |key: &str| format!("services.{original}.{key}");
        let mut text = format!("  {name}:\n    kind: process\n");
        let command = self.command(original, service, name);
        let _ = writeln!(text, "    command: [{}]", command.iter().map(|a| quoted(a)).collect::<Vec<_>>().join(", "));
        let _ = writeln!(text, "    port: {}", self.port(service));
        let replicas = service.get("deploy").and_then(|d| d.get("replicas")).or_else(|| service.get("scale"));
        if let Some(count) = replicas.and_then(Value::as_u64).filter(|n| (1..=100_000).contains(n)) {
            let _ = writeln!(text, "    replicas: {count}");
        }
        let (topics, needs): (Vec<String>, Vec<String>) =
            needs(service).into_iter().partition(|n| logs.contains(n.as_str()));
        for log in topics {
            let reason = "a log is written and read by topic: say which under `publishes` and `consumes`";
            self.drop(format!("{}.{log}", path("depends_on")), reason);
        }
        let needs: BTreeSet<&String> = needs.iter().filter_map(|n| names.get(n)).filter(|n| *n != name).collect();
        if !needs.is_empty() {
            let _ = writeln!(text, "    needs: [{}]", needs.into_iter().cloned().collect::<Vec<_>>().join(", "));
        }
        if let Some(grace) = service.get("stop_grace_period").and_then(Value::as_str).filter(|g| plain_period(g)) {
            let _ = writeln!(text, "    stop_within: {grace}");
        }
        let environment = self.environment(original, name, service);
        if !environment.is_empty() {
            let _ = writeln!(text, "    env: {{ {} }}", environment.join(", "));
        }
        for (key, value) in service.as_mapping().into_iter().flatten() {
            let Some(key) = key.as_str() else { continue };
            let reason = match key {
                "command" | "entrypoint" | "environment" | "depends_on" | "links" | "scale" | "ports" | "expose" => {
                    self.taken += 1;
                    continue;
                }
                "stop_grace_period" if value.as_str().is_some_and(plain_period) => {
                    self.taken += 1;
                    continue;
                }
                "image" | "build" => {
                    "a spec names programs, not images: Compose asks for one in NAME_IMAGE, Kubernetes in an overlay"
                }
                "volumes" | "tmpfs" => "a program of your own keeps its data where it likes",
                "networks" | "network_mode" => "who may call whom follows from `needs`",
                "restart" => "`restart: backoff 200ms..30s` is the default",
                "healthcheck" => "an instance is asked over HTTP: write `health: /path every 5s`",
                "container_name" | "hostname" => "instances have names of their own: NAME-1, NAME-2",
                "deploy" => "of `deploy` only `replicas` is taken",
                "env_file" => "a file that is not here: write its variables under `env`",
                "secrets" | "configs" => "declare under `secrets` and refer to it as `secret:NAME`",
                "labels" | "logging" | "profiles" => "no such thing in a spec",
                _ => "a spec has no place for it",
            };
            self.every(&path(key), value, reason);
        }
        text
    }

    fn command(&mut self, original: &str, service: &Value, name: &str) -> Vec<String> {
        let words = |value: &Value| -> Vec<String> {
            match value {
                Value::Sequence(all) => all.iter().filter_map(scalar).collect(),
                Value::String(text) if !text.is_empty() => vec!["sh".to_owned(), "-c".to_owned(), text.clone()],
                _ => Vec::new(),
            }
        };
        let mut all = service.get("entrypoint").map(words).unwrap_or_default();
        all.extend(service.get("command").map(words).unwrap_or_default());
        for word in &mut all {
            // Compose writes a plain `$` as two; the end of a block of text is no part of a command.
            *word = word.trim_end().replace("$$", "$");
        }
        all.retain(|word| !word.is_empty());
        if all.iter().any(|word| word.chars().any(char::is_control)) {
            all.clear();
            self.drop(
                format!("services.{original}.command"),
                "a program of several lines: put it into a file and name that",
            );
        }
        // What the image would run is not in the file.
        if all.is_empty() { vec![format!("./{name}")] } else { all }
    }

    /// The first container port, or a free one.
    fn port(&mut self, service: &Value) -> u16 {
        let listed = ["ports", "expose"].iter().filter_map(|k| service.get(*k)?.as_sequence()).flatten();
        let container = |value: &Value| -> Option<u16> {
            if let Some(target) = value.get("target") {
                return scalar(target)?.parse().ok();
            }
            let text = scalar(value)?;
            text.split('/').next()?.rsplit(':').next()?.split('-').next()?.parse().ok()
        };
        let wanted = listed.filter_map(container).find(|p| *p > 0 && !self.ports.contains(p));
        let port =
            wanted.unwrap_or_else(|| (FIRST_PORT..u16::MAX).find(|p| !self.ports.contains(p)).unwrap_or(FIRST_PORT));
        self.ports.insert(port);
        port
    }

    fn environment(&mut self, original: &str, name: &str, service: &Value) -> Vec<String> {
        let mut all: BTreeMap<String, Option<String>> = BTreeMap::new();
        match service.get("environment") {
            Some(Value::Mapping(map)) => {
                let pairs = map
                    .iter()
                    .filter_map(|(k, v)| Some((k.as_str()?.to_owned(), if v.is_null() { None } else { scalar(v) })));
                all.extend(pairs);
            }
            Some(Value::Sequence(list)) => {
                for line in list.iter().filter_map(Value::as_str) {
                    let (key, value) = line.split_once('=').map_or((line, None), |(k, v)| (k, Some(v.to_owned())));
                    all.insert(key.to_owned(), value);
                }
            }
            _ => {}
        }
        let mut written = Vec::new();
        for (key, value) in all {
            let legal = key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            if !legal {
                self.drop(format!("services.{original}.environment.{key}"), "no legal name of a variable");
                continue;
            }
            match value {
                Some(text) if !text.contains('$') && !secret_name(&key) && !password_in_address(&text) => {
                    written.push(format!("{key}: {}", quoted(&text)))
                }
                // What comes from outside, and what looks like a secret, stays a reference.
                _ => {
                    let secret = format!("{name}-{}", key.to_ascii_lowercase().replace('_', "-"));
                    let secret: String = secret.chars().take(60).collect::<String>().trim_end_matches('-').to_owned();
                    self.secrets.insert(secret.clone(), key.clone());
                    written.push(format!("{key}: {}", quoted(&format!("secret:{secret}"))));
                    let reason =
                        format!("its value is not copied: it is taken from the variable {key} as `secret:{secret}`");
                    self.drop(format!("services.{original}.environment.{key}"), &reason);
                }
            }
        }
        written
    }

    fn finish(mut self, file: &Value, parts: String, stores: String) -> Imported {
        let name = file.get("name").and_then(Value::as_str).unwrap_or("imported").to_ascii_lowercase();
        let mut name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
            name.insert_str(0, "s-");
        }
        let mut spec = format!(
            "# Made from a docker-compose file. What it said beyond this is in the report of `archgen import`.\narchgen: v1\nname: {}\n",
            name.trim_end_matches('-')
        );
        if !self.secrets.is_empty() {
            let all: Vec<String> = self.secrets.iter().map(|(n, v)| format!("  {n}: \"env:{v}\"\n")).collect();
            let _ = write!(spec, "secrets:\n{}", all.concat());
        }
        if !parts.is_empty() {
            let _ = write!(spec, "services:\n{parts}");
        }
        if !stores.is_empty() {
            let _ = write!(spec, "stores:\n{stores}");
        }
        self.dropped.sort_by(|a, b| a.path.cmp(&b.path));
        Imported { spec, dropped: self.dropped, taken: self.taken }
    }
}

fn needs(service: &Value) -> Vec<String> {
    let mut all = Vec::new();
    match service.get("depends_on") {
        Some(Value::Sequence(list)) => all.extend(list.iter().filter_map(scalar)),
        Some(Value::Mapping(map)) => all.extend(map.keys().filter_map(scalar)),
        _ => {}
    }
    let links = service.get("links").and_then(Value::as_sequence).into_iter().flatten().filter_map(scalar);
    all.extend(links.map(|l| l.split(':').next().unwrap_or_default().to_owned()));
    all
}

fn plain_period(text: &str) -> bool {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    !digits.is_empty()
        && digits.bytes().all(|b| b.is_ascii_digit())
        && ["s", "m", "ms"].contains(&&text[digits.len()..])
}

/// Whether it is like `scheme://user:password@host`.
fn password_in_address(text: &str) -> bool {
    text.match_indices("://").any(|(at, _)| {
        let authority = text[at + 3..].split(['/', ' ', '"']).next().unwrap_or_default();
        authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
    })
}

fn secret_name(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    [
        "PASSWORD",
        "PASSWD",
        "SECRET",
        "TOKEN",
        "API_KEY",
        "APIKEY",
        "PRIVATE_KEY",
        "ACCESS_KEY",
        "CREDENTIAL",
        "DSN",
        "DATABASE_URL",
    ]
    .iter()
    .any(|word| upper.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_becomes_a_spec_that_passes_its_check() {
        let file = "services:\n  Web_App:\n    image: acme/web:1\n    ports: ['8080:80']\n    environment: { A: 'x', DB_PASSWORD: hunter2, B: \
                    \"${B}\" }\n    depends_on: { db: { condition: service_healthy } }\n    deploy: { replicas: 3 }\n    volumes: ['./a:/a']\n  \
                    db: { image: 'postgres:15-alpine', volumes: ['d:/d'] }\n  pg-admin: { image: dpage/pgadmin4 }\nvolumes: { d: {} }\n";
        let made = compose(file).expect("a spec");
        let none = |_: &str| Err(archgen_spec::ReadError::Missing);
        let loaded = archgen_spec::load("t.yaml", made.spec.clone(), None, &none, &|_| None);
        let topology = loaded.topology.unwrap_or_else(|| panic!("{:?}\n{}", loaded.diagnostics, made.spec));
        let (_, web) = topology.service_named("web-app").expect("the service");
        assert_eq!((web.port, web.replicas), (80, 3));
        assert!(topology.store_named("db").is_some());
        assert!(!made.spec.contains("hunter2"), "{}", made.spec);
        let paths: Vec<&str> = made.dropped.iter().map(|d| d.path.as_str()).collect();
        for path in
            ["services.Web_App.volumes", "services.db.volumes", "volumes.d", "services.Web_App.environment.DB_PASSWORD"]
        {
            assert!(paths.contains(&path), "{path} is reported: {paths:?}");
        }
    }

    #[test]
    fn what_real_files_have_besides() {
        // Each of these was in a file of a public repository and made a spec that its check refused.
        let file = "services:\n  log: { image: 'bitnami/kafka:3' }\n  db: { image: postgres }\n  a:\n    image: a\n    command: >\n      --port 1 \
                    --host 0.0.0.0\n    depends_on: [log, db]\n    environment: { STORE: 'mongodb://root:hunter2@db:27017/a?b=c' }\n  b:\n    image: \
                    b\n    command: |\n      set -e\n      echo $$HOME\n";
        let made = compose(file).expect("a spec");
        let none = |_: &str| Err(archgen_spec::ReadError::Missing);
        let loaded = archgen_spec::load("t.yaml", made.spec.clone(), None, &none, &|_| None);
        assert!(loaded.topology.is_some(), "{:?}\n{}", loaded.diagnostics, made.spec);
        assert!(made.spec.contains("needs: [db]") && !made.spec.contains("hunter2"), "{}", made.spec);
        let paths: Vec<&str> = made.dropped.iter().map(|d| d.path.as_str()).collect();
        for path in ["services.a.depends_on.log", "services.b.command", "services.a.environment.STORE"] {
            assert!(paths.contains(&path), "{path} is reported: {paths:?}");
        }
    }

    #[test]
    fn what_is_no_compose_file_is_refused() {
        assert!(compose("a: [").is_err());
        assert!(matches!(compose("version: '3'"), Err(ImportError::NoServices)));
    }
}
