//! Each fault has the effect that it names, in every engine, and heals.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use archgen_env::{Env, net::Address};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{
    Action, Injector, Scheduled,
    derive::{flapping, reference, rolling_restart, zone_loss},
};
use crate::{
    engine::{EngineKind, Running, engine},
    world::{self, World},
};

/// The fault is there from this time to that, milliseconds.
const FAULT_MS: (u64, u64) = (2_000, 5_000);
const END_MS: u64 = 20_000;
const BYTES_MAX: usize = 64 << 10;

type Log = Arc<Mutex<Vec<(u64, String)>>>;

fn now_ms() -> u64 {
    world::elapsed().as_millis() as u64
}

fn note(log: &Log, event: impl Into<String>) {
    log.lock().unwrap().push((now_ms(), event.into()));
}

/// Answers every byte with the same byte.
fn echo(env: Env, log: Log) -> Running {
    Box::pin(async move {
        let mut listener = env.net().listen(&Address::new("server", 80)).await.unwrap();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let log = log.clone();
            env.spawn("echo", async move {
                let mut buffer = vec![0; BYTES_MAX];
                while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                    note(&log, "server read");
                    if stream.write_all(&buffer[..read]).await.is_err() {
                        break;
                    }
                }
            });
        }
    })
}

/// Runs the client against the echo under one fault; what happened, by time.
fn under(kind: EngineKind, action: Action, client: fn(Env, Log) -> Running) -> Vec<(u64, String)> {
    let fault = Scheduled { at_ms: FAULT_MS.0, for_ms: FAULT_MS.1 - FAULT_MS.0, action };
    under_all(kind, &[fault], client)
}

fn under_all(kind: EngineKind, schedule: &[Scheduled], client: fn(Env, Log) -> Running) -> Vec<(u64, String)> {
    let world = World::new(5);
    let log = Log::default();
    let mut engine = engine(kind, &world);
    let server_log = log.clone();
    engine.add_host("server", Box::new(move |env| echo(env, server_log.clone())));
    let client_log = log.clone();
    engine.add_person("client", Box::new(move |env| client(env, client_log.clone())));
    let mut injector = Injector::new(&world, schedule);
    let mut now = 0;
    while now < END_MS {
        let next = injector.next_ms().unwrap_or(END_MS);
        let done = engine.advance(Duration::from_millis(next)).unwrap();
        now = engine.now().as_millis() as u64;
        if done {
            break;
        }
        injector.advance(&mut *engine, now);
    }
    drop(engine);
    log.lock().unwrap().clone()
}

