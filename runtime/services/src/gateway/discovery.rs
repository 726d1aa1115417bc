//! Follows the registry: one blocking watch per service, keeping the last list that named any instance.

use std::{sync::Arc, time::Duration};

use archgen_env::Env;
use archgen_ports::registry::Registry;

use super::balance::Pool;
use crate::host::Peer;

/// Wait asked of each blocking query, milliseconds.
const WAIT_MS: u64 = 30_000;
/// Pause between two answers, so that a burst of changes costs one more query, milliseconds.
const PAUSE_MS: u64 = 50;
/// First and longest pause after an error, milliseconds.
const BACKOFF_MS: (u64, u64) = (250, 5_000);

/// Watches one service until the host stops.
pub(super) async fn watch(env: Env, registry: Arc<dyn Registry>, pool: Arc<Pool>) {
    let jitter = env.entropy("discovery");
    let (mut index, mut backoff_ms) = (0, BACKOFF_MS.0);
    loop {
        let answer = tokio::select! {
            biased;
            () = env.shutdown().triggered() => return,
            answer = registry.healthy(pool.service(), index, WAIT_MS) => answer,
        };
        let pause_ms = match answer {
            Ok((now, instances)) => {
                index = now;
                backoff_ms = BACKOFF_MS.0;
                // No instance at all is more likely a registry that has just started than a service that is gone; and if it is
                // gone, an instance that does not answer is the same to a caller.
                if instances.is_empty() {
                    tracing::debug!(service = pool.service(), "registry names no instance; keeping the last list");
                } else {
                    pool.set(instances.into_iter().map(|i| Peer { name: i.id, address: i.address }).collect());
                }
                PAUSE_MS
            }
            Err(error) => {
                tracing::warn!(service = pool.service(), %error, "registry gives no answer; keeping the last list");
                // The next answer is wanted at once, whatever its index.
                index = 0;
                let pause_ms = backoff_ms / 2 + jitter.below(backoff_ms / 2 + 1);
                backoff_ms = (backoff_ms * 2).min(BACKOFF_MS.1);
                pause_ms
            }
        };
        tokio::select! {
            biased;
            () = env.shutdown().triggered() => return,
            () = tokio::time::sleep(Duration::from_millis(pause_ms)) => {}
        }
    }
}
