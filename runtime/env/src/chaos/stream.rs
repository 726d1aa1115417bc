//! One connection under orders: what is written at the near end is carried to the far one, and back, as the orders let it.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf},
    sync::{mpsc, watch},
    time::Instant,
};

use super::Orders;
use crate::{entropy::Entropy, net::BoxStream};

/// Bytes between the near end and what carries them.
const BUFFER_BYTES: usize = 64 << 10;
/// Bytes of one piece.
const PIECE_BYTES: usize = 16 << 10;
/// Pieces on their way in one direction.
const PIECES_MAX: usize = 64;
/// Wait before a lost piece is sent again, doubled each time (RFC 6298; Linux's `TCP_RTO_MIN`).
const RETRANSMIT: Duration = Duration::from_millis(200);
/// Times that one piece is lost in a row.
const LOSSES_MAX: u32 = 6;

type Told = watch::Receiver<Orders>;

/// The two hosts of a connection.
pub(super) struct Ends {
    pub(super) near: Arc<str>,
    pub(super) far: Arc<str>,
}

/// The near end.
pub(super) struct NearEnd {
    stream: DuplexStream,
    broken: Arc<AtomicBool>,
}

/// The near end of a connection, and what carries its bytes.
pub(super) fn between(
    far: BoxStream,
    told: Told,
    ends: Ends,
    entropy: Entropy,
) -> (NearEnd, impl Future<Output = ()> + Send) {
    let (near, carried) = tokio::io::duplex(BUFFER_BYTES);
    let broken = Arc::new(AtomicBool::new(false));
    let end = NearEnd { stream: near, broken: broken.clone() };
    let carrying = async move {
        let resets =
            |orders: &Orders| orders.link(&ends.near, &ends.far).resets + orders.link(&ends.far, &ends.near).resets;
        let before = resets(&told.borrow());
        let mut reset = told.clone();
        let (near_read, near_write) = tokio::io::split(carried);
        let (far_read, far_write) = tokio::io::split(far);
        let out = Way { from: ends.near.clone(), to: ends.far.clone(), told: told.clone(), entropy: entropy.clone() };
        let back = Way { from: ends.far.clone(), to: ends.near.clone(), told: told.clone(), entropy };
        let both = async {
            tokio::join!(biased; out.carry(near_read, far_write, &broken), back.carry(far_read, near_write, &broken))
        };
        tokio::select! {
            biased;
            _ = reset.wait_for(|orders| resets(orders) != before) => broken.store(true, Ordering::Relaxed),
            _ = both => {}
        }
    };
    (end, carrying)
}

/// One direction.
struct Way {
    from: Arc<str>,
    to: Arc<str>,
    told: Told,
    entropy: Entropy,
}

impl Way {
    async fn carry(&self, mut source: impl AsyncRead + Unpin, mut sink: impl AsyncWrite + Unpin, broken: &AtomicBool) {
        let (sender, mut pieces) = mpsc::channel::<(Instant, Vec<u8>)>(PIECES_MAX);
        let reading = async move {
            let mut busy_until = Instant::now();
            loop {
                let mut piece = vec![0; PIECE_BYTES];
                match source.read(&mut piece).await {
                    Ok(0) => break,
                    Ok(read) => piece.truncate(read),
                    Err(_) => {
                        broken.store(true, Ordering::Relaxed);
                        break;
                    }
                }
                let due = self.due(piece.len(), &mut busy_until);
                if sender.send((due, piece)).await.is_err() {
                    break;
                }
            }
        };
        let writing = async move {
            let mut told = self.told.clone();
            while let Some((due, piece)) = pieces.recv().await {
                tokio::time::sleep_until(due).await;
                self.passes(&mut told).await;
                if sink.write_all(&piece).await.is_err() || sink.flush().await.is_err() {
                    return;
                }
            }
            // The end of the stream is carried like the rest of it.
            self.passes(&mut told).await;
            let _ = sink.shutdown().await;
        };
        tokio::join!(biased; reading, writing);
    }

    async fn passes(&self, told: &mut Told) {
        // Whoever gives orders may be gone: then there are no new ones.
        let _ = told.wait_for(|orders| orders.passes(&self.from, &self.to)).await;
    }

    /// When a piece that is read now arrives.
    fn due(&self, bytes: usize, busy_until: &mut Instant) -> Instant {
        let fault = self.told.borrow().link(&self.from, &self.to);
        let mut leaves = Instant::now();
        let mut wait = RETRANSMIT;
        for _ in 0..LOSSES_MAX {
            if fault.lost_per_thousand == 0 || self.entropy.below(1_000) >= fault.lost_per_thousand {
                break;
            }
            leaves += wait;
            wait *= 2;
        }
        if let Some(micros) = (bytes as u64 * 1_000_000).checked_div(fault.bytes_per_second) {
            leaves = leaves.max(*busy_until) + Duration::from_micros(micros);
            *busy_until = leaves;
        }
        leaves + Duration::from_millis(fault.extra_ms)
    }
}

impl NearEnd {
    fn state(&self) -> io::Result<()> {
        if self.broken.load(Ordering::Relaxed) { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(()) }
    }
}

impl AsyncRead for NearEnd {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        // The end of a broken stream is no end in good order.
        match read {
            Poll::Ready(Ok(())) if buffer.filled().len() == before => Poll::Ready(self.state()),
            other => other,
        }
    }
}

impl AsyncWrite for NearEnd {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.state()?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
