//! The accounts port, and the backend around it.

use std::sync::Arc;

use archgen_env::Env;
use archgen_ports::{
    StoreError,
    accounts::{Accounts, Commit, Expect, Row, Table, Write, table},
};
use async_trait::async_trait;
use serde_json::{Map, Value};
use sqlx::{AssertSqlSafe, Error, PgConnection};

use super::{
    faults::is_contention,
    link::{Link, connect},
    schema,
};
use crate::{Backend, Failure, Fault, Metrics, PortSet, Server, Target};

/// Tries of a transaction that is given up for another's sake.
const COMMIT_TRIES_MAX: usize = 4;
/// Rows in one answer.
const ROWS_MAX: usize = 10_000;
/// Writes in one transaction.
const WRITES_MAX: usize = 1_000;

/// Accounts on one primary. Cloning shares the connections.
#[derive(Clone)]
struct PostgreSql(Arc<Link>);

/// A backend for this target.
pub(crate) fn open(env: &Env, target: Target, metrics: Metrics) -> Arc<dyn Backend> {
    Arc::new(PostgreSql(Arc::new(Link::new(env, target, metrics))))
}

#[async_trait]
impl Backend for PostgreSql {
    fn target(&self) -> &Target {
        &self.0.target
    }

    fn ports(&self) -> PortSet {
        PortSet { accounts: Some(Arc::new(self.clone())), ..PortSet::default() }
    }

    async fn check(&self) -> Result<Server, Fault> {
        let link = &self.0;
        if let Ok(mut connection) = link.acquire().await {
            return schema::verify(&mut connection, &link.target).await;
        }
        // A connection outside the pool says why there is none.
        let connected = connect(&link.target, &link.target.namespace).await;
        let (mut connection, _) = connected.map_err(|(kind, _)| kind.at(&link.target))?;
        schema::verify(&mut connection, &link.target).await
    }

    async fn prepare(&self) -> Result<Server, Fault> {
        schema::create(&self.0.target).await
    }
}

fn known(name: &str) -> Result<&'static Table, StoreError> {
    table(name).ok_or_else(|| StoreError::Refused(format!("there is no table `{name}`")))
}

/// What a stored row is read as.
type Stored = (String, i64, String);

fn row((key, version, value): Stored) -> Result<Row, Failure> {
    let value = serde_json::from_str(&value).map_err(|error| Failure::Refused(format!("row `{key}`: {error}")))?;
    Ok(Row { key, version: version as u64, value })
}

/// A hash of a row's place: FNV-1a, 64 bits.
fn place(table: &str, key: &str) -> i64 {
    let bytes = table.bytes().chain([0]).chain(key.bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3)) as i64
}

/// A transaction as the generated function takes it.
#[derive(Default)]
struct Arguments {
    locks: Vec<i64>,
    tables: Vec<String>,
    keys: Vec<String>,
    expects: Vec<i64>,
    contents: Vec<Option<String>>,
    lookups: Vec<String>,
    uniques: Vec<String>,
}

/// Those of the fields that are texts, as a JSON object.
fn texts<'a>(value: Option<&Value>, fields: impl Iterator<Item = &'a &'static str>) -> String {
    let found =
        fields.filter_map(|field| Some(((*field).to_owned(), value?.get(field).filter(|v| v.is_string())?.clone())));
    Value::Object(found.collect::<Map<_, _>>()).to_string()
}

fn arguments(writes: &[Write]) -> Result<Arguments, StoreError> {
    if writes.len() > WRITES_MAX {
        return Err(StoreError::Refused(format!("more than {WRITES_MAX} writes in one transaction")));
    }
    let mut all = Arguments::default();
    for write in writes {
        let table = known(&write.table)?;
        let value = write.value.as_ref();
        all.locks.push(place(table.name, &write.key));
        all.tables.push(table.name.to_owned());
        all.keys.push(write.key.clone());
        all.expects.push(match write.expect {
            Expect::Any => -1,
            Expect::Absent => 0,
            Expect::Version(version) => i64::try_from(version).unwrap_or(i64::MAX),
        });
        all.contents.push(value.map(Value::to_string));
        all.lookups.push(texts(value, table.unique.iter().chain(table.indexes)));
        all.uniques.push(texts(value, table.unique.iter()));
    }
    all.locks.sort_unstable();
    all.locks.dedup();
    Ok(all)
}

