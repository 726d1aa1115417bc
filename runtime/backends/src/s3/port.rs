//! The blobs port, and the backend around it.

use std::sync::Arc;

use archgen_env::Env;
use archgen_ports::{
    StoreError,
    blobs::{BlobInfo, Blobs, Grant},
};
use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::StatusCode;
use http_body_util::BodyExt;
use rusty_s3::Method;
use sha2::{Digest, Sha256};

use super::client::{Ask, CALL_MS_MAX, Client, connecting, reason, refused};
use crate::{Backend, Dataset, Failure, Fault, FaultKind, Guard, Metrics, PortSet, Server, Target};

/// Longest validity of a presigned URL, seconds: the protocol's own bound.
const VALID_S_MAX: u64 = 604_800;
/// Header under which the digest of an object is kept with it.
const DIGEST: &str = "x-amz-meta-sha256";
/// What any web page may do with a presigned URL, which is itself the permission.
const CORS: &str = "<CORSConfiguration><CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod>\
    <AllowedMethod>PUT</AllowedMethod><AllowedHeader>*</AllowedHeader><MaxAgeSeconds>600</MaxAgeSeconds></CORSRule>\
    </CORSConfiguration>";
const VERSIONED: &str = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";

/// Blobs on one server. Cloning shares the connections.
#[derive(Clone)]
struct S3(Arc<Inner>);

struct Inner {
    client: Client,
    guard: Guard,
    env: Env,
}

/// A backend for this target.
pub(crate) fn open(env: &Env, target: Target, metrics: Metrics) -> Arc<dyn Backend> {
    let guard = Guard::new(&target.store, CALL_MS_MAX, env.entropy("s3"), metrics).on(&target);
    Arc::new(S3(Arc::new(Inner { client: Client::new(env, target), guard, env: env.clone() })))
}

/// Where an object is.
struct Places {
    /// Where clients put.
    incoming: String,
    /// What the first look found: the entity tag and the digest.
    decision: String,
    /// From where it is read.
    object: String,
}

fn places(key: &str) -> Result<Places, Failure> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    if key.is_empty() || !key.bytes().all(plain) {
        return Err(Failure::Refused("a key is letters, digits, `-`, `_` and `.`".to_owned()));
    }
    let at = |folder: &str| format!("{folder}/{key}");
    Ok(Places { incoming: at("incoming"), decision: at("decisions"), object: at("objects") })
}

