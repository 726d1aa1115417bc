//! Sockets over turmoil, with two of its untruths corrected: a connection attempt across a cut waits as a SYN would (turmoil
//! refuses it at once), and everything that crosses is added to the trace digest.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use archgen_env::net::{Address, BoxStream, Listener, Net};
use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::trace::{Crossing, Trace};

/// Wait before a SYN is sent again, as in RFC 6298 (initial timeout one second, doubled each time).
const SYN_RETRY: Duration = Duration::from_secs(1);
/// SYNs sent before the attempt fails.
const SYN_TRIES_MAX: u32 = 5;

/// Directed links that are cut, with the number of cuts on each. Cloning shares it.
#[derive(Clone, Default)]
pub struct Cuts(Arc<Mutex<BTreeMap<(String, String), u32>>>);

impl Cuts {
    /// Cuts the link from one host to another.
    pub fn cut(&self, from: &str, to: &str) {
        *self.lock().entry((from.to_owned(), to.to_owned())).or_default() += 1;
    }

    /// Takes one cut from the link; `true` when it is whole again.
    pub fn heal(&self, from: &str, to: &str) -> bool {
        let mut cuts = self.lock();
        let key = (from.to_owned(), to.to_owned());
        match cuts.get_mut(&key) {
            Some(count) if *count > 1 => {
                *count -= 1;
                false
            }
            _ => {
                cuts.remove(&key);
                true
            }
        }
    }

    /// Whether anything is lost between the two, either way.
    pub fn between(&self, a: &str, b: &str) -> bool {
        let cuts = self.lock();
        cuts.contains_key(&(a.to_owned(), b.to_owned())) || cuts.contains_key(&(b.to_owned(), a.to_owned()))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<(String, String), u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) struct SimulatedNet {
    host: String,
    cuts: Cuts,
    trace: Trace,
}

impl SimulatedNet {
    pub(super) fn new(host: &str, cuts: Cuts, trace: Trace) -> Self {
        Self { host: host.to_owned(), cuts, trace }
    }

    fn stream(&self, inner: turmoil::net::TcpStream, peer: String) -> BoxStream {
        Box::new(Stream { inner, host: self.host.clone(), peer, trace: self.trace.clone() })
    }
}

struct SimulatedListener {
    inner: turmoil::net::TcpListener,
    host: String,
    trace: Trace,
}

#[async_trait]
impl Listener for SimulatedListener {
    async fn accept(&mut self) -> io::Result<(BoxStream, SocketAddr)> {
        let (inner, peer) = self.inner.accept().await?;
        let stream = Stream { inner, host: self.host.clone(), peer: peer.to_string(), trace: self.trace.clone() };
        Ok((Box::new(stream), peer))
    }
}

#[async_trait]
impl Net for SimulatedNet {
    async fn listen(&self, address: &Address) -> io::Result<Box<dyn Listener>> {
        let inner = turmoil::net::TcpListener::bind(("0.0.0.0", address.port)).await?;
        Ok(Box::new(SimulatedListener { inner, host: self.host.clone(), trace: self.trace.clone() }))
    }

    async fn connect(&self, address: &Address) -> io::Result<BoxStream> {
        let mut wait = SYN_RETRY;
        for _ in 0..SYN_TRIES_MAX {
            if !self.cuts.between(&self.host, &address.host) {
                let inner = turmoil::net::TcpStream::connect((address.host.as_str(), address.port)).await?;
                self.trace.record(Crossing::Connect, &self.host, &address.host, &[]);
                return Ok(self.stream(inner, address.host.clone()));
            }
            tokio::time::sleep(wait).await;
            wait *= 2;
        }
        Err(io::ErrorKind::TimedOut.into())
    }
}

struct Stream {
    inner: turmoil::net::TcpStream,
    host: String,
    peer: String,
    trace: Trace,
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(context, buffer);
        if polled.is_ready() {
            self.trace.record(Crossing::Read, &self.host, &self.peer, &buffer.filled()[before..]);
        }
        polled
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write(context, bytes);
        if let Poll::Ready(Ok(written)) = polled {
            self.trace.record(Crossing::Write, &self.host, &self.peer, &bytes[..written]);
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
