//! A namespace whose promise outlives connections: what the client puts has one effect, in order, however often it is tried; what
//! the server has for the client comes again from the place that the client names.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use archgen_socketio::{Arguments, ConnectError, Handler, Namespace, Socket};
use async_trait::async_trait;
use serde_json::{Value, json};

const ITEMS: u64 = 10_000;
const ITEMS_PER_EVENT: u64 = 100;
const TAKEN_MS_MAX: u64 = 1_000;

/// What was put, by who put it.
static RECEIVED: Mutex<BTreeMap<String, Vec<u64>>> = Mutex::new(BTreeMap::new());

struct Ledger;

pub fn namespace() -> Namespace {
    Namespace::named("/ledger", Arc::new(Ledger))
}

/// What this one put, in order.
pub fn received(who: &str) -> Vec<u64> {
    RECEIVED.lock().unwrap_or_else(PoisonError::into_inner).get(who).cloned().unwrap_or_default()
}

#[async_trait]
impl Handler for Ledger {
    async fn connect(&self, socket: &Socket, auth: Value) -> Result<(), ConnectError> {
        let (socket, mut seen) = (socket.clone(), auth["seen"].as_u64().unwrap_or(0));
        tokio::runtime::Handle::current().spawn(async move {
            while seen < ITEMS {
                let items: Vec<u64> = (seen..ITEMS.min(seen + ITEMS_PER_EVENT)).collect();
                match socket.emit_with_ack("items", json!(items), TAKEN_MS_MAX).await {
                    Ok(taken) => seen = taken.first().as_u64().unwrap_or(seen),
                    Err(_) => return,
                }
            }
        });
        Ok(())
    }

    async fn event(&self, _: &Socket, _: &str, arguments: Arguments) -> Option<Arguments> {
        let who = arguments.values.get(1).and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut all = RECEIVED.lock().unwrap_or_else(PoisonError::into_inner);
        let received = all.entry(who).or_default();
        for item in arguments.first().as_array().into_iter().flatten().filter_map(Value::as_u64) {
            match item.cmp(&(received.len() as u64)) {
                // It was put before, and only its acknowledgement was lost.
                std::cmp::Ordering::Less => {}
                _ => received.push(item),
            }
        }
        Some(Arguments::new())
    }

    async fn disconnect(&self, _: &Socket, _: &str) {}
}
