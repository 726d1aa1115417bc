//! What can be done with files, and by whom: the owner, and whoever is in the file's channel at this moment.

use archgen_ports::{ChannelId, UserId, accounts::Expect, blobs::Grant, documents::Put};
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::json;
use tokio::time::Instant;

use super::{
    document::{Document, FILES, Stage, Stored},
    error::FileError,
    events,
    intent::{Intent, id_of},
    sniff,
    state::State,
};

/// Tries of a conditional write against concurrent ones.
const TRIES_MAX: usize = 4;

/// A place to upload to.
#[derive(Debug)]
pub(super) struct Upload {
    pub url: String,
    pub expires_ms: u64,
}

/// Whether a user is in a channel now. Asked each time: a cached answer would outlive a removal.
async fn is_member(state: &State, user: &UserId, channel: &str) -> Result<bool, FileError> {
    #[derive(Deserialize)]
    struct Access {
        member: bool,
    }
    let body = json!({"user": user, "channel": ChannelId(channel.to_owned())});
    let unreachable = |e: archgen_env::http::ClientError| FileError::Messaging(e.to_string());
    let reply = state.config.messaging.call(Method::POST, "/internal/access", &body).await.map_err(unreachable)?;
    match reply.status {
        StatusCode::NOT_FOUND | StatusCode::FORBIDDEN => Ok(false),
        s if s.is_success() => Ok(reply.json::<Access>().map_err(unreachable)?.member),
        s => Err(FileError::Messaging(format!("status {}", s.as_u16()))),
    }
}

/// The file, if the user may know of it.
async fn visible(state: &State, user: &UserId, id: &str) -> Result<Stored, FileError> {
    let stored = state.load(id).await?.ok_or(FileError::NotFound)?;
    let d = &stored.document;
    if d.state.is_deleted() {
        return Err(FileError::NotFound);
    }
    let allowed = match &d.channel {
        _ if d.owner == user.0 => true,
        Some(channel) if d.state.is_ready() => is_member(state, user, channel).await?,
        _ => false,
    };
    if allowed { Ok(stored) } else { Err(FileError::NotFound) }
}

/// Takes the wish to upload a file and says where to. The second value is absent where the key's file is already complete.
pub(super) async fn intend(
    state: &State,
    user: &UserId,
    intent: Intent,
    idempotency_key: Option<&str>,
) -> Result<(Stored, Option<Upload>), FileError> {
    intent.check(state.config.file_bytes_max)?;
    if let Some(channel) = &intent.channel
        && !is_member(state, user, channel).await?
    {
        return Err(FileError::NoChannel);
    }
    let id = match idempotency_key {
        Some(key) => id_of(user, key)?,
        None => state.env.new_uuid().to_string(),
    };
    let now = state.env.wall_ms();
    let document = Document {
        owner: user.0.clone(),
        channel: intent.channel,
        state: Stage::Pending,
        name: intent.name,
        size: intent.size,
        media_type: intent.media_type.unwrap_or_else(|| sniff::UNKNOWN.to_owned()),
        sha256: intent.sha256,
        object: state.objects.token(20),
        created_ms: now,
        changed_ms: now,
    };
    let value = serde_json::to_value(&document)?;
    let stored = match state.config.documents.put(FILES, &id, Expect::Absent, Some(value)).await? {
        Put::Applied(version) => Stored { id, version, document },
        Put::Conflict => {
            let there = state.load(&id).await?.ok_or(FileError::Contended)?;
            let t = &there.document;
            let same = (&t.owner, &t.channel, &t.name, t.size)
                == (&document.owner, &document.channel, &document.name, document.size);
            if !same || t.state.is_deleted() {
                return Err(FileError::KeyReused);
            }
            there
        }
    };
    if stored.document.state != Stage::Pending {
        return Ok((stored, None));
    }
    let expires_ms = now + state.config.upload_ms_max;
    let grant = Grant::Put { size_bytes: stored.document.size };
    let url = state.config.blobs.presign(&state.config.bucket, &stored.document.object, grant, expires_ms).await?;
    Ok((stored, Some(Upload { url, expires_ms })))
}

