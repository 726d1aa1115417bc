//! The collections: made where they are not, verified where they are.

use std::time::Duration;

use archgen_ports::documents::COLLECTIONS;
use mongodb::bson::{Bson, Document};
use tokio::time::{Instant, sleep};

use super::{
    commands::{LAYOUT, create, indexes, layout, lock, maker, mark, revise, unlock},
    link::{DUPLICATE, Link},
};
use crate::{FaultKind, Server};

/// Longest time to make everything; a starter that died holds up others for so long.
const MAKE_WITHIN: Duration = Duration::from_secs(20);
/// Time between looks at another starter.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Code of a collection that is there.
const EXISTS: i32 = 48;
/// Codes by which a server says that it does not do what was asked: unknown option, unknown command, not implemented.
const UNKNOWN: [i32; 5] = [9, 59, 72, 115, 238];

/// A whole number, whatever its width.
pub(super) fn number(value: Option<&Bson>) -> Option<i64> {
    match value? {
        Bson::Int64(n) => Some(*n),
        Bson::Int32(n) => Some(i64::from(*n)),
        Bson::Double(n) => Some(*n as i64),
        _ => None,
    }
}

fn known(found: Option<i64>) -> Result<(), FaultKind> {
    match found {
        Some(found) if found == LAYOUT => Ok(()),
        Some(found) if found > LAYOUT => Err(FaultKind::Schema(format!(
            "its collections are of layout {found}, and this archgen knows {LAYOUT}; run the newer archgen, or name another `namespace`"
        ))),
        _ => Err(FaultKind::Schema(
            "`archgen.layout` there was not made by archgen; name another `namespace`".to_owned(),
        )),
    }
}

/// Makes what is not there, one starter at a time.
///
/// # Errors
/// What is wrong.
pub(super) async fn make(link: &Link) -> Result<Server, FaultKind> {
    let (server, give_up) = (link.server().await?, Instant::now() + MAKE_WITHIN);
    loop {
        let found = ask(link, layout()).await?;
        if let Some(mark) = first(&found) {
            known(number(mark.get("version")))?;
            return Ok(server);
        }
        let now_ms = link.env.wall_ms() as i64;
        let until_ms = now_ms + MAKE_WITHIN.as_millis() as i64;
        if is_inserted(link, lock(until_ms)).await? {
            let made = all(link).await;
            // Where it cannot be given up its time ends it.
            let _ = link.ask(unlock(until_ms)).await;
            let named = if made? { server.version } else { format!("{}, without validators", server.version) };
            return Ok(Server { version: named });
        }
        let other = ask(link, maker()).await?;
        match first(&other).and_then(|maker| number(maker.get("until"))) {
            Some(until) if until < now_ms => drop(ask(link, unlock(until)).await?),
            _ => sleep(LOOK_EVERY).await,
        }
        if Instant::now() > give_up {
            return Err(FaultKind::Other(
                "another archgen is making its collections, and does not come to an end".to_owned(),
            ));
        }
    }
}

async fn ask(link: &Link, command: Document) -> Result<Document, FaultKind> {
    link.ask(command).await.map_err(|(_, kind)| kind)
}

/// Whether a document was inserted that was not there.
async fn is_inserted(link: &Link, command: Document) -> Result<bool, FaultKind> {
    match link.ask(command).await {
        Ok(answer) => Ok(answer.get_array("writeErrors").map_or(true, |errors| errors.is_empty())),
        Err((DUPLICATE, _)) => Ok(false),
        Err((_, kind)) => Err(kind),
    }
}

/// Makes everything and writes down that it did; whether documents are held against validators.
async fn all(link: &Link) -> Result<bool, FaultKind> {
    let mut validated = true;
    for (name, fields) in COLLECTIONS {
        validated &= collection(link, name, fields).await?;
        if let Some(command) = indexes(name, fields) {
            ask(link, command).await?;
        }
    }
    if !validated {
        tracing::warn!(
            store = link.target.store,
            "the server does not know validators: documents are not held against one"
        );
    }
    is_inserted(link, mark()).await?;
    Ok(validated)
}

/// Whether the collection, which is there then, has its validator.
async fn collection(link: &Link, name: &str, fields: &[&str]) -> Result<bool, FaultKind> {
    let mut command = create(name, fields, true);
    let mut validated = true;
    loop {
        match link.ask(command).await {
            Ok(_) => return Ok(validated),
            Err((EXISTS, _)) if validated => command = revise(name, fields),
            Err((EXISTS, _)) => return Ok(false),
            Err((code, _)) if validated && UNKNOWN.contains(&code) => {
                validated = false;
                command = create(name, fields, false);
            }
            Err((_, kind)) => return Err(kind),
        }
    }
}

/// Whether the collections are there and of this layout.
///
/// # Errors
/// What is wrong.
pub(super) async fn verify(link: &Link) -> Result<Server, FaultKind> {
    let server = link.server().await?;
    let answer = ask(link, layout()).await?;
    let found = first(&answer);
    if found.is_none() {
        return Err(FaultKind::Schema("its collections are not made; `archgen up` makes them".to_owned()));
    }
    known(number(found.and_then(|mark| mark.get("version"))))?;
    Ok(server)
}

/// The documents of a find's answer.
pub(super) fn batch(answer: &Document) -> impl Iterator<Item = &Document> {
    let list = answer.get_document("cursor").and_then(|cursor| cursor.get_array("firstBatch"));
    list.into_iter().flatten().filter_map(Bson::as_document)
}

/// The first of them.
pub(super) fn first(answer: &Document) -> Option<&Document> {
    batch(answer).next()
}
