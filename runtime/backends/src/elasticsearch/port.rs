//! The index port, and the backend around it.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    sync::{Arc, Mutex, PoisonError},
};

use archgen_env::Env;
use archgen_ports::{
    StoreError,
    index::{Document, Hit, Index, Query},
};
use async_trait::async_trait;
use http::Method;
use serde_json::{Value, json};

use super::{
    client::{Answer, CALL_MS_MAX, Client},
    query::{grave, hits, search, source},
    template,
};
use crate::{Backend, Failure, Fault, Guard, Metrics, PortSet, Server, Target};

/// Full text on one cluster. Cloning shares the connections.
#[derive(Clone)]
struct Elasticsearch(Arc<Inner>);

struct Inner {
    client: Client,
    guard: Guard,
    /// Indexes that were seen to be there.
    there: Mutex<BTreeSet<String>>,
}

/// A backend for this target.
pub(crate) fn open(env: &Env, target: Target, metrics: Metrics) -> Arc<dyn Backend> {
    let guard = Guard::new(&target.store, CALL_MS_MAX + 500, env.entropy("elasticsearch"), metrics).on(&target);
    Arc::new(Elasticsearch(Arc::new(Inner { client: Client::new(target), guard, there: Mutex::default() })))
}

/// What a status other than 200 means.
fn refused(answer: &Answer) -> Failure {
    let why = format!("HTTP {}: {}", answer.status, answer.reason());
    if answer.status >= 500 { Failure::Lost(why) } else { Failure::Refused(why) }
}

impl Inner {
    /// The name under which an index is read and written: an alias of the one that holds the documents, so that a new one can take
    /// its place.
    fn alias(client: &Client, index: &str) -> Result<String, Failure> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
        if index.is_empty() || !index.chars().all(plain) {
            return Err(Failure::Refused(format!("`{index}` is no name of an index")));
        }
        Ok(format!("{}.{index}", client.target.namespace))
    }

    /// Makes an index where it is not there.
    async fn ready(&self, alias: &str) -> Result<(), Failure> {
        if self.there.lock().unwrap_or_else(PoisonError::into_inner).contains(alias) {
            return Ok(());
        }
        let body = json!({"aliases": {alias: {"is_write_index": true}}}).to_string();
        let client = &self.client;
        if client.send(Method::HEAD, &format!("/_alias/{alias}"), None).await?.status != 200 {
            let made = client.send(Method::PUT, &format!("/{alias}.1"), Some(body)).await?;
            if made.status != 200 && !made.reason().contains("already exists") {
                return Err(refused(&made));
            }
        }
        self.there.lock().unwrap_or_else(PoisonError::into_inner).insert(alias.to_owned());
        Ok(())
    }

    /// Writes documents, each under its version; an older version is passed over.
    async fn bulk(&self, index: &str, documents: &[(&str, u64, Value)]) -> Result<(), Failure> {
        let client = &self.client;
        let alias = Self::alias(client, index)?;
        self.ready(&alias).await?;
        let mut body = String::new();
        for (id, version, source) in documents {
            let action = json!({"index": {"_id": id, "version": version, "version_type": "external_gte"}});
            // Writing to a text does not fail.
            let _ = writeln!(body, "{action}\n{source}");
        }
        let answer = client.send(Method::POST, &format!("/{alias}/_bulk"), Some(body)).await?;
        if answer.status != 200 {
            return Err(refused(&answer));
        }
        let items = answer.body["items"].as_array().map(Vec::as_slice).unwrap_or_default();
        let status = |item: &Value| item["index"]["status"].as_u64().unwrap_or(500);
        // 409 is an older version: what is there stays.
        let failed = items.iter().find(|item| !matches!(status(item), 200 | 201 | 409));
        match failed {
            _ if items.len() != documents.len() => Err(Failure::Lost("a bulk answer without its items".to_owned())),
            None => Ok(()),
            Some(item) => {
                let why = format!("HTTP {}: {}", status(item), item["index"]["error"]["reason"]);
                let none = items.iter().all(|item| (400..500).contains(&status(item)));
                Err(if none { Failure::Refused(why) } else { Failure::Lost(why) })
            }
        }
    }
}

#[async_trait]
impl Backend for Elasticsearch {
    fn target(&self) -> &Target {
        &self.0.client.target
    }

    fn ports(&self) -> PortSet {
        PortSet { index: Some(Arc::new(self.clone())), ..PortSet::default() }
    }

    async fn check(&self) -> Result<Server, Fault> {
        let client = &self.0.client;
        let server = template::server(client).await?;
        template::verify(client).await?;
        Ok(server)
    }

    async fn prepare(&self) -> Result<Server, Fault> {
        let client = &self.0.client;
        let server = template::server(client).await?;
        template::create(client).await?;
        Ok(server)
    }
}

#[async_trait]
impl Index for Elasticsearch {
    async fn put(&self, index: &str, documents: Vec<Document>) -> Result<(), StoreError> {
        if documents.is_empty() {
            return Ok(());
        }
        let rows: Vec<(&str, u64, Value)> =
            documents.iter().map(|document| (document.id.as_str(), document.version, source(document))).collect();
        self.0.guard.write(self.0.bulk(index, &rows)).await
    }

    async fn delete(&self, index: &str, id: &str, version: u64) -> Result<(), StoreError> {
        let rows = [(id, version, grave(id))];
        self.0.guard.write(self.0.bulk(index, &rows)).await
    }

    async fn search(&self, index: &str, query: Query) -> Result<Vec<Hit>, StoreError> {
        let Some(body) = search(&query) else { return Ok(Vec::new()) };
        let body = body.to_string();
        let ask = || async {
            let client = &self.0.client;
            let path = format!("/{}/_search", Inner::alias(client, index)?);
            let answer = client.send(Method::POST, &path, Some(body.clone())).await?;
            match answer.status {
                200 => Ok(hits(&answer.body)),
                // Nothing was put into it yet.
                404 => Ok(Vec::new()),
                _ => Err(refused(&answer)),
            }
        };
        self.0.guard.read(ask).await
    }
}
