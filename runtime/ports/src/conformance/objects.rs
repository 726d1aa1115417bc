//! Blobs.

use bytes::Bytes;

use super::{Violation, expectation::expect};
use crate::{
    StoreError,
    blobs::{BlobInfo, Blobs, Grant},
};

const BUCKET: &str = "files";
const CONTENT: &[u8] = b"an object of some bytes";
/// As long as the other, and different.
const OTHER: &[u8] = b"AN OBJECT OF SOME BYTES";
/// SHA-256 of the content, and of nothing.
const DIGEST: &str = "b6c6abfc6ec1d4b6c44e951003e9f125b7143bd8e3b145bb8f594e0a70450c2b";
const DIGEST_OF_NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// What a client sends with a presigned URL.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// `GET` or `PUT`.
    pub method: &'static str,
    /// Where.
    pub url: String,
    /// A `Range` header.
    pub range: Option<&'static str>,
    /// Body.
    pub body: Bytes,
}

fn put(url: &str, body: &'static [u8]) -> Exchange {
    Exchange { method: "PUT", url: url.to_owned(), range: None, body: Bytes::from_static(body) }
}

fn get(url: &str, range: Option<&'static str>) -> Exchange {
    Exchange { method: "GET", url: url.to_owned(), range, body: Bytes::new() }
}

fn is_refused((status, _): (u16, Bytes)) -> bool {
    (400..500).contains(&status)
}

/// Presigned URLs grant what they were made for and nothing else; an object that was looked at is whole and does not change.
/// `send` is any HTTP client: it returns the status and the body. `now_ms` is wall time, milliseconds since the Unix epoch.
///
/// # Errors
/// The first broken promise.
pub async fn blobs<S>(port: &dyn Blobs, send: S, now_ms: u64) -> Result<(), Violation>
where
    S: AsyncFn(Exchange) -> Result<(u16, Bytes), StoreError>,
{
    let expires = now_ms + 60_000;
    expect("nothing is there", port.info(BUCKET, "k1").await?, None)?;
    let refused = port.first_bytes(BUCKET, "k1", 3).await.is_err_and(|error| error.is_refusal());
    expect("and has no first byte", refused, true)?;
    port.delete(BUCKET, "k1").await?;

    let size_bytes = CONTENT.len() as u64;
    let to = port.presign(BUCKET, "k1", Grant::Put { size_bytes }, expires).await?;
    expect("a body of another size is refused", is_refused(send(put(&to, b"short")).await?), true)?;
    expect("and leaves nothing", port.info(BUCKET, "k1").await?, None)?;
    expect("a put", send(put(&to, CONTENT)).await?.0, 200)?;
    let whole = Some(BlobInfo { size_bytes, sha256: DIGEST.to_owned() });
    expect("is there whole", port.info(BUCKET, "k1").await?, whole.clone())?;
    expect("with its first bytes", port.first_bytes(BUCKET, "k1", 2).await?, Bytes::from_static(b"an"))?;
    expect("all of them", port.first_bytes(BUCKET, "k1", 4_096).await?, Bytes::from_static(CONTENT))?;
    // Whether it is refused is the engine's affair.
    send(put(&to, OTHER)).await?;
    expect("what was looked at does not change", port.info(BUCKET, "k1").await?, whole)?;
    expect("nor its bytes", port.first_bytes(BUCKET, "k1", 2).await?, Bytes::from_static(b"an"))?;

    let grant = Grant::Get { name: "täglich \"1\".txt".to_owned(), media_type: "text/plain".to_owned() };
    let from = port.presign(BUCKET, "k1", grant.clone(), expires).await?;
    expect("a get", send(get(&from, None)).await?, (200, Bytes::from_static(CONTENT)))?;
    expect("of a part", send(get(&from, Some("bytes=3-8"))).await?, (206, Bytes::from_static(b"object")))?;
    expect("of its end", send(get(&from, Some("bytes=-5"))).await?, (206, Bytes::from_static(b"bytes")))?;
    expect("of a part that is not there", send(get(&from, Some("bytes=100-"))).await?.0, 416)?;
    expect("no other method", is_refused(send(put(&from, CONTENT)).await?), true)?;
    expect("no other key", is_refused(send(get(&from.replace("k1", "k2"), None)).await?), true)?;
    let past = port.presign(BUCKET, "k1", grant, now_ms - 5_000).await?;
    expect("no longer than granted", is_refused(send(get(&past, None)).await?), true)?;

    let empty = port.presign(BUCKET, "k3", Grant::Put { size_bytes: 0 }, expires).await?;
    expect("a put of nothing", send(put(&empty, b"")).await?.0, 200)?;
    let nothing = Some(BlobInfo { size_bytes: 0, sha256: DIGEST_OF_NOTHING.to_owned() });
    expect("is an object", port.info(BUCKET, "k3").await?, nothing)?;
    expect("without a first byte", port.first_bytes(BUCKET, "k3", 3).await?, Bytes::new())?;
    port.delete(BUCKET, "k1").await?;
    expect("a deleted object is gone", port.info(BUCKET, "k1").await?, None)?;
    expect("also for who may get it", is_refused(send(get(&from, None)).await?), true)
}
