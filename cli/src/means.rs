//! What real stores and a real registry need and only the command line can bring: the texts of secrets, and the generated schemas.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, bail};
use archgen_fleet::{Means, Secret};
use archgen_generator::{Options, Target, generate};
use archgen_spec::topology::{Authority, SecretSource, StoreKind, Topology};

/// The kinds whose schema the generator writes: its target, and the file below `<target>/<store>/`.
const SCHEMAS: [(StoreKind, Target, &str); 4] = [
    (StoreKind::Postgres, Target::Postgres, "schema.sql"),
    (StoreKind::Cassandra, Target::Cassandra, "schema.cql"),
    (StoreKind::Kafka, Target::Kafka, "topics.json"),
    (StoreKind::Elasticsearch, Target::Elasticsearch, "template.json"),
];

/// The means of the real stores of this topology.
///
/// # Errors
/// A secret is not there, or a schema cannot be written.
pub fn means(topology: &Topology, folder: &Path) -> anyhow::Result<Means> {
    let mut means = Means::default();
    for store in topology.stores.iter().filter(|s| s.is_real()) {
        let password = store.credentials.as_ref().map(|pair| &pair.password);
        let authority = match &store.tls {
            Some(Authority::Secret(name)) => Some(name),
            _ => None,
        };
        for name in password.into_iter().chain(authority) {
            let text = reveal(topology, name, folder)
                .with_context(|| format!("store `{}` needs the secret `{name}`", store.name))?;
            means.secrets.insert(name.clone(), Secret::new(text));
        }
    }
    if let Some(token) = topology.registry.as_ref().filter(|r| r.is_real()).and_then(|r| r.token.as_ref()) {
        let text =
            reveal(topology, token, folder).with_context(|| format!("the registry needs the secret `{token}`"))?;
        means.secrets.insert(token.clone(), Secret::new(text));
    }
    means.schemas = schemas(topology)?;
    Ok(means)
}

fn schemas(topology: &Topology) -> anyhow::Result<BTreeMap<String, String>> {
    let mut schemas = BTreeMap::new();
    for (kind, target, file) in SCHEMAS {
        if !topology.stores.iter().any(|s| s.is_real() && s.kind == kind) {
            continue;
        }
        let mut artifacts = generate(topology, &Options { only: vec![target], ..Options::default() })?;
        for store in topology.stores.iter().filter(|s| s.is_real() && s.kind == kind) {
            let path = format!("{}/{}/{file}", target.name(), store.name);
            let text = artifacts.files.remove(&path).with_context(|| format!("`{path}` is not generated"))?;
            schemas.insert(store.name.clone(), text);
        }
    }
    Ok(schemas)
}

/// The text of a secret.
///
/// # Errors
/// It is not declared, or not there.
pub fn reveal(topology: &Topology, name: &str, folder: &Path) -> anyhow::Result<String> {
    match topology.secrets.get(name) {
        Some(SecretSource::Environment(variable)) => {
            std::env::var(variable).with_context(|| format!("the variable `{variable}` is not set"))
        }
        Some(SecretSource::File(path)) => {
            let text = fs::read_to_string(folder.join(path)).with_context(|| format!("cannot read `{path}`"))?;
            Ok(text.trim_end_matches(['\n', '\r']).to_owned())
        }
        None => bail!("the spec declares no such secret"),
    }
}
