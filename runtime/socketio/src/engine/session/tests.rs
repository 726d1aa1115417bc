//! Heartbeat, polling, upgrade and closing, step by step and under any order of steps.

use proptest::prelude::*;

use super::*;

const TIMING: Timing = Timing { ping_interval_ms: 300, ping_timeout_ms: 200, close_ms_max: 50 };
const LIMITS: QueueLimits = QueueLimits { bytes_max: 1_000, packets_max: 10 };
const BYTES_MAX: usize = 100;

fn open(carrier: Carrier) -> Session {
    Session::open(TIMING, LIMITS, carrier, 0)
}

fn text(text: &str) -> WireFrame {
    WireFrame::Text(text.into())
}

#[test]
fn the_first_ping_is_due_after_the_interval() {
    let mut session = open(Carrier::WebSocket);
    session.tick(299, true);
    assert_eq!(session.next_frame(), None);
    session.tick(300, true);
    assert_eq!(session.next_frame(), Some(text("2")));
    assert_eq!(session.receive(Kind::Pong, 310), Ok(Received::Nothing));
    assert_eq!(session.deadline_ms(), Some(610));
}

#[test]
fn a_missing_pong_ends_the_session_on_the_deadline_even_if_nobody_ticked_between() {
    let mut session = open(Carrier::Polling);
    session.tick(499, true);
    assert_eq!(session.phase(), &Phase::Open);
    session.tick(500, true);
    assert_eq!(session.phase(), &Phase::Closed(Close::PingTimeout));
    assert_eq!(session.poll_begin(500), Err(Refusal::SessionUnknown));
}

#[test]
fn a_pong_that_cannot_be_read_is_not_missed() {
    let mut session = open(Carrier::WebSocket);
    session.tick(300, false);
    assert_eq!(session.next_frame(), Some(text("2")));
    assert_eq!(session.deadline_ms(), Some(600));
    session.tick(5_000, false);
    assert_eq!(session.phase(), &Phase::Open);
    assert_eq!(session.next_frame(), Some(text("2")), "the client would miss pings");
    session.tick(5_199, true);
    assert_eq!(session.phase(), &Phase::Open);
    session.tick(5_200, true);
    assert_eq!(session.phase(), &Phase::Closed(Close::PingTimeout));
}

#[test]
fn a_poll_takes_what_fits_in_order() {
    let mut session = open(Carrier::Polling);
    let long = "4".repeat(70);
    session.push(Message::text("4a"), false, 0);
    session.push(Message::text(long.as_str()), false, 0);
    session.push(Message::text(long.as_str()), false, 0);
    assert_eq!(session.poll_begin(0), Ok(()));
    assert_eq!(session.poll_take(0, BYTES_MAX), Some(format!("4a\u{1e}{long}")));
    assert_eq!(session.poll_begin(0), Ok(()));
    assert_eq!(session.poll_take(0, BYTES_MAX), Some(long));
    assert_eq!(session.poll_begin(0), Ok(()));
    assert_eq!(session.poll_take(0, BYTES_MAX), None);
    session.tick(300, true);
    assert_eq!(session.poll_take(300, BYTES_MAX).as_deref(), Some("2"));
}

#[test]
fn a_poll_takes_no_more_packets_than_the_usual_clients_accept() {
    let limits = QueueLimits { packets_max: 100, ..LIMITS };
    let mut session = Session::open(TIMING, limits, Carrier::Polling, 0);
    for _ in 0..40 {
        session.push(Message::text("4"), false, 0);
    }
    let mut taken = 0;
    while !session.outbox().is_idle() {
        assert_eq!(session.poll_begin(0), Ok(()));
        let packets = session.poll_take(0, BYTES_MAX).map_or(0, |payload| payload.split(SEPARATOR).count());
        assert!((1..=16).contains(&packets), "{packets}");
        taken += packets;
    }
    assert_eq!(taken, 40);
}

