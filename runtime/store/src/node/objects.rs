//! Objects: bytes in files, put and got by presigned URL; their size and digest are rows of the engine.
//!
//! An object is written to a file of its own, synced, renamed into place, and only then recorded: a put that was answered 200
//! survives anything, and no later one replaces it. One that was not answered leaves at most a file that nothing refers to.

use std::sync::Arc;

use archgen_env::{
    Env,
    disk::File,
    http::Problem,
    sabotage::{Bug, is_planted},
};
use archgen_ports::blobs::{BlobInfo, Grant};
use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{Path, Query, State as Extract},
    response::{IntoResponse, Response},
    routing::put,
};
use futures_util::StreamExt;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json, to_value};
use sha2::{Digest, Sha256};

use super::{
    NodeError,
    owned::{Owned, Served, Unserved},
    redirect::{self, Sent, elsewhere},
    signature::{Signed, hex},
    state::State,
};
use crate::committer::{DecisionError, Promise};

pub(super) const FOLDER: &str = "objects";
/// With which the keys of rows begin.
pub(super) const ROWS: &[u8] = b"objects\0";
/// Bytes of an object sent or written at a time.
const CHUNK_BYTES: usize = 256 << 10;

/// A call of the blobs port on the wire.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlobsCall {
    /// A URL that grants something.
    Presign {
        /// Bucket.
        bucket: String,
        /// Key.
        key: String,
        /// Grant.
        grant: Grant,
        /// End of validity, milliseconds since the Unix epoch.
        expires_ms: u64,
    },
    /// Size and digest.
    Info {
        /// Bucket.
        bucket: String,
        /// Key.
        key: String,
    },
    /// First bytes.
    First {
        /// Bucket.
        bucket: String,
        /// Key.
        key: String,
        /// Bytes at most.
        bytes_max: usize,
    },
    /// Remove.
    Delete {
        /// Bucket.
        bucket: String,
        /// Key.
        key: String,
    },
}

fn object_name(bucket: &str, key: &str) -> Result<String, Problem> {
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    if plain(bucket) && plain(key) {
        Ok(format!("{bucket}/{key}"))
    } else {
        Err(Problem::invalid("a bucket and a key are letters, digits, `-`, `_` and `.`"))
    }
}

fn row_key(object: &str) -> Vec<u8> {
    [ROWS, object.as_bytes()].concat()
}

/// An object's row.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Stored {
    #[serde(flatten)]
    pub(super) blob: BlobInfo,
    /// The file that holds it; no other put ever has the same.
    pub(super) file: String,
}

/// A new file's name. All have one random-looking shape: user text never becomes a path.
fn new_file_name(env: &Env, object: &str) -> String {
    format!("{FOLDER}/{}.{}", hex(&Sha256::digest(object.as_bytes())), env.entropy("objects").token(8))
}

pub(super) fn failed(error: &std::io::Error) -> Problem {
    tracing::error!(%error, "object file");
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "disk", "the object cannot be read or written")
}

/// Removes uploads that a crash left unfinished.
pub(super) fn sweep(env: &Env) -> Result<(), NodeError> {
    let failed = |source| NodeError::Disk { file: FOLDER.to_owned(), source };
    for name in env.disk().list(FOLDER).map_err(failed)? {
        if name.ends_with(".part") {
            env.disk().remove(&format!("{FOLDER}/{name}")).map_err(failed)?;
        }
    }
    Ok(())
}

/// The public routes: who holds a presigned URL needs no key.
pub(super) fn routes(state: Arc<State>) -> Router {
    Router::new().route("/objects/{bucket}/{key}", put(upload).get(download).options(preflight)).with_state(state)
}

async fn preflight() -> Response {
    cross_origin(StatusCode::NO_CONTENT.into_response())
}

