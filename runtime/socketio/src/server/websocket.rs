//! WebSocket: the handshake's answer, the probe of an upgrade, and reading and writing for the session's task.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::body::Body;
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error, Message,
        error::ProtocolError,
        handshake::derive_accept_key,
        protocol::{CloseFrame, Role, WebSocketConfig, frame::coding::CloseCode},
    },
};

use super::{driver::Driver, link::Link};
use crate::engine::{Carrier, Close, Kind, Received, WireFrame};

/// Read buffer of a connection: the library's default of 128 KiB is filled with zeros at every read.
const READ_BUFFER_BYTES: usize = 4_096;
/// What is gathered before it is written.
const WRITE_BUFFER_BYTES: usize = 8_192;
/// Frames taken from one connection before others have their turn.
const FRAMES_PER_TURN: usize = 64;

type RawSocket = WebSocketStream<TokioIo<Upgraded>>;

/// A WebSocket and how far it is.
pub(crate) struct WebSocket {
    stream: RawSocket,
    unflushed: bool,
    close_sent: bool,
    read_over: bool,
}

impl WebSocket {
    async fn open(upgrade: OnUpgrade, link: &Link) -> Option<Self> {
        let config = &link.server.config;
        let wait = Duration::from_millis(config.upgrade_timeout_ms);
        let upgraded = tokio::time::timeout(wait, upgrade).await.ok()?.ok()?;
        let limits = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES)
            .write_buffer_size(WRITE_BUFFER_BYTES)
            .max_message_size(Some(config.max_payload_bytes))
            .max_frame_size(Some(config.max_payload_bytes));
        let stream = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(limits)).await;
        Some(Self { stream, unflushed: false, close_sent: false, read_over: false })
    }

    fn write(&mut self, link: &Link, context: &mut Context<'_>) -> Result<(), Error> {
        let mut stream = Pin::new(&mut self.stream);
        while !self.close_sent {
            match stream.as_mut().poll_ready(context) {
                Poll::Ready(ready) => ready?,
                Poll::Pending => return Ok(()),
            }
            let Some(frame) = link.lock().session.next_frame() else { break };
            self.unflushed = true;
            match frame {
                WireFrame::Text(text) => stream.as_mut().start_send(Message::Text(text))?,
                WireFrame::Close(why) => {
                    self.close_sent = true;
                    stream.as_mut().start_send(Message::Close(Some(close_frame(&why))))?;
                }
            }
        }
        if self.unflushed && stream.poll_flush(context)?.is_ready() {
            self.unflushed = false;
        }
        Ok(())
    }

    fn read(&mut self, link: &Link, context: &mut Context<'_>) {
        for _ in 0..FRAMES_PER_TURN {
            if self.read_over || !link.lock().inbox.has_room() {
                return;
            }
            let Poll::Ready(next) = Pin::new(&mut self.stream).poll_next(context) else { return };
            let now_ms = link.now_ms();
            let mut core = link.lock();
            match next {
                Some(Ok(Message::Text(text))) => {
                    let kind = text.as_bytes().first().copied().and_then(Kind::from_digit);
                    match kind.map(|kind| core.session.receive(kind, now_ms)) {
                        Some(Ok(Received::Message)) => core.inbox.push_frame(text),
                        Some(Ok(Received::Nothing)) => {}
                        Some(Err(_)) | None => link.close_locked(&mut core, Close::Violation, false, now_ms),
                    }
                }
                Some(Ok(Message::Binary(_))) => link.close_locked(&mut core, Close::Violation, false, now_ms),
                // The library has queued its answer, which goes out with the next flush.
                Some(Ok(_)) => self.unflushed = true,
                Some(Err(Error::Capacity(_))) => {
                    self.read_over = true;
                    link.close_locked(&mut core, Close::TooLarge, false, now_ms);
                }
                // Its connection is gone, and with it whoever could be told.
                Some(Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)))
                | Some(Err(Error::ConnectionClosed | Error::AlreadyClosed)) => {
                    self.read_over = true;
                    core.session.end(Close::Transport);
                }
                Some(Err(Error::Protocol(_) | Error::Utf8(_))) => {
                    self.read_over = true;
                    link.close_locked(&mut core, Close::Violation, false, now_ms);
                }
                Some(Err(error)) => {
                    tracing::debug!(%error, "WebSocket broke while reading");
                    self.read_over = true;
                    core.session.end(Close::TransportError);
                }
                None => {
                    self.read_over = true;
                    core.session.end(Close::Transport);
                }
            }
        }
        context.waker().wake_by_ref();
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

fn close_frame(why: &Close) -> CloseFrame {
    let code = match why {
        Close::TooLarge => CloseCode::Size,
        Close::Violation => CloseCode::Protocol,
        _ => CloseCode::Normal,
    };
    // A control frame holds 125 bytes, two of which are the code.
    let reason = why.reason();
    let end = (0..=reason.len().min(123)).rev().find(|at| reason.is_char_boundary(*at)).unwrap_or(0);
    CloseFrame { code, reason: reason[..end].into() }
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
    let key = headers.get(header::SEC_WEBSOCKET_KEY)?;
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
            let _ = tokio::time::timeout(wait, websocket.stream.close(None)).await;
        }
    });
}

/// `2probe`, `3probe`, `5`: anything else ends the attempt and leaves the session polling.
async fn probe(link: &Link, upgrade: OnUpgrade) -> Option<WebSocket> {
    let mut websocket = WebSocket::open(upgrade, link).await?;
    loop {
        match websocket.stream.next().await?.ok()? {
            Message::Text(text) if text == "2probe" => {
                websocket.stream.send(Message::text("3probe")).await.ok()?;
                link.change(|core, now_ms| core.session.probe_ping(now_ms));
            }
            Message::Text(text) if text == "5" && link.lock().session.carrier() == Carrier::Probing => {
                return Some(websocket);
            }
            Message::Ping(_) | Message::Pong(_) => {}
            _ => {
                let _ = websocket.stream.close(None).await;
                return None;
            }
        }
    }
}
