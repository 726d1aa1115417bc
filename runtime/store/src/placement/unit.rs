//! The unit of a stored pair, by the keys that the messages port writes (`operations/messages/stored.rs`).

use archgen_spec::sharding::slot_of;

/// The unit of what is stored under this key; `None` for what is no part of messages.
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
    let mut parts = key.strip_prefix(b"messages\0")?.splitn(3, |b| *b == 0);
    let (kind, first) = (parts.next()?, parts.next()?);
    match kind {
        // A reader's marks lie with the reader.
        b"log" | b"head" | b"seen" | b"index" | b"read" => hashed(first),
        b"id" => {
            let (channel, _): (String, u64) = serde_json::from_slice(value).ok()?;
            hashed(channel.as_bytes())
        }
        _ => None,
    }
}
