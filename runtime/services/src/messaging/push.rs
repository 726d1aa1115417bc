//! Live push: tells every realtime host of every entry, best effort. What does not fit is dropped: realtime hosts compare heads and
//! fetch what they missed.

use std::{sync::Arc, time::Duration};

use archgen_env::Env;
use http::Method;
use serde_json::json;
use tokio::sync::mpsc;

use super::view::ChannelEvent;
use crate::host::{Peer, Peers};

/// Batches that wait for one realtime host.
const QUEUE_BATCHES_MAX: usize = 256;
/// Events in one push.
const PUSH_EVENTS_MAX: usize = 256;
/// Contents from which on a push takes no further batch, bytes; a batch has no more than that either.
const PUSH_BYTES_MAX: usize = 4 << 20;
/// Wait for one push, milliseconds.
const PUSH_MS_MAX: u64 = 1_500;

/// Events of one append, and the size of their contents, bytes.
struct Batch {
    events: Vec<ChannelEvent>,
    weight: usize,
}

/// Queues to the realtime hosts.
pub(super) struct Push(Vec<mpsc::Sender<Arc<Batch>>>);

impl Push {
    /// Starts one task per realtime host.
    pub(super) fn start(env: &Env, realtime: Option<&Peers>) -> Self {
        let Some(peers) = realtime else { return Self(Vec::new()) };
        let queue = |peer: &Peer| {
            let (sender, receiver) = mpsc::channel(QUEUE_BATCHES_MAX);
            env.spawn("push", run(peers.clone(), peer.clone(), receiver));
            sender
        };
        Self(peers.instances().iter().map(queue).collect())
    }

    /// Queues events for every realtime host.
    pub(super) fn send(&self, events: Vec<ChannelEvent>, weight: usize) {
        let batch = Arc::new(Batch { events, weight });
        for queue in &self.0 {
            if queue.try_send(batch.clone()).is_err() {
                tracing::debug!("push queue full: the realtime host will fetch");
            }
        }
    }
}

async fn run(peers: Peers, peer: Peer, mut queue: mpsc::Receiver<Arc<Batch>>) {
    while let Some(first) = queue.recv().await {
        let (mut events, mut weight) = (first.events.clone(), first.weight);
        while events.len() < PUSH_EVENTS_MAX
            && weight < PUSH_BYTES_MAX
            && let Ok(more) = queue.try_recv()
        {
            events.extend(more.events.iter().cloned());
            weight += more.weight;
        }
        let body = json!({"events": events});
        let call = peers.call_at(&peer, Method::POST, "/internal/push", &body);
        match tokio::time::timeout(Duration::from_millis(PUSH_MS_MAX), call).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::debug!(peer = %peer.name, %error, "push failed"),
            Err(_) => tracing::debug!(peer = %peer.name, "push timed out"),
        }
    }
}
