//! Checks as time passes: expiry of time-to-live checks, and HTTP checks asked at their interval.

use std::time::Duration;

use archgen_env::{http::Client, net::Address, task::Task};
use http::{HeaderMap, StatusCode, Uri};
use tokio::time::{Instant, sleep, sleep_until};

use super::{
    definition::{CheckKind, Status},
    state::State,
};

/// Judges time-to-live checks when they fall due.
pub(super) async fn expire(state: State) {
    let mut changes = state.changes();
    loop {
        changes.mark_unchanged();
        let next = state.read(|data| data.catalog.next_deadline());
        let due = async {
            match next {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = state.env.shutdown().triggered() => return,
            () = due => state.expire(),
            changed = changes.changed() => if changed.is_err() { return },
        }
    }
}

/// Starts asking a check's URL.
pub(super) fn start(state: &State, id: String, kind: CheckKind) -> Task {
    let state = state.clone();
    state.env.clone().spawn("http check", async move {
        let CheckKind::Http { url, interval, timeout } = kind else { return };
        // Spreads the checks of instances registered together.
        sleep(Duration::from_millis(
            state.env.entropy(&format!("check {id}")).below(interval.as_millis() as u64 / 4 + 1),
        ))
        .await;
        loop {
            let begun = Instant::now();
            let (status, output) = ask(&state.client, &url, timeout).await;
            state.change(|data, now| data.catalog.set(&id, status, &output, now));
            sleep_until(begun + interval).await;
        }
    })
}

/// Consul's reading of an answer: 2xx passes, 429 warns, all else is critical.
async fn ask(client: &Client, url: &str, timeout: Duration) -> (Status, String) {
    let Ok(uri) = url.parse::<Uri>() else { return (Status::Critical, "not a URL".to_owned()) };
    let address = Address::new(uri.host().unwrap_or_default(), uri.port_u16().unwrap_or(80));
    let path = uri.path_and_query().map_or("/", |p| p.as_str());
    match client.with_deadline(timeout.as_millis() as u64).get(&address, path, HeaderMap::new()).await {
        Ok(reply) => {
            let status = match reply.status {
                s if s.is_success() => Status::Passing,
                StatusCode::TOO_MANY_REQUESTS => Status::Warning,
                _ => Status::Critical,
            };
            (status, format!("HTTP GET {url}: {}", reply.status))
        }
        Err(error) => (Status::Critical, error.to_string()),
    }
}
