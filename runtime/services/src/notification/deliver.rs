//! The consumer of messages: inbox rows first, then the reasons, then a best-effort push. Each effect is keyed by event and user,
//! so a repeated event changes nothing and a row that was read stays read.

use std::{collections::BTreeMap, time::Duration};

use archgen_ports::{
    Envelope, StoreError,
    accounts::Expect,
    documents::{Documents, Put},
};
use async_trait::async_trait;
use futures_util::future::join_all;
use http::Method;
use prometheus_client::metrics::counter::Counter;
use serde_json::json;

use super::{
    api::item,
    error::NotificationError,
    logic::{Created, InboxRow, Reason, Reasons, decide, item_id, row, row_key},
    purge::Purge,
    state::Shared,
};
use crate::{
    consumer::{DeadLetter, Handler, HandlerError},
    host::HostContext,
};

/// Consumer group.
pub(super) const GROUP: &str = "notification";
/// Wait for each realtime host to take a push, milliseconds.
const PUSH_MS_MAX: u64 = 1_000;

/// The handler.
pub(super) struct Deliver {
    state: Shared,
    delivered: Counter,
    purge: Purge,
}

impl From<NotificationError> for HandlerError {
    fn from(error: NotificationError) -> Self {
        Self::Retry(error.to_string())
    }
}

impl Deliver {
    pub fn new(state: Shared, context: &HostContext) -> Self {
        let delivered = context.probe.counter("notification_rows", "Inbox rows written");
        let purged = context.probe.counter("notification_purged", "Inbox rows that were deleted for their age");
        Self { state, delivered, purge: Purge::new(&context.env, purged) }
    }

    async fn decisions(&self, created: &Created) -> Result<BTreeMap<String, Reason>, NotificationError> {
        let messaging = &self.state.messaging;
        let named = !created.mentions.is_empty() || !created.keywords.is_empty() || created.everyone.is_some();
        if !named && !messaging.is_direct(&created.channel, &[&created.author]).await? {
            return Ok(BTreeMap::new());
        }
        let members = messaging.members(&created.channel).await?;
        // The author may have left since; then another member's list tells the channel's kind.
        let among: Vec<&str> =
            [created.author.as_str()].into_iter().chain(members.first().map(String::as_str)).collect();
        let direct = messaging.is_direct(&created.channel, &among).await?;
        Ok(decide(created, &members, direct))
    }

    async fn deliver(&self, event: &Envelope, created: &Created) -> Result<(), HandlerError> {
        let users = self.decisions(created).await?;
        if users.is_empty() {
            return Ok(());
        }
        let rows: Vec<InboxRow> = users
            .iter()
            .filter(|(_, reason)| reason.notifies())
            .map(|(user, reason)| row(user, event, created, *reason))
            .collect();
        let documents: &dyn Documents = &*self.state.documents;
        for row in &rows {
            let key = row_key(&row.user, &item_id(row.ts, &row.event));
            let put = documents.put("inbox", &key, Expect::Absent, Some(json!(row))).await?;
            if matches!(put, Put::Applied(_)) {
                self.delivered.inc();
            }
        }
        let reasons = Reasons { event: event.event_id.clone(), channel: created.channel.clone(), users };
        documents.put("reasons", &event.event_id, Expect::Any, Some(json!(reasons))).await?;
        for row in &rows {
            self.push(row).await;
        }
        for row in &rows {
            self.purge.look(&self.state, &row.user).await;
        }
        Ok(())
    }

    /// Tells every realtime host: only they know where the user is connected.
    async fn push(&self, row: &InboxRow) {
        let Some(realtime) = &self.state.realtime else { return };
        let body = json!({"user": row.user, "item": item(row)});
        let instances = realtime.instances();
        let calls = instances.iter().map(|peer| {
            let call = realtime.call_at(peer, Method::POST, "/internal/notify", &body);
            async move { tokio::time::timeout(Duration::from_millis(PUSH_MS_MAX), call).await }
        });
        let failed = join_all(calls).await.into_iter().filter(|outcome| !matches!(outcome, Ok(Ok(_)))).count();
        if failed > 0 {
            tracing::debug!(failed, "realtime hosts did not take a push; the row stands in the inbox");
        }
    }
}

#[async_trait]
impl Handler for Deliver {
    async fn handle(&self, _topic: &str, event: &Envelope) -> Result<(), HandlerError> {
        if event.kind != "message.created" {
            return Ok(());
        }
        let created = serde_json::from_value::<Created>(event.data.clone())
            .map_err(|error| HandlerError::Poison(error.to_string()))?;
        self.deliver(event, &created).await
    }

    async fn bury(&self, letter: DeadLetter<'_>) -> Result<(), StoreError> {
        self.state.documents.put("reasons", &letter.key(), Expect::Any, Some(letter.value())).await.map(drop)
    }
}