/// Looks at the uploaded bytes and makes the file ready. Completing again changes nothing.
pub(super) async fn complete(state: &State, user: &UserId, id: &str) -> Result<Stored, FileError> {
    for _ in 0..TRIES_MAX {
        let stored = state.load(id).await?.ok_or(FileError::NotFound)?;
        if stored.document.owner != user.0 || stored.document.state.is_deleted() {
            return Err(FileError::NotFound);
        }
        if stored.document.state.is_ready() {
            return Ok(stored);
        }
        let ready = examined(state, &stored.document).await?;
        if let Some(stored) = state.save(&stored, ready).await? {
            if let Err(error) = events::tell_ready(state, &stored).await {
                tracing::warn!(%error, file = stored.id, "a ready file is still to be told");
            }
            return Ok(stored);
        }
    }
    Err(FileError::Contended)
}

/// The document of a file whose bytes are those announced.
async fn examined(state: &State, document: &Document) -> Result<Document, FileError> {
    let (blobs, bucket, object) = (&state.config.blobs, &state.config.bucket, &document.object);
    let info = blobs.info(bucket, object).await?.ok_or(FileError::NotUploaded)?;
    if info.size_bytes != document.size {
        blobs.delete(bucket, object).await?;
        return Err(FileError::Mismatch("size"));
    }
    if document.sha256.as_ref().is_some_and(|announced| *announced != info.sha256) {
        blobs.delete(bucket, object).await?;
        return Err(FileError::Mismatch("digest"));
    }
    let first = blobs.first_bytes(bucket, object, sniff::SNIFF_BYTES_MAX).await?;
    Ok(Document {
        state: Stage::ReadyUntold,
        media_type: sniff::media_type(&first, &document.media_type),
        sha256: Some(info.sha256),
        changed_ms: state.env.wall_ms(),
        ..document.clone()
    })
}

/// A file's metadata.
pub(super) async fn look(state: &State, user: &UserId, id: &str) -> Result<Stored, FileError> {
    visible(state, user, id).await
}

/// A URL from which the file's bytes can be read for a short while.
pub(super) async fn content(state: &State, user: &UserId, id: &str) -> Result<String, FileError> {
    let there = state.load(id).await?.ok_or(FileError::NotFound)?;
    if let Some(channel) = &there.document.channel
        && there.document.owner != user.0
        && !state.grants.note(&user.0, channel, state.config.download_ms_max, Instant::now())
    {
        return Err(FileError::Busy);
    }
    let stored = visible(state, user, id).await?;
    let d = stored.document;
    if !d.state.is_ready() {
        return Err(FileError::NotReady);
    }
    let grant = Grant::Get { name: d.name, media_type: sniff::harmless(&d.media_type).to_owned() };
    let expires_ms = state.env.wall_ms() + state.config.download_ms_max;
    Ok(state.config.blobs.presign(&state.config.bucket, &d.object, grant, expires_ms).await?)
}

/// Deletes a file: its owner only. When this returns well, the bytes are gone. Deleting again changes nothing.
pub(super) async fn delete(state: &State, user: &UserId, id: &str) -> Result<(), FileError> {
    for _ in 0..TRIES_MAX {
        let stored = match state.load(id).await? {
            Some(stored) if stored.document.owner == user.0 => stored,
            Some(other) => {
                // Whoever may see the file may know that it is not theirs to delete; for others it does not exist.
                let _ = visible(state, user, &other.id).await?;
                return Err(FileError::NotFound);
            }
            None => return Err(FileError::NotFound),
        };
        match stored.document.state {
            Stage::Deleted => return Ok(()),
            Stage::DeletedUntold => return events::finish_deletion(state, &stored).await,
            Stage::Pending => return events::forget(state, &stored).await,
            Stage::ReadyUntold | Stage::Ready => {
                let changed_ms = state.env.wall_ms();
                let gone = Document { state: Stage::DeletedUntold, changed_ms, ..stored.document.clone() };
                if let Some(stored) = state.save(&stored, gone).await? {
                    return events::finish_deletion(state, &stored).await;
                }
            }
        }
    }
    Err(FileError::Contended)
}