#[test]
fn bytes_travel_as_base64_by_polling_and_as_they_are_by_websocket() {
    let message = || Message::with_attachments("452-[]", vec![Bytes::from_static(&[1, 2, 3, 4]), Bytes::new()]);
    let mut session = open(Carrier::Polling);
    session.push(message(), false, 0);
    assert_eq!(session.poll_begin(0), Ok(()));
    assert_eq!(session.poll_take(0, BYTES_MAX).as_deref(), Some("452-[]\u{1e}bAQIDBA==\u{1e}b"));
    let mut session = open(Carrier::WebSocket);
    session.push(message(), false, 0);
    let frames: Vec<WireFrame> = std::iter::from_fn(|| session.next_frame()).collect();
    let expect =
        [text("452-[]"), WireFrame::Binary(Bytes::from_static(&[1, 2, 3, 4])), WireFrame::Binary(Bytes::new())];
    assert_eq!(frames, expect);
}

#[test]
fn two_polls_at_once_end_the_session() {
    let mut session = open(Carrier::Polling);
    assert_eq!(session.poll_begin(0), Ok(()));
    assert_eq!(session.poll_begin(1), Err(Refusal::BadRequest));
    assert_eq!(session.poll_take(1, BYTES_MAX).as_deref(), Some("1"));
    assert_eq!(session.phase(), &Phase::Closed(Close::TransportError));
}

#[test]
fn two_posts_at_once_end_the_session() {
    let mut session = open(Carrier::Polling);
    assert_eq!(session.post_begin(), Ok(()));
    assert_eq!(session.post_begin(), Err(Refusal::BadRequest));
    assert_eq!(session.phase(), &Phase::Closed(Close::TransportError));
}

#[test]
fn a_closing_client_gets_a_noop_on_its_pending_poll() {
    let mut session = open(Carrier::Polling);
    assert_eq!(session.poll_begin(0), Ok(()));
    assert_eq!(session.receive(Kind::Close, 0), Ok(Received::Nothing));
    assert_eq!(session.poll_take(0, BYTES_MAX).as_deref(), Some("6"));
}

#[test]
fn a_poll_that_a_clients_close_has_overtaken_is_answered_once() {
    let mut session = open(Carrier::Polling);
    assert_eq!(session.receive(Kind::Close, 0), Ok(Received::Nothing));
    assert!(session.owes_poll());
    assert_eq!(session.poll_begin(0), Ok(()));
    assert_eq!(session.poll_take(0, BYTES_MAX).as_deref(), Some("6"));
    assert_eq!(session.poll_begin(0), Err(Refusal::SessionUnknown));
}

#[test]
fn an_upgrade_lets_the_poll_go_and_keeps_the_order() {
    let mut session = open(Carrier::Polling);
    assert_eq!(session.poll_begin(0), Ok(()));
    assert_eq!(session.probe_begin(), Ok(()));
    assert_eq!(session.probe_begin(), Err(Refusal::BadRequest));
    assert!(!session.upgrade(), "not before the probe");
    assert_eq!(session.poll_take(5, BYTES_MAX), None);
    session.probe_ping(10);
    assert_eq!(session.poll_take(10, BYTES_MAX).as_deref(), Some("6"));
    // A poll that the client had already decided to send is let go too, a little later.
    assert_eq!(session.poll_begin(20), Ok(()));
    assert_eq!(session.poll_take(20, BYTES_MAX), None);
    assert_eq!(session.poll_deadline_ms(), Some(120));
    assert_eq!(session.poll_take(120, BYTES_MAX).as_deref(), Some("6"));
    session.push(Message::text("4a"), false, 130);
    assert_eq!(session.next_frame(), None, "not before the upgrade");
    assert!(session.upgrade());
    session.push(Message::text("4b"), false, 140);
    assert_eq!(session.poll_begin(150), Err(Refusal::BadRequest));
    assert_eq!(session.post_begin(), Err(Refusal::BadRequest));
    assert_eq!(session.probe_begin(), Err(Refusal::BadRequest));
    assert_eq!(
        [session.next_frame(), session.next_frame(), session.next_frame()],
        [Some(text("4a")), Some(text("4b")), None]
    );
}

