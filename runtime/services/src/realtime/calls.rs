//! Calls to messaging, and acknowledgements of what became of them.

use std::time::Duration;

use archgen_env::http::{ClientError, Problem};
use archgen_ports::ChannelId;
use http::Method;
use serde_json::{Value, json};

use super::state::State;

/// Wait for a call, milliseconds: less than a client waits for its acknowledgement.
const CALL_MS_MAX: u64 = 2_500;
/// When a client may try again, milliseconds.
const RETRY_AFTER_MS: u64 = 300;

/// Why a call brought nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("no answer within {CALL_MS_MAX} ms")]
    Deadline,
    #[error("{}: {}", .0.code, .0.title)]
    Problem(Problem),
}

/// Calls messaging; any instance will do, since each call may be repeated.
pub(super) async fn messaging(state: &State, path: &str, body: &Value) -> Result<Value, CallError> {
    let call = state.config.messaging.call(Method::POST, path, body);
    let reply =
        tokio::time::timeout(Duration::from_millis(CALL_MS_MAX), call).await.map_err(|_| CallError::Deadline)??;
    if reply.status.is_success() { Ok(reply.json()?) } else { Err(CallError::Problem(reply.json()?)) }
}

/// A channel's entries after a place, and its head: (epoch, seq).
pub(super) async fn log(
    state: &State,
    channel: &ChannelId,
    after_seq: u64,
    limit: usize,
) -> Result<(Vec<Value>, (u64, u64)), CallError> {
    let body = json!({"channel": channel, "after_seq": after_seq, "limit": limit});
    let mut answer = messaging(state, "/internal/log", &body).await?;
    let head = (answer["head"]["epoch"].as_u64().unwrap_or(0), answer["head"]["seq"].as_u64().unwrap_or(0));
    match answer["items"].take() {
        Value::Array(items) => Ok((items, head)),
        _ => Ok((Vec::new(), head)),
    }
}

/// The acknowledgement of something that went well.
pub(super) fn done(mut fields: Value) -> Value {
    if !fields.is_object() {
        fields = json!({});
    }
    fields["ok"] = json!(true);
    fields
}

/// The acknowledgement of a refusal for good.
pub(super) fn refused(code: &str, title: &str) -> Value {
    json!({"ok": false, "error": {"code": code, "title": title}})
}

/// The acknowledgement of something that may work later.
pub(super) fn later(code: &str) -> Value {
    json!({"ok": false, "error": {"code": code, "retry_after_ms": RETRY_AFTER_MS}})
}

/// The acknowledgement of a failed call.
pub(super) fn failed(error: &CallError) -> Value {
    match error {
        CallError::Problem(problem) if problem.status < 500 && ![421, 429].contains(&problem.status) => {
            refused(&problem.code, &problem.title)
        }
        error => {
            tracing::debug!(%error, "call failed");
            later("unavailable")
        }
    }
}
