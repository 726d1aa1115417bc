//! [`Placed`] on the wire: calls go to the owner of what they touch, and where that moves, after it.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use archgen_env::{
    Env, deadline,
    http::{Client, ClientError, Limits},
    net::Address,
};
use archgen_ports::{ServiceKey, StoreError};
use archgen_spec::sharding::slot_of;
use http::{HeaderMap, HeaderValue, Method};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::{
    answers::of_whole,
    reach::{Call, Partitions, Ports, Reach, Spot},
    wire::RETRY_PAUSE_MS,
};
use crate::{
    node::Known,
    placement::{MoveCall, Placement, VERSION_HEADER},
};

/// Deadline of a call, milliseconds.
const CALL_MS_MAX: u64 = 2_500;
/// Time between tries of a call whose units are being handed over.
const MOVING_WAIT: Duration = Duration::from_millis(5);

/// A store that keeps the only copy of its data on its nodes, and moves them between these.
pub type PlacedClient = Ports<Placed>;

/// The nodes of a store whose units move. Cloning shares the connections.
#[derive(Clone)]
pub struct Placed {
    client: Client,
    first: Address,
    units: u16,
    /// Where units are, as far as this client knows.
    placement: Arc<RwLock<Arc<Placement>>>,
    headers: HeaderMap,
    pub(super) call_ms_max: u64,
    retries: u32,
}

/// A call that did not come to an answer.
pub(super) enum Unanswered {
    /// Another node has the units: who says so, by a placement of this version.
    Moved(Address, u64),
    /// As the ports have it; whether nothing was sent at all.
    Failed(StoreError, bool),
}

impl Ports<Placed> {
    /// A client of the store that began with these nodes, ordinal order. `units` is what it places as a whole: the ownership shards
    /// of channels in a store of messages, slots elsewhere.
    pub fn new(env: &Env, founders: Vec<Address>, key: &ServiceKey, units: u16) -> Self {
        let limits = Limits { call_ms_max: CALL_MS_MAX, connect_ms_max: 1_000, ..Limits::default() };
        let mut headers = HeaderMap::new();
        if let Ok(mut value) = HeaderValue::from_str(key.expose()) {
            value.set_sensitive(true);
            headers.insert(ServiceKey::HEADER, value);
        }
        let first = founders.first().cloned().unwrap_or_else(|| Address::new("", 0));
        let placement = Arc::new(RwLock::new(Arc::new(Placement::founded(founders, units.max(1)))));
        let (client, units) = (Client::new(env, limits), units.max(1));
        let nodes = Placed { client, first, units, placement, headers, call_ms_max: CALL_MS_MAX, retries: 0 };
        Self(nodes, Partitions::default())
    }

    /// The same on the terms of the spec: after how long an answer is given up, and how often a call that may be repeated is tried
    /// again.
    pub fn on(self, timeout: Option<Duration>, retries: u32) -> Self {
        let call_ms_max = timeout.map_or(self.0.call_ms_max, |t| (t.as_millis() as u64).max(1));
        Self(Placed { call_ms_max, retries, ..self.0 }, self.1)
    }
}

impl Placed {
    fn learn(&self, found: Placement) {
        let mut known = self.placement.write().unwrap_or_else(PoisonError::into_inner);
        if found.version > known.version {
            *known = Arc::new(found);
        }
    }

