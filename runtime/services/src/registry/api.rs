//! Routes of the registry: Consul's paths, parameters and headers.

use std::{collections::BTreeMap, time::Duration};

use archgen_env::net::Address;
use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, Query, State as Shared},
    response::{IntoResponse, Response},
    routing::{get, put},
};
use http::{HeaderMap, StatusCode, header};
use serde_json::{Map, Value, json};

use super::{
    definition::{self, Status},
    error::RegistryError,
    kv,
    relay::{RELAYED_HEADER, TOKEN_HEADER, Word},
    state::{Data, State},
    wire,
};

/// Longest blocking query, as Consul bounds it, milliseconds.
const WAIT_MS_MAX: u64 = 600_000;
/// Blocking query without `wait`, milliseconds.
const WAIT_MS_DEFAULT: u64 = 300_000;

type Parameters = Query<BTreeMap<String, String>>;
type Answer = Result<Response, RegistryError>;

pub(super) fn routes(state: State, address: &Address) -> Router {
    let leader = json!(address.to_string());
    let peers = json!([leader]);
    Router::new()
        .route("/v1/agent/service/register", put(register))
        .route("/v1/agent/service/deregister/{id}", put(deregister))
        .route("/v1/agent/check/pass/{id}", put(pass))
        .route("/v1/agent/check/warn/{id}", put(warn))
        .route("/v1/agent/check/fail/{id}", put(fail))
        .route("/v1/agent/check/update/{id}", put(update))
        .route("/v1/agent/services", get(agent_services))
        .route("/v1/agent/service/{id}", get(agent_service))
        .route("/v1/agent/checks", get(agent_checks))
        .route("/v1/agent/self", get(agent_self))
        .route("/v1/catalog/datacenters", get(datacenters))
        .route("/v1/catalog/nodes", get(nodes))
        .route("/v1/catalog/services", get(services))
        .route("/v1/catalog/service/{name}", get(service))
        .route("/v1/health/service/{name}", get(health))
        .route("/v1/health/checks/{name}", get(health_checks))
        .route("/v1/status/leader", get(move || async move { Json(leader) }))
        .route("/v1/status/peers", get(move || async move { Json(peers) }))
        .route("/v1/kv/{*key}", get(kv_get).put(kv_put).delete(kv_delete))
        .layer(DefaultBodyLimit::max(kv::VALUE_BYTES_MAX))
        .with_state(state)
}

fn may_write(state: &State, headers: &HeaderMap) -> Result<(), RegistryError> {
    let Some(key) = &state.write_key else { return Ok(()) };
    let bearer = headers.get(header::AUTHORIZATION).and_then(|v| v.as_bytes().strip_prefix(b"Bearer "));
    let presented = headers.get(TOKEN_HEADER).map(|v| v.as_bytes()).or(bearer).unwrap_or_default();
    if key.matches(presented) { Ok(()) } else { Err(RegistryError::Denied) }
}

fn pass_on(state: &State, headers: &HeaderMap, word: &Word) {
    if !headers.contains_key(RELAYED_HEADER) {
        state.relay.say(word);
    }
}

async fn register(Shared(state): Shared<State>, headers: HeaderMap, body: Bytes) -> Answer {
    may_write(&state, &headers)?;
    let definition = definition::service(&body, &state.node.address)?;
    let word = Word::Registered(definition.id.clone());
    state.register(definition)?;
    pass_on(&state, &headers, &word);
    Ok(StatusCode::OK.into_response())
}

async fn deregister(Shared(state): Shared<State>, headers: HeaderMap, Path(id): Path<String>) -> Answer {
    may_write(&state, &headers)?;
    state.deregister(&id)?;
    pass_on(&state, &headers, &Word::Deregistered(id));
    Ok(StatusCode::OK.into_response())
}

fn told(state: &State, headers: &HeaderMap, id: &str, status: Status, output: &str) -> Answer {
    may_write(state, headers)?;
    let service = state.change(|data, now| {
        data.catalog.told(id, status, output, now)?;
        Ok(data.catalog.checks().find(|c| c.definition.id == id).map(|c| c.service.clone()).unwrap_or_default())
    })?;
    let verb = match status {
        Status::Passing => "pass",
        Status::Warning => "warn",
        Status::Critical => "fail",
    };
    pass_on(state, headers, &Word::Told { service, check: id.to_owned(), verb });
    Ok(StatusCode::OK.into_response())
}

