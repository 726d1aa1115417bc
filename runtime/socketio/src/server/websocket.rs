//! WebSocket: the handshake's answer, the probe of an upgrade, and reading and writing for the session's task.

use std::{
    future::poll_fn,
    io,
    mem::MaybeUninit,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use archgen_env::net::BoxStream;
use axum::body::Body;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::{driver::Driver, link::Link};
use crate::engine::{
    Carrier, Close, Kind, Received, WireFrame,
    frame::{Frame, FrameError, FrameReader, write_binary, write_close, write_pong, write_text},
};

/// What is read at a time, on the stack: a connection at rest holds no buffer.
const READ_BYTES: usize = 8_192;
/// What is gathered before it is written.
const WRITE_BYTES: usize = 16_384;
/// Frames taken from one connection before others have their turn.
const FRAMES_PER_TURN: usize = 64;

/// What a connection gave.
enum Read {
    Frame(Frame),
    Wrong(FrameError),
    End,
    Broken(io::Error),
}

/// A WebSocket and how far it is.
pub(crate) struct WebSocket {
    stream: BoxStream,
    reader: FrameReader,
    /// Written in part: the rest goes first.
    unsent: Vec<u8>,
    sent: usize,
    unflushed: bool,
    close_sent: bool,
    read_over: bool,
}

impl WebSocket {
    async fn open(upgrade: OnUpgrade, link: &Link) -> Option<Self> {
        let config = &link.server.config;
        let wait = Duration::from_millis(config.upgrade_timeout_ms);
        let upgraded = tokio::time::timeout(wait, upgrade).await.ok()?.ok()?;
        let mut reader = FrameReader::new(config.max_payload_bytes);
        // The bare stream, where it can be had: nothing of HTTP stays with the connection.
        let stream: BoxStream = match upgraded.downcast::<TokioIo<BoxStream>>() {
            Ok(parts) => {
                reader.extend(&parts.read_buf);
                parts.io.into_inner()
            }
            Err(upgraded) => Box::new(TokioIo::new(upgraded)),
        };
        Some(Self {
            stream,
            reader,
            unsent: Vec::new(),
            sent: 0,
            unflushed: false,
            close_sent: false,
            read_over: false,
        })
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<Read> {
        loop {
            match self.reader.next_frame() {
                Ok(Some(frame)) => return Poll::Ready(Read::Frame(frame)),
                Ok(None) => {}
                Err(error) => return Poll::Ready(Read::Wrong(error)),
            }
            let mut storage = [MaybeUninit::uninit(); READ_BYTES];
            let mut buffer = ReadBuf::uninit(&mut storage);
            match ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer)) {
                Ok(()) if buffer.filled().is_empty() => return Poll::Ready(Read::End),
                Ok(()) => self.reader.extend(buffer.filled()),
                Err(error) => return Poll::Ready(Read::Broken(error)),
            }
        }
    }

    /// Writes what was gathered; ready when all of it is on its way.
    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.unsent.len() {
            match ready!(Pin::new(&mut self.stream).poll_write(context, &self.unsent[self.sent..]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.sent += written,
            }
            self.unflushed = true;
        }
        (self.unsent, self.sent) = (Vec::new(), 0);
        if self.unflushed {
            ready!(Pin::new(&mut self.stream).poll_flush(context))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    fn write(&mut self, link: &Link, context: &mut Context<'_>) -> io::Result<()> {
        loop {
            match self.poll_send(context) {
                Poll::Ready(sent) => sent?,
                Poll::Pending => return Ok(()),
            }
            let mut core = link.lock();
            while !self.close_sent && self.unsent.len() < WRITE_BYTES {
                let Some(frame) = core.session.next_frame() else { break };
                match frame {
                    WireFrame::Text(text) => write_text(&mut self.unsent, &text),
                    WireFrame::Binary(bytes) => write_binary(&mut self.unsent, &bytes),
                    WireFrame::Close(why) => self.say_close(close_code(&why), why.reason()),
                }
            }
            if self.unsent.is_empty() {
                return Ok(());
            }
        }
    }

    fn say_close(&mut self, code: u16, reason: &str) {
        if !std::mem::replace(&mut self.close_sent, true) {
            write_close(&mut self.unsent, code, reason);
        }
    }

    fn read(&mut self, link: &Link, context: &mut Context<'_>) {
        for _ in 0..FRAMES_PER_TURN {
            if self.read_over || !link.lock().inbox.has_room() {
                return;
            }
            let Poll::Ready(read) = self.poll_read(context) else { return };
            self.take(link, read);
        }
        context.waker().wake_by_ref();
    }

    fn take(&mut self, link: &Link, read: Read) {
        let now_ms = link.now_ms();
        let mut core = link.lock();
        self.read_over = !matches!(read, Read::Frame(_));
        match read {
            Read::Frame(Frame::Text(text)) => {
                let kind = text.as_bytes().first().copied().and_then(Kind::from_digit);
                match kind.map(|kind| core.session.receive(kind, now_ms)) {
                    Some(Ok(Received::Message)) => core.inbox.push_frame(text),
                    Some(Ok(Received::Nothing)) => {}
                    Some(Err(_)) | None => link.close_locked(&mut core, Close::Violation, false, now_ms),
                }
            }
            Read::Frame(Frame::Binary(bytes)) => {
                if core.session.receive(Kind::Message, now_ms) == Ok(Received::Message) {
                    core.inbox.push_bytes(bytes);
                }
            }
            Read::Frame(Frame::Ping(bytes)) => {
                // Of pings that come faster than they can be answered, only the first needs an answer (RFC 6455, 5.5.3).
                if self.unsent.is_empty() && !self.close_sent {
                    write_pong(&mut self.unsent, &bytes);
                }
            }
            Read::Frame(Frame::Pong) => {}
            Read::Frame(Frame::Close) => {
                self.say_close(1000, "");
                self.read_over = true;
                core.session.end(Close::Transport);
            }
            Read::Wrong(FrameError::TooLarge) => link.close_locked(&mut core, Close::TooLarge, false, now_ms),
            Read::Wrong(error) => {
                self.say_close(error.code(), &error.to_string());
                link.close_locked(&mut core, Close::Violation, false, now_ms);
            }
            Read::End => core.session.end(Close::Transport),
            Read::Broken(error) => {
                tracing::debug!(%error, "WebSocket broke while reading");
                core.session.end(Close::TransportError);
            }
        }
    }

    /// The next frame of a WebSocket that is being probed; pings are answered.
    async fn next(&mut self) -> Option<Frame> {
        loop {
            let read = poll_fn(|context| self.poll_read(context)).await;
            match read {
                Read::Frame(Frame::Ping(bytes)) => {
                    write_pong(&mut self.unsent, &bytes);
                    self.send().await?;
                }
                Read::Frame(Frame::Pong) => {}
                Read::Frame(frame) => return Some(frame),
                Read::Wrong(_) | Read::End | Read::Broken(_) => return None,
            }
        }
    }

    async fn send(&mut self) -> Option<()> {
        poll_fn(|context| self.poll_send(context)).await.ok()
    }

    /// Closes a WebSocket that carries nothing, and waits for the client to do the same.
    async fn close(&mut self) {
        self.say_close(1000, "");
        if self.send().await.is_some() {
            while self.next().await.is_some_and(|frame| frame != Frame::Close) {}
        }
    }
}

/// What carries a session, as its task sees it.
pub(crate) enum Wire {
    /// Requests, which look after themselves.
    Polling,
    /// A WebSocket, which the task reads and writes.
    WebSocket(Box<WebSocket>),
}

impl Wire {
    pub(crate) fn poll_read(&mut self, link: &Link, context: &mut Context<'_>) {
        if let Self::WebSocket(websocket) = self {
            websocket.read(link, context);
        }
    }

    pub(crate) fn poll_write(&mut self, link: &Link, context: &mut Context<'_>) {
        if let Self::WebSocket(websocket) = self
            && let Err(error) = websocket.write(link, context)
        {
            tracing::debug!(%error, "WebSocket broke while writing");
            link.lock().session.end(Close::TransportError);
        }
    }
}

fn close_code(why: &Close) -> u16 {
    match why {
        Close::TooLarge => 1009,
        Close::Violation => 1002,
        _ => 1000,
    }
}

/// The answer to a valid WebSocket handshake (RFC 6455, section 4.2), or `None`.
pub(crate) fn switching(headers: &HeaderMap) -> Option<Response<Body>> {
    let has = |name: header::HeaderName, token: &str| {
        let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|one| one.trim().eq_ignore_ascii_case(token))
    };
    if !has(header::CONNECTION, "upgrade")
        || !has(header::UPGRADE, "websocket")
        || !has(header::SEC_WEBSOCKET_VERSION, "13")
    {
        return None;
    }
    // Sixteen bytes in base64.
    let key = headers.get(header::SEC_WEBSOCKET_KEY)?;
    STANDARD.decode(key.as_bytes()).ok().filter(|bytes| bytes.len() == 16)?;
    let accept = HeaderValue::from_str(&derive_accept_key(key.as_bytes())).ok()?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let answer = response.headers_mut();
    answer.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    answer.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    answer.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    Some(response)
}

/// Runs a session that a WebSocket carries from the start.
pub(crate) fn start(link: Arc<Link>, request: &mut Request<Body>) {
    let upgrade = hyper::upgrade::on(request);
    let env = link.server.env.clone();
    env.spawn("socketio-session", async move {
        let websocket = WebSocket::open(upgrade, &link).await;
        match websocket {
            Some(websocket) => Driver::new(link, Wire::WebSocket(Box::new(websocket))).run().await,
            // The client went away between its request and our answer.
            None => link.server.forget(&link.sid),
        }
    });
}

/// Probes a WebSocket for a session that is polling; when the client says so, hands it to the session's task.
pub(crate) fn start_probe(link: Arc<Link>, request: &mut Request<Body>) {
    let upgrade = hyper::upgrade::on(request);
    let env = link.server.env.clone();
    env.spawn("socketio-probe", async move {
        let wait = Duration::from_millis(link.server.config.upgrade_timeout_ms);
        match tokio::time::timeout(wait, probe(&link, upgrade)).await {
            Ok(Some(websocket)) => {
                let refused = link.change(|core, _| {
                    if core.session.upgrade() {
                        core.offer = Some(Box::new(websocket));
                        None
                    } else {
                        core.session.probe_abandoned();
                        Some(websocket)
                    }
                });
                drop(refused);
            }
            Ok(None) | Err(_) => link.change(|core, _| core.session.probe_abandoned()),
        }
    });
}

/// Completes the handshake of a WebSocket that its session cannot use, then closes it, as the protocol asks.
pub(crate) fn turn_away(link: Arc<Link>, request: &mut Request<Body>) {
    let upgrade = hyper::upgrade::on(request);
    let env = link.server.env.clone();
    env.spawn("socketio-turn-away", async move {
        let wait = Duration::from_millis(link.server.config.close_ms_max);
        if let Some(mut websocket) = WebSocket::open(upgrade, &link).await {
            let _ = tokio::time::timeout(wait, websocket.close()).await;
        }
    });
}

/// `2probe`, `3probe`, `5`: anything else ends the attempt and leaves the session polling.
async fn probe(link: &Link, upgrade: OnUpgrade) -> Option<WebSocket> {
    let mut websocket = WebSocket::open(upgrade, link).await?;
    loop {
        match websocket.next().await? {
            Frame::Text(text) if text == "2probe" => {
                write_text(&mut websocket.unsent, "3probe");
                websocket.send().await?;
                link.change(|core, now_ms| core.session.probe_ping(now_ms));
            }
            Frame::Text(text) if text == "5" && link.lock().session.carrier() == Carrier::Probing => {
                return Some(websocket);
            }
            _ => {
                websocket.close().await;
                return None;
            }
        }
    }
}
