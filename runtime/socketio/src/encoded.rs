//! [`Encoded`]: an event in its wire form, made once and shared by all who receive it. It sends nothing.

use serde_json::Value;

/// A shared UTF-8 byte string: cloning counts a reference.
pub type Text = tokio_tungstenite::tungstenite::Utf8Bytes;

/// An event of the namespace `/` as it goes on the wire (`42["name",…]`). Cloning is cheap and copies no bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded(Text);

impl Encoded {
    /// An event with one argument.
    pub fn event(name: &str, argument: &Value) -> Self {
        Self::event_with(name, std::slice::from_ref(argument))
    }

    /// An event with any number of arguments.
    pub fn event_with(name: &str, arguments: &[Value]) -> Self {
        use std::fmt::Write as _;
        let mut out = format!("42[{}", Value::from(name));
        for argument in arguments {
            // Writing to a `String` cannot fail.
            let _ = write!(out, ",{argument}");
        }
        out.push(']');
        Self(out.into())
    }

    /// Its size on the wire without framing.
    pub fn bytes(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn text(&self) -> Text {
        self.0.clone()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn writes_the_form_of_the_protocol_text() {
        assert_eq!(&*Encoded::event("ev\"il", &json!({"a": 1})).text(), r#"42["ev\"il",{"a":1}]"#);
        assert_eq!(&*Encoded::event_with("none", &[]).text(), r#"42["none"]"#);
        assert_eq!(&*Encoded::event_with("two", &[json!(1), json!(["é"])]).text(), r#"42["two",1,["é"]]"#);
    }
}
