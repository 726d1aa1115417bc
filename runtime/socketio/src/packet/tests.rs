//! The codec against the examples of the protocol text, and for every packet and any garbage.

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn check(text: &str, expect: Packet) {
    assert_eq!(Packet::decode(text), Ok(expect.clone()), "{text}");
    assert_eq!(expect.encode(), format!("4{text}"));
}

fn refuse(text: &str, expect: PacketError) {
    assert_eq!(Packet::decode(text), Err(expect), "{text}");
}

fn in_admin(body: Body) -> Packet {
    Packet { namespace: Cow::Borrowed("/admin"), body }
}

fn event(id: Option<u64>, name: &str, arguments: Vec<Value>) -> Body {
    Body::Event { id, name: name.to_owned(), arguments: arguments.into() }
}

const LIMITS: PacketLimits = PacketLimits { bytes_max: 200, attachments_max: 4, containers_max: 5 };

#[test]
fn examples_of_the_protocol_text() {
    check("0", Packet::main(Body::Connect(None)));
    check(
        r#"0/admin,{"sid":"oSO0OpakMV_3jnilAAAA"}"#,
        in_admin(Body::Connect(json!({"sid": "oSO0OpakMV_3jnilAAAA"}).as_object().cloned())),
    );
    check(r#"4{"message":"Not authorized"}"#, Packet::main(Body::ConnectError(json!({"message": "Not authorized"}))));
    check(r#"2["foo"]"#, Packet::main(event(None, "foo", vec![])));
    check(r#"2/admin,["bar"]"#, in_admin(event(None, "bar", vec![])));
    check(r#"212["foo"]"#, Packet::main(event(Some(12), "foo", vec![])));
    check(r#"3/admin,13["bar"]"#, in_admin(Body::Ack { id: 13, arguments: json!("bar").into() }));
    check("1", Packet::main(Body::Disconnect));
    check("1/admin,", in_admin(Body::Disconnect));
    assert_eq!(Packet::decode("1/admin"), Ok(in_admin(Body::Disconnect)));
    assert_eq!(Packet::decode("0/admin?token=1,"), Ok(in_admin(Body::Connect(None))));
}

#[test]
fn binary_examples_of_the_protocol_text() {
    let arguments = || Arguments::new().with_bytes(vec![1, 2, 3]);
    let event = |namespace, id| Packet {
        namespace: Cow::Borrowed(namespace),
        body: Body::Event { id, name: "baz".to_owned(), arguments: arguments() },
    };
    let ack = Body::Ack { id: 15, arguments: Arguments::new().with(json!("bar")).with_bytes(vec![1, 2, 3]) };
    for (text, packet) in [
        (r#"51-["baz",{"_placeholder":true,"num":0}]"#, event("/", None)),
        (r#"51-/admin,["baz",{"_placeholder":true,"num":0}]"#, event("/admin", None)),
        (r#"51-/admin,13["baz",{"_placeholder":true,"num":0}]"#, event("/admin", Some(13))),
        (r#"61-/admin,15["bar",{"_placeholder":true,"num":0}]"#, in_admin(ack)),
    ] {
        let mut decoder = Decoder::new(LIMITS);
        assert_eq!(decoder.text(text), Ok(None), "{text}");
        assert_eq!(decoder.binary(Bytes::from_static(&[1, 2, 3])), Ok(Some(packet.clone())), "{text}");
        let message = packet.message();
        assert_eq!(message.head, Part::Text(format!("4{text}").into()));
        assert_eq!(message.attachments.as_deref(), Some(&[Bytes::from_static(&[1, 2, 3])][..]));
    }
}

#[test]
fn arrays_and_objects_are_counted_before_they_are_read() {
    let take = |payload: &str| Decoder::new(LIMITS).text(&format!("2{payload}")).map(drop);
    assert_eq!(take(r#"["e",[[]],{},[{"[[[[[[{{{{{{\"]]][[": 1}]]"#), Err(PacketError::TooLarge));
    assert_eq!(take(r#"["e",[[]],{},["[[[[[[{{{{{{\"[[[[[[\\"]]"#), Ok(()));
    assert_eq!(take(r#"["e",1,2,3,4,5,6,7,8,9]"#), Ok(()));
}

#[test]
fn binary_parts_come_when_they_were_announced_and_only_then() {
    let head = r#"52-["x",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]"#;
    let mut decoder = Decoder::new(LIMITS);
    assert_eq!(decoder.binary(Bytes::new()), Err(PacketError::Unasked));
    assert_eq!(decoder.text(head), Ok(None));
    assert_eq!(decoder.text("1"), Err(PacketError::Incomplete));
    assert_eq!(decoder.binary(Bytes::new()), Ok(None));
    assert!(matches!(decoder.binary(Bytes::new()), Ok(Some(_))));
    assert_eq!(decoder.binary(Bytes::new()), Err(PacketError::Unasked));
    assert!(matches!(decoder.text(r#"50-["x"]"#), Ok(Some(_))), "the usual clients take it for a plain event");
    for bad in [
        r#"55-["x"]"#,
        r#"599999999999999999999-["x"]"#,
        r#"51-["x",{"_placeholder":true,"num":1}]"#,
        r#"51-["x",[{"_placeholder":true,"num":-1}]]"#,
        r#"51-["x",{"_placeholder":true}]"#,
    ] {
        assert_eq!(Decoder::new(LIMITS).text(bad), Err(PacketError::Attachments), "{bad}");
    }
    let mut decoder = Decoder::new(LIMITS);
    assert_eq!(decoder.text(head), Ok(None));
    assert_eq!(decoder.binary(vec![0; 200].into()), Err(PacketError::TooLarge));
    assert_eq!(Decoder::new(LIMITS).text(&" ".repeat(201)), Err(PacketError::TooLarge));
}

#[test]
fn refuses_what_no_sender_may_send() {
    refuse("", PacketError::Type);
    refuse("abc", PacketError::Type);
    refuse("7", PacketError::Type);
    refuse("é", PacketError::Type);
    refuse("0[]", PacketError::Payload);
    refuse("1{}", PacketError::Payload);
    refuse("2", PacketError::Payload);
    refuse("2{}", PacketError::Payload);
    refuse("2[]", PacketError::Payload);
    refuse("2[1]", PacketError::Payload);
    refuse(r#"2abc["x"]"#, PacketError::Payload);
    refuse(r#"299999999999999999999["x"]"#, PacketError::Id);
    refuse(r#"2["disconnect"]"#, PacketError::Reserved);
    refuse("3[]", PacketError::Id);
    refuse("31{}", PacketError::Payload);
    refuse("41", PacketError::Payload);
    refuse(r#"5["x"]"#, PacketError::Attachments);
    refuse(r#"5+1-["x"]"#, PacketError::Attachments);
    refuse(&format!("0/{},", "n".repeat(200)), PacketError::Namespace);
    refuse(&format!("2[\"deep\",{}{}]", "[".repeat(200), "]".repeat(200)), PacketError::Payload);
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn any_packet() -> impl Strategy<Value = Packet> {
    let namespace = prop_oneof![Just(String::from("/")), "/[a-z0-9_]{1,12}"];
    let attachments = || prop::collection::vec(prop::collection::vec(any::<u8>(), 0..8), 0..3);
    let arguments = || {
        (prop::collection::vec(any_value(), 0..4), attachments()).prop_map(|(values, attachments)| {
            attachments.into_iter().fold(Arguments::from(values), Arguments::with_bytes)
        })
    };
    let map = || prop::collection::btree_map(any::<String>(), any_value(), 0..4);
    let body = prop_oneof![
        prop::option::of(map()).prop_map(|data| Body::Connect(data.map(|map| map.into_iter().collect()))),
        Just(Body::Disconnect),
        (prop::option::of(any::<u64>()), any::<String>(), arguments())
            .prop_filter("reserved", |(_, name, _)| !RESERVED.contains(&name.as_str()))
            .prop_map(|(id, name, arguments)| Body::Event { id, name, arguments }),
        (any::<u64>(), arguments()).prop_map(|(id, arguments)| Body::Ack { id, arguments }),
        map().prop_map(|map| Body::ConnectError(Value::Object(map.into_iter().collect()))),
    ];
    (namespace, body).prop_map(|(namespace, body)| Packet { namespace: Cow::Owned(namespace), body })
}

proptest! {
    #[test]
    fn every_packet_survives_the_wire(packet in any_packet()) {
        let message = packet.message();
        let mut decoder = Decoder::new(PacketLimits { bytes_max: 1 << 20, attachments_max: 8, containers_max: usize::MAX });
        let Part::Text(text) = message.head else { return Err(TestCaseError::fail("a text comes first")) };
        let mut read = decoder.text(&text[1..]);
        for bytes in message.attachments.iter().flat_map(|all| all.iter()) {
            prop_assert_eq!(read, Ok(None));
            read = decoder.binary(bytes.clone());
        }
        prop_assert_eq!(read, Ok(Some(packet)));
    }

    #[test]
    fn garbage_is_refused_or_read_but_never_breaks(text in any::<String>()) {
        let _ = Packet::decode(&text);
    }

    #[test]
    fn near_misses_are_refused_or_read_but_never_break(text in "[0-6][0-9]{0,3}-?(/[a-z?]{0,4},?)?[0-9]{0,22}[\\[{\"a\\]}]{0,6}") {
        if let Ok(packet) = Packet::decode(&text) {
            // What was read can be written and read again.
            let again = Packet::decode(&packet.encode()[1..]);
            prop_assert!(again.is_ok());
        }
    }
}
