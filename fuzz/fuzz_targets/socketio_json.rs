//! JSON of events, acknowledgements, credentials and refusals: taken where a plain JSON parser takes it and no limit is passed, with no
//! more arrays and objects than allowed; what was taken is written and read the same.
#![no_main]

use archgen_socketio::{
    engine::{Open, Part},
    packet::{Body, Decoder, PacketError, PacketLimits},
};
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};

const LIMITS: PacketLimits = PacketLimits { bytes_max: 1 << 16, attachments_max: 4, containers_max: 50 };
const NONE: PacketLimits = PacketLimits { bytes_max: usize::MAX, attachments_max: 4, containers_max: usize::MAX };

fn containers(value: &Value) -> usize {
    match value {
        Value::Array(values) => 1 + values.iter().map(containers).sum::<usize>(),
        Value::Object(fields) => 1 + fields.values().map(containers).sum::<usize>(),
        _ => 0,
    }
}

/// Whether this could be an event's payload.
fn is_event(json: &str) -> bool {
    let names = ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];
    match serde_json::from_str::<Vec<Value>>(json).ok().and_then(|all| all.into_iter().next()) {
        Some(Value::String(name)) => !names.contains(&name.as_str()),
        _ => false,
    }
}

fuzz_target!(|input: &[u8]| {
    let Ok(json) = std::str::from_utf8(input) else { return };
    let _ = Open::decode(&format!("0{json}"));
    // A digit or a slash at the beginning belongs to what stands before the payload.
    if json.starts_with(|c: char| c.is_ascii_digit() || c == '/') {
        return;
    }
    for head in ["2", "2/n,", "27", "37", "0", "4"] {
        let read = Decoder::new(LIMITS).text(&format!("{head}{json}"));
        let fits = match head {
            "37" => serde_json::from_str::<Vec<Value>>(json).is_ok(),
            "0" => json.is_empty() || serde_json::from_str::<Map<String, Value>>(json).is_ok(),
            "4" => serde_json::from_str::<Value>(json).is_ok_and(|value| value.is_object() || value.is_string()),
            _ => is_event(json),
        };
        let packet = match read {
            Ok(packet) => packet.expect("nothing was announced"),
            Err(PacketError::TooLarge) => continue,
            Err(error) => {
                assert!(!fits, "{head}{json}: {error}");
                continue;
            }
        };
        assert!(fits, "{head}{json} was taken");
        let count = match &packet.body {
            Body::Event { arguments, .. } | Body::Ack { arguments, .. } => arguments.values.iter().map(containers).sum(),
            Body::Connect(Some(auth)) => auth.values().map(containers).sum(),
            Body::ConnectError(value) => containers(value),
            _ => 0,
        };
        assert!(count <= LIMITS.containers_max, "{count} arrays and objects");
        for part in packet.message().into_parts() {
            if let Part::Text(text) = part {
                assert_eq!(Decoder::new(NONE).text(&text[1..]), Ok(Some(packet.clone())));
            }
        }
    }
});
