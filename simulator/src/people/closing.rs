//! The last reads, once everything has healed and settled.

use std::time::Duration;

use archgen_client::ApiError;
use http::Method;
use serde_json::{Value, json};

use super::{
    acts::ids,
    person::{GUEST, Person, RETRY, names},
};
use crate::history::Final;

/// Tries of a final read.
const FINAL_TRIES_MAX: usize = 20;
/// Looks at what converges, at most.
pub(super) const LOOKS_MAX: usize = 6;
/// Wait between two looks.
pub(super) const LOOK: Duration = Duration::from_millis(2_500);
/// Items of one page.
const PAGE: usize = 100;

impl Person {
    pub(super) async fn read_final(&self, channel: &str) {
        let mut reason = String::new();
        for _ in 0..FINAL_TRIES_MAX {
            match self.api.whole_history(channel).await {
                Ok(messages) => {
                    let finals = messages.into_iter().map(|m| Final {
                        seq: m.seq,
                        epoch: m.epoch,
                        id: m.id,
                        client_msg_id: m.client_msg_id.unwrap_or_default(),
                        body: m.body.unwrap_or_default(),
                    });
                    self.recorder.finished(channel, finals.collect());
                    return;
                }
                Err(error) => reason = error.to_string(),
            }
            tokio::time::sleep(RETRY).await;
        }
        self.recorder.unread(channel, &reason);
    }

    /// Looks whether everyone else is online, a few times where they are not.
    pub(super) async fn look_who_is_there(&self) {
        let names = names(self.plan.people).into_iter().filter(|name| name != GUEST && name != self.env.host());
        let known: Vec<(String, String)> = names.filter_map(|name| Some((self.meeting.id_of(&name)?, name))).collect();
        let asked = json!({"users": known.iter().map(|(id, _)| id).collect::<Vec<_>>()});
        for _ in 0..LOOKS_MAX {
            let seen: Result<Value, ApiError> = self.api.call(Method::POST, "/api/v1/presence/query", &asked).await;
            if let Ok(seen) = seen {
                let items = || seen["items"].as_array().into_iter().flatten();
                let is_online = |id: &str| items().any(|i| i["user"] == id && i["status"] == "online");
                let presences: Vec<(String, bool)> =
                    known.iter().map(|(id, name)| (name.clone(), is_online(id))).collect();
                let all = presences.iter().all(|(_, online)| *online);
                self.recorder.note(|history| history.presences.extend(presences));
                if all {
                    return;
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Searches until two looks agree; the last one counts.
    pub(super) async fn search_all(&self) {
        let found = self.until_stable(&format!("/api/v1/search?q={}", self.word()), ids).await;
        self.recorder.note(|history| history.found = found);
    }

    /// Reads its notifications until two looks agree; the last one counts.
    pub(super) async fn read_inbox(&self) {
        let messages = |page: &Value| {
            let items = page["items"].as_array().into_iter().flatten();
            items.filter_map(|item| item["message"].as_str().map(str::to_owned)).collect()
        };
        if let Some(inbox) = self.until_stable("/api/v1/notifications?unread=false", messages).await {
            let person = self.env.host().to_owned();
            self.recorder.note(|history| drop(history.inboxes.insert(person, inbox)));
        }
    }

    async fn until_stable(&self, path: &str, items: impl Fn(&Value) -> Vec<String>) -> Option<Vec<String>> {
        let mut last = None;
        for _ in 0..LOOKS_MAX {
            if let Ok(seen) = self.all(path, &items).await {
                if last.as_ref() == Some(&seen) {
                    break;
                }
                last = Some(seen);
            }
            tokio::time::sleep(LOOK).await;
        }
        last
    }

    pub(super) async fn all(&self, path: &str, items: impl Fn(&Value) -> Vec<String>) -> Result<Vec<String>, ApiError> {
        let mut all = Vec::new();
        let mut cursor = String::new();
        loop {
            let page: Value = self.api.call(Method::GET, &format!("{path}&limit={PAGE}{cursor}"), &Value::Null).await?;
            all.extend(items(&page));
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Ok(all),
            }
        }
    }
}
