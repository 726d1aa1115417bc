//! [`Arguments`]: what an event or acknowledgement carries, JSON and bytes.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value, json};

/// JSON values, in which a placeholder stands for each binary part, at any depth.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Arguments {
    /// The values; bytes are `{"_placeholder": true, "num": n}`.
    pub values: Vec<Value>,
    /// The bytes that the placeholders number.
    pub attachments: Vec<Bytes>,
}

impl Arguments {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// The first value; null where there is none.
    pub fn first(&self) -> &Value {
        self.values.first().unwrap_or(&Value::Null)
    }

    /// With one more value.
    pub fn with(mut self, value: Value) -> Self {
        self.values.push(value);
        self
    }

    /// With bytes as one more argument.
    pub fn with_bytes(mut self, bytes: impl Into<Bytes>) -> Self {
        let placeholder = self.attach(bytes);
        self.with(placeholder)
    }

    /// Adds bytes; the placeholder is to be put somewhere into the values.
    pub fn attach(&mut self, bytes: impl Into<Bytes>) -> Value {
        self.attachments.push(bytes.into());
        json!({"_placeholder": true, "num": self.attachments.len() - 1})
    }

    /// The bytes that a value stands for, if it is a placeholder.
    pub fn bytes_of(&self, value: &Value) -> Option<&Bytes> {
        self.attachments.get(placeholder(value.as_object()?)?)
    }

    /// Bytes of all binary parts.
    pub fn attached_bytes(&self) -> usize {
        self.attachments.iter().map(Bytes::len).sum()
    }
}

impl From<Vec<Value>> for Arguments {
    fn from(values: Vec<Value>) -> Self {
        Self { values, attachments: Vec::new() }
    }
}

impl From<Value> for Arguments {
    fn from(value: Value) -> Self {
        vec![value].into()
    }
}

fn placeholder(object: &Map<String, Value>) -> Option<usize> {
    if object.get("_placeholder") != Some(&Value::Bool(true)) {
        return None;
    }
    // What is no number stands for nothing that there is.
    Some(object.get("num").and_then(Value::as_u64).and_then(|num| usize::try_from(num).ok()).unwrap_or(usize::MAX))
}

/// Whether each placeholder stands for one of this many attachments.
pub(super) fn placeholders_fit(values: &[Value], attachments: usize) -> bool {
    values.iter().all(|value| match value {
        Value::Array(inner) => placeholders_fit(inner, attachments),
        Value::Object(object) => match placeholder(object) {
            Some(num) => num < attachments,
            None => object.values().all(|inner| placeholders_fit(std::slice::from_ref(inner), attachments)),
        },
        _ => true,
    })
}

/// The attachments as messages share them.
pub(crate) fn shared(attachments: &[Bytes]) -> Option<Arc<[Bytes]>> {
    (!attachments.is_empty()).then(|| attachments.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_stand_for_bytes_at_any_depth() {
        let mut arguments = Arguments::new().with(json!("a")).with_bytes(vec![1, 2]);
        let deep = arguments.attach(vec![3]);
        let arguments = arguments.with(json!({"deep": [deep]}));
        assert_eq!(arguments.values[1], json!({"_placeholder": true, "num": 0}));
        let deep = &arguments.values[2]["deep"][0];
        assert_eq!(arguments.bytes_of(deep), Some(&Bytes::from_static(&[3])));
        assert_eq!(arguments.bytes_of(&json!("a")), None);
        assert!(placeholders_fit(&arguments.values, 2));
        assert!(!placeholders_fit(&arguments.values, 1));
        assert!(!placeholders_fit(&[json!({"_placeholder": true, "num": -1})], 5));
        assert!(placeholders_fit(&[json!({"_placeholder": false, "num": 9})], 0));
    }
}
