//! Accounts: tables of rows, written in transactions.

use archgen_env::sabotage::{Bug, is_planted};
use archgen_ports::accounts::{Commit, Row, Write, table};
use serde::{Deserialize, Serialize};
use serde_json::{Value, to_value};

use super::rows::{Refusal, Rows};
use crate::{
    committer::DecisionError,
    engine::{Engine, View},
};

/// A call of the accounts port on the wire.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountsCall {
    /// [`archgen_ports::accounts::Accounts::get`].
    Get {
        /// Table.
        table: String,
        /// Key.
        key: String,
    },
    /// [`archgen_ports::accounts::Accounts::find`].
    Find {
        /// Table.
        table: String,
        /// Field.
        field: String,
        /// Value.
        value: String,
        /// Continue after this key.
        after: Option<String>,
        /// Rows at most.
        limit: usize,
    },
    /// [`archgen_ports::accounts::Accounts::scan`].
    Scan {
        /// Table.
        table: String,
        /// Continue after this key.
        after: Option<String>,
        /// Rows at most.
        limit: usize,
    },
    /// [`archgen_ports::accounts::Accounts::commit`].
    Commit {
        /// The transaction.
        writes: Vec<Write>,
    },
}

fn rows(name: &str) -> Result<Rows<'_>, DecisionError> {
    let table = table(name).ok_or_else(|| DecisionError::Invalid(format!("there is no table `{name}`")))?;
    Ok(Rows { namespace: "accounts", table: table.name, unique: table.unique, indexes: table.indexes })
}

/// Answers a read; `None` for a write.
///
/// # Errors
/// See [`DecisionError`].
pub fn read(engine: &dyn Engine, call: &AccountsCall) -> Result<Option<Value>, DecisionError> {
    let found: Vec<Row> = match call {
        AccountsCall::Get { table, key } => return Ok(Some(to_value(rows(table)?.get(engine, key)?)?)),
        AccountsCall::Find { table, field, value, after, limit } => {
            rows(table)?.find(engine, (field, value), after.as_deref(), false, *limit, &|_| true)?
        }
        AccountsCall::Scan { table, after, limit } => rows(table)?.scan(engine, after.as_deref(), *limit, &|_| true)?,
        AccountsCall::Commit { .. } => return Ok(None),
    };
    Ok(Some(to_value(found)?))
}

/// Applies all writes or none. Each is checked against the state before the transaction and, for unique fields, against the
/// transaction's earlier writes.
///
/// # Errors
/// See [`DecisionError`].
pub fn commit(view: &mut View<'_>, writes: Vec<Write>) -> Result<Value, DecisionError> {
    let mut taken: Vec<(String, String, String)> = Vec::new();
    for write in &writes {
        let rows = rows(&write.table)?;
        match rows.check(view, &write.key, write.expect, write.value.as_ref())? {
            Some(Refusal::Conflict) => {
                return Ok(to_value(Commit::Conflict { table: write.table.clone(), key: write.key.clone() })?);
            }
            Some(Refusal::Taken(_)) if is_planted(Bug::NoUnique) => {}
            Some(Refusal::Taken(field)) => return Ok(to_value(Commit::Taken { table: write.table.clone(), field })?),
            None => {}
        }
        for field in rows.unique {
            if let Some(text) = write.value.as_ref().and_then(|v| v.get(field)).and_then(Value::as_str) {
                let claim = (write.table.clone(), (*field).to_owned(), text.to_owned());
                if taken.contains(&claim) {
                    return Ok(to_value(Commit::Taken { table: claim.0, field: claim.1 })?);
                }
                taken.push(claim);
            }
        }
    }
    for write in writes {
        rows(&write.table)?.apply(view, &write.key, write.value)?;
    }
    Ok(to_value(Commit::Applied)?)
}
