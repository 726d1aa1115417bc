//! Acknowledgements that the server waits for.

use std::{collections::BTreeMap, sync::Arc};

use tokio::sync::oneshot;

use super::link::Link;
use crate::packet::Arguments;

/// Acknowledgements of one client that are waited for at a time.
pub(crate) const ACKS_MAX: usize = 1_000;

/// Why no acknowledgement came. Whether the event took effect is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AckError {
    /// The client is gone, or was too slow and is being closed.
    #[error("the client is gone")]
    Disconnected,
    /// None within this time.
    #[error("no acknowledgement within {0} ms")]
    Timeout(u64),
    /// Too many are waited for already: the event was not sent.
    #[error("{ACKS_MAX} acknowledgements of this client are outstanding")]
    TooMany,
}

/// Those of one session, by id.
#[derive(Default)]
pub(crate) struct Acks {
    next_id: u64,
    waiting: BTreeMap<u64, (u64, oneshot::Sender<Arguments>)>,
}

impl Acks {
    /// Waits for one more on behalf of a connection to a namespace.
    pub(crate) fn begin(&mut self, generation: u64) -> Result<(u64, oneshot::Receiver<Arguments>), AckError> {
        if self.waiting.len() >= ACKS_MAX {
            return Err(AckError::TooMany);
        }
        let (sender, receiver) = oneshot::channel();
        let id = self.next_id;
        self.next_id += 1;
        self.waiting.insert(id, (generation, sender));
        Ok((id, receiver))
    }

    /// One came. What nobody waits for is nobody's.
    pub(crate) fn resolve(&mut self, generation: u64, id: u64, arguments: Arguments) {
        if self.waiting.get(&id).is_some_and(|(of, _)| *of == generation)
            && let Some((_, sender)) = self.waiting.remove(&id)
        {
            // Whoever waited may have given up this moment.
            let _ = sender.send(arguments);
        }
    }

    /// A connection to a namespace is over: those of it will not come.
    pub(crate) fn forget(&mut self, generation: u64) {
        self.waiting.retain(|_, (of, _)| *of != generation);
    }

    pub(crate) fn clear(&mut self) {
        self.waiting.clear();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

/// Forgets an acknowledgement when nobody waits for it any more.
pub(crate) struct Waiting {
    pub(crate) link: Arc<Link>,
    pub(crate) id: u64,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.link.lock().acks.waiting.remove(&self.id);
    }
}
