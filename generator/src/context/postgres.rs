//! PostgreSQL: tables, hash partitions and indexes.

use archgen_spec::topology::{Column, Component, Dataset, DatasetShape, Need, Store, StoreId, StoreKind, Topology};
use serde::Serialize;

use super::Files;
use super::container::ENGINE_FILES;
use super::schema_facts::SchemaFacts;
use crate::GenerateError;
use crate::render::{Content, Engine, sql_identifier};

#[derive(Serialize, Default)]
struct Context<'a> {
    system: &'a str,
    store: &'a str,
    tables: Vec<Table<'a>>,
    roles: Vec<Role<'a>>,
    port: u16,
    engine_files: &'static str,
    /// Whether `archgen up` starts it: a primary on loopback.
    here: bool,
    copies: u32,
    standbys: u32,
    senders: u32,
    /// Every partition of a statement takes a lock.
    locks: u32,
    kept: Vec<Kept>,
    /// Whether a table has a wall between tenants.
    walls: bool,
}

/// What a component may do.
#[derive(Serialize)]
struct Role<'a> {
    name: String,
    connections_max: u32,
    tables: Vec<&'a str>,
}

/// What is written for each store.
const FILES: [&str; 9] = [
    "schema.sql",
    "rollback.sql",
    "roles.sql",
    "roles-rollback.sql",
    "citus.sql",
    "primary.conf",
    "standby.conf",
    "pg_hba.conf",
    "start.sh",
];
/// Connections of one instance.
const CONNECTIONS_PER_INSTANCE: u32 = 10;

/// A table of what archgen's own services keep.
#[derive(Serialize)]
struct Kept {
    name: &'static str,
    unique: Vec<FoundBy>,
    indexes: Vec<FoundBy>,
}

/// A field by which rows are found, and the index that finds them.
#[derive(Serialize)]
struct FoundBy {
    index: String,
    field: &'static str,
}

impl Kept {
    fn new((name, unique, indexes): &(&'static str, &[&'static str], &[&'static str])) -> Self {
        let found = |field: &&'static str, end| FoundBy { index: format!("{name}_{field}{end}"), field };
        Self {
            name: *name,
            unique: unique.iter().map(|field| found(field, "_unique")).collect(),
            indexes: indexes.iter().map(|field| found(field, "")).collect(),
        }
    }
}

/// The tables of the accounts port with the fields by which their rows are found. The test `engines` holds them against the port.
const KEPT: &[(&str, &[&str], &[&str])] = &[
    ("users", &["email", "handle"], &[]),
    ("sessions", &[], &["user"]),
    ("refresh_tokens", &[], &["family"]),
    ("oauth_clients", &[], &[]),
    ("auth_codes", &[], &[]),
    ("signing_keys", &[], &[]),
    ("channels", &["dm_key"], &["kind", "expires"]),
    ("members", &[], &["channel", "user"]),
    ("drafts", &[], &["user"]),
    ("bookmarks", &[], &["user"]),
    ("keywords", &[], &[]),
    ("scheduled", &[], &["user"]),
    ("groups", &[], &[]),
    ("outbox", &[], &[]),
];

#[derive(Serialize)]
struct Table<'a> {
    name: &'a str,
    columns: Vec<Line<'a>>,
    key: Vec<&'a str>,
    shard: Option<&'a str>,
    /// What lets a tenant see its own rows alone.
    wall: Option<Wall>,
    /// Citus advises 32 to 128.
    citus_shards: u32,
    partitions: Vec<Partition>,
    unique: Vec<Unique<'a>>,
    indexes: Vec<Index<'a>>,
}

#[derive(Serialize)]
struct Line<'a> {
    name: &'a str,
    kind: &'a str,
    required: bool,
}

#[derive(Serialize)]
struct Partition {
    name: String,
    modulus: u32,
    remainder: u32,
}

/// A unique column. A partitioned table can promise uniqueness only together with its shard column, so that such a
/// column gets a table of claims beside it.
#[derive(Serialize)]
struct Unique<'a> {
    column: &'a str,
    kind: &'a str,
    constraint: String,
    claims: Option<String>,
}

