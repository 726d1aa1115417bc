//! Faults for a fleet of real processes: a layer around the net and the clock of an [`Env`](crate::Env) that obeys [`Orders`].
//!
//! Every connection of a fleet is opened by one of its hosts or by a person, so it is enough to stand at the end that opens it: what
//! goes out and what comes back is held, delayed, slowed or broken there. Nothing asks for rights that a user does not have. The
//! layer exists only in fleets that were brought up for it.

mod net;
mod orders;
mod stream;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use tokio::sync::watch;

pub use orders::{ClockFault, LinkFault, Orders};

use crate::{Parts, clock::WallClock, entropy::Entropy, net::Address};

/// Time between two looks at a file of orders.
const LOOK: Duration = Duration::from_millis(10);

/// Orders as they stand, told to everyone in this process who obeys them. Cloning shares them.
#[derive(Clone)]
pub struct Chaos {
    orders: Arc<watch::Sender<Orders>>,
    /// Hosts by the address where they listen.
    names: Arc<BTreeMap<Address, String>>,
}

impl Chaos {
    /// No fault yet, between the hosts at these addresses.
    pub fn between(addresses: &BTreeMap<String, Address>) -> Self {
        let names = addresses.iter().map(|(name, address)| (address.clone(), name.clone())).collect();
        Self { orders: Arc::new(watch::Sender::new(Orders::default())), names: Arc::new(names) }
    }

    /// Obeys these orders from now on.
    pub fn obey(&self, orders: Orders) {
        self.orders.send_if_modified(|before| {
            let changed = *before != orders;
            *before = orders;
            changed
        });
    }

    /// Obeys what this file says, for ever. Without the file there is no fault; what cannot be read changes nothing.
    pub async fn follow(&self, file: &Path) {
        loop {
            self.look(file);
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Obeys what this file says now.
    pub fn look(&self, file: &Path) {
        match Orders::read(file) {
            Ok(orders) => self.obey(orders),
            Err(error) => tracing::warn!(%error, "orders cannot be read"),
        }
    }

    /// Waits while the orders keep this host down.
    pub async fn until_up(&self, host: &str) {
        // The sender lives in `self`, so the wait ends only by an order.
        let _ = self.orders.subscribe().wait_for(|orders| !orders.down.contains(host)).await;
    }

    /// These parts of a host with the layer around them.
    pub fn around(&self, parts: Parts) -> Parts {
        let host: Arc<str> = parts.host.as_str().into();
        let entropy = Entropy::new(parts.entropy.stream("chaos"));
        let clock = FaultyClock { clock: parts.clock, chaos: self.clone(), host: host.clone() };
        let (inner, spawner) = (parts.net, parts.spawner.clone());
        let net = net::FaultyNet { inner, chaos: self.clone(), host, spawner, entropy };
        Parts { net: Arc::new(net), clock: Arc::new(clock), ..parts }
    }
}

struct FaultyClock {
    clock: Arc<dyn WallClock>,
    chaos: Chaos,
    host: Arc<str>,
}

impl WallClock for FaultyClock {
    fn wall_ms(&self) -> u64 {
        let right = self.clock.wall_ms();
        match self.chaos.orders.borrow().clocks.get(&*self.host) {
            Some(fault) => right.saturating_add_signed(fault.off_by(right)),
            None => right,
        }
    }
}