    /// Where units are, as far as this client knows.
    pub(super) fn placement(&self) -> Arc<Placement> {
        self.placement.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The unit of a text: a channel, a key, an id.
    pub(super) fn unit_of(&self, text: &str) -> u16 {
        slot_of(text.as_bytes(), self.units)
    }

    /// One call to the owner of a unit, which may be moving.
    pub(super) async fn call_unit<C, T>(&self, unit: u16, call: &C) -> Result<T, StoreError>
    where
        C: Call,
        T: DeserializeOwned,
    {
        self.call_units(&[unit], call, 0).await?.ok_or_else(no_node)
    }

    /// The same to the one owner of all these units, who may hold it open for `wait_ms`; `None` where they have come to have several.
    pub(super) async fn call_units<C, T>(&self, units: &[u16], call: &C, wait_ms: u64) -> Result<Option<T>, StoreError>
    where
        C: Call,
        T: DeserializeOwned,
    {
        let mut patience = Patience::new(self.call_ms_max.saturating_add(wait_ms));
        loop {
            let placement = self.placement();
            let mut owners: Vec<u32> = units.iter().map(|unit| placement.owner(*unit)).collect();
            owners.sort_unstable();
            owners.dedup();
            let [owner] = owners.as_slice() else { return Ok(None) };
            let node = placement.nodes.get(*owner as usize).ok_or_else(no_node)?;
            match self.send(node, call, patience.left_ms(), None).await {
                Ok(answer) => return Ok(Some(answer)),
                Err(unanswered) => self.settle(&mut patience, unanswered).await?,
            }
        }
    }

    /// A call that changes nothing, to the owner of a unit: it is tried again as often as the terms allow.
    pub(super) async fn read_unit<C, T>(&self, unit: u16, call: &C) -> Result<T, StoreError>
    where
        C: Call,
        T: DeserializeOwned,
    {
        self.again(|| self.call_unit(unit, call)).await
    }

    /// A call that may be repeated: it is, while its answer is lost, as often as the terms allow and as long as the work that it belongs
    /// to has time.
    pub(super) async fn again<T, F>(&self, call: impl Fn() -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let mut left = self.retries;
        let mut pause = Duration::from_millis(RETRY_PAUSE_MS);
        loop {
            let answer = call().await;
            let lost = matches!(answer, Err(StoreError::Indeterminate(_)));
            if !lost || left == 0 || deadline::left().is_some_and(|left| left <= pause) {
                return answer;
            }
            left -= 1;
            sleep(pause).await;
            pause *= 2;
        }
    }

    /// Whether to ask again after a call without an answer: where units move, with the placement that is known by then. Nothing was
    /// done by what was refused so.
    pub(super) async fn settle(&self, patience: &mut Patience, unanswered: Unanswered) -> Result<(), StoreError> {
        match unanswered {
            Unanswered::Failed(error, unsent) => {
                // A node that is gone may have left for good: the first one knows.
                if !unsent || patience.asked_others || !self.ask_others().await {
                    return Err(error);
                }
                patience.asked_others = true;
            }
            Unanswered::Moved(node, version) => {
                // One that knows less is about to hear more, or the owner is.
                if version > self.placement().version {
                    let asked = self.send::<_, Placement>(&node, &MoveCall::Placement, patience.left_ms(), None);
                    if let Ok(found) = asked.await {
                        self.learn(found);
                    }
                }
                if Instant::now() + MOVING_WAIT >= patience.until {
                    return Err(moving());
                }
                sleep(MOVING_WAIT).await;
            }
        }
        Ok(())
    }

    /// Asks the first node for the placement; whether it knows a newer one.
    async fn ask_others(&self) -> bool {
        let known = self.placement().version;
        let found = self.send::<_, Placement>(&self.first, &MoveCall::Placement, self.call_ms_max / 4, None).await;
        if let Ok(found) = found {
            self.learn(found);
        }
        self.placement().version > known
    }

    /// One call to one address. `version` is said where the answers of all nodes are put together.
    pub(super) async fn send<C, T>(
        &self,
        address: &Address,
        call: &C,
        call_ms_max: u64,
        version: Option<u64>,
    ) -> Result<T, Unanswered>
    where
        C: Call,
        T: DeserializeOwned,
    {
        let client = self.client.with_deadline(call_ms_max);
        let path = format!("/store/{}", C::PORT);
        let mut headers = self.headers.clone();
        if let Some(version) = version.filter(|v| *v > 0) {
            headers.insert(VERSION_HEADER, HeaderValue::from(version));
        }
        let refused = |error: String, unsent| Unanswered::Failed(StoreError::Refused(error), unsent);
        let indeterminate = |error: String| Unanswered::Failed(StoreError::Indeterminate(error), false);
        let reply = client.json(Method::POST, address, &path, headers, call).await.map_err(|error| match &error {
            ClientError::Invalid(_) => refused(error.to_string(), false),
            // A connection that was never made carried nothing.
            ClientError::Unreachable(..) => refused(error.to_string(), true),
            _ => indeterminate(error.to_string()),
        })?;
        match reply.status.as_u16() {
            200 => reply.json().map_err(|error| indeterminate(error.to_string())),
            421 => match reply.json::<Known>() {
                Ok(known) => Err(Unanswered::Moved(address.clone(), known.version)),
                Err(error) => Err(refused(error.to_string(), false)),
            },
            status @ (400..=499 | 503) => {
                let body = String::from_utf8_lossy(&reply.body);
                Err(refused(format!("{address} answered {status}: {body}"), false))
            }
            status => Err(indeterminate(format!("{address} answered {status}"))),
        }
    }
}

impl Placed {
    fn unit_at(&self, spot: Spot<'_>) -> u16 {
        match spot {
            Spot::First => 0,
            Spot::Of(text) => self.unit_of(text),
        }
    }

