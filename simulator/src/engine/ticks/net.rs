//! Sockets over turmoil, with its untruths put right. A connection attempt across a cut waits as a SYN would (turmoil refuses it
//! at once), and one to a machine whose process is gone is refused (turmoil leaves it without an answer). What is written into a cut is sent again once the link is whole (turmoil drops it and the connection hangs for
//! ever). A stream that is dropped behind a cut says goodbye only after it.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::PoisonError,
    task::{Context, Poll},
    time::Duration,
};

use archgen_env::{
    net::{Address, BoxStream, Listener, Net},
    task::{OnRuntime, Spawner},
};
use async_trait::async_trait;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Sleep,
};

use crate::{
    engine::{
        SYN_RETRY, SYN_TRIES_MAX,
        links::{Leave, Links, Slot},
        retransmission,
    },
    world::{self, Crossing, Trace},
};

/// Wait between looks whether a cut is over, for what nobody waits for.
const LINGER: Duration = Duration::from_millis(200);

pub(super) struct TickNet {
    host: String,
    links: Links,
    trace: Trace,
}

impl TickNet {
    pub(super) fn new(host: &str, links: &Links, trace: &Trace) -> Self {
        Self { host: host.to_owned(), links: links.clone(), trace: trace.clone() }
    }

    fn stream(&self, inner: turmoil::net::TcpStream, peer: &str) -> TickStream {
        TickStream {
            inner: Some(inner),
            slot: self.links.attach(&self.host, peer),
            host: self.host.clone(),
            peer: peer.to_owned(),
            links: self.links.clone(),
            trace: self.trace.clone(),
            blocked_since: None,
            hold: None,
        }
    }
}

struct TickListener {
    inner: turmoil::net::TcpListener,
    net: TickNet,
}

#[async_trait]
impl Listener for TickListener {
    async fn accept(&mut self) -> io::Result<(BoxStream, SocketAddr)> {
        let (inner, peer) = self.inner.accept().await?;
        let name = turmoil::reverse_lookup(peer.ip()).unwrap_or_else(|| peer.to_string());
        Ok((Box::new(self.net.stream(inner, &name)), peer))
    }
}

#[async_trait]
impl Net for TickNet {
    async fn listen(&self, address: &Address) -> io::Result<Box<dyn Listener>> {
        let inner = turmoil::net::TcpListener::bind(("0.0.0.0", address.port)).await?;
        Ok(Box::new(TickListener { inner, net: Self::new(&self.host, &self.links, &self.trace) }))
    }

    async fn connect(&self, address: &Address) -> io::Result<BoxStream> {
        let mut wait = SYN_RETRY;
        for _ in 0..SYN_TRIES_MAX {
            if !self.links.is_cut(&self.host, &address.host) && !self.links.is_cut(&address.host, &self.host) {
                if self.links.is_refused(&self.host, &address.host) {
                    return Err(io::ErrorKind::ConnectionRefused.into());
                }
                let inner = turmoil::net::TcpStream::connect((address.host.as_str(), address.port)).await?;
                self.trace.record(Crossing::Connect, &self.host, &address.host, &[]);
                return Ok(Box::new(self.stream(inner, &address.host)));
            }
            tokio::time::sleep(wait).await;
            wait *= 2;
        }
        Err(io::ErrorKind::TimedOut.into())
    }
}

struct TickStream {
    /// Taken only by the drop.
    inner: Option<turmoil::net::TcpStream>,
    slot: Slot,
    host: String,
    peer: String,
    links: Links,
    trace: Trace,
    blocked_since: Option<Duration>,
    hold: Option<Pin<Box<Sleep>>>,
}

impl TickStream {
    fn inner(&mut self) -> io::Result<Pin<&mut turmoil::net::TcpStream>> {
        let inner = self.inner.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        Ok(Pin::new(inner))
    }

    fn is_reset(&self) -> bool {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner).reset
    }

    /// Ready once a segment of this size may leave.
    fn poll_leave(&mut self, context: &mut Context<'_>, bytes: usize) -> Poll<()> {
        loop {
            if let Some(hold) = &mut self.hold {
                if hold.as_mut().poll(context).is_pending() {
                    return Poll::Pending;
                }
                self.hold = None;
                if !self.links.is_cut(&self.host, &self.peer) {
                    return Poll::Ready(());
                }
            }
            let now = world::elapsed();
            match self.links.leave(&self.host, &self.peer, bytes, now) {
                Leave::Never => {
                    self.blocked_since.get_or_insert(now);
                    let mut waiting = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
                    waiting.writer = Some(context.waker().clone());
                    return Poll::Pending;
                }
                Leave::After(wait) => {
                    let again =
                        self.blocked_since.take().map_or(Duration::ZERO, |since| retransmission(since, now) - now);
                    let wait = wait + again;
                    if wait.is_zero() {
                        return Poll::Ready(());
                    }
                    self.hold = Some(Box::pin(tokio::time::sleep(wait)));
                }
            }
        }
    }
}

impl AsyncRead for TickStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_reset() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let before = buffer.filled().len();
        let polled = self.inner()?.poll_read(context, buffer);
        if polled.is_ready() {
            self.trace.record(Crossing::Read, &self.host, &self.peer, &buffer.filled()[before..]);
        } else {
            self.slot.lock().unwrap_or_else(PoisonError::into_inner).reader = Some(context.waker().clone());
        }
        polled
    }
}

impl AsyncWrite for TickStream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.is_reset() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if self.poll_leave(context, bytes.len()).is_pending() {
            return Poll::Pending;
        }
        let polled = self.inner()?.poll_write(context, bytes);
        if let Poll::Ready(Ok(written)) = polled {
            self.trace.record(Crossing::Write, &self.host, &self.peer, &bytes[..written]);
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner()?.poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_reset() || self.links.is_cut(&self.host, &self.peer) {
            // The goodbye follows when the stream is dropped.
            return Poll::Ready(Ok(()));
        }
        self.inner()?.poll_shutdown(context)
    }
}

impl Drop for TickStream {
    fn drop(&mut self) {
        if !self.links.is_cut(&self.host, &self.peer) || tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        let (inner, links, host, peer) = (self.inner.take(), self.links.clone(), self.host.clone(), self.peer.clone());
        OnRuntime.spawn(
            "late goodbye",
            Box::pin(async move {
                while links.is_cut(&host, &peer) {
                    tokio::time::sleep(LINGER).await;
                }
                drop(inner);
            }),
        );
    }
}
