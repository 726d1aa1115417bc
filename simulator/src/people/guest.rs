//! The guest: follows a channel until somebody removes them, and goes on trying to read it.

use std::time::Duration;

use super::{Stage, person::Person};

/// Mean pause between two reads, milliseconds.
const PAUSE_MS: u64 = 600;

impl Person {
    pub(super) async fn visit(&self) {
        self.sign_in().await;
        let channel = self.come_in(&format!("room-0{}", self.mark)).await;
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