#[derive(Serialize)]
struct Index<'a> {
    name: String,
    columns: &'a [String],
}

/// `postgres/<store>/…` for each PostgreSQL store: schema, roles, their rollbacks, the Citus variant, configuration of its nodes.
pub(crate) fn files(topology: &Topology, here: bool, engine: &Engine, files: &mut Files) -> Result<(), GenerateError> {
    for (index, store) in topology.stores.iter().enumerate().filter(|(_, s)| s.kind == StoreKind::Postgres) {
        let mut tables = Vec::new();
        for dataset in &store.datasets {
            if let DatasetShape::PostgresTable { key, columns, .. } = &dataset.shape {
                let place = format!("{}.{}", store.name, dataset.name);
                check_kinds(&place, key.iter().chain(columns))?;
            }
            tables.extend(table(dataset));
        }
        let kept = KEPT.iter().map(Kept::new).collect();
        let standbys = store.copies.saturating_sub(1);
        let partitions: u32 = tables.iter().map(|t| t.partitions.len() as u32).sum();
        let context = Context {
            system: &topology.name,
            store: &store.name,
            walls: tables.iter().any(|t| t.wall.is_some()),
            tables,
            roles: roles(topology, StoreId(index)),
            port: store.port,
            engine_files: ENGINE_FILES,
            here,
            copies: store.copies.max(1),
            standbys,
            senders: standbys + 4,
            locks: (partitions * 2).next_power_of_two().max(64),
            kept,
        };
        let content = Content::of(&context);
        for file in FILES {
            let text = engine.render(&format!("postgres/{file}"), &content)?;
            files.insert(format!("postgres/{}/{file}", store.name), text);
        }
    }
    Ok(())
}

/// The statements that make one table.
pub(crate) fn create_table(datasets: &[Dataset], name: &str) -> Result<String, GenerateError> {
    let tables = datasets.iter().filter(|d| d.name == name).filter_map(table);
    let context = Context { tables: tables.collect(), ..Context::default() };
    Engine::new()?.render("postgres/schema.sql", &Content::of(&context))
}

/// What PostgreSQL says of the tables. Types are as the spec writes them: the server knows its other names for them.
pub(crate) fn facts(store: &Store) -> SchemaFacts {
    let mut facts = SchemaFacts::new();
    for table in store.datasets.iter().filter_map(table) {
        facts.insert(format!("table {}", table.name), format!("key ({})", table.key.join(", ")));
        for column in &table.columns {
            facts.insert(format!("column {}.{}", table.name, column.name), column.kind.to_owned());
        }
        for index in &table.indexes {
            let form = format!("on {} ({})", table.name, index.columns.join(", "));
            facts.insert(format!("index {}", index.name), form);
        }
        if table.shard.is_some() {
            facts.insert(format!("partitions of {}", table.name), table.partitions.len().to_string());
        }
        if table.wall.is_some() {
            facts.insert(format!("tenant wall of {}", table.name), "up".to_owned());
        }
        for unique in &table.unique {
            if let Some(claims) = &unique.claims {
                facts.insert(format!("table {claims}"), format!("key ({})", unique.column));
                facts.insert(format!("column {claims}.{}", unique.column), unique.kind.to_owned());
            }
        }
    }
    facts
}

/// A role for each component that needs the store, with the tables that it needs.
fn roles(topology: &Topology, id: StoreId) -> Vec<Role<'_>> {
    let store = topology.store(id);
    let needs = |component: Component| -> &[Need] {
        match component {
            Component::Service(service) => &topology.service(service).needs,
            Component::Realtime => topology.realtime.as_ref().map_or(&[], |r| &r.needs),
            _ => &[],
        }
    };
    let mut roles = Vec::new();
    for component in topology.components() {
        let mut tables: Vec<&str> = needs(component).iter().flat_map(|n| named(store, id, *n)).collect();
        tables.sort_unstable();
        tables.dedup();
        if tables.is_empty() {
            continue;
        }
        let count = topology.component_instances(component).len() as u32;
        roles.push(Role {
            name: format!("{}_{}", store.namespace, topology.component_name(component)),
            connections_max: (count * CONNECTIONS_PER_INSTANCE).max(CONNECTIONS_PER_INSTANCE),
            tables,
        });
    }
    roles
}

