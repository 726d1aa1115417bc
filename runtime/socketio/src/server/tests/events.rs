//! Events and acknowledgements: their order, their binary parts, their namespaces.

use super::{super::AckError, *};

#[tokio::test(start_paused = true)]
async fn events_sent_at_once_are_all_handled_in_order() {
    let world = world(Config::default());
    let mut socket = bare(&world).await;
    let burst = std::iter::once("40".to_owned()).chain((0..500).map(|n| format!("42[\"e\",{n}]")));
    let (mut sink, mut stream) = {
        for frame in burst {
            socket.feed(Message::text(frame)).await.unwrap();
        }
        socket.split()
    };
    let read = async { while stream.next().await.is_some() {} };
    tokio::select! {
        biased;
        () = world.recorder.until("e 499") => {}
        _ = sink.flush() => world.recorder.until("e 499").await,
        () = read => panic!("closed early: {:?}", world.recorder.log()),
    }
    let expect: Vec<String> = std::iter::once("connect".to_owned()).chain((0..500).map(|n| format!("e {n}"))).collect();
    assert_eq!(world.recorder.log(), expect);
}

#[tokio::test(start_paused = true)]
async fn pipelined_events_begin_in_order_and_others_wait_for_their_end() {
    let world = world(Config::default());
    let (client, _events) = connect(&world, json!({})).await.unwrap();
    for n in 1..=600 {
        client.emit("piped", vec![json!(n)]).await.unwrap();
    }
    client.emit("other", vec![json!(0)]).await.unwrap();
    // As many as may be under way, and the next one only when one of them has ended.
    world.recorder.until("begin 512").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let began = |count: usize| (1..=count).map(|n| format!("begin {n}"));
    assert_eq!(world.recorder.log(), ["connect".to_owned()].into_iter().chain(began(512)).collect::<Vec<_>>());
    world.recorder.gate.add_permits(100);
    world.recorder.until("begin 600").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let log = world.recorder.log();
    assert_eq!(
        log.iter().filter(|line| line.starts_with("begin")).cloned().collect::<Vec<_>>(),
        began(600).collect::<Vec<_>>()
    );
    assert_eq!(log.iter().filter(|line| line.starts_with("piped")).count(), 100);
    assert!(!log.contains(&"other 0".to_owned()));
    // A client that is gone has still said what it said.
    drop(client);
    world.recorder.gate.add_permits(500);
    world.recorder.until("other 0").await;
    let log = world.recorder.log();
    assert_eq!(log.iter().filter(|line| line.starts_with("piped")).count(), 600);
}

#[tokio::test(start_paused = true)]
async fn binary_parts_go_both_ways_at_any_depth() {
    let world = world(Config::default());
    let event = r#"452-7["e",{"_placeholder":true,"num":1},{"deep":[{"_placeholder":true,"num":0}]}]"#;
    let (one, two) = (Message::binary(vec![1u8, 2, 3]), Message::binary(vec![0u8; 500]));
    let frames = [Message::text("40"), Message::text(event), one.clone(), two.clone()];
    let seen = converse(&world, &frames, 5).await;
    let ack = r#"462-7[{"_placeholder":true,"num":1},{"deep":[{"_placeholder":true,"num":0}]}]"#;
    assert_eq!(seen[2..], [Message::text(ack), one, two]);
    // The same by polling, with the parts in a payload of their own.
    let sid = open_polling(&world).await;
    assert_eq!(post(&world, &sid, &format!("40\u{1e}{event}\u{1e}bAQID")).await, StatusCode::OK);
    assert_eq!(post(&world, &sid, "b").await, StatusCode::OK);
    world.recorder.until(r#"e {"_placeholder":true,"num":1}"#).await;
    let mut polled = String::new();
    while !polled.ends_with("\u{1e}bAQID\u{1e}b") {
        polled = poll(&world, &sid).await.1;
    }
    assert!(polled.contains(ack), "{polled}");
}

#[tokio::test(start_paused = true)]
async fn namespaces_are_apart() {
    let world = world(Config::default());
    let mut socket = bare(&world).await;
    for frame in ["40", "40/custom,{\"n\":1}", "40/nowhere,", "42/custom,5[\"e\",1]", "41/custom,", "426[\"e\",2]"] {
        socket.send(Message::text(frame)).await.unwrap();
    }
    let mut seen = Vec::new();
    for _ in 0..7 {
        seen.push(text(&mut socket).await.unwrap());
    }
    assert!(seen[0].starts_with("40{\"sid\":") && seen[2].starts_with("40/custom,{\"sid\":"), "{seen:?}");
    assert_eq!([&*seen[1], &*seen[3]], ["42[\"early\",{}]", "42/custom,[\"early\",{\"n\":1}]"]);
    assert_eq!(seen[4..], ["44/nowhere,{\"message\":\"Invalid namespace\"}", "43/custom,5[1]", "436[2]"]);
    world.recorder.until("disconnectcustom: client namespace disconnect").await;
    // What belongs to a namespace that the client is not in breaks the protocol.
    socket.send(Message::text("42/custom,[\"e\",3]")).await.unwrap();
    assert_eq!(text(&mut socket).await, None);
    world.recorder.until("disconnect: parse error").await;
}

#[tokio::test(start_paused = true)]
async fn the_server_asks_and_the_client_acknowledges() {
    let world = world(Config::default());
    let mut socket = bare(&world).await;
    // The acknowledgement stands behind another event, which waits for the handler that waits for the acknowledgement.
    for frame in ["40", "42[\"ask-back\",1]", "42[\"e\",1]"] {
        socket.send(Message::text(frame)).await.unwrap();
    }
    while text(&mut socket).await.as_deref() != Some("420[\"question\",1]") {}
    socket.send(Message::text("430[\"yes\"]")).await.unwrap();
    world.recorder.until("e 1").await;
    assert_eq!(world.recorder.log()[1..], ["answer Ok([String(\"yes\")])", "e 1"]);
    // None, one that nobody asked for, and one that comes after the client has left.
    let seat = world.recorder.socket();
    assert_eq!(seat.emit_with_ack("q", json!(1), 100).await, Err(AckError::Timeout(100)));
    socket.send(Message::text("4399[]")).await.unwrap();
    let asked = seat.emit_with_ack("q", json!(1), 1_000);
    socket.send(Message::text("41")).await.unwrap();
    assert_eq!(asked.await, Err(AckError::Disconnected));
    assert_eq!(seat.emit_with_ack("q", json!(1), 1_000).await, Err(AckError::Disconnected));
}

#[tokio::test(start_paused = true)]
async fn bare_engine_io_echoes_text_and_bytes() {
    struct Echo;
    #[async_trait]
    impl super::super::Messages for Echo {
        async fn message(&self, connection: &super::super::Connection, message: crate::engine::Part) {
            connection.send(message);
        }
    }
    let mut world = world(Config::default());
    let config = Config { path: "/engine.io".to_owned(), ..Config::default() };
    world.server = Server::bare(&world.env, config, Arc::new(Echo));
    let (mut socket, _) =
        tokio_tungstenite::client_async("ws://n1/engine.io/?EIO=4&transport=websocket", dial(&world)).await.unwrap();
    let open = socket.next().await.unwrap().unwrap();
    assert!(open.to_text().unwrap().starts_with('0'));
    // Longer than the time that a Socket.IO client would have to join.
    tokio::time::sleep(Duration::from_secs(20)).await;
    for message in [Message::text("4hello"), Message::binary(vec![1u8, 2])] {
        socket.send(message.clone()).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), message);
    }
}
