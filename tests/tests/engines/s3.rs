//! Blobs on S3 (versitygw).

use std::{
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use archgen_backends::{Backend, Credentials, Dataset, Engine, FaultKind, Secret, Target};
use archgen_env::{
    Env,
    http::{Client, Limits},
};
use archgen_ports::{
    StoreError,
    blobs::{Blobs, Grant},
    conformance,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};

use crate::{
    fidelity,
    load::Account,
    server::{Private, credentials, endpoints, env, namespace, open, target},
};

pub fn at(endpoints: &[String], namespace: &str) -> Target {
    let files = Dataset {
        name: "files".to_owned(),
        partitions: 1,
        copies: 1,
        copies_min: 1,
        keep_ms: Some(86_400_000),
        versioned: true,
        route: None,
    };
    let plain = target(Engine::S3, endpoints, namespace, String::new());
    Target { credentials: credentials("s3"), datasets: vec![files], ..plain }
}

pub fn blobs(backend: &Arc<dyn Backend>) -> Arc<dyn Blobs> {
    backend.ports().blobs.expect("blobs")
}

async fn call(
    http: &Client,
    method: Method,
    url: &str,
    range: Option<&'static str>,
    body: Bytes,
) -> Result<(u16, Bytes), StoreError> {
    let (address, path) = url.strip_prefix("http://").expect("a plain URL").split_once('/').expect("a path");
    let headers: HeaderMap = range.map(|range| (header::RANGE, HeaderValue::from_static(range))).into_iter().collect();
    let reply = http.call(method, &address.parse().expect("an address"), &format!("/{path}"), headers, body).await;
    reply.map(|r| (r.status.as_u16(), r.body)).map_err(|error| StoreError::Indeterminate(error.to_string()))
}

async fn send(http: &Client, exchange: conformance::Exchange) -> Result<(u16, Bytes), StoreError> {
    let method = exchange.method.parse().expect("a method");
    call(http, method, &exchange.url, exchange.range, exchange.body).await
}

/// Puts an object by presigned URL and has it looked at; whether both were acknowledged.
pub async fn keep(env: &Env, http: &Client, port: &dyn Blobs, key: &str, content: Bytes) -> Result<(), StoreError> {
    let grant = Grant::Put { size_bytes: content.len() as u64 };
    let url = port.presign("files", key, grant, env.wall_ms() + 60_000).await?;
    let (status, _) = call(http, Method::PUT, &url, None, content).await?;
    if status != 200 {
        return Err(StoreError::Refused(format!("HTTP {status}")));
    }
    port.info("files", key).await?.map(|_| ()).ok_or_else(|| StoreError::Refused(format!("`{key}` was lost")))
}

#[tokio::test]
async fn a_server_keeps_the_port_s_promises() {
    let env = env();
    let name = namespace(&env);
    // Two starters at once: one makes the bucket, the other finds it.
    let (backend, other) = (open(&env, at(&endpoints("s3"), &name)), open(&env, at(&endpoints("s3"), &name)));
    let (server, again) = tokio::join!(backend.prepare(), other.prepare());
    println!("s3: {}", server.expect("a server").version);
    again.expect("the same server");
    backend.check().await.expect("a bucket");
    let http = Client::new(&env, Limits { reply_bytes_max: 64 << 20, ..Limits::default() });
    let port = blobs(&backend);
    conformance::blobs(&*port, async |exchange| send(&http, exchange).await, env.wall_ms())
        .await
        .expect("every promise");
    fidelity::record("blobs", "versitygw 1.8");

    let large: Bytes = (0..24u32 << 18).flat_map(u32::to_le_bytes).collect();
    keep(&env, &http, &*port, "large", large.clone()).await.expect("24 MiB");
    let grant = Grant::Get { name: "large".to_owned(), media_type: "application/octet-stream".to_owned() };
    let url = port.presign("files", "large", grant, env.wall_ms() + 60_000).await.expect("a URL");
    let (status, body) = call(&http, Method::GET, &url, None, Bytes::new()).await.expect("an answer");
    assert!(status == 200 && body == large, "a large object comes back as it went: {status}, {} bytes", body.len());
    // Who looks first decides, however many look: the digest is that of the bytes that are read.
    let (one, two) = tokio::join!(port.info("files", "large"), port.info("files", "large"));
    assert_eq!(one.expect("an answer"), two.expect("an answer"));
    assert!(port.info("files", "../x").await.unwrap_err().is_refusal(), "a key is no path");
}

#[tokio::test]
async fn curl_reads_what_was_written_with_a_signature_of_its_own() {
    let env = env();
    let (place, name) = (endpoints("s3"), namespace(&env));
    let backend = open(&env, at(&place, &name));
    backend.prepare().await.expect("a server");
    let http = Client::new(&env, Limits::default());
    keep(&env, &http, &*blobs(&backend), "k", Bytes::from("hello")).await.expect("an object");
    let read = |user: &str| {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--aws-sigv4", "aws:amz:us-east-1:s3", "--user", user]);
        curl.args(["--header", "x-amz-content-sha256: UNSIGNED-PAYLOAD"]);
        curl.arg(format!("http://{}/{name}-files/objects/k", place[0]));
        String::from_utf8(curl.output().expect("curl").stdout).expect("text")
    };
    assert_eq!(read("archgen:archgen-test"), "hello");
    assert!(read("archgen:another").contains("SignatureDoesNotMatch"));
}

#[tokio::test]
async fn what_is_wrong_with_the_server_is_said() {
    let env = env();
    let place = endpoints("s3");
    let fault = open(&env, at(&["127.0.0.1:1".to_owned()], "x")).check().await.unwrap_err();
    assert!(matches!(fault.kind, FaultKind::Unreachable(_)), "{fault}");
    assert!(fault.to_string().contains("store `store` (S3 at 127.0.0.1:1)"), "{fault}");
    let missing = open(&env, at(&place, &namespace(&env))).check().await.unwrap_err();
    assert!(matches!(missing.kind, FaultKind::Namespace(_)), "{missing}");
    for user in ["archgen", "nobody"] {
        let who = Credentials { user: user.to_owned(), password: Secret::new("a-wrong-one") };
        let wrong = Target { credentials: Some(who), ..at(&place, "x") };
        let fault = open(&env, wrong).prepare().await.unwrap_err();
        assert!(matches!(fault.kind, FaultKind::Credentials(_)), "{fault}");
        assert!(!fault.to_string().contains("a-wrong-one"), "{fault}");
    }
    let foreign = open(&env, at(&endpoints("redis"), "x")).check().await.unwrap_err();
    assert!(matches!(foreign.kind, FaultKind::Foreign(_)), "{foreign}");
    let encrypted = Target { tls: archgen_backends::Tls::System, ..at(&place, "x") };
    let encrypted = open(&env, encrypted).check().await.unwrap_err();
    assert!(matches!(encrypted.kind, FaultKind::Encryption(_)), "{encrypted}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_and_a_stopped_server_lose_no_object_that_was_acknowledged() {
    let env = env();
    let server = Private::start("s3");
    let backend = open(&env, at(&server.endpoints(), &namespace(&env)));
    backend.prepare().await.expect("a server");
    let (port, account) = (blobs(&backend), Arc::new(Account::default()));
    let content = |writer: usize, n: usize| Bytes::from(format!("{writer} wrote {n} ").repeat(500));
    let writers = (0..4).map(|writer| {
        let (env, port, account) = (env.clone(), port.clone(), account.clone());
        tokio::spawn(async move {
            let http = Client::new(&env, Limits { call_ms_max: 2_000, ..Limits::default() });
            let (mut acked, mut n) = (Vec::new(), 0);
            while !account.is_over() {
                let begun = Instant::now();
                match keep(&env, &http, &*port, &format!("w{writer}-{n}"), content(writer, n)).await {
                    Ok(()) => {
                        acked.push(n);
                        account.ack(begun.elapsed());
                    }
                    Err(error) => {
                        account.failed(&error);
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                }
                n += 1;
            }
            acked
        })
    });
    let writers: Vec<_> = writers.collect();
    account.more(100).await;
    server.signal_file("pid", "KILL");
    account.failed_more(1).await;
    server.restart();
    println!("s3 killed: 50 more objects {:?} after it was back", account.more(50).await);
    server.signal_file("pid", "STOP");
    account.failed_more(1).await;
    server.signal_file("pid", "CONT");
    println!("s3 stopped: 50 more objects {:?} after it went on", account.more(50).await);
    account.stop();
    for (writer, task) in writers.into_iter().enumerate() {
        for n in task.await.expect("a writer") {
            let key = format!("w{writer}-{n}");
            let whole = port.first_bytes("files", &key, 1 << 16).await.expect("an acknowledged object");
            assert_eq!(whole, content(writer, n), "{key}");
        }
    }
    println!("s3: {}", account.text());
}
