//! Sending, and what errors mean.

use std::{
    error::Error as _,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use elasticsearch::{
    auth::Credentials,
    cert::{Certificate, CertificateValidation},
    http::{
        Method as DriverMethod, Url,
        headers::{CONTENT_TYPE, HeaderMap, HeaderValue},
        transport::{SingleNodeConnectionPool, Transport, TransportBuilder},
    },
};
use http::Method;
use serde_json::Value;

use crate::{Failure, Fault, FaultKind, Target, Tls};

/// Longest call.
pub(super) const CALL_MS_MAX: u64 = 10_000;
/// Reason shown of a refusal, characters.
const REASON_CHARS_MAX: usize = 300;

/// The nodes of one cluster.
pub(super) struct Client {
    pub(super) target: Target,
    /// Or why there are none.
    nodes: Result<Vec<Transport>, String>,
    current: AtomicUsize,
}

/// An answer.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Value,
}

impl Answer {
    /// Why it was refused, as far as it says.
    pub(super) fn reason(&self) -> String {
        let error = &self.body["error"];
        let said = error["reason"].as_str().or(error.as_str()).map_or_else(|| self.body.to_string(), str::to_owned);
        said.chars().take(REASON_CHARS_MAX).collect()
    }
}

fn transport(target: &Target, address: &str) -> Result<Transport, String> {
    let scheme = if target.tls == Tls::Off { "http" } else { "https" };
    let url = Url::parse(&format!("{scheme}://{address}")).map_err(|error| error.to_string())?;
    let mut builder = TransportBuilder::new(SingleNodeConnectionPool::new(url))
        .disable_proxy()
        .timeout(Duration::from_millis(CALL_MS_MAX));
    if let Some(who) = &target.credentials {
        builder = builder.auth(Credentials::Basic(who.user.clone(), who.password.expose().to_owned()));
    }
    if let Tls::Authority(pem) = &target.tls {
        let authority = Certificate::from_pem(pem.as_bytes()).map_err(|error| error.to_string())?;
        builder = builder.cert_validation(CertificateValidation::Full(authority));
    }
    builder.build().map_err(|error| error.to_string())
}

/// Why there was no answer.
fn unanswered(error: &elasticsearch::Error) -> Failure {
    let mut why = error.to_string();
    let mut cause = error.source();
    while let Some(deeper) = cause {
        why = format!("{why}: {deeper}");
        cause = deeper.source();
    }
    let unmade = ["refused", "dns error", "error trying to connect", "tcp connect"];
    if unmade.iter().any(|sign| why.contains(sign)) { Failure::Unreachable(why) } else { Failure::Lost(why) }
}

impl Client {
    /// A client of these nodes. What the driver refuses of it, a certificate perhaps, is said at each call.
    pub(super) fn new(target: Target) -> Self {
        let nodes = target.endpoints.iter().map(|address| transport(&target, &address.to_string())).collect();
        Self { nodes, current: AtomicUsize::new(0), target }
    }

    /// One call, to the node that answered last; where none can be connected to there, to the others in turn.
    ///
    /// # Errors
    /// See [`Failure`].
    pub(super) async fn send(&self, method: Method, path: &str, body: Option<String>) -> Result<Answer, Failure> {
        let method = match method.as_str() {
            "GET" => DriverMethod::Get,
            "PUT" => DriverMethod::Put,
            "HEAD" => DriverMethod::Head,
            _ => DriverMethod::Post,
        };
        let kind = if path.contains("_bulk") { "application/x-ndjson" } else { "application/json" };
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))]);
        let nodes = self.nodes.as_ref().map_err(|why| Failure::Refused(why.clone()))?;
        let first = self.current.load(Ordering::Relaxed);
        let mut failure = Failure::Unreachable("no node is named".to_owned());
        for turn in 0..nodes.len() {
            let at = (first + turn) % nodes.len();
            let sent = nodes[at].send(method, path, headers.clone(), None::<&()>, body.clone(), None).await;
            match sent {
                Ok(response) => {
                    self.current.store(at, Ordering::Relaxed);
                    let status = response.status_code().as_u16();
                    let text = response.text().await.map_err(|error| Failure::Lost(error.to_string()))?;
                    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
                    return Ok(Answer { status, body });
                }
                Err(error) => {
                    failure = unanswered(&error);
                    self.current.store(at + 1, Ordering::Relaxed);
                    if matches!(failure, Failure::Lost(_)) {
                        break;
                    }
                }
            }
        }
        Err(failure)
    }

    /// One question about the cluster.
    ///
    /// # Errors
    /// See [`Fault`].
    pub(super) async fn ask(&self, method: Method, path: &str, body: Option<String>) -> Result<Answer, Fault> {
        let answer = self.send(method, path, body).await;
        let answer = answer.map_err(|failure| {
            let (Failure::Unreachable(why) | Failure::Refused(why) | Failure::Lost(why)) = failure;
            let kind = match &why {
                why if why.contains("certificate") || why.contains("TLS") => FaultKind::Encryption(why.clone()),
                why if why.contains("invalid HTTP") || why.contains("parse") => {
                    FaultKind::Foreign(format!("no HTTP: {why}"))
                }
                why => FaultKind::Unreachable(why.clone()),
            };
            kind.at(&self.target)
        })?;
        if answer.status == 401 {
            let user = self.target.credentials.as_ref().map(|c| format!("`{}`", c.user));
            let user = user.unwrap_or_else(|| "a connection without a user".to_owned());
            return Err(FaultKind::Credentials(user).at(&self.target));
        }
        Ok(answer)
    }
}
