//! The kinds of entries, all in one table: what an entry is called in the log, what sockets hear, and what its data holds.

/// A field of an entry's data: its name, its JSON type, and what it says.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Name.
    pub name: &'static str,
    /// JSON Schema type; `string?` may also be null or absent.
    pub kind: &'static str,
    /// What it says.
    pub says: &'static str,
}

/// A kind of entry.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// Name in the log and on the event topic.
    pub name: &'static str,
    /// Name of the Socket.IO event.
    pub event: &'static str,
    /// What happened.
    pub says: &'static str,
    /// Its data.
    pub data: &'static [Field],
    /// Fields that are no part of the entry: they are read from the message that it revises, as that stands now, so that text
    /// lies in one place and goes with the message.
    pub borrows: &'static [&'static str],
}

/// A message.
pub const CREATED: &str = "message.created";
/// New text of a message.
pub const EDITED: &str = "message.edited";
/// The end of a message.
pub const DELETED: &str = "message.deleted";
/// A reaction comes or goes.
pub const REACTION: &str = "reaction.set";
/// A message is pinned or no longer.
pub const PIN: &str = "pin.set";
/// Who came.
pub const MEMBER_ADDED: &str = "membership.added";
/// Who left.
pub const MEMBER_REMOVED: &str = "membership.removed";
/// Whose role changed.
pub const MEMBER_CHANGED: &str = "membership.changed";
/// What changed of the channel itself.
pub const CHANNEL_UPDATED: &str = "channel.updated";

const fn field(name: &'static str, kind: &'static str, says: &'static str) -> Field {
    Field { name, kind, says }
}

const ID: Field = field("id", "string", "the message's id");
const TARGET: Field = field("target_seq", "integer", "the message's place in this channel");
const USER: Field = field("user", "string", "the member");
const ROLE: Field = field("role", "string", "`owner`, `admin` or `member`");
const BODY: Field = field("body", "string?", "text as it stands now; null once the message is deleted");
const MENTIONS: Field = field("mentions", "array", "ids of the users that it mentions");
const EDIT: Field = field("edited_ts", "integer?", "when the text was last edited, milliseconds since the Unix epoch");

/// Every kind.
pub const KINDS: &[Kind] = &[
    Kind {
        name: CREATED,
        event: "msg:new",
        says: "a message",
        data: &[
            BODY,
            MENTIONS,
            EDIT,
            field("everyone", "string?", "`channel` or `here` where it mentions everyone"),
            field("thread", "string?", "id of the message that it replies to"),
            field("also_to_channel", "boolean?", "the reply is also a message of the channel"),
            field("files", "array", "ids of files"),
            field("reactions", "object?", "emoji to the ids of the users who reacted with it"),
            field("replies", "object?", "of a thread's root: `count`, `last_ts`, `users`"),
            field("pinned", "object?", "`by`, `ts`"),
        ],
        borrows: &[],
    },
    Kind {
        name: EDITED,
        event: "msg:edited",
        says: "new text of a message",
        data: &[ID, TARGET, BODY, MENTIONS, EDIT],
        borrows: &["body", "mentions", "edited_ts"],
    },
    Kind { name: DELETED, event: "msg:deleted", says: "the end of a message", data: &[ID, TARGET], borrows: &[] },
    Kind {
        name: REACTION,
        event: "react",
        says: "a reaction comes or goes",
        data: &[ID, TARGET, field("emoji", "string", "which"), field("on", "boolean", "whether it comes")],
        borrows: &[],
    },
    Kind {
        name: PIN,
        event: "pin",
        says: "a message is pinned, or no longer",
        data: &[ID, TARGET, field("on", "boolean", "whether it is pinned now")],
        borrows: &[],
    },
    Kind { name: MEMBER_ADDED, event: "member:added", says: "who came", data: &[USER, ROLE], borrows: &[] },
    Kind { name: MEMBER_REMOVED, event: "member:removed", says: "who left", data: &[USER, ROLE], borrows: &[] },
    Kind {
        name: MEMBER_CHANGED,
        event: "member:changed",
        says: "whose role is new",
        data: &[USER, ROLE],
        borrows: &[],
    },
    Kind {
        name: CHANNEL_UPDATED,
        event: "chan:updated",
        says: "what changed of the channel; only changed fields are there",
        data: &[
            field("name", "string?", "its name"),
            field("topic", "string?", "its topic"),
            field("archived", "boolean?", "an archived channel is read only"),
            field("slow_mode_s", "integer?", "seconds between two messages of one member; 0 for none"),
            field("posting", "string?", "who may post: `everyone` or `admins`"),
            field("keep_days", "integer?", "days after which messages are deleted; 0 for never"),
        ],
        borrows: &[],
    },
];

/// The kind of this name.
pub fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}
