//! Socket.IO packets, text and binary parts in any order: refused or read, and what was read is written and read the same.
#![no_main]

use archgen_socketio::{
    engine::Part,
    packet::{Decoder, PacketLimits},
};
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

const LIMITS: PacketLimits = PacketLimits { bytes_max: 1 << 16, attachments_max: 16, containers_max: 100 };

fuzz_target!(|input: &[u8]| {
    let mut decoder = Decoder::new(LIMITS);
    // A part that is not UTF-8 is a binary one.
    for part in input.split(|byte| *byte == 0xff) {
        let read = match std::str::from_utf8(part) {
            Ok(text) => decoder.text(text),
            Err(_) => decoder.binary(Bytes::copy_from_slice(part)),
        };
        let Ok(read) = read else { return };
        let Some(packet) = read else { continue };
        let mut again = Decoder::new(PacketLimits { bytes_max: usize::MAX, attachments_max: 16, containers_max: usize::MAX });
        let mut last = Ok(None);
        for part in packet.message().into_parts() {
            last = match part {
                Part::Text(text) => again.text(&text[1..]),
                Part::Binary(bytes) => again.binary(bytes),
            };
        }
        assert_eq!(last, Ok(Some(packet)));
    }
});
