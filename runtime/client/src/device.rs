//! [`Device`]: one connection to the realtime layer at a time, an offline queue, and the repair of what was missed.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use archgen_env::{
    Env,
    entropy::Entropy,
    net::Address,
    sabotage::{Bug, is_planted},
    task::Task,
};
use archgen_socketio::client::{Client, ClientError, Event, Events, Options};
use serde_json::{Value, json};
use tokio::sync::{Notify, watch};

use crate::{
    api::Api,
    cursor::{Cursor, Step},
};

/// Wait for the acknowledgement of a send, milliseconds.
const ACK_MS_MAX: u64 = 3_000;
/// Wait for a connection, milliseconds.
const CONNECT_MS_MAX: u64 = 3_000;
/// Least and most wait before the next connection, milliseconds; doubled at each failure, with full jitter.
const RECONNECT_MS: (u64, u64) = (100, 2_000);
/// Least and most wait before a send is tried again, milliseconds.
const RESEND_MS: (u64, u64) = (50, 1_000);
/// Messages that wait to be sent.
const QUEUE_MESSAGES_MAX: usize = 10_000;
/// Time between looks at one channel's head on a quiet connection, so that the last message of a burst is not missed for long.
const RESUBSCRIBE_MS: u64 = 5_000;

/// Told of everything that happens on a device.
pub trait Observer: Send + Sync + 'static {
    /// A send is tried (again).
    fn tried(&self, client_msg_id: &str);
    /// A send was acknowledged.
    fn acked(&self, client_msg_id: &str, seq: u64, id: &str);
    /// A send was refused for good.
    fn refused(&self, client_msg_id: &str, reason: &str);
    /// A message was shown, live or by catching up.
    fn shown(&self, channel: &str, seq: u64, id: &str);
    /// A channel is not followed any more: the user is no member.
    fn left(&self, _channel: &str) {}
}

/// What a device connects to and follows.
#[derive(Debug, Clone)]
pub struct DeviceConfig {
    /// Realtime hosts, the preferred one first; the next is tried when one fails.
    pub realtime: Vec<Address>,
    /// Channels that it follows.
    pub channels: Vec<String>,
}

struct Outgoing {
    channel: String,
    client_msg_id: String,
    body: String,
}

/// A person's device. It works in the background until [`Device::stop`].
pub struct Device {
    queue: Arc<Mutex<VecDeque<Outgoing>>>,
    queued: Arc<Notify>,
    online: watch::Sender<bool>,
    task: Task,
}

impl Device {
    /// Starts a device for a signed-in user.
    pub fn start(env: &Env, api: Api, config: DeviceConfig, observer: Arc<dyn Observer>) -> Self {
        let queue = Arc::new(Mutex::new(VecDeque::new()));
        let queued = Arc::new(Notify::new());
        let (online, wanted) = watch::channel(true);
        let running = Running {
            wanted,
            env: env.clone(),
            api,
            cursors: config.channels.iter().map(|c| (c.clone(), Cursor::default())).collect(),
            config,
            observer,
            queue: queue.clone(),
            queued: queued.clone(),
            jitter: env.entropy("device"),
        };
        Self { queue, queued, online, task: env.spawn("device", running.run()) }
    }

    /// Queues a message; it is sent when there is a connection, and tried with the same id until there is an answer.
    pub fn send(&self, channel: &str, client_msg_id: &str, body: &str) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.len() < QUEUE_MESSAGES_MAX {
            queue.push_back(Outgoing {
                channel: channel.to_owned(),
                client_msg_id: client_msg_id.to_owned(),
                body: body.to_owned(),
            });
        }
        drop(queue);
        self.queued.notify_one();
    }

    /// Messages without an answer yet.
    pub fn outstanding(&self) -> usize {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Cuts the connection and stays away; what is sent meanwhile waits.
    pub fn offline(&self) {
        self.online.send_replace(false);
    }

    /// Comes back.
    pub fn online(&self) {
        self.online.send_replace(true);
    }

    /// Stops at once; what is queued is forgotten.
    pub fn stop(&self) {
        self.task.abort();
    }
}

