//! One end of a connection as a byte stream, and the sockets of a host.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
};

use archgen_env::net::{Address, BoxStream, Listener, Net};
use async_trait::async_trait;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::mpsc,
    time::{Instant, Sleep},
};

use super::{
    connection::{End, Payload, WINDOW_BYTES},
    network::{Accepted, Network, Syn},
};
use crate::engine::{SYN_RETRY, SYN_TRIES_MAX};

/// Reads that get less than there is, of a thousand.
const SHORT_READS: u64 = 125;

pub(super) struct EventNet {
    network: Network,
    host: usize,
}

impl EventNet {
    pub(super) fn new(network: &Network, host: usize) -> Self {
        Self { network: network.clone(), host }
    }
}

#[async_trait]
impl Net for EventNet {
    async fn listen(&self, address: &Address) -> io::Result<Box<dyn Listener>> {
        Ok(Box::new(EventListener(self.network.listen(self.host, address.port)?)))
    }

    async fn connect(&self, address: &Address) -> io::Result<BoxStream> {
        let mut wait = SYN_RETRY;
        for _ in 0..SYN_TRIES_MAX {
            let (peer, there) = self.network.reach(self.host, &address.host);
            if let Some(there) = there {
                tokio::time::sleep(there).await;
                match self.network.syn(self.host, peer, address.port) {
                    Syn::Lost => {}
                    Syn::Refused(back) => {
                        tokio::time::sleep(back).await;
                        return Err(io::ErrorKind::ConnectionRefused.into());
                    }
                    Syn::Connected(stream, back) => {
                        tokio::time::sleep(back).await;
                        return Ok(Box::new(stream));
                    }
                }
            }
            tokio::time::sleep(wait).await;
            wait *= 2;
        }
        Err(io::ErrorKind::TimedOut.into())
    }
}

struct EventListener(mpsc::Receiver<Accepted>);

#[async_trait]
impl Listener for EventListener {
    async fn accept(&mut self) -> io::Result<(BoxStream, SocketAddr)> {
        match self.0.recv().await {
            Some((stream, peer)) => Ok((Box::new(stream), peer)),
            // The host is gone; its tasks are about to be.
            None => std::future::pending().await,
        }
    }
}

pub(super) struct EventStream {
    network: Network,
    number: usize,
    side: usize,
    timer: Option<Pin<Box<Sleep>>>,
}

impl EventStream {
    pub(super) fn new(network: &Network, number: usize, side: usize) -> Self {
        Self { network: network.clone(), number, side, timer: None }
    }
}

/// What a look at an end's inbox found.
enum Look {
    Read(usize),
    Ended,
    Reset,
    Wait(Option<Instant>),
}

fn look(end: &mut End, now: Instant, buffer: &mut ReadBuf<'_>, short: impl FnOnce(usize) -> usize) -> Look {
    if end.is_reset(now) {
        return Look::Reset;
    }
    let Some(segment) = end.inbox.front_mut() else { return Look::Wait(end.reset_at) };
    match segment.arrives {
        Some(at) if at <= now => {}
        Some(at) => return Look::Wait(Some(end.reset_at.map_or(at, |reset| reset.min(at)))),
        None => return Look::Wait(end.reset_at),
    }
    let Payload::Bytes(bytes, read) = &mut segment.payload else { return Look::Ended };
    let most = (bytes.len() - *read).min(buffer.remaining());
    let taken = short(most);
    buffer.put_slice(&bytes[*read..*read + taken]);
    *read += taken;
    if *read == bytes.len() {
        end.inbox.pop_front();
    }
    end.inbox_bytes -= taken;
    Look::Read(taken)
}

impl AsyncRead for EventStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            let mut state = this.network.lock();
            let mut draw = state.short.clone();
            let Some(end) = state.end_mut(this.number, this.side).filter(|end| end.open) else { return Poll::Pending };
            let short = |most: usize| match most > 1 && draw.chance(SHORT_READS) {
                true => 1 + draw.below(most as u64 - 1) as usize,
                false => most,
            };
            let seen = look(end, Instant::now(), buffer, short);
            let due = match seen {
                Look::Read(bytes) => {
                    state.short = draw;
                    state.note_read(this.number, this.side, bytes);
                    // There is room again.
                    if let Some(writer) = state.end_mut(this.number, 1 - this.side).and_then(|peer| peer.writer.take())
                    {
                        writer.wake();
                    }
                    return Poll::Ready(Ok(()));
                }
                Look::Ended => return Poll::Ready(Ok(())),
                Look::Reset => return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
                Look::Wait(due) => {
                    end.reader = Some(context.waker().clone());
                    due
                }
            };
            drop(state);
            let Some(due) = due else { return Poll::Pending };
            let timer = this.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
            if timer.deadline() != due {
                timer.as_mut().reset(due);
            }
            if timer.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

impl AsyncWrite for EventStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut state = self.network.lock();
        let Some(end) = state.end_mut(self.number, self.side).filter(|end| end.open) else { return Poll::Pending };
        if end.is_reset(Instant::now()) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if end.finished {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let free =
            state.end_mut(self.number, 1 - self.side).map_or(0, |peer| WINDOW_BYTES.saturating_sub(peer.inbox_bytes));
        if free == 0 {
            if let Some(end) = state.end_mut(self.number, self.side) {
                end.writer = Some(context.waker().clone());
            }
            return Poll::Pending;
        }
        let sent = bytes.len().min(free);
        state.send(self.number, self.side, Payload::Bytes(bytes[..sent].to_vec(), 0));
        Poll::Ready(Ok(sent))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.network.lock();
        if let Some(end) = state.end_mut(self.number, self.side)
            && end.open
            && !std::mem::replace(&mut end.finished, true)
        {
            state.send(self.number, self.side, Payload::Fin);
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for EventStream {
    fn drop(&mut self) {
        self.network.lock().close(self.number, self.side);
    }
}
