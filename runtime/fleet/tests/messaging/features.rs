//! What people can do, through every host, and that counts are what a recount gives.

use std::collections::{BTreeMap, BTreeSet};

use archgen_ports::{events::Events, messages::Messages};
use archgen_spec::sharding::slot_of;
use http::Method;
use serde_json::{Value, json};

use crate::{
    BOTH,
    town::{Town, until},
};

fn path(message: &Value, more: &str) -> String {
    format!("/api/v1/messages/{}{more}", message["id"].as_str().unwrap())
}

async fn get(town: &Town, user: &str, path: &str) -> Value {
    let (status, found) = town.ask("messaging-1", Some(user), Method::GET, path, Value::Null).await;
    assert_eq!(status, 200, "{path}: {found}");
    found
}

async fn say(town: &Town, host: &str, user: &str, channel: &str, message: Value) -> Value {
    let path = format!("/api/v1/channels/{channel}/messages");
    let (status, sent) = town.ask(host, Some(user), Method::POST, &path, message).await;
    assert_eq!(status, 201, "{sent}");
    sent
}

async fn join(town: &Town, user: &str, channel: &str) {
    let path = format!("/api/v1/channels/{channel}/join");
    assert_eq!(town.ask("messaging-2", Some(user), Method::POST, &path, json!({})).await.0, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threads_reactions_pins_and_versions() {
    let town = Town::start("2s").await;
    let (ada, bob) = (town.person("ada").await, town.person("bob").await);
    let channel = town.channel(&ada, "public").await;
    join(&town, &bob, &channel).await;
    let root = say(&town, "messaging-1", &ada, &channel, json!({"body": "who comes?"})).await;
    let mut replies = Vec::new();
    for n in 0..5 {
        let reply = json!({"body": format!("reply {n}"), "thread": root["id"], "also_to_channel": n == 4});
        replies.push(say(&town, BOTH[n % 2], [&ada, &bob][n % 2], &channel, reply).await);
    }
    let page = get(&town, &bob, &path(&root, "/thread?limit=3")).await;
    let rest = get(&town, &bob, &path(&root, &format!("/thread?after_seq={}", page["next"]))).await;
    let seqs =
        |page: &Value| -> Vec<Value> { page["items"].as_array().unwrap().iter().map(|m| m["seq"].clone()).collect() };
    let found: Vec<Value> = [seqs(&page), seqs(&rest)].concat();
    assert_eq!(found, replies.iter().map(|r| r["seq"].clone()).collect::<Vec<_>>());
    assert_eq!(page["root"]["replies"]["count"], 5);
    for (n, user) in [&ada, &bob, &bob].into_iter().enumerate() {
        let react = path(&root, "/reactions/%F0%9F%8E%89");
        assert_eq!(town.ask(BOTH[n % 2], Some(user), Method::PUT, &react, Value::Null).await.0, 200);
    }
    assert_eq!(town.ask("messaging-1", Some(&bob), Method::PUT, &path(&root, "/pin"), Value::Null).await.0, 200);
    let shown = get(&town, &ada, &path(&root, "")).await;
    assert_eq!(shown["reactions"], json!({"🎉": [ada, bob]}));
    assert_eq!((&shown["pinned"]["by"], &shown["edited"]), (&json!(bob), &json!(false)));
    let pins = get(&town, &ada, &format!("/api/v1/channels/{channel}/pins")).await;
    assert_eq!(seqs(&pins), [root["seq"].clone()]);
    let edited = json!({"body": "who comes today?"});
    assert_eq!(town.ask("messaging-2", Some(&ada), Method::PATCH, &path(&root, ""), edited).await.0, 200);
    let versions = get(&town, &bob, &path(&root, "/history")).await;
    let texts: Vec<&Value> = versions["items"].as_array().unwrap().iter().map(|v| &v["body"]).collect();
    assert_eq!(texts, ["who comes?", "who comes today?"]);
    let around = format!("/api/v1/channels/{channel}/messages?around={}&limit=4", replies[1]["seq"]);
    let around = get(&town, &bob, &around).await;
    let places: Vec<Value> = [&replies[0], &replies[1], &replies[2], &replies[3]].map(|r| r["seq"].clone()).to_vec();
    assert_eq!(seqs(&around), places);
    // Every change is in the log, once.
    let log = town.log(&channel).await;
    let kinds = |kind: &str| log.iter().filter(|e| e["type"] == kind).count();
    let counts = ["message.created", "reaction.set", "pin.set", "message.edited"].map(kinds);
    assert_eq!(counts, [6, 2, 1, 1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_deleted_or_replaced_is_nowhere() {
    let town = Town::start("2s").await;
    let ada = town.person("ada").await;
    let channel = town.channel(&ada, "private").await;
    let kept = say(&town, "messaging-1", &ada, &channel, json!({"body": "words that stay"})).await;
    let gone = say(&town, "messaging-2", &ada, &channel, json!({"body": "a secret"})).await;
    for body in ["another secret", "the last secret"] {
        let edit = json!({"body": body});
        assert_eq!(town.ask("messaging-1", Some(&ada), Method::PATCH, &path(&gone, ""), edit).await.0, 200);
    }
    let log = town.log(&channel).await;
    let edits: Vec<&Value> = log.iter().filter(|e| e["type"] == "message.edited").collect();
    assert!(edits.iter().all(|e| e["data"]["body"] == "the last secret"), "an edit tells what stands: {edits:?}");
    assert_eq!(town.ask("messaging-2", Some(&ada), Method::DELETE, &path(&gone, ""), Value::Null).await.0, 204);
    for host in BOTH {
        let ask = json!({"channel": channel, "after_seq": 0});
        let (_, log) = town.ask(host, None, Method::POST, "/internal/log", ask).await;
        let text = log.to_string();
        assert!(text.contains("words that stay") && !text.contains("secret"), "{text}");
    }
    let events = town.store("events-1");
    let partition = slot_of(channel.as_bytes(), 4);
    until("all of it was published", async || {
        let found = events.fetch("message", partition, 0, 500, 0).await.ok()?;
        let text = serde_json::to_string(&found).unwrap();
        assert!(!text.contains("secret") && !text.contains("stay"), "the topic carries no text: {text}");
        found.iter().any(|r| r.event.kind == "message.deleted").then_some(())
    })
    .await;
    assert_eq!(get(&town, &ada, &path(&gone, "/history")).await["items"], json!([]));
    assert_eq!(get(&town, &ada, &path(&kept, "")).await["body"], "words that stay");
}

/// What the log says is unread after a place.
fn recount(log: &[Value], user: &str, after: u64) -> (u64, u64) {
    let later = log.iter().filter(|e| e["seq"].as_u64().unwrap() > after && e["type"] == "message.created");
    let (mut unread, mut mentions) = (0, 0);
    for event in later {
        let data = &event["data"];
        let in_channel = data["thread"].is_null() || data["also_to_channel"] == true;
        unread += u64::from(in_channel);
        let named = data["mentions"].as_array().is_some_and(|all| all.contains(&json!(user)));
        mentions += u64::from(named || !data["everyone"].is_null());
    }
    (unread, mentions)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_unread_is_always_what_a_recount_gives() {
    let mut town = Town::start("1s").await;
    let people = [town.person("ada").await, town.person("bob").await, town.person("eve").await];
    let channel = town.channel(&people[0], "public").await;
    for user in &people[1..] {
        join(&town, user, &channel).await;
    }
    let group = json!({"members": [people[1], people[2]]});
    let groups = "/api/v1/channels/groups/crew";
    assert_eq!(town.ask("messaging-1", Some(&people[0]), Method::PUT, groups, group).await.0, 200);
    let mut dice = 7u64;
    let mut roll = |sides: u64| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (dice >> 33) % sides
    };
    let bodies = ["plain", "@bob look", "@eve and @ada", "@channel now", "@here too, @bob", "@crew: go", "@nobody"];
    let mut roots: Vec<Value> = Vec::new();
    for turn in 0..90 {
        let (user, host) = (&people[roll(3) as usize], BOTH[roll(2) as usize]);
        if turn == 45 {
            // The relay of a new life goes on where the old one was.
            town.kill("messaging-1");
            town.start_host("messaging-1");
        }
        match roll(4) {
            0 => {
                let (read, device) = (json!({"seq": roll(60)}), json!({"seq": roll(60), "device": "phone"}));
                let mark = if roll(2) == 0 { read } else { device };
                let path = format!("/api/v1/channels/{channel}/read");
                assert_eq!(town.ask(host, Some(user), Method::POST, &path, mark).await.0, 200);
            }
            what => {
                let mut message = json!({"body": bodies[roll(7) as usize], "client_msg_id": turn.to_string()});
                if what == 1 && !roots.is_empty() {
                    message["thread"] = roots[roll(roots.len() as u64) as usize]["id"].clone();
                    message["also_to_channel"] = json!(roll(2) == 0);
                    say(&town, host, user, &channel, message).await;
                } else {
                    roots.push(say(&town, host, user, &channel, message).await);
                }
            }
        }
        if turn % 6 != 0 {
            continue;
        }
        let log = town.log(&channel).await;
        for user in &people {
            for query in ["", "?device=phone"] {
                let unread = get(&town, user, &format!("/api/v1/me/unread{query}")).await;
                let item = &unread["items"][0];
                let (counted, mentioned) = recount(&log, user, item["last_read_seq"].as_u64().unwrap());
                let found = (&item["unread"], &item["mentions"]);
                if query.is_empty() {
                    assert_eq!(found, (&json!(counted), &json!(mentioned)), "turn {turn}: {item}");
                } else {
                    assert_eq!(found.0, &json!(counted), "turn {turn}, on the phone: {item}");
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scheduled_message_is_sent_once_whatever_dies() {
    let mut town = Town::start("1s").await;
    let ada = town.person("ada").await;
    let channel = town.channel(&ada, "public").await;
    let later = format!("/api/v1/channels/{channel}/scheduled");
    let schedule = |n: usize| json!({"at": 1_000 + n, "body": format!("later {n}")});
    let mut ids = BTreeSet::new();
    for n in 0..12 {
        let (status, made) = town.ask(BOTH[n % 2], Some(&ada), Method::POST, &later, schedule(n)).await;
        assert_eq!(status, 201, "{made}");
        ids.insert(made["id"].as_str().unwrap().to_owned());
    }
    let far = json!({"at": 9_999_999_999_000u64, "body": "never"});
    assert_eq!(town.ask("messaging-1", Some(&ada), Method::POST, &later, far).await.0, 400, "too far ahead");
    let chat = town.store("chat-1");
    for _ in 0..3 {
        until("some of them are sent", async || {
            (!town.history("messaging-2", &ada, &channel, 50).await.is_empty()).then_some(())
        })
        .await;
        let leases = until("somebody does it", async || chat.leases().await.ok()).await;
        let owner = leases.iter().find(|l| l.shard == 0).unwrap().owner.clone();
        town.kill(&owner);
        town.start_host(&owner);
        town.wait_ready(&owner).await;
    }
    until("nothing is scheduled any more", async || {
        let left = get(&town, &ada, "/api/v1/messages/scheduled").await;
        left["items"].as_array().unwrap().is_empty().then_some(())
    })
    .await;
    let sent = town.history("messaging-1", &ada, &channel, 50).await;
    let found: BTreeSet<String> = sent.iter().map(|m| m["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!((sent.len(), found), (12, ids), "each once, under the id that was promised");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roles_settings_and_what_they_allow() {
    let town = Town::start("2s").await;
    let (ada, bob, eve) = (town.person("ada").await, town.person("bob").await, town.person("eve").await);
    let channel = town.channel(&ada, "private").await;
    let member = |who: &str| format!("/api/v1/channels/{channel}/members/{who}");
    let (own, messages) = (format!("/api/v1/channels/{channel}"), format!("/api/v1/channels/{channel}/messages"));
    let message = |n: &str| json!({"body": "hello", "client_msg_id": n});
    let (put, patch, post) = (Method::PUT, Method::PATCH, Method::POST);
    let steps: Vec<(&str, &str, Method, String, Value, u16)> = vec![
        ("ada adds", &ada, put.clone(), member(&bob), Value::Null, 200),
        ("bob adds", &bob, put.clone(), member(&eve), Value::Null, 200),
        ("bob gives no role", &bob, put.clone(), member(&eve), json!({"role": "admin"}), 403),
        ("ada does", &ada, put.clone(), member(&bob), json!({"role": "admin"}), 200),
        ("nobody knows that role", &ada, put.clone(), member(&bob), json!({"role": "king"}), 400),
        ("eve may set the topic", &eve, patch.clone(), own.clone(), json!({"topic": "tea"}), 200),
        ("but no more", &eve, patch.clone(), own.clone(), json!({"name": "mine"}), 403),
        ("an admin may", &bob, patch.clone(), own.clone(), json!({"posting": "admins"}), 200),
        ("then members only read", &eve, post.clone(), messages.clone(), message("1"), 403),
        ("everyone again", &bob, patch.clone(), own.clone(), json!({"posting": "everyone", "slow_mode_s": 3600}), 200),
        ("the first message", &eve, post.clone(), messages.clone(), message("2"), 201),
        ("the second is too soon", &eve, post.clone(), messages.clone(), message("3"), 429),
        ("a retry is not", &eve, post.clone(), messages.clone(), message("2"), 201),
        ("nor is another's", &bob, post.clone(), messages.clone(), message("4"), 201),
        ("archived", &bob, patch.clone(), own.clone(), json!({"archived": true, "slow_mode_s": 0}), 200),
        ("is read only", &ada, post.clone(), messages.clone(), message("5"), 403),
        ("for settings too", &ada, patch.clone(), own.clone(), json!({"name": "new"}), 403),
        ("until it is opened", &bob, patch.clone(), own.clone(), json!({"archived": false}), 200),
        ("and goes on", &eve, post, messages, message("6"), 201),
        ("an admin removes members", &bob, Method::DELETE, member(&eve), Value::Null, 204),
        ("not the owner", &bob, Method::DELETE, member(&ada), Value::Null, 403),
        ("no such setting", &ada, patch, own.clone(), json!({"colour": "red"}), 400),
    ];
    for (n, (what, user, method, path, body, expected)) in steps.into_iter().enumerate() {
        let (status, answer) = town.ask(BOTH[n % 2], Some(user), method, &path, body).await;
        let invalid = expected == 400 && status == 422;
        assert!(status == expected || invalid, "{what}: {status}, not {expected}: {answer}");
    }
    let shown = get(&town, &bob, &own).await;
    assert_eq!((&shown["topic"], &shown["slow_mode_s"], &shown["archived"]), (&json!("tea"), &json!(0), &json!(false)));
    let log = town.log(&channel).await;
    let mut told: BTreeMap<String, usize> = BTreeMap::new();
    for event in &log {
        *told.entry(event["type"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    let expected = [
        ("channel.updated", 5),
        ("membership.added", 2),
        ("membership.changed", 1),
        ("membership.removed", 1),
        ("message.created", 3),
    ];
    assert_eq!(told, expected.into_iter().map(|(kind, n)| (kind.to_owned(), n)).collect());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drafts_and_bookmarks_are_ones_own() {
    let town = Town::start("2s").await;
    let (ada, bob) = (town.person("ada").await, town.person("bob").await);
    let channel = town.channel(&ada, "private").await;
    let sent = say(&town, "messaging-1", &ada, &channel, json!({"body": "hello"})).await;
    let draft = format!("/api/v1/channels/{channel}/draft");
    let put = async |user: &str, path: &str, body: Value| {
        town.ask("messaging-2", Some(user), Method::PUT, path, body).await.0
    };
    assert_eq!(put(&ada, &draft, json!({"body": "not yet"})).await, 200);
    assert_eq!(put(&ada, &draft, json!({"body": "not quite yet"})).await, 200);
    assert_eq!(put(&bob, &draft, json!({"body": "x"})).await, 404);
    assert_eq!(put(&ada, &path(&sent, "/bookmark"), Value::Null).await, 204);
    assert_eq!(put(&bob, &path(&sent, "/bookmark"), Value::Null).await, 404);
    let drafts = get(&town, &ada, "/api/v1/messages/drafts").await;
    assert_eq!((drafts["items"].as_array().unwrap().len(), &drafts["items"][0]["body"]), (1, &json!("not quite yet")));
    assert_eq!(get(&town, &ada, "/api/v1/messages/bookmarks").await["items"][0]["id"], sent["id"]);
    for list in ["drafts", "bookmarks"] {
        assert_eq!(get(&town, &bob, &format!("/api/v1/messages/{list}")).await["items"], json!([]));
    }
    assert_eq!(put(&ada, &draft, json!({"body": ""})).await, 200);
    assert_eq!(get(&town, &ada, "/api/v1/messages/drafts").await["items"], json!([]));
    let forget = path(&sent, "/bookmark");
    assert_eq!(town.ask("messaging-1", Some(&ada), Method::DELETE, &forget, Value::Null).await.0, 204);
    assert_eq!(get(&town, &ada, "/api/v1/messages/bookmarks").await["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_keyword_counts_as_a_mention_and_stays_ones_own_affair() {
    let town = Town::start("2s").await;
    let (ada, bob) = (town.person("ada").await, town.person("bob").await);
    let channel = town.channel(&ada, "public").await;
    let other = town.channel(&ada, "public").await;
    join(&town, &bob, &channel).await;
    let keywords = "/api/v1/messages/keywords";
    let put =
        async |words: Value| town.ask("messaging-2", Some(&bob), Method::PUT, keywords, json!({"words": words})).await;
    assert_eq!(put(json!(["two words"])).await.0, 400);
    assert_eq!(put(json!(["Deploy", "outage"])).await.1, json!({"words": ["deploy", "outage"]}));
    assert_eq!(get(&town, &ada, keywords).await, json!({"words": []}));
    for (channel, body) in
        [(&channel, "deploy later?"), (&channel, "DEPLOY!"), (&channel, "redeployed"), (&other, "deploy")]
    {
        say(&town, "messaging-1", &ada, channel, json!({"body": body})).await;
    }
    say(&town, "messaging-1", &ada, &channel, json!({"body": "deploy, @bob"})).await;
    say(&town, "messaging-1", &bob, &channel, json!({"body": "my own deploy"})).await;
    let mentions = async |user: &str| get(&town, user, "/api/v1/me/unread").await["items"][0]["mentions"].clone();
    assert_eq!(mentions(&bob).await, 3, "counted before the relay has noted them");
    let events = town.store("events-1");
    let partition = slot_of(channel.as_bytes(), 4);
    let named: Vec<Value> = until("all of it was published", async || {
        let found = events.fetch("message", partition, 0, 500, 0).await.ok()?;
        let created = found.iter().filter(|r| r.event.kind == "message.created" && r.event.key == channel);
        let named: Vec<Value> = created.map(|r| r.event.data["keywords"].clone()).collect();
        (named.len() == 5).then_some(named)
    })
    .await;
    let nobody = Value::Null;
    assert_eq!(named, [json!([bob]), json!([bob]), nobody.clone(), nobody.clone(), nobody]);
    assert_eq!(mentions(&bob).await, 3, "and after");
    assert!(!town.log(&channel).await.iter().any(|event| event.to_string().contains("keywords")));
    let (_, none) = put(json!([])).await;
    assert_eq!(none, json!({"words": []}));
}
