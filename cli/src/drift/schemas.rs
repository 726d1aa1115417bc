//! The live schemas of real engines, asked with each engine's own client program in a session that may only read.

use std::{
    collections::BTreeMap,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, bail};
use archgen_env::net::Address;
use archgen_generator::{SchemaFacts, schema_facts};
use archgen_spec::topology::{Authority, Store, StoreKind, Topology};
use serde_json::Value;

use super::{Drifted, drifted};
use crate::means::reveal;

/// Text of a refusal that is shown, characters.
const REASON_CHARACTERS_MAX: usize = 200;
/// Authorities that the web trusts, as Debian keeps them.
const SYSTEM_AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Compares the schema of every store that is a real engine with an address.
///
/// # Errors
/// An engine cannot be asked: it does not answer, or its client program is not there.
pub fn schemas(topology: &Topology, folder: &Path) -> anyhow::Result<Vec<Drifted>> {
    let mut found = Vec::new();
    for store in topology.stores.iter().filter(|s| !s.endpoints.is_empty()) {
        let mut wanted = schema_facts(store);
        if wanted.is_empty() {
            continue;
        }
        let engine = Engine::of(topology, store, folder).with_context(|| format!("store `{}`", store.name))?;
        let live = engine.facts(&mut wanted).with_context(|| format!("the schema of store `{}`", store.name))?;
        found.extend(compared(&store.name, &wanted, &live));
    }
    Ok(found)
}

fn compared(store: &str, wanted: &SchemaFacts, live: &SchemaFacts) -> Vec<Drifted> {
    let what = |thing: &str| format!("stores.{store} {thing}");
    let mut found = Vec::new();
    for (thing, form) in wanted {
        match live.get(thing) {
            None => found.push(drifted("store", what(thing), "is not there")),
            Some(other) if other != form => {
                found.push(drifted("store", what(thing), format!("is {other} instead of {form}")));
            }
            Some(_) => {}
        }
    }
    let unknown = live.iter().filter(|(thing, _)| !wanted.contains_key(*thing));
    found.extend(
        unknown.map(|(thing, form)| drifted("store", what(thing), format!("is there ({form}) and not in the spec"))),
    );
    found
}

/// One engine and who asks.
struct Engine<'a> {
    store: &'a Store,
    address: Address,
    /// User and password.
    login: Option<(String, String)>,
    /// A file with the authority's certificate.
    authority: Option<(String, Option<tempfile::NamedTempFile>)>,
}

impl<'a> Engine<'a> {
    fn of(topology: &Topology, store: &'a Store, folder: &Path) -> anyhow::Result<Self> {
        let address = store.endpoints.first().context("it has no address")?.parse()?;
        let login = store
            .credentials
            .as_ref()
            .map(|c| Ok::<_, anyhow::Error>((c.user.clone(), reveal(topology, &c.password, folder)?)));
        let authority = match &store.tls {
            None => None,
            Some(Authority::System) => Some((SYSTEM_AUTHORITIES.to_owned(), None)),
            Some(Authority::Secret(name)) => {
                let file = private(&reveal(topology, name, folder)?)?;
                Some((file.path().display().to_string(), Some(file)))
            }
        };
        Ok(Self { store, address, login: login.transpose()?, authority })
    }

    /// What the engine says. `wanted` is put into its words where it has several for one thing.
    fn facts(&self, wanted: &mut SchemaFacts) -> anyhow::Result<SchemaFacts> {
        match self.store.kind {
            StoreKind::Postgres => self.postgres(wanted),
            StoreKind::Cassandra => self.cassandra(wanted),
            StoreKind::Kafka => self.kafka(wanted),
            StoreKind::Elasticsearch => self.elasticsearch(),
            StoreKind::Mongodb => self.mongodb(wanted),
            StoreKind::Redis | StoreKind::S3 => bail!("it has no schema"),
        }
    }

