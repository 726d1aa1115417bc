//! Routes under `/api/v1/notifications`, and their wire shapes.

use archgen_ports::{
    accounts::{Expect, Row},
    documents::Put,
};
use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Path, State as Of},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    error::NotificationError,
    logic::{InboxRow, Reason, Reasons, item_id, place, row_key},
    state::{Shared, State},
};
use crate::{
    host::{Parameters, Payload},
    identity::Caller,
};

/// Size of a JSON body.
const BODY_BYTES_MAX: usize = 64 << 10;
/// Items of one list, and ids marked at once.
const ITEMS_MAX: usize = 200;
/// Rows looked at by one request.
const ROWS_MAX: usize = 2_000;

/// The routes.
pub(super) fn routes(state: Shared) -> Router {
    Router::new()
        .route("/api/v1/notifications", get(list))
        .route("/api/v1/notifications/read", post(mark_read))
        .route("/api/v1/notifications/{event}/why", get(why))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(state)
}

/// An inbox item as clients see it, here and in a push.
pub(super) fn item(row: &InboxRow) -> Value {
    json!({
        "id": item_id(row.ts, &row.event), "event": row.event, "type": "message", "channel": row.channel,
        "message": row.message, "epoch": row.epoch, "seq": row.seq, "author": row.author, "ts": row.ts,
        "reason": row.reason, "read": row.read,
    })
}

fn decode(row: Row) -> Result<InboxRow, NotificationError> {
    serde_json::from_value(row.value).map_err(|_| NotificationError::Corrupt(row.key))
}

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    unread: bool,
    cursor: Option<String>,
    limit: Option<usize>,
}

async fn list(
    Of(state): Of<Shared>,
    caller: Caller,
    Parameters(page): Parameters<Page>,
) -> Result<Json<Value>, NotificationError> {
    let user = caller.user.as_str();
    let limit = page.limit.unwrap_or(50).clamp(1, ITEMS_MAX);
    let mut after = page.cursor.map(|cursor| row_key(user, &cursor));
    let (mut items, mut next, mut seen) = (Vec::new(), None, 0);
    'pages: loop {
        let rows = state.documents.find("inbox", "user", user, after.as_deref(), true, limit).await?;
        let more = rows.len() == limit;
        for row in rows {
            after = Some(row.key.clone());
            let row = decode(row)?;
            seen += 1;
            if !(page.unread && row.read) {
                items.push(item(&row));
            }
            if items.len() == limit || seen == ROWS_MAX {
                next = Some(item_id(row.ts, &row.event));
                break 'pages;
            }
        }
        if !more {
            break;
        }
    }
    Ok(Json(json!({"items": items, "next": next})))
}

#[derive(Deserialize)]
struct Marks {
    #[serde(default)]
    ids: Vec<String>,
    #[serde(default)]
    all: bool,
}

/// Marks items as read. `updated` counts those that were not; `more` says that `all` met its bound and should be asked again.
async fn mark_read(
    Of(state): Of<Shared>,
    caller: Caller,
    Payload(marks): Payload<Marks>,
) -> Result<Json<Value>, NotificationError> {
    let user = caller.user.as_str();
    if marks.ids.len() > ITEMS_MAX {
        return Err(NotificationError::Invalid("at most 200 ids may be marked at once"));
    }
    let mut updated = 0;
    for id in &marks.ids {
        updated += usize::from(state.mark(user, &row_key(user, id)).await?);
    }
    let mut more = false;
    if marks.all {
        let (marked, unfinished) = state.mark_all(user).await?;
        updated += marked;
        more = unfinished;
    }
    Ok(Json(json!({"updated": updated, "more": more})))
}

impl State {
    async fn mark(&self, user: &str, key: &str) -> Result<bool, NotificationError> {
        match self.documents.get("inbox", key).await? {
            Some(row) => self.mark_row(user, row).await,
            None => Ok(false),
        }
    }

    /// Marks the newest rows, a bounded number: how many were unread, and whether there may be more.
    async fn mark_all(&self, user: &str) -> Result<(usize, bool), NotificationError> {
        let (mut marked, mut seen, mut after) = (0, 0, None);
        loop {
            let rows = self.documents.find("inbox", "user", user, after.as_deref(), true, ITEMS_MAX).await?;
            let full = rows.len() == ITEMS_MAX;
            seen += rows.len();
            for row in rows {
                after = Some(row.key.clone());
                marked += usize::from(self.mark_row(user, row).await?);
            }
            if !full || seen >= ROWS_MAX {
                return Ok((marked, full));
            }
        }
    }

    /// Whether the row was unread and is read now. A conflict means that another request has just marked it.
    async fn mark_row(&self, user: &str, row: Row) -> Result<bool, NotificationError> {
        let (key, version) = (row.key.clone(), row.version);
        let row = decode(row)?;
        if row.read || row.user != user {
            return Ok(false);
        }
        let read = json!(InboxRow { read: true, ..row });
        let put = self.documents.put("inbox", &key, Expect::Version(version), Some(read)).await?;
        Ok(matches!(put, Put::Applied(_)))
    }
}

/// Why the caller was notified of an event, or was not.
async fn why(
    Of(state): Of<Shared>,
    caller: Caller,
    Path(event): Path<String>,
) -> Result<Json<Value>, NotificationError> {
    let user = caller.user.as_str();
    let (channel, seq) = place(&event).ok_or(NotificationError::NotFound("event"))?;
    let recorded = state.documents.get("reasons", &event).await?;
    let recorded = recorded.map(|row| serde_json::from_value::<Reasons>(row.value));
    let recorded = recorded.transpose().map_err(|_| NotificationError::Corrupt(event.clone()))?;
    if let Some(reason) = recorded.as_ref().and_then(|reasons| reasons.users.get(user)) {
        return Ok(Json(explain(&event, *reason)));
    }
    // A user without a recorded reason may know of the event only as a member of its channel.
    if !state.messaging.is_member(user, channel).await? {
        return Err(NotificationError::NotFound("event"));
    }
    match state.messaging.entry_kind(channel, seq).await?.as_deref() {
        Some("message.created") => Ok(Json(explain(&event, Reason::NotMentioned))),
        _ => Err(NotificationError::NotFound("event")),
    }
}

fn explain(event: &str, reason: Reason) -> Value {
    let outcome = if reason.notifies() { "notified" } else { "skipped" };
    json!({"event": event, "outcome": outcome, "reason": reason})
}
