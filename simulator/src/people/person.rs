//! One person: signs in, joins, talks on several channels through a [`Device`].

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use archgen_client::{Api, ApiError, Device, DeviceConfig, Observer};
use archgen_env::{Env, net::Address};
use archgen_spec::topology::{Component, Topology};
use http::Method;

use super::{Stage, Stages, looks::Directory};
use crate::{
    engine::{Engine, Running},
    history::Recorder,
    plan::Plan,
};

/// Channels that people talk in.
pub(super) const CHANNELS: usize = 2;
/// Wait between tries of a setup or final call.
pub(super) const RETRY: Duration = Duration::from_millis(400);
/// Of a hundred sends, so many mention somebody.
const MENTIONS: u64 = 25;
/// The one who is removed from a channel.
pub(super) const GUEST: &str = "guest-1";

/// Everyone who takes part, by name on the network.
pub fn names(people: u32) -> Vec<String> {
    (1..=people).map(|number| format!("person-{number}")).chain([GUEST.to_owned()]).collect()
}

/// What people tell each other outside of the system.
#[derive(Clone, Default)]
pub(super) struct Meeting {
    /// User ids by name.
    ids: Arc<Mutex<BTreeMap<String, String>>>,
}

/// What people find.
pub struct Outside<'a> {
    /// Where hosts are.
    pub addresses: &'a BTreeMap<String, Address>,
    /// Part of every name that people give, so that one fleet can be met by several crowds in turn.
    pub mark: &'a str,
}

/// Adds the people.
pub fn start(
    engine: &mut dyn Engine,
    topology: &Arc<Topology>,
    plan: &Plan,
    outside: &Outside<'_>,
    recorder: &Recorder,
    stages: &Stages,
) {
    let addresses = |component| -> Vec<Address> {
        let instances = topology.component_instances(component).into_iter();
        instances.filter_map(|i| outside.addresses.get(&i.name).cloned()).collect()
    };
    let (gateways, realtime) = (addresses(Component::Gateway), addresses(Component::Realtime));
    let meeting = Meeting::default();
    let directory = Directory::of(topology, |host| outside.addresses.get(host).cloned());
    for (number, name) in names(plan.people).into_iter().enumerate() {
        let gateway = gateways[number % gateways.len().max(1)].clone();
        let (realtime, plan, recorder, stages, meeting) =
            (realtime.clone(), plan.clone(), recorder.clone(), stages.clone(), meeting.clone());
        let (mark, directory) = (outside.mark.to_owned(), directory.clone());
        let is_guest = name == GUEST;
        let program = move |env: Env| -> Running {
            let person = Person {
                api: Api::new(&env, gateway.clone()),
                gateway: gateway.clone(),
                env,
                number: number as u32,
                realtime: realtime.clone(),
                plan: plan.clone(),
                recorder: recorder.clone(),
                stages: stages.clone(),
                meeting: meeting.clone(),
                mark: mark.clone(),
                directory: directory.clone(),
            };
            if is_guest {
                Box::pin(async move { person.visit().await })
            } else {
                Box::pin(async move { person.live().await })
            }
        };
        engine.add_person(&name, Box::new(program));
    }
}

pub(super) struct Person {
    pub(super) env: Env,
    pub(super) api: Api,
    pub(super) number: u32,
    pub(super) gateway: Address,
    realtime: Vec<Address>,
    pub(super) plan: Plan,
    pub(super) recorder: Recorder,
    pub(super) stages: Stages,
    pub(super) meeting: Meeting,
    /// See [`Outside`].
    pub(super) mark: String,
    pub(super) directory: Directory,
}

impl Meeting {
    /// The user id of somebody who has signed in.
    pub(super) fn id_of(&self, name: &str) -> Option<String> {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }
}

