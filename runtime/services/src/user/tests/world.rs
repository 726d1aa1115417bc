//! One instance of the service with a clock that tests set.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use archgen_env::{
    Env, Parts,
    clock::WallClock,
    entropy::EntropySource,
    net::Address,
    os,
    task::{Inline, Shutdown},
};
use archgen_ports::ServiceKey;
use axum::{Router, body::Body};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::{
    super::{api, config::Config, config::RegisteredClient, oauth, pkce, state::Shared},
    store::Store,
};
use crate::{
    host::HostContext,
    identity::{Claims, SESSION_HEADER, SUBJECT_HEADER},
};

pub(super) const REDIRECT: &str = "http://127.0.0.1:7000/callback";
pub(super) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(super) const PASSWORD: &str = "correct horse";
pub(super) const ISSUER: &str = "http://chat.test";
const KEY: &str = "fleet key";

pub(super) struct Clock(AtomicU64);

impl Clock {
    pub fn advance(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::Relaxed);
    }
}

impl WallClock for Clock {
    fn wall_ms(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

struct Seed(u8);

impl EntropySource for Seed {
    fn stream(&self, purpose: &str) -> [u8; 32] {
        let mut seed = [self.0; 32];
        for (slot, byte) in seed.iter_mut().zip(purpose.bytes()) {
            *slot ^= byte;
        }
        seed
    }
}

pub(super) struct World {
    pub clock: Arc<Clock>,
    pub store: Arc<Store>,
    pub state: Shared,
    routes: Router,
}

/// An answer, read whole.
pub(super) struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub fn location(&self, name: &str) -> Option<String> {
        let location = self.headers.get(header::LOCATION)?.to_str().unwrap();
        let (_, query) = location.split_once('?')?;
        form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }
}

impl World {
    pub async fn new() -> Self {
        Self::over(Arc::default(), 1).await
    }

    /// An instance over this store, its random streams by `seed`.
    pub async fn over(store: Arc<Store>, seed: u8) -> Self {
        let clock = Arc::new(Clock(AtomicU64::new(1_800_000_000_000)));
        let machine = os::env("user-0", Path::new("."), Shutdown::default());
        let env = Env::new(Parts {
            host: "user-0".to_owned(),
            net: machine.net().clone(),
            clock: clock.clone(),
            entropy: Arc::new(Seed(seed)),
            disk: machine.disk().clone(),
            compute: Arc::new(Inline),
            spawner: machine.spawner().clone(),
            shutdown: Shutdown::default(),
        });
        let address = Address::new("127.0.0.1", 1);
        let context = HostContext::new(env, "user", 0, 1, "a", address, ServiceKey::new(KEY), None);
        let confidential = RegisteredClient {
            id: "reports".to_owned(),
            name: "Reports".to_owned(),
            redirect_uris: vec![],
            secret_sha256: Some(super::super::rows::digest("s3cret")),
        };
        let config = Config {
            accounts: store.clone(),
            cache: None,
            events: None,
            topic: "user".to_owned(),
            public_url: ISSUER.to_owned(),
            audience: "chat".to_owned(),
            clients: vec![RegisteredClient::web("Chat <1>", vec![REDIRECT.to_owned()]), confidential],
            password_memory_bytes: 0,
            realtime: None,
            gateways: None,
        };
        let state = Shared::load(&context, &config).await.unwrap();
        let routes = api::routes(state.clone()).merge(oauth::routes(state.clone()));
        Self { clock, store, state, routes }
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.routes.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        Answer { status: parts.status, headers: parts.headers, text }
    }

    pub async fn json(&self, method: &str, path: &str, caller: Option<&Claims>, body: Value) -> Answer {
        let mut request = Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, "application/json");
        if let Some(claims) = caller {
            request = request.header(ServiceKey::HEADER, KEY);
            request = request.header(SUBJECT_HEADER, &claims.sub).header(SESSION_HEADER, &claims.sid);
        }
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }

    pub async fn internal(&self, path: &str, body: Value) -> Answer {
        let request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
        self.send(request.header(ServiceKey::HEADER, KEY).body(Body::from(body.to_string())).unwrap()).await
    }

    pub async fn form(&self, path: &str, with_key: bool, fields: &[(&str, &str)]) -> Answer {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let mut request = Request::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        if with_key {
            request = request.header(ServiceKey::HEADER, KEY);
        }
        self.send(request.body(Body::from(body)).unwrap()).await
    }

    /// A form as the gateway forwards it: with the fleet's key, and for whom.
    pub async fn forwarded(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = Request::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let request = request.header(ServiceKey::HEADER, KEY).header("x-forwarded-for", "192.0.2.1");
        self.send(request.body(Body::from(body)).unwrap()).await
    }

    pub async fn get(&self, path: &str, bearer: Option<&str>) -> Answer {
        self.as_bearer(Request::get(path), bearer).await
    }

    pub async fn post(&self, path: &str, bearer: Option<&str>) -> Answer {
        self.as_bearer(Request::post(path), bearer).await
    }

    async fn as_bearer(&self, mut request: http::request::Builder, bearer: Option<&str>) -> Answer {
        if let Some(token) = bearer {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        self.send(request.body(Body::empty()).unwrap()).await
    }

    pub async fn register(&self, handle: &str) -> Value {
        let email = format!("{handle}@example.com");
        let body = json!({"email": email, "handle": handle, "name": handle, "password": PASSWORD});
        let answer = self.json("POST", "/api/v1/auth/register", None, body).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
        answer.json()
    }

    pub async fn login(&self, email: &str, password: &str) -> Answer {
        let body = json!({"email": email, "password": password});
        self.json("POST", "/api/v1/auth/login", None, body).await
    }

    /// The claims of an access token, unchecked.
    pub fn claims(&self, tokens: &Value) -> Claims {
        let payload = tokens["access_token"].as_str().unwrap().split('.').nth(1).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
    }

    /// Fields of a well-formed authorization request.
    pub fn authorization() -> Vec<(&'static str, String)> {
        vec![
            ("response_type", "code".to_owned()),
            ("client_id", "archgen-web".to_owned()),
            ("redirect_uri", REDIRECT.to_owned()),
            ("scope", "openid chat".to_owned()),
            ("state", "a&b=\"<".to_owned()),
            ("code_challenge", pkce::challenge(VERIFIER)),
            ("code_challenge_method", "S256".to_owned()),
            ("nonce", "n-1".to_owned()),
        ]
    }

    /// A code for the user of this handle.
    pub async fn code(&self, handle: &str) -> String {
        let email = format!("{handle}@example.com");
        let mut fields = Self::authorization();
        fields.extend([("email", email), ("password", PASSWORD.to_owned())]);
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = self.form("/oauth2/authorize", false, &fields).await;
        assert_eq!(answer.status, StatusCode::FOUND, "{}", answer.text);
        assert_eq!(answer.location("state").as_deref(), Some("a&b=\"<"));
        assert_eq!(answer.location("iss").as_deref(), Some(ISSUER));
        answer.location("code").unwrap()
    }

    pub async fn exchange(&self, code: &str, verifier: &str) -> Answer {
        let fields = [
            ("grant_type", "authorization_code"),
            ("client_id", "archgen-web"),
            ("redirect_uri", REDIRECT),
            ("code", code),
            ("code_verifier", verifier),
        ];
        self.form("/oauth2/token", false, &fields).await
    }

    pub async fn refresh(&self, token: &str) -> Answer {
        let fields = [("grant_type", "refresh_token"), ("client_id", "archgen-web"), ("refresh_token", token)];
        self.form("/oauth2/token", false, &fields).await
    }
}
