//! Documents: collections of rows.

use archgen_ports::{
    accounts::Expect,
    documents::{COLLECTIONS, Put},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, to_value};

use super::rows::Rows;
use crate::{
    committer::DecisionError,
    engine::{Engine, View},
};

/// A call of the documents port on the wire.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DocumentsCall {
    /// [`archgen_ports::documents::Documents::get`].
    Get {
        /// Collection.
        collection: String,
        /// Key.
        key: String,
    },
    /// [`archgen_ports::documents::Documents::find`].
    Find {
        /// Collection.
        collection: String,
        /// Field.
        field: String,
        /// Value.
        value: String,
        /// Continue after this key.
        after: Option<String>,
        /// Descending.
        newest_first: bool,
        /// Documents at most.
        limit: usize,
    },
    /// [`archgen_ports::documents::Documents::scan`].
    Scan {
        /// Collection.
        collection: String,
        /// Continue after this key.
        after: Option<String>,
        /// Documents at most.
        limit: usize,
    },
    /// [`archgen_ports::documents::Documents::put`].
    Put {
        /// Collection.
        collection: String,
        /// Key.
        key: String,
        /// Condition.
        expect: Expect,
        /// New content.
        value: Option<Value>,
    },
}

fn rows(name: &str) -> Result<Rows<'_>, DecisionError> {
    let found = COLLECTIONS.iter().find(|(n, _)| *n == name);
    let (table, indexes) = found.ok_or_else(|| DecisionError::Invalid(format!("there is no collection `{name}`")))?;
    Ok(Rows { namespace: "documents", table, unique: &[], indexes })
}

/// Answers a read; `None` for a write. Of all documents only those are found whose keys are `ours`.
///
/// # Errors
/// See [`DecisionError`].
pub fn read(
    engine: &dyn Engine,
    call: &DocumentsCall,
    ours: &dyn Fn(&str) -> bool,
) -> Result<Option<Value>, DecisionError> {
    Ok(match call {
        DocumentsCall::Get { collection, key } => Some(to_value(rows(collection)?.get(engine, key)?)?),
        DocumentsCall::Find { collection, field, value, after, newest_first, limit } => {
            let by = (field.as_str(), value.as_str());
            Some(to_value(rows(collection)?.find(engine, by, after.as_deref(), *newest_first, *limit, ours)?)?)
        }
        DocumentsCall::Scan { collection, after, limit } => {
            Some(to_value(rows(collection)?.scan(engine, after.as_deref(), *limit, ours)?)?)
        }
        DocumentsCall::Put { .. } => None,
    })
}

/// Writes or deletes one document where the condition holds.
///
/// # Errors
/// See [`DecisionError`].
pub fn put(
    view: &mut View<'_>,
    collection: &str,
    key: &str,
    expect: Expect,
    value: Option<Value>,
) -> Result<Value, DecisionError> {
    let rows = rows(collection)?;
    if rows.check(view, key, expect, value.as_ref())?.is_some() {
        return Ok(to_value(Put::Conflict)?);
    }
    Ok(to_value(Put::Applied(rows.apply(view, key, value)?))?)
}
