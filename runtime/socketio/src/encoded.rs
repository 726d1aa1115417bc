//! [`Encoded`]: an event in its wire form, made once and shared by all who receive it. It sends nothing.

use std::borrow::Cow;

use serde_json::Value;

use crate::{
    engine::Message,
    packet::{Arguments, MAIN_NAMESPACE, event_text},
};

/// A shared UTF-8 byte string: cloning counts a reference.
pub type Text = tokio_tungstenite::tungstenite::Utf8Bytes;

/// An event of one namespace as it goes on the wire (`42["name",…]` and its attachments). Cloning is cheap and copies no bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    namespace: Cow<'static, str>,
    message: Message,
}

impl Encoded {
    /// An event of the namespace `/` with one argument.
    pub fn event(name: &str, argument: &Value) -> Self {
        let text = event_text(MAIN_NAMESPACE, None, name, std::slice::from_ref(argument), 0);
        Self { namespace: MAIN_NAMESPACE.into(), message: Message::text(text) }
    }

    /// An event of the namespace `/` with any arguments.
    pub fn event_with(name: &str, arguments: impl Into<Arguments>) -> Self {
        Self::in_namespace(MAIN_NAMESPACE.into(), name, arguments)
    }

    /// An event of this namespace: only sockets of it can send it.
    pub fn in_namespace(namespace: Cow<'static, str>, name: &str, arguments: impl Into<Arguments>) -> Self {
        let Arguments { values, attachments } = arguments.into();
        let text = event_text(&namespace, None, name, &values, attachments.len());
        Self { namespace, message: Message::with_attachments(text, attachments) }
    }

    /// Its size on the wire without framing.
    pub fn bytes(&self) -> usize {
        self.message.bytes()
    }

    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }

    pub(crate) fn message(&self) -> Message {
        self.message.clone()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::Part;

    fn check(encoded: &Encoded, expect: &str) {
        assert_eq!(encoded.message().head, Part::Text(expect.into()));
    }

    #[test]
    fn writes_the_form_of_the_protocol_text() {
        check(&Encoded::event("ev\"il", &json!({"a": 1})), r#"42["ev\"il",{"a":1}]"#);
        check(&Encoded::event_with("none", Arguments::new()), r#"42["none"]"#);
        check(&Encoded::event_with("two", vec![json!(1), json!(["é"])]), r#"42["two",1,["é"]]"#);
        let in_custom = Encoded::in_namespace("/custom".into(), "b", Arguments::new().with_bytes(vec![1, 2, 3]));
        check(&in_custom, r#"451-/custom,["b",{"_placeholder":true,"num":0}]"#);
        assert_eq!(in_custom.bytes(), 47 + 3);
    }
}
