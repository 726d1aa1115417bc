//! What is refused, with a reason, and harms nobody else.

use tokio::io::AsyncWriteExt;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::{super::Origins, *};

#[tokio::test(start_paused = true)]
async fn frames_that_are_none_are_told_why() {
    let world = world(Config::default());
    // Unmasked; a reserved opcode; a control frame in parts; a length beyond every bound; text that is not UTF-8.
    let frames: [(&[u8], CloseCode); 5] = [
        (&[0x81, 0x01, b'4'], CloseCode::Protocol),
        (&[0x83, 0x80, 0, 0, 0, 0], CloseCode::Protocol),
        (&[0x09, 0x80, 0, 0, 0, 0], CloseCode::Protocol),
        (&[0x81, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0], CloseCode::Size),
        (&[0x81, 0x81, 0, 0, 0, 0, 0xff], CloseCode::Invalid),
    ];
    for (frame, code) in frames {
        let mut stream = bare(&world).await.into_inner();
        stream.write_all(frame).await.unwrap();
        let mut seen = Vec::new();
        stream.read_to_end(&mut seen).await.unwrap();
        assert_eq!(seen[0], 0x88, "{frame:x?}: no close frame");
        assert_eq!(CloseCode::from(u16::from_be_bytes([seen[2], seen[3]])), code, "{frame:x?}");
    }
    let (client, _events) = connect(&world, json!({})).await.unwrap();
    assert_eq!(client.emit_with_ack("e", vec![json!(1)], 1_000).await, Ok(vec![json!(1)]));
}

