//! One person: signs in, joins, talks on several channels through a [`Device`], and reads the final history.

use std::{sync::Arc, time::Duration};

use archgen_client::{Api, ApiError, Device, DeviceConfig, Observer};
use archgen_env::{Env, net::Address};
use archgen_spec::topology::{Component, Topology};

use super::{Stage, Stages};
use crate::{
    engine::Engine,
    history::{Final, Recorder},
    plan::Plan,
};

/// Channels that people talk in.
const CHANNELS: usize = 2;
/// Wait between tries of a setup or final call.
const RETRY: Duration = Duration::from_millis(400);
/// Tries of a final read.
const FINAL_TRIES_MAX: usize = 20;

/// Adds the people.
pub fn start(engine: &mut dyn Engine, topology: &Arc<Topology>, plan: &Plan, recorder: &Recorder, stages: &Stages) {
    let addresses = |component| -> Vec<Address> {
        topology.component_instances(component).into_iter().map(|i| Address::new(i.name, i.port)).collect()
    };
    let (gateways, realtime) = (addresses(Component::Gateway), addresses(Component::Realtime));
    for number in 0..plan.people {
        let gateway = gateways[number as usize % gateways.len().max(1)].clone();
        let (realtime, plan, recorder, stages) = (realtime.clone(), plan.clone(), recorder.clone(), stages.clone());
        engine.add_person(
            &format!("person-{}", number + 1),
            Box::new(move |env| {
                let person = Person {
                    env,
                    number,
                    gateway: gateway.clone(),
                    realtime: realtime.clone(),
                    plan: plan.clone(),
                    recorder: recorder.clone(),
                    stages: stages.clone(),
                };
                Box::pin(async move { person.live().await })
            }),
        );
    }
}

struct Person {
    env: Env,
    number: u32,
    gateway: Address,
    realtime: Vec<Address>,
    plan: Plan,
    recorder: Recorder,
    stages: Stages,
}

impl Person {
    async fn live(&self) {
        let api = Api::new(&self.env, self.gateway.clone());
        let channels = self.set_up(&api).await;
        let device = self.device(&api, &channels);
        self.stages.set_up();
        self.stages.reached(Stage::Faults).await;
        self.talk(&device, &channels).await;
        self.stages.reached(Stage::Final).await;
        device.stop();
        if self.number == 0 {
            for channel in &channels {
                self.read_final(&api, channel).await;
            }
        }
    }

    /// Registers, signs in and joins; tries until it works.
    async fn set_up(&self, api: &Api) -> Vec<String> {
        let name = self.env.host().to_owned();
        let (email, password) = (format!("{name}@example.test"), "correct horse battery staple");
        self.until_done("register", || async {
            match api.register(&email, &name, password).await {
                Err(ApiError::Problem(problem)) if problem.status == 409 => Ok(()),
                other => other.map(|_| ()),
            }
        })
        .await;
        self.until_done("login", || async { api.login(&email, password).await.map(|_| ()) }).await;
        let mut channels = Vec::new();
        for number in 0..CHANNELS {
            let title = format!("room-{number}");
            if self.number == 0 {
                channels.push(
                    self.until_done("create channel", || async { Ok(api.create_channel(&title, "public").await?.id) })
                        .await,
                );
            } else {
                let find = || async { self.find_channel(api, &title).await };
                let id = self.until_done("find channel", find).await;
                self.until_done("join", || async { api.join(&id).await.map(|_| ()) }).await;
                channels.push(id);
            }
        }
        channels
    }

    async fn find_channel(&self, api: &Api, title: &str) -> Result<String, ApiError> {
        let page: serde_json::Value = api.call(http::Method::GET, "/api/v1/channels", &serde_json::Value::Null).await?;
        let items = page["items"].as_array().cloned().unwrap_or_default();
        let found = items.iter().find(|c| c["name"] == title).and_then(|c| c["id"].as_str().map(str::to_owned));
        found.ok_or_else(|| ApiError::Problem(archgen_env::http::Problem::not_found("channel")))
    }

    async fn until_done<T, F, Fut>(&self, what: &str, attempt: F) -> T
    where
        F: Fn() -> Fut,
        Fut: Future<Output = Result<T, ApiError>>,
    {
        loop {
            match attempt().await {
                Ok(value) => return value,
                Err(error) => self.stages.note(format!("{} cannot {what}: {error}", self.env.host())),
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    fn device(&self, api: &Api, channels: &[String]) -> Device {
        let observer = Arc::new(Watching { person: self.env.host().to_owned(), recorder: self.recorder.clone() });
        let mut realtime = self.realtime.clone();
        let turn = self.number as usize % realtime.len().max(1);
        realtime.rotate_left(turn);
        Device::start(&self.env, api.clone(), DeviceConfig { realtime, channels: channels.to_vec() }, observer)
    }

    /// Sends its share, spread over the fault phase.
    async fn talk(&self, device: &Device, channels: &[String]) {
        let entropy = self.env.entropy("talk");
        let pause_ms = self.plan.duration_ms / u64::from(self.plan.sends.max(1));
        for number in 0..self.plan.sends {
            if self.stages.current() != Stage::Faults {
                break;
            }
            let channel = &channels[entropy.below(channels.len() as u64) as usize];
            let client_msg_id = format!("{}-{number}", self.env.host());
            let body = format!("message {number} by {}", self.env.host());
            self.recorder.invoke(self.env.host(), channel, &client_msg_id, &body);
            device.send(channel, &client_msg_id, &body);
            tokio::time::sleep(Duration::from_millis(entropy.below(2 * pause_ms.max(1)))).await;
        }
    }

    async fn read_final(&self, api: &Api, channel: &str) {
        let mut reason = String::new();
        for _ in 0..FINAL_TRIES_MAX {
            match api.whole_history(channel).await {
                Ok(messages) => {
                    let finals = messages.into_iter().map(|m| Final {
                        seq: m.seq,
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
}

struct Watching {
    person: String,
    recorder: Recorder,
}

impl Observer for Watching {
    fn tried(&self, client_msg_id: &str) {
        self.recorder.tried(client_msg_id);
    }

    fn acked(&self, client_msg_id: &str, seq: u64, id: &str) {
        self.recorder.acked(client_msg_id, seq, id);
    }

    fn refused(&self, client_msg_id: &str, reason: &str) {
        self.recorder.refused(client_msg_id, reason);
    }

    fn shown(&self, channel: &str, seq: u64, id: &str) {
        self.recorder.observed(&self.person, channel, seq, id);
    }
}
