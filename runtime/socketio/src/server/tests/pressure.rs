//! Readers that are slow, clients that are fast, and many at once.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::engine::RateLimit;

#[tokio::test(start_paused = true)]
async fn a_slow_reader_gets_a_prefix_then_the_reason() {
    let world = world(Config { send_queue_packets_max: 50, ..Config::default() });
    let mut socket = bare(&world).await;
    socket.send(Message::text("40")).await.unwrap();
    world.recorder.until("connect").await;
    let filler = "x".repeat(500);
    let mut accepted = 0;
    while world.recorder.socket().emit("n", json!([accepted, filler])) {
        accepted += 1;
        // The task gets its turn to write, as far as the reader lets it.
        tokio::task::yield_now().await;
        assert!(accepted < 10_000, "the queue has no end");
    }
    let mut seen = Vec::new();
    while let Some(frame) = text(&mut socket).await {
        seen.push(frame);
    }
    assert_eq!(seen.pop().as_deref(), Some(r#"42["kick",{"reason":"slow_consumer"}]"#));
    let numbers: Vec<u64> = seen[2..]
        .iter()
        .map(|frame| serde_json::from_str::<Value>(&frame[2..]).unwrap()[1][0].as_u64().unwrap())
        .collect();
    assert!(!numbers.is_empty() && numbers.len() <= accepted);
    assert_eq!(numbers, (0..numbers.len() as u64).collect::<Vec<_>>(), "a prefix without a gap");
    world.recorder.until("disconnect: slow_consumer").await;
    assert_eq!(world.server.sessions(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_reads_nothing_at_all_is_let_go_in_time() {
    let world = world(Config { send_queue_bytes_max: 10_000, ..Config::default() });
    let mut socket = bare(&world).await;
    socket.send(Message::text("40")).await.unwrap();
    world.recorder.until("connect").await;
    let before = tokio::time::Instant::now();
    while world.recorder.socket().emit("n", json!("x".repeat(1_000))) {
        tokio::task::yield_now().await;
    }
    world.recorder.until("disconnect: slow_consumer").await;
    assert!(before.elapsed() <= Duration::from_millis(1_100), "{:?}", before.elapsed());
    drop(socket);
}

#[tokio::test(start_paused = true)]
async fn a_busy_handler_holds_its_client_back_and_misses_no_pong() {
    let world = world(Config { receive_queue_packets_max: 8, ..Config::default() });
    let (client, _events) = connect(&world, json!({})).await.unwrap();
    client.emit("wait", vec![]).await.unwrap();
    let sender = client.clone();
    let sent = Arc::new(AtomicBool::new(false));
    let done = sent.clone();
    world.env.spawn("sender", async move {
        for n in 0..300 {
            sender.emit("e", vec![json!(n), json!("x".repeat(100))]).await.unwrap();
        }
        done.store(true, Ordering::SeqCst);
    });
    // Far longer than the heartbeat allows.
    tokio::time::sleep(Duration::from_secs(200)).await;
    assert!(!sent.load(Ordering::SeqCst), "the client was not held back");
    assert_eq!(world.recorder.log(), ["connect"]);
    world.recorder.gate.add_permits(1);
    world.recorder.until("e 299").await;
    let expect = ["connect".to_owned(), "wait null".to_owned()].into_iter().chain((0..300).map(|n| format!("e {n}")));
    assert_eq!(world.recorder.log(), expect.collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn who_sends_too_fast_is_read_later_and_loses_nothing() {
    let world = world(Config {
        messages: RateLimit { per_second_max: 100, burst_max: 50 },
        receive_queue_packets_max: 16,
        ..Config::default()
    });
    let (client, _events) = connect(&world, json!({})).await.unwrap();
    let before = tokio::time::Instant::now();
    for n in 0..1_000 {
        client.emit("n", vec![json!(1 + 3 * n)]).await.unwrap();
    }
    world.recorder.until("n 2998").await;
    let expect: Vec<String> = (0..1_000).map(|n| format!("n {}", 1 + 3 * n)).collect();
    assert_eq!(world.recorder.log()[1..], expect);
    assert!((9_000..11_000).contains(&before.elapsed().as_millis()), "{:?}", before.elapsed());
}

#[tokio::test(start_paused = true)]
async fn five_thousand_clients_that_speak_at_once_are_all_heard() {
    let world = world(Config { admission: RateLimit::NONE, ..Config::default() });
    let clients = (0..5_000).map(|number| {
        let world = &world;
        async move {
            let mut socket = bare(world).await;
            for frame in ["40".to_owned(), format!("42{number}[\"first\",{}]", 3 * number + 1)] {
                socket.feed(Message::text(frame)).await.unwrap();
            }
            socket.flush().await.unwrap();
            let acknowledged = format!("43{number}[{}]", 3 * number + 1);
            while text(&mut socket).await.expect("the first event was lost") != acknowledged {}
            socket
        }
    });
    let held = futures_util::future::join_all(clients).await;
    let handled = world.recorder.log().iter().filter(|line| line.starts_with("first ")).count();
    assert_eq!((held.len(), handled, world.server.sessions()), (5_000, 5_000, 5_000));
}

#[tokio::test(start_paused = true)]
async fn a_herd_is_let_in_at_the_nodes_pace() {
    let world = world(Config { admission: RateLimit { per_second_max: 10, burst_max: 3 }, ..Config::default() });
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(connect(&world, json!({})).await.unwrap());
    }
    assert_eq!(connect(&world, json!({})).await.unwrap_err(), ClientError::Status(503));
    tokio::time::sleep(Duration::from_millis(100)).await;
    held.push(connect(&world, json!({})).await.unwrap());
    assert_eq!(world.server.sessions(), 4);
}

#[tokio::test(start_paused = true)]
async fn volatile_events_go_first_when_a_reader_is_slow() {
    let world = world(Config { send_queue_packets_max: 8, ..Config::default() });
    let sid = open_polling(&world).await;
    assert_eq!(post(&world, &sid, "40").await, StatusCode::OK);
    world.recorder.until("connect").await;
    while world.recorder.socket().emit_volatile("typing", json!(0)) {}
    for n in 0..6 {
        assert!(world.recorder.socket().emit("n", json!(n)), "{n}");
    }
    let mut polled = String::new();
    while !polled.contains("[\"n\",5]") {
        polled.push_str(&poll(&world, &sid).await.1);
    }
    assert!(!polled.contains("typing"), "{polled}");
}
