//! A bounded HTTP server: axum routes over any listener.

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, body::Body};
use http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::Semaphore;
use tower::{Service, ServiceExt};

use crate::{Env, net::Address};

/// The peer's address, as a request extension.
#[derive(Debug, Clone, Copy)]
pub struct PeerAddress(pub SocketAddr);

/// Bounds of a server.
#[derive(Debug, Clone, Copy)]
pub struct ServerLimits {
    /// Open connections; more wait in the listener's backlog.
    pub connections_max: usize,
    /// Wait for a request's head.
    pub head_ms_max: u64,
    /// Size of a request's head.
    pub head_bytes_max: usize,
    /// Wait for running requests after the order to stop.
    pub drain_ms_max: u64,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self { connections_max: 10_000, head_ms_max: 15_000, head_bytes_max: 32 << 10, drain_ms_max: 3_000 }
    }
}

/// Serves the routes on the host's address until the order to stop, then lets running requests end.
///
/// # Errors
/// The address cannot be listened on.
pub async fn serve(env: &Env, address: &Address, routes: Router, limits: ServerLimits) -> io::Result<()> {
    let mut listener = env.net().listen(address).await?;
    tracing::info!(%address, "listening");
    let connections = Arc::new(Semaphore::new(limits.connections_max));
    loop {
        let permit = connections.clone().acquire_owned().await.map_err(io::Error::other)?;
        let accepted = tokio::select! {
            biased;
            () = env.shutdown().triggered() => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors or the like: it passes, and spinning would not help.
                tracing::warn!(%error, "accept failed");
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            }
        };
        let (routes, shutdown) = (routes.clone(), env.shutdown().clone());
        env.spawn("connection", async move {
            let service = hyper::service::service_fn(move |request: Request<Incoming>| {
                let routes = routes.clone();
                async move {
                    let mut request = request.map(Body::new);
                    request.extensions_mut().insert(PeerAddress(peer));
                    let mut ready = match ServiceExt::<Request<Body>>::ready_oneshot(routes).await {
                        Ok(ready) => ready,
                        Err(never) => match never {},
                    };
                    Ok::<_, Infallible>(match ready.call(request).await {
                        Ok(response) => response,
                        Err(never) => match never {},
                    })
                }
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(Duration::from_millis(limits.head_ms_max))
                .max_buf_size(limits.head_bytes_max)
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades();
            let mut connection = std::pin::pin!(connection);
            let ended = tokio::select! {
                biased;
                ended = connection.as_mut() => ended,
                () = shutdown.triggered() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                tracing::debug!(%peer, %error, "connection ended");
            }
            drop(permit);
        });
    }
    drop(listener);
    let all = limits.connections_max as u32;
    let drained = tokio::time::timeout(Duration::from_millis(limits.drain_ms_max), connections.acquire_many(all)).await;
    if drained.is_err() {
        tracing::info!("connections still open after the drain time were closed");
    }
    Ok(())
}
