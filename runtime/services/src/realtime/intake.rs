//! What of a client's event goes on to messaging: the fields that it may have, and no more than a message takes. Pure. What many
//! clients sent goes in one call, so that one of them must not make it too large for all.

use serde_json::Value;

use crate::messaging::ASKED;

/// Fields of one event, bytes as they are weighed here: more than the largest message, far less than one call.
const EVENT_BYTES_MAX: usize = 64 << 10;
/// What a value is taken to weigh beside its text, bytes.
const VALUE_BYTES: usize = 16;

/// Why an event goes no further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rejected {
    /// There is no such event.
    Unknown,
    /// Its fields are larger than those of any message.
    TooLarge,
}

/// The fields of an event for messaging, and what they weigh, bytes.
pub(super) fn taken(name: &str, mut body: Value) -> Result<(Value, usize), Rejected> {
    let asked = ASKED.iter().find(|asked| asked.event == name).ok_or(Rejected::Unknown)?;
    if let Some(fields) = body.as_object_mut() {
        fields.retain(|name, _| asked.fields.iter().any(|field| field.name == name));
    }
    let weight = weight(&body);
    if weight > EVENT_BYTES_MAX { Err(Rejected::TooLarge) } else { Ok((body, weight)) }
}

/// No value is nested deeper than the parser lets it be.
fn weight(value: &Value) -> usize {
    VALUE_BYTES
        + match value {
            Value::String(text) => text.len(),
            Value::Array(values) => values.iter().map(weight).sum(),
            Value::Object(fields) => fields.iter().map(|(name, value)| name.len() + weight(value)).sum(),
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_an_event_may_have_goes_on_and_only_so_much_of_it() {
        let message = json!({"ch": "1", "body": "x".repeat(40_000), "client_msg_id": "a"});
        let (sent, weight) = taken("msg:send", message.clone()).unwrap();
        assert_eq!(sent, message);
        assert!((40_000..41_000).contains(&weight));
        let mut more = message.clone();
        more["junk"] = json!(vec![0; 100_000]);
        assert_eq!(taken("msg:send", more), Ok((message.clone(), weight)));
        let mut large = message;
        large["files"] = json!(vec!["f"; 10_000]);
        assert_eq!(taken("msg:send", large), Err(Rejected::TooLarge));
        assert_eq!(taken("msg:send", json!("x".repeat(70_000))), Err(Rejected::TooLarge));
        assert_eq!(taken("msg:forge", json!({})), Err(Rejected::Unknown));
    }
}
