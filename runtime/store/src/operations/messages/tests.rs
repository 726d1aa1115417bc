//! What the conformance suite cannot see: that nothing piles up in the engine.

use archgen_env::{os, task::Shutdown};
use archgen_ports::{
    ChannelId,
    messages::{Append, Counts, NewEntry},
};
use serde_json::json;

use super::{MessagesCall, decide};
use crate::{
    engine::{self, Engine, EngineKind, View},
    operations::keys::Key,
};

fn send(engine: &dyn Engine, n: u64, now_ms: u64) {
    let entry = NewEntry {
        id: n.to_string().into(),
        kind: "message.created".to_owned(),
        author: "ada".into(),
        ts: now_ms,
        client_msg_id: Some(format!("client id {n}")),
        data: json!({}),
        adds: Counts::default(),
        index: None,
        revises: None,
    };
    let channel = ChannelId::from("1");
    let append = Append { shard: 0, epoch: 1, channel, head: n, dedup_ms: 1_000, entries: vec![entry] };
    let mut view = View::new(engine);
    decide(&mut view, MessagesCall::Append(append), now_ms).unwrap();
    engine.commit(view.into_writes(), false).unwrap();
}

fn count(engine: &dyn Engine, key: Key) -> usize {
    let (from, to) = key.below();
    engine.scan(&from, &to, usize::MAX, false).unwrap().len()
}

#[test]
fn dedup_keys_go_when_their_time_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let env = os::env("test", folder.path(), Shutdown::default());
    let engine = engine::open(&env, EngineKind::Log).unwrap();
    for n in 0..50 {
        send(&*engine, n, 10_000 + n);
    }
    let seen = || count(&*engine, Key::new("messages").text("seen").unwrap());
    let ends = || count(&*engine, Key::new("messages-expiry"));
    assert_eq!((seen(), ends()), (50, 50));
    send(&*engine, 50, 11_024);
    assert_eq!((seen(), ends()), (26, 26), "those that ended before 11,024 are gone");
    send(&*engine, 51, 20_000);
    assert_eq!((seen(), ends()), (1, 1));
}
