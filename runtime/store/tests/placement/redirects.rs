//! Who holds a presigned URL while its object is handed over: sent on to the new owner, and never back.

use archgen_env::http::{Client, Limits, Reply};
use archgen_ports::{
    ServiceKey,
    blobs::{Blobs, Grant},
};
use archgen_spec::sharding::{SLOTS, slot_of};
use archgen_store::Placement;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde_json::json;

use crate::store::Store;

const BODY: Bytes = Bytes::from_static(b"bytes of an object");

async fn put(http: &Client, url: &str) -> Reply {
    let (address, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    http.call(Method::PUT, &address.parse().unwrap(), &format!("/{path}"), HeaderMap::new(), BODY).await.unwrap()
}

/// Tells a node of a placement, as a mover does when it hands over.
async fn tell(http: &Client, store: &Store, node: usize, placement: &Placement) {
    let headers = HeaderMap::from_iter([(ServiceKey::HEADER.parse().unwrap(), HeaderValue::from_static("test-key"))]);
    let call = json!({"adopt": {"next": placement}});
    let reply = http.json(Method::POST, &store.addresses[node], "/store/move", headers, &call).await.unwrap();
    assert_eq!(reply.status, StatusCode::OK, "{}", String::from_utf8_lossy(&reply.body));
}

#[tokio::test]
async fn nobody_is_sent_back_to_the_node_that_gave_an_object_up() {
    let mut store = Store::new(SLOTS);
    for node in 0..3 {
        store.start(node).await;
    }
    let (client, env) = (store.client(), store.env("browser"));
    let http = Client::new(&env, Limits::default());
    let founded = Placement::founded(store.addresses[..3].to_vec(), SLOTS);
    let key = (0..).map(|n| format!("o{n}")).find(|key| founded.owner(slot_of(key.as_bytes(), SLOTS)) == 0).unwrap();
    let unit = slot_of(key.as_bytes(), SLOTS);
    let grant = Grant::Put { size_bytes: BODY.len() as u64 };
    let mut url = client.presign("files", &key, grant, env.wall_ms() + 600_000).await.unwrap();
    // It goes from 0 to 1 and on to 2; who is given it learns of it last.
    let mut placement = founded;
    for (giver, taker) in [(0, 1), (1, 2)] {
        placement = placement.with(&[unit], taker);
        tell(&http, &store, giver, &placement).await;
        let sent = put(&http, &url).await;
        assert_eq!(sent.status, StatusCode::TEMPORARY_REDIRECT);
        url = sent.headers[header::LOCATION].to_str().unwrap().to_owned();
        assert!(url.starts_with(&format!("http://{}/", store.addresses[taker as usize])), "{url}");
        assert_eq!(url.matches("placement=").count(), 1, "{url}");
        if taker == 1 {
            // The old owner is what this one still believes in.
            let early = put(&http, &url).await;
            assert_eq!(early.status, StatusCode::SERVICE_UNAVAILABLE, "{:?}", early.headers.get(header::LOCATION));
            tell(&http, &store, 1, &placement).await;
        } else {
            // Who is there a little early waits.
            let (done, ()) = tokio::join!(put(&http, &url), tell(&http, &store, 2, &placement));
            assert_eq!(done.status, StatusCode::OK, "{}", String::from_utf8_lossy(&done.body));
        }
    }
}
