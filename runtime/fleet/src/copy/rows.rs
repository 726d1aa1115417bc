//! Accounts and documents. Versions begin at 1 again: they are compared by nobody who is not stopped.

use archgen_ports::{
    accounts::{Accounts, Commit, Expect, Row, TABLES, Write},
    documents::{COLLECTIONS, Documents, Put},
};

use super::{Copied, CopyError, Naming, PAGE, digest::Digest};

fn odd(what: &str, why: impl std::fmt::Debug) -> CopyError {
    CopyError::Odd { what: what.to_owned(), why: format!("{why:?}") }
}

fn add(digest: &mut Digest, rows: &[Row]) {
    rows.iter().for_each(|row| digest.add(&[row.key.as_bytes(), row.value.to_string().as_bytes()]));
}

/// Refuses where a table of the new store has rows already.
pub(super) async fn vacant_accounts(store: &str, to: &dyn Accounts) -> Result<(), CopyError> {
    for table in TABLES {
        let what = format!("{store}.{}", table.name);
        if !to.scan(table.name, None, 1).await.naming(&what)?.is_empty() {
            return Err(CopyError::NotEmpty(what));
        }
    }
    Ok(())
}

/// Refuses where a collection of the new store has documents already.
pub(super) async fn vacant_documents(store: &str, to: &dyn Documents) -> Result<(), CopyError> {
    for (name, _) in COLLECTIONS {
        let what = format!("{store}.{name}");
        if !to.scan(name, None, 1).await.naming(&what)?.is_empty() {
            return Err(CopyError::NotEmpty(what));
        }
    }
    Ok(())
}

/// Every table.
pub(super) async fn accounts(
    store: &str,
    from: &dyn Accounts,
    to: &dyn Accounts,
    tell: &mut impl FnMut(Copied),
) -> Result<(), CopyError> {
    for table in TABLES {
        let what = format!("{store}.{}", table.name);
        let (mut before, mut after) = (Digest::default(), Digest::default());
        let mut last: Option<String> = None;
        loop {
            let page = from.scan(table.name, last.as_deref(), PAGE).await.naming(&what)?;
            let Some(end) = page.last() else { break };
            last = Some(end.key.clone());
            add(&mut before, &page);
            let write = |row: Row| Write {
                table: table.name.to_owned(),
                key: row.key,
                expect: Expect::Absent,
                value: Some(row.value),
            };
            let done = to.commit(page.into_iter().map(write).collect()).await.naming(&what)?;
            if done != Commit::Applied {
                return Err(odd(&what, done));
            }
        }
        let mut last: Option<String> = None;
        loop {
            let page = to.scan(table.name, last.as_deref(), PAGE).await.naming(&what)?;
            let Some(end) = page.last() else { break };
            last = Some(end.key.clone());
            add(&mut after, &page);
        }
        tell(Digest::both(&what, before, after));
    }
    Ok(())
}

/// Every collection.
pub(super) async fn documents(
    store: &str,
    from: &dyn Documents,
    to: &dyn Documents,
    tell: &mut impl FnMut(Copied),
) -> Result<(), CopyError> {
    for (name, _) in COLLECTIONS {
        let what = format!("{store}.{name}");
        let (mut before, mut after) = (Digest::default(), Digest::default());
        let mut last: Option<String> = None;
        loop {
            let page = from.scan(name, last.as_deref(), PAGE).await.naming(&what)?;
            let Some(end) = page.last() else { break };
            last = Some(end.key.clone());
            add(&mut before, &page);
            for row in page {
                let done = to.put(name, &row.key, Expect::Absent, Some(row.value)).await.naming(&what)?;
                if done == Put::Conflict {
                    return Err(odd(&what, done));
                }
            }
        }
        let mut last: Option<String> = None;
        loop {
            let page = to.scan(name, last.as_deref(), PAGE).await.naming(&what)?;
            let Some(end) = page.last() else { break };
            last = Some(end.key.clone());
            add(&mut after, &page);
        }
        tell(Digest::both(&what, before, after));
    }
    Ok(())
}

/// The keys of a table.
pub(super) async fn keys(store: &str, accounts: &dyn Accounts, table: &str) -> Result<Vec<String>, CopyError> {
    let mut keys: Vec<String> = Vec::new();
    loop {
        let page = accounts.scan(table, keys.last().map(String::as_str), PAGE).await;
        let page = page.naming(&format!("{store}.{table}"))?;
        if page.is_empty() {
            return Ok(keys);
        }
        keys.extend(page.into_iter().map(|row| row.key));
    }
}

/// The objects that documents name.
pub(super) async fn objects(store: &str, documents: &dyn Documents) -> Result<Vec<String>, CopyError> {
    let (mut objects, mut last) = (Vec::new(), None::<String>);
    loop {
        let page = documents.scan("files", last.as_deref(), PAGE).await.naming(&format!("{store}.files"))?;
        let Some(end) = page.last() else { return Ok(objects) };
        last = Some(end.key.clone());
        objects.extend(page.iter().filter_map(|row| row.value["object"].as_str().map(str::to_owned)));
    }
}
