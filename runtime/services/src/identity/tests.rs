//! Token verification against a loopback key publisher: accepted, forged, expired and confused tokens.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use archgen_env::{
    Env,
    http::{Client, Limits, ServerLimits, serve},
    net::Address,
    os,
    task::Shutdown,
};
use archgen_ports::ServiceKey;
use axum::{Json, Router, routing::get};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::{Signer, SigningKey};
use serde_json::{Value, json};

use super::{Claims, TokenError, TokenVerifier};
use crate::host::{Peer, Peers};

/// The operating system's environment of a test host, without a disk.
pub(crate) fn test_env(host: &str) -> Env {
    os::env(host, Path::new("."), Shutdown::default())
}

/// A loopback address that was free a moment ago.
pub(crate) fn free_address() -> Address {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    Address::new("127.0.0.1", listener.local_addr().unwrap().port())
}

/// Serves the routes until the environment stops, and waits until the port answers.
pub(crate) async fn start(env: &Env, address: &Address, routes: Router) {
    let (served, at) = (env.clone(), address.clone());
    let limits = ServerLimits { drain_ms_max: 50, ..ServerLimits::default() };
    env.spawn("test server", async move { serve(&served, &at, routes, limits).await.unwrap() });
    listening(env, address).await;
}

/// Waits until the address accepts connections.
pub(crate) async fn listening(env: &Env, address: &Address) {
    while env.net().connect(address).await.is_err() {
        tokio::task::yield_now().await;
    }
}

pub(crate) fn peers(env: &Env, service: &str, addresses: &[Address]) -> Peers {
    let instances = addresses.iter().enumerate();
    let instances = instances.map(|(i, a)| Peer { name: format!("{service}-{}", i + 1), address: a.clone() }).collect();
    Peers::new(service, instances, Client::new(env, Limits::default()), ServiceKey::new("fleet"))
}

/// An issuer of tokens with a published key.
#[derive(Clone)]
pub(crate) struct Issuer {
    pub key: SigningKey,
    pub kid: String,
}

impl Issuer {
    pub fn new(seed: u8) -> Self {
        Self { key: SigningKey::from_bytes(&[seed; 32]), kid: format!("key-{seed}") }
    }

