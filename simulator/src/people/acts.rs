//! What people do beside talking: read, search, claim names, and remove the guest.

use std::time::Duration;

use archgen_client::ApiError;
use http::Method;
use serde_json::{Value, json};

use super::person::{Person, RETRY};
use crate::{
    history::{Claim, Claimed, Read, Removal, Search},
    people::Stage,
    world,
};

/// Messages of one page that is read.
const PAGE: usize = 50;
/// Names that people claim.
const NAMES: u64 = 3;
/// Claims of one person; each makes an account.
const CLAIMS_MAX: u32 = 3;
/// Mean pause between two acts, milliseconds.
const PAUSE_MS: u64 = 700;

impl Person {
    /// Acts now and then while faults come and go.
    pub(super) async fn act(&self, channels: &[String]) {
        let entropy = self.env.entropy("act");
        let (mut claims, mut version) = (0, 0);
        let removes_at = self.plan.duration_ms / 4 + entropy.below(self.plan.duration_ms / 2 + 1);
        let mut removes = self.number == 0;
        let begun = world::elapsed();
        loop {
            tokio::time::sleep(Duration::from_millis(entropy.below(2 * PAUSE_MS))).await;
            if self.stages.current() != Stage::Faults {
                return;
            }
            if removes && (world::elapsed() - begun).as_millis() as u64 >= removes_at {
                removes = false;
                self.remove_guest(&channels[0]).await;
            }
            match entropy.below(13) {
                0..=4 => self.read_page(&channels[entropy.below(channels.len() as u64) as usize]).await,
                5 => self.upload(&channels[0]).await,
                6..=7 => self.search().await,
                8 => {
                    version += 1;
                    self.rename(version).await;
                }
                9..=10 => {
                    let other = 1 + entropy.below(u64::from(self.plan.people));
                    self.look_at(&format!("person-{other}")).await;
                }
                _ if claims < CLAIMS_MAX => {
                    claims += 1;
                    self.claim(&format!("nick-{}{}", entropy.below(NAMES), self.mark), claims).await;
                }
                _ => {}
            }
        }
    }

    /// Reads the newest page of a channel.
    pub(super) async fn read_page(&self, channel: &str) {
        let highest = self.recorder.highest(self.env.host(), channel);
        let after_seq = highest.saturating_sub(PAGE as u64 / 2);
        let invoked = world::elapsed();
        if let Ok(page) = self.api.history(channel, after_seq, PAGE).await {
            let read = Read {
                person: self.env.host().to_owned(),
                channel: channel.to_owned(),
                invoked,
                done: world::elapsed(),
                after_seq,
                limit: PAGE,
                seqs: page.items.iter().map(|message| message.seq).collect(),
            };
            self.recorder.note(|history| history.reads.push(read));
        }
    }

    async fn search(&self) {
        let found: Result<Value, ApiError> =
            self.api.call(Method::GET, &format!("/api/v1/search?q={}&limit=100", self.word()), &Value::Null).await;
        if let Ok(page) = found {
            let search = Search { done: world::elapsed(), hits: ids(&page) };
            self.recorder.note(|history| history.searches.push(search));
        }
    }

    /// Claims an email address that others claim as well; the handle is the person's own.
    async fn claim(&self, name: &str, number: u32) {
        let (email, handle) = (format!("{name}@example.test"), format!("{}.{number}", self.handle(self.env.host())));
        let invoked = world::elapsed();
        let claimed = match self.api.register(&email, &handle, "correct horse battery staple").await {
            Ok(_) => Claimed::Won,
            Err(ApiError::Problem(problem)) if problem.status == 409 => Claimed::Refused,
            // Certainly without effect.
            Err(ApiError::Problem(problem)) if problem.status == 429 || problem.status == 400 => return,
            Err(_) => Claimed::Unknown,
        };
        let done = (claimed != Claimed::Unknown).then(world::elapsed);
        let claim = Claim { name: name.to_owned(), person: self.env.host().to_owned(), invoked, done, claimed };
        self.recorder.note(|history| history.claims.push(claim));
    }

    /// Removes the guest; tries until it is acknowledged or the faults are over.
    async fn remove_guest(&self, channel: &str) {
        let Some(guest) = self.meeting.id_of(super::person::GUEST) else { return };
        let path = format!("/api/v1/channels/{channel}/members/{guest}");
        while self.stages.current() == Stage::Faults {
            let removed: Result<Value, ApiError> = self.api.call(Method::DELETE, &path, &json!({})).await;
            if removed.is_ok() {
                let removal = Removal {
                    person: super::person::GUEST.to_owned(),
                    channel: channel.to_owned(),
                    done: Some(world::elapsed()),
                };
                self.recorder.note(|history| history.removals.push(removal));
                return;
            }
            tokio::time::sleep(RETRY).await;
        }
    }
}

/// Ids of a page's items.
pub(super) fn ids(page: &Value) -> Vec<String> {
    let items = page["items"].as_array().into_iter().flatten();
    items.filter_map(|item| item["id"].as_str().map(str::to_owned)).collect()
}
