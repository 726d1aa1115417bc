//! What is said when a fleet is healthy: where it is, how to sign in, what to try.

use std::time::Duration;

use archgen_env::{os, task::Shutdown};

use super::demo;
use crate::state::{FleetFile, StateFolder, demo_password};

/// The text. It carries the demo password, so it is for a terminal, never for a log.
pub fn welcome(fleet: &FleetFile, state: &StateFolder, took: Duration) -> String {
    let mut text = format!("\nhealthy: {} hosts in {:.1} s\n\n", fleet.addresses.len(), took.as_secs_f64());
    let gateway = fleet.addresses.get("gateway-1");
    if let Some(address) = gateway {
        text.push_str(&format!("  open       http://{address}/\n"));
    }
    if fleet.demo && gateway.is_some() {
        let entropy = os::env("welcome", state.root(), Shutdown::default()).entropy("demo");
        if let Ok(password) = demo_password(state, &entropy) {
            for (index, person) in demo::PEOPLE.iter().enumerate() {
                let what = if index == 0 { "sign in" } else { "or" };
                text.push_str(&format!("  {what:<9}  {}  password {password}\n", person.email));
            }
        }
    }
    if fleet.demo {
        text.push_str("\n  next       sign in as both in two windows and talk in #general\n");
    } else {
        text.push_str("\n  next\n");
    }
    text.push_str("             archgen ps                     every host, its address and state\n");
    if let Some(victim) = fleet.addresses.keys().find(|h| h.starts_with("messaging")) {
        text.push_str(&format!("             archgen restart {victim:<14} while you talk: nothing is lost\n"));
    }
    text.push_str("             archgen logs -f                what they say\n");
    text.push_str("             archgen down                   stop; the data stay\n");
    text
}
