//! The generated schema in the cluster: made once, under a lock, and recognised afterwards.

use std::time::Duration;

use archgen_env::Env;
use scylla::{
    client::session::Session,
    errors::ExecutionError,
    serialize::row::SerializeRow,
    statement::{Consistency, SerialConsistency, unprepared::Statement},
};
use tokio::time::{Instant, sleep};

use super::{faults::asking, link::applied};
use crate::{Fault, FaultKind, Server, Target};

/// The layout of the tables that this program reads and writes. It rises when they change.
const LAYOUT: i32 = 1;
/// The oldest server that will do.
const LEAST: (u32, u32) = (4, 0);
/// How long another starter may hold the lock, seconds; then it is taken to be dead.
const LOCK_SECONDS: i32 = 60;
/// Pause between tries of the lock.
const LOCK_PAUSE: Duration = Duration::from_millis(250);
/// Longest schema change.
const CHANGE_WITHIN: Duration = Duration::from_secs(20);

/// The statements of a generated schema, without comments.
pub(super) fn statements(text: &str) -> Vec<String> {
    let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("--")).collect();
    let parts = code.join("\n");
    parts.split(';').map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
}

async fn ask<V: SerializeRow>(
    session: &Session,
    target: &Target,
    text: &str,
    values: V,
    what: &str,
) -> Result<scylla::response::query_result::QueryResult, Fault> {
    let mut statement = Statement::new(text);
    statement.set_consistency(Consistency::Quorum);
    statement.set_serial_consistency(Some(SerialConsistency::Serial));
    statement.set_request_timeout(Some(CHANGE_WITHIN));
    let answer = session.query_unpaged(statement, values).await;
    answer.map_err(|error: ExecutionError| asking(target, what, &error))
}

/// Who the server is.
///
/// # Errors
/// It is too old, or does not answer.
pub(super) async fn version(session: &Session, target: &Target) -> Result<Server, Fault> {
    let text = "SELECT release_version FROM system.local";
    let answer = session.query_unpaged(text, &[]).await.map_err(|error| asking(target, "ask its version", &error))?;
    let found = answer.into_rows_result().ok().and_then(|rows| rows.first_row::<(String,)>().ok());
    let (version,) = found.ok_or_else(|| FaultKind::Foreign("CQL without a version".to_owned()).at(target))?;
    let mut parts = version.split(['.', '-']).map(|part| part.parse::<u32>().unwrap_or(0));
    let found = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    if found < LEAST {
        return Err(FaultKind::TooOld { found: version, least: "4.0" }.at(target));
    }
    Ok(Server { version: format!("Cassandra {version}") })
}

/// What is written down about a schema.
#[derive(Debug, PartialEq, Eq)]
struct Made {
    layout: i32,
    fingerprint: String,
}

async fn made(session: &Session, target: &Target) -> Result<Option<Made>, Fault> {
    let text = format!("SELECT layout, fingerprint FROM \"{}\".archgen_schema WHERE name = 'schema'", target.namespace);
    let rows = ask(session, target, &text, (), "read which schema is there").await?.into_rows_result();
    let rows = rows.map_err(|error| FaultKind::Other(error.to_string()).at(target))?;
    match rows.maybe_first_row::<(Option<i32>, Option<String>)>() {
        Ok(Some((Some(layout), Some(fingerprint)))) => Ok(Some(Made { layout, fingerprint })),
        Ok(_) => Ok(None),
        Err(error) => Err(FaultKind::Schema(format!("table `archgen_schema` is another's: {error}")).at(target)),
    }
}

async fn tables(session: &Session, target: &Target) -> Result<Vec<String>, Fault> {
    let text = "SELECT table_name FROM system_schema.tables WHERE keyspace_name = ?";
    let rows = ask(session, target, text, (target.namespace.as_str(),), "list the tables").await?.into_rows_result();
    let rows = rows.map_err(|error| FaultKind::Other(error.to_string()).at(target))?;
    let names = rows.rows::<(String,)>().map_err(|error| FaultKind::Other(error.to_string()).at(target))?;
    Ok(names.filter_map(Result::ok).map(|(name,)| name).collect())
}