/// Sends a byte every 100 ms over one connection and notes how long each took.
fn pings(env: Env, log: Log) -> Running {
    Box::pin(async move {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let mut stream = env.net().connect(&Address::new("server", 80)).await.unwrap();
        while now_ms() < 10_000 {
            let begun = now_ms();
            let mut byte = [7];
            let sent = stream.write_all(&byte).await;
            let read = tokio::time::timeout(Duration::from_secs(8), stream.read(&mut byte)).await;
            match (sent, read) {
                (Ok(()), Ok(Ok(1))) => note(&log, format!("ping {begun} {}", now_ms() - begun)),
                (Err(error), _) | (_, Ok(Err(error))) => return note(&log, format!("broken: {}", error.kind())),
                (_, Ok(Ok(_))) => return note(&log, "closed"),
                (_, Err(_)) => return note(&log, "silence"),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
}

/// Connects every 200 ms and notes what came of it.
fn connects(env: Env, log: Log) -> Running {
    Box::pin(async move {
        tokio::time::sleep(Duration::from_millis(50)).await;
        while now_ms() < 10_000 {
            let begun = now_ms();
            let address = Address::new("server", 80);
            let attempt = tokio::time::timeout(Duration::from_millis(500), env.net().connect(&address)).await;
            let outcome = match attempt {
                Ok(Ok(_)) => "connected".to_owned(),
                Ok(Err(error)) => error.kind().to_string(),
                Err(_) => "silence".to_owned(),
            };
            note(&log, format!("{outcome} {begun}"));
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    })
}

/// (begun, took) of each ping.
fn times(events: &[(u64, String)]) -> Vec<(u64, u64)> {
    let pings = events.iter().filter_map(|(_, event)| event.strip_prefix("ping "));
    pings
        .filter_map(|ping| ping.split_once(' '))
        .map(|(begun, took)| (begun.parse().unwrap(), took.parse().unwrap()))
        .collect()
}

fn slowest(events: &[(u64, String)], (from, to): (u64, u64)) -> u64 {
    let during = times(events).into_iter().filter(|(begun, _)| (from..to).contains(begun));
    during.map(|(_, took)| took).max().unwrap_or(0)
}

/// What became of the connection attempts begun in this time.
fn outcomes(events: &[(u64, String)], (from, to): (u64, u64)) -> Vec<String> {
    let mut found: Vec<String> = events
        .iter()
        .filter_map(|(_, event)| event.rsplit_once(' '))
        .filter(|(_, begun)| begun.parse::<u64>().is_ok_and(|begun| (from..to).contains(&begun)))
        .map(|(outcome, _)| outcome.to_owned())
        .collect();
    found.dedup();
    found
}

fn last(events: &[(u64, String)]) -> String {
    let own = events.iter().rev().find(|(_, event)| event != "server read");
    own.map_or_else(String::new, |(_, event)| event.clone())
}

const BEFORE: (u64, u64) = (0, FAULT_MS.0 - 100);
const DURING: (u64, u64) = (FAULT_MS.0 + 20, FAULT_MS.1 - 600);
const AFTER: (u64, u64) = (FAULT_MS.1 + 3_000, 10_000);

fn pair() -> (String, String) {
    ("client".to_owned(), "server".to_owned())
}

/// A link fault slows pings by at least this much while it lasts, breaks nothing, and is gone afterwards.
#[track_caller]
fn slows(action: &Action, least_ms: u64) {
    for kind in EngineKind::ALL {
        let events = under(kind, action.clone(), pings);
        let (before, during, after) =
            (slowest(&events, BEFORE), slowest(&events, (FAULT_MS.0 - 200, FAULT_MS.1)), slowest(&events, AFTER));
        assert!(before > 0 && before <= 60, "{kind}, {action}: {before} ms before");
        assert!(during >= least_ms, "{kind}, {action}: {during} ms during, at least {least_ms} expected");
        assert!(after > 0 && after <= 60, "{kind}, {action}: {after} ms after; {}", last(&events));
    }
}

#[test]
fn what_a_cut_holds_up_is_sent_again_after_it() {
    let (a, b) = pair();
    slows(&Action::Partition { a, b }, 2_500);
    let (to, from) = pair();
    slows(&Action::OneWayCut { from, to }, 2_500);
}

#[test]
fn a_one_way_cut_lets_the_other_way_pass() {
    for kind in EngineKind::ALL {
        let (client, server) = pair();
        let events = under(kind, Action::OneWayCut { from: server, to: client }, pings);
        let read = events.iter().filter(|(at, e)| e == "server read" && (FAULT_MS.0..FAULT_MS.1).contains(at)).count();
        assert!(read >= 1, "{kind}: the server reads what the client sends");
        let answered = events.iter().filter(|(at, e)| e.starts_with("ping") && (DURING.0..FAULT_MS.1).contains(at));
        assert_eq!(answered.count(), 0, "{kind}: no answer passes");
    }
}

#[test]
fn weather_slows_and_passes() {
    let (a, b) = pair();
    slows(&Action::Latency { a: a.clone(), b: b.clone(), extra_ms: 150 }, 300);
    slows(&Action::Loss { a: a.clone(), b: b.clone(), per_thousand: 400 }, 200);
    slows(&Action::SlowLink { a, b, bytes_per_second: 10 }, 200);
}

#[test]
fn a_reset_breaks_the_connection_and_new_ones_work() {
    for kind in EngineKind::ALL {
        let (a, b) = pair();
        let events = under(kind, Action::Reset { a: a.clone(), b: b.clone() }, pings);
        assert_eq!(last(&events), "broken: connection reset", "{kind}");
        let events = under(kind, Action::Reset { a, b }, connects);
        assert_eq!(outcomes(&events, AFTER), ["connected"], "{kind}");
    }
}

#[test]
fn connection_attempts_meet_a_refusal_or_silence() {
    let (from, to) = pair();
    let server = "server".to_owned();
    let cases: [(Action, &str); 4] = [
        (Action::Refuse { from: from.clone(), to: to.clone() }, "connection refused"),
        (Action::Partition { a: from, b: to }, "silence"),
        (Action::Exit { host: server.clone() }, "connection refused"),
        (Action::PowerLoss { host: server }, "silence"),
    ];
    for kind in EngineKind::ALL {
        for (action, expected) in &cases {
            let events = under(kind, action.clone(), connects);
            assert_eq!(outcomes(&events, BEFORE), ["connected"], "{kind}, {action}");
            assert_eq!(outcomes(&events, DURING), [*expected], "{kind}, {action}");
            assert_eq!(outcomes(&events, AFTER), ["connected"], "{kind}, {action}");
        }
    }
}

#[test]
fn a_killed_process_takes_leave_and_a_dark_machine_does_not() {
    for kind in EngineKind::ALL {
        let ended_at = |action: Action| {
            let events = under(kind, action, pings);
            let end = events.iter().rev().find(|(_, e)| e != "server read").cloned().unwrap();
            assert!(!end.1.starts_with("ping"), "{kind}: the connection is gone, {end:?}");
            end.0
        };
        let exit = ended_at(Action::Exit { host: "server".to_owned() });
        assert!(exit < FAULT_MS.0 + 300, "{kind}: leave is taken at once, not at {exit} ms");
        let dark = ended_at(Action::PowerLoss { host: "server".to_owned() });
        assert!(dark >= FAULT_MS.1, "{kind}: nothing is heard before {} ms, but it was at {dark} ms", FAULT_MS.1);
    }
}

#[test]
fn a_paused_process_answers_later() {
    slows(&Action::Pause { host: "server".to_owned() }, 2_500);
}

#[test]
fn a_clock_is_wrong_and_right_again() {
    fn clock(env: Env, log: Log) -> Running {
        Box::pin(async move {
            for at in [1_000, 4_000, 6_000] {
                tokio::time::sleep(Duration::from_millis(at - now_ms())).await;
                let right = (world::EPOCH + world::elapsed()).as_millis() as i64;
                note(&log, (env.wall_ms() as i64 - right).to_string());
            }
        })
    }
    for kind in EngineKind::ALL {
        let host = || "client".to_owned();
        let offsets = |action| under(kind, action, clock).into_iter().map(|(_, e)| e).collect::<Vec<_>>();
        assert_eq!(offsets(Action::ClockSkew { host: host(), offset_ms: -300_000 }), ["0", "-300000", "0"], "{kind}");
        let drift = offsets(Action::ClockDrift { host: host(), ms_per_second: 100 });
        let gained: i64 = drift[1].parse().unwrap();
        assert!(drift[0] == "0" && drift[2] == "0" && (190..=210).contains(&gained), "{kind}: {drift:?}");
    }
}

#[test]
fn a_disk_is_slow_or_full_for_a_while() {
    fn writes(env: Env, log: Log) -> Running {
        Box::pin(async move {
            for at in [1_000, 4_000, 6_000] {
                tokio::time::sleep(Duration::from_millis(at - now_ms())).await;
                let (begun, disk) = (now_ms(), env.disk().clone());
                let written = env.compute(move || disk.open("f", true).and_then(|mut file| file.append(b"x"))).await;
                note(&log, format!("{} {}", written.is_ok(), now_ms() - begun));
            }
        })
    }
    for kind in EngineKind::ALL {
        let host = || "client".to_owned();
        let seen = |action| under(kind, action, writes).into_iter().map(|(_, e)| e).collect::<Vec<_>>();
        assert_eq!(seen(Action::FullDisk { host: host() }), ["true 0", "false 0", "true 0"], "{kind}");
        let slow = seen(Action::SlowDisk { host: host(), call_ms: 400 });
        assert!(slow[1].starts_with("true 4") && slow[0] == "true 0" && slow[2] == "true 0", "{kind}: {slow:?}");
    }
}

#[test]
fn a_machine_that_is_lost_comes_back_empty() {
    fn lives(action: Action, kind: EngineKind) -> Vec<String> {
        let (world, log) = (World::new(5), Log::default());
        let mut engine = engine(kind, &world);
        let host_log = log.clone();
        let host = move |env: Env| -> Running {
            let log = host_log.clone();
            Box::pin(async move {
                let mut file = env.disk().open("f", true).unwrap();
                let mut held = vec![0; file.len().unwrap() as usize];
                file.read_at(0, &mut held).unwrap();
                let is_sound = held.chunks(6).all(|chunk| chunk == b"synced");
                note(&log, format!("{}{}", held.len(), if is_sound { "" } else { " damaged" }));
                file.append(b"synced").unwrap();
                file.sync().unwrap();
                env.disk().sync_directory("").unwrap();
                std::future::pending::<()>().await;
            })
        };
        engine.add_host("server", Box::new(host));
        let fault = Scheduled { at_ms: FAULT_MS.0, for_ms: FAULT_MS.1 - FAULT_MS.0, action };
        let mut injector = Injector::new(&world, &[fault]);
        for at_ms in [FAULT_MS.0, FAULT_MS.1, END_MS] {
            engine.advance(Duration::from_millis(at_ms)).unwrap();
            injector.advance(&mut *engine, at_ms);
        }
        drop(engine);
        log.lock().unwrap().iter().map(|(_, event)| event.clone()).collect()
    }
    let host = || "server".to_owned();
    for kind in EngineKind::ALL {
        assert_eq!(lives(Action::PowerLoss { host: host() }, kind), ["0", "6"], "{kind}");
        assert_eq!(lives(Action::DiskLoss { host: host() }, kind), ["0", "0"], "{kind}");
        assert_eq!(lives(Action::CacheFlush { host: host() }, kind), ["0", "0"], "{kind}");
        assert_eq!(lives(Action::CorruptDisk { host: host() }, kind), ["0", "6 damaged", "0"], "{kind}");
    }
}

#[test]
fn a_flapping_link_fails_again_and_again_and_is_whole_between() {
    let (a, b) = pair();
    for kind in EngineKind::ALL {
        let events = under_all(kind, &flapping(&a, &b, FAULT_MS.0, FAULT_MS.1 - FAULT_MS.0), pings);
        let held = times(&events).into_iter().filter(|(begun, took)| *begun >= FAULT_MS.0 && *took > 100).count();
        assert!(held >= 3, "{kind}: {held} pings met a cut");
        let between = (FAULT_MS.0, FAULT_MS.1);
        let passed = times(&events).into_iter().filter(|(at, took)| (between.0..between.1).contains(at) && *took < 100);
        assert!(passed.count() >= 2, "{kind}: some pass between the cuts");
        assert!(slowest(&events, AFTER) <= 60, "{kind}: {}", last(&events));
    }
}

#[test]
fn a_rolling_restart_takes_every_replica_and_never_two_at_once() {
    let topology = reference();
    let component = topology.component_named("messaging").unwrap();
    let all: Vec<String> = topology.component_instances(component).into_iter().map(|i| i.name).collect();
    let schedule = rolling_restart(&topology, component, 100);
    let restarted: Vec<String> = schedule.iter().flat_map(|s| s.action.hosts()).map(str::to_owned).collect();
    assert_eq!(restarted, all);
    assert!(all.len() > 1 && schedule.windows(2).all(|pair| pair[0].at_ms + pair[0].for_ms < pair[1].at_ms));
}

#[test]
fn a_zone_goes_dark_as_a_whole_and_no_other() {
    let hosts = reference().instances();
    let zone = hosts[0].zone.clone();
    let dark = zone_loss(&hosts, &zone, 0, 10);
    let named: Vec<&str> = dark.iter().flat_map(|s| s.action.hosts()).collect();
    let inside: Vec<&str> = hosts.iter().filter(|host| host.zone == zone).map(|host| host.name.as_str()).collect();
    assert!(named == inside && inside.len() < hosts.len(), "{named:?}");
    assert!(dark.iter().all(|s| matches!(s.action, Action::PowerLoss { .. })));
}
