//! Signatures of presigned URLs: HMAC-SHA-256 (RFC 2104) over everything that the URL grants.

use archgen_ports::{ServiceKey, blobs::Grant};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

/// What a presigned URL's query says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Signed {
    /// End of validity, milliseconds since the Unix epoch.
    pub(super) expires: u64,
    /// PUT: body size, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) size: Option<u64>,
    /// GET: file name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    /// GET: media type.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub(super) media_type: Option<String>,
    /// Signature, lower-case hexadecimal.
    #[serde(default)]
    pub(super) signature: String,
}

/// Signs and checks with a key derived from the fleet's.
pub(super) struct Signer(Vec<u8>);

impl Signer {
    pub(super) fn new(key: &ServiceKey) -> Self {
        Self([b"archgen presigned urls ", key.expose().as_bytes()].concat())
    }

    fn mac(&self, method: &str, object: &str, signed: &Signed) -> Option<Hmac<Sha256>> {
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&self.0).ok()?;
        let (size, expires) = (signed.size.map(|s| s.to_string()).unwrap_or_default(), signed.expires.to_string());
        let (name, media_type) = (signed.name.as_deref().unwrap_or(""), signed.media_type.as_deref().unwrap_or(""));
        for part in [method, object, &expires, &size, name, media_type] {
            // Lengths keep the parts apart.
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part.as_bytes());
        }
        Some(mac)
    }

    /// The query of a URL that grants this.
    pub(super) fn sign(&self, object: &str, grant: &Grant, expires: u64) -> Signed {
        let mut signed = Signed { expires, size: None, name: None, media_type: None, signature: String::new() };
        let method = match grant {
            Grant::Put { size_bytes } => {
                signed.size = Some(*size_bytes);
                "PUT"
            }
            Grant::Get { name, media_type } => {
                signed.name = Some(name.clone());
                signed.media_type = Some(media_type.clone());
                "GET"
            }
        };
        if let Some(mac) = self.mac(method, object, &signed) {
            signed.signature = hex(&mac.finalize().into_bytes());
        }
        signed
    }

    /// Whether the query was signed here for this method and object; the time taken does not tell how far it is off.
    pub(super) fn is_valid(&self, method: &str, object: &str, signed: &Signed) -> bool {
        let presented: Option<Vec<u8>> = (0..signed.signature.len())
            .step_by(2)
            .map(|i| u8::from_str_radix(signed.signature.get(i..i + 2)?, 16).ok())
            .collect();
        match (presented, self.mac(method, object, signed)) {
            (Some(presented), Some(mac)) => mac.verify_slice(&presented).is_ok(),
            _ => false,
        }
    }
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_grants_what_it_was_made_for_and_nothing_else() {
        let signer = Signer::new(&ServiceKey::new("key"));
        let signed = signer.sign("bucket/key", &Grant::Put { size_bytes: 5 }, 1_000);
        assert!(signer.is_valid("PUT", "bucket/key", &signed));
        assert!(!signer.is_valid("GET", "bucket/key", &signed));
        assert!(!signer.is_valid("PUT", "bucket/other", &signed));
        assert!(!signer.is_valid("PUT", "bucket/key", &Signed { size: Some(6), ..signed.clone() }));
        assert!(!signer.is_valid("PUT", "bucket/key", &Signed { expires: 2_000, ..signed.clone() }));
        assert!(!signer.is_valid("PUT", "bucket/key", &Signed { signature: "zz".to_owned(), ..signed.clone() }));
        assert!(!Signer::new(&ServiceKey::new("other")).is_valid("PUT", "bucket/key", &signed));
    }
}
