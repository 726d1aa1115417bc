//! The end of inbox rows: what is older than the time for which a notification is of use goes, with the reasons of its event. A user's
//! rows are looked at when a new one comes, the oldest first, and a bounded number of them: an inbox that nothing comes to does not
//! grow.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use archgen_env::Env;
use archgen_ports::{StoreError, accounts::Expect};
use prometheus_client::metrics::counter::Counter;
use tokio::time::Instant;

use super::{logic::InboxRow, state::State};

/// How long a notification is kept, milliseconds: 90 days.
pub(super) const KEPT_MS: u64 = 90 * 86_400_000;
/// Time between two looks at one user's rows.
const LOOK_EVERY: Duration = Duration::from_secs(600);
/// Rows deleted by one look.
const PURGED_AT_ONCE: usize = 100;
/// Users whose last look is remembered; one more, and all are forgotten.
const USERS_MAX: usize = 50_000;

/// See the module's documentation.
pub(super) struct Purge {
    env: Env,
    purged: Counter,
    looked: Mutex<BTreeMap<String, Instant>>,
}

impl Purge {
    pub fn new(env: &Env, purged: Counter) -> Self {
        Self { env: env.clone(), purged, looked: Mutex::default() }
    }

    /// Looks at a user's oldest rows, unless that was done a moment ago. What fails is done by the next look.
    pub async fn look(&self, state: &State, user: &str) {
        let now = Instant::now();
        {
            let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
            if looked.get(user).is_some_and(|last| now.duration_since(*last) < LOOK_EVERY) {
                return;
            }
            if looked.len() >= USERS_MAX {
                looked.clear();
            }
            looked.insert(user.to_owned(), now);
        }
        match self.purge(state, user).await {
            // There may be more: the next row to come looks again.
            Ok(PURGED_AT_ONCE) => {
                self.looked.lock().unwrap_or_else(PoisonError::into_inner).remove(user);
            }
            Ok(_) => {}
            Err(error) => tracing::debug!(%error, "old inbox rows are not deleted yet"),
        }
    }

    async fn purge(&self, state: &State, user: &str) -> Result<usize, StoreError> {
        let before_ms = self.env.wall_ms().saturating_sub(KEPT_MS);
        let oldest = state.documents.find("inbox", "user", user, None, false, PURGED_AT_ONCE).await?;
        let mut purged = 0;
        for row in oldest {
            let Ok(InboxRow { event, ts, .. }) = serde_json::from_value(row.value) else { continue };
            if ts >= before_ms {
                break;
            }
            state.documents.put("reasons", &event, Expect::Any, None).await?;
            state.documents.put("inbox", &row.key, Expect::Version(row.version), None).await?;
            self.purged.inc();
            purged += 1;
        }
        Ok(purged)
    }
}
