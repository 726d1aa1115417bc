//! Removal of expired codes, tokens and sessions, so that the tables do not grow without end. The first instance does it.

use std::time::Duration;

use archgen_ports::accounts::Expect;
use serde_json::Value;

use super::{
    error::UserError,
    state::{Shared, State, write},
};

/// Time between sweeps, milliseconds.
const SWEEP_MS: u64 = 3_600_000;
/// How long rows are kept past their expiry, milliseconds: a second use of a code should still be recognised.
pub(super) const KEEP_MS: u64 = 86_400_000;
/// Rows read at once.
const PAGE_ROWS: usize = 200;
const TABLES: [&str; 3] = ["auth_codes", "refresh_tokens", "sessions"];

/// Sweeps until the order to stop.
pub(super) async fn sweep(state: Shared) {
    if state.context.ordinal != 0 {
        return;
    }
    loop {
        tokio::select! {
            biased;
            () = state.context.env.shutdown().triggered() => return,
            () = tokio::time::sleep(Duration::from_millis(SWEEP_MS)) => {}
        }
        for table in TABLES {
            match sweep_table(&state, table).await {
                Ok(removed) => tracing::debug!(table, removed, "swept"),
                Err(error) => tracing::warn!(table, %error, "sweep ended early"),
            }
        }
    }
}

/// Removes the expired rows of a table; their number.
pub(super) async fn sweep_table(state: &State, table: &str) -> Result<usize, UserError> {
    let (mut after, mut removed) = (None, 0);
    loop {
        let rows = state.accounts().scan(table, after.as_deref(), PAGE_ROWS).await?;
        let Some(last) = rows.last() else { return Ok(removed) };
        after = Some(last.key.clone());
        let now_ms = state.now_ms();
        let dead: Vec<_> = rows.iter().filter(|row| is_dead(&row.value, now_ms)).collect();
        let writes =
            dead.iter().map(|row| write(table, &row.key, Expect::Version(row.version), None)).collect::<Vec<_>>();
        if !writes.is_empty() {
            // A conflict means that a row was just used: the next sweep looks again.
            removed += writes.len();
            state.accounts().commit(writes).await?;
        }
    }
}

/// Whether a row expired long enough ago.
pub(super) fn is_dead(row: &Value, now_ms: u64) -> bool {
    row["expires_ms"].as_u64().is_some_and(|expires_ms| expires_ms.saturating_add(KEEP_MS) < now_ms)
}