/// A file name in a header (RFC 6266): what is not plain goes in percent-encoding.
fn attachment(name: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    let text: String =
        name.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect();
    format!("attachment; filename*=UTF-8''{text}")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

impl Inner {
    /// An object that was looked at.
    async fn known(&self, bucket: &str, object: &str) -> Result<Option<BlobInfo>, Failure> {
        let (answer, body) = self.client.call(Ask::new(Method::Head, bucket, object)).await?;
        match answer.status {
            StatusCode::NOT_FOUND => Ok(None),
            StatusCode::OK => {
                let size = answer.header("content-length").and_then(|text| text.parse().ok());
                let digest = answer.header(DIGEST).map(str::to_owned);
                let unknown = || Failure::Refused(format!("`{object}` was not put there by archgen"));
                let (size_bytes, sha256) = size.zip(digest).ok_or_else(unknown)?;
                Ok(Some(BlobInfo { size_bytes, sha256 }))
            }
            _ => Err(refused(&answer, &body)),
        }
    }

    /// Reads what a client put, and keeps exactly that. `None` where there is nothing, `Some(false)` where it changed meanwhile.
    async fn keep(&self, bucket: &str, key: &str) -> Result<Option<bool>, Failure> {
        let Places { incoming, object, .. } = &places(key)?;
        let (answer, mut body) = self.client.send(Ask::new(Method::Get, bucket, incoming)).await?;
        match answer.status {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Ok(None),
            _ => return Err(refused(&answer, &[])),
        }
        let tag = answer.header("etag").unwrap_or_default().to_owned();
        let (mut digest, mut size) = (Sha256::new(), 0u64);
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| Failure::Lost(error.to_string()))?;
            if let Some(data) = frame.data_ref() {
                digest.update(data);
                size += data.len() as u64;
            }
        }
        if answer.header("content-length").is_some_and(|length| length != size.to_string()) {
            return Err(Failure::Lost("the answer was cut off".to_owned()));
        }
        let (tag, digest) = self.decide(bucket, key, (tag, hex(&digest.finalize()))).await?;
        let source = format!("/{}/{incoming}", self.client.bucket(bucket));
        let headers = [
            ("x-amz-copy-source", source.as_str()),
            ("x-amz-copy-source-if-match", tag.as_str()),
            (DIGEST, digest.as_str()),
            ("x-amz-metadata-directive", "REPLACE"),
        ];
        let ask = Ask { headers: &headers, ..Ask::new(Method::Put, bucket, object) };
        let (answer, body) = self.client.call(ask).await?;
        match answer.status {
            // A copy may fail after its status was sent.
            StatusCode::OK if body.windows(6).any(|w| w == b"<Error") => {
                Err(Failure::Lost(format!("copying:{}", reason(&body))))
            }
            StatusCode::OK => Ok(Some(true)),
            StatusCode::PRECONDITION_FAILED | StatusCode::CONFLICT | StatusCode::NOT_FOUND => Ok(Some(false)),
            _ => Err(refused(&answer, &body)),
        }
    }

    /// Writes down what was read, unless another look was first; what stands then. A copy alone cannot decide it: not every server
    /// honours a condition on its destination.
    async fn decide(&self, bucket: &str, key: &str, found: (String, String)) -> Result<(String, String), Failure> {
        let Places { decision, .. } = places(key)?;
        let (headers, body) = ([("if-none-match", "*")], Bytes::from(format!("{}\n{}", found.0, found.1)));
        let ask = Ask { headers: &headers, body, ..Ask::new(Method::Put, bucket, &decision) };
        let (answer, body) = self.client.call(ask).await?;
        match answer.status {
            StatusCode::OK => return Ok(found),
            StatusCode::PRECONDITION_FAILED | StatusCode::CONFLICT => {}
            _ => return Err(refused(&answer, &body)),
        }
        let (answer, body) = self.client.call(Ask::new(Method::Get, bucket, &decision)).await?;
        if answer.status != StatusCode::OK {
            return Err(refused(&answer, &body));
        }
        let text = String::from_utf8_lossy(&body);
        let (tag, digest) = text.split_once('\n').unwrap_or_default();
        Ok((tag.to_owned(), digest.to_owned()))
    }

    async fn look(&self, bucket: &str, key: &str) -> Result<Option<BlobInfo>, Failure> {
        let Places { incoming, object, .. } = places(key)?;
        if let Some(info) = self.known(bucket, &object).await? {
            return Ok(Some(info));
        }
        match self.keep(bucket, key).await? {
            None => self.known(bucket, &object).await,
            Some(kept) => {
                let info = self.known(bucket, &object).await?;
                if info.is_none() && !kept {
                    return Err(Failure::Lost(format!("`{key}` is being put")));
                }
                if kept && self.client.call(Ask::new(Method::Delete, bucket, &incoming)).await.is_err() {
                    tracing::debug!(key, "an object's first copy stays");
                }
                Ok(info)
            }
        }
    }

    async fn remove(&self, bucket: &str, key: &str) -> Result<(), Failure> {
        let Places { incoming, decision, object } = places(key)?;
        // The decision goes last: without it a first look could begin while the object is still there.
        for place in [incoming, object, decision] {
            let (answer, body) = self.client.call(Ask::new(Method::Delete, bucket, &place)).await?;
            if !answer.status.is_success() && answer.status != StatusCode::NOT_FOUND {
                return Err(refused(&answer, &body));
            }
        }
        Ok(())
    }

    fn presigned(&self, bucket: &str, key: &str, grant: &Grant, expires_ms: u64) -> Result<String, Failure> {
        let Places { incoming, object, .. } = places(key)?;
        // A time that is over makes a URL that was valid for its last second: signing never lengthens what was granted.
        let now_ms = self.env.wall_ms().min(expires_ms.saturating_sub(1_000));
        let valid_s = (expires_ms.saturating_sub(now_ms) / 1_000).clamp(1, VALID_S_MAX);
        match grant {
            Grant::Put { size_bytes } => {
                let size = size_bytes.to_string();
                let headers = [("content-length", size.as_str())];
                self.client.sign(
                    &Ask { headers: &headers, ..Ask::new(Method::Put, bucket, &incoming) },
                    now_ms,
                    valid_s,
                )
            }
            Grant::Get { name, media_type } => {
                let name = attachment(name);
                let query =
                    [("response-content-disposition", name.as_str()), ("response-content-type", media_type.as_str())];
                self.client.sign(&Ask { query: &query, ..Ask::new(Method::Get, bucket, &object) }, now_ms, valid_s)
            }
        }
    }

    async fn first(&self, bucket: &str, key: &str, bytes_max: usize) -> Result<Bytes, Failure> {
        let Places { object, .. } = places(key)?;
        if bytes_max == 0 {
            return Ok(Bytes::new());
        }
        let range = format!("bytes=0-{}", bytes_max - 1);
        let headers = [("range", range.as_str())];
        let ask = Ask { headers: &headers, ..Ask::new(Method::Get, bucket, &object) };
        let (answer, body) = self.client.call(ask).await?;
        match answer.status {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT => Ok(body.slice(..body.len().min(bytes_max))),
            // There is no first byte of nothing.
            StatusCode::RANGE_NOT_SATISFIABLE => Ok(Bytes::new()),
            StatusCode::NOT_FOUND => Err(Failure::Refused(format!("there is no object `{key}`"))),
            _ => Err(refused(&answer, &body)),
        }
    }

    /// Whether a bucket is there, and who says so; `None` where it is not.
    async fn bucket(&self, name: &str) -> Result<Option<Server>, FaultKind> {
        let query = [("location", "")];
        let asked = self.client.call(Ask { query: &query, ..Ask::new(Method::Get, name, "") }).await;
        let (answer, body) = asked.map_err(|failure| connecting(&failure))?;
        let text = String::from_utf8_lossy(&body);
        let user = || self.client.target.credentials.as_ref().map_or("nobody".to_owned(), |c| format!("`{}`", c.user));
        match reason(&body).trim() {
            _ if text.contains("LocationConstraint") => {
                let product = answer.header("server").unwrap_or("unnamed").to_owned();
                Ok(Some(Server { version: format!("S3 ({product})") }))
            }
            "NoSuchBucket" => Ok(None),
            // The last is versitygw's word for an unknown key.
            "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "XAdminUserNotFound" => {
                Err(FaultKind::Credentials(user()))
            }
            "AccessDenied" if self.client.target.credentials.is_none() => Err(FaultKind::Credentials(user())),
            "AccessDenied" => Err(FaultKind::Rights(format!("use bucket `{}`", self.client.bucket(name)))),
            "RequestTimeTooSkewed" => Err(FaultKind::Other(
                "this machine's clock and the server's are too far apart; set them right".to_owned(),
            )),
            "" => Err(FaultKind::Foreign(format!("no S3: HTTP {}", answer.status.as_u16()))),
            other => Err(FaultKind::Other(format!("HTTP {} {other}", answer.status.as_u16()))),
        }
    }

    /// Makes a bucket and sets it up.
    async fn make(&self, dataset: &Dataset) -> Result<Server, FaultKind> {
        let name = &dataset.name;
        if self.bucket(name).await?.is_none() {
            let made = self.client.call(Ask::new(Method::Put, name, "")).await;
            let (answer, body) = made.map_err(|failure| connecting(&failure))?;
            // Another starter may have been faster; whose it is shows next.
            if !answer.status.is_success() && answer.status != StatusCode::CONFLICT {
                return Err(FaultKind::Rights(format!(
                    "make bucket `{}` (HTTP {}{})",
                    self.client.bucket(name),
                    answer.status.as_u16(),
                    reason(&body)
                )));
            }
        }
        let missing = || FaultKind::Namespace(format!("bucket `{}`", self.client.bucket(name)));
        let server = self.bucket(name).await?.ok_or_else(missing)?;
        if dataset.versioned {
            self.set_up(name, "versioning", VERSIONED, false).await?;
        }
        self.set_up(name, "cors", CORS, true).await?;
        let rule = |id: &str, prefix: &str, days: u64| {
            format!(
                "<Rule><ID>{id}</ID><Filter><Prefix>{prefix}</Prefix></Filter><Status>Enabled</Status><Expiration><Days>{days}\
                 </Days></Expiration></Rule>"
            )
        };
        let kept = dataset.keep_ms.map(|ms| rule("expire", "objects/", ms.div_ceil(86_400_000).max(1)));
        let rules =
            [rule("incoming", "incoming/", 8), rule("decisions", "decisions/", 16), kept.unwrap_or_default()].concat();
        let rules = format!("<LifecycleConfiguration>{rules}</LifecycleConfiguration>");
        self.set_up(name, "lifecycle", &rules, true).await?;
        Ok(server)
    }

    /// Sends a bucket's configuration of one kind. What a server does not know it may do without, where that is said.
    async fn set_up(&self, name: &str, kind: &str, xml: &str, dispensable: bool) -> Result<(), FaultKind> {
        let digest = STANDARD.encode(Sha256::digest(xml.as_bytes()));
        let (query, headers) = ([(kind, "")], [("x-amz-checksum-sha256", digest.as_str())]);
        let body = Bytes::copy_from_slice(xml.as_bytes());
        let ask = Ask { query: &query, headers: &headers, body, ..Ask::new(Method::Put, name, "") };
        let (answer, body) = self.client.call(ask).await.map_err(|failure| connecting(&failure))?;
        if answer.status == StatusCode::NOT_IMPLEMENTED && dispensable {
            tracing::warn!(bucket = self.client.bucket(name), kind, "the server does not know this setting");
            return Ok(());
        }
        if answer.status.is_success() {
            return Ok(());
        }
        let why =
            format!("set {kind} of bucket `{}` (HTTP {}{})", self.client.bucket(name), answer.status, reason(&body));
        Err(if answer.status == StatusCode::FORBIDDEN { FaultKind::Rights(why) } else { FaultKind::Other(why) })
    }
}

