//! The guest: follows a channel until somebody removes them, and goes on trying to read it.

use std::{sync::PoisonError, time::Duration};

use http::Method;
use serde_json::Value;

use super::{Stage, person::Person};

/// Mean pause between two reads, milliseconds.
const PAUSE_MS: u64 = 600;

impl Person {
    pub(super) async fn visit(&self) {
        self.sign_in().await;
        let me: Value = self
            .until_done("look at themselves", || async { self.api.call(Method::GET, "/api/v1/me", &Value::Null).await })
            .await;
        let channel = self.come_in("room-0").await;
        *self.meeting.guest.lock().unwrap_or_else(PoisonError::into_inner) = me["id"].as_str().map(str::to_owned);
        let device = self.device(std::slice::from_ref(&channel));
        self.stages.set_up();
        self.stages.reached(Stage::Faults).await;
        let entropy = self.env.entropy("visit");
        while self.stages.current() < Stage::Final {
            self.read_page(&channel).await;
            tokio::time::sleep(Duration::from_millis(entropy.below(2 * PAUSE_MS))).await;
        }
        device.stop();
    }
}
