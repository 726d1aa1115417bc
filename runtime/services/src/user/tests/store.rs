//! A strict account store for tests: every condition and unique field is checked against the state that all writes would leave.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use archgen_ports::{
    StoreError,
    accounts::{Accounts, Commit, Expect, Row, Write, table},
};
use async_trait::async_trait;
use serde_json::Value;

type Tables = BTreeMap<String, BTreeMap<String, Row>>;

#[derive(Default)]
pub(crate) struct Store(Mutex<Tables>);

impl Store {
    fn with<T>(&self, f: impl FnOnce(&mut Tables) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn values(&self, name: &str) -> Vec<Value> {
        self.with(|tables| tables.get(name).map(|t| t.values().map(|r| r.value.clone()).collect()).unwrap_or_default())
    }
}

fn known(name: &str) -> Result<(), StoreError> {
    table(name).map(|_| ()).ok_or_else(|| StoreError::Refused(format!("no table {name}")))
}

#[async_trait]
impl Accounts for Store {
    async fn get(&self, name: &str, key: &str) -> Result<Option<Row>, StoreError> {
        known(name)?;
        Ok(self.with(|tables| tables.get(name)?.get(key).cloned()))
    }

    async fn find(
        &self,
        name: &str,
        field: &str,
        value: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError> {
        let table = table(name).ok_or_else(|| StoreError::Refused(format!("no table {name}")))?;
        if !table.unique.contains(&field) && !table.indexes.contains(&field) {
            return Err(StoreError::Refused(format!("{name}.{field} has no index")));
        }
        let mut rows = self.scan(name, after, usize::MAX).await?;
        rows.retain(|row| row.value[field].as_str() == Some(value));
        rows.truncate(limit);
        Ok(rows)
    }

    async fn scan(&self, name: &str, after: Option<&str>, limit: usize) -> Result<Vec<Row>, StoreError> {
        known(name)?;
        Ok(self.with(|tables| {
            let rows = tables.get(name).into_iter().flat_map(|rows| rows.values());
            rows.filter(|row| after.is_none_or(|after| row.key.as_str() > after)).take(limit).cloned().collect()
        }))
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<Commit, StoreError> {
        for (index, write) in writes.iter().enumerate() {
            known(&write.table)?;
            if writes[..index].iter().any(|w| w.table == write.table && w.key == write.key) {
                return Err(StoreError::Refused("a row twice in one transaction".to_owned()));
            }
            if write.value.as_ref().is_some_and(|value| !value.is_object()) {
                return Err(StoreError::Refused("a row is a JSON object".to_owned()));
            }
        }
        Ok(self.with(|tables| {
            let mut after = tables.clone();
            for write in writes {
                let rows = after.entry(write.table.clone()).or_default();
                let version = rows.get(&write.key).map(|row| row.version);
                let holds = match write.expect {
                    Expect::Any => true,
                    Expect::Absent => version.is_none(),
                    Expect::Version(expected) => version == Some(expected),
                };
                if !holds {
                    return Commit::Conflict { table: write.table, key: write.key };
                }
                match write.value {
                    None => drop(rows.remove(&write.key)),
                    Some(value) => {
                        let row = Row { key: write.key.clone(), version: version.unwrap_or(0) + 1, value };
                        rows.insert(write.key, row);
                    }
                }
            }
            for (name, rows) in &after {
                for field in table(name).map_or(&[] as &[&str], |t| t.unique) {
                    let mut seen: Vec<&str> = rows.values().filter_map(|row| row.value[*field].as_str()).collect();
                    seen.sort_unstable();
                    if seen.windows(2).any(|pair| pair[0] == pair[1]) {
                        return Commit::Taken { table: name.clone(), field: (*field).to_owned() };
                    }
                }
            }
            *tables = after;
            Commit::Applied
        }))
    }
}
