//! A client that keeps no rule: bare WebSocket frames and bare HTTP over TCP.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use archgen_env::net::Address;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout},
};

/// Longest wait for an answer of any kind.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// What a server sends.
#[derive(Debug, Clone, PartialEq)]
pub enum Said {
    Text(String),
    Binary,
    /// The code and the reason of a close frame.
    Close(u16, String),
    /// The connection is over.
    End,
}

pub struct Raw {
    stream: TcpStream,
    read: Vec<u8>,
    /// Bytes that came in so far.
    heard: Arc<AtomicU64>,
}

#[expect(clippy::disallowed_methods, reason = "a stranger has no `Env`")]
async fn dial(at: &Address) -> TcpStream {
    let stream = TcpStream::connect((at.host.as_str(), at.port)).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// A masked frame whose mask is zero: the payload stands as it is.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        short @ 0..=125 => bytes.push(0x80 | short as u8),
        middle @ 126..=0xffff => {
            bytes.push(0x80 | 126);
            bytes.extend((middle as u16).to_be_bytes());
        }
        long => {
            bytes.push(0x80 | 127);
            bytes.extend((long as u64).to_be_bytes());
        }
    }
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes
}

/// A whole text frame.
pub fn text(payload: &str) -> Vec<u8> {
    frame(0x81, payload.as_bytes())
}

impl Raw {
    /// Asks for a WebSocket with these headers; the status of the answer where it is none.
    pub async fn open(at: &Address, query: &str, headers: &str) -> Result<Self, u16> {
        let mut stream = dial(at).await;
        let request = format!(
            "GET /socket.io/?EIO=4&transport=websocket{query} HTTP/1.1\r\nHost: {at}\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut raw = Self { stream, read: Vec::new(), heard: Arc::default() };
        let end = loop {
            if let Some(end) = raw.read.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            assert!(raw.fill().await, "the server hung up on a handshake");
        };
        let status: u16 = std::str::from_utf8(&raw.read[9..12]).unwrap().parse().unwrap();
        raw.read.drain(..end);
        if status == 101 { Ok(raw) } else { Err(status) }
    }

    /// Opens a socket; one that is refused for now is tried again for a while.
    pub async fn session(at: &Address) -> Self {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match Self::open(at, "", "").await {
                Ok(raw) => return raw,
                Err(503) if Instant::now() < deadline => tokio::time::sleep(Duration::from_millis(100)).await,
                Err(status) => panic!("a handshake was answered {status}"),
            }
        }
    }

    /// A socket that has signed in.
    pub async fn connect(at: &Address, auth: &Value) -> Self {
        let mut raw = Self::session(at).await;
        raw.send(&text(&format!("40{auth}"))).await;
        raw.until("40{").await;
        raw
    }

    /// How many bytes came in so far, also while somebody else reads.
    pub fn heard(&self) -> Arc<AtomicU64> {
        self.heard.clone()
    }

    /// The port at this end.
    pub fn port(&self) -> u16 {
        self.stream.local_addr().unwrap().port()
    }

    /// Sends bytes; a server that has hung up already does not take all of them.
    pub async fn send(&mut self, bytes: &[u8]) {
        let _ = timeout(PATIENCE, self.stream.write_all(bytes)).await.expect("the server neither reads nor hangs up");
    }

    async fn fill(&mut self) -> bool {
        let mut piece = vec![0; 64 << 10];
        match timeout(PATIENCE, self.stream.read(&mut piece)).await.expect("the server says nothing") {
            Ok(read @ 1..) => {
                self.heard.fetch_add(read as u64, Ordering::Relaxed);
                self.read.extend(&piece[..read]);
                true
            }
            Ok(0) | Err(_) => false,
        }
    }

    /// The next frame. Heartbeats are answered.
    pub async fn next(&mut self) -> Said {
        loop {
            let (head, length) = match self.read[..] {
                [_, short @ 0..=125, ..] => (2, usize::from(short)),
                [_, 126, high, low, ..] => (4, usize::from(u16::from_be_bytes([high, low]))),
                [_, 127, a, b, c, d, e, f, g, h, ..] => (10, u64::from_be_bytes([a, b, c, d, e, f, g, h]) as usize),
                _ => (usize::MAX, 0),
            };
            if head == usize::MAX || self.read.len() < head + length {
                if !self.fill().await {
                    return Said::End;
                }
                continue;
            }
            let kind = self.read[0] & 0x0f;
            let payload: Vec<u8> = self.read.drain(..head + length).skip(head).collect();
            match kind {
                1 if payload == b"2" => self.send(&text("3")).await,
                1 => return Said::Text(String::from_utf8(payload).unwrap()),
                2 => return Said::Binary,
                8 => {
                    let code = payload.get(..2).map_or(0, |code| u16::from_be_bytes([code[0], code[1]]));
                    return Said::Close(
                        code,
                        String::from_utf8_lossy(payload.get(2..).unwrap_or_default()).into_owned(),
                    );
                }
                _ => {}
            }
        }
    }

    /// Reads up to a text that begins so.
    pub async fn until(&mut self, beginning: &str) -> String {
        loop {
            match self.next().await {
                Said::Text(text) if text.starts_with(beginning) => return text,
                Said::Text(_) | Said::Binary => {}
                end => panic!("`{beginning}` never came, but {end:?}"),
            }
        }
    }

    /// Asks something by an event and returns the acknowledgement's only argument.
    pub async fn ask(&mut self, id: u64, name: &str, body: &Value) -> Value {
        self.send(&text(&format!("42{id}[\"{name}\",{body}]"))).await;
        let answer = self.until(&format!("43{id}[")).await;
        let (_, array) = answer.split_at(answer.find('[').unwrap());
        serde_json::from_str::<Vec<Value>>(array).unwrap().remove(0)
    }

    /// Reads to the end; the close frame's code and reason, where there was one.
    pub async fn end(&mut self) -> Option<(u16, String)> {
        let mut closed = None;
        loop {
            match self.next().await {
                Said::Close(code, reason) => closed = Some((code, reason)),
                Said::End => return closed,
                Said::Text(_) | Said::Binary => {}
            }
        }
    }
}

/// One HTTP request on a connection of its own; the answer's status and body. The server may answer and hang up before it has
/// read all of a request.
pub async fn http(at: &Address, head: &str, body: &[u8]) -> (u16, String) {
    let stream = dial(at).await;
    let (mut from, mut to) = stream.into_split();
    let request = format!("{head}\r\nHost: {at}\r\nConnection: close\r\n\r\n");
    let sending = async {
        let _ = to.write_all(request.as_bytes()).await;
        let _ = to.write_all(body).await;
    };
    let mut answer = Vec::new();
    let reading = async {
        let mut piece = vec![0; 16 << 10];
        while let Ok(read @ 1..) = from.read(&mut piece).await {
            answer.extend(&piece[..read]);
        }
    };
    timeout(PATIENCE, async { tokio::join!(sending, reading) }).await.expect("the server neither answers nor hangs up");
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0);
    (status, answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
}