/// A presigned URL is itself the permission, so any origin may use it.
fn cross_origin(mut response: Response) -> Response {
    for (name, value) in [
        ("access-control-allow-origin", "*"),
        ("access-control-allow-methods", "GET, PUT"),
        ("access-control-allow-headers", "content-type, range"),
        ("access-control-max-age", "600"),
    ] {
        response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}

fn granted(state: &State, method: &str, object: &str, signed: &Signed) -> Result<(), Problem> {
    if !state.signer.is_valid(method, object, signed) {
        return Err(Problem::new(StatusCode::FORBIDDEN, "bad_signature", "this URL was not signed for this"));
    }
    if signed.expires < state.env.wall_ms() {
        return Err(Problem::new(StatusCode::FORBIDDEN, "expired", "this URL has expired; ask for a new one"));
    }
    Ok(())
}

fn row(bytes: Option<Vec<u8>>) -> Result<Option<Stored>, DecisionError> {
    Ok(bytes.map(|b| serde_json::from_slice(&b)).transpose()?)
}

fn stored(state: &State, object: &str) -> Result<Option<Stored>, DecisionError> {
    row(state.engine.get(&row_key(object))?)
}

async fn upload(
    Extract(state): Extract<Arc<State>>,
    Path((bucket, key)): Path<(String, String)>,
    Query(signed): Query<Signed>,
    Query(sent): Query<Sent>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let outcome = store(&state, (&bucket, &key), (&signed, sent), &headers, body).await;
    cross_origin(outcome.map_or_else(|unserved| elsewhere(unserved, &key, &uri), IntoResponse::into_response))
}

async fn store(
    state: &Arc<State>,
    (bucket, key): (&str, &str),
    (signed, sent): (&Signed, Sent),
    headers: &HeaderMap,
    body: Body,
) -> Result<Json<Value>, Unserved> {
    let object = object_name(bucket, key)?;
    granted(state, "PUT", &object, signed)?;
    let owned = redirect::owned(state, sent, bucket, key).await?;
    let size = signed.size.unwrap_or(0);
    let declared = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|d| d != size) {
        return Err(Problem::invalid(format!("this URL takes exactly {size} bytes")).into());
    }
    let file = new_file_name(&state.env, &object);
    let part = format!("{file}.part");
    let digest = match receive(state, &part, size, body).await {
        Ok(digest) => digest,
        Err(problem) => {
            remove(state, part).await;
            return Err(problem.into());
        }
    };
    let (disk, name) = (state.env.disk().clone(), file.clone());
    let placed = state.env.compute(move || {
        disk.rename(&part, &name)?;
        disk.sync_directory(FOLDER)?;
        disk.sync_directory("")
    });
    placed.await.map_err(|e| failed(&e))?;
    let own = Stored { blob: BlobInfo { size_bytes: size, sha256: digest }, file };
    let recorded = record(state, owned, object, own.clone()).await;
    if matches!(recorded, Err(Unserved::Moved(_))) {
        remove(state, own.file).await;
    }
    recorded
}

/// Removes a file that nothing refers to; what stays is only a waste of space.
pub(crate) async fn remove(state: &State, file: String) {
    let disk = state.env.disk().clone();
    if let Err(error) = state.env.compute(move || disk.remove(&file)).await {
        tracing::warn!(%error, "an unused object file stays");
    }
}

/// Records an object, unless another was put first: the same content is the same put again, any other is refused.
async fn record(state: &Arc<State>, owned: Owned, object: String, own: Stored) -> Served {
    let proposed = own.clone();
    let decision = move |view: &mut crate::engine::View<'_>| {
        let key = row_key(&object);
        if let Some(first) = row(view.get(&key)?)? {
            return Ok(to_value(first)?);
        }
        view.put(key, serde_json::to_vec(&proposed)?);
        Ok(to_value(proposed)?)
    };
    let Json(answer) = owned.decide(Promise::Durable, Box::new(decision)).await?;
    let standing: Stored = serde_json::from_value(answer).map_err(|e| Problem::invalid(e.to_string()))?;
    if standing.file != own.file {
        remove(state, own.file).await;
        if standing.blob != own.blob {
            return Err(Problem::new(
                StatusCode::CONFLICT,
                "exists",
                "an object was put here before; it cannot change",
            )
            .into());
        }
    }
    Ok(Json(to_value(&standing.blob).map_err(|e| Problem::invalid(e.to_string()))?))
}

/// The chunk, or one with a wrong byte where that bug is planted.
fn changed_where_planted(chunk: Bytes) -> Bytes {
    if !is_planted(Bug::ChangedByte) {
        return chunk;
    }
    let mut bytes = chunk.to_vec();
    bytes.iter_mut().take(1).for_each(|byte| *byte ^= 1);
    bytes.into()
}

