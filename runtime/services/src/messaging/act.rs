//! What a socket may ask of this service, by the name of its event: one table, from which the events are also described.

use std::sync::Arc;

use archgen_ports::{ChannelId, MessageId, UserId};
use serde::Deserialize;
use serde_json::Value;

use super::{
    error::MessagingError,
    kinds::Field,
    operation::{Change, Operation, execute},
    reads,
    state::State,
};

/// An event that a client sends.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    /// Name.
    pub event: &'static str,
    /// What it asks for.
    pub says: &'static str,
    /// Its fields.
    pub fields: &'static [Field],
    /// What the acknowledgement holds beside `ok`.
    pub answer: &'static [Field],
}

const fn field(name: &'static str, kind: &'static str, says: &'static str) -> Field {
    Field { name, kind, says }
}

const ID: Field = field("id", "string", "the message's id");
const CH: Field = field("ch", "string", "the channel's id");
const BODY: Field = field("body", "string", "text");
const SEQ: Field = field("seq", "integer", "place in the channel");
const MESSAGE: &[Field] = &[ID, SEQ, BODY];

/// Every such event.
pub const ASKED: &[Asked] = &[
    Asked {
        event: "msg:send",
        says: "a new message; the acknowledgement means that it is durable",
        fields: &[
            CH,
            BODY,
            field("client_msg_id", "string", "the client's own id: a retry under it has one effect for 24 hours"),
            field("thread", "string?", "id of the message that it replies to"),
            field("also_to_channel", "boolean?", "the reply is also a message of the channel"),
            field("files", "array?", "ids of files"),
        ],
        answer: &[
            ID,
            SEQ,
            field("epoch", "integer", "ownership under which it was written"),
            field("ts", "integer", "when, milliseconds since the Unix epoch"),
            field("duplicate", "boolean", "it was there already, under the same client id"),
        ],
    },
    Asked { event: "msg:edit", says: "new text of one's own message", fields: &[ID, BODY], answer: MESSAGE },
    Asked { event: "msg:delete", says: "the end of a message", fields: &[ID], answer: &[ID] },
    Asked {
        event: "react",
        says: "a reaction comes or goes",
        fields: &[
            ID,
            field("emoji", "string", "which"),
            field("on", "boolean?", "whether it comes; it does unless said"),
        ],
        answer: MESSAGE,
    },
    Asked {
        event: "pin",
        says: "a message is pinned, or no longer",
        fields: &[ID, field("on", "boolean?", "whether it is pinned; it is unless said")],
        answer: MESSAGE,
    },
    Asked {
        event: "read",
        says: "the channel was read up to a place",
        fields: &[CH, SEQ, field("device", "string?", "on which device, which then has a mark of its own")],
        answer: &[SEQ],
    },
];

/// A socket's event.
#[derive(Deserialize)]
pub(super) struct Act {
    user: UserId,
    event: String,
    body: Value,
}

fn parsed<T: serde::de::DeserializeOwned>(body: Value) -> Result<T, MessagingError> {
    serde_json::from_value(body).map_err(|error| MessagingError::Invalid(error.to_string()))
}

fn on() -> bool {
    true
}

#[derive(Deserialize)]
struct OnMessage {
    id: MessageId,
    #[serde(default)]
    body: String,
    #[serde(default)]
    emoji: String,
    #[serde(default = "on")]
    on: bool,
}

#[derive(Deserialize)]
struct Read {
    ch: ChannelId,
    seq: u64,
    device: Option<String>,
}

/// Does what a socket asks for, but for new messages: those come many at a time, see [`super::send`].
///
/// # Errors
/// See [`MessagingError`].
pub(super) async fn act(state: &Arc<State>, Act { user, event, mut body }: Act) -> Result<Value, MessagingError> {
    // Clients leave optional fields out or say null.
    if let Some(fields) = body.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    match event.as_str() {
        "read" => {
            let Read { ch, seq, device } = parsed(body)?;
            reads::mark(state, &user, &ch, seq, device.as_deref()).await
        }
        event => {
            let OnMessage { id, body, emoji, on } = parsed(body)?;
            let change = match event {
                "msg:edit" => Change::Edit { id: id.clone(), body },
                "msg:delete" => Change::Delete { id: id.clone() },
                "react" => Change::React { id: id.clone(), emoji, on },
                "pin" => Change::Pin { id: id.clone(), on },
                _ => return Err(MessagingError::Invalid(format!("there is no event `{event}`"))),
            };
            let (channel, _) = state.message(&id).await?.ok_or(MessagingError::NotFound("message"))?;
            execute(state, Operation { user, channel, change }, false).await
        }
    }
}
