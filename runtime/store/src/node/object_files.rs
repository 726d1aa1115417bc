//! Files of objects on their way between nodes: the one that gives reads them out piece by piece, the one that takes writes them down
//! and holds the whole against its digest before the object's row may refer to it.

use std::sync::Arc;

use archgen_env::{disk::Disk, http::Problem};
use axum::{
    Json,
    body::Bytes,
    extract::{Path, Query, State as Extract},
};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    objects::{FOLDER, ROWS, Stored, failed},
    signature::hex,
    state::State,
};

/// Bytes of a file in one piece.
pub(crate) const PIECE_BYTES: usize = 4 << 20;
/// Bytes read at a time.
const READ_BYTES: usize = 256 << 10;

/// The file of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ObjectFile {
    /// Its name in the folder of objects.
    pub(crate) name: String,
    /// Bytes.
    pub(crate) size: u64,
    /// Digest of all of them, in hexadecimal.
    pub(crate) sha256: String,
}

impl ObjectFile {
    /// The file that a pair refers to, where the pair is an object's row.
    pub(crate) fn of(key: &[u8], value: &[u8]) -> Option<Self> {
        let stored: Stored = key.starts_with(ROWS).then(|| serde_json::from_slice(value).ok())??;
        let name = stored.file.strip_prefix(FOLDER)?.strip_prefix('/')?.to_owned();
        Some(Self { name, size: stored.blob.size_bytes, sha256: stored.blob.sha256 })
    }
}

/// The path of the file that a pair refers to.
pub(crate) fn file_of(key: &[u8], value: Option<&[u8]>) -> Option<String> {
    ObjectFile::of(key, value?).map(|file| format!("{FOLDER}/{}", file.name))
}

/// Where a piece begins, and what the whole is.
#[derive(Debug, Deserialize)]
pub(super) struct Piece {
    /// First byte.
    at: u64,
    /// Bytes of the whole.
    size: u64,
    /// Its digest.
    #[serde(default)]
    sha256: String,
}

fn path(name: &str) -> Result<String, Problem> {
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) && !name.starts_with('.');
    if plain { Ok(format!("{FOLDER}/{name}")) } else { Err(Problem::invalid("that is no object's file")) }
}

fn read_piece(disk: &dyn Disk, path: &str, at: u64, length: usize) -> std::io::Result<Vec<u8>> {
    let mut file = disk.open(path, false)?;
    let mut bytes = vec![0u8; length];
    let mut read = 0;
    while read < length {
        match file.read_at(at + read as u64, &mut bytes[read..])? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            more => read += more,
        }
    }
    Ok(bytes)
}

/// A piece of a file.
pub(super) async fn send(
    Extract(state): Extract<Arc<State>>,
    Path(name): Path<String>,
    Query(piece): Query<Piece>,
) -> Result<Bytes, Problem> {
    let (disk, path) = (state.env.disk().clone(), path(&name)?);
    let length = piece.size.saturating_sub(piece.at).min(PIECE_BYTES as u64) as usize;
    let read = state.env.compute(move || read_piece(&*disk, &path, piece.at, length)).await;
    read.map(Bytes::from).map_err(|error| match error.kind() {
        // It was deleted since its row was read: that change is on its way, too.
        std::io::ErrorKind::NotFound => Problem::not_found("file"),
        _ => failed(&error),
    })
}

/// What came of a piece.
enum Written {
    /// So many bytes are there by now.
    Bytes(u64),
    /// The whole is not what it was said to be.
    Differs,
}

fn write_piece(disk: &dyn Disk, path: &str, piece: &Piece, bytes: &[u8]) -> std::io::Result<Written> {
    if disk.open(path, false).is_ok_and(|mut file| file.len().is_ok_and(|length| length == piece.size)) {
        return Ok(Written::Bytes(piece.size));
    }
    let part = format!("{path}.part");
    let mut file = disk.open(&part, true)?;
    if file.len()? < piece.at {
        return Ok(Written::Bytes(file.len()?));
    }
    file.truncate(piece.at)?;
    file.append(bytes)?;
    let there = piece.at + bytes.len() as u64;
    if there < piece.size {
        return Ok(Written::Bytes(there));
    }
    file.sync()?;
    let (mut digest, mut at, mut buffer) = (Sha256::new(), 0u64, vec![0u8; READ_BYTES]);
    while at < piece.size {
        let read = file.read_at(at, &mut buffer)?;
        if read == 0 {
            break;
        }
        digest.update(&buffer[..read]);
        at += read as u64;
    }
    if hex(&digest.finalize()) != piece.sha256 {
        disk.remove(&part)?;
        return Ok(Written::Differs);
    }
    disk.rename(&part, path)?;
    disk.sync_directory(FOLDER)?;
    disk.sync_directory("")?;
    Ok(Written::Bytes(there))
}

/// Writes a piece down; answers how many bytes are there by now.
pub(super) async fn receive(
    Extract(state): Extract<Arc<State>>,
    Path(name): Path<String>,
    Query(piece): Query<Piece>,
    bytes: Bytes,
) -> Result<Json<Value>, Problem> {
    let (disk, path) = (state.env.disk().clone(), path(&name)?);
    let written = state.env.compute(move || write_piece(&*disk, &path, &piece, &bytes)).await;
    match written.map_err(|error| failed(&error))? {
        Written::Bytes(there) => Ok(Json(json!(there))),
        Written::Differs => Err(Problem::new(StatusCode::CONFLICT, "differs", "the file's digest is another one")),
    }
}