/// The unique field whose index refuses a value, where that is the error: another transaction took it meanwhile.
fn taken(error: &Error) -> Option<Commit> {
    let answer = error.as_database_error().filter(|answer| answer.is_unique_violation())?;
    let table = table(answer.table()?)?;
    let index = answer.constraint()?;
    let field = table.unique.iter().find(|field| index == format!("{}_{field}_unique", table.name))?;
    Some(Commit::Taken { table: table.name.to_owned(), field: (*field).to_owned() })
}

async fn apply(connection: &mut PgConnection, all: &Arguments) -> Result<Commit, Error> {
    let answer: (String, Option<String>, Option<String>) =
        sqlx::query_as("SELECT outcome, place, what FROM archgen.commit_writes($1, $2, $3, $4, $5, $6, $7)")
            .bind(&all.locks)
            .bind(&all.tables)
            .bind(&all.keys)
            .bind(&all.expects)
            .bind(&all.contents)
            .bind(&all.lookups)
            .bind(&all.uniques)
            .fetch_one(connection)
            .await?;
    let (outcome, table, what) = (answer.0, answer.1.unwrap_or_default(), answer.2.unwrap_or_default());
    Ok(match outcome.as_str() {
        "conflict" => Commit::Conflict { table, key: what },
        "taken" => Commit::Taken { table, field: what },
        _ => Commit::Applied,
    })
}

impl PostgreSql {
    async fn rows(&self, text: &str, values: &[&str], limit: usize) -> Result<Vec<Row>, StoreError> {
        let link = &self.0;
        link.guard
            .read(|| async move {
                let mut connection = link.acquire().await?;
                let mut query = sqlx::query_as::<_, Stored>(AssertSqlSafe(text.to_owned()));
                for value in values {
                    query = query.bind(*value);
                }
                match query.bind(limit.min(ROWS_MAX) as i64).fetch_all(&mut *connection).await {
                    Ok(rows) => rows.into_iter().map(row).collect(),
                    Err(error) => Err(link.failed(&error).await),
                }
            })
            .await
    }
}

#[async_trait]
impl Accounts for PostgreSql {
    async fn get(&self, table: &str, key: &str) -> Result<Option<Row>, StoreError> {
        let name = known(table)?.name;
        let text = format!("SELECT key, version, value::text FROM archgen.{name} WHERE key = $1 LIMIT $2");
        Ok(self.rows(&text, &[key], 1).await?.pop())
    }

    async fn find(
        &self,
        table: &str,
        field: &str,
        value: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError> {
        let table = known(table)?;
        let Some(field) = table.unique.iter().chain(table.indexes).find(|known| **known == field) else {
            return Err(StoreError::Refused(format!("`{}` has no index on `{field}`", table.name)));
        };
        let text = format!(
            "SELECT key, version, value::text FROM archgen.{} WHERE lookup ->> '{field}' = $1 AND key > $2 ORDER BY key LIMIT $3",
            table.name
        );
        self.rows(&text, &[value, after.unwrap_or_default()], limit).await
    }

    async fn scan(&self, table: &str, after: Option<&str>, limit: usize) -> Result<Vec<Row>, StoreError> {
        let name = known(table)?.name;
        let text = format!("SELECT key, version, value::text FROM archgen.{name} WHERE key > $1 ORDER BY key LIMIT $2");
        self.rows(&text, &[after.unwrap_or_default()], limit).await
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<Commit, StoreError> {
        let all = arguments(&writes)?;
        if writes.is_empty() {
            return Ok(Commit::Applied);
        }
        let link = &self.0;
        link.guard
            .write(async {
                let mut connection = link.acquire().await?;
                for tried in 1.. {
                    let error = match apply(&mut connection, &all).await {
                        Ok(commit) => return Ok(commit),
                        Err(error) => error,
                    };
                    if let Some(commit) = taken(&error) {
                        return Ok(commit);
                    }
                    if !is_contention(&error) || tried >= COMMIT_TRIES_MAX {
                        return Err(link.failed(&error).await);
                    }
                }
                Err(Failure::Refused("nothing was tried".to_owned()))
            })
            .await
    }
}
