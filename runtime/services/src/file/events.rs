//! Telling the fleet: the event of a change is published at least once, whatever crashes in between, because the stored state
//! says that it is still to be told until it has been.

use std::time::Duration;

use archgen_ports::{Envelope, StoreError, documents::Put};
use serde_json::json;
use tokio::time::timeout;

use super::{
    document::{Document, FILES, Stage, Stored},
    error::FileError,
    state::State,
};

/// Wait for the event log, milliseconds.
const PUBLISH_MS_MAX: u64 = 3_000;
/// Time between two sweeps, milliseconds.
const SWEEP_MS: u64 = 5_000;
/// Age of a change that a sweep takes up, so that it does not race with the request that made it, milliseconds.
const SETTLED_MS: u64 = 4_000;
/// Age at which an intent without completion ends, milliseconds.
const PENDING_MS_MAX: u64 = 24 * 3_600_000;
/// Files of one state in one sweep.
const SWEEP_FILES_MAX: usize = 200;

async fn publish(state: &State, stored: &Stored, kind: &str) -> Result<(), StoreError> {
    let Some(events) = &state.config.events else { return Ok(()) };
    let d = &stored.document;
    let event = Envelope {
        v: 1,
        event_id: format!("{}:{kind}", stored.id),
        kind: kind.to_owned(),
        key: stored.id.clone(),
        epoch: None,
        seq: None,
        ts: state.env.wall_ms(),
        actor: d.owner.clone(),
        data: json!({
            "id": stored.id, "owner": d.owner, "channel": d.channel, "name": d.name, "size": d.size,
            "media_type": d.media_type,
        }),
    };
    let published = events.publish(&state.config.topic, vec![event]);
    match timeout(Duration::from_millis(PUBLISH_MS_MAX), published).await {
        Ok(result) => result,
        Err(_) => Err(StoreError::Indeterminate("event log did not answer in time".to_owned())),
    }
}

/// Tells that a file is ready. On failure the file stays untold, and the next sweep tells.
pub(super) async fn tell_ready(state: &State, stored: &Stored) -> Result<(), FileError> {
    publish(state, stored, "file.ready").await?;
    let told = Document { state: Stage::Ready, ..stored.document.clone() };
    if state.save(stored, told).await?.is_some() {
        return Ok(());
    }
    // Deleted meanwhile: its end may have been told before its beginning, so it is told again.
    match state.load(&stored.id).await? {
        Some(now) if now.document.state.is_deleted() => Ok(publish(state, &now, "file.deleted").await?),
        _ => Ok(()),
    }
}

/// Removes a deleted file's bytes, then tells. Only when this returns well is nothing left to read.
pub(super) async fn finish_deletion(state: &State, stored: &Stored) -> Result<(), FileError> {
    state.config.blobs.delete(&state.config.bucket, &stored.document.object).await?;
    if let Err(error) = publish(state, stored, "file.deleted").await {
        tracing::warn!(%error, file = stored.id, "deletion is still to be told");
        return Ok(());
    }
    let told = Document { state: Stage::Deleted, ..stored.document.clone() };
    state.save(stored, told).await?;
    Ok(())
}

/// Takes up what a crash or an unreachable store left undone, at once and then from time to time.
pub(super) async fn sweep(state: State) {
    loop {
        for stage in [Stage::ReadyUntold, Stage::DeletedUntold, Stage::Pending] {
            if let Err(error) = sweep_stage(&state, stage).await {
                tracing::warn!(%error, stage = stage.stored(), "sweep will go on later");
            }
        }
        tokio::select! {
            biased;
            () = state.env.shutdown().triggered() => return,
            () = tokio::time::sleep(Duration::from_millis(SWEEP_MS)) => {}
        }
    }
}

async fn sweep_stage(state: &State, stage: Stage) -> Result<(), FileError> {
    let rows = state.config.documents.find(FILES, "state", stage.stored(), None, false, SWEEP_FILES_MAX).await?;
    let now = state.env.wall_ms();
    for row in rows {
        let stored = match Stored::from_row(row) {
            Ok(stored) => stored,
            Err(error) => {
                // One unreadable document must not hold up the others.
                tracing::error!(%error, "a file's metadata cannot be read; left as it is");
                continue;
            }
        };
        let age_ms = now.saturating_sub(stored.document.changed_ms);
        match stage {
            Stage::ReadyUntold if age_ms >= SETTLED_MS => tell_ready(state, &stored).await?,
            Stage::DeletedUntold if age_ms >= SETTLED_MS => finish_deletion(state, &stored).await?,
            Stage::Pending if age_ms >= PENDING_MS_MAX => forget(state, &stored).await?,
            _ => {}
        }
    }
    Ok(())
}

/// Ends an intent that was never completed. Nobody was told of the file, so nobody is told of its end.
pub(super) async fn forget(state: &State, stored: &Stored) -> Result<(), FileError> {
    let expect = archgen_ports::accounts::Expect::Version(stored.version);
    if let Put::Applied(_) = state.config.documents.put(FILES, &stored.id, expect, None).await? {
        state.config.blobs.delete(&state.config.bucket, &stored.document.object).await?;
    }
    Ok(())
}