fn named(store: &Store, id: StoreId, need: Need) -> Vec<&str> {
    match need {
        Need::Store(of) if of == id => store.datasets.iter().map(|d| d.name.as_str()).collect(),
        Need::Dataset(of) if of.store == id => vec![store.datasets[of.dataset].name.as_str()],
        _ => Vec::new(),
    }
}

/// Types are placed as they stand, so that only what looks like one may pass.
pub(crate) fn check_kinds<'a>(dataset: &str, columns: impl Iterator<Item = &'a Column>) -> Result<(), GenerateError> {
    let legal = |c: char| c.is_ascii_alphanumeric() || "_ ,()[]<>".contains(c);
    for column in columns {
        if column.kind.is_empty() || !column.kind.chars().all(legal) {
            let (dataset, column, kind) = (dataset.to_owned(), column.name.clone(), column.kind.clone());
            return Err(GenerateError::ColumnType { dataset, column, kind });
        }
    }
    Ok(())
}

fn table(dataset: &Dataset) -> Option<Table<'_>> {
    let DatasetShape::PostgresTable { key, columns, shard, tenant, indexes } = &dataset.shape else { return None };
    let (name, shard) = (dataset.name.as_str(), shard.as_ref());
    let tenant = tenant.as_ref().and_then(|t| key.iter().chain(columns).find(|c| c.name == *t));
    let is_tenant = |c: &Column| tenant.is_some_and(|t| t.name == c.name);
    fn line(c: &Column, required: bool) -> Line<'_> {
        Line { name: &c.name, kind: &c.kind, required }
    }
    let modulus = shard.map_or(0, |s| s.1);
    let partition = |remainder| Partition { name: short(&format!("{name}_p{remainder:04}"), name), modulus, remainder };
    let unique = columns.iter().filter(|c| c.unique).map(|c| Unique {
        column: &c.name,
        kind: &c.kind,
        constraint: short(&format!("{name}_{}_unique", c.name), name),
        claims: shard.map(|_| short(&format!("{name}_{}_claims", c.name), name)),
    });
    Some(Table {
        name,
        // A row of nobody could never be seen again.
        columns: key.iter().map(|c| line(c, true)).chain(columns.iter().map(|c| line(c, is_tenant(c)))).collect(),
        key: key.iter().map(|c| c.name.as_str()).collect(),
        shard: shard.map(|s| s.0.as_str()),
        wall: tenant.map(|c| wall(name, c)),
        citus_shards: modulus.clamp(32, 128),
        partitions: (0..modulus).map(partition).collect(),
        unique: unique.collect(),
        indexes: indexes
            .iter()
            .map(|(index, columns)| Index { name: short(&format!("{name}_{index}"), name), columns })
            .collect(),
    })
}

/// Row-level security of one table, statement by statement.
#[derive(Serialize)]
pub(crate) struct Wall {
    /// Says who sees what; without effect until the wall is up.
    pub(crate) policy: String,
    /// Puts it up, for the table's owner too.
    pub(crate) up: String,
}

/// The wall between tenants. A transaction says whose it works for (`SET LOCAL archgen.tenant`: what a `SET` says would stay with a pooled
/// connection); one that has not said it works for nobody.
pub(crate) fn wall(table: &str, tenant: &Column) -> Wall {
    let (table, column, kind) = (sql_identifier(table), sql_identifier(&tenant.name), &tenant.kind);
    let is_own = format!("{column} = NULLIF(current_setting('archgen.tenant', true), '')::{kind}");
    Wall {
        policy: format!("CREATE POLICY tenant_wall ON {table} USING ({is_own});"),
        up: format!("ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;"),
    }
}

/// PostgreSQL cuts identifiers at 63 bytes without a word; a longer one ends in a hash of the whole instead.
pub(crate) fn short(name: &str, table: &str) -> String {
    if name.len() <= 63 {
        return name.to_owned();
    }
    let hash = blake3::hash(name.as_bytes()).to_hex();
    format!("{}_{}", &table[..table.len().min(46)], &hash.as_str()[..16])
}