impl Person {
    async fn live(&self) {
        self.does("signs in");
        self.sign_in().await;
        self.does("looks for channels");
        let mut channels = Vec::new();
        for number in 0..CHANNELS {
            let title = format!("room-{number}{}", self.mark);
            if self.number == 0 {
                let create = || async { Ok(self.api.create_channel(&title, "public").await?.id) };
                channels.push(self.until_done("create channel", create).await);
            } else {
                channels.push(self.come_in(&title).await);
            }
        }
        let device = self.device(&channels);
        self.stages.set_up();
        self.stages.reached(Stage::Faults).await;
        tokio::join!(biased; self.talk(&device, &channels), self.act(&channels));
        self.does("waits for the end of faults");
        self.stages.reached(Stage::Final).await;
        if self.number == 0 {
            self.does("looks who is there");
            self.look_who_is_there().await;
            self.stages.all_seen();
            self.does("reads the whole of its channels");
            for channel in &channels {
                self.read_final(channel).await;
            }
            self.does("searches, reads its notifications and looks into the registry");
            tokio::join!(biased; self.search_all(), self.read_inbox(), self.look_into_registry());
        } else {
            self.does("reads its notifications");
            self.read_inbox().await;
        }
        self.does("looks at names and files");
        self.look_at_all().await;
        self.read_files().await;
        // Whoever looks for others must find this device.
        self.does("waits until others have looked");
        self.stages.looked_at().await;
        device.stop();
        self.stages.doing(self.env.host(), None);
    }

    fn does(&self, what: &'static str) {
        self.stages.doing(self.env.host(), Some(what));
    }

    /// Registers and signs in; tries until it works.
    pub(super) async fn sign_in(&self) {
        let name = self.env.host().to_owned();
        let handle = self.handle(&name);
        let (email, password) = (format!("{handle}@example.test"), "correct horse battery staple");
        self.until_done("register", || async {
            match self.api.register(&email, &handle, password).await {
                Err(ApiError::Problem(problem)) if problem.status == 409 => Ok(()),
                other => other.map(|_| ()),
            }
        })
        .await;
        self.until_done("login", || async { self.api.login(&email, password).await.map(|_| ()) }).await;
        let look =
            || async { self.api.call::<serde_json::Value>(Method::GET, "/api/v1/me", &serde_json::Value::Null).await };
        let me = self.until_done("look at themselves", look).await;
        let id = me["id"].as_str().unwrap_or_default().to_owned();
        self.meeting.ids.lock().unwrap_or_else(PoisonError::into_inner).insert(name, id);
    }

    /// The handle of somebody.
    pub(super) fn handle(&self, name: &str) -> String {
        format!("{name}{}", self.mark)
    }

    /// The word that every message has, and a search asks for.
    pub(super) fn word(&self) -> String {
        format!("message{}", self.mark)
    }

    /// Finds a channel and joins it.
    pub(super) async fn come_in(&self, title: &str) -> String {
        let id = self.until_done("find channel", || async { self.find_channel(title).await }).await;
        self.until_done("join", || async { self.api.join(&id).await.map(|_| ()) }).await;
        id
    }

    async fn find_channel(&self, title: &str) -> Result<String, ApiError> {
        let named = |page: &serde_json::Value| -> Vec<String> {
            let items = page["items"].as_array().into_iter().flatten();
            items.filter(|c| c["name"] == title).filter_map(|c| c["id"].as_str().map(str::to_owned)).collect()
        };
        let found = self.all("/api/v1/channels?", &named).await?.into_iter().next();
        found.ok_or_else(|| ApiError::Problem(archgen_env::http::Problem::not_found("channel")))
    }

    pub(super) async fn until_done<T, F, Fut>(&self, what: &str, attempt: F) -> T
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

    /// A device that follows these channels.
    pub(super) fn device(&self, channels: &[String]) -> Device {
        let observer = Arc::new(Watching { person: self.env.host().to_owned(), recorder: self.recorder.clone() });
        let mut realtime = self.realtime.clone();
        let turn = self.number as usize % realtime.len().max(1);
        realtime.rotate_left(turn);
        Device::start(&self.env, self.api.clone(), DeviceConfig { realtime, channels: channels.to_vec() }, observer)
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
            let mut body = format!("{} {number} by {}", self.word(), self.env.host());
            let mut mentions = Vec::new();
            if self.plan.people > 1 && entropy.below(100) < MENTIONS {
                let other =
                    (self.number + 1 + entropy.below(u64::from(self.plan.people) - 1) as u32) % self.plan.people;
                let other = format!("person-{}", other + 1);
                body = format!("{body} for @{}", self.handle(&other));
                mentions.push(other);
            }
            self.recorder.invoke(self.env.host(), channel, &client_msg_id, &body, &mentions);
            device.send(channel, &client_msg_id, &body);
            tokio::time::sleep(Duration::from_millis(entropy.below(2 * pause_ms.max(1)))).await;
        }
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
