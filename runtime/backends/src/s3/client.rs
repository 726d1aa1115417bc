//! Signing and sending, and what errors mean.

use std::{collections::BTreeMap, time::Duration};

use archgen_env::Env;
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client as Http, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use rusty_s3::{Bucket, Credentials, Method, UrlStyle, signing};

use crate::{Failure, FaultKind, Target, Tls};

/// Longest call, milliseconds. Looking at an object reads all of it.
pub(super) const CALL_MS_MAX: u64 = 60_000;
/// Longest time to connect, and to the first byte of an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(8);
/// How long a request of our own is valid, seconds.
const VALID_S: u64 = 300;
/// Body of an answer that is shown or read whole, bytes.
const REPLY_BYTES_MAX: usize = 1 << 20;

/// A client of one server.
pub(super) struct Client {
    pub(super) target: Target,
    http: Result<Http<HttpsConnector<HttpConnector>, Full<Bytes>>, String>,
    credentials: Credentials,
    env: Env,
}

/// What to ask.
pub(super) struct Ask<'a> {
    pub(super) method: Method,
    pub(super) bucket: &'a str,
    /// Empty for the bucket itself.
    pub(super) key: &'a str,
    pub(super) query: &'a [(&'a str, &'a str)],
    pub(super) headers: &'a [(&'a str, &'a str)],
    pub(super) body: Bytes,
}

impl<'a> Ask<'a> {
    pub(super) fn new(method: Method, bucket: &'a str, key: &'a str) -> Self {
        Self { method, bucket, key, query: &[], headers: &[], body: Bytes::new() }
    }
}

/// An answer without its body.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: http::HeaderMap,
}

impl Answer {
    /// A header's text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

fn roots(tls: &Tls) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    match tls {
        Tls::Authority(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                let certificate = certificate.map_err(|error| error.to_string())?;
                roots.add(certificate).map_err(|error| error.to_string())?;
            }
        }
        Tls::Off | Tls::System => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
    }
    Ok(roots)
}

fn http(tls: &Tls) -> Result<Http<HttpsConnector<HttpConnector>, Full<Bytes>>, String> {
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots(tls)?)
        .with_no_client_auth();
    let mut plain = HttpConnector::new();
    plain.enforce_http(false);
    plain.set_nodelay(true);
    plain.set_connect_timeout(Some(ANSWER_WITHIN / 4));
    let connector =
        HttpsConnectorBuilder::new().with_tls_config(config).https_or_http().enable_http1().wrap_connector(plain);
    Ok(Http::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(Duration::from_secs(20))
        .pool_max_idle_per_host(16)
        .build(connector))
}

/// The region that an address of Amazon's names; other servers do not mind.
fn region(host: &str) -> &str {
    let rest = host.strip_suffix(".amazonaws.com").and_then(|rest| rest.strip_prefix("s3."));
    rest.filter(|region| !region.contains('.')).unwrap_or("us-east-1")
}

impl Client {
    pub(super) fn new(env: &Env, target: Target) -> Self {
        let (user, password) = target
            .credentials
            .as_ref()
            .map_or((String::new(), String::new()), |who| (who.user.clone(), who.password.expose().to_owned()));
        Self { http: http(&target.tls), credentials: Credentials::new(user, password), env: env.clone(), target }
    }

    /// The bucket of a dataset. Bucket names have no underscores.
    pub(super) fn bucket(&self, name: &str) -> String {
        format!("{}-{name}", self.target.namespace).replace('_', "-").to_lowercase()
    }

