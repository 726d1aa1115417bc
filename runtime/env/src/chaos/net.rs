//! Sockets whose connections meet the orders.

use std::{io, sync::Arc, time::Duration};

use async_trait::async_trait;

use super::{Chaos, stream};
use crate::{
    entropy::Entropy,
    net::{Address, BoxStream, Listener, Net},
    task::Spawner,
};

pub(super) struct FaultyNet {
    pub(super) inner: Arc<dyn Net>,
    pub(super) chaos: Chaos,
    pub(super) host: Arc<str>,
    pub(super) spawner: Arc<dyn Spawner>,
    pub(super) entropy: Entropy,
}

#[async_trait]
impl Net for FaultyNet {
    async fn listen(&self, address: &Address) -> io::Result<Box<dyn Listener>> {
        self.inner.listen(address).await
    }

    async fn connect(&self, address: &Address) -> io::Result<BoxStream> {
        // What is no host of the fleet is no part of its faults.
        let Some(peer) = self.chaos.names.get(address).cloned() else { return self.inner.connect(address).await };
        let mut orders = self.chaos.orders.subscribe();
        let (there, back) = {
            // A SYN, or the answer to it, is lost until the link is mended. The caller bounds the wait.
            let open = orders.wait_for(|o| o.passes(&self.host, &peer) && o.passes(&peer, &self.host)).await;
            let open = open.map_err(io::Error::other)?;
            (open.link(&self.host, &peer), open.link(&peer, &self.host))
        };
        if there.refused {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let extra_ms = there.extra_ms + back.extra_ms;
        if extra_ms > 0 {
            tokio::time::sleep(Duration::from_millis(extra_ms)).await;
        }
        let stream = self.inner.connect(address).await?;
        let ends = stream::Ends { near: self.host.clone(), far: peer.into() };
        let (near, carrying) = stream::between(stream, orders, ends, self.entropy.clone());
        self.spawner.spawn("link", Box::pin(carrying));
        Ok(Box::new(near))
    }
}