#[async_trait]
impl Backend for S3 {
    fn target(&self) -> &Target {
        &self.0.client.target
    }

    fn ports(&self) -> PortSet {
        PortSet { blobs: Some(Arc::new(self.clone())), ..PortSet::default() }
    }

    async fn check(&self) -> Result<Server, Fault> {
        let (target, mut found) = (&self.0.client.target, None);
        for dataset in &target.datasets {
            let server = self.0.bucket(&dataset.name).await.map_err(|kind| kind.at(target))?;
            let missing =
                || FaultKind::Namespace(format!("bucket `{}`", self.0.client.bucket(&dataset.name))).at(target);
            found = Some(server.ok_or_else(missing)?);
        }
        found.ok_or_else(|| FaultKind::Other("no bucket is declared".to_owned()).at(target))
    }

    async fn prepare(&self) -> Result<Server, Fault> {
        let (target, mut found) = (&self.0.client.target, None);
        for dataset in &target.datasets {
            found = Some(self.0.make(dataset).await.map_err(|kind| kind.at(target))?);
        }
        found.ok_or_else(|| FaultKind::Other("no bucket is declared".to_owned()).at(target))
    }
}

#[async_trait]
impl Blobs for S3 {
    async fn presign(&self, bucket: &str, key: &str, grant: Grant, expires_ms: u64) -> Result<String, StoreError> {
        // Signing asks nobody: a server that is away does not hold it up.
        self.0.presigned(bucket, key, &grant, expires_ms).map_err(|failure| {
            let (Failure::Unreachable(why) | Failure::Refused(why) | Failure::Lost(why)) = failure;
            StoreError::Refused(why)
        })
    }

    async fn info(&self, bucket: &str, key: &str) -> Result<Option<BlobInfo>, StoreError> {
        // Looking again changes nothing: it may be repeated.
        self.0.guard.read(|| self.0.look(bucket, key)).await
    }

    async fn first_bytes(&self, bucket: &str, key: &str, bytes_max: usize) -> Result<Bytes, StoreError> {
        self.0.guard.read(|| self.0.first(bucket, key, bytes_max)).await
    }

    async fn delete(&self, bucket: &str, key: &str) -> Result<(), StoreError> {
        self.0.guard.write(self.0.remove(bucket, key)).await
    }
}
