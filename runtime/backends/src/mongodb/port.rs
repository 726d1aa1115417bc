//! The documents port, and the backend around it.

use std::sync::Arc;

use archgen_env::Env;
use archgen_ports::{
    StoreError,
    accounts::{Expect, Row},
    documents::{Documents, Put},
};
use async_trait::async_trait;
use mongodb::bson::{Bson, Document};
use serde_json::Value;

use super::{
    commands::{delete, fields, get, insert, lookup, scan, write},
    link::{DUPLICATE, Link},
    schema::{batch, first, make, number, verify},
};
use crate::{Backend, Failure, Fault, Metrics, PortSet, Server, Target};

/// Tries of a write that another made at the same moment.
const WRITE_TRIES_MAX: u32 = 4;

/// Documents on one deployment. Cloning shares the connections.
#[derive(Clone)]
struct MongoDb(Arc<Link>);

/// A backend for this target.
pub(crate) fn open(env: &Env, target: Target, metrics: Metrics) -> Arc<dyn Backend> {
    Arc::new(MongoDb(Arc::new(Link::new(env, target, metrics))))
}

#[async_trait]
impl Backend for MongoDb {
    fn target(&self) -> &Target {
        &self.0.target
    }

    fn ports(&self) -> PortSet {
        PortSet { documents: Some(Arc::new(self.clone())), ..PortSet::default() }
    }

    async fn check(&self) -> Result<Server, Fault> {
        verify(&self.0).await.map_err(|kind| kind.at(&self.0.target))
    }

    async fn prepare(&self) -> Result<Server, Fault> {
        make(&self.0).await.map_err(|kind| kind.at(&self.0.target))
    }
}

fn known(collection: &str) -> Result<&'static [&'static str], StoreError> {
    fields(collection).ok_or_else(|| StoreError::Refused(format!("there is no collection `{collection}`")))
}

fn row(stored: &Document) -> Result<Row, Failure> {
    let odd = |what: &str| Failure::Refused(format!("a document without {what}, which archgen did not write"));
    let key = stored.get_str("_id").map_err(|_| odd("a text as its key"))?.to_owned();
    let version = number(stored.get("version")).ok_or_else(|| odd("a version"))? as u64;
    let text = stored.get_str("value").map_err(|_| odd("a value"))?;
    let value = serde_json::from_str(text).map_err(|error| Failure::Refused(format!("document `{key}`: {error}")))?;
    Ok(Row { key, version, value })
}

/// The code of the first refused write in an answer.
fn refusal(answer: &Document) -> Option<(i64, String)> {
    let error = answer.get_array("writeErrors").ok()?.first().and_then(Bson::as_document)?;
    Some((number(error.get("code")).unwrap_or_default(), error.to_string()))
}

impl Link {
    async fn insert(&self, collection: &str, fields: &[&str], key: &str, value: &Value) -> Result<Put, Failure> {
        let answer = match self.send(insert(collection, fields, key, value)).await {
            Err(Failure::Refused(why)) if why == DUPLICATE.to_string() => return Ok(Put::Conflict),
            answer => answer?,
        };
        match refusal(&answer) {
            None => Ok(Put::Applied(1)),
            Some((code, _)) if code == i64::from(DUPLICATE) => Ok(Put::Conflict),
            Some((_, why)) => Err(Failure::Refused(why)),
        }
    }

    async fn write(
        &self,
        collection: &str,
        fields: &[&str],
        (key, expect): (&str, Expect),
        value: &Value,
    ) -> Result<Put, Failure> {
        for tried in 1.. {
            let answer = match self.send(write(collection, fields, key, expect, value)).await {
                // Another made it between the server's look and its insert: now it is there.
                Err(Failure::Refused(why)) if why == DUPLICATE.to_string() && tried < WRITE_TRIES_MAX => continue,
                answer => answer?,
            };
            let version = answer.get_document("value").ok().and_then(|stored| number(stored.get("version")));
            return Ok(version.map_or(Put::Conflict, |version| Put::Applied(version as u64)));
        }
        Err(Failure::Refused("nothing was tried".to_owned()))
    }

    async fn delete(&self, collection: &str, key: &str, expect: Expect) -> Result<Put, Failure> {
        if expect == Expect::Absent {
            let there = first(&self.send(get(collection, key)).await?).is_some();
            return Ok(if there { Put::Conflict } else { Put::Applied(0) });
        }
        let answer = self.send(delete(collection, key, expect)).await?;
        if let Some((_, why)) = refusal(&answer) {
            return Err(Failure::Refused(why));
        }
        let found = number(answer.get("n")).unwrap_or_default() > 0;
        Ok(if found || expect == Expect::Any { Put::Applied(0) } else { Put::Conflict })
    }
}

#[async_trait]
impl Documents for MongoDb {
    async fn get(&self, collection: &str, key: &str) -> Result<Option<Row>, StoreError> {
        known(collection)?;
        let ask = || async { first(&self.0.send(get(collection, key)).await?).map(row).transpose() };
        self.0.guard.read(ask).await
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
        if !known(collection)?.contains(&field) {
            return Err(StoreError::Refused(format!("`{collection}` has no index on `{field}`")));
        }
        if limit == 0 {
            return Ok(Vec::new());
        }
        let command = lookup(collection, (field, value), after, newest_first, limit);
        let ask = || async { batch(&self.0.send(command.clone()).await?).map(row).collect() };
        self.0.guard.read(ask).await
    }

    async fn scan(&self, collection: &str, after: Option<&str>, limit: usize) -> Result<Vec<Row>, StoreError> {
        known(collection)?;
        if limit == 0 {
            return Ok(Vec::new());
        }
        let command = scan(collection, after, limit);
        let ask = || async { batch(&self.0.send(command.clone()).await?).map(row).collect() };
        self.0.guard.read(ask).await
    }

    async fn put(&self, collection: &str, key: &str, expect: Expect, value: Option<Value>) -> Result<Put, StoreError> {
        let (fields, link) = (known(collection)?, &self.0);
        link.guard
            .write(async {
                match (value, expect) {
                    (None, expect) => link.delete(collection, key, expect).await,
                    (Some(value), Expect::Absent) => link.insert(collection, fields, key, &value).await,
                    (Some(value), expect) => link.write(collection, fields, (key, expect), &value).await,
                }
            })
            .await
    }
}
