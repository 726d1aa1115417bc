//! The WebSocket framing of a server (RFC 6455, section 5): bytes from a client to frames, and frames to bytes. It owns no socket;
//! the opening handshake is the server's.
//!
//! Own code and not a library's for what it does not keep: a connection at rest holds no buffer at all.

use bytes::{Buf, Bytes, BytesMut};

use crate::Text;

const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;

/// Longest payload of a control frame (RFC 6455, section 5.5).
const CONTROL_BYTES_MAX: usize = 125;

/// A whole message, its fragments put together, or a control frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// A text message.
    Text(Text),
    /// A binary message.
    Binary(Bytes),
    /// To be answered with a pong of the same bytes.
    Ping(Bytes),
    /// An answer to a ping.
    Pong,
    /// The closing handshake.
    Close,
}

/// Why bytes are no frames; the connection is closed with [`FrameError::code`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Not the protocol.
    #[error("{0}")]
    Protocol(&'static str),
    /// A text message that is not UTF-8.
    #[error("text is not UTF-8")]
    Utf8,
    /// A message larger than allowed, known from its first bytes.
    #[error("message too large")]
    TooLarge,
}

struct Header {
    last: bool,
    opcode: u8,
    mask: [u8; 4],
    bytes: usize,
    length: usize,
}

struct Fragments {
    is_text: bool,
    bytes: BytesMut,
}

/// Puts a client's frames together.
pub struct FrameReader {
    bytes_max: usize,
    buffer: BytesMut,
    fragments: Option<Fragments>,
}

impl FrameReader {
    /// A reader of messages up to this size.
    pub fn new(bytes_max: usize) -> Self {
        Self { bytes_max, buffer: BytesMut::new(), fragments: None }
    }

    /// Takes bytes as they came.
    pub fn extend(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Bytes held.
    pub fn held_bytes(&self) -> usize {
        self.buffer.len() + self.fragments.as_ref().map_or(0, |fragments| fragments.bytes.len())
    }

    /// The next frame; `None` until more bytes come.
    ///
    /// # Errors
    /// See [`FrameError`]. The connection is lost: nothing that follows is a frame.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        while let Some(header) = self.header()? {
            if self.buffer.len() < header.length + header.bytes {
                return Ok(None);
            }
            self.buffer.advance(header.length);
            let mut payload = self.buffer.split_to(header.bytes);
            if self.buffer.is_empty() {
                self.buffer = BytesMut::new();
            }
            for chunk in payload.chunks_mut(4) {
                chunk.iter_mut().zip(header.mask).for_each(|(byte, mask)| *byte ^= mask);
            }
            if let Some(frame) = self.accept(&header, payload)? {
                return Ok(Some(frame));
            }
        }
        Ok(None)
    }

    fn header(&self) -> Result<Option<Header>, FrameError> {
        let &[first, second, ref rest @ ..] = &*self.buffer else { return Ok(None) };
        if first & 0x70 != 0 {
            return Err(FrameError::Protocol("reserved bits are set"));
        }
        if second & 0x80 == 0 {
            return Err(FrameError::Protocol("a client's frame is not masked"));
        }
        let opcode = first & 0x0f;
        if !matches!(opcode, CONTINUATION | TEXT | BINARY | CLOSE | PING | PONG) {
            return Err(FrameError::Protocol("reserved opcode"));
        }
        let (last, is_control) = (first & 0x80 != 0, opcode >= CLOSE);
        let extended = match second & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        if is_control && (!last || extended > 0) {
            return Err(FrameError::Protocol("a control frame is long or in parts"));
        }
        if !is_control && (opcode == CONTINUATION) != self.fragments.is_some() {
            return Err(FrameError::Protocol("a fragment out of turn"));
        }
        let Some((length, rest)) = rest.split_at_checked(extended) else { return Ok(None) };
        let bytes = match extended {
            0 => u64::from(second & 0x7f),
            _ => length.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
        };
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        let before = self.fragments.as_ref().map_or(0, |fragments| fragments.bytes.len());
        if !is_control && bytes > self.bytes_max.saturating_sub(before) {
            return Err(FrameError::TooLarge);
        }
        let Some(mask) = rest.first_chunk::<4>() else { return Ok(None) };
        Ok(Some(Header { last, opcode, mask: *mask, bytes, length: 2 + extended + 4 }))
    }

    fn accept(&mut self, header: &Header, payload: BytesMut) -> Result<Option<Frame>, FrameError> {
        match header.opcode {
            PING => return Ok(Some(Frame::Ping(payload.freeze()))),
            PONG => return Ok(Some(Frame::Pong)),
            CLOSE if payload.len() == 1 => return Err(FrameError::Protocol("half a close code")),
            CLOSE => return Ok(Some(Frame::Close)),
            _ => {}
        }
        let fragments = match self.fragments.take() {
            None if header.last => Fragments { is_text: header.opcode == TEXT, bytes: payload },
            // A copy, so that a fragment of a few bytes does not pin the buffer that it was read into.
            None => Fragments { is_text: header.opcode == TEXT, bytes: BytesMut::from(&*payload) },
            Some(mut fragments) => {
                fragments.bytes.extend_from_slice(&payload);
                fragments
            }
        };
        if !header.last {
            self.fragments = Some(fragments);
            return Ok(None);
        }
        let bytes = fragments.bytes.freeze();
        if !fragments.is_text {
            return Ok(Some(Frame::Binary(bytes)));
        }
        Text::try_from(bytes).map(|text| Some(Frame::Text(text))).map_err(|_| FrameError::Utf8)
    }
}

impl FrameError {
    /// The close code that names it (RFC 6455, section 7.4.1).
    pub fn code(self) -> u16 {
        match self {
            Self::Protocol(_) => 1002,
            Self::Utf8 => 1007,
            Self::TooLarge => 1009,
        }
    }
}

/// Appends a text message.
pub fn write_text(out: &mut Vec<u8>, text: &str) {
    write(out, TEXT, text.as_bytes());
}

/// Appends a binary message.
pub fn write_binary(out: &mut Vec<u8>, bytes: &[u8]) {
    write(out, BINARY, bytes);
}

/// Appends the answer to a ping.
pub fn write_pong(out: &mut Vec<u8>, bytes: &[u8]) {
    write(out, PONG, bytes);
}

/// Appends the closing handshake; the reason is cut to fit.
pub fn write_close(out: &mut Vec<u8>, code: u16, reason: &str) {
    let room = CONTROL_BYTES_MAX - 2;
    let end = (0..=reason.len().min(room)).rev().find(|at| reason.is_char_boundary(*at)).unwrap_or(0);
    let mut payload = code.to_be_bytes().to_vec();
    payload.extend_from_slice(&reason.as_bytes()[..end]);
    write(out, CLOSE, &payload);
}

fn write(out: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    out.reserve(payload.len() + 10);
    out.push(0x80 | opcode);
    match payload.len() {
        short @ 0..=125 => out.push(short as u8),
        middle @ 126..=0xffff => {
            out.push(126);
            out.extend_from_slice(&(middle as u16).to_be_bytes());
        }
        long => {
            out.push(127);
            out.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
}

#[cfg(test)]
mod tests;
