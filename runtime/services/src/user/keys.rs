//! The signing key: created once for the fleet, shared by the account table `signing_keys`, published as a JSON Web Key Set.

use std::collections::BTreeMap;

use archgen_env::Env;
use archgen_ports::accounts::{Accounts, Commit, Expect, Write};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::{SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    error::UserError,
    rows::{Stored, encode},
    token,
};

/// Row of the first key. A fixed name makes its creation a race with one winner.
const FIRST: &str = "1";
/// Keys read.
const KEYS_MAX: usize = 16;
/// Reads and writes tried before a start gives up for now.
const TRIES_MAX: usize = 4;

/// Table `signing_keys`. The secret is the one value of the account store that must stay readable.
#[derive(Serialize, Deserialize)]
struct KeyRow {
    alg: String,
    /// 32 bytes, base64url.
    secret: String,
    created_ms: u64,
}

/// The keys of this fleet.
pub(super) struct Keys {
    kid: String,
    signing: SigningKey,
    verifying: BTreeMap<String, VerifyingKey>,
}

impl Keys {
    /// The fleet's keys, the first one created if there is none.
    pub async fn load(accounts: &dyn Accounts, env: &Env) -> Result<Self, UserError> {
        for _ in 0..TRIES_MAX {
            let rows = accounts.scan("signing_keys", None, KEYS_MAX).await?;
            let keys = rows.into_iter().map(Stored::<KeyRow>::decode).collect::<Result<Vec<_>, _>>()?;
            if !keys.is_empty() {
                return Self::of(&keys);
            }
            let secret = URL_SAFE_NO_PAD.encode(env.entropy("signing-key").bytes::<32>());
            let row = KeyRow { alg: "EdDSA".to_owned(), secret, created_ms: env.wall_ms() };
            let write = Write {
                table: "signing_keys".to_owned(),
                key: FIRST.to_owned(),
                expect: Expect::Absent,
                value: Some(encode(&row)?),
            };
            if accounts.commit(vec![write]).await? == Commit::Applied {
                tracing::info!("signing key created");
            }
        }
        Err(UserError::Contended)
    }

    fn of(rows: &[Stored<KeyRow>]) -> Result<Self, UserError> {
        let mut newest = None;
        let mut verifying = BTreeMap::new();
        for row in rows {
            let secret = URL_SAFE_NO_PAD.decode(&row.value.secret).ok().and_then(|b| <[u8; 32]>::try_from(b).ok());
            let secret = secret.ok_or_else(|| UserError::Corrupt(format!("signing_keys/{}", row.key)))?;
            let signing = SigningKey::from_bytes(&secret);
            let kid = thumbprint(&signing.verifying_key());
            verifying.insert(kid.clone(), signing.verifying_key());
            if newest.as_ref().is_none_or(|(created, _, _)| *created <= row.value.created_ms) {
                newest = Some((row.value.created_ms, kid, signing));
            }
        }
        let (_, kid, signing) = newest.ok_or(UserError::Crypto("no signing key"))?;
        Ok(Self { kid, signing, verifying })
    }

    /// A signed token of this type.
    pub fn sign<T: Serialize>(&self, typ: &str, claims: &T) -> Result<String, UserError> {
        token::sign(&self.signing, &self.kid, typ, claims).ok_or(UserError::Crypto("claims"))
    }

    /// The claims of a token that one of the keys signed. Expiry is the caller's to check.
    pub fn verify<T: DeserializeOwned>(&self, typ: &str, text: &str) -> Option<T> {
        token::verify(text, typ, |kid| self.verifying.get(kid).copied())
    }

    /// The public halves (RFC 7517, RFC 8037).
    pub fn jwks(&self) -> Value {
        let keys: Vec<Value> = self
            .verifying
            .iter()
            .map(|(kid, key)| {
                let x = URL_SAFE_NO_PAD.encode(key.as_bytes());
                json!({"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": kid, "x": x})
            })
            .collect();
        json!({ "keys": keys })
    }
}

/// Key id: the thumbprint of the public key (RFC 7638, with the members of RFC 8037).
fn thumbprint(key: &VerifyingKey) -> String {
    let x = URL_SAFE_NO_PAD.encode(key.as_bytes());
    URL_SAFE_NO_PAD.encode(Sha256::digest(format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#)))
}