/// Writes the body to a file and syncs it; returns the digest.
async fn receive(state: &Arc<State>, part: &str, size: u64, body: Body) -> Result<String, Problem> {
    let (disk, name) = (state.env.disk().clone(), part.to_owned());
    let mut file = state.env.compute(move || disk.open(&name, true)).await.map_err(|e| failed(&e))?;
    let mut digest = Sha256::new();
    let mut received = 0u64;
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| Problem::invalid("the upload broke off"))?;
        received += chunk.len() as u64;
        if received > size {
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", format!("more than {size} bytes")));
        }
        digest.update(&chunk);
        let chunk = changed_where_planted(chunk);
        file = state.env.compute(move || file.append(&chunk).map(|()| file)).await.map_err(|e| failed(&e))?;
    }
    if received != size {
        return Err(Problem::invalid(format!("{received} bytes came, {size} were announced")));
    }
    state.env.compute(move || file.sync()).await.map_err(|e| failed(&e))?;
    Ok(hex(&digest.finalize()))
}

async fn download(
    Extract(state): Extract<Arc<State>>,
    Path((bucket, key)): Path<(String, String)>,
    Query(signed): Query<Signed>,
    Query(sent): Query<Sent>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let found = fetch(&state, (&bucket, &key), (&signed, sent), &headers).await;
    cross_origin(found.unwrap_or_else(|unserved| elsewhere(unserved, &key, &uri)))
}

/// The one range of a `Range` header (RFC 9110, 14.2): first and last byte. `Err` for one that cannot be satisfied.
fn range(headers: &HeaderMap, size: u64) -> Result<Option<(u64, u64)>, ()> {
    let Some(text) = headers.get(header::RANGE).and_then(|v| v.to_str().ok()?.strip_prefix("bytes=")) else {
        return Ok(None);
    };
    let Some((first, last)) = text.split_once('-').filter(|_| !text.contains(',')) else { return Ok(None) };
    let bounds = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) => (first, last.min(size.saturating_sub(1))),
        (Ok(first), Err(_)) if last.is_empty() => (first, size.saturating_sub(1)),
        (Err(_), Ok(suffix)) if first.is_empty() => (size.saturating_sub(suffix), size.saturating_sub(1)),
        _ => return Ok(None),
    };
    if bounds.0 <= bounds.1 && bounds.0 < size { Ok(Some(bounds)) } else { Err(()) }
}