#[test]
fn a_failed_probe_leaves_polling_as_it_was() {
    let mut session = open(Carrier::Polling);
    assert_eq!(session.probe_begin(), Ok(()));
    session.probe_abandoned();
    assert_eq!(session.carrier(), Carrier::Polling);
    assert_eq!(session.probe_begin(), Ok(()));
}

#[test]
fn what_is_queued_goes_out_before_the_close() {
    let mut session = open(Carrier::WebSocket);
    session.push(Message::text("4last"), false, 0);
    let why = Close::Server("revoked".into());
    session.close(why.clone(), 0);
    assert_eq!(session.push(Message::text("4late"), false, 0), Pushed::Dropped);
    assert_eq!(
        [session.next_frame(), session.next_frame()],
        [Some(text("4last")), Some(WireFrame::Close(why.clone()))]
    );
    session.tick(50, true);
    assert_eq!(session.phase(), &Phase::Closed(why));
}

#[test]
fn a_slow_reader_is_closed_and_its_queue_thrown_away() {
    let mut session = open(Carrier::Polling);
    for _ in 0..10 {
        assert_eq!(session.push(Message::text("4x"), false, 0), Pushed::Queued);
    }
    assert_eq!(session.push(Message::text("4x"), false, 0), Pushed::Overflow);
    session.outbox().append(Message::text("4farewell"), false);
    assert_eq!(session.poll_begin(1), Ok(()));
    assert_eq!(session.poll_take(1, BYTES_MAX).as_deref(), Some("4farewell"));
    assert_eq!(session.poll_begin(2), Ok(()));
    assert_eq!(session.poll_take(2, BYTES_MAX).as_deref(), Some("1"));
    assert_eq!(session.phase(), &Phase::Closed(Close::SlowConsumer));
}

#[test]
fn clients_may_not_ping_open_or_upgrade_here() {
    for kind in [Kind::Open, Kind::Ping, Kind::Upgrade] {
        assert_eq!(open(Carrier::WebSocket).receive(kind, 0), Err(Violation(kind)));
    }
}

proptest! {
    /// Whatever the client does, lasting packets come out in the order they went in, by one transport or the other.
    #[test]
    fn order_survives_any_steps(steps in prop::collection::vec(0u8..10, 0..120)) {
        let mut session = open(Carrier::Polling);
        let (mut now, mut number, mut out) = (0, 0u32, Vec::<u32>::new());
        let mut take = |payload: &str| {
            out.extend(payload.split(SEPARATOR).filter_map(|part| part.strip_prefix('4')).filter_map(|n| n.parse::<u32>().ok()));
        };
        for step in steps {
            now += 7;
            match step {
                0 | 1 => {
                    session.push(Message::text(format!("4{number}")), false, now);
                    number += 1;
                }
                2 => drop(session.poll_begin(now)),
                3 => {
                    if session.poll_pending && let Some(payload) = session.poll_take(now, 20) {
                        take(&payload);
                    }
                }
                4 => drop(session.probe_begin()),
                5 => session.probe_ping(now),
                6 => drop(session.upgrade()),
                7 => session.probe_abandoned(),
                8 => {
                    if let Some(WireFrame::Text(frame)) = session.next_frame() {
                        take(&frame);
                    }
                }
                _ => {
                    session.tick(now, true);
                    prop_assert!(session.receive(Kind::Pong, now).is_ok());
                }
            }
        }
        prop_assert!(out.windows(2).all(|pair| pair[0] < pair[1]), "{:?}", out);
        prop_assert!(out.iter().enumerate().all(|(at, n)| at as u32 == *n), "{:?}", out);
    }
}
