//! Configuration and start of the registry host.

use archgen_env::http::ServerLimits;
use sha2::{Digest, Sha256};

use super::{api, checks, relay, relay::Relay, state::State, wire::Node};
use crate::host::{HostContext, HostError, Peer};

/// What a registry server is told.
#[derive(Debug, Clone)]
pub struct Config {
    /// Consul datacenter it speaks for.
    pub datacenter: String,
    /// Whether writes need the fleet's key as `X-Consul-Token`. Reads are open, so that stock clients can discover.
    pub default_deny: bool,
    /// The other servers.
    pub others: Vec<Peer>,
}

/// Serves until the order to stop.
///
/// # Errors
/// [`HostError::Listen`].
pub async fn run(context: HostContext, config: Config) -> Result<(), HostError> {
    let env = context.env.clone();
    let node = Node {
        id: node_id(env.host()),
        name: env.host().to_owned(),
        address: context.address.host.clone(),
        datacenter: config.datacenter,
    };
    let (relay, queues) = Relay::new(&config.others);
    let write_key = config.default_deny.then(|| context.key.clone());
    let state = State::new(env.clone(), context.client.clone(), node, write_key, relay);
    env.spawn("check expiry", checks::expire(state.clone()));
    for (peer, words) in queues {
        let (client, key) = (context.client.clone(), context.key.clone());
        env.spawn("registry relay", relay::run(state.clone(), client, key, peer, words));
    }
    let routes = api::routes(state, &context.address);
    context.serve(routes, ServerLimits::default()).await
}

/// A stable id in the form of a UUID, since clients compare nodes by it.
fn node_id(host: &str) -> String {
    let digest = Sha256::digest(host.as_bytes());
    let hex: String = digest.iter().take(16).map(|b| format!("{b:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
