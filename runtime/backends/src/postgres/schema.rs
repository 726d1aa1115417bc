//! The generated schema in the database: made once, under an advisory lock, and recognised afterwards.

use std::time::Duration;

use archgen_ports::accounts::TABLES;
use sqlx::{AssertSqlSafe, Connection, Error, PgConnection};

use super::{
    faults::{fault, is_made_already, is_no_database},
    link::connect,
};
use crate::{Fault, FaultKind, Server, Target};

/// The layout of the tables that this program reads and writes. It rises when they change.
const LAYOUT: i64 = 1;
/// The oldest server that will do, as it counts.
const LEAST: i32 = 130_000;
/// Key of the lock under which a schema is made: "archgen" in ASCII.
const LOCK: i64 = 0x61_72_63_68_67_65_6e;
/// Longest wait for another starter, and longest statement of a schema.
const CHANGE_WITHIN: Duration = Duration::from_secs(50);
/// The database in which others are made.
const MAINTENANCE: &str = "postgres";

/// Who the server is.
async fn version(connection: &mut PgConnection, target: &Target) -> Result<Server, Fault> {
    let asked = async {
        let number: i32 =
            sqlx::query_scalar("SELECT current_setting('server_version_num')::int").fetch_one(&mut *connection).await?;
        let text: String = sqlx::query_scalar("SHOW server_version").fetch_one(&mut *connection).await?;
        Ok::<_, Error>((number, text))
    };
    let (number, text) = asked.await.map_err(|error| fault(target, "ask its version", &error).at(target))?;
    let found = text.split(' ').next().unwrap_or_default().to_owned();
    if number < LEAST {
        return Err(FaultKind::TooOld { found, least: "13" }.at(target));
    }
    Ok(Server { version: format!("PostgreSQL {found}") })
}

/// What is written down about a schema; `None` where none is there.
async fn made(connection: &mut PgConnection) -> Result<Option<(i64, String)>, Error> {
    let there: bool = sqlx::query_scalar("SELECT to_regclass('archgen.schema_version') IS NOT NULL")
        .fetch_one(&mut *connection)
        .await?;
    if !there {
        return Ok(None);
    }
    sqlx::query_as("SELECT layout, fingerprint FROM archgen.schema_version ORDER BY layout DESC LIMIT 1")
        .fetch_optional(connection)
        .await
}

/// Tables of somebody else.
async fn foreign(connection: &mut PgConnection) -> Result<Vec<String>, Error> {
    sqlx::query_scalar(
        "SELECT schemaname || '.' || tablename FROM pg_tables
         WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1 LIMIT 5",
    )
    .fetch_all(connection)
    .await
}

/// Tables and functions that should be there and are not.
async fn missing(connection: &mut PgConnection) -> Result<Vec<String>, Error> {
    let names: Vec<String> = TABLES.iter().map(|table| format!("archgen.{}", table.name)).collect();
    sqlx::query_scalar(
        "SELECT name FROM unnest($1::text[]) AS name WHERE to_regclass(name) IS NULL
         UNION ALL SELECT 'archgen.commit_writes' WHERE to_regproc('archgen.commit_writes') IS NULL",
    )
    .bind(names)
    .fetch_all(connection)
    .await
}

fn judge(target: &Target, (layout, fingerprint): (i64, String)) -> Result<(), Fault> {
    let database = &target.namespace;
    if layout > LAYOUT {
        let why = format!(
            "database `{database}` was made by a newer archgen (layout {layout}, this one knows {LAYOUT}); run that one"
        );
        return Err(FaultKind::Schema(why).at(target));
    }
    let ours = target.schema.fingerprint();
    if fingerprint != ours || layout < LAYOUT {
        let why = format!(
            "database `{database}` was made from another spec (schema {fingerprint}, this spec makes {ours}); bring it to the \
             generated postgres/{}/schema.sql and write the new fingerprint into archgen.schema_version, or name another `namespace`",
            target.store
        );
        return Err(FaultKind::Schema(why).at(target));
    }
    Ok(())
}

