//! The guard under a paused clock: what is tried again, what is not, and when it refuses at once.

use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

fn guard() -> Guard {
    Guard::new("users", 2_000, Entropy::new([7; 32]), Metrics::default())
}

#[tokio::test(start_paused = true)]
async fn a_read_is_tried_again_while_the_engine_is_away_and_a_refusal_is_final() {
    let guard = guard();
    let tries = AtomicU32::new(0);
    let third = || async {
        match tries.fetch_add(1, Ordering::Relaxed) {
            0 => Err(Failure::Unreachable("gone".to_owned())),
            1 => Err(Failure::Lost("cut".to_owned())),
            _ => Ok(7),
        }
    };
    assert_eq!(guard.read(third).await.unwrap(), 7);
    let refused = AtomicU32::new(0);
    let refusing = || async {
        refused.fetch_add(1, Ordering::Relaxed);
        Err::<u8, _>(Failure::Refused("no such field".to_owned()))
    };
    let error = guard.read(refusing).await.unwrap_err();
    assert!(error.is_refusal() && error.to_string().contains("store `users`: no such field"), "{error}");
    assert_eq!(refused.into_inner(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_answer_is_lost_is_indeterminate_and_never_repeated() {
    let guard = guard();
    let lost = guard.write(async { Err::<(), _>(Failure::Lost("cut".to_owned())) }).await.unwrap_err();
    assert!(matches!(lost, StoreError::Indeterminate(_)), "{lost}");
    let late = guard.write(std::future::pending::<Result<(), Failure>>()).await.unwrap_err();
    assert!(matches!(late, StoreError::Indeterminate(ref why) if why.contains("within 2000 ms")), "{late}");
    let unreached = guard.write(async { Err::<(), _>(Failure::Unreachable("gone".to_owned())) }).await.unwrap_err();
    assert!(unreached.is_refusal());
}

#[tokio::test(start_paused = true)]
async fn the_breaker_opens_lets_one_try_and_closes_when_the_engine_is_back() {
    let guard = guard();
    for _ in 0..FAILURES_MAX {
        let _ = guard.write(async { Err::<(), _>(Failure::Unreachable("gone".to_owned())) }).await;
    }
    let shed = guard.write(async { Ok::<_, Failure>(()) }).await.unwrap_err();
    assert!(shed.is_refusal() && shed.to_string().contains("a moment ago"), "{shed}");
    tokio::time::advance(Duration::from_millis(OPEN_MS)).await;
    let gone = guard.write(async { Err::<(), _>(Failure::Unreachable("still gone".to_owned())) }).await.unwrap_err();
    assert!(gone.to_string().contains("still gone"), "one call tries: {gone}");
    assert!(guard.write(async { Ok::<_, Failure>(()) }).await.is_err(), "and the next is refused again");
    tokio::time::advance(Duration::from_millis(OPEN_MS)).await;
    guard.write(async { Ok::<_, Failure>(()) }).await.unwrap();
    guard.write(async { Ok::<_, Failure>(()) }).await.unwrap();
}

fn target(call_ms_max: u64, retries: u32) -> Target {
    Target {
        call_ms_max: Some(call_ms_max),
        retries: Some(retries),
        store: "users".to_owned(),
        engine: crate::Engine::Postgres,
        endpoints: Vec::new(),
        namespace: String::new(),
        credentials: None,
        tls: crate::Tls::Off,
        schema: crate::Schema::default(),
        datasets: Vec::new(),
        shards: 1,
        consistency: ("one", "one"),
    }
}

#[tokio::test(start_paused = true)]
async fn the_spec_shortens_the_patience_and_bounds_the_tries() {
    for (retries, tried) in [(0, 1), (1, 2), (4, 5)] {
        let guard = guard().on(&target(1_500, retries));
        let tries = AtomicU32::new(0);
        let away = || async {
            tries.fetch_add(1, Ordering::Relaxed);
            Err::<u8, _>(Failure::Unreachable("gone".to_owned()))
        };
        guard.read(away).await.unwrap_err();
        assert_eq!(tries.into_inner(), tried);
    }
    let silent = || std::future::pending::<Result<(), Failure>>();
    let late = guard().on(&target(700, 0)).write(silent()).await.unwrap_err();
    assert!(late.to_string().contains("within 700 ms"), "{late}");
    // Never longer than the driver's own.
    let late = guard().on(&target(9_000, 0)).write(silent()).await.unwrap_err();
    assert!(late.to_string().contains("within 2000 ms"), "{late}");
}

#[tokio::test(start_paused = true)]
async fn a_call_ends_with_the_work_that_it_belongs_to() {
    let guard = guard();
    let until = Instant::now() + Duration::from_millis(300);
    let read = guard.read(std::future::pending::<Result<(), Failure>>);
    let outcome = deadline::scope(until, read).await;
    assert!(outcome.is_err() || outcome.is_ok_and(|read| read.is_err()));
    assert_eq!(Instant::now(), until);
}
