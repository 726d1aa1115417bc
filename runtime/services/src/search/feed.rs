//! The consumer: events of messages, users and files into the index.
//!
//! Events carry no text: they name the message by its place in the channel's log, and it is read from there. So what was deleted
//! lies nowhere else, and the index can be rebuilt in any order of events.

use std::collections::BTreeMap;

use archgen_ports::{Envelope, StoreError, index::Document};
use async_trait::async_trait;
use prometheus_client::metrics::counter::Counter;
use serde::de::DeserializeOwned;

use super::{
    document::{self, Created, DEAD_LETTERS, FILE_DELETED, FILES, MESSAGES, PEOPLE, Revision},
    error::SearchError,
    peers::{Logged, logged},
    query::words,
    state::Shared,
};
use crate::{
    consumer::{DeadLetter, Handler, HandlerError},
    host::HostContext,
};

/// Consumer group.
pub(super) const GROUP: &str = "search";

/// The handler.
pub(super) struct Feed {
    state: Shared,
    indexed: Counter,
}

impl From<SearchError> for HandlerError {
    fn from(error: SearchError) -> Self {
        Self::Retry(error.to_string())
    }
}

fn data<T: DeserializeOwned>(event: &Envelope) -> Result<T, HandlerError> {
    serde_json::from_value(event.data.clone()).map_err(|error| HandlerError::Poison(error.to_string()))
}

fn position(event: &Envelope) -> Result<(u64, u64), HandlerError> {
    let seq = event.seq.ok_or_else(|| HandlerError::Poison("a channel event without a position".to_owned()))?;
    Ok((event.epoch.unwrap_or(0), seq))
}

impl Feed {
    pub fn new(state: Shared, context: &HostContext) -> Self {
        Self { state, indexed: context.probe.counter("search_changes", "Changes written to the index") }
    }

    async fn put(&self, index: &str, document: Document) -> Result<(), HandlerError> {
        self.state.index.put(index, vec![document]).await?;
        self.indexed.inc();
        Ok(())
    }

    async fn delete(&self, index: &str, id: &str, version: u64) -> Result<(), HandlerError> {
        self.state.index.delete(index, id, version).await?;
        self.indexed.inc();
        Ok(())
    }

    async fn logged(&self, revision: &Revision) -> Result<Logged, HandlerError> {
        let logged = logged(&self.state.messaging, &revision.channel, revision.target_seq).await?;
        logged.ok_or_else(|| HandlerError::Poison("it revises what is no message".to_owned()))
    }

    /// Puts a message as it stands now. One that was deleted meanwhile goes with its own event.
    async fn stands(&self, revision: &Revision, version: u64) -> Result<(), HandlerError> {
        let Logged { message, epoch, seq, deleted } = self.logged(revision).await?;
        match deleted {
            true => Ok(()),
            false => self.put(MESSAGES, document::message(&message, epoch, seq, version)).await,
        }
    }
}

#[async_trait]
impl Handler for Feed {
    async fn handle(&self, _topic: &str, event: &Envelope) -> Result<(), HandlerError> {
        match event.kind.as_str() {
            "message.created" => {
                let (_, seq) = position(event)?;
                let Created { channel } = data(event)?;
                self.stands(&Revision { channel, target_seq: seq }, seq).await
            }
            "message.edited" => {
                let (_, version) = position(event)?;
                self.stands(&data(event)?, version).await
            }
            "message.deleted" => {
                let (_, version) = position(event)?;
                let deleted: Revision = data(event)?;
                let message = self.logged(&deleted).await?.message;
                self.delete(MESSAGES, &message.id, version).await
            }
            "file.ready" => self.put(FILES, document::file(&data(event)?, event.ts)).await,
            "file.deleted" => {
                let file: document::File = data(event)?;
                self.delete(FILES, &file.id, FILE_DELETED).await
            }
            "user.created" | "user.updated" => self.put(PEOPLE, document::person(&data(event)?, event.ts)).await,
            _ => Ok(()),
        }
    }

    async fn bury(&self, letter: DeadLetter<'_>) -> Result<(), StoreError> {
        let document = Document {
            id: letter.key(),
            version: 1,
            text: words(letter.reason).collect::<Vec<_>>().join(" "),
            keywords: BTreeMap::from([("topic".to_owned(), vec![letter.topic.to_owned()])]),
            rank: letter.buried_ms,
            stored: letter.value(),
        };
        self.state.index.put(DEAD_LETTERS, vec![document]).await
    }
}
