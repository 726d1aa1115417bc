//! The framing against the examples of RFC 6455, against the usual library, and under any cut and any garbage.

use proptest::prelude::*;
use tokio_tungstenite::tungstenite::protocol::frame::{
    Frame as Reference, FrameHeader,
    coding::{Data, OpCode},
};

use super::*;

fn read(bytes_max: usize, bytes: &[u8]) -> Result<Vec<Frame>, FrameError> {
    let mut reader = FrameReader::new(bytes_max);
    reader.extend(bytes);
    std::iter::from_fn(|| reader.next_frame().transpose()).collect()
}

/// A client's frame.
fn masked(opcode: u8, last: bool, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out, opcode, payload);
    let header = out.len() - payload.len();
    out[0] = u8::from(last) << 7 | opcode;
    out[1] |= 0x80;
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    out.splice(header..header, mask);
    out[header + 4..].iter_mut().enumerate().for_each(|(at, byte)| *byte ^= mask[at % 4]);
    out
}

fn check(bytes: &[u8], expect: Result<Vec<Frame>, FrameError>) {
    assert_eq!(read(1_000, bytes), expect, "{bytes:x?}");
}

fn protocol(bytes: &[u8]) {
    let refused = read(1_000, bytes);
    assert!(matches!(refused, Err(FrameError::Protocol(_))), "{bytes:x?}: {refused:?}");
}

#[test]
fn examples_of_the_rfc() {
    // Section 5.7: a masked text message that says Hello.
    let hello = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    check(&hello, Ok(vec![Frame::Text("Hello".into())]));
    assert_eq!(masked(TEXT, true, b"Hello"), hello);
    let mut out = Vec::new();
    write_text(&mut out, "Hello");
    assert_eq!(out, [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]);
}

#[test]
fn fragments_are_put_together_around_control_frames() {
    let parts = [
        masked(TEXT, false, b"Hel"),
        masked(PING, true, b"?"),
        masked(CONTINUATION, false, b""),
        masked(CONTINUATION, true, b"lo"),
        masked(BINARY, true, &[1, 2]),
        masked(PONG, true, b""),
        masked(CLOSE, true, &[3, 232]),
    ];
    let expect = vec![
        Frame::Ping("?".into()),
        Frame::Text("Hello".into()),
        Frame::Binary(vec![1, 2].into()),
        Frame::Pong,
        Frame::Close,
    ];
    check(&parts.concat(), Ok(expect));
}

#[test]
fn refuses_what_no_client_may_send() {
    protocol(&[0x81, 0x01, b'4']);
    protocol(&[0xc1, 0x80, 0, 0, 0, 0]);
    protocol(&[0x83, 0x80, 0, 0, 0, 0]);
    protocol(&[0x8b, 0x80, 0, 0, 0, 0]);
    protocol(&[0x09, 0x80, 0, 0, 0, 0]);
    protocol(&masked(PING, true, &[0; 126]));
    protocol(&masked(CONTINUATION, true, b"x"));
    protocol(&[masked(TEXT, false, b"x"), masked(TEXT, true, b"x")].concat());
    protocol(&masked(CLOSE, true, &[3]));
    check(&masked(TEXT, true, &[0xff]), Err(FrameError::Utf8));
    check(&masked(TEXT, true, &[b'x'; 1_001]), Err(FrameError::TooLarge));
    check(
        &[masked(TEXT, false, &[b'x'; 600]), masked(CONTINUATION, true, &[b'x'; 600])].concat(),
        Err(FrameError::TooLarge),
    );
    // Known before any of the payload arrives.
    check(&[0x81, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], Err(FrameError::TooLarge));
}

#[test]
fn rest_holds_no_buffer() {
    let mut reader = FrameReader::new(100_000);
    let frame = masked(TEXT, true, &[b'x'; 50_000]);
    reader.extend(&frame[..40_000]);
    assert_eq!(reader.next_frame(), Ok(None));
    reader.extend(&frame[40_000..]);
    assert!(matches!(reader.next_frame(), Ok(Some(Frame::Text(_)))));
    assert_eq!((reader.held_bytes(), reader.buffer.capacity()), (0, 0));
}

#[test]
fn a_reason_is_cut_between_characters() {
    let mut out = Vec::new();
    write_close(&mut out, 1000, &"é".repeat(100));
    assert_eq!(out.len(), 2 + 2 + 122);
    assert!(std::str::from_utf8(&out[4..]).is_ok());
}

proptest! {
    #[test]
    fn reads_what_the_usual_library_writes(
        payload in prop::collection::vec(any::<u8>(), 0..70_000), mask in any::<[u8; 4]>(), cut in any::<prop::sample::Index>(),
    ) {
        let header = FrameHeader { opcode: OpCode::Data(Data::Binary), mask: Some(mask), ..FrameHeader::default() };
        let mut bytes = Vec::new();
        Reference::from_payload(header, payload.clone().into()).format(&mut bytes).unwrap();
        let (front, back) = bytes.split_at(cut.index(bytes.len()));
        let mut reader = FrameReader::new(70_000);
        reader.extend(front);
        prop_assert_eq!(reader.next_frame(), Ok(None));
        reader.extend(back);
        prop_assert_eq!(reader.next_frame(), Ok(Some(Frame::Binary(payload.into()))));
    }

    #[test]
    fn garbage_is_refused_or_read_but_never_breaks(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut reader = FrameReader::new(100);
        for piece in bytes.chunks(7) {
            reader.extend(piece);
            while let Ok(Some(_)) = reader.next_frame() {}
        }
    }
}