    /// What all nodes of one placement say.
    async fn say_all<C: Call, T: DeserializeOwned + Send>(&self, call: &C) -> Result<Vec<T>, StoreError> {
        let mut patience = Patience::new(self.call_ms_max);
        loop {
            let placement = self.placement();
            let mut answers = Vec::with_capacity(placement.nodes.len());
            let mut unanswered = None;
            for node in &placement.nodes {
                match self.send(node, call, patience.left_ms(), Some(placement.version)).await {
                    Ok(answer) => answers.push(answer),
                    Err(why) => {
                        unanswered = Some(why);
                        break;
                    }
                }
            }
            let Some(why) = unanswered else { return Ok(answers) };
            self.settle(&mut patience, why).await?;
        }
    }
}

impl Reach for Placed {
    async fn write<C: Call, T: DeserializeOwned + Send>(&self, spot: Spot<'_>, call: &C) -> Result<T, StoreError> {
        self.call_unit(self.unit_at(spot), call).await
    }

    async fn look<C: Call, T: DeserializeOwned + Send>(&self, spot: Spot<'_>, call: &C) -> Result<T, StoreError> {
        self.read_unit(self.unit_at(spot), call).await
    }

    async fn wait<C: Call, T: DeserializeOwned + Send>(
        &self,
        spot: Spot<'_>,
        call: &C,
        wait_ms: u64,
    ) -> Result<T, StoreError> {
        self.call_units(&[self.unit_at(spot)], call, wait_ms).await?.ok_or_else(no_node)
    }

    async fn everywhere<C: Call, T: DeserializeOwned + Send>(
        &self,
        _any: bool,
        call: &C,
    ) -> Result<Vec<T>, StoreError> {
        self.again(|| self.say_all(call)).await
    }

    async fn divided<K: Clone + Send + Sync, C: Call>(
        &self,
        things: Vec<(String, K)>,
        make: impl Fn(Vec<K>) -> C + Send + Sync,
    ) -> Result<(), StoreError> {
        let placement = self.placement();
        let mut owners: BTreeMap<u32, BTreeMap<u16, Vec<K>>> = BTreeMap::new();
        for (text, thing) in things {
            let unit = self.unit_of(&text);
            owners.entry(placement.owner(unit)).or_default().entry(unit).or_default().push(thing);
        }
        let mut applied = false;
        for units in owners.into_values() {
            let numbers: Vec<u16> = units.keys().copied().collect();
            let all = make(units.values().flatten().cloned().collect());
            let done = self.call_units::<_, Value>(&numbers, &all, 0).await;
            if done.map_err(|error| of_whole(applied, error))?.is_some() {
                applied = true;
                continue;
            }
            // They have come to be on different nodes since they were put together.
            for (unit, things) in units {
                let done = self.call_unit::<_, Value>(unit, &make(things)).await;
                done.map_err(|error| of_whole(applied, error))?;
                applied = true;
            }
        }
        Ok(())
    }
}

/// How long a call waits for units that move.
pub(super) struct Patience {
    until: Instant,
    asked_others: bool,
}

impl Patience {
    pub(super) fn new(call_ms_max: u64) -> Self {
        Self { until: Instant::now() + deadline::at_most(Duration::from_millis(call_ms_max)), asked_others: false }
    }

    pub(super) fn left_ms(&self) -> u64 {
        (self.until.duration_since(Instant::now()).as_millis() as u64).max(1)
    }
}

/// What a call says whose units moved for as long as it could wait.
pub(super) fn moving() -> StoreError {
    StoreError::Refused("the data are being moved; try again".to_owned())
}

pub(super) fn no_node() -> StoreError {
    StoreError::Refused("the store has no node".to_owned())
}
