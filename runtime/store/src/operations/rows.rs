//! Rows with a version, unique fields and lookup fields: what accounts and documents share.

use archgen_ports::accounts::{Expect, Row};
use serde_json::Value;

use super::keys::{Key, after, last_text};
use crate::{
    committer::DecisionError,
    engine::{Engine, View},
};

/// Rows of one namespace and table.
pub(super) struct Rows<'a> {
    pub(super) namespace: &'static str,
    pub(super) table: &'a str,
    pub(super) unique: &'a [&'a str],
    pub(super) indexes: &'a [&'a str],
}

/// Why a write does not apply.
pub(super) enum Refusal {
    Conflict,
    Taken(String),
}

impl Rows<'_> {
    fn row_key(&self, key: &str) -> Result<Vec<u8>, DecisionError> {
        Ok(Key::new(self.namespace).text("row")?.text(self.table)?.text(key)?.done())
    }

    fn lookup(&self, field: &str, value: &str) -> Result<Key, DecisionError> {
        Key::new(self.namespace).text("by")?.text(self.table)?.text(field)?.text(value)
    }

    /// Fields by which rows are found, with their values in this row.
    fn found_by<'v>(&self, value: &'v Value) -> Vec<(&str, &'v str)> {
        let fields = self.unique.iter().chain(self.indexes);
        fields.filter_map(|f| value.get(f).and_then(Value::as_str).map(|v| (*f, v))).collect()
    }

    pub(super) fn get(&self, engine: &dyn Engine, key: &str) -> Result<Option<Row>, DecisionError> {
        let stored = engine.get(&self.row_key(key)?)?;
        Ok(stored.map(|bytes| serde_json::from_slice(&bytes)).transpose()?)
    }

    fn current(&self, view: &View<'_>, key: &str) -> Result<Option<Row>, DecisionError> {
        let stored = view.get(&self.row_key(key)?)?;
        Ok(stored.map(|bytes| serde_json::from_slice(&bytes)).transpose()?)
    }

    pub(super) fn scan(
        &self,
        engine: &dyn Engine,
        start: Option<&str>,
        limit: usize,
        ours: &dyn Fn(&str) -> bool,
    ) -> Result<Vec<Row>, DecisionError> {
        let (mut from, to) = Key::new(self.namespace).text("row")?.text(self.table)?.below();
        if let Some(key) = start {
            from = after(self.row_key(key)?);
        }
        let mut rows = Vec::new();
        loop {
            let pairs = engine.scan(&from, &to, limit, false)?;
            let last = pairs.last().filter(|_| pairs.len() == limit).map(|(key, _)| key.clone());
            for (key, bytes) in pairs {
                if ours(&last_text(&key)) {
                    rows.push(serde_json::from_slice(&bytes)?);
                }
            }
            // As long as others' rows took the place of ours.
            match last.filter(|_| rows.len() < limit) {
                Some(last) => from = after(last),
                None => {
                    rows.truncate(limit);
                    return Ok(rows);
                }
            }
        }
    }

    pub(super) fn find(
        &self,
        engine: &dyn Engine,
        (field, value): (&str, &str),
        start: Option<&str>,
        newest_first: bool,
        limit: usize,
        ours: &dyn Fn(&str) -> bool,
    ) -> Result<Vec<Row>, DecisionError> {
        if !self.unique.contains(&field) && !self.indexes.contains(&field) {
            return Err(DecisionError::Invalid(format!("`{}` has no index on `{field}`", self.table)));
        }
        let (mut from, mut to) = self.lookup(field, value)?.below();
        if let Some(key) = start {
            let at = self.lookup(field, value)?.text(key)?.done();
            if newest_first {
                to = at;
            } else {
                from = after(at);
            }
        }
        let mut rows = Vec::new();
        loop {
            let keys = engine.scan(&from, &to, limit, newest_first)?;
            let last = keys.last().filter(|_| keys.len() == limit).map(|(key, _)| key.clone());
            for id in keys.iter().map(|(key, _)| last_text(key)).filter(|id| ours(id)) {
                rows.extend(self.get(engine, &id)?);
            }
            // As long as others' rows took the place of ours.
            match last.filter(|_| rows.len() < limit) {
                Some(last) if newest_first => to = last,
                Some(last) => from = after(last),
                None => {
                    rows.truncate(limit);
                    return Ok(rows);
                }
            }
        }
    }

    /// Whether a write would apply.
    pub(super) fn check(
        &self,
        view: &View<'_>,
        key: &str,
        expect: Expect,
        value: Option<&Value>,
    ) -> Result<Option<Refusal>, DecisionError> {
        let current = self.current(view, key)?;
        let holds = match (expect, &current) {
            (Expect::Any, _) | (Expect::Absent, None) => true,
            (Expect::Version(version), Some(row)) => row.version == version,
            _ => false,
        };
        if !holds {
            return Ok(Some(Refusal::Conflict));
        }
        for (field, text) in value.map(|v| self.found_by(v)).unwrap_or_default() {
            if self.unique.contains(&field) {
                let (from, to) = self.lookup(field, text)?.below();
                let holder = view.scan(&from, &to, 1, false)?;
                if holder.first().is_some_and(|(k, _)| last_text(k) != key) {
                    return Ok(Some(Refusal::Taken(field.to_owned())));
                }
            }
        }
        Ok(None)
    }

    /// Applies a write that was checked; returns the row's version now (0 when deleted).
    pub(super) fn apply(&self, view: &mut View<'_>, key: &str, value: Option<Value>) -> Result<u64, DecisionError> {
        let current = self.current(view, key)?;
        if let Some(row) = &current {
            for (field, text) in self.found_by(&row.value) {
                view.delete(self.lookup(field, text)?.text(key)?.done());
            }
        }
        let Some(value) = value else {
            view.delete(self.row_key(key)?);
            return Ok(0);
        };
        for (field, text) in self.found_by(&value) {
            view.put(self.lookup(field, text)?.text(key)?.done(), Vec::new());
        }
        let row = Row { key: key.to_owned(), version: current.map_or(0, |r| r.version) + 1, value };
        view.put(self.row_key(key)?, serde_json::to_vec(&row)?);
        Ok(row.version)
    }
}