async fn fetch(
    state: &Arc<State>,
    (bucket, key): (&str, &str),
    (signed, sent): (&Signed, Sent),
    headers: &HeaderMap,
) -> Result<Response, Unserved> {
    let object = object_name(bucket, key)?;
    granted(state, "GET", &object, signed)?;
    redirect::owned(state, sent, bucket, key).await?;
    let found = stored(state, &object).map_err(|_| Problem::unavailable("the object's row cannot be read"))?;
    let Stored { blob, file } = found.ok_or_else(|| Problem::not_found("object"))?;
    let wanted = range(headers, blob.size_bytes);
    let Ok(wanted) = wanted else {
        let why = "that range is not in the object";
        return Err(Problem::new(StatusCode::RANGE_NOT_SATISFIABLE, "bad_range", why).into());
    };
    let (first, last) = wanted.unwrap_or((0, blob.size_bytes.saturating_sub(1)));
    let length = if blob.size_bytes == 0 { 0 } else { last - first + 1 };
    let file = state.env.disk().open(&file, false).map_err(|e| failed(&e))?;
    let mut response = Response::new(stream(&state.env, file, first, length));
    *response.status_mut() = if wanted.is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    let name: String = signed
        .name
        .as_deref()
        .unwrap_or(key)
        .chars()
        .map(|c| if c.is_ascii_graphic() && c != '"' && c != '\\' { c } else { '_' })
        .collect();
    let media_type = signed.media_type.clone().unwrap_or_else(|| "application/octet-stream".to_owned());
    let mut texts = vec![
        (header::CONTENT_TYPE, media_type),
        (header::CONTENT_LENGTH, length.to_string()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (header::ACCEPT_RANGES, "bytes".to_owned()),
        (header::ETAG, format!("\"{}\"", blob.sha256)),
        (header::CACHE_CONTROL, "private, no-store".to_owned()),
    ];
    if wanted.is_some() {
        texts.push((header::CONTENT_RANGE, format!("bytes {first}-{last}/{}", blob.size_bytes)));
    }
    for (name, text) in texts {
        if let Ok(value) = HeaderValue::from_str(&text) {
            response.headers_mut().insert(name, value);
        }
    }
    Ok(response)
}

/// A part of a file as a body, a chunk at a time.
fn stream(env: &Env, file: Box<dyn File>, first: u64, length: u64) -> Body {
    let start = (env.clone(), file, first, length);
    Body::from_stream(futures_util::stream::try_unfold(start, |(env, mut file, offset, left)| async move {
        if left == 0 {
            return Ok::<_, std::io::Error>(None);
        }
        let (read, file) = env
            .compute(move || {
                let mut buffer = vec![0u8; CHUNK_BYTES.min(left as usize)];
                let read = file.read_at(offset, &mut buffer);
                (
                    read.map(|n| {
                        buffer.truncate(n);
                        buffer
                    }),
                    file,
                )
            })
            .await;
        let bytes = read?;
        if bytes.is_empty() {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let taken = bytes.len() as u64;
        Ok(Some((Bytes::from(bytes), (env, file, offset + taken, left - taken))))
    }))
}

pub(super) async fn on_call(
    Extract(state): Extract<Arc<State>>,
    headers: HeaderMap,
    Json(call): Json<BlobsCall>,
) -> Served {
    let owned = Owned::new(&state, &headers, &call)?;
    match call {
        BlobsCall::Presign { bucket, key, grant, expires_ms } => {
            let object = object_name(&bucket, &key)?;
            let signed = state.signer.sign(&object, &grant, expires_ms);
            let query = query_string(&signed).map_err(|e| Problem::invalid(e.to_string()))?;
            Ok(Json(json!(format!("{}/objects/{object}?{query}", state.public_url))))
        }
        BlobsCall::Info { bucket, key } => {
            let object = object_name(&bucket, &key)?;
            owned.read(stored(&state, &object).and_then(|s| Ok(to_value(s.map(|s| s.blob))?))).await
        }
        BlobsCall::First { bucket, key, bytes_max } => {
            let object = object_name(&bucket, &key)?;
            let found = stored(&state, &object).map_err(|_| Problem::unavailable("the object's row cannot be read"))?;
            let Some(Stored { file, .. }) = found else {
                owned.check()?;
                return Err(Problem::not_found("object").into());
            };
            let disk = state.env.disk().clone();
            let read = state.env.compute(move || {
                let mut buffer = vec![0u8; bytes_max.min(64 << 10)];
                let n = disk.open(&file, false)?.read_at(0, &mut buffer)?;
                buffer.truncate(n);
                Ok::<_, std::io::Error>(buffer)
            });
            let read = read.await;
            owned.check()?;
            Ok(read.map(|bytes| Json(json!(bytes))).map_err(|e| failed(&e))?)
        }
        BlobsCall::Delete { bucket, key } => {
            let object = object_name(&bucket, &key)?;
            let forget = move |view: &mut crate::engine::View<'_>| {
                let key = row_key(&object);
                let gone = row(view.get(&key)?)?;
                view.delete(key);
                Ok(to_value(gone.map(|s| s.file))?)
            };
            if let Json(Value::String(file)) = owned.decide(Promise::Durable, Box::new(forget)).await? {
                remove(&state, file).await;
            }
            Ok(Json(Value::Null))
        }
    }
}

fn query_string(signed: &Signed) -> Result<String, serde_json::Error> {
    let fields = to_value(signed)?;
    let mut query = String::new();
    for (name, value) in fields.as_object().into_iter().flatten() {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let separator = if query.is_empty() { "" } else { "&" };
        query.push_str(&format!("{separator}{name}={}", percent(&text)));
    }
    Ok(query)
}

/// Percent-encoding of everything but RFC 3986's unreserved characters.
fn percent(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    text.bytes().map(|b| if plain(b) { (b as char).to_string() } else { format!("%{b:02X}") }).collect()
}
