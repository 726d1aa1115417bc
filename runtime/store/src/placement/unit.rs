//! The unit of a stored pair, by the keys that each port writes (`operations`, `node/objects`).

use archgen_spec::sharding::slot_of;

/// The unit of all accounts: a transaction may touch any of them.
pub(crate) const ACCOUNTS_UNIT: u16 = 0;

/// The text by which a partition of a topic is placed: its records, its end and what groups have read of it stay together.
pub(crate) fn partition_text(topic: &str, partition: u16) -> String {
    format!("{topic}/{partition}")
}

/// The unit of what is stored under this key; `None` for what belongs to the node itself.
pub(crate) fn unit_of(key: &[u8], value: &[u8], units: u16) -> Option<u16> {
    let hashed = |text: &[u8]| Some(slot_of(text, units));
    if let Some(rest) = key.strip_prefix(b"messages-lease\0").or(key.strip_prefix(b"messages-unpublished\0")) {
        let number = rest.first_chunk::<8>().map(|n| u64::from_be_bytes(*n))?;
        return u16::try_from(number).ok().filter(|unit| *unit < units);
    }
    if let Some(rest) = key.strip_prefix(b"messages-expiry\0") {
        // The end of the deduplication time, then the key whose end it is.
        return unit_of(rest.get(8..)?, &[], units);
    }
    let (namespace, rest) = split(key)?;
    match namespace {
        b"messages" => message_unit(rest, value, units),
        b"accounts" => Some(ACCOUNTS_UNIT),
        // The last part is the row's own key, the document's id, the cache's key: none of them has a zero byte.
        b"documents" | b"index" | b"cache" | b"cache-expiry" => hashed(last_part(key)),
        b"objects" => hashed(rest.splitn(2, |b| *b == b'/').nth(1)?),
        b"events" => event_unit(rest, units),
        _ => None,
    }
}

fn message_unit(rest: &[u8], value: &[u8], units: u16) -> Option<u16> {
    let (kind, rest) = split(rest)?;
    let first = rest.split(|b| *b == 0).next()?;
    match kind {
        // A reader's marks lie with the reader.
        b"log" | b"head" | b"seen" | b"index" | b"read" => Some(slot_of(first, units)),
        b"id" => {
            let (channel, _): (String, u64) = serde_json::from_slice(value).ok()?;
            Some(slot_of(channel.as_bytes(), units))
        }
        _ => None,
    }
}

/// A topic, then the number of a partition; in a group's offset the group comes first.
fn event_unit(rest: &[u8], units: u16) -> Option<u16> {
    let (kind, rest) = split(rest)?;
    let rest = match kind {
        b"record" | b"next" => rest,
        b"group" => split(rest)?.1,
        _ => return None,
    };
    let (topic, number) = split(rest)?;
    let partition = u16::try_from(number.first_chunk::<8>().map(|n| u64::from_be_bytes(*n))?).ok()?;
    Some(slot_of(partition_text(std::str::from_utf8(topic).ok()?, partition).as_bytes(), units))
}

/// What is before the first zero byte, and what is behind it.
fn split(key: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = key.iter().position(|b| *b == 0)?;
    Some((&key[..at], &key[at + 1..]))
}

fn last_part(key: &[u8]) -> &[u8] {
    key.rsplit(|b| *b == 0).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::keys::Key;

    fn of(key: Key) -> Option<u16> {
        unit_of(&key.done(), b"[]", 16_384)
    }

    #[test]
    fn everything_of_one_thing_is_one_unit() {
        let key = |namespace: &str, parts: &[&str]| {
            parts.iter().fold(Key::new(namespace), |key, part| key.text(part).expect("no zero byte"))
        };
        let hashed = |text: &str| Some(slot_of(text.as_bytes(), 16_384));
        assert_eq!(of(key("documents", &["row", "files", "f1"])), hashed("f1"));
        assert_eq!(of(key("documents", &["by", "files", "channel", "7", "f1"])), hashed("f1"));
        // A rank may hold zero bytes of its own.
        let posting = key("index", &["word", "messages", "harbour"]).number(!7).text("d1").expect("no zero byte");
        assert_eq!(of(posting), hashed("d1"));
        assert_eq!(of(key("index", &["document", "messages", "d1"])), hashed("d1"));
        assert_eq!(of(key("cache", &["limits#a"])), hashed("limits#a"));
        assert_eq!(unit_of(b"objects\0files/k1", b"", 16_384), hashed("k1"));
        assert_eq!(of(key("accounts", &["row", "users", "u1"])), Some(ACCOUNTS_UNIT));
        let partition = hashed("message/3");
        assert_eq!(of(key("events", &["next", "message"]).number(3)), partition);
        assert_eq!(of(key("events", &["record", "message"]).number(3).number(0)), partition);
        assert_eq!(of(key("events", &["group", "search", "message"]).number(3)), partition);
        assert_eq!(of(key("archgen-else", &["x"])), None);
        assert_eq!(unit_of(b"\0archgen-placement", b"", 16_384), None);
    }
}
