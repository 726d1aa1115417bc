//! Accounts and documents.

use serde_json::{Value, json};

use super::{Violation, expectation::expect};
use crate::{
    StoreError,
    accounts::{Accounts, Commit, Expect, Write},
    documents::{Documents, Put},
};

fn write(table: &str, key: &str, condition: Expect, value: Option<Value>) -> Write {
    Write { table: table.to_owned(), key: key.to_owned(), expect: condition, value }
}

fn user(email: &str) -> Option<Value> {
    Some(json!({"email": email, "handle": email}))
}

/// Transactions are all or nothing, versions make them conditional, unique fields are unique, lookups follow writes.
///
/// # Errors
/// The first broken promise.
pub async fn accounts(port: &dyn Accounts) -> Result<(), Violation> {
    expect("a missing row is none", port.get("users", "a").await?.is_none(), true)?;
    let insert =
        vec![write("users", "a", Expect::Absent, user("a@x")), write("users", "b", Expect::Absent, user("b@x"))];
    expect("a transaction applies", port.commit(insert).await?, Commit::Applied)?;
    let row = port.get("users", "a").await?;
    expect("versions begin at 1", row.as_ref().map(|r| r.version), Some(1))?;
    let found = port.find("users", "email", "b@x", None, 10).await?;
    expect("a unique field finds its row", found.iter().map(|r| r.key.as_str()).collect(), vec!["b"])?;

    let half =
        vec![write("users", "c", Expect::Absent, user("c@x")), write("users", "a", Expect::Version(9), user("a@x"))];
    let conflict = Commit::Conflict { table: "users".to_owned(), key: "a".to_owned() };
    expect("a wrong version is a conflict", port.commit(half).await?, conflict)?;
    expect("a conflict applies nothing", port.get("users", "c").await?.is_none(), true)?;
    let taken = Commit::Taken { table: "users".to_owned(), field: "email".to_owned() };
    let twin = vec![write("users", "c", Expect::Absent, user("a@x"))];
    expect("a unique field is taken once", port.commit(twin).await?, taken.clone())?;
    let twins =
        vec![write("users", "c", Expect::Absent, user("n@x")), write("users", "d", Expect::Absent, user("n@x"))];
    expect("also within one transaction", port.commit(twins).await?, taken)?;

    let moved = vec![write("users", "a", Expect::Version(1), user("new@x"))];
    expect("a unique value can be given up", port.commit(moved).await?, Commit::Applied)?;
    expect("the old value finds nothing", port.find("users", "email", "a@x", None, 10).await?.len(), 0)?;
    let reuse = vec![write("users", "c", Expect::Absent, user("a@x"))];
    expect("and taken by another", port.commit(reuse).await?, Commit::Applied)?;
    let gone = vec![write("users", "b", Expect::Any, None)];
    expect("a row is deleted", port.commit(gone).await?, Commit::Applied)?;
    let keys: Vec<String> = port.scan("users", None, 10).await?.into_iter().map(|r| r.key).collect();
    expect("a scan is by key", keys, vec!["a".to_owned(), "c".to_owned()])?;
    let after: Vec<String> = port.scan("users", Some("a"), 1).await?.into_iter().map(|r| r.key).collect();
    expect("and goes on after a key", after, vec!["c".to_owned()])?;

    let members = (0..5).map(|n| write("members", &format!("c:{n}"), Expect::Absent, Some(json!({"channel": "c"}))));
    port.commit(members.collect()).await?;
    let page: Vec<String> =
        port.find("members", "channel", "c", Some("c:1"), 2).await?.into_iter().map(|r| r.key).collect();
    expect("a lookup is by key, in pages", page, vec!["c:2".to_owned(), "c:3".to_owned()])?;
    let refused = matches!(port.find("users", "name", "x", None, 1).await, Err(StoreError::Refused(_)));
    expect("a field without an index is refused", refused, true)
}

/// Puts are conditional by version, lookups go both ways.
///
/// # Errors
/// The first broken promise.
pub async fn documents(port: &dyn Documents) -> Result<(), Violation> {
    let file = |state: &str| Some(json!({"owner": "u", "state": state}));
    expect("a put", port.put("files", "f1", Expect::Absent, file("pending")).await?, Put::Applied(1))?;
    expect("is there once", port.put("files", "f1", Expect::Absent, file("x")).await?, Put::Conflict)?;
    expect("a version", port.put("files", "f1", Expect::Version(1), file("ready")).await?, Put::Applied(2))?;
    expect("is used once", port.put("files", "f1", Expect::Version(1), file("x")).await?, Put::Conflict)?;
    let document = port.get("files", "f1").await?;
    expect("the last put stands", document.map(|d| d.value), file("ready"))?;
    for key in ["f2", "f3"] {
        port.put("files", key, Expect::Any, file("ready")).await?;
    }
    let keys = |newest_first, after| async move {
        let found = port.find("files", "owner", "u", after, newest_first, 2).await?;
        Ok::<_, Violation>(found.into_iter().map(|d| d.key).collect::<Vec<_>>())
    };
    expect("ascending", keys(false, None).await?, vec!["f1".to_owned(), "f2".to_owned()])?;
    expect("ascending after", keys(false, Some("f1")).await?, vec!["f2".to_owned(), "f3".to_owned()])?;
    expect("descending", keys(true, None).await?, vec!["f3".to_owned(), "f2".to_owned()])?;
    expect("descending before", keys(true, Some("f2")).await?, vec!["f1".to_owned()])?;
    expect("the old value finds nothing", port.find("files", "state", "pending", None, false, 9).await?.len(), 0)?;
    let all: Vec<String> = port.scan("files", None, 2).await?.into_iter().map(|d| d.key).collect();
    expect("all, by key", all, vec!["f1".to_owned(), "f2".to_owned()])?;
    let rest: Vec<String> = port.scan("files", Some("f2"), 9).await?.into_iter().map(|d| d.key).collect();
    expect("in pages", rest, vec!["f3".to_owned()])?;
    expect("of one collection", port.scan("devices", None, 9).await?.len(), 0)?;
    port.put("files", "f2", Expect::Any, None).await?;
    expect("a deleted document is gone", port.get("files", "f2").await?.is_none(), true)?;
    expect("also for lookups", port.find("files", "owner", "u", None, false, 9).await?.len(), 2)
}