struct Running {
    wanted: watch::Receiver<bool>,
    env: Env,
    api: Api,
    config: DeviceConfig,
    cursors: BTreeMap<String, Cursor>,
    observer: Arc<dyn Observer>,
    queue: Arc<Mutex<VecDeque<Outgoing>>>,
    queued: Arc<Notify>,
    jitter: Entropy,
}

impl Running {
    async fn run(mut self) {
        let mut failures = 0u32;
        for turn in 0.. {
            if self.wanted.wait_for(|wanted| *wanted).await.is_err() {
                return;
            }
            let address = self.config.realtime[turn % self.config.realtime.len()].clone();
            match self.connect(&address).await {
                Ok((client, events)) => {
                    failures = 0;
                    let reason = self.converse(&client, events).await;
                    tracing::debug!(%address, %reason, "disconnected");
                    client.disconnect().await;
                }
                Err(error) => {
                    tracing::debug!(%address, %error, "connection failed");
                    failures = failures.saturating_add(1);
                }
            }
            self.pause(RECONNECT_MS, failures).await;
        }
    }

    /// Exponential backoff with full jitter (Brooker 2015, "Exponential Backoff And Jitter").
    async fn pause(&self, (least_ms, most_ms): (u64, u64), failures: u32) {
        let ceiling = most_ms.min(least_ms << failures.min(10));
        tokio::time::sleep(Duration::from_millis(least_ms / 2 + self.jitter.below(ceiling + 1))).await;
    }

    async fn connect(&self, address: &Address) -> Result<(Client, Events), ClientError> {
        let wait = Duration::from_millis(CONNECT_MS_MAX);
        let stream = tokio::time::timeout(wait, self.env.net().connect(address))
            .await
            .map_err(|_| ClientError::Timeout(CONNECT_MS_MAX))?
            .map_err(|e| ClientError::Lost(e.to_string()))?;
        let auth = json!({"token": self.api.access_token(), "device": self.env.host()});
        let mut options = Options::new(address.to_string(), auth);
        options.connect_ms_max = CONNECT_MS_MAX;
        Client::connect(&self.env, stream, options).await
    }

    /// Follows, sends and repairs until the connection fails; returns why it did.
    async fn converse(&mut self, client: &Client, mut events: Events) -> String {
        for channel in self.config.channels.clone() {
            if let Err(error) = self.subscribe(client, &channel).await {
                return error.to_string();
            }
        }
        let mut wanted = self.wanted.clone();
        let mut look = tokio::time::interval(Duration::from_millis(RESUBSCRIBE_MS));
        look.tick().await;
        let mut failures = 0;
        loop {
            if failures == 0 && self.front().is_some() {
                match self.send_front(client).await {
                    Ok(true) => continue,
                    Ok(false) => failures = 1,
                    Err(error) => return error.to_string(),
                }
            }
            let resend = Duration::from_millis(RESEND_MS.0 + self.jitter.below(RESEND_MS.1));
            tokio::select! {
                biased;
                () = cut_off(&mut wanted) => return "offline".to_owned(),
                event = events.next() => match event {
                    Some(Event::Message { name, arguments }) => {
                        if let Err(error) = self.event(client, &name, arguments.first().unwrap_or(&Value::Null)).await {
                            return error.to_string();
                        }
                    }
                    Some(Event::Disconnected { reason }) => return reason,
                    None => return "closed".to_owned(),
                },
                () = self.queued.notified(), if failures == 0 => {}
                () = tokio::time::sleep(resend), if failures > 0 => failures = 0,
                _ = look.tick() => {
                    for channel in self.config.channels.clone() {
                        if let Err(error) = self.subscribe(client, &channel).await {
                            return error.to_string();
                        }
                    }
                }
            }
        }
    }

    fn front(&self) -> Option<(String, String, String)> {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.front().map(|m| (m.channel.clone(), m.client_msg_id.clone(), m.body.clone()))
    }