async fn pass(Shared(s): Shared<State>, headers: HeaderMap, Path(id): Path<String>, Query(q): Parameters) -> Answer {
    told(&s, &headers, &id, Status::Passing, q.get("note").map_or("", String::as_str))
}

async fn warn(Shared(s): Shared<State>, headers: HeaderMap, Path(id): Path<String>, Query(q): Parameters) -> Answer {
    told(&s, &headers, &id, Status::Warning, q.get("note").map_or("", String::as_str))
}

async fn fail(Shared(s): Shared<State>, headers: HeaderMap, Path(id): Path<String>, Query(q): Parameters) -> Answer {
    told(&s, &headers, &id, Status::Critical, q.get("note").map_or("", String::as_str))
}

async fn update(Shared(s): Shared<State>, headers: HeaderMap, Path(id): Path<String>, body: Bytes) -> Answer {
    let (status, output) = definition::update(&body)?;
    told(&s, &headers, &id, status, &output)
}

async fn agent_services(Shared(state): Shared<State>) -> Json<Value> {
    let entry = |s: &super::catalog::Service| (s.definition.id.clone(), wire::agent_service(s));
    Json(state.read(|d| d.catalog.services().map(entry).collect::<Map<_, _>>().into()))
}

async fn agent_service(Shared(state): Shared<State>, Path(id): Path<String>) -> Answer {
    let found = state.read(|d| d.catalog.service(&id).map(wire::agent_service));
    found.map(|s| Json(s).into_response()).ok_or(RegistryError::UnknownService(id))
}

async fn agent_checks(Shared(state): Shared<State>) -> Json<Value> {
    let node = &state.node;
    Json(state.read(|d| {
        let entry = |c: &super::catalog::Check| (c.definition.id.clone(), node.check(&d.catalog, c));
        d.catalog.checks().map(entry).collect::<Map<_, _>>().into()
    }))
}

async fn agent_self(Shared(state): Shared<State>) -> Json<Value> {
    let node = &state.node;
    Json(json!({
        "Config": {
            "Datacenter": node.datacenter, "PrimaryDatacenter": node.datacenter, "NodeName": node.name, "NodeID": node.id,
            "Server": true, "Revision": "archgen", "Version": env!("CARGO_PKG_VERSION"),
        },
        "Member": {"Name": node.name, "Addr": node.address, "Status": 1, "Tags": {"dc": node.datacenter, "role": "consul"}},
        "Meta": {},
    }))
}

async fn datacenters(Shared(state): Shared<State>) -> Json<Value> {
    Json(json!([state.node.datacenter]))
}

async fn nodes(Shared(state): Shared<State>, Query(q): Parameters) -> Answer {
    blocking(&state, &q, |d| (d.catalog.index(), json!([state.node.json()]))).await
}

async fn services(Shared(state): Shared<State>, Query(q): Parameters) -> Answer {
    blocking(&state, &q, |d| (d.catalog.index(), wire::catalog_services(&d.catalog))).await
}

async fn service(Shared(state): Shared<State>, Path(name): Path<String>, Query(q): Parameters) -> Answer {
    let tag = q.get("tag");
    blocking(&state, &q, |d| {
        let tagged = d.catalog.named(&name).filter(|s| tag.is_none_or(|t| s.definition.tags.contains(t)));
        (d.catalog.index_of(&name), tagged.map(|s| state.node.catalog_service(s)).collect())
    })
    .await
}

async fn health(Shared(state): Shared<State>, Path(name): Path<String>, Query(q): Parameters) -> Answer {
    let passing = q.get("passing").is_some_and(|v| !matches!(v.as_str(), "0" | "false"));
    let tag = q.get("tag");
    blocking(&state, &q, |d| {
        let wanted = d
            .catalog
            .named(&name)
            .filter(|s| !passing || d.catalog.health(&s.definition.id) == Status::Passing)
            .filter(|s| tag.is_none_or(|t| s.definition.tags.contains(t)));
        (d.catalog.index_of(&name), wanted.map(|s| state.node.health_entry(&d.catalog, s)).collect())
    })
    .await
}

async fn health_checks(Shared(state): Shared<State>, Path(name): Path<String>, Query(q): Parameters) -> Answer {
    blocking(&state, &q, |d| {
        let checks = d.catalog.named(&name).flat_map(|s| d.catalog.checks_of(&s.definition.id));
        (d.catalog.index_of(&name), checks.map(|c| state.node.check(&d.catalog, c)).collect())
    })
    .await
}

