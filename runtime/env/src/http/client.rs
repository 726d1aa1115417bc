//! A pooled HTTP client whose sockets come from the host's `Net`.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited, combinators::BoxBody};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{self, connect},
    rt::{TokioIo, TokioTimer},
};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Env, deadline,
    net::{Address, BoxStream, Net},
    task::Spawner,
};

/// Why a call gave no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The URL or a header was not valid.
    #[error("invalid request: {0}")]
    Invalid(String),
    /// No connection was made: nothing was sent.
    #[error("connection to {0} failed: {1}")]
    Unreachable(String, String),
    /// The connection broke: the request may or may not have taken effect.
    #[error("connection to {0} failed: {1}")]
    Connection(String, String),
    /// No answer in time: the request may or may not have taken effect.
    #[error("no answer from {0} within {1} ms")]
    Deadline(String, u64),
    /// The answer is larger than allowed.
    #[error("answer from {0} is larger than {1} bytes")]
    TooLarge(String, usize),
    /// The answer is not the JSON expected.
    #[error("unexpected answer from {0}: {1}")]
    Unexpected(String, String),
}

/// Bounds of a client.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Wait for a connection.
    pub connect_ms_max: u64,
    /// Whole exchange.
    pub call_ms_max: u64,
    /// Body of an answer.
    pub reply_bytes_max: usize,
    /// Idle connections kept per address.
    pub idle_per_host_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connect_ms_max: 1_000, call_ms_max: 5_000, reply_bytes_max: 16 << 20, idle_per_host_max: 16 }
    }
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Reply {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
}

impl Reply {
    /// The body as JSON.
    ///
    /// # Errors
    /// [`ClientError::Unexpected`] where it is not that.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        serde_json::from_slice(&self.body)
            .map_err(|e| ClientError::Unexpected(format!("status {}", self.status.as_u16()), e.to_string()))
    }
}

/// A request body: whole or streamed.
pub type Body = BoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

/// An HTTP client of one host. Cloning shares the pool.
#[derive(Clone)]
pub struct Client {
    inner: legacy::Client<Connector, Body>,
    limits: Limits,
}

impl Client {
    /// A client of this host.
    pub fn new(env: &Env, limits: Limits) -> Self {
        let connector = Connector { net: env.net().clone(), connect_ms_max: limits.connect_ms_max };
        let inner = legacy::Client::builder(Executor(env.spawner().clone()))
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(30))
            .pool_max_idle_per_host(limits.idle_per_host_max)
            .retry_canceled_requests(true)
            .build(connector);
        Self { inner, limits }
    }

    /// The deadline of a call, milliseconds.
    pub fn call_ms_max(&self) -> u64 {
        self.limits.call_ms_max
    }

    /// This client with another deadline per call.
    pub fn with_deadline(&self, call_ms_max: u64) -> Self {
        Self { inner: self.inner.clone(), limits: Limits { call_ms_max, ..self.limits } }
    }

    /// Sends a request with a whole body and reads the whole answer, all within the deadline, and within that of the work that it
    /// belongs to ([`deadline`]).
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn call(
        &self,
        method: Method,
        to: &Address,
        path: &str,
        headers: HeaderMap,
        body: impl Into<Bytes>,
    ) -> Result<Reply, ClientError> {
        let uri: Uri = format!("http://{to}{path}").parse().map_err(|_| ClientError::Invalid(path.to_owned()))?;
        let mut request = Request::new(Full::new(body.into()).map_err(|never| match never {}).boxed());
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        let deadline = deadline::at_most(Duration::from_millis(self.limits.call_ms_max));
        let exchange = async {
            let response = self.stream(request).await?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, self.limits.reply_bytes_max).collect().await.map_err(|e| {
                if e.is::<http_body_util::LengthLimitError>() {
                    ClientError::TooLarge(to.to_string(), self.limits.reply_bytes_max)
                } else {
                    ClientError::Connection(to.to_string(), e.to_string())
                }
            })?;
            Ok(Reply { status: parts.status, headers: parts.headers, body: body.to_bytes() })
        };
        tokio::time::timeout(deadline, exchange)
            .await
            .map_err(|_| ClientError::Deadline(to.to_string(), deadline.as_millis() as u64))?
    }

    /// Sends a request as it is and returns the answer with its body still to be read. The caller bounds the wait and the
    /// size.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`] and [`ClientError::Connection`].
    pub async fn stream(&self, request: Request<Body>) -> Result<Response<Incoming>, ClientError> {
        let to = request.uri().authority().map_or_else(String::new, ToString::to_string);
        self.inner.request(request).await.map_err(|error| {
            let cause = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
            match error.is_connect() {
                true => ClientError::Unreachable(to, cause),
                false => ClientError::Connection(to, cause),
            }
        })
    }

    /// `GET`, no body.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn get(&self, to: &Address, path: &str, headers: HeaderMap) -> Result<Reply, ClientError> {
        self.call(Method::GET, to, path, headers, Bytes::new()).await
    }

    /// Sends JSON.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn json<T: Serialize + ?Sized>(
        &self,
        method: Method,
        to: &Address,
        path: &str,
        mut headers: HeaderMap,
        body: &T,
    ) -> Result<Reply, ClientError> {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let body = serde_json::to_vec(body).map_err(|e| ClientError::Invalid(e.to_string()))?;
        self.call(method, to, path, headers, body).await
    }
}

/// Runs the connections' own tasks on the host, so that they live and end with it.
#[derive(Clone)]
struct Executor(Arc<dyn Spawner>);

impl<F> hyper::rt::Executor<F> for Executor
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, future: F) {
        self.0.spawn("http client", Box::pin(async move { drop(future.await) }));
    }
}

#[derive(Clone)]
struct Connector {
    net: Arc<dyn Net>,
    connect_ms_max: u64,
}

struct Connection(TokioIo<BoxStream>);

impl connect::Connection for Connection {
    fn connected(&self) -> connect::Connected {
        connect::Connected::new()
    }
}

impl hyper::rt::Read for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: hyper::rt::ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl hyper::rt::Write for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

impl tower::Service<Uri> for Connector {
    type Response = Connection;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Connection>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (net, wait) = (self.net.clone(), Duration::from_millis(self.connect_ms_max));
        let address = Address::new(uri.host().unwrap_or_default(), uri.port_u16().unwrap_or(80));
        Box::pin(async move {
            let stream = tokio::time::timeout(wait, net.connect(&address))
                .await
                .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "connect timed out"))??;
            Ok(Connection(TokioIo::new(stream)))
        })
    }
}
