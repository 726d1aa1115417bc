//! The layer over real sockets of this machine; what a link loses, on a paused clock.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::Path,
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, timeout},
};

use super::{Chaos, ClockFault, LinkFault, Orders, stream};
use crate::{
    Env,
    entropy::Entropy,
    net::{Address, BoxStream},
    os,
    task::Shutdown,
};

/// Long enough for what comes at once, on a machine that is busy.
const SOON: Duration = Duration::from_secs(10);
/// What does not come within this time is held.
const HELD: Duration = Duration::from_millis(150);

/// A client under orders, and where a server listens that sends everything back.
async fn client() -> (Chaos, Env, Address) {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = Address::new("127.0.0.1", port);
    let chaos = Chaos::between(&BTreeMap::from([("server".to_owned(), address.clone())]));
    let server = os::env("server", Path::new("."), Shutdown::default());
    let mut listener = server.net().listen(&address).await.unwrap();
    server.clone().spawn("server", async move {
        while let Ok((stream, _)) = listener.accept().await {
            server.spawn("echo", async move {
                let (mut read, mut write) = tokio::io::split(stream);
                let _ = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
    let parts = os::parts("client", Path::new("."), Shutdown::default());
    let env = Env::new(chaos.around(parts));
    (chaos, env, address)
}

fn orders(change: impl FnOnce(&mut Orders)) -> Orders {
    let mut orders = Orders::default();
    change(&mut orders);
    orders
}

/// Sends a byte and waits for it to come back.
async fn ping(stream: &mut BoxStream, within: Duration) -> Option<io::Result<usize>> {
    let _ = stream.write_all(b"x").await;
    timeout(within, stream.read(&mut [0; 8])).await.ok()
}

#[tokio::test]
async fn a_cut_holds_what_is_sent_until_it_is_mended() {
    let (chaos, env, address) = client().await;
    let mut stream = env.net().connect(&address).await.unwrap();
    assert_eq!(ping(&mut stream, SOON).await.unwrap().unwrap(), 1);
    for (from, to) in [("client", "server"), ("server", "client")] {
        chaos.obey(orders(|o| o.link_mut(from, to).cuts = 1));
        assert!(ping(&mut stream, HELD).await.is_none(), "nothing passes from {from} to {to}");
        assert!(timeout(HELD, env.net().connect(&address)).await.is_err(), "and nobody connects");
        chaos.obey(Orders::default());
        assert_eq!(timeout(SOON, stream.read(&mut [0; 8])).await.unwrap().unwrap(), 1, "it comes late, and once");
        assert_eq!(ping(&mut stream, SOON).await.unwrap().unwrap(), 1);
    }
}

#[tokio::test]
async fn a_reset_breaks_what_is_there_and_nothing_new() {
    let (chaos, env, address) = client().await;
    let mut stream = env.net().connect(&address).await.unwrap();
    assert_eq!(ping(&mut stream, SOON).await.unwrap().unwrap(), 1);
    chaos.obey(orders(|o| o.link_mut("server", "client").resets = 1));
    let read = timeout(SOON, stream.read(&mut [0; 8])).await.unwrap();
    assert_eq!(read.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    let mut stream = env.net().connect(&address).await.unwrap();
    assert_eq!(ping(&mut stream, SOON).await.unwrap().unwrap(), 1);
}

#[tokio::test]
async fn links_refuse_delay_and_slow() {
    let (chaos, env, address) = client().await;
    chaos.obey(orders(|o| o.link_mut("client", "server").refused = true));
    let refused = env.net().connect(&address).await.err().map(|error| error.kind());
    assert_eq!(refused, Some(io::ErrorKind::ConnectionRefused));
    chaos.obey(Orders::default());
    let mut stream = env.net().connect(&address).await.unwrap();
    type Fault = (fn(&mut LinkFault), u128);
    let faults: [Fault; 2] = [(|link| link.extra_ms = 120, 120), (|link| link.bytes_per_second = 10, 100)];
    for (fault, least_ms) in faults {
        chaos.obey(orders(|o| fault(o.link_mut("server", "client"))));
        let begun = Instant::now();
        assert_eq!(ping(&mut stream, 2 * SOON).await.unwrap().unwrap(), 1);
        assert!(begun.elapsed().as_millis() >= least_ms, "{:?}", begun.elapsed());
    }
    chaos.obey(Orders::default());
    // What is no host of the fleet is left alone.
    chaos.obey(orders(|o| o.link_mut("client", "elsewhere").cuts = 1));
    assert_eq!(ping(&mut stream, SOON).await.unwrap().unwrap(), 1);
}

/// How long one byte takes over a link with this fault, milliseconds.
async fn carried_ms(fault: LinkFault, seed: u8) -> u128 {
    let chaos = Chaos::between(&BTreeMap::new());
    chaos.obey(orders(|o| *o.link_mut("client", "server") = fault));
    let (far, mut server) = tokio::io::duplex(64);
    let ends = stream::Ends { near: "client".into(), far: "server".into() };
    let (mut client, carrying) =
        stream::between(Box::new(far), chaos.orders.subscribe(), ends, Entropy::new([seed; 32]));
    let (begun, mut read) = (Instant::now(), [0; 8]);
    client.write_all(b"x").await.unwrap();
    tokio::select! {
        biased;
        () = carrying => panic!("the link ended"),
        read = server.read(&mut read) => assert_eq!(read.unwrap(), 1),
    }
    begun.elapsed().as_millis()
}

#[tokio::test(start_paused = true)]
async fn what_is_lost_is_sent_again_after_doubling_waits_to_the_millisecond() {
    let lossy = |lost_per_thousand| LinkFault { lost_per_thousand, ..LinkFault::default() };
    assert_eq!(carried_ms(lossy(0), 1).await, 0);
    assert_eq!(carried_ms(lossy(1_000), 1).await, 200 + 400 + 800 + 1_600 + 3_200 + 6_400);
    let mut seen = BTreeSet::new();
    for seed in 0..32 {
        let dice = Entropy::new([seed; 32]);
        let lost = (0..6).take_while(|_| dice.below(1_000) < 500).count();
        let took = carried_ms(lossy(500), seed).await;
        assert_eq!(took, 200 * ((1 << lost) - 1), "lost {lost} times");
        seen.insert(took);
    }
    assert!(seen.len() >= 4, "{seen:?}");
    let slow = LinkFault { extra_ms: 120, bytes_per_second: 10, ..lossy(1_000) };
    assert_eq!(carried_ms(slow, 1).await, 12_600 + 100 + 120);
}

#[tokio::test]
async fn a_stream_that_ends_in_good_order_ends_so() {
    let (_chaos, env, address) = client().await;
    let mut stream = env.net().connect(&address).await.unwrap();
    stream.write_all(&[7; 200_000]).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut back = Vec::new();
    timeout(SOON, stream.read_to_end(&mut back)).await.unwrap().unwrap();
    assert_eq!(back, [7; 200_000]);
}

#[tokio::test]
async fn a_clock_is_off_and_drifts() {
    let (chaos, env, _) = client().await;
    let right = os::env("right", Path::new("."), Shutdown::default());
    let off = || env.wall_ms() as i64 - right.wall_ms() as i64;
    assert!(off().abs() < 5_000);
    let fault = ClockFault { offset_ms: -300_000, ms_per_second: 100, since_ms: right.wall_ms() - 10_000 };
    assert_eq!(fault.off_by(fault.since_ms + 10_000), -299_000);
    let wrong = |host: &str| {
        orders(|o| {
            o.clocks.insert(host.to_owned(), fault);
        })
    };
    chaos.obey(wrong("server"));
    assert!(off().abs() < 5_000, "another's clock is another's");
    chaos.obey(wrong("client"));
    assert!((-304_000..-294_000).contains(&off()), "{}", off());
}

#[tokio::test]
async fn orders_are_read_from_a_file_and_damaged_ones_change_nothing() {
    let folder = std::env::temp_dir().join(format!("archgen-orders-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("chaos.json");
    let (chaos, ..) = client().await;
    chaos.look(&file);
    assert_eq!(*chaos.orders.borrow(), Orders::default(), "no file, no fault");
    let wanted = orders(|o| {
        o.link_mut("a", "b").cuts = 2;
        o.down.insert("c".to_owned());
    });
    wanted.write(&file).unwrap();
    assert_eq!(Orders::read(&file).unwrap(), wanted);
    chaos.look(&file);
    assert!(timeout(HELD, chaos.until_up("c")).await.is_err(), "it is kept down");
    timeout(SOON, chaos.until_up("d")).await.unwrap();
    std::fs::write(&file, r#"{"flood": true}"#).unwrap();
    assert!(Orders::read(&file).unwrap_err().to_string().contains("flood"));
    chaos.look(&file);
    assert_eq!(*chaos.orders.borrow(), wanted);
    std::fs::remove_dir_all(&folder).unwrap();
}
