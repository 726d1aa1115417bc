//! WebSocket frames of a client, cut anywhere: the same frames or the same refusal as from one piece, and no more memory than sent.
#![no_main]

use archgen_socketio::engine::frame::{Frame, FrameError, FrameReader};
use libfuzzer_sys::fuzz_target;

const BYTES_MAX: usize = 1_000;

fn read(pieces: impl Iterator<Item = impl AsRef<[u8]>>) -> (Vec<Frame>, Option<FrameError>) {
    let (mut reader, mut frames, mut sent) = (FrameReader::new(BYTES_MAX), Vec::new(), 0);
    for piece in pieces {
        sent += piece.as_ref().len();
        reader.extend(piece.as_ref());
        loop {
            match reader.next_frame() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => return (frames, Some(error)),
            }
        }
        assert!(reader.held_bytes() <= sent.min(2 * BYTES_MAX + 14));
    }
    (frames, None)
}

fuzz_target!(|input: &[u8]| {
    let Some((length, bytes)) = input.split_first() else { return };
    let whole = read(bytes.chunks(BYTES_MAX));
    assert_eq!(read(bytes.chunks(usize::from(*length).max(1))), whole);
    assert_eq!(read(bytes.iter().map(std::slice::from_ref)), whole);
});