/// Answers once the index differs from `index=`, at most `wait=` later.
async fn blocking(state: &State, q: &BTreeMap<String, String>, look: impl Fn(&Data) -> (u64, Value)) -> Answer {
    let (seen, wait) = position(state, q)?;
    let (index, answer) = state.wait(seen, wait, look).await;
    Ok((consul_headers(index), Json(answer)).into_response())
}

fn position(state: &State, q: &BTreeMap<String, String>) -> Result<(u64, Duration), RegistryError> {
    if let Some(other) = q.get("dc").filter(|dc| !dc.is_empty() && **dc != state.node.datacenter) {
        return Err(RegistryError::Datacenter(other.clone()));
    }
    let seen = match q.get("index").filter(|i| !i.is_empty()) {
        None => 0,
        Some(text) => text.parse().map_err(|_| RegistryError::Malformed(format!("invalid index {text:?}")))?,
    };
    let wait = match q.get("wait").filter(|w| !w.is_empty()) {
        None => Duration::from_millis(WAIT_MS_DEFAULT),
        Some(text) => definition::duration(text)?.min(Duration::from_millis(WAIT_MS_MAX)),
    };
    Ok((seen, wait))
}

fn consul_headers(index: u64) -> [(&'static str, String); 3] {
    [
        ("x-consul-index", index.to_string()),
        ("x-consul-knownleader", "true".to_owned()),
        ("x-consul-lastcontact", "0".to_owned()),
    ]
}

async fn kv_get(Shared(state): Shared<State>, Path(key): Path<String>, Query(q): Parameters) -> Answer {
    let (seen, wait) = position(&state, &q)?;
    let recurse = q.contains_key("recurse") || q.contains_key("keys");
    let look = |d: &Data| {
        let index = d.pairs.index_of(&key, recurse);
        // For what is not there, the next change of any pair is worth a look.
        let index = if index == 0 { d.pairs_index } else { index };
        let answer = if q.contains_key("keys") {
            Some(json!(d.pairs.keys(&key))).filter(|keys| keys.as_array().is_some_and(|k| !k.is_empty()))
        } else {
            Some(d.pairs.get(&key, recurse)).filter(|pairs| !pairs.is_empty()).map(Value::from)
        };
        (index, (answer, d.pairs.raw(&key)))
    };
    let (index, (answer, raw)) = state.wait(seen, wait, look).await;
    let headers = consul_headers(index);
    Ok(match (answer, raw) {
        (Some(_), Some(raw)) if q.contains_key("raw") => (headers, raw).into_response(),
        (Some(answer), _) => (headers, Json(answer)).into_response(),
        (None, _) => (StatusCode::NOT_FOUND, headers).into_response(),
    })
}

fn number(q: &BTreeMap<String, String>, name: &str) -> Result<Option<u64>, RegistryError> {
    let wrong = |_| RegistryError::Malformed(format!("invalid {name}"));
    q.get(name).map(|text| text.parse().map_err(wrong)).transpose()
}

async fn kv_put(
    Shared(state): Shared<State>,
    headers: HeaderMap,
    Path(key): Path<String>,
    Query(q): Parameters,
    body: Bytes,
) -> Answer {
    may_write(&state, &headers)?;
    if !state.relay.is_alone() {
        return Err(RegistryError::NoConsensus);
    }
    let (cas, flags) = (number(&q, "cas")?, number(&q, "flags")?.unwrap_or(0));
    let done = state.change(|d, _| {
        let index = d.pairs_index + 1;
        let done = d.pairs.put(&key, body, flags, cas, index)?;
        d.pairs_index = if done { index } else { d.pairs_index };
        Ok(done)
    })?;
    Ok(Json(done).into_response())
}

async fn kv_delete(
    Shared(state): Shared<State>,
    headers: HeaderMap,
    Path(key): Path<String>,
    Query(q): Parameters,
) -> Answer {
    may_write(&state, &headers)?;
    if !state.relay.is_alone() {
        return Err(RegistryError::NoConsensus);
    }
    let cas = number(&q, "cas")?;
    let done = state.change(|d, _| {
        let done = d.pairs.delete(&key, q.contains_key("recurse"), cas);
        d.pairs_index += u64::from(done);
        done
    });
    Ok(Json(done).into_response())
}
