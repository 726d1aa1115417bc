//! What the spec says of time and tries reaches the hosts that are assembled from it.

use http::Method;
use serde_json::json;

use super::town::{Town, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_answers_in_its_own_time_whatever_its_store_does() {
    let mut town = Town::amended(&[
        ("user: { port: 9310,", "user: { port: 9310, timeout: 2s,"),
        // Were it for the store alone, the caller of this test would give up first.
        ("    kind: postgres\n", "    kind: postgres\n    timeout: 60s\n"),
    ])
    .await;
    let ada = town.person("ada").await;
    town.client = town.client.with_deadline(30_000);
    town.silence("users-1").await;
    let late = town.call("user-1", Some(&ada), Method::GET, "/api/v1/me", &serde_json::Value::Null).await.unwrap();
    // It, or the call that it waited for: both end at the same instant.
    assert!([503, 504].contains(&late.status.as_u16()), "{late:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_tried_as_often_as_its_caller_says_and_for_as_long_as_the_one_called_says() {
    let mut town = Town::amended(&[
        ("user: { port: 9310,", "user: { port: 9310, timeout: 1s,"),
        ("    lease: 1s\n", "    lease: 1s\n    retries: 2\n    timeout: 60s\n"),
    ])
    .await;
    let (ada, bob) = (town.person("ada").await, town.person("bob").await);
    let channel = town.channel(&ada, "private").await;
    town.client = town.client.with_deadline(30_000);
    let asked = town.silence("user-1").await;
    let path = format!("/api/v1/channels/{channel}/members/{bob}");
    // Who is added is looked up: the one instance of the other service never answers.
    let lookups = until("the channel's owner looks the new member up", async || {
        let failed = town.call("messaging-1", Some(&ada), Method::PUT, &path, &json!({})).await.unwrap();
        assert!(failed.status.is_server_error(), "{failed:?}");
        let asked = asked.lock().unwrap();
        // A channel that has no owner yet is refused before.
        Some(asked.iter().filter(|line| line.starts_with("POST /internal/users/lookup")).count()).filter(|n| *n > 0)
    })
    .await;
    assert_eq!(lookups, 3, "{:?}", asked.lock().unwrap());
}
