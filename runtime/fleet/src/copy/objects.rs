//! Objects, through the same presigned URLs as clients use.

use std::collections::BTreeSet;

use archgen_env::{
    Env,
    http::{Client, Limits},
    net::Address,
};
use archgen_ports::blobs::{Blobs, Grant};
use bytes::Bytes;
use http::{HeaderMap, Method};

use super::{Copied, CopyError, Naming, digest::Digest};

/// How long a URL is good, milliseconds.
const URL_MS: u64 = 15 * 60_000;
/// Largest object: it is held in memory once.
const OBJECT_BYTES_MAX: usize = 1 << 30;
/// Longest transfer of one object, milliseconds.
const TRANSFER_MS_MAX: u64 = 10 * 60_000;

/// Refuses where one of these names is taken in the new store.
pub(super) async fn vacant(
    store: &str,
    to: &dyn Blobs,
    buckets: &[String],
    names: &BTreeSet<String>,
) -> Result<(), CopyError> {
    let what = format!("{store} objects");
    for bucket in buckets {
        for name in names {
            if to.info(bucket, name).await.naming(&what)?.is_some() {
                return Err(CopyError::NotEmpty(format!("{store}.{bucket}")));
            }
        }
    }
    Ok(())
}

/// Objects of these names that are there, in whichever bucket.
pub(super) async fn copy(
    store: &str,
    from: &dyn Blobs,
    to: &dyn Blobs,
    buckets: &[String],
    names: &BTreeSet<String>,
    env: &Env,
) -> Result<Copied, CopyError> {
    let what = format!("{store} objects");
    let limits = Limits { call_ms_max: TRANSFER_MS_MAX, reply_bytes_max: OBJECT_BYTES_MAX, ..Limits::default() };
    let client = Client::new(env, limits);
    let (mut before, mut after) = (Digest::default(), Digest::default());
    for bucket in buckets {
        for name in names {
            // One that was announced and never put has no bytes.
            let Some(info) = from.info(bucket, name).await.naming(&what)? else { continue };
            let expires = env.wall_ms() + URL_MS;
            let get = Grant::Get { name: "object".to_owned(), media_type: "application/octet-stream".to_owned() };
            let get = from.presign(bucket, name, get, expires).await.naming(&what)?;
            let body = transfer(&client, Method::GET, &get, Bytes::new(), &what).await?;
            let put = Grant::Put { size_bytes: info.size_bytes };
            let put = to.presign(bucket, name, put, expires).await.naming(&what)?;
            transfer(&client, Method::PUT, &put, body, &what).await?;
            let place = [bucket.as_bytes(), name.as_bytes()];
            before.add(&[place[0], place[1], info.sha256.as_bytes()]);
            if let Some(found) = to.info(bucket, name).await.naming(&what)? {
                after.add(&[place[0], place[1], found.sha256.as_bytes()]);
            }
        }
    }
    Ok(Digest::both(&what, before, after))
}

async fn transfer(client: &Client, method: Method, url: &str, body: Bytes, what: &str) -> Result<Bytes, CopyError> {
    let odd = |why: String| CopyError::Odd { what: what.to_owned(), why };
    let rest = url.strip_prefix("http://").ok_or_else(|| odd("its URLs are not plain HTTP".to_owned()))?;
    let (place, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let address: Address = place.parse().map_err(|_| odd(format!("`{place}` is no address")))?;
    let reply = client.call(method, &address, path, HeaderMap::new(), body).await;
    let reply = reply.map_err(|error| odd(error.to_string()))?;
    if !reply.status.is_success() {
        return Err(odd(format!("a transfer was answered {}", reply.status)));
    }
    Ok(reply.body)
}