    pub fn published(&self) -> Value {
        let x = URL_SAFE_NO_PAD.encode(self.key.verifying_key().as_bytes());
        json!({"kty": "OKP", "crv": "Ed25519", "kid": self.kid, "x": x, "alg": "EdDSA", "use": "sig"})
    }

    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        let part = |v: &Value| URL_SAFE_NO_PAD.encode(v.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let signature = self.key.sign(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
    }

    pub fn token(&self, claims: &Claims) -> String {
        self.sign(&json!({"alg": "EdDSA", "kid": self.kid, "typ": "JWT"}), &serde_json::to_value(claims).unwrap())
    }
}

pub(crate) fn claims(env: &Env, subject: &str) -> Claims {
    let now = env.wall_ms() / 1_000;
    Claims {
        iss: "http://localhost".to_owned(),
        sub: subject.to_owned(),
        aud: "chat".to_owned(),
        exp: now + 300,
        iat: now,
        jti: "t-1".to_owned(),
        sid: "s-1".to_owned(),
        scope: "chat".to_owned(),
    }
}

async fn verifier(env: &Env, issuers: &[Issuer], fetches: Arc<AtomicUsize>) -> TokenVerifier {
    let keys: Vec<Value> = issuers.iter().map(Issuer::published).collect();
    let routes = Router::new().route(
        "/oauth2/jwks",
        get(move || async move {
            fetches.fetch_add(1, Ordering::Relaxed);
            Json(json!({"keys": keys}))
        }),
    );
    let address = free_address();
    start(env, &address, routes).await;
    TokenVerifier::new(env.clone(), peers(env, "user", &[address]), "chat")
}

#[tokio::test]
async fn a_herd_at_the_start_waits_for_the_one_fetch() {
    let (env, issuer, fetches) = (test_env("realtime-1"), Issuer::new(1), Arc::new(AtomicUsize::new(0)));
    let verifier = verifier(&env, std::slice::from_ref(&issuer), fetches.clone()).await;
    let token = issuer.token(&claims(&env, "u-1"));
    let verdicts = futures_util::future::join_all((0..100).map(|_| verifier.verify(&token))).await;
    assert!(verdicts.iter().all(Result::is_ok), "{:?}", verdicts.iter().find(|verdict| verdict.is_err()));
    assert_eq!(fetches.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_valid_token_gives_its_claims_and_keys_are_fetched_once() {
    let (env, issuer, fetches) = (test_env("gateway-1"), Issuer::new(1), Arc::new(AtomicUsize::new(0)));
    let verifier = verifier(&env, std::slice::from_ref(&issuer), fetches.clone()).await;
    let claims = claims(&env, "u-1");
    for _ in 0..3 {
        assert_eq!(verifier.verify(&issuer.token(&claims)).await, Ok(claims.clone()));
    }
    assert_eq!(fetches.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn times_and_audience_are_judged() {
    let (env, issuer) = (test_env("gateway-1"), Issuer::new(1));
    let verifier = verifier(&env, std::slice::from_ref(&issuer), Arc::default()).await;
    let good = claims(&env, "u-1");
    let cases = [
        (Claims { exp: good.iat - 31, ..good.clone() }, Some(TokenError::Expired)),
        (Claims { exp: good.iat - 20, ..good.clone() }, None),
        (Claims { iat: good.iat + 60, ..good.clone() }, Some(TokenError::NotYetValid)),
        (Claims { iat: good.iat + 20, ..good.clone() }, None),
        (Claims { aud: "other".to_owned(), ..good.clone() }, Some(TokenError::Audience)),
    ];
    for (claims, expected) in cases {
        assert_eq!(verifier.verify(&issuer.token(&claims)).await.err(), expected, "{claims:?}");
    }
}

#[tokio::test]
async fn forged_and_confused_tokens_are_refused() {
    let (env, issuer, stranger) = (test_env("gateway-1"), Issuer::new(1), Issuer::new(2));
    let verifier = verifier(&env, std::slice::from_ref(&issuer), Arc::default()).await;
    let good = claims(&env, "u-1");
    let payload = serde_json::to_value(&good).unwrap();
    let kid = &issuer.kid;
    let token = issuer.token(&good);
    let (head, signature) = token.rsplit_once('.').unwrap();
    let admin =
        URL_SAFE_NO_PAD.encode(serde_json::to_string(&Claims { sub: "root".to_owned(), ..good.clone() }).unwrap());
    let unsigned_head = URL_SAFE_NO_PAD.encode(json!({"alg": "none", "kid": kid}).to_string());
    let cases = [
        // The stranger signs under the published key's id.
        (stranger.sign(&json!({"alg": "EdDSA", "kid": kid}), &payload), TokenError::Signature),
        (stranger.token(&good), TokenError::UnknownKey),
        (format!("{}.{admin}.{signature}", head.split_once('.').unwrap().0), TokenError::Signature),
        (format!("{unsigned_head}.{}.", head.split_once('.').unwrap().1), TokenError::Algorithm),
        (issuer.sign(&json!({"alg": "HS256", "kid": kid}), &payload), TokenError::Algorithm),
        (issuer.sign(&json!({"alg": "eddsa", "kid": kid}), &payload), TokenError::Algorithm),
        (issuer.sign(&json!({"alg": "EdDSA"}), &payload), TokenError::Malformed),
        (issuer.sign(&json!({"alg": "EdDSA", "kid": kid, "crit": ["b64"]}), &payload), TokenError::Malformed),
        (
            issuer.sign(&json!({"alg": "EdDSA", "kid": kid, "jwk": stranger.published()}), &payload),
            TokenError::Malformed,
        ),
        (issuer.sign(&json!({"alg": "EdDSA", "kid": kid, "typ": "logout+jwt"}), &payload), TokenError::Malformed),
        (issuer.sign(&json!({"alg": "EdDSA", "kid": kid}), &json!({"sub": "u-1"})), TokenError::Malformed),
        (format!("{head}."), TokenError::Signature),
        (String::new(), TokenError::Malformed),
        ("a.b".to_owned(), TokenError::Malformed),
        ("x".repeat(5_000), TokenError::Malformed),
    ];
    for (token, expected) in cases {
        assert_eq!(verifier.verify(&token).await, Err(expected), "{token}");
    }
    assert_eq!(verifier.verify(&token).await, Ok(good));
}

#[tokio::test]
async fn unknown_keys_do_not_cause_a_storm_of_fetches() {
    let (env, issuer, fetches) = (test_env("gateway-1"), Issuer::new(1), Arc::new(AtomicUsize::new(0)));
    let verifier = verifier(&env, std::slice::from_ref(&issuer), fetches.clone()).await;
    let good = claims(&env, "u-1");
    for seed in 2..30 {
        assert_eq!(verifier.verify(&Issuer::new(seed).token(&good)).await, Err(TokenError::UnknownKey));
    }
    assert_eq!(fetches.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn without_keys_the_answer_is_unavailable_not_refused() {
    let (env, issuer) = (test_env("gateway-1"), Issuer::new(1));
    let verifier = TokenVerifier::new(env.clone(), peers(&env, "user", &[free_address()]), "chat");
    let token = issuer.token(&claims(&env, "u-1"));
    assert_eq!(verifier.verify(&token).await, Err(TokenError::Unavailable));
}
