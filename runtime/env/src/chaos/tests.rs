//! The layer over real sockets of this machine.

use std::{collections::BTreeMap, io, path::Path, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, timeout},
};

use super::{Chaos, ClockFault, Orders};
use crate::{
    Env,
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
    type Fault = (fn(&mut super::LinkFault), u128);
    let faults: [Fault; 3] = [
        (|link| link.extra_ms = 120, 120),
        (|link| link.bytes_per_second = 10, 100),
        // Lost as often as a piece can be: 200, 400, 800 ms and so on.
        (|link| link.lost_per_thousand = 500, 0),
    ];
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
