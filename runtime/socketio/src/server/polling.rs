//! Long-polling: a session's opening, its polls and its POSTs.

use std::{future::poll_fn, sync::Arc, task::Poll, time::Duration};

use axum::body::Body;
use bytes::Bytes;
use http::{Response, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::{
    driver::Driver,
    link::Link,
    request::{plain, refuse},
    websocket::Wire,
};
use crate::{
    Text,
    engine::{Close, Kind, Phase, Received, Refusal, SEPARATOR},
};

/// Starts the session's task.
pub(crate) fn start(link: Arc<Link>) {
    let env = link.server.env.clone();
    env.spawn("socketio-session", async move { Driver::new(link, Wire::Polling).run().await });
}

/// Ends the session when the client goes away from its pending poll.
struct PendingPoll(Arc<Link>);

impl Drop for PendingPoll {
    fn drop(&mut self) {
        self.0.change(|core, _| core.session.poll_abandoned());
    }
}

/// Answers a poll once there is something to say.
pub(crate) async fn poll(link: Arc<Link>) -> Response<Body> {
    let now_ms = link.now_ms();
    let begun = {
        let mut core = link.lock();
        link.tick(&mut core, now_ms);
        core.session.poll_begin(now_ms)
    };
    if let Err(refusal) = begun {
        link.wake();
        return refuse(refusal);
    }
    link.task.wake();
    let pending = PendingPoll(link.clone());
    let bytes_max = link.server.config.max_payload_bytes;
    let taken = poll_fn(|context| {
        link.poll.register(context.waker());
        let now_ms = link.now_ms();
        match link.lock().session.poll_take(now_ms, bytes_max) {
            Some(answer) => Poll::Ready(answer),
            None => Poll::Pending,
        }
    });
    tokio::pin!(taken);
    let answer = loop {
        let until_ms = link.lock().session.poll_deadline_ms();
        let Some(until_ms) = until_ms else { break taken.await };
        tokio::select! {
            biased;
            answer = &mut taken => break answer,
            () = tokio::time::sleep_until(link.instant(until_ms + 1)) => {}
        }
    };
    drop(pending);
    plain(StatusCode::OK, answer)
}

/// Ends the POST, however it ends.
struct PendingPost(Arc<Link>);

impl Drop for PendingPost {
    fn drop(&mut self) {
        self.0.change(|core, _| core.session.post_end());
    }
}

/// Takes a client's packets. The answer waits until there is room for the next POST's.
pub(crate) async fn post(link: Arc<Link>, headers: &http::HeaderMap, body: Body) -> Response<Body> {
    if let Err(refusal) = link.change(|core, _| core.session.post_begin()) {
        return refuse(refusal);
    }
    let _pending = PendingPost(link.clone());
    let config = &link.server.config;
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|bytes| bytes > config.max_payload_bytes) {
        return too_large(&link);
    }
    let wait = Duration::from_millis(config.ping_interval_ms + config.ping_timeout_ms);
    let body = match tokio::time::timeout(wait, Limited::new(body, config.max_payload_bytes).collect()).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => return too_large(&link),
        Ok(Err(_)) | Err(_) => {
            link.change(|core, _| core.session.end(Close::TransportError));
            return refuse(Refusal::BadRequest);
        }
    };
    if !accept(&link, body) {
        link.change(|core, _| core.session.end(Close::Violation));
        return refuse(Refusal::BadRequest);
    }
    poll_fn(|context| {
        link.post.register(context.waker());
        let core = link.lock();
        if core.inbox.has_room() || matches!(core.session.phase(), Phase::Closed(_)) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    plain(StatusCode::OK, "ok".to_owned())
}

fn too_large(link: &Link) -> Response<Body> {
    link.change(|core, _| core.session.end(Close::TooLarge));
    let mut response = plain(StatusCode::PAYLOAD_TOO_LARGE, String::new());
    // The rest of the body is not read, so the connection cannot be used again.
    response.headers_mut().insert(header::CONNECTION, http::HeaderValue::from_static("close"));
    response
}

/// Takes the payload's packets, all or none. Pongs and the like act at once; messages wait for their turn.
fn accept(link: &Link, body: Bytes) -> bool {
    let Ok(text) = Text::try_from(body) else { return false };
    let kind = |part: &str| match part.as_bytes().first() {
        Some(b'b') => Some(Kind::Message),
        digit => digit.copied().and_then(Kind::from_digit),
    };
    let mut kinds = text.split(SEPARATOR).map(kind);
    if !kinds.all(|kind| matches!(kind, Some(Kind::Message | Kind::Pong | Kind::Close | Kind::Noop))) {
        return false;
    }
    link.change(|core, now_ms| {
        let mut messages = false;
        for kind in text.split(SEPARATOR).filter_map(kind) {
            messages |= core.session.receive(kind, now_ms) == Ok(Received::Message);
        }
        if messages {
            core.inbox.push_payload(text.clone());
        }
    });
    true
}
