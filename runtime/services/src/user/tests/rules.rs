//! The service's rules as pure functions.

use ed25519_dalek::SigningKey;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::{
    account::{fold_email, fold_handle},
    grant::{granted_scope, redirect_to},
    page::{escape, form_target},
    pkce,
    rotation::{Decision, GRACE_MS, ROTATIONS_MAX, decide},
    rows::{RefreshToken, Session},
    token,
};

fn session(revoked: bool, expires_ms: u64) -> Session {
    let text = || "x".to_owned();
    let (user, client, device, scope) = (text(), text(), text(), text());
    Session { user, client, device, scope, created_ms: 0, seen_ms: 0, expires_ms, revoked }
}

#[test]
fn pkce_follows_the_example_of_the_standard() {
    // RFC 7636, appendix B.
    let (verifier, challenge) =
        ("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    assert_eq!(pkce::challenge(verifier), challenge);
    assert!(pkce::proves(verifier, challenge) && pkce::is_challenge(challenge));
    assert!(!pkce::proves("short", &pkce::challenge("short")), "a verifier has 43 characters or more");
}

#[test]
fn redirects_keep_the_clients_own_query() {
    assert_eq!(redirect_to("http://a/cb", &[("code", "1 2")]), "http://a/cb?code=1+2");
    assert_eq!(redirect_to("http://a/cb?x=1", &[("state", "&")]), "http://a/cb?x=1&state=%26");
}

#[test]
fn form_targets_are_origins_or_schemes() {
    for (uri, expected) in [
        ("https://app.example:8443/cb?x", Some("https://app.example:8443")),
        ("com.example.app:/cb", Some("com.example.app:")),
        ("https://a;b/cb", None),
        ("nothing", None),
    ] {
        assert_eq!(form_target(uri).as_deref(), expected, "{uri}");
    }
}

#[test]
fn scopes_are_granted_from_the_known_ones() {
    assert_eq!(granted_scope(Some("chat admin openid chat")).as_deref(), Some("openid chat"));
    assert_eq!(granted_scope(Some("admin")), None);
    assert!(granted_scope(None).is_some());
}

#[test]
fn emails_and_handles_fold() {
    assert_eq!(fold_email(" Ada@Example.COM ").unwrap(), "ada@example.com");
    for wrong in ["", "@", "a@", "@b", "a b@c", "a@b@c"] {
        assert!(fold_email(wrong).is_err(), "{wrong}");
    }
    assert_eq!(fold_handle("@Ada.L").unwrap(), "ada.l");
    for wrong in ["a", ".ada", "ada lovelace", "ädä", &"a".repeat(33)] {
        assert!(fold_handle(wrong).is_err(), "{wrong}");
    }
}

proptest! {
    #[test]
    fn only_the_right_verifier_proves(a in "[A-Za-z0-9._~-]{43,128}", b in "[A-Za-z0-9._~-]{43,128}") {
        prop_assert!(pkce::proves(&a, &pkce::challenge(&a)));
        prop_assert_eq!(pkce::proves(&b, &pkce::challenge(&a)), a == b);
    }

    #[test]
    fn a_rotation_is_given_once_or_within_the_grace(
        rotated in proptest::option::of(0u64..100_000), rotations in 0u32..6, now in 0u64..200_000,
        expires in 0u64..200_000, session_ends in 0u64..200_000, revoked: bool,
    ) {
        let row = RefreshToken { family: "f".to_owned(), expires_ms: expires, rotated_ms: rotated, rotations };
        let decision = decide(&row, &session(revoked, session_ends), now);
        let alive = !revoked && now < expires && now < session_ends;
        prop_assert_eq!(decision == Decision::Refuse, !alive);
        if decision == Decision::Rotate && let Some(at) = rotated {
            prop_assert!(at.abs_diff(now) <= GRACE_MS && rotations < ROTATIONS_MAX);
        }
        if decision == Decision::Reused {
            prop_assert!(rotated.is_some());
        }
    }

    #[test]
    fn a_changed_token_does_not_verify(seed: [u8; 32], place in 0usize..200, to in "[A-Za-z0-9_.-]") {
        let key = SigningKey::from_bytes(&seed);
        let signed = token::sign(&key, "k", token::ACCESS, &json!({"sub": "u"})).unwrap();
        let find = |kid: &str| (kid == "k").then(|| key.verifying_key());
        prop_assert_eq!(token::verify::<Value>(&signed, token::ACCESS, find), Some(json!({"sub": "u"})));
        prop_assert_eq!(token::verify::<Value>(&signed, token::IDENTITY, find), None);
        let place = place % signed.len();
        let mut changed = signed.clone();
        changed.replace_range(place..=place, &to);
        if changed != signed {
            prop_assert_eq!(token::verify::<Value>(&changed, token::ACCESS, find), None);
        }
    }

    #[test]
    fn any_text_is_looked_at_without_panic(text in ".{0,200}") {
        let key = SigningKey::from_bytes(&[7; 32]).verifying_key();
        prop_assert_eq!(token::verify::<Value>(&text, token::ACCESS, |_| Some(key)), None);
        prop_assert!(!escape(&text).contains(['<', '>', '"', '\'']));
        let target = form_target(&text).unwrap_or_default();
        prop_assert!(!target.contains([';', ',', ' ', '\'']));
        let _ = (fold_email(&text), fold_handle(&text), granted_scope(Some(&text)));
    }
}
