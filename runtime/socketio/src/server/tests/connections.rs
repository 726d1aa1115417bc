//! How connections begin, go on and end.

use super::*;
use crate::client::Event;

#[tokio::test(start_paused = true)]
async fn what_is_sent_while_deciding_follows_the_grant_and_dies_with_a_refusal() {
    let world = world(Config::default());
    let mut socket = bare(&world).await;
    socket.send(Message::text("40{\"token\":\"bad\"}")).await.unwrap();
    let refusal = r#"44{"message":"bad token","data":{"code":"expired"}}"#;
    assert_eq!(text(&mut socket).await.as_deref(), Some(refusal));
    socket.send(Message::text("40{\"token\":\"good\"}")).await.unwrap();
    assert!(text(&mut socket).await.unwrap().starts_with("40{\"sid\":\"n1."));
    assert_eq!(text(&mut socket).await.as_deref(), Some(r#"42["early",{"token":"good"}]"#));
    let refused = connect(&world, json!({"token": "bad"})).await.unwrap_err();
    let data = Some(json!({"code": "expired"}));
    assert_eq!(refused, ClientError::Refused { message: "bad token".to_owned(), data });
}

#[tokio::test(start_paused = true)]
async fn acknowledgements_and_the_end_of_a_connection() {
    let world = world(Config::default());
    let (client, mut events) = connect(&world, json!({})).await.unwrap();
    assert!(client.socket_id().starts_with("n1."));
    assert_eq!(client.emit_with_ack("e", vec![json!(1), json!("é")], 1_000).await, Ok(vec![json!(1), json!("é")]));
    let early = Event::Message { name: "early".to_owned(), arguments: vec![json!({})] };
    assert_eq!(events.next().await, Some(early));
    // Long enough for many heartbeats.
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert_eq!(client.emit_with_ack("e", vec![json!(2)], 1_000).await, Ok(vec![json!(2)]));
    client.disconnect().await;
    assert_eq!(events.next().await, Some(Event::Disconnected { reason: "io client disconnect".to_owned() }));
    assert_eq!(events.next().await, None);
    world.recorder.until("disconnect: client namespace disconnect").await;
    assert_eq!(client.emit("e", vec![json!(3)]).await, Err(ClientError::Disconnected));
    let socket = world.recorder.socket();
    assert!(!socket.emit("late", Value::Null), "a socket that is gone sends nothing");
}

#[tokio::test(start_paused = true)]
async fn the_last_event_arrives_before_the_close() {
    let world = world(Config::default());
    for (leave, reason) in [(true, "io server disconnect"), (false, "transport close")] {
        let (_client, mut events) = connect(&world, json!({})).await.unwrap();
        world.recorder.socket().emit("n", json!(1));
        if leave {
            world.recorder.socket().disconnect("revoked");
        } else {
            world.recorder.socket().close_transport("revoked");
        }
        assert!(!world.recorder.socket().emit("n", json!(2)), "nothing follows the farewell");
        let mut seen = Vec::new();
        while let Some(event) = events.next().await {
            seen.push(match event {
                Event::Message { name, arguments } => format!("{name} {}", arguments[0]),
                Event::Disconnected { reason } => reason,
            });
        }
        assert_eq!(seen, ["early {}", "n 1", r#"kick {"reason":"revoked"}"#, reason]);
        world.recorder.until("disconnect: revoked").await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_lost_its_rights_sees_nothing_more() {
    let world = world(Config::default());
    let (_client, mut events) = connect(&world, json!({})).await.unwrap();
    world.recorder.socket().emit("secret", json!(1));
    world.recorder.socket().revoke("revoked");
    let mut seen = Vec::new();
    while let Some(event) = events.next().await {
        seen.push(match event {
            Event::Message { name, .. } => name,
            Event::Disconnected { reason } => reason,
        });
    }
    assert_eq!(seen, ["early", "kick", "io server disconnect"]);
}

#[tokio::test(start_paused = true)]
async fn silent_clients_are_let_go() {
    let world = world(Config::default());
    let before = tokio::time::Instant::now();
    let mut socket = bare(&world).await;
    while text(&mut socket).await.is_some() {}
    assert_eq!(before.elapsed().as_secs(), 10, "no connection to the namespace");
    let before = tokio::time::Instant::now();
    let mut socket = bare(&world).await;
    socket.send(Message::text("40")).await.unwrap();
    world.recorder.until("disconnect: ping timeout").await;
    assert_eq!(before.elapsed().as_secs(), 45, "no pong");
    drop(socket);
    assert_eq!(world.server.sessions(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_its_poll_has_left() {
    let world = world(Config::default());
    let sid = open_polling(&world).await;
    assert_eq!(post(&world, &sid, "40").await, StatusCode::OK);
    world.recorder.until("connect").await;
    assert!(poll(&world, &sid).await.1.starts_with("40{"));
    tokio::select! {
        biased;
        answered = poll(&world, &sid) => panic!("nothing to say, but {answered:?}"),
        () = tokio::time::sleep(Duration::from_millis(10)) => {}
    }
    world.recorder.until("disconnect: transport close").await;
    assert_eq!(poll(&world, &sid).await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test(start_paused = true)]
async fn a_handlers_panic_ends_its_session_alone() {
    let world = world(Config::default());
    let (_other, _events) = connect(&world, json!({})).await.unwrap();
    let (client, mut events) = connect(&world, json!({})).await.unwrap();
    assert_eq!(client.emit_with_ack("panic", vec![], 1_000).await, Err(ClientError::Disconnected));
    while events.next().await.is_some() {}
    assert_eq!(world.server.sessions(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_tells_all_and_takes_none() {
    let world = world(Config::default());
    let (_client, mut events) = connect(&world, json!({})).await.unwrap();
    let sid = open_polling(&world).await;
    let (polled, ()) = tokio::join!(poll(&world, &sid), async {
        tokio::time::sleep(Duration::from_millis(5)).await;
        world.server.shutdown("shutdown").await;
    });
    assert_eq!(polled, (StatusCode::OK, "1".to_owned()));
    assert_eq!(world.server.sessions(), 0);
    let mut seen = Vec::new();
    while let Some(event) = events.next().await {
        seen.push(event);
    }
    assert!(
        matches!(&seen[1], Event::Message { name, arguments } if name == "drain" && arguments[0]["after_ms"].as_u64().unwrap() < 2_000)
    );
    assert!(
        matches!(&seen[2], Event::Message { name, arguments } if name == "kick" && arguments[0]["reason"] == "shutdown")
    );
    assert_eq!(seen[3], Event::Disconnected { reason: "transport close".to_owned() });
    assert_eq!(connect(&world, json!({})).await.unwrap_err(), ClientError::Status(503));
}

#[tokio::test(start_paused = true)]
async fn a_client_misses_the_servers_pings() {
    let (near, far) = tokio::io::duplex(4_096);
    let silent = async {
        let mut socket = tokio_tungstenite::accept_async(far).await.unwrap();
        let open = r#"0{"sid":"s","upgrades":[],"pingInterval":300,"pingTimeout":200,"maxPayload":1000}"#;
        socket.send(Message::text(open)).await.unwrap();
        socket.send(Message::text(r#"40{"sid":"id"}"#)).await.unwrap();
        let mut stream = socket.into_inner();
        // Reads what comes and says nothing.
        let mut sink = Vec::new();
        let _ = stream.read_to_end(&mut sink).await;
    };
    let env = os::env("c1", Path::new("."), Shutdown::default());
    env.spawn("silent-server", silent);
    let (_client, mut events) = Client::connect(&env, near, Options::new("n1", Value::Null)).await.unwrap();
    let before = tokio::time::Instant::now();
    assert_eq!(events.next().await, Some(Event::Disconnected { reason: "ping timeout".to_owned() }));
    assert_eq!(before.elapsed().as_millis(), 500);
}

#[tokio::test(start_paused = true)]
async fn middleware_is_asked_in_order_until_one_refuses() {
    let world = world(Config::default());
    let seen = converse(&world, &[Message::text("40/guarded,{\"list\":\"a\"}")], 1).await;
    assert_eq!(seen, [Message::text("44/guarded,{\"message\":\"not on b\"}")]);
    let seen = converse(&world, &[Message::text("40/guarded,{\"list\":\"c\"}")], 1).await;
    assert_eq!(seen, [Message::text("44/guarded,{\"message\":\"not on a\"}")]);
    assert_eq!(world.recorder.log(), ["asked a", "asked b", "asked a"]);
}