fn judge(target: &Target, made: &Made) -> Result<(), Fault> {
    let keyspace = &target.namespace;
    if made.layout > LAYOUT {
        let why = format!(
            "keyspace `{keyspace}` was made by a newer archgen (layout {}, this one knows {LAYOUT}); run that one",
            made.layout
        );
        return Err(FaultKind::Schema(why).at(target));
    }
    let ours = target.schema.fingerprint();
    if made.fingerprint != ours || made.layout < LAYOUT {
        let why = format!(
            "keyspace `{keyspace}` was made from another spec (schema {}, this spec makes {ours}); bring it to the generated \
             cassandra/{}/schema.cql and write the new fingerprint into {keyspace}.archgen_schema, or name another `namespace`",
            made.fingerprint, target.store
        );
        return Err(FaultKind::Schema(why).at(target));
    }
    Ok(())
}

/// Whether the schema there is the one that the spec makes.
///
/// # Errors
/// It is not, or is not there.
pub(super) async fn verify(session: &Session, target: &Target) -> Result<(), Fault> {
    let there = tables(session, target).await?;
    let missing = || FaultKind::Namespace(format!("keyspace `{}` of this fleet yet", target.namespace)).at(target);
    if !there.iter().any(|table| table == "archgen_schema") {
        return Err(missing());
    }
    judge(target, &made(session, target).await?.ok_or_else(missing)?)
}

/// Makes the schema where it is not there. Of two who come at once, one makes it and the other waits.
///
/// # Errors
/// See [`Fault`].
pub(super) async fn create(session: &Session, target: &Target, env: &Env) -> Result<(), Fault> {
    let keyspace = &target.namespace;
    let there = tables(session, target).await?;
    let ours = there.iter().any(|table| table == "archgen_schema");
    if !ours && !there.is_empty() {
        let why = format!(
            "keyspace `{keyspace}` has tables of somebody else ({}); name another `namespace`",
            there.join(", ")
        );
        return Err(FaultKind::Schema(why).at(target));
    }
    let all = statements(&target.schema.text);
    let marker = ".archgen_schema (";
    let Some(first) = all.iter().position(|s| s.contains(marker)) else {
        let why = "the generated schema does not make the table `archgen_schema`";
        return Err(FaultKind::Schema(why.to_owned()).at(target));
    };
    let (bootstrap, rest) = all.split_at(first + 1);
    if !ours {
        run(session, target, bootstrap).await?;
    }
    let holder = env.new_uuid().to_string();
    lock(session, target, &holder).await?;
    let done = complete(session, target, rest).await;
    let text = format!("DELETE FROM \"{keyspace}\".archgen_schema WHERE name = 'lock' IF holder = ?");
    // A lock that stays runs out.
    let _ = ask(session, target, &text, (holder.as_str(),), "unlock").await;
    done
}

async fn run(session: &Session, target: &Target, statements: &[String]) -> Result<(), Fault> {
    for statement in statements {
        ask(session, target, statement, (), &format!("run `{}`", statement.lines().next().unwrap_or_default())).await?;
    }
    Ok(())
}

async fn lock(session: &Session, target: &Target, holder: &str) -> Result<(), Fault> {
    let keyspace = &target.namespace;
    let text = format!(
        "INSERT INTO \"{keyspace}\".archgen_schema (name, holder) VALUES ('lock', ?) IF NOT EXISTS USING TTL {LOCK_SECONDS}"
    );
    let until = Instant::now() + Duration::from_secs(LOCK_SECONDS as u64 + 5);
    loop {
        let answer = ask(session, target, &text, (holder,), "take the schema's lock").await?;
        match applied(answer) {
            Ok(true) => return Ok(()),
            _ if Instant::now() >= until => {
                let why = format!("somebody else holds the lock in `{keyspace}.archgen_schema` for too long");
                return Err(FaultKind::Schema(why).at(target));
            }
            _ => sleep(LOCK_PAUSE).await,
        }
    }
}

async fn complete(session: &Session, target: &Target, rest: &[String]) -> Result<(), Fault> {
    if let Some(made) = made(session, target).await? {
        return judge(target, &made);
    }
    run(session, target, rest).await?;
    let text = format!(
        "INSERT INTO \"{}\".archgen_schema (name, layout, fingerprint) VALUES ('schema', ?, ?)",
        target.namespace
    );
    let fingerprint = target.schema.fingerprint();
    ask(session, target, &text, (LAYOUT, fingerprint.as_str()), "write down which schema is there").await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_without_comments() {
        let text = "-- a keyspace; made by x\nCREATE KEYSPACE a;\n\n-- b\nCREATE TABLE a.t (\n  x int\n)\n;\n";
        assert_eq!(statements(text), ["CREATE KEYSPACE a", "CREATE TABLE a.t (\n  x int\n)"]);
    }
}
