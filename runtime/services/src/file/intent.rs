//! The wish to upload: what is asked, and whether it can be granted at all.

use archgen_ports::UserId;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::error::FileError;

/// Longest file name, bytes: what file systems take.
const NAME_BYTES_MAX: usize = 255;
/// Longest media type, bytes.
const MEDIA_TYPE_BYTES_MAX: usize = 127;
/// Longest idempotency key, bytes.
const KEY_BYTES_MAX: usize = 128;

/// Body of `POST /api/v1/files`.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Intent {
    pub name: String,
    pub size: u64,
    #[serde(default)]
    pub media_type: Option<String>,
    #[serde(default)]
    pub channel: Option<String>,
    #[serde(default)]
    pub sha256: Option<String>,
}

impl Intent {
    /// Refuses what no later step could make right.
    pub(super) fn check(&self, file_bytes_max: u64) -> Result<(), FileError> {
        let invalid = |why: &str| Err(FileError::Invalid(why.to_owned()));
        if self.size > file_bytes_max {
            return Err(FileError::TooLarge { size: self.size, max: file_bytes_max });
        }
        let name = self.name.trim();
        if name.is_empty() || self.name.len() > NAME_BYTES_MAX || name == "." || name == ".." {
            return invalid("`name` must have 1 to 255 bytes");
        }
        // Marks that reverse the reading direction make `exe.png` of `gnp.exe`.
        let reverses = |c: char| matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
        if self.name.chars().any(|c| c.is_control() || c == '/' || c == '\\' || reverses(c)) {
            return invalid("`name` must not contain separators or control characters");
        }
        if self.media_type.as_ref().is_some_and(|t| !is_media_type(t)) {
            return invalid("`media_type` must look like type/subtype");
        }
        let is_digest =
            |s: &String| s.len() == 64 && s.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if !self.sha256.as_ref().is_none_or(is_digest) {
            return invalid("`sha256` must have 64 lower-case hexadecimal digits");
        }
        Ok(())
    }
}

fn is_media_type(text: &str) -> bool {
    let token = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b));
    text.len() <= MEDIA_TYPE_BYTES_MAX && text.split_once('/').is_some_and(|(kind, sub)| token(kind) && token(sub))
}

/// The id of a file asked for under an idempotency key: the same for the same caller and key, so that a repeated request meets
/// the file of the first. (UUID version 8, RFC 9562.)
pub(super) fn id_of(user: &UserId, key: &str) -> Result<String, FileError> {
    if key.is_empty() || key.len() > KEY_BYTES_MAX {
        return Err(FileError::Invalid(format!("Idempotency-Key must have 1 to {KEY_BYTES_MAX} bytes")));
    }
    let digest = Sha256::new().chain_update("file intent\0").chain_update(&user.0).chain_update([0]).chain_update(key);
    let mut raw: [u8; 32] = digest.finalize().into();
    raw[6] = (raw[6] & 0x0F) | 0x80;
    raw[8] = (raw[8] & 0x3F) | 0x80;
    let hex: String = raw.iter().take(16).map(|b| format!("{b:02x}")).collect();
    Ok(format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]))
}
