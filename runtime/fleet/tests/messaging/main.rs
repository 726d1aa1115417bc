//! The messaging service's promises, held against real hosts that are killed, fenced and raced.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod features;
mod terms;
mod town;

use std::collections::{BTreeMap, BTreeSet};

use archgen_ports::{
    ChannelId,
    events::Events,
    messages::{Lease, Messages},
};
use archgen_spec::sharding::slot_of;
use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};
use town::{Town, until};

const BOTH: [&str; 2] = ["messaging-1", "messaging-2"];

/// Which of both each of the four shards belongs to while both live, by rendezvous weight.
const PREFERRED: [&str; 4] = [BOTH[0], BOTH[1], BOTH[0], BOTH[0]];

async fn lease_of(town: &Town, channel: &str) -> Lease {
    let shard = slot_of(channel.as_bytes(), 4);
    let chat = town.store("chat-1");
    until("somebody owns the channel", async || {
        chat.leases().await.ok()?.into_iter().find(|l| l.shard == shard && l.left_ms > 0)
    })
    .await
}

fn seqs(items: &[Value]) -> Vec<u64> {
    items.iter().map(|m| m["seq"].as_u64().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_once_in_order_while_owners_die_and_return() {
    let mut town = Town::start("1s").await;
    let ada = town.person("ada").await;
    let channel = town.channel(&ada, "public").await;
    let mut acked: BTreeMap<String, u64> = BTreeMap::new();
    for round in 0..3 {
        let owner = lease_of(&town, &channel).await.owner;
        for n in 0..40 {
            let id = format!("{round}-{n}");
            let through = BOTH[n % 2];
            // After the kill, whoever lives takes it.
            let through = if n >= 20 && through == owner { BOTH[(n + 1) % 2] } else { through };
            if n == 20 {
                // In mid-stream: some of these are lost with their host, and sent again.
                let lost = join_all((0..8).map(|k| {
                    let message = json!({"client_msg_id": format!("{round}-lost-{k}"), "body": "perhaps"});
                    let path = format!("/api/v1/channels/{channel}/messages");
                    let (town, owner, ada) = (&town, owner.clone(), ada.clone());
                    async move { town.call(&owner, Some(&ada), Method::POST, &path, &message).await.is_ok() }
                }));
                tokio::time::timeout(std::time::Duration::from_millis(1), lost).await.ok();
                town.kill(&owner);
            }
            let sent = town.send(through, &ada, &channel, &id).await;
            acked.insert(id, sent["seq"].as_u64().unwrap());
        }
        let other = if owner == BOTH[0] { BOTH[1] } else { BOTH[0] };
        for k in 0..8 {
            let id = format!("{round}-lost-{k}");
            let sent = town.send(other, &ada, &channel, &id).await;
            acked.insert(id, sent["seq"].as_u64().unwrap());
        }
        town.start_host(&owner);
        town.wait_ready(&owner).await;
        let preferred = PREFERRED[usize::from(slot_of(channel.as_bytes(), 4))];
        until("the shard is back where it belongs", async || {
            (lease_of(&town, &channel).await.owner == preferred).then_some(())
        })
        .await;
    }
    for (id, seq) in &acked {
        let again = town.send("messaging-2", &ada, &channel, id).await;
        assert_eq!((&again["seq"], &again["duplicate"]), (&json!(seq), &json!(true)), "{id}");
    }
    for host in BOTH {
        let history = town.history(host, &ada, &channel, 7).await;
        assert_eq!(seqs(&history), (1..=acked.len() as u64).collect::<Vec<_>>(), "dense, each once");
        for message in &history {
            let id = message["client_msg_id"].as_str().unwrap();
            assert_eq!(message["seq"], json!(acked[id]), "the place that was acknowledged");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_that_was_replaced_appends_nothing() {
    let town = Town::start("6s").await;
    let ada = town.person("ada").await;
    let channel = town.channel(&ada, "public").await;
    assert_eq!(town.send("messaging-1", &ada, &channel, "before").await["seq"], 1);
    let lease = lease_of(&town, &channel).await;
    let chat = town.store("chat-1");
    // Another takes the shard behind its owner's back, who believes in a lease of six seconds.
    chat.release(&lease.owner, &lease.incarnation, &[lease.shard]).await.unwrap();
    let taken = chat.lease("a-stranger", "one-life", &[lease.shard], 60_000).await.unwrap();
    assert_eq!((taken[0].owner.as_str(), taken[0].epoch), ("a-stranger", lease.epoch + 1));
    let path = format!("/api/v1/channels/{channel}/messages");
    let message = json!({"client_msg_id": "between", "body": "between"});
    for host in BOTH {
        let refused = town.call(host, Some(&ada), Method::POST, &path, &message).await.unwrap();
        assert_eq!(refused.status, 503, "to be tried again, not misdirected");
    }
    assert_eq!(town.history("messaging-2", &ada, &channel, 50).await.len(), 1);
    chat.release("a-stranger", "one-life", &[lease.shard]).await.unwrap();
    let sent = town.send("messaging-2", &ada, &channel, "between").await;
    assert_eq!((&sent["seq"], &sent["duplicate"]), (&json!(2), &json!(false)));
    assert!(sent["epoch"].as_u64().unwrap() > taken[0].epoch);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_not_published_is_published_by_the_next_life() {
    let mut town = Town::start("1s").await;
    let ada = town.person("ada").await;
    let channels = [town.channel(&ada, "public").await, town.channel(&ada, "private").await];
    town.kill("events-1");
    let mut expected = BTreeSet::new();
    for channel in &channels {
        for n in 0..30 {
            let sent = town.send(BOTH[n % 2], &ada, channel, &n.to_string()).await;
            expected.insert(format!("{channel}:{}", sent["seq"]));
        }
    }
    for host in BOTH {
        town.kill(host);
    }
    for host in ["events-1", BOTH[0], BOTH[1]] {
        town.start_host(host);
    }
    let events = town.store("events-1");
    until("every entry is an event", async || {
        let mut found = Vec::new();
        for partition in 0..4 {
            found.extend(events.fetch("message", partition, 0, 500, 0).await.ok()?);
        }
        let ids: BTreeSet<String> = found.iter().map(|r| r.event.event_id.clone()).collect();
        assert!(ids.is_subset(&expected), "only what was acknowledged");
        (ids == expected).then_some(())
    })
    .await;
    let chat = town.store("chat-1");
    until("the mark says so", async || {
        for channel in &channels {
            let shard = slot_of(channel.as_bytes(), 4);
            let waiting = chat.unpublished(shard, 10).await.ok()?;
            if waiting.iter().any(|u| u.channel == ChannelId::from(channel.as_str())) {
                return None;
            }
        }
        Some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_people_meet_in_one_place() {
    let town = Town::start("2s").await;
    let (ada, bob, eve) = (town.person("ada").await, town.person("bob").await, town.person("eve").await);
    let opened =
        join_all(
            (0..8).map(|n| {
                let (me, them) = if n % 2 == 0 { (&ada, &bob) } else { (&bob, &ada) };
                let town = &town;
                async move {
                    town.ask(BOTH[n / 2 % 2], Some(me), Method::POST, "/api/v1/dms", json!({"users": [them]})).await
                }
            }),
        )
        .await;
    let ids: BTreeSet<String> = opened.iter().map(|(_, dm)| dm["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids.len(), 1, "{opened:?}");
    let dm = ids.first().unwrap();
    let group = json!({"users": [bob, eve]});
    let (_, group) = town.ask("messaging-1", Some(&ada), Method::POST, "/api/v1/dms", group).await;
    assert_ne!(group["id"], json!(dm));
    // Its people are fixed: nobody comes, nobody leaves, so it stays theirs.
    for (method, member) in [(Method::PUT, &eve), (Method::DELETE, &ada), (Method::DELETE, &bob)] {
        let path = format!("/api/v1/channels/{dm}/members/{member}");
        assert_eq!(town.ask("messaging-2", Some(&ada), method, &path, Value::Null).await.0, 403);
    }
    let nobody = json!({"users": ["0198c0de-0000-7000-8000-000000000000"]});
    assert_eq!(town.ask("messaging-1", Some(&ada), Method::POST, "/api/v1/dms", nobody).await.0, 404);
    town.send("messaging-1", &ada, dm, "hello").await;
    assert_eq!(town.history("messaging-2", &bob, dm, 5).await.len(), 1);
    let path = format!("/api/v1/channels/{dm}/messages");
    assert_eq!(town.ask("messaging-1", Some(&eve), Method::GET, &path, Value::Null).await.0, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_removed_is_out_at_once_and_it_is_told_once() {
    let town = Town::start("2s").await;
    let (ada, bob) = (town.person("ada").await, town.person("bob").await);
    let channel = town.channel(&ada, "private").await;
    let member = format!("/api/v1/channels/{channel}/members/{bob}");
    for round in 1..=2 {
        // Everyone at once, through every host: one comes once and goes once.
        for (method, done) in [(Method::PUT, 200), (Method::DELETE, 204)] {
            let calls = (0..6).map(|n| town.ask(BOTH[n % 2], Some(&ada), method.clone(), &member, Value::Null));
            let statuses: BTreeSet<u16> = join_all(calls).await.into_iter().map(|(status, _)| status).collect();
            assert_eq!(statuses, BTreeSet::from([done]));
            if method == Method::PUT {
                let sent = town.send("messaging-2", &bob, &channel, &format!("in-{round}")).await;
                let path = format!("/api/v1/messages/{}", sent["id"].as_str().unwrap());
                assert_eq!(town.ask("messaging-1", Some(&bob), Method::GET, &path, Value::Null).await.0, 200);
            }
        }
        let first = town.history("messaging-1", &ada, &channel, 1).await.remove(0);
        let message = format!("/api/v1/messages/{}", first["id"].as_str().unwrap());
        let messages = format!("/api/v1/channels/{channel}/messages");
        let new = json!({"body": "still here?"});
        for host in BOTH {
            for (method, path, body) in [
                (Method::GET, &messages, &Value::Null),
                (Method::POST, &messages, &new),
                (Method::GET, &message, &Value::Null),
                (Method::PATCH, &message, &new),
                (Method::DELETE, &message, &Value::Null),
            ] {
                assert_eq!(town.ask(host, Some(&bob), method, path, body.clone()).await.0, 404, "{path}");
            }
            let access = json!({"user": bob, "channel": channel});
            let (_, access) = town.ask(host, None, Method::POST, "/internal/access", access).await;
            assert_eq!(access["member"], false);
            let (_, own) =
                town.ask(host, None, Method::GET, &format!("/internal/users/{bob}/channels"), json!({})).await;
            assert_eq!(own["items"], json!([]));
        }
        let log = town.log(&channel).await;
        for kind in ["membership.added", "membership.removed"] {
            let told: Vec<_> = log.iter().filter(|e| e["type"] == kind).collect();
            assert_eq!(told.len(), round, "{kind}");
            assert!(told.iter().all(|e| e["data"]["user"] == json!(bob)));
        }
        assert_eq!(log.last().unwrap()["type"], "membership.removed", "nothing of theirs comes after");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_that_races_a_deletion_does_not_bring_the_message_back() {
    let town = Town::start("2s").await;
    let ada = town.person("ada").await;
    let channel = town.channel(&ada, "public").await;
    for n in 0..5 {
        let sent = town.send("messaging-1", &ada, &channel, &n.to_string()).await;
        let path = format!("/api/v1/messages/{}", sent["id"].as_str().unwrap());
        let changes = (0..12).map(|k| {
            let (method, body) = match k {
                6 => (Method::DELETE, Value::Null),
                _ => (Method::PATCH, json!({"body": format!("version {k}")})),
            };
            town.ask(BOTH[k % 2], Some(&ada), method, &path, body)
        });
        for (status, answer) in join_all(changes).await {
            assert!([200, 204, 404].contains(&status), "{status}: {answer}");
        }
        let (_, gone) = town.ask("messaging-2", Some(&ada), Method::GET, &path, Value::Null).await;
        assert_eq!((&gone["deleted"], &gone["body"]), (&json!(true), &Value::Null));
        let log = town.log(&channel).await;
        assert_eq!(log.last().unwrap()["type"], "message.deleted", "no edit comes after it");
        // Tried again, it is still done.
        assert_eq!(town.ask("messaging-1", Some(&ada), Method::DELETE, &path, Value::Null).await.0, 204);
        assert_eq!(town.log(&channel).await.len(), log.len());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn history_pages_hold_what_stands_now() {
    let town = Town::start("2s").await;
    let (ada, bob) = (town.person("ada").await, town.person("bob").await);
    let channel = town.channel(&ada, "public").await;
    let join = format!("/api/v1/channels/{channel}/join");
    assert_eq!(town.ask("messaging-2", Some(&bob), Method::POST, &join, json!({})).await.0, 200);
    for n in 0..9 {
        let sent = town.send(BOTH[n % 2], &ada, &channel, &n.to_string()).await;
        let path = format!("/api/v1/messages/{}", sent["id"].as_str().unwrap());
        if n % 3 == 0 {
            let edit = json!({"body": "better, @bob"});
            let (status, edited) = town.ask("messaging-1", Some(&ada), Method::PATCH, &path, edit.clone()).await;
            assert_eq!((status, &edited["edited"], &edited["mentions"]), (200, &json!(true), &json!([bob])));
            assert_eq!(town.ask("messaging-1", Some(&bob), Method::PATCH, &path, edit).await.0, 403);
        }
        if n == 4 {
            assert_eq!(town.ask("messaging-2", Some(&ada), Method::DELETE, &path, Value::Null).await.0, 204);
        }
    }
    let forward = town.history("messaging-2", &bob, &channel, 4).await;
    assert_eq!(forward.len(), 9);
    assert_eq!(forward[3]["body"], "better, @bob");
    assert_eq!((&forward[4]["body"], &forward[4]["deleted"]), (&Value::Null, &json!(true)));
    assert_eq!(forward[5]["body"], "body of 5");
    let path = |more: &str| format!("/api/v1/channels/{channel}/messages?limit=4{more}");
    let (mut backward, mut more) = (Vec::new(), String::new());
    loop {
        let (_, page) = town.ask("messaging-1", Some(&bob), Method::GET, &path(&more), Value::Null).await;
        backward.splice(0..0, page["items"].as_array().unwrap().iter().cloned());
        match page["next"].as_u64() {
            Some(next) => more = format!("&before_seq={next}"),
            None => break,
        }
    }
    assert_eq!(backward, forward);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_makes_no_sense_is_refused_and_large_messages_are_not_stuck() {
    let town = Town::start("2s").await;
    let ada = town.person("ada").await;
    let channel = town.channel(&ada, "public").await;
    let messages = format!("/api/v1/channels/{channel}/messages");
    for (path, body, status) in [
        ("/api/v1/channels/%00/messages", json!({"body": "x"}), 404),
        (messages.as_str(), json!({"body": " "}), 422),
        (messages.as_str(), json!({"body": "x".repeat(40_001)}), 422),
        (messages.as_str(), json!({"body": "x", "client_msg_id": ""}), 422),
        (messages.as_str(), json!({"body": "x", "thread": "12345"}), 404),
        (messages.as_str(), json!({"body": "x", "files": ["a b"]}), 422),
        (messages.as_str(), json!({"nobody": "x"}), 422),
        (messages.as_str(), json!({"body": "x".repeat(300_000)}), 413),
        ("/api/v1/dms", json!({"users": []}), 422),
        ("/api/v1/channels", json!({"name": "", "kind": "public"}), 422),
    ] {
        let (found, problem) = town.ask("messaging-1", Some(&ada), Method::POST, path, body).await;
        let invalid = status == 422 && (found == 400 || found == 422);
        assert!(found == status || invalid, "{path}: {found}, not {status}: {problem}");
    }
    // The worst that is allowed: each byte becomes six on the wire. All at once, then read whole.
    let worst = "\u{1}".repeat(40_000);
    let sent = join_all((0..150).map(|n| {
        let message = json!({"client_msg_id": n.to_string(), "body": worst});
        town.ask(BOTH[n % 2], Some(&ada), Method::POST, &messages, message)
    }))
    .await;
    assert!(sent.iter().all(|(status, _)| *status == 201));
    let history = town.history("messaging-1", &ada, &channel, 200).await;
    assert_eq!(seqs(&history), (1..=150).collect::<Vec<_>>());
    let chat = town.store("chat-1");
    until("all of it is published", async || {
        let waiting = chat.unpublished(slot_of(channel.as_bytes(), 4), 10).await.ok()?;
        waiting.is_empty().then_some(())
    })
    .await;
}
