//! `GET /api/v1/sync`: the channels' logs without a socket, from the same places that sockets resume from. A long poll by default,
//! server-sent events where the client accepts them; for networks that let no WebSocket through.
//!
//! Membership is asked after each read and before the answer, so that nothing leaves after a removal was acknowledged.

use std::{convert::Infallible, fmt, str::FromStr, sync::Arc, time::Duration};

use archgen_ports::{
    ChannelId, Position, UserId,
    messages::{LogEntry, Range},
};
use axum::{
    Json,
    body::Body,
    extract::State as Extract,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderValue, Method, header};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    channels::Rows,
    error::MessagingError,
    internal::events,
    state::{Shared, State},
    view::ChannelEvent,
};
use crate::{
    host::{Documented, Parameters, Route},
    identity::Caller,
};

/// Channels of one request.
const CHANNELS_MAX: usize = 200;
/// Entries of one channel in one answer.
const ENTRIES_MAX: usize = 200;
/// Contents of one answer, bytes of JSON; one entry always fits.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// Time between looks at the heads.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Longest wait of a long poll, and life of a stream: less than gateways wait.
const WAIT_MS_MAX: u64 = 25_000;
/// Time between comments that keep a quiet stream open.
const COMMENT_EVERY: Duration = Duration::from_secs(10);
/// Name of the header in which a browser says what it saw last.
const LAST_EVENT_ID: &str = "last-event-id";

pub(super) fn routes(router: Documented<Shared>) -> Documented<Shared> {
    let says = "the channels' logs from these places on, by long poll or server-sent events";
    router.route(Route::new(Method::GET, "/api/v1/sync", says).query::<SyncQuery>(), sync)
}

/// Where a client is in each of its channels: written `channel:epoch:seq,…`; `channel:seq` and `channel` (from its beginning) are
/// read too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Places(pub(super) Vec<(ChannelId, Position)>);

impl FromStr for Places {
    type Err = MessagingError;

    fn from_str(text: &str) -> Result<Self, MessagingError> {
        let invalid = || MessagingError::Invalid("`positions` is channel:epoch:seq,… ".trim_end().to_owned());
        let mut places: Vec<(ChannelId, Position)> = Vec::new();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let mut fields = part.split(':');
            let channel = fields.next().filter(|channel| !channel.is_empty()).ok_or_else(invalid)?;
            let numbers = fields.map(str::parse).collect::<Result<Vec<u64>, _>>().map_err(|_| invalid())?;
            let position = match numbers[..] {
                [] => Position { epoch: 0, seq: 0 },
                [seq] => Position { epoch: 0, seq },
                [epoch, seq] => Position { epoch, seq },
                _ => return Err(invalid()),
            };
            if places.iter().any(|(known, _)| known.0 == channel) || places.len() == CHANNELS_MAX {
                return Err(MessagingError::Invalid(format!("each channel once, at most {CHANNELS_MAX}")));
            }
            places.push((ChannelId::from(channel), position));
        }
        if places.is_empty() { Err(invalid()) } else { Ok(Self(places)) }
    }
}

impl fmt::Display for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (channel, Position { epoch, seq })) in self.0.iter().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            write!(f, "{comma}{channel}:{epoch}:{seq}")?;
        }
        Ok(())
    }
}

impl Places {
    /// Moves past these entries of a channel.
    pub(super) fn advance(&mut self, channel: &ChannelId, entries: &[LogEntry]) {
        let place = self.0.iter_mut().find(|(known, _)| known == channel);
        if let (Some((_, position)), Some(last)) = (place, entries.last()) {
            *position = last.position;
        }
    }

    fn json(&self) -> Value {
        let one = |(channel, at): &(ChannelId, Position)| json!({"ch": channel, "epoch": at.epoch, "seq": at.seq});
        self.0.iter().map(one).collect()
    }
}

#[derive(Deserialize, JsonSchema)]
struct SyncQuery {
    /// Where the client is: `channel:epoch:seq,…`.
    positions: Option<String>,
    /// Longest wait for something new, milliseconds.
    wait_ms: Option<u64>,
}

async fn sync(
    Extract(Shared(state)): Extract<Shared>,
    caller: Caller,
    headers: HeaderMap,
    Parameters(query): Parameters<SyncQuery>,
) -> Result<Response, MessagingError> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    // A browser that comes back says in the header how far it got; the address that it opens is still the first.
    let last = Some(text(LAST_EVENT_ID)).filter(|last| !last.is_empty());
    let places: Places = last.or(query.positions.as_deref()).unwrap_or_default().parse()?;
    let streams = text("accept").contains("text/event-stream");
    let wait_ms = query.wait_ms.unwrap_or(WAIT_MS_MAX).min(WAIT_MS_MAX);
    let sync = Sync { state, user: caller.user, places, until: Instant::now() + Duration::from_millis(wait_ms) };
    sync.visible().await?;
    if streams { Ok(sync.stream()) } else { sync.poll().await }
}

