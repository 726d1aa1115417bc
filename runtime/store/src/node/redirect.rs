//! Where who holds a presigned URL is sent when the object is another node's: a URL is good on every node of its store.
//!
//! A redirect carries the version of the placement that it was read from. Between the moment when the giver of a unit gives and that when
//! its taker serves, the two name each other; so no node sends anybody on by an older placement than that by which they were sent to
//! it: it waits a little until it knows the newer one.

use std::{sync::Arc, time::Duration};

use archgen_env::http::Problem;
use archgen_spec::sharding::slot_of;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use serde::Deserialize;
use tokio::time::{Instant, sleep};

use super::{
    objects::BlobsCall,
    owned::{Owned, Unserved},
    state::State,
};

/// Longest wait for a placement that somebody else knows already, milliseconds.
const ADOPTION_MS_MAX: u64 = 2_000;
/// Time between looks for it.
const LOOK: Duration = Duration::from_millis(5);
/// With which the version in a URL begins.
const VERSION: &str = "placement=";

/// What a redirect adds to a presigned URL.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct Sent {
    /// Version of the placement by which whoever comes was sent here; 0 where nobody sent them.
    #[serde(default, rename = "placement")]
    version: u64,
}

/// The call of somebody with a presigned URL, held against what this node owns.
///
/// # Errors
/// The object is another node's, or on its way to this one for longer than it can be waited for.
pub(super) async fn owned(state: &Arc<State>, sent: Sent, bucket: &str, key: &str) -> Result<Owned, Unserved> {
    let call = BlobsCall::Info { bucket: bucket.to_owned(), key: key.to_owned() };
    let until = Instant::now() + Duration::from_millis(ADOPTION_MS_MAX);
    loop {
        match Owned::new(state, &HeaderMap::new(), &call) {
            Err(Unserved::Moved(known)) if known.version < sent.version => {}
            decided => return decided,
        }
        if Instant::now() >= until {
            return Err(moving().into());
        }
        sleep(LOOK).await;
    }
}

fn moving() -> Problem {
    Problem::unavailable("the object is being moved; try again")
}

/// The answer to a call that is not served here: the way to the owner, where another node is that.
pub(super) fn elsewhere(unserved: Unserved, key: &str, uri: &Uri) -> Response {
    let Unserved::Moved(placement) = unserved else { return unserved.into_response() };
    let owner = placement.owner(slot_of(key.as_bytes(), placement.owners.len() as u16)) as usize;
    let own = uri.query().unwrap_or_default().split('&').filter(|part| !part.is_empty() && !part.starts_with(VERSION));
    let query: String = own.map(|part| format!("{part}&")).collect();
    let url = |node| format!("http://{node}{}?{query}{VERSION}{}", uri.path(), placement.version);
    let place = placement.nodes.get(owner).and_then(|node| HeaderValue::from_str(&url(node)).ok());
    match place {
        Some(place) => (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, place)]).into_response(),
        None => moving().into_response(),
    }
}