#[tokio::test(start_paused = true)]
async fn too_much_at_once_is_refused_on_both_transports() {
    let world = world(Config { max_payload_bytes: 1_000, ..Config::default() });
    let mut socket = bare(&world).await;
    socket.send(Message::text("40")).await.unwrap();
    world.recorder.until("connect").await;
    let large = format!("42[\"e\",\"{}\"]", "x".repeat(2_000));
    socket.send(Message::text(large.clone())).await.unwrap();
    let code = loop {
        match socket.next().await {
            Some(Ok(Message::Close(frame))) => break frame.map(|frame| frame.code),
            Some(Ok(_)) => {}
            other => panic!("closed without a code: {other:?}"),
        }
    };
    assert_eq!(code, Some(CloseCode::Size));
    world.recorder.until("disconnect: payload too large").await;
    let sid = open_polling(&world).await;
    assert_eq!(post(&world, &sid, &large).await, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(poll(&world, &sid).await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test(start_paused = true)]
async fn garbage_closes_the_session_and_nothing_else() {
    let world = world(Config::default());
    for garbage in
        ["", "x", "7", "2", "5", "4", "4abc", "42{}", "42[\"e\",1]", "40[", "b", "b*", "451-[\"e\",{}]\u{1e}4"]
    {
        let mut socket = bare(&world).await;
        socket.send(Message::text(garbage)).await.unwrap();
        assert_eq!(text(&mut socket).await, None, "{garbage}");
        let sid = open_polling(&world).await;
        // Packets are refused at once; what they say is looked at when it is their turn.
        let (posted, polled) = (post(&world, &sid, garbage).await, poll(&world, &sid).await);
        let refused = posted == StatusCode::BAD_REQUEST && polled.0 == StatusCode::BAD_REQUEST;
        assert!(refused || polled == (StatusCode::OK, "1".to_owned()), "{garbage}: {posted} {polled:?}");
    }
    let mut socket = bare(&world).await;
    socket.send(Message::binary(vec![1, 2, 3])).await.unwrap();
    assert_eq!(text(&mut socket).await, None);
    let (client, _events) = connect(&world, json!({})).await.unwrap();
    assert_eq!(client.emit_with_ack("e", vec![json!(1)], 1_000).await, Ok(vec![json!(1)]));
}

#[tokio::test(start_paused = true)]
async fn hostile_input_is_refused_with_a_reason_and_harms_nobody() {
    let world = world(Config::default());
    let (witness, _events) = connect(&world, json!({})).await.unwrap();
    let nested = |depth: usize| format!("42[\"e\",{}{}]", "[".repeat(depth), "]".repeat(depth));
    for (input, reason) in [
        (format!("42[\"e\",\"{}\"]", "x".repeat(5_000_000)), "payload too large"),
        (nested(100_000), "payload too large"),
        (nested(10_000), "parse error"),
        (format!("42[\"e\",[{}0]]", "0,".repeat(999_999)), "payload too large"),
        (format!("42[\"e\",[{}{{}}]]", r#"{"":0},"#.repeat(100_000)), "payload too large"),
        ("4299999999999999999999[\"e\"]".to_owned(), "parse error"),
        ("4399999999999999999999[]".to_owned(), "parse error"),
        ("42[\"disconnect\"]".to_owned(), "parse error"),
        (format!("40/{},", "n".repeat(200)), "parse error"),
        ("459999999999-[\"e\"]".to_owned(), "parse error"),
    ] {
        let mut socket = bare(&world).await;
        socket.send(Message::text("40")).await.unwrap();
        while text(&mut socket).await.as_deref() != Some("42[\"early\",{}]") {}
        // What is refused by its announced length is not read to its end.
        let _ = socket.send(Message::text(input)).await;
        while text(&mut socket).await.is_some() {}
        world.recorder.until(&format!("disconnect: {reason}")).await;
        world.recorder.log.send_modify(Vec::clear);
    }
    // Large, but what the limits allow: 400,000 elements; more namespaces than there are.
    let mut socket = bare(&world).await;
    socket.send(Message::text("40")).await.unwrap();
    socket.send(Message::text(format!("428[\"e\",1,[{}0]]", "0,".repeat(400_000)))).await.unwrap();
    while !text(&mut socket).await.unwrap().starts_with("438[1,[0,0") {}
    for number in 0..1_000 {
        socket.send(Message::text(format!("40/n{number},"))).await.unwrap();
        assert!(text(&mut socket).await.unwrap().starts_with("44/n"));
    }
    for query in ["EIO=4&transport=polling&sid=n1.AAAAAAAAAAAAAAAAAAAAAA", "EIO=4&transport=polling&sid=../../etc"] {
        assert_eq!(get(&world, query).await.0, StatusCode::BAD_REQUEST, "{query}");
    }
    let forged = "ws://n1/socket.io/?EIO=4&transport=websocket&sid=n1.AAAAAAAAAAAAAAAAAAAAAA";
    assert!(tokio_tungstenite::client_async(forged, dial(&world)).await.is_err());
    assert_eq!(witness.emit_with_ack("e", vec![json!(1)], 1_000).await, Ok(vec![json!(1)]));
}

#[tokio::test(start_paused = true)]
async fn requests_that_are_refused() {
    let world = world(Config {
        sessions_max: 1,
        origins: Origins::These(vec!["https://app.example".to_owned()]),
        ..Config::default()
    });
    let version = (StatusCode::BAD_REQUEST, r#"{"code":5,"message":"Unsupported protocol version"}"#.to_owned());
    assert_eq!(get(&world, "EIO=3&transport=polling").await, version);
    let transport = (StatusCode::BAD_REQUEST, r#"{"code":0,"message":"Transport unknown"}"#.to_owned());
    assert_eq!(get(&world, "EIO=4&transport=pigeon").await, transport);
    let session = (StatusCode::BAD_REQUEST, r#"{"code":1,"message":"Session ID unknown"}"#.to_owned());
    assert_eq!(poll(&world, "n1.nobody").await, session);
    assert_eq!(get(&world, "EIO=4&transport=websocket").await.0, StatusCode::BAD_REQUEST);
    let from = |origin: &str| HeaderMap::from_iter([(header::ORIGIN, origin.parse().unwrap())]);
    let (status, ..) = request(&world, Method::GET, "EIO=4&transport=polling", from("https://evil.example"), "").await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let (status, headers, _) = request(&world, Method::OPTIONS, "EIO=4", from("https://app.example"), "").await;
    assert_eq!(
        (status, &headers[header::ACCESS_CONTROL_ALLOW_ORIGIN]),
        (StatusCode::NO_CONTENT, &"https://app.example".parse().unwrap())
    );
    let (status, headers, _) = request(&world, Method::GET, "EIO=4&transport=polling", from("http://n1"), "").await;
    assert_eq!((status, &headers[header::VARY]), (StatusCode::OK, &"Origin".parse().unwrap()));
    let (status, headers, _) = request(&world, Method::GET, "EIO=4&transport=polling", HeaderMap::new(), "").await;
    assert_eq!((status, &headers[header::RETRY_AFTER]), (StatusCode::SERVICE_UNAVAILABLE, &"1".parse().unwrap()));
}

#[tokio::test(start_paused = true)]
async fn binary_parts_that_break_the_rules_end_the_session() {
    let world = world(Config { max_payload_bytes: 1_000, attachments_max: 2, ..Config::default() });
    let head = Message::text(r#"452-["e",{"_placeholder":true,"num":0}]"#);
    let bytes = |count: usize| Message::binary(vec![0u8; count]);
    for (frames, reason) in [
        (vec![bytes(1)], "parse error"),
        (vec![head.clone(), Message::text("42[\"e\"]")], "parse error"),
        (vec![Message::text(r#"453-["e"]"#)], "parse error"),
        (vec![Message::text(r#"451-["e",{"_placeholder":true,"num":7}]"#)], "parse error"),
        (vec![head, bytes(600), bytes(600)], "payload too large"),
    ] {
        let mut socket = bare(&world).await;
        socket.send(Message::text("40")).await.unwrap();
        for frame in frames {
            socket.send(frame).await.unwrap();
        }
        while text(&mut socket).await.is_some() {}
        world.recorder.until(&format!("disconnect: {reason}")).await;
        world.recorder.log.send_modify(Vec::clear);
    }
}
