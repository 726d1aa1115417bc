//! Accounts on PostgreSQL.

use std::{process::Command, sync::Arc, time::Instant};

use archgen_backends::{Backend, Credentials, Engine, FaultKind, Secret, Target, Tls};
use archgen_env::Env;
use archgen_ports::{
    StoreError,
    accounts::{Accounts, Commit, Expect, TABLES, Write},
    conformance,
};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{
    fidelity,
    load::Account,
    server::{Private, credentials, endpoints, env, folder, generated, namespace, open, target, topology},
};

fn at(endpoints: &[String], database: &str, role: &str) -> Target {
    let spec = format!(
        "archgen: v1
name: {database}
services: {{ user: {{ port: 9300, needs: [users.accounts] }} }}
stores:
  users:
    kind: postgres
    version: \"15\"
    tables: {{ accounts: {{ key: id uuid, columns: {{ email: text unique, role: {role} }}, shard: {{ by: hash(id), into: 4 }} }} }}
"
    );
    let schema = generated(&topology(&spec), "postgres/users/schema.sql");
    Target { credentials: credentials("postgres"), ..target(Engine::Postgres, endpoints, database, schema) }
}

/// A target in a database of its own.
fn fresh(env: &Env, endpoints: &[String]) -> Target {
    at(endpoints, &namespace(env), "text")
}

pub fn accounts(backend: &Arc<dyn Backend>) -> Arc<dyn Accounts> {
    backend.ports().accounts.expect("accounts")
}

pub async fn prepared(env: &Env) -> (Arc<dyn Accounts>, Target) {
    let target = fresh(env, &endpoints("postgres"));
    let backend = open(env, target.clone());
    backend.prepare().await.expect("a schema");
    (accounts(&backend), target)
}

pub fn write(table: &str, key: &str, expect: Expect, value: Option<Value>) -> Write {
    Write { table: table.to_owned(), key: key.to_owned(), expect, value }
}

