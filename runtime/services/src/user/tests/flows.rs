//! What clients see, request by request.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::{Signature, VerifyingKey};
use http::{StatusCode, header};
use serde_json::{Value, json};

use super::{
    super::{grant::CODE_MS, rotation::GRACE_MS, session::ACCESS_S, sweep},
    store::Store,
    world::{ISSUER, PASSWORD, REDIRECT, VERIFIER, World},
};

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_else(|| panic!("no {field} in {value}"))
}

/// Kinds of the events written, sorted: ids of one millisecond have no order among them.
fn kinds(world: &World) -> Vec<String> {
    let mut kinds: Vec<_> = world.store.values("outbox").iter().map(|e| text(e, "type").to_owned()).collect();
    kinds.sort();
    kinds
}

#[tokio::test]
async fn registration_is_unique_by_folded_email_and_handle() {
    let world = World::new().await;
    let ada = world.register("ada").await;
    assert_eq!(ada["handle"], "ada");
    for (email, handle, field) in [("ADA@Example.com", "other", "email"), ("b@example.com", "@Ada", "handle")] {
        let body = json!({"email": email, "handle": handle, "name": "n", "password": PASSWORD});
        let answer = world.json("POST", "/api/v1/auth/register", None, body).await;
        assert_eq!(
            (answer.status, answer.json()["title"].clone()),
            (StatusCode::CONFLICT, json!(format!("this {field} is taken")))
        );
    }
    let short = json!({"email": "c@example.com", "handle": "cc", "name": "n", "password": "1234567"});
    assert_eq!(world.json("POST", "/api/v1/auth/register", None, short).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(kinds(&world), ["user.created"]);
    let stored = world.store.values("users");
    assert!(text(&stored[0], "password").starts_with("$argon2id$"), "{stored:?}");
}

#[tokio::test]
async fn unknown_users_and_wrong_passwords_get_the_same_answer() {
    let world = World::new().await;
    world.register("ada").await;
    let wrong = world.login("ada@example.com", "wrong password").await;
    let unknown = world.login("nobody@example.com", "wrong password").await;
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    assert_eq!((wrong.status, &wrong.text), (unknown.status, &unknown.text));
    assert_eq!(world.login("Ada@Example.COM", PASSWORD).await.status, StatusCode::OK);
}

#[tokio::test]
async fn an_account_is_closed_to_guessing_and_others_are_not() {
    let world = World::new().await;
    world.register("ada").await;
    world.register("bob").await;
    for _ in 0..10 {
        assert_eq!(world.login("ada@example.com", "guess guess").await.status, StatusCode::UNAUTHORIZED);
    }
    let closed = world.login("ada@example.com", PASSWORD).await;
    assert_eq!(closed.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(closed.headers.contains_key(header::RETRY_AFTER));
    for _ in 0..12 {
        assert_eq!(world.login("bob@example.com", PASSWORD).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn access_tokens_verify_with_the_published_key() {
    let world = World::new().await;
    let ada = world.register("ada").await;
    let tokens = world.login("ada@example.com", PASSWORD).await.json();
    assert_eq!((text(&tokens, "token_type"), &tokens["expires_in"]), ("Bearer", &json!(ACCESS_S)));
    let jwks = world.get("/oauth2/jwks", None).await.json();
    let x = URL_SAFE_NO_PAD.decode(text(&jwks["keys"][0], "x")).unwrap();
    let key = VerifyingKey::from_bytes(&x.try_into().unwrap()).unwrap();
    let (signed, signature) = text(&tokens, "access_token").rsplit_once('.').unwrap();
    let signature = Signature::from_slice(&URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
    key.verify_strict(signed.as_bytes(), &signature).unwrap();
    let claims = world.claims(&tokens);
    assert_eq!((claims.iss.as_str(), claims.aud.as_str(), claims.sub.as_str()), (ISSUER, "chat", text(&ada, "id")));
    assert_eq!(claims.exp - claims.iat, ACCESS_S);
    let info = world.get("/oauth2/userinfo", tokens["access_token"].as_str()).await.json();
    assert_eq!((text(&info, "sub"), text(&info, "email")), (claims.sub.as_str(), "ada@example.com"));
    world.clock.advance(ACCESS_S * 1_000);
    let late = world.get("/oauth2/userinfo", tokens["access_token"].as_str()).await;
    assert_eq!(late.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn instances_share_one_signing_key() {
    let store: Arc<Store> = Arc::default();
    let (one, other) = tokio::join!(World::over(store.clone(), 1), World::over(store, 2));
    one.register("ada").await;
    let tokens = one.login("ada@example.com", PASSWORD).await.json();
    assert_eq!(other.get("/oauth2/userinfo", tokens["access_token"].as_str()).await.status, StatusCode::OK);
    assert_eq!(one.get("/oauth2/jwks", None).await.text, other.get("/oauth2/jwks", None).await.text);
}

#[tokio::test]
async fn the_form_is_escaped_and_confined() {
    let world = World::new().await;
    let fields = World::authorization();
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(&fields).finish();
    let page = world.get(&format!("/oauth2/authorize?{query}"), None).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text.contains("Sign in to Chat &lt;1&gt;") && page.text.contains("value=\"a&amp;b=&quot;&lt;\""));
    let policy = page.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'unsafe-inline';"), "{policy}");
    assert!(policy.ends_with("form-action 'self' http://127.0.0.1:7000"), "{policy}");
}

#[tokio::test]
async fn requests_that_must_not_be_redirected_are_not() {
    let world = World::new().await;
    for (field, value) in [("redirect_uri", "http://127.0.0.1:7000/callback/"), ("client_id", "nobody")] {
        let mut fields = World::authorization();
        fields.iter_mut().filter(|(name, _)| *name == field).for_each(|(_, old)| *old = value.to_owned());
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(&fields).finish();
        let page = world.get(&format!("/oauth2/authorize?{query}"), None).await;
        assert_eq!((page.status, page.headers.get(header::LOCATION)), (StatusCode::BAD_REQUEST, None), "{field}");
    }
    let mut plain = World::authorization();
    plain.iter_mut().filter(|(name, _)| *name == "code_challenge_method").for_each(|(_, m)| *m = "plain".to_owned());
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(&plain).finish();
    let refused = world.get(&format!("/oauth2/authorize?{query}"), None).await;
    assert_eq!(refused.location("error").as_deref(), Some("invalid_request"));
    assert_eq!(refused.location("iss").as_deref(), Some(ISSUER));
}

#[tokio::test]
async fn a_code_is_exchanged_once_and_its_second_use_ends_the_session() {
    let world = World::new().await;
    world.register("ada").await;
    let code = world.code("ada").await;
    let stolen = world.exchange(&code, &VERIFIER.replace('d', "e")).await;
    assert_eq!(stolen.json()["error"], "invalid_grant");
    let tokens = world.exchange(&code, VERIFIER).await;
    assert_eq!(tokens.status, StatusCode::OK, "{}", tokens.text);
    assert_eq!(tokens.headers[header::CACHE_CONTROL], "no-store");
    let tokens = tokens.json();
    let payload = text(&tokens, "id_token").split('.').nth(1).unwrap();
    let identity: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    assert_eq!((text(&identity, "nonce"), text(&identity, "aud")), ("n-1", "archgen-web"));
    assert_eq!(world.get("/oauth2/userinfo", tokens["access_token"].as_str()).await.status, StatusCode::OK);
    let id_token_as_access = world.get("/oauth2/userinfo", tokens["id_token"].as_str()).await;
    assert_eq!(id_token_as_access.status, StatusCode::UNAUTHORIZED);

    assert_eq!(world.exchange(&code, VERIFIER).await.json()["error"], "invalid_grant");
    assert_eq!(world.refresh(text(&tokens, "refresh_token")).await.json()["error"], "invalid_grant");
    let after = world.get("/oauth2/userinfo", tokens["access_token"].as_str()).await;
    assert_eq!(after.status, StatusCode::UNAUTHORIZED);
    assert_eq!(kinds(&world), ["session.revoked", "user.created"]);
}

#[tokio::test]
async fn a_code_dies_after_a_minute_and_fits_one_redirect_uri() {
    let world = World::new().await;
    world.register("ada").await;
    let code = world.code("ada").await;
    let fields = [
        ("grant_type", "authorization_code"),
        ("client_id", "archgen-web"),
        ("redirect_uri", "http://127.0.0.1:7000/other"),
        ("code", code.as_str()),
        ("code_verifier", VERIFIER),
    ];
    assert_eq!(world.form("/oauth2/token", false, &fields).await.json()["error"], "invalid_grant");
    world.clock.advance(CODE_MS);
    assert_eq!(world.exchange(&code, VERIFIER).await.json()["error"], "invalid_grant");
}

#[tokio::test]
async fn refresh_tokens_rotate_with_a_short_grace_and_reuse_ends_the_family() {
    let world = World::new().await;
    world.register("ada").await;
    let first = world.login("ada@example.com", PASSWORD).await.json();
    let first = text(&first, "refresh_token").to_owned();
    let second = world.refresh(&first).await;
    assert_eq!(second.status, StatusCode::OK, "{}", second.text);
    let second = text(&second.json(), "refresh_token").to_owned();
    world.clock.advance(GRACE_MS);
    let again = world.refresh(&first).await;
    assert_eq!(again.status, StatusCode::OK, "the grace gives another successor: {}", again.text);
    assert_ne!(text(&again.json(), "refresh_token"), second);
    world.clock.advance(1);
    assert_eq!(world.refresh(&first).await.json()["error"], "invalid_grant");
    assert_eq!(world.refresh(&second).await.json()["error"], "invalid_grant", "the family has ended");
    assert_eq!(kinds(&world), ["session.revoked", "user.created"]);
    let stored = serde_json::to_string(&world.store.values("refresh_tokens")).unwrap();
    assert!(!stored.contains(&first) && !stored.contains(&second), "tokens are stored as digests only");
}

#[tokio::test]
async fn refresh_tokens_serve_their_own_client_alone() {
    let world = World::new().await;
    world.register("ada").await;
    let tokens = world.login("ada@example.com", PASSWORD).await.json();
    let token = text(&tokens, "refresh_token");
    let other = [
        ("grant_type", "refresh_token"),
        ("refresh_token", token),
        ("client_id", "reports"),
        ("client_secret", "s3cret"),
    ];
    assert_eq!(world.form("/oauth2/token", false, &other).await.json()["error"], "invalid_grant");
    let wrong = [("grant_type", "refresh_token"), ("refresh_token", token), ("client_id", "reports")];
    assert_eq!(world.form("/oauth2/token", false, &wrong).await.json()["error"], "invalid_client");
    let unnamed = [("grant_type", "refresh_token"), ("refresh_token", token)];
    assert_eq!(world.form("/oauth2/token", false, &unnamed).await.status, StatusCode::OK);
}

#[tokio::test]
async fn introspection_is_for_the_fleet_and_confidential_clients() {
    let world = World::new().await;
    world.register("ada").await;
    let tokens = world.login("ada@example.com", PASSWORD).await.json();
    let (access, refresh) = (text(&tokens, "access_token"), text(&tokens, "refresh_token"));
    let nobody = world.form("/oauth2/introspect", false, &[("token", access)]).await;
    assert_eq!(nobody.status, StatusCode::UNAUTHORIZED);
    let forwarded = world.forwarded("/oauth2/introspect", &[("token", access)]).await;
    assert_eq!(forwarded.status, StatusCode::UNAUTHORIZED, "the gateway's key does not vouch for its clients");
    let public = world.form("/oauth2/introspect", false, &[("token", access), ("client_id", "archgen-web")]).await;
    assert_eq!(public.status, StatusCode::UNAUTHORIZED);
    let client = [("token", access), ("client_id", "reports"), ("client_secret", "s3cret")];
    assert_eq!(world.form("/oauth2/introspect", false, &client).await.json()["active"], true);
    for token in [access, refresh] {
        assert_eq!(world.form("/oauth2/introspect", true, &[("token", token)]).await.json()["active"], true);
    }
    assert_eq!(
        world.get("/oauth2/introspect", Some(access)).await.headers["x-auth-subject"],
        world.claims(&tokens).sub
    );
    let unknown = world.form("/oauth2/revoke", false, &[("token", "unknown")]).await;
    assert_eq!(unknown.status, StatusCode::OK);
    assert_eq!(world.form("/oauth2/revoke", false, &[("token", refresh)]).await.status, StatusCode::OK);
    for token in [access, refresh, "unknown"] {
        let body = world.form("/oauth2/introspect", true, &[("token", token)]).await.json();
        assert_eq!(body, json!({"active": false}));
    }
    assert_eq!(world.get("/oauth2/introspect", Some(access)).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn sessions_are_listed_and_ended_by_their_user_alone() {
    let world = World::new().await;
    world.register("ada").await;
    world.register("bob").await;
    let phone = world.claims(&world.login("ada@example.com", PASSWORD).await.json());
    let desk = world.claims(&world.login("ada@example.com", PASSWORD).await.json());
    let bob = world.claims(&world.login("bob@example.com", PASSWORD).await.json());
    let listed = world.json("GET", "/api/v1/me/sessions", Some(&desk), Value::Null).await.json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 2);
    let path = format!("/api/v1/me/sessions/{}", phone.sid);
    assert_eq!(world.json("DELETE", &path, Some(&bob), Value::Null).await.status, StatusCode::NOT_FOUND);
    assert_eq!(world.json("DELETE", &path, Some(&desk), Value::Null).await.status, StatusCode::NO_CONTENT);
    let listed = world.json("GET", "/api/v1/me/sessions", Some(&desk), Value::Null).await.json();
    assert_eq!((&listed["items"][0]["id"], &listed["items"][0]["current"]), (&json!(desk.sid), &json!(true)));
    assert_eq!(
        world.json("POST", "/api/v1/auth/logout", Some(&desk), Value::Null).await.status,
        StatusCode::NO_CONTENT
    );
    let tokens = world.login("ada@example.com", PASSWORD).await.json();
    let bearer = tokens["access_token"].as_str();
    assert_eq!(world.post("/api/v1/auth/logout", bearer).await.status, StatusCode::NO_CONTENT);
    assert_eq!(world.post("/api/v1/auth/logout", bearer).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(world.post("/api/v1/auth/logout", None).await.status, StatusCode::UNAUTHORIZED);
    let unnamed = world.json("GET", "/api/v1/me/sessions", None, Value::Null).await;
    assert_eq!(unnamed.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn profiles_change_and_are_found() {
    let world = World::new().await;
    let ada = world.register("ada").await;
    world.register("bob").await;
    let caller = world.claims(&world.login("ada@example.com", PASSWORD).await.json());
    let taken = world.json("PATCH", "/api/v1/me", Some(&caller), json!({"handle": "BOB"})).await;
    assert_eq!(taken.status, StatusCode::CONFLICT);
    let changed = world.json("PATCH", "/api/v1/me", Some(&caller), json!({"name": "Ada Lovelace"})).await;
    assert_eq!(changed.json()["name"], "Ada Lovelace");
    let found = world.json("GET", "/api/v1/users?prefix=love", Some(&caller), Value::Null).await.json();
    assert_eq!(found, json!({"items": [{"id": ada["id"], "handle": "ada", "name": "Ada Lovelace"}], "next": null}));
    let asked = json!({"ids": [ada["id"], "unknown"], "handles": ["@Bob", "!"]});
    let found = world.internal("/internal/users/lookup", asked.clone()).await.json();
    let handles: Vec<&str> = found["items"].as_array().unwrap().iter().map(|user| text(user, "handle")).collect();
    assert_eq!(handles, ["ada", "bob"]);
    let outside = world.json("POST", "/internal/users/lookup", None, asked).await;
    assert_eq!(outside.status, StatusCode::UNAUTHORIZED);
    assert_eq!(kinds(&world), ["user.created", "user.created", "user.updated"]);
}

#[tokio::test]
async fn presence_is_the_most_present_report() {
    let world = World::new().await;
    let caller = {
        world.register("ada").await;
        world.claims(&world.login("ada@example.com", PASSWORD).await.json())
    };
    let report = |node: &str, status: &str, device: &str| {
        let one = json!({"user": caller.sub, "status": status, "devices": {device: status}});
        json!({"node": node, "ttl_ms": 60_000, "reports": [one]})
    };
    for (node, status) in [("realtime-0", "away"), ("realtime-1", "online")] {
        let report = report(node, status, node);
        assert_eq!(world.internal("/internal/presence", report).await.status, StatusCode::NO_CONTENT);
    }
    let ask = json!({"users": [caller.sub, "unknown"]});
    let items = world.json("POST", "/api/v1/presence/query", Some(&caller), ask.clone()).await.json();
    assert_eq!((text(&items["items"][0], "status"), text(&items["items"][1], "status")), ("online", "offline"));
    assert_eq!(items["items"][0]["devices"], json!({"realtime-0": "away", "realtime-1": "online"}));
    assert!(items["items"][1]["last_seen_ms"].is_null() && items["items"][0]["last_seen_ms"].is_u64());
    world.internal("/internal/presence", report("realtime-1", "offline", "phone")).await;
    let items = world.json("POST", "/api/v1/presence/query", Some(&caller), ask).await.json();
    assert_eq!(text(&items["items"][0], "status"), "away");
}

#[tokio::test]
async fn the_sweep_removes_what_expired_long_ago_and_nothing_else() {
    let world = World::new().await;
    world.register("ada").await;
    world.code("ada").await;
    world.login("ada@example.com", PASSWORD).await;
    assert_eq!(sweep::sweep_table(&world.state, "auth_codes").await.unwrap(), 0);
    world.clock.advance(CODE_MS + sweep::KEEP_MS + 1);
    assert_eq!(sweep::sweep_table(&world.state, "auth_codes").await.unwrap(), 1);
    assert_eq!(sweep::sweep_table(&world.state, "sessions").await.unwrap(), 0);
    assert_eq!(world.store.values("sessions").len(), 1);
}

#[tokio::test]
async fn malformed_requests_are_refused_with_a_reason() {
    let world = World::new().await;
    let login = world.json("POST", "/api/v1/auth/login", None, json!({"email": 1})).await;
    assert_eq!(
        (login.status, &login.headers[header::CONTENT_TYPE]),
        (StatusCode::BAD_REQUEST, &"application/problem+json".parse().unwrap())
    );
    let twice = world.form("/oauth2/token", false, &[("grant_type", "a"), ("grant_type", "b")]).await;
    assert_eq!(twice.json()["error"], "invalid_request");
    let unknown = world.form("/oauth2/token", false, &[("grant_type", "password"), ("client_id", "archgen-web")]).await;
    assert_eq!(unknown.json()["error"], "unsupported_grant_type");
    let discovery = world.get("/.well-known/openid-configuration", None).await.json();
    assert_eq!(
        (text(&discovery, "issuer"), &discovery["code_challenge_methods_supported"]),
        (ISSUER, &json!(["S256"]))
    );
    let open = format!("/oauth2/authorize?client_id=archgen-web&redirect_uri={REDIRECT}&client_id=b");
    assert_eq!(world.get(&open, None).await.status, StatusCode::BAD_REQUEST);
}
