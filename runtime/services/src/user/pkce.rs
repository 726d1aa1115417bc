//! Proof Key for Code Exchange (RFC 7636), method S256 alone. Pure.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

/// Least and most characters of a verifier (RFC 7636, section 4.1).
const VERIFIER_CHARS: std::ops::RangeInclusive<usize> = 43..=128;
/// Characters of an S256 challenge: 32 bytes in base64url without padding.
const CHALLENGE_CHARS: usize = 43;

/// The S256 challenge of a verifier.
pub(super) fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()))
}

/// Whether the text can be an S256 challenge.
pub(super) fn is_challenge(text: &str) -> bool {
    text.len() == CHALLENGE_CHARS && URL_SAFE_NO_PAD.decode(text).is_ok_and(|bytes| bytes.len() == 32)
}

/// Whether the verifier is well-formed and proves the challenge. The time taken does not depend on where they differ.
pub(super) fn proves(verifier: &str, expected: &str) -> bool {
    let unreserved = |c: u8| c.is_ascii_alphanumeric() || b"-._~".contains(&c);
    VERIFIER_CHARS.contains(&verifier.len())
        && verifier.bytes().all(unreserved)
        && same(challenge(verifier).as_bytes(), expected.as_bytes())
}

/// Whether two texts are equal, in a time that depends on their lengths alone.
pub(super) fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0u8, |difference, (a, b)| difference | (a ^ b)) == 0
}
