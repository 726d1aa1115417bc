//! Refresh-token rotation (RFC 9700, section 4.14.2) as a pure decision.
//!
//! A refresh token is exchanged once; a later second use means that it was copied, and ends the whole family. The exception is
//! a short grace: a client whose answer was lost presents the same token again and gets another successor of the same family.
//! The price is that a thief who uses a copied token inside that grace goes unnoticed, so it is short and its uses are few.

use super::rows::{RefreshToken, Session};

/// How long after its first exchange a token may be presented again, milliseconds.
pub(super) const GRACE_MS: u64 = 10_000;
/// Successors that one token may be given in all.
pub(super) const ROTATIONS_MAX: u32 = 4;

/// What to do with a presented refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    /// Give a successor.
    Rotate,
    /// The token was used before: end the family.
    Reused,
    /// Expired, or the session ended: refuse without further effect.
    Refuse,
}

/// Decides by the token, its session and the wall time.
pub(super) fn decide(token: &RefreshToken, session: &Session, now_ms: u64) -> Decision {
    if session.revoked || now_ms >= session.expires_ms || now_ms >= token.expires_ms {
        return Decision::Refuse;
    }
    match token.rotated_ms {
        None => Decision::Rotate,
        // The wall clock may have jumped back between the two uses, so the distance counts and not the order.
        Some(at) if at.abs_diff(now_ms) <= GRACE_MS && token.rotations < ROTATIONS_MAX => Decision::Rotate,
        Some(_) => Decision::Reused,
    }
}
