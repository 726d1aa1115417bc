//! The AsyncAPI 3 description of everything that goes over a socket, made from the tables that the code itself runs on.

use serde_json::{Map, Value, json};

use super::{
    act::{ASKED, Asked},
    kinds::{Field, KINDS},
};

const fn field(name: &'static str, kind: &'static str, says: &'static str) -> Field {
    Field { name, kind, says }
}

const CH: Field = field("ch", "string", "the channel's id");
const USER: Field = field("user", "string", "whose");
const SEQ: Field = field("seq", "integer", "place in the channel");
const STATUS: Field = field("status", "string", "`online` or `away`");
const USERS: Field = field("users", "array", "ids of users");
const TOKEN: Field = field("token", "string", "a new access token");
const AFTER: Field = field("after_seq", "integer?", "messages after this place");
const BEFORE: Field = field("before_seq", "integer?", "messages before this place");
const LIMIT: Field = field("limit", "integer?", "messages at most");
const ITEMS: Field = field("items", "array", "what was asked for");
const REASON: Field = field("reason", "string", "`slow_consumer`, `revoked`, `expired` or `shutdown`");

/// What the realtime hosts answer themselves.
const ANSWERED: &[Asked] = &[
    Asked {
        event: "sub",
        says: "follow a channel from one's own place, or from its head; or only show a badge of it",
        fields: &[
            CH,
            field("epoch", "integer?", "of the last entry seen"),
            field("seq", "integer?", "its place"),
            field("badge", "boolean?", "no entries, but `unread` at most once a second while there are new ones"),
        ],
        answer: &[
            field("head", "object", "`epoch` and `seq` of the newest entry"),
            field("missed", "array?", "entries since then, as the events that they are; none with a badge"),
            field("recovered", "boolean?", "whether that is all of them; if not, ask again from the last"),
        ],
    },
    Asked { event: "unsub", says: "follow a channel no more", fields: &[CH], answer: &[] },
    Asked { event: "typing", says: "the user is writing", fields: &[CH], answer: &[] },
    Asked { event: "presence:set", says: "whether the user is at the device", fields: &[STATUS], answer: &[] },
    Asked { event: "presence:watch", says: "tell of these users' presence", fields: &[USERS], answer: &[ITEMS] },
    Asked { event: "history", says: "a page of messages", fields: &[CH, AFTER, BEFORE, LIMIT], answer: &[ITEMS] },
    Asked { event: "auth:refresh", says: "go on under a new token", fields: &[TOKEN], answer: &[] },
    Asked { event: "ping:app", says: "an answer, and nothing else", fields: &[], answer: &[] },
];

/// What a socket hears that is no entry of a log.
const SIGNALS: &[(&str, &str, &[Field])] = &[
    ("typing", "somebody is writing", &[CH, USER]),
    ("presence", "presence of watched users", &[ITEMS]),
    ("unread", "a channel shown by a badge has new entries", &[CH, field("epoch", "integer", "of the newest"), SEQ]),
    ("notif", "something new in the inbox", &[]),
    ("read:self", "the user read a channel, perhaps on another device", &[CH, SEQ]),
    ("chan:joined", "the user was added to a channel", &[CH, field("channel", "object", "the channel")]),
    ("chan:left", "the user is no member any more", &[CH]),
    ("msg:ephemeral", "text for this user's eyes, kept nowhere", &[CH, field("body", "string", "text")]),
    ("drain", "this host stops: connect elsewhere after a while", &[field("after_ms", "integer", "when")]),
    ("kick", "the connection ends", &[REASON]),
];

fn object(fields: &[Field]) -> Value {
    let property = |f: &Field| {
        let (kind, optional) = f.kind.strip_suffix('?').map_or((f.kind, false), |kind| (kind, true));
        let kind = if optional { json!([kind, "null"]) } else { json!(kind) };
        (f.name.to_owned(), json!({"type": kind, "description": f.says}))
    };
    let required: Vec<&str> = fields.iter().filter(|f| !f.kind.ends_with('?')).map(|f| f.name).collect();
    json!({"type": "object", "required": required, "properties": fields.iter().map(property).collect::<Map<_, _>>()})
}

/// The payload of an entry's event.
fn entry(kind: &str, data: &[Field]) -> Value {
    let mut payload = object(&[
        CH,
        field("epoch", "integer", "ownership under which it was written"),
        SEQ,
        field("prev_seq", "integer", "the place before: always seq - 1"),
        field("id", "string", "the entry's id; a message's, where it is one"),
        field("author", "string", "id of the user who caused it"),
        field("ts", "integer", "when, milliseconds since the Unix epoch"),
        field("client_msg_id", "string?", "the client's own id"),
    ]);
    payload["properties"]["type"] = json!({"const": kind});
    payload["properties"]["data"] = object(data);
    payload
}

/// The document.
pub(super) fn document() -> Value {
    let (mut messages, mut operations) = (Map::new(), Map::new());
    let mut add = |name: &str, direction: &str, says: &str, payload: Value, answer: Option<Value>| {
        let key = format!("{direction}_{}", name.replace([':', '.'], "_"));
        let mut operation = json!({
            "action": direction,
            "channel": {"$ref": "#/channels/socket"},
            "summary": says,
            "messages": [{"$ref": format!("#/channels/socket/messages/{key}")}],
        });
        if let Some(answer) = answer {
            let answered = format!("{key}_ack");
            let summary = format!("acknowledgement of `{name}`");
            messages.insert(
                answered.clone(),
                json!({"name": format!("{name} (ack)"), "summary": summary, "payload": answer}),
            );
            operation["reply"] = json!({
                "channel": {"$ref": "#/channels/socket"},
                "messages": [{"$ref": format!("#/channels/socket/messages/{answered}")}],
            });
        }
        messages.insert(key.clone(), json!({"name": name, "summary": says, "payload": payload}));
        operations.insert(key, operation);
    };
    // From the fleet's side: what clients send is received.
    for Asked { event, says, fields, answer } in ASKED.iter().chain(ANSWERED) {
        let error = json!({"type": "object", "required": ["code"], "properties": {
            "code": {"type": "string"}, "title": {"type": "string"}, "retry_after_ms": {"type": "integer"},
        }});
        let mut done = object(answer);
        done["properties"]["ok"] = json!({"const": true});
        let refused = json!({"type": "object", "required": ["ok", "error"], "properties": {
            "ok": {"const": false}, "error": error,
        }});
        add(event, "receive", says, object(fields), Some(json!({"oneOf": [done, refused]})));
    }
    for kind in KINDS {
        add(kind.event, "send", kind.says, entry(kind.name, kind.data), None);
    }
    for (event, says, fields) in SIGNALS {
        add(event, "send", says, object(fields), None);
    }
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Realtime events",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Socket.IO v5, namespace `/`. CONNECT carries `{token}`. Every event of a client is acknowledged \
                with `{ok: true, …}` or `{ok: false, error}`; an error with `retry_after_ms` may go away by itself. Entries of a \
                channel's log come in order of (epoch, seq), without gaps; whoever sees a gap asks `sub` from the last place.",
        },
        "channels": {"socket": {"address": "/socket.io/", "messages": messages}},
        "operations": operations,
    })
}
