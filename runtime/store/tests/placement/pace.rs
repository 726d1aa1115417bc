//! A move that is told to be slow hears what it is told next.

use std::time::Duration;

use archgen_env::http::{Client, Limits};
use archgen_ports::blobs::{Blobs, Grant};
use archgen_spec::sharding::{SLOTS, slot_of};
use archgen_store::{Journal, Order};
use http::{HeaderMap, Method, StatusCode};

use crate::store::Store;

/// More than one piece.
const OBJECT_BYTES: usize = 5 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_is_heard_while_one_large_object_is_brought_slowly() {
    let mut store = Store::new(SLOTS);
    for node in 0..5 {
        store.start(node).await;
    }
    let (client, env, mover) = (store.client(), store.env("writer"), store.mover());
    let journal = mover.begin(store.addresses.clone()).await.unwrap();
    let goes_to = |key: &String| {
        let unit = usize::from(slot_of(key.as_bytes(), SLOTS));
        let (is, will_be) = (journal.from.owners[unit], journal.goal.owners[unit]);
        (is != will_be).then_some(will_be as usize)
    };
    let (key, taker) = (0..).map(|n| format!("o{n}")).find_map(|key| goes_to(&key).map(|to| (key, to))).unwrap();
    let grant = Grant::Put { size_bytes: OBJECT_BYTES as u64 };
    let url = client.presign("files", &key, grant, env.wall_ms() + 600_000).await.unwrap();
    let (address, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let http = Client::new(&env, Limits::default());
    let body = vec![7u8; OBJECT_BYTES];
    let put = http.call(Method::PUT, &address.parse().unwrap(), &format!("/{path}"), HeaderMap::new(), body).await;
    assert_eq!(put.unwrap().status, StatusCode::OK);
    mover.order(Order::Pace(1)).await.unwrap();
    let objects = store.data(taker).join("objects");
    let paused = async {
        // Its first piece is there; the second is due after weeks.
        while !std::fs::read_dir(&objects).is_ok_and(|mut files| files.next().is_some()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        mover.order(Order::Pause).await.unwrap();
    };
    let mut silent = |_: &Journal| {};
    let moved = async { tokio::join!(mover.go_on(&mut silent), paused).0 };
    let journal = tokio::time::timeout(Duration::from_secs(20), moved).await.expect("the pause is heard").unwrap();
    assert!(journal.paused && !journal.is_done());
    for order in [Order::Pace(1 << 30), Order::Resume] {
        mover.order(order).await.unwrap();
    }
    assert!(mover.go_on(&mut |_| {}).await.unwrap().is_done());
    assert_eq!(client.info("files", &key).await.unwrap().unwrap().size_bytes, OBJECT_BYTES as u64);
}
