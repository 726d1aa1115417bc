//! A client of one socket, made to load servers: bare WebSocket frames over TCP, nothing of Socket.IO but what a room needs.

use std::{
    io,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// An answer that has not come in this time never will: the event was lost.
const ANSWER_SECONDS: u64 = 5;
/// Times that a first event is sent.
const JOIN_ATTEMPTS: usize = 4;

/// First events after CONNECT that a server never answered, since the last look.
static LOST: AtomicU64 = AtomicU64::new(0);

/// Takes the count of first events that were lost.
pub fn lost() -> u64 {
    LOST.swap(0, Ordering::Relaxed)
}

/// A connected, authenticated client.
pub struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
    at: usize,
}

fn wrong(what: impl Into<String>) -> io::Error {
    io::Error::other(what.into())
}

impl Client {
    /// Connects with this token and waits for the grant.
    pub async fn connect(port: u16, token: &str) -> io::Result<Self> {
        Self::connect_with(port, &format!("{{\"token\":\"{token}\"}}")).await.map(|(client, ..)| client)
    }

    /// Connects with these credentials; the grant is returned too, and what came before it.
    pub async fn connect_with(port: u16, auth: &str) -> io::Result<(Self, String, Vec<String>)> {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        let request = format!(
            "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut client = Self { stream, buffer: Vec::new(), at: 0 };
        let head = loop {
            client.fill().await?;
            if let Some(end) = client.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
        };
        if !client.buffer.starts_with(b"HTTP/1.1 101") {
            return Err(wrong(String::from_utf8_lossy(&client.buffer[..head])));
        }
        client.at = head;
        client.until("0").await?;
        client.send(&format!("40{auth}")).await?;
        let mut before = Vec::new();
        loop {
            let frame = client.next().await?;
            match frame.get(..2) {
                Some("40") => return Ok((client, frame, before)),
                Some("42") => before.push(frame),
                _ => return Err(wrong(frame)),
            }
        }
    }

    async fn fill(&mut self) -> io::Result<()> {
        self.buffer.drain(..self.at);
        self.at = 0;
        if self.stream.read_buf(&mut self.buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }

    /// Sends one text frame.
    pub async fn send(&mut self, text: &str) -> io::Result<()> {
        let bytes = text.as_bytes();
        let mut frame = vec![0x81];
        match bytes.len() {
            short @ 0..=125 => frame.push(0x80 | short as u8),
            long => {
                frame.push(0x80 | 126);
                frame.extend(u16::try_from(long).map_err(io::Error::other)?.to_be_bytes());
            }
        }
        // A mask of zeros leaves the payload as it is.
        frame.extend([0; 4]);
        frame.extend(bytes);
        self.stream.write_all(&frame).await
    }

    /// The next text frame; heartbeats are answered.
    pub async fn next(&mut self) -> io::Result<String> {
        loop {
            let text = self.frame().await?;
            if text == "2" {
                self.send("3").await?;
            } else {
                return Ok(text);
            }
        }
    }

    async fn frame(&mut self) -> io::Result<String> {
        loop {
            let rest = &self.buffer[self.at..];
            let (header, length) = match rest {
                [_, 126, high, low, ..] => (4, usize::from(*high) << 8 | usize::from(*low)),
                [_, 127, length @ ..] if length.len() >= 8 => {
                    (10, length[..8].iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)))
                }
                [_, short @ 0..=125, ..] => (2, usize::from(*short)),
                _ => (usize::MAX, 0),
            };
            if header < usize::MAX && rest.len() >= header + length {
                if rest[0] == 0x88 {
                    return Err(wrong("the server closed the connection"));
                }
                let text = String::from_utf8_lossy(&rest[header..header + length]).into_owned();
                self.at += header + length;
                if self.at == self.buffer.len() {
                    (self.buffer, self.at) = (Vec::new(), 0);
                }
                return Ok(text);
            }
            self.fill().await?;
        }
    }

    /// Reads until a frame begins so.
    pub async fn until(&mut self, prefix: &str) -> io::Result<String> {
        loop {
            let text = self.next().await?;
            if text.starts_with(prefix) {
                return Ok(text);
            }
        }
    }

    /// Joins a room. It is the first event after CONNECT, which a server may lose that answers before it listens; it is sent again.
    pub async fn join(&mut self, room: &str) -> io::Result<()> {
        for _ in 0..JOIN_ATTEMPTS {
            self.send(&format!("421[\"join\",\"{room}\"]")).await?;
            match timeout(Duration::from_secs(ANSWER_SECONDS), self.until("431")).await {
                Ok(answer) => return answer.map(drop),
                Err(_) => LOST.fetch_add(1, Ordering::Relaxed),
            };
        }
        Err(wrong(format!("no answer to {JOIN_ATTEMPTS} joins, {ANSWER_SECONDS} s each")))
    }
}