/// Whether the schema there is the one that the spec makes.
///
/// # Errors
/// It is not, or is not there.
pub(super) async fn verify(connection: &mut PgConnection, target: &Target) -> Result<Server, Fault> {
    let server = version(connection, target).await?;
    let reading = |error: Error| fault(target, "read which schema is there", &error).at(target);
    match made(connection).await.map_err(reading)? {
        Some(made) => judge(target, made)?,
        None => {
            let why = format!("schema of this fleet in database `{}` yet", target.namespace);
            return Err(FaultKind::Namespace(why).at(target));
        }
    }
    let missing = missing(connection).await.map_err(reading)?;
    if missing.is_empty() {
        return Ok(server);
    }
    let why = format!("the schema has drifted: {} is not there; restore it", missing.join(", "));
    Err(FaultKind::Schema(why).at(target))
}

/// Makes the schema where it is not there, and the database where the user may. Of two who come at once, one makes it and the other
/// waits.
///
/// # Errors
/// See [`Fault`].
pub(super) async fn create(target: &Target) -> Result<Server, Fault> {
    let mut connection = match connect(target, &target.namespace).await {
        Ok((connection, _)) => connection,
        Err((_, Some(error))) if is_no_database(&error) => {
            create_database(target).await?;
            connect(target, &target.namespace).await.map_err(|(kind, _)| kind.at(target))?.0
        }
        Err((kind, _)) => return Err(kind.at(target)),
    };
    version(&mut connection, target).await?;
    complete(&mut connection, target).await?;
    let server = verify(&mut connection, target).await;
    // The lock goes with its connection.
    let _ = connection.close().await;
    server
}

async fn create_database(target: &Target) -> Result<(), Fault> {
    let database = &target.namespace;
    let absent = || FaultKind::Namespace(format!("database `{database}`")).at(target);
    let (mut connection, _) = connect(target, MAINTENANCE).await.map_err(|_| absent())?;
    let statement = format!("CREATE DATABASE \"{}\"", database.replace('"', "\"\""));
    match sqlx::query(AssertSqlSafe(statement)).execute(&mut connection).await {
        Err(error) if !is_made_already(&error) => match fault(target, "create a database", &error) {
            FaultKind::Rights(_) => Err(absent()),
            kind => Err(kind.at(target)),
        },
        _ => Ok(()),
    }
}

async fn complete(connection: &mut PgConnection, target: &Target) -> Result<(), Fault> {
    let database = &target.namespace;
    let within = CHANGE_WITHIN.as_millis();
    let asking = |what: &'static str| move |error: Error| fault(target, what, &error).at(target);
    let patience = format!("SET statement_timeout = {within}; SET lock_timeout = {within}");
    sqlx::raw_sql(AssertSqlSafe(patience)).execute(&mut *connection).await.map_err(asking("set its limits"))?;
    sqlx::query("SELECT pg_advisory_lock($1)")
        .bind(LOCK)
        .execute(&mut *connection)
        .await
        .map_err(asking("take the schema's lock"))?;
    if let Some(made) = made(connection).await.map_err(asking("read which schema is there"))? {
        return judge(target, made);
    }
    let foreign = foreign(connection).await.map_err(asking("list the tables"))?;
    if !foreign.is_empty() {
        let why = format!(
            "database `{database}` has tables of somebody else ({}); name another `namespace`",
            foreign.join(", ")
        );
        return Err(FaultKind::Schema(why).at(target));
    }
    // What is made and what is written down about it are one transaction, which the generated text opens and ends.
    let Some((statements, _)) = target.schema.text.rsplit_once("COMMIT;") else {
        return Err(FaultKind::Schema("the generated schema is no transaction".to_owned()).at(target));
    };
    let fingerprint = target.schema.fingerprint();
    let text = format!(
        "{statements}\nINSERT INTO archgen.schema_version (layout, fingerprint) VALUES ({LAYOUT}, '{fingerprint}');\nCOMMIT;"
    );
    sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut *connection).await.map_err(asking("make the schema"))?;
    Ok(())
}
