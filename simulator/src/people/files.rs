//! Files: uploads while faults come and go, and the look at the end whether they are intact.

use std::time::Duration;

use archgen_env::{
    http::{Client, Limits, Reply},
    net::Address,
};
use http::{HeaderMap, HeaderValue, Method, Uri, header};
use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_64;

use super::person::Person;
use crate::{history::Stored, world};

/// Most bytes of a file.
const FILE_BYTES_MAX: u64 = 4_000;
/// Tries to read a file at the end, and the wait between two.
const READS_MAX: usize = 8;
const READ_AGAIN: Duration = Duration::from_millis(1_500);

/// What is said of a file's content.
fn fingerprint(bytes: &[u8]) -> String {
    format!("{} bytes, {:016x}", bytes.len(), xxh3_64(bytes))
}

/// Host and path of an absolute URL.
fn split(url: &str) -> Option<(Address, String)> {
    let uri: Uri = url.parse().ok()?;
    let address = Address::new(uri.host()?, uri.port_u16()?);
    Some((address, uri.path_and_query()?.to_string()))
}

impl Person {
    fn plain_client(&self) -> Client {
        Client::new(&self.env, Limits { call_ms_max: 5_000, ..Limits::default() })
    }

    /// Uploads a file; only one whose completion is acknowledged counts.
    pub(super) async fn upload(&self, channel: &str) {
        // Whatever fails on the way is simply not an upload.
        let _ = self.try_upload(channel).await;
    }

    async fn try_upload(&self, channel: &str) -> Option<()> {
        let entropy = self.env.entropy("files");
        let mut bytes = vec![0u8; 1 + entropy.below(FILE_BYTES_MAX) as usize];
        entropy.fill(&mut bytes);
        let intent = json!({"name": "notes.bin", "size": bytes.len(), "channel": channel});
        let asked: Value = self.api.call(Method::POST, "/api/v1/files", &intent).await.ok()?;
        let (id, url) = (asked["id"].as_str()?.to_owned(), asked["upload"]["url"].as_str()?);
        let (address, path) = split(url)?;
        let put = self.plain_client().call(Method::PUT, &address, &path, HeaderMap::new(), bytes.clone()).await.ok()?;
        if !put.status.is_success() {
            return None;
        }
        let complete = format!("/api/v1/files/{id}/complete");
        let _: Value = self.api.call(Method::POST, &complete, &json!({})).await.ok()?;
        let person = self.env.host().to_owned();
        let stored = Stored { id, person, sent: fingerprint(&bytes), done: world::elapsed(), found: None };
        self.recorder.note(|history| history.files.push(stored));
        Some(())
    }

    /// Reads back what this person has uploaded.
    pub(super) async fn read_files(&self) {
        let own: Vec<String> = self
            .recorder
            .history()
            .files
            .into_iter()
            .filter(|file| file.person == self.env.host())
            .map(|file| file.id)
            .collect();
        for id in own {
            for _ in 0..READS_MAX {
                if let Some(bytes) = self.download(&id).await {
                    let found = fingerprint(&bytes);
                    self.recorder.note(|history| {
                        for file in history.files.iter_mut().filter(|file| file.id == id) {
                            file.found = Some(found.clone());
                        }
                    });
                    break;
                }
                tokio::time::sleep(READ_AGAIN).await;
            }
        }
    }

    async fn download(&self, id: &str) -> Option<Vec<u8>> {
        let client = self.plain_client();
        let mut headers = HeaderMap::new();
        let bearer = format!("Bearer {}", self.api.access_token()?);
        headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&bearer).ok()?);
        let path = format!("/api/v1/files/{id}/content");
        let redirect: Reply = client.get(&self.gateway, &path, headers).await.ok()?;
        let (address, path) = split(redirect.headers.get(header::LOCATION)?.to_str().ok()?)?;
        let content = client.get(&address, &path, HeaderMap::new()).await.ok()?;
        content.status.is_success().then(|| content.body.to_vec())
    }
}
