//! Byte streams between hosts.

use std::{fmt, io, net::SocketAddr, str::FromStr};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite};

/// A bidirectional byte stream.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin + 'static {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Io for T {}

/// A boxed stream: generic at the edge, erased at construction.
pub type BoxStream = Box<dyn Io>;

/// Where a host listens: a name or an IP address, and a port. Written `host:port`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Address {
    /// Name or IP address.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl Address {
    /// An address.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self { host: host.into(), port }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// Why a text is not an [`Address`].
#[derive(Debug, thiserror::Error)]
#[error("expected host:port, found `{0}`")]
pub struct AddressError(String);

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let wrong = || AddressError(text.to_owned());
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        Ok(Self::new(host, port.parse().map_err(|_| wrong())?))
    }
}

/// Accepts streams.
#[async_trait]
pub trait Listener: Send + 'static {
    /// The next stream and its peer.
    ///
    /// # Errors
    /// Those of the operating system; a caller waits a little and tries again.
    async fn accept(&mut self) -> io::Result<(BoxStream, SocketAddr)>;
}

/// Sockets of one host.
#[async_trait]
pub trait Net: Send + Sync + 'static {
    /// Listens on the host's own address.
    ///
    /// # Errors
    /// The address is taken or not ours.
    async fn listen(&self, address: &Address) -> io::Result<Box<dyn Listener>>;

    /// Connects to another host. Callers bound the wait.
    ///
    /// # Errors
    /// Refused, unreachable, timed out.
    async fn connect(&self, address: &Address) -> io::Result<BoxStream>;
}
