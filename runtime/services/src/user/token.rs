//! JSON Web Tokens in compact form (RFC 7515, RFC 7519), signed with Ed25519 (RFC 8037). Pure.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// Length of a token that is looked at, bytes.
const TOKEN_BYTES_MAX: usize = 8 << 10;

/// Protected header of every token we issue.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    alg: String,
    typ: String,
    kid: String,
}

/// Type of an access token (RFC 9068).
pub(super) const ACCESS: &str = "at+jwt";
/// Type of an ID token.
pub(super) const IDENTITY: &str = "JWT";

/// Claims of an ID token (OpenID Connect Core, section 2).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct IdentityClaims {
    pub iss: String,
    pub sub: String,
    /// The client's id.
    pub aud: String,
    pub exp: u64,
    pub iat: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
}

/// Signs the claims; `None` where they are not JSON.
pub(super) fn sign<T: Serialize>(key: &SigningKey, kid: &str, typ: &str, claims: &T) -> Option<String> {
    let header = Header { alg: "EdDSA".to_owned(), typ: typ.to_owned(), kid: kid.to_owned() };
    let header = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&header).ok()?);
    let payload = URL_SAFE_NO_PAD.encode(serde_json::to_vec(claims).ok()?);
    let signature = key.sign(format!("{header}.{payload}").as_bytes());
    Some(format!("{header}.{payload}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes())))
}

/// The claims of a token of this type, where one of the keys signed it. Expiry is the caller's to check.
pub(super) fn verify<T: DeserializeOwned>(
    token: &str,
    typ: &str,
    key: impl FnOnce(&str) -> Option<VerifyingKey>,
) -> Option<T> {
    if token.len() > TOKEN_BYTES_MAX {
        return None;
    }
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, payload) = signed.split_once('.')?;
    let header: Header = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()?;
    // One algorithm and one type: a token cannot choose how it is checked (RFC 8725, section 3.1).
    if header.alg != "EdDSA" || header.typ != typ {
        return None;
    }
    let signature = Signature::from_slice(&URL_SAFE_NO_PAD.decode(signature).ok()?).ok()?;
    key(&header.kid)?.verify_strict(signed.as_bytes(), &signature).ok()?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}