    /// A URL signed for this long from then on. Headers that are signed must be sent with it.
    ///
    /// # Errors
    /// The address or the bucket's name is none.
    pub(super) fn sign(&self, ask: &Ask<'_>, from_ms: u64, valid_s: u64) -> Result<String, Failure> {
        let at = &self.target.endpoints[0];
        let scheme = if self.target.tls == Tls::Off { "http" } else { "https" };
        let refused = |why: String| Failure::Refused(format!("no URL: {why}"));
        let endpoint = format!("{scheme}://{at}").parse().map_err(|error| refused(format!("{error}")))?;
        let bucket = Bucket::new(endpoint, UrlStyle::Path, self.bucket(ask.bucket), region(&at.host).to_owned());
        let bucket = bucket.map_err(|error| refused(format!("{error:?}")))?;
        let url = if ask.key.is_empty() { bucket.base_url().clone() } else { bucket.object_url(ask.key) };
        let (query, headers): (BTreeMap<_, _>, BTreeMap<_, _>) =
            (ask.query.iter().copied().collect(), ask.headers.iter().copied().collect());
        let now = jiff::Timestamp::from_millisecond(i64::try_from(from_ms).unwrap_or(i64::MAX));
        let now = now.map_err(|error| refused(error.to_string()))?;
        let signed = signing::sign(
            &now,
            ask.method,
            url,
            self.credentials.key(),
            self.credentials.secret(),
            None,
            bucket.region(),
            valid_s,
            query.iter().map(|(name, value)| (*name, *value)),
            headers.iter().map(|(name, value)| (*name, *value)),
        );
        Ok(signed.into())
    }

    /// Sends a request; the body of its answer is still to be read.
    ///
    /// # Errors
    /// See [`Failure`].
    pub(super) async fn send(&self, ask: Ask<'_>) -> Result<(Answer, Incoming), Failure> {
        let refused = |why: String| Failure::Refused(why);
        let http = self.http.as_ref().map_err(|why| refused(why.clone()))?;
        let url = self.sign(&ask, self.env.wall_ms(), VALID_S)?;
        let mut request = Request::builder().method(ask.method.to_str()).uri(url);
        for (name, value) in ask.headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(ask.body)).map_err(|error| refused(error.to_string()))?;
        let answer = tokio::time::timeout(ANSWER_WITHIN, http.request(request)).await;
        let answer = answer.map_err(|_| Failure::Lost(format!("no answer within {} s", ANSWER_WITHIN.as_secs())))?;
        let (parts, body) = answer.map_err(|error| unanswered(&error))?.into_parts();
        Ok((Answer { status: parts.status, headers: parts.headers }, body))
    }

    /// Sends a request and reads its answer whole.
    ///
    /// # Errors
    /// See [`Failure`].
    pub(super) async fn call(&self, ask: Ask<'_>) -> Result<(Answer, Bytes), Failure> {
        let (answer, body) = self.send(ask).await?;
        let body = http_body_util::Limited::new(body, REPLY_BYTES_MAX).collect().await;
        Ok((answer, body.map_err(|error| Failure::Lost(error.to_string()))?.to_bytes()))
    }
}

fn unanswered(error: &hyper_util::client::legacy::Error) -> Failure {
    let mut why = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(deeper) = cause {
        why = format!("{why}: {deeper}");
        cause = deeper.source();
    }
    if error.is_connect() { Failure::Unreachable(why) } else { Failure::Lost(why) }
}

/// What a status other than success means for what was asked.
pub(super) fn refused(answer: &Answer, body: &[u8]) -> Failure {
    let why = format!("HTTP {}{}", answer.status.as_u16(), reason(body));
    if answer.status == StatusCode::SERVICE_UNAVAILABLE {
        // It says that it did nothing, and asks to be asked less.
        return Failure::Unreachable(why);
    }
    if answer.status.is_server_error() { Failure::Lost(why) } else { Failure::Refused(why) }
}

/// The code in an error's XML, as far as there is one.
pub(super) fn reason(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let code = text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
    code.map_or_else(String::new, |(code, _)| format!(" {code}"))
}

/// Why the server cannot be asked.
pub(super) fn connecting(failure: &Failure) -> FaultKind {
    let (Failure::Unreachable(why) | Failure::Refused(why) | Failure::Lost(why)) = failure;
    match failure {
        _ if why.contains("certificate") || why.contains("corrupt message") || why.contains("TLS") => {
            FaultKind::Encryption(why.clone())
        }
        Failure::Lost(_) if why.contains("parse") || why.contains("invalid HTTP") || why.contains("closed") => {
            FaultKind::Foreign(format!("no HTTP: {why}"))
        }
        Failure::Refused(_) => FaultKind::Other(why.clone()),
        _ => FaultKind::Unreachable(why.clone()),
    }
}
