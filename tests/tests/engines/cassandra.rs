//! Messages on Cassandra.

use std::sync::Arc;

use archgen_backends::{Backend, Engine, Target};
use archgen_env::Env;
use archgen_ports::{ChannelId, conformance, messages::Messages};

use crate::server::{endpoints, env, generated, namespace, open, target, topology};

fn spec(copies: usize, namespace: &str) -> String {
    format!(
        "archgen: v1
name: {namespace}
services: {{ messaging: {{ port: 9200, needs: [chat.messages] }} }}
stores:
  chat:
    kind: cassandra
    version: \"4.1\"
    nodes: {copies}
    replication: {{ datacenter1: {copies} }}
    tables:
      messages: {{ partition: [channel_id bigint, bucket int], cluster: [message_id bigint desc], columns: {{ body: text }}, bucket: auto(100MB), ttl: 90d }}
"
    )
}

/// A target in a keyspace of its own.
fn fresh(env: &Env, server: &str, copies: usize) -> Target {
    let namespace = namespace(env);
    let schema = generated(&topology(&spec(copies, &namespace)), "cassandra/chat/schema.cql");
    target(Engine::Cassandra, &endpoints(server), &namespace, schema)
}

fn messages(backend: &Arc<dyn Backend>) -> Arc<dyn Messages> {
    backend.ports().messages.expect("messages")
}

#[tokio::test]
async fn messages_keep_the_port_s_promises() {
    let env = env();
    let backend = open(&env, fresh(&env, "cassandra", 1));
    backend.prepare().await.expect("a schema");
    let port = messages(&backend);
    let channel = ChannelId::from("4711");
    conformance::messages(&*port, &channel, 5).await.expect("every promise");
}