    fn postgres(&self, wanted: &mut SchemaFacts) -> anyhow::Result<SchemaFacts> {
        let kinds =
            wanted.iter().filter(|(thing, _)| thing.starts_with("column ")).map(|(_, kind)| kind.replace('\'', "''"));
        let mut script = String::from(POSTGRES);
        for kind in kinds.collect::<std::collections::BTreeSet<_>>() {
            script.push_str(&format!("SELECT 'kind {kind}', to_regtype('{kind}')::text;\n"));
        }
        let mut command = Command::new("psql");
        command.args(["-X", "-q", "-At", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-f", "-"]);
        command.args(["-h", &self.address.host, "-p", &self.address.port.to_string(), "-d", &self.store.namespace]);
        command.env("PGOPTIONS", "-c default_transaction_read_only=on").env("PGCONNECT_TIMEOUT", "5");
        if let Some((user, password)) = &self.login {
            command.args(["-U", user]).env("PGPASSWORD", password);
        }
        if let Some((path, _)) = &self.authority {
            command.env("PGSSLMODE", "verify-full").env("PGSSLROOTCERT", path);
        }
        let mut live = lines(&ask(command, &script)?);
        let names: BTreeMap<String, String> =
            live.iter().filter_map(|(t, form)| Some((t.strip_prefix("kind ")?.to_owned(), form.clone()))).collect();
        live.retain(|thing, _| !thing.starts_with("kind "));
        for (_, form) in wanted.iter_mut().filter(|(thing, _)| thing.starts_with("column ")) {
            if let Some(name) = names.get(form).filter(|n| !n.is_empty()) {
                form.clone_from(name);
            }
        }
        Ok(live)
    }

    fn cassandra(&self, wanted: &SchemaFacts) -> anyhow::Result<SchemaFacts> {
        let keyspace: String = self.store.namespace.chars().take(48).collect();
        let mut command = Command::new("cqlsh");
        command.args([&self.address.host, &self.address.port.to_string(), "--no-color"]);
        // Arguments are seen by everybody on the machine: passwords go by way of a file that only we read.
        let credentials = self.login.as_ref().map(|(user, password)| {
            private(&format!("[PlainTextAuthProvider]\nusername = {user}\npassword = {password}\n"))
        });
        let credentials = credentials.transpose()?;
        if let Some(file) = &credentials {
            command.arg("--credentials").arg(file.path());
        }
        if let Some((path, _)) = &self.authority {
            command.arg("--ssl").env("SSL_CERTFILE", path).env("SSL_VALIDATE", "true");
        }
        let script = format!(
            "PAGING OFF\nSELECT JSON table_name, column_name, type, kind FROM system_schema.columns WHERE keyspace_name = '{keyspace}';\n\
             SELECT JSON table_name, default_time_to_live FROM system_schema.tables WHERE keyspace_name = '{keyspace}';\n"
        );
        let mut live = SchemaFacts::new();
        for line in ask(command, &script)?.lines().map(str::trim).filter(|l| l.starts_with('{')) {
            let row: Value = serde_json::from_str(line).context("cqlsh's answer")?;
            let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
            // Tables that archgen's services keep there besides.
            if !wanted.contains_key(&format!("table {}", text("table_name"))) {
                continue;
            }
            if row["column_name"].is_null() {
                live.insert(
                    format!("table {}", text("table_name")),
                    format!("rows live {} s", row["default_time_to_live"]),
                );
            } else {
                let kind = text("kind").replace('_', " ");
                live.insert(
                    format!("column {}.{}", text("table_name"), text("column_name")),
                    format!("{} ({kind})", text("type").to_lowercase()),
                );
            }
        }
        Ok(live)
    }

    fn kafka(&self, wanted: &SchemaFacts) -> anyhow::Result<SchemaFacts> {
        let mut command = Command::new("kcat");
        // A file that only we read, also where there is nothing to say: kcat would read the user's own.
        let settings = private(&self.kafka_settings()?)?;
        command.arg("-F").arg(settings.path()).args(["-L", "-J", "-b", &self.store.endpoints.join(",")]);
        let all: Value = serde_json::from_str(&ask(command, "")?).context("kcat's answer")?;
        let mut live = SchemaFacts::new();
        for topic in all["topics"].as_array().into_iter().flatten() {
            let name = format!("topic {}", topic["topic"].as_str().unwrap_or_default());
            let partitions = topic["partitions"].as_array().map_or(0, Vec::len);
            let copies = topic["partitions"][0]["replicas"].as_array().map_or(0, Vec::len);
            live.insert(name, format!("{partitions} partitions, {copies} copies"));
        }
        // Topics of others, and Kafka's own.
        let ours = format!("topic {}.", self.store.namespace);
        live.retain(|thing, _| wanted.contains_key(thing) || thing.starts_with(&ours));
        Ok(live)
    }

    /// librdkafka's settings of who asks.
    fn kafka_settings(&self) -> anyhow::Result<String> {
        let protocol = match (&self.login, &self.authority) {
            (None, None) => return Ok(String::new()),
            (None, Some(_)) => "ssl",
            (Some(_), None) => "sasl_plaintext",
            (Some(_), Some(_)) => "sasl_ssl",
        };
        let mut text = format!("security.protocol={protocol}\n");
        if let Some((user, password)) = &self.login {
            if user.contains('\n') || password.contains('\n') {
                bail!("a login of more than one line cannot stand in kcat's settings");
            }
            text.push_str(&format!("sasl.mechanisms=PLAIN\nsasl.username={user}\nsasl.password={password}\n"));
        }
        if let Some((path, _)) = &self.authority {
            text.push_str(&format!("ssl.ca.location={path}\n"));
        }
        Ok(text)
    }

    fn elasticsearch(&self) -> anyhow::Result<SchemaFacts> {
        let name = &self.store.namespace;
        let scheme = if self.authority.is_some() { "https" } else { "http" };
        let mut command = Command::new("curl");
        command.args(["-sS", "--max-time", "10", "-K", "-"]);
        let mut script = format!("url = \"{scheme}://{}/_index_template/{name}\"\n", self.address);
        script.push_str("write-out = \"\\n%{http_code}\"\n");
        if let Some((user, password)) = &self.login {
            let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
            script.push_str(&format!("user = \"{}:{}\"\n", quoted(user), quoted(password)));
        }
        if let Some((path, _)) = &self.authority {
            script.push_str(&format!("cacert = \"{path}\"\n"));
        }
        let answer = ask(command, &script)?;
        let (body, status) = answer.trim_end().rsplit_once('\n').context("curl's answer")?;
        match status {
            "200" => {}
            // It says so of a template that it does not have.
            "404" => return Ok(SchemaFacts::new()),
            other => {
                bail!("the engine answers {other}: {}", body.chars().take(REASON_CHARACTERS_MAX).collect::<String>())
            }
        }
        let all: Value = serde_json::from_str(body).context("the engine's answer")?;
        let template = &all["index_templates"][0]["index_template"]["template"];
        let number = |key: &str| template["settings"]["index"][key].as_str().unwrap_or("?").to_owned();
        let mut live = SchemaFacts::new();
        let form = format!("{} shards, {} replicas", number("number_of_shards"), number("number_of_replicas"));
        live.insert(format!("template {name}"), form);
        for (field, form) in template["mappings"]["properties"].as_object().into_iter().flatten() {
            // A field without a type is an object.
            live.insert(format!("field {field}"), form["type"].as_str().unwrap_or("object").to_owned());
        }
        Ok(live)
    }

    fn mongodb(&self, wanted: &SchemaFacts) -> anyhow::Result<SchemaFacts> {
        let mut command = Command::new("mongosh");
        let escaped =
            |text: &str| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
        let login = self.login.as_ref().map(|(user, password)| format!("{}:{}@", escaped(user), escaped(password)));
        let tls = self.authority.as_ref().map(|(path, _)| format!("&tls=true&tlsCAFile={}", escaped(path)));
        let url = format!(
            "mongodb://{}{}/{}?authSource=admin{}",
            login.unwrap_or_default(),
            self.address,
            self.store.namespace,
            tls.unwrap_or_default()
        );
        let script = private(&format!("const db = connect({});\n{MONGODB}\n", Value::from(url)))?;
        command.args(["--quiet", "--norc", "--nodb", "--file"]).arg(script.path());
        let text = ask(command, "")?;
        let line = text.lines().rfind(|l| l.starts_with('[')).context("mongosh's answer")?;
        let all: Vec<(String, String, String)> = serde_json::from_str(line).context("mongosh's answer")?;
        // A collection and what belongs to it; dots are parts of names. Others are those that archgen's services keep there besides.
        let ours = |collection: &str| wanted.contains_key(&format!("collection {collection}"));
        let all = all.into_iter().filter(|(collection, ..)| ours(collection));
        Ok(all.map(|(_, thing, form)| (thing, form)).collect())
    }
}

/// A file that only this user reads and that is gone afterwards.
fn private(text: &str) -> anyhow::Result<tempfile::NamedTempFile> {
    let mut file = tempfile::NamedTempFile::new().context("a private file")?;
    file.write_all(text.as_bytes()).context("a private file")?;
    file.flush().context("a private file")?;
    Ok(file)
}

/// Rows of a thing and its form.
fn lines(text: &str) -> SchemaFacts {
    text.lines().filter_map(|line| line.split_once('\t')).map(|(t, f)| (t.to_owned(), f.to_owned())).collect()
}

/// What a program answers to a script.
fn ask(mut command: Command, script: &str) -> anyhow::Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.with_context(|| format!("cannot run `{name}`, the engine's own client program"))?;
    if let Some(mut input) = child.stdin.take() {
        // A program that ends early says why itself.
        let _ = input.write_all(script.as_bytes());
    }
    let output = child.wait_with_output().with_context(|| format!("cannot run `{name}`"))?;
    if !output.status.success() {
        let said = if output.stderr.is_empty() { output.stdout } else { output.stderr };
        bail!("{name}: {}", String::from_utf8_lossy(&said).trim());
    }
    String::from_utf8(output.stdout).with_context(|| format!("what `{name}` says is no text"))
}

/// Tables and what belongs to them, but for partitions, which are their table's.
const POSTGRES: &str = "\
SELECT 'table ' || c.relname, 'key (' || coalesce((SELECT string_agg(a.attname, ', ' ORDER BY k.place) FROM pg_index i, unnest(i.indkey) \
WITH ORDINALITY AS k (number, place), pg_attribute a WHERE i.indrelid = c.oid AND i.indisprimary AND a.attrelid = c.oid AND a.attnum = \
k.number), '') || ')' FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition;
SELECT 'column ' || c.relname || '.' || a.attname, format_type(a.atttypid, NULL) FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid \
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND a.attnum > 0 AND NOT a.attisdropped;
SELECT 'partitions of ' || c.relname, count(h.inhrelid) FROM pg_class c LEFT JOIN pg_inherits h ON h.inhparent = c.oid WHERE c.relnamespace \
= 'public'::regnamespace AND c.relkind = 'p' AND NOT c.relispartition GROUP BY c.relname;
SELECT 'index ' || x.relname, 'on ' || c.relname || ' (' || (SELECT string_agg(a.attname, ', ' ORDER BY k.place) FROM unnest(i.indkey) WITH \
ORDINALITY AS k (number, place), pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = k.number) || ')' FROM pg_index i JOIN pg_class x ON \
x.oid = i.indexrelid JOIN pg_class c ON c.oid = i.indrelid WHERE c.relnamespace = 'public'::regnamespace AND NOT c.relispartition AND NOT \
i.indisprimary AND NOT EXISTS (SELECT 1 FROM pg_constraint n WHERE n.conindid = i.indexrelid);
SELECT 'tenant wall of ' || c.relname, 'up' FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relrowsecurity AND \
c.relforcerowsecurity AND EXISTS (SELECT 1 FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'tenant_wall');
";

/// Collections and indexes: the collection, the thing and its form.
const MONGODB: &str = "\
const all = []; for (const c of db.getCollectionNames()) { all.push([c, 'collection ' + c, 'there']); for (const i of \
db.getCollection(c).getIndexes()) if (i.name !== '_id_') all.push([c, 'index ' + c + '.' + i.name, Object.entries(i.key).map(([f, w]) => f + \
': ' + w).join(', ')]); } print(JSON.stringify(all));";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_named() {
        let facts =
            |all: &[(&str, &str)]| all.iter().map(|(t, f)| ((*t).to_owned(), (*f).to_owned())).collect::<SchemaFacts>();
        let wanted = facts(&[("table a", "key (id)"), ("column a.id", "uuid"), ("column a.b", "text")]);
        let live = facts(&[("table a", "key (id)"), ("column a.id", "bigint"), ("column a.c", "text")]);
        let found: Vec<(String, String)> =
            compared("users", &wanted, &live).into_iter().map(|d| (d.what, d.how)).collect();
        let pair = |what: &str, how: &str| (what.to_owned(), how.to_owned());
        assert_eq!(
            found,
            [
                pair("stores.users column a.b", "is not there"),
                pair("stores.users column a.id", "is bigint instead of uuid"),
                pair("stores.users column a.c", "is there (text) and not in the spec"),
            ]
        );
        assert!(compared("users", &wanted, &wanted).is_empty());
    }
}