    fn pop(&self) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    }

    /// Tries the first queued message once; `false` when it must be tried again later.
    async fn send_front(&self, client: &Client) -> Result<bool, ClientError> {
        let Some((channel, client_msg_id, body)) = self.front() else { return Ok(true) };
        self.observer.tried(&client_msg_id);
        let message = json!({"ch": channel, "client_msg_id": client_msg_id, "body": body});
        let answer = client.emit_with_ack("msg:send", vec![message], ACK_MS_MAX).await?;
        let answer = answer.first().cloned().unwrap_or_default();
        if answer["ok"] == true
            && let (Some(seq), Some(id)) = (answer["seq"].as_u64(), answer["id"].as_str())
        {
            self.observer.acked(&client_msg_id, seq, id);
            self.pop();
            return Ok(true);
        }
        let error = &answer["error"];
        if error["retry_after_ms"].is_u64() {
            if is_planted(Bug::NoResend) {
                self.pop();
            }
            return Ok(false);
        }
        self.observer.refused(&client_msg_id, error["code"].as_str().unwrap_or("no reason"));
        self.pop();
        Ok(true)
    }

    /// Asks for everything after the cursor and shows it; also how a gap is repaired.
    async fn subscribe(&mut self, client: &Client, channel: &str) -> Result<(), ClientError> {
        loop {
            let cursor = self.cursors.get(channel).copied().unwrap_or_default();
            let request = json!({"ch": channel, "epoch": cursor.epoch, "seq": cursor.seq});
            let answer = client.emit_with_ack("sub", vec![request], ACK_MS_MAX).await?;
            let answer = answer.first().cloned().unwrap_or_default();
            if answer["ok"] != true && answer["error"]["retry_after_ms"].is_u64() {
                return Err(ClientError::Protocol(format!("sub was answered {}", answer["error"])));
            }
            if answer["ok"] != true {
                // No such channel for this user, or not any more.
                self.leave(channel);
                return Ok(());
            }
            if is_planted(Bug::ForgetPlace)
                && let (Some(epoch), Some(seq)) = (answer["head"]["epoch"].as_u64(), answer["head"]["seq"].as_u64())
            {
                self.cursors.insert(channel.to_owned(), Cursor { epoch, seq });
                return Ok(());
            }
            let missed = answer["missed"].as_array().cloned().unwrap_or_default();
            let before = cursor.seq;
            for event in &missed {
                self.take(event);
            }
            let after = self.cursors.get(channel).map_or(0, |c| c.seq);
            if answer["head"]["seq"].as_u64().is_none_or(|head| head <= after) || after == before {
                return Ok(());
            }
        }
    }

    fn leave(&mut self, channel: &str) {
        self.cursors.remove(channel);
        self.config.channels.retain(|c| c != channel);
        self.observer.left(channel);
    }

    async fn event(&mut self, client: &Client, name: &str, event: &Value) -> Result<(), ClientError> {
        // Whatever has a place in a log is an entry, known by name or not.
        let in_log = event["epoch"].is_u64() && event["seq"].is_u64();
        let channel = event["ch"].as_str().unwrap_or_default().to_owned();
        if name == "chan:left" {
            self.leave(&channel);
        }
        if name == "gap" || (in_log && self.take(event) == Step::Fetch) {
            return self.subscribe(client, &channel).await;
        }
        if name == "kick" || name == "drain" {
            return Err(ClientError::Lost(format!("the server said {name}: {}", event["reason"])));
        }
        Ok(())
    }

    /// Takes a log event and shows it if it is a message that is next.
    fn take(&mut self, event: &Value) -> Step {
        let (Some(channel), Some(epoch), Some(seq)) =
            (event["ch"].as_str(), event["epoch"].as_u64(), event["seq"].as_u64())
        else {
            return Step::Ignore;
        };
        let Some(cursor) = self.cursors.get_mut(channel) else { return Step::Ignore };
        let step = cursor.take(epoch, seq);
        if step == Step::Show && event["type"] == "message.created" {
            self.observer.shown(channel, seq, event["id"].as_str().unwrap_or_default());
        }
        step
    }
}

/// Returns when the device is to be offline, or is no more.
async fn cut_off(wanted: &mut watch::Receiver<bool>) {
    let _ = wanted.wait_for(|wanted| !wanted).await;
}