/// One request under way.
struct Sync {
    state: Arc<State>,
    user: UserId,
    places: Places,
    until: Instant,
}

impl Sync {
    /// Refuses a request that names a channel which the caller may not see.
    async fn visible(&self) -> Result<(), MessagingError> {
        for (channel, _) in &self.places.0 {
            Rows(&*self.state.config.accounts).opened(channel, &self.user).await?;
        }
        Ok(())
    }

    /// What is new in all channels, whole up to the limits of an answer; moves the places past it.
    async fn news(&mut self) -> Result<(Vec<ChannelEvent>, bool), MessagingError> {
        let channels: Vec<ChannelId> = self.places.0.iter().map(|(channel, _)| channel.clone()).collect();
        let heads = self.state.config.messages.heads(&channels).await?;
        let (mut items, mut bytes, mut more) = (Vec::new(), 0, false);
        for (channel, from) in self.places.0.clone() {
            let head = heads.iter().find(|(of, _)| *of == channel).map_or(0, |(_, head)| head.position.seq);
            if head <= from.seq {
                continue;
            }
            if bytes >= ANSWER_BYTES_MAX {
                more = true;
                break;
            }
            let mut entries = self.state.config.messages.read(&channel, Range::After(from.seq), ENTRIES_MAX).await?;
            Rows(&*self.state.config.accounts).opened(&channel, &self.user).await?;
            let mut fit = 0;
            while fit < entries.len() && (bytes < ANSWER_BYTES_MAX || items.is_empty() && fit == 0) {
                bytes += entries[fit].data.to_string().len();
                fit += 1;
            }
            entries.truncate(fit);
            more |= entries.last().is_some_and(|last| last.position.seq < head);
            self.places.advance(&channel, &entries);
            items.extend(events(&self.state, &channel, &entries).await?);
        }
        Ok((items, more))
    }

    /// Waits for news until the request's time is over or the host stops.
    async fn wait(&mut self, until: Instant) -> Result<(Vec<ChannelEvent>, bool), MessagingError> {
        loop {
            let news = self.news().await?;
            if !news.0.is_empty() || Instant::now() >= until {
                return Ok(news);
            }
            tokio::select! {
                biased;
                () = self.state.env.shutdown().triggered() => return Ok(news),
                () = tokio::time::sleep(LOOK_EVERY.min(until - Instant::now())) => {}
            }
        }
    }

    async fn poll(mut self) -> Result<Response, MessagingError> {
        let (items, more) = self.wait(self.until).await?;
        Ok(Json(json!({"items": items, "positions": self.places.json(), "more": more})).into_response())
    }

    fn stream(self) -> Response {
        let events = stream::unfold(Some(self), |sync| async move {
            let mut sync = sync?;
            if Instant::now() >= sync.until || sync.state.env.shutdown().is_triggered() {
                return None;
            }
            let until = sync.until.min(Instant::now() + COMMENT_EVERY);
            match sync.wait(until).await {
                Ok((items, _)) => {
                    let text = sync.events(&items);
                    Some((Ok::<Bytes, Infallible>(text.into()), Some(sync)))
                }
                // Removed meanwhile, or no answer from the store: the client comes back and is told.
                Err(error) => {
                    let problem = error.problem();
                    Some((Ok(format!("event: end\ndata: {}\n\n", json!({"code": problem.code})).into()), None))
                }
            }
        });
        let mut response = Response::new(Body::from_stream(events));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        // nginx would gather the stream otherwise.
        headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
        response
    }

    /// The events as text; the id of the last is where the client is after all of them.
    fn events(&self, items: &[ChannelEvent]) -> String {
        if items.is_empty() {
            return ": still here\n\n".to_owned();
        }
        let mut text = String::new();
        for (at, item) in items.iter().enumerate() {
            if at + 1 == items.len() {
                text.push_str(&format!("id: {}\n", self.places));
            }
            text.push_str(&format!("data: {}\n\n", json!(item)));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Option<&str>) {
        let seen = text.parse::<Places>().ok().map(|places| places.to_string());
        assert_eq!(seen.as_deref(), expect, "{text}");
    }

    #[test]
    fn places_are_read_as_they_are_written_and_shorter() {
        check("7:2:40,8:1:3", Some("7:2:40,8:1:3"));
        check("7:40,8", Some("7:0:40,8:0:0"));
        check("7:40,", Some("7:0:40"));
    }

    #[test]
    fn other_places_are_refused() {
        for bad in ["", ",", ":1", "7:x", "7:1:2:3", "7:-1", "7:1,7:2", "7:99999999999999999999"] {
            check(bad, None);
        }
        check(&(0..=CHANNELS_MAX).map(|n| n.to_string()).collect::<Vec<_>>().join(","), None);
    }
}
