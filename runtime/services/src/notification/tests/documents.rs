//! A strict document store for tests.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use archgen_ports::{
    StoreError,
    accounts::{Expect, Row},
    documents::{COLLECTIONS, Documents, Put},
};
use async_trait::async_trait;
use serde_json::Value;

#[derive(Default)]
pub(super) struct Store(Mutex<BTreeMap<(String, String), Row>>);

fn indexes(collection: &str) -> Result<&'static [&'static str], StoreError> {
    let found = COLLECTIONS.iter().find(|(name, _)| *name == collection);
    found.map(|(_, fields)| *fields).ok_or_else(|| StoreError::Refused(format!("no collection {collection}")))
}

impl Store {
    fn with<T>(&self, f: impl FnOnce(&mut BTreeMap<(String, String), Row>) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl Documents for Store {
    async fn get(&self, collection: &str, key: &str) -> Result<Option<Row>, StoreError> {
        indexes(collection)?;
        Ok(self.with(|rows| rows.get(&(collection.to_owned(), key.to_owned())).cloned()))
    }

    async fn find(
        &self,
        collection: &str,
        field: &str,
        value: &str,
        after: Option<&str>,
        newest_first: bool,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError> {
        if !indexes(collection)?.contains(&field) {
            return Err(StoreError::Refused(format!("{collection}.{field} has no index")));
        }
        let mut found: Vec<Row> = self.with(|rows| {
            let rows = rows.iter().filter(|((of, _), row)| of == collection && row.value[field] == value);
            rows.map(|(_, row)| row.clone()).collect()
        });
        if newest_first {
            found.reverse();
        }
        let beyond = |row: &Row| match after {
            None => true,
            Some(after) if newest_first => row.key.as_str() < after,
            Some(after) => row.key.as_str() > after,
        };
        Ok(found.into_iter().filter(beyond).take(limit).collect())
    }

    async fn scan(&self, collection: &str, after: Option<&str>, limit: usize) -> Result<Vec<Row>, StoreError> {
        indexes(collection)?;
        Ok(self.with(|rows| {
            let rows = rows.iter().filter(|((of, key), _)| of == collection && after.is_none_or(|a| key.as_str() > a));
            rows.map(|(_, row)| row.clone()).take(limit).collect()
        }))
    }

    async fn put(&self, collection: &str, key: &str, expect: Expect, value: Option<Value>) -> Result<Put, StoreError> {
        indexes(collection)?;
        if value.as_ref().is_some_and(|value| !value.is_object()) {
            return Err(StoreError::Refused("a document is a JSON object".to_owned()));
        }
        Ok(self.with(|rows| {
            let place = (collection.to_owned(), key.to_owned());
            let version = rows.get(&place).map(|row| row.version);
            let holds = match expect {
                Expect::Any => true,
                Expect::Absent => version.is_none(),
                Expect::Version(expected) => version == Some(expected),
            };
            if !holds {
                return Put::Conflict;
            }
            let version = version.unwrap_or(0) + 1;
            match value {
                None => drop(rows.remove(&place)),
                Some(value) => drop(rows.insert(place, Row { key: key.to_owned(), version, value })),
            }
            Put::Applied(version)
        }))
    }
}