fn psql(target: &Target, text: &str) -> String {
    let who = target.credentials.as_ref().expect("credentials");
    let at = &target.endpoints[0];
    let mut psql = Command::new("psql");
    psql.env("PGPASSWORD", who.password.expose()).args(["-X", "-qAt", "-v", "ON_ERROR_STOP=1", "-U", &who.user]);
    psql.args(["-h", &at.host, "-p", &at.port.to_string(), "-d", &target.namespace, "-c", text]);
    let output = psql.output().expect("psql");
    assert!(output.status.success(), "{text}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[tokio::test]
async fn accounts_keep_the_port_s_promises() {
    let env = env();
    let (port, target) = prepared(&env).await;
    conformance::accounts(&*port).await.expect("every promise");
    fidelity::record("accounts", &open(&env, target.clone()).check().await.expect("a server").version);
    assert_eq!(psql(&target, "SELECT value ->> 'email' FROM archgen.users WHERE key = 'a'"), "new@x", "psql reads it");
    let server = open(&env, target).check().await.expect("the same schema");
    println!("{}", server.version);
}

#[tokio::test]
async fn the_generated_tables_are_those_of_the_port() {
    let env = env();
    let (port, _) = prepared(&env).await;
    for table in TABLES {
        let fields = table.unique.iter().chain(table.indexes);
        let value: Value =
            fields.clone().map(|field| ((*field).to_owned(), json!("x"))).collect::<serde_json::Map<_, _>>().into();
        let first = vec![write(table.name, "1", Expect::Absent, Some(value.clone()))];
        assert_eq!(port.commit(first).await.unwrap(), Commit::Applied, "{}", table.name);
        for field in fields {
            assert_eq!(port.find(table.name, field, "x", None, 9).await.unwrap().len(), 1, "{}.{field}", table.name);
        }
        let second = port.commit(vec![write(table.name, "2", Expect::Absent, Some(value))]).await.unwrap();
        assert_eq!(matches!(second, Commit::Taken { .. }), !table.unique.is_empty(), "{}: {second:?}", table.name);
    }
    let odd = json!({"email": "é\"\\'%", "text": "\u{0}", "n": 1.0, "big": u64::MAX, "z": 1, "a": [null, {}]});
    port.commit(vec![write("users", "o'dd/%L", Expect::Any, Some(odd.clone()))]).await.unwrap();
    assert_eq!(port.get("users", "o'dd/%L").await.unwrap().unwrap().value, odd);
    assert_eq!(port.find("users", "email", "é\"\\'%", None, 9).await.unwrap()[0].key, "o'dd/%L");
}

/// Lost update, write skew and twins: checks and writes of a transaction see one state.
#[tokio::test(flavor = "multi_thread")]
async fn transactions_over_the_same_rows_come_one_after_the_other() {
    let env = env();
    let (port, _) = prepared(&env).await;
    let increments = (0..8).map(|_| {
        let port = port.clone();
        tokio::spawn(async move {
            for _ in 0..10 {
                loop {
                    let row = port.get("groups", "counter").await.unwrap();
                    let (expect, n) = row
                        .map_or((Expect::Absent, 0), |r| (Expect::Version(r.version), r.value["n"].as_u64().unwrap()));
                    let next = vec![write("groups", "counter", expect, Some(json!({"n": n + 1})))];
                    if port.commit(next).await.unwrap() == Commit::Applied {
                        break;
                    }
                }
            }
        })
    });
    for done in join_all(increments).await {
        done.unwrap();
    }
    let counter = port.get("groups", "counter").await.unwrap().unwrap();
    assert_eq!((counter.version, &counter.value), (80, &json!({"n": 80})), "no increment is lost");

    for round in 0..20 {
        let (one, two) = (format!("{round}-1"), format!("{round}-2"));
        let unless = |mine: &str, other: &str| {
            vec![write("drafts", other, Expect::Absent, None), write("drafts", mine, Expect::Absent, Some(json!({})))]
        };
        let both = join_all([port.commit(unless(&one, &two)), port.commit(unless(&two, &one))]).await;
        let applied = both.iter().filter(|c| matches!(c, Ok(Commit::Applied))).count();
        assert_eq!(applied, 1, "each only where the other is not: {both:?}");
        let email = json!({"email": format!("{round}@x")});
        let twins = (0..6)
            .map(|n| port.commit(vec![write("users", &format!("{round}-{n}"), Expect::Absent, Some(email.clone()))]));
        let twins = join_all(twins).await;
        assert_eq!(twins.iter().filter(|c| matches!(c, Ok(Commit::Applied))).count(), 1, "{twins:?}");
        assert_eq!(twins.iter().filter(|c| matches!(c, Ok(Commit::Taken { .. }))).count(), 5, "{twins:?}");
        // Unique values claimed in opposite orders: the server's deadlock detection is no caller's matter.
        let claim = |a: u32, b: u32| {
            let row = |n: u32| {
                write(
                    "channels",
                    &format!("{round}-{a}-{n}"),
                    Expect::Absent,
                    Some(json!({"dm_key": format!("{round}-{n}")})),
                )
            };
            vec![row(a), row(b)]
        };
        let crossed = join_all([port.commit(claim(1, 2)), port.commit(claim(2, 1))]).await;
        assert_eq!(crossed.iter().filter(|c| matches!(c, Ok(Commit::Applied))).count(), 1, "{crossed:?}");
        assert!(crossed.iter().all(Result::is_ok), "{crossed:?}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_the_server_is_said_with_its_place() {
    let env = env();
    let place = endpoints("postgres");
    let good = fresh(&env, &place);
    let nobody = open(&env, Target { endpoints: vec!["127.0.0.1:1".parse().unwrap()], ..good.clone() });
    let fault = nobody.prepare().await.unwrap_err();
    assert!(matches!(fault.kind, FaultKind::Unreachable(_)), "{fault}");
    assert!(fault.to_string().contains("store `store` (PostgreSQL at 127.0.0.1:1)"), "{fault}");
    let refused = accounts(&nobody).commit(vec![write("users", "a", Expect::Any, None)]).await.unwrap_err();
    assert!(matches!(refused, StoreError::Refused(_)), "nothing was sent: {refused}");
    let who = Credentials { user: "archgen".to_owned(), password: Secret::new("wr0ng-secret") };
    let fault = open(&env, Target { credentials: Some(who), ..good.clone() }).prepare().await.unwrap_err();
    assert!(matches!(fault.kind, FaultKind::Credentials(_)), "{fault}");
    assert!(!format!("{fault} {fault:?}").contains("wr0ng"), "{fault}");
    let fault = open(&env, good.clone()).check().await.unwrap_err();
    assert!(matches!(fault.kind, FaultKind::Namespace(_)), "no such database: {fault}");
    let fault = open(&env, Target { tls: Tls::System, ..good.clone() }).check().await.unwrap_err();
    assert!(matches!(fault.kind, FaultKind::Encryption(_)), "{fault}");
    let redis = endpoints("redis").iter().map(|e| e.parse().unwrap()).collect();
    let fault = open(&env, Target { endpoints: redis, ..good.clone() }).check().await.unwrap_err();
    assert!(fault.to_string().contains("or something else has the port"), "Redis waits for more: {fault}");
    let there = "postgres".to_owned();
    let standby = open(&env, Target { endpoints: vec![place[1].parse().unwrap()], namespace: there, ..good.clone() });
    let fault = standby.prepare().await.unwrap_err();
    assert!(fault.to_string().contains("standby"), "{fault}");
    // Who may not make a database says which one is missing.
    psql(
        &Target { namespace: "postgres".to_owned(), ..good.clone() },
        &format!("CREATE ROLE {} LOGIN PASSWORD 'p'", good.namespace),
    );
    let who = Credentials { user: good.namespace.clone(), password: Secret::new("p") };
    let fault = open(&env, Target { credentials: Some(who), ..good.clone() }).prepare().await.unwrap_err();
    assert!(matches!(&fault.kind, FaultKind::Namespace(what) if what.contains(&good.namespace)), "{fault}");
    // The standby first: the primary is found behind it.
    let turned = open(&env, Target { endpoints: place.iter().rev().map(|e| e.parse().unwrap()).collect(), ..good });
    turned.prepare().await.expect("the primary");
    conformance::accounts(&*accounts(&turned)).await.expect("every promise");
}

#[tokio::test]
async fn a_schema_is_made_once_by_two_who_come_at_once_and_another_s_is_refused() {
    let env = env();
    let (place, name) = (endpoints("postgres"), namespace(&env));
    let target = at(&place, &name, "text");
    let starters = [open(&env, target.clone()), open(&env, target.clone())];
    for made in join_all(starters.iter().map(|starter| starter.prepare())).await {
        made.expect("one made it, the other waited");
    }
    let other = open(&env, at(&place, &name, "bigint"));
    for fault in [other.prepare().await.unwrap_err(), other.check().await.unwrap_err()] {
        assert!(fault.to_string().contains("was made from another spec"), "{fault}");
    }
    psql(&target, "DROP TABLE archgen.drafts");
    let fault = open(&env, target.clone()).check().await.unwrap_err();
    assert!(fault.to_string().contains("has drifted: archgen.drafts"), "{fault}");
    psql(&target, "UPDATE archgen.schema_version SET layout = 99");
    for fault in [starters[0].prepare().await.unwrap_err(), starters[1].check().await.unwrap_err()] {
        assert!(fault.to_string().contains("made by a newer archgen"), "{fault}");
    }
    let foreign = at(&place, &namespace(&env), "text");
    psql(
        &Target { namespace: "postgres".to_owned(), ..foreign.clone() },
        &format!("CREATE DATABASE {}", foreign.namespace),
    );
    psql(&foreign, "CREATE TABLE invoices (id bigint)");
    let fault = open(&env, foreign).prepare().await.unwrap_err();
    assert!(fault.to_string().contains("tables of somebody else (public.invoices)"), "{fault}");
}

/// Commits two rows at a time until the load is over; the numbers of those that were acknowledged.
async fn commit(port: Arc<dyn Accounts>, who: usize, account: Arc<Account>) -> Vec<u64> {
    let (mut acked, mut n) = (Vec::new(), 0);
    while !account.is_over() {
        n += 1;
        let begun = Instant::now();
        let row =
            |table: &str| write(table, &format!("{who}-{n:06}"), Expect::Absent, Some(json!({"channel": "c", "n": n})));
        match port.commit(vec![row("members"), row("outbox")]).await {
            Ok(commit) => {
                assert_eq!(commit, Commit::Applied, "what was refused is not there");
                acked.push(n);
                account.ack(begun.elapsed());
            }
            Err(error) => {
                account.failed(&error);
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        }
    }
    acked
}

/// Signals every process of the private primary.
fn signal(signal: &str) {
    let file = folder("postgres-private").join("data/primary/postmaster.pid");
    let text = std::fs::read_to_string(file).expect("a pid");
    let first = text.lines().next().expect("a pid").trim().to_owned();
    let children = Command::new("pgrep").args(["-P", &first]).output().expect("pgrep");
    let children = String::from_utf8_lossy(&children.stdout).into_owned();
    let all = std::iter::once(first.as_str()).chain(children.split_whitespace());
    // A child may be gone already.
    let _ = Command::new("kill").arg(format!("-{signal}")).args(all).status();
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_when_the_server_is_killed_or_stopped() {
    let env = env();
    let server = Private::start("postgres");
    let backend = open(&env, fresh(&env, &server.endpoints()));
    backend.prepare().await.expect("a schema");
    let port = accounts(&backend);
    let account = Arc::new(Account::default());
    let writers: Vec<_> = (0..4).map(|n| tokio::spawn(commit(port.clone(), n, account.clone()))).collect();
    account.more(400).await;
    signal("KILL");
    let killed = Instant::now();
    server.restart();
    let ready = killed.elapsed();
    account.more(1).await;
    println!("postgres killed: ready after {ready:?}, written to again after {:?}", killed.elapsed());
    account.more(100).await;
    signal("STOP");
    let stopped = Instant::now();
    tokio::time::sleep(std::time::Duration::from_secs(4)).await;
    signal("CONT");
    account.more(1).await;
    println!("postgres stopped for 4 s: written to again after {:?}", stopped.elapsed());
    account.more(100).await;
    account.stop();
    println!("postgres: {}", account.text());
    for (who, writer) in writers.into_iter().enumerate() {
        let acked = writer.await.expect("a writer");
        for n in acked {
            assert!(
                port.get("members", &format!("{who}-{n:06}")).await.unwrap().is_some(),
                "{who}-{n} was acknowledged"
            );
        }
    }
    let keys = async |table: &str| {
        let rows = port.scan(table, None, 10_000).await.expect("rows");
        rows.into_iter().map(|row| row.key).collect::<Vec<_>>()
    };
    assert_eq!(keys("members").await, keys("outbox").await, "a transaction applies as a whole or not at all");
}
