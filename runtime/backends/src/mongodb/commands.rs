//! The commands, as they are sent.

use archgen_ports::{accounts::Expect, documents::COLLECTIONS};
use mongodb::bson::{Bson, Document, doc};
use serde_json::Value;

/// Longest wait for a majority, milliseconds.
const MAJORITY_WITHIN_MS: i32 = 4_000;
/// Longest time of one command on the server, milliseconds.
const COMMAND_MS_MAX: i32 = 4_500;
/// Documents in one answer.
const DOCUMENTS_MAX: usize = 10_000;
/// The version of this layout, which stands in the database.
pub(super) const LAYOUT: i64 = 1;

/// The collection in which the port's collection of this name is: beside those that the spec declares.
pub(super) fn place(collection: &str) -> String {
    format!("archgen.{collection}")
}

/// Acknowledged once a majority of the copies has it in its journal.
fn majority() -> Document {
    doc! { "w": "majority", "j": true, "wtimeout": MAJORITY_WITHIN_MS }
}

/// A document as it is stored: its content is JSON text, the texts by which it is found stand beside.
fn content(fields: &[&str], value: &Value) -> (Document, Document) {
    let (mut set, mut unset) = (doc! { "value": value.to_string() }, Document::new());
    for field in fields {
        match value.get(field).and_then(Value::as_str) {
            Some(text) => set.insert(*field, text),
            None => unset.insert(*field, ""),
        };
    }
    (set, unset)
}

fn matching(key: &str, expect: Expect) -> Document {
    match expect {
        Expect::Version(version) => doc! { "_id": key, "version": i64::try_from(version).unwrap_or(i64::MAX) },
        Expect::Any | Expect::Absent => doc! { "_id": key },
    }
}

/// Inserts a document that must not be there.
pub(super) fn insert(collection: &str, fields: &[&str], key: &str, value: &Value) -> Document {
    let mut stored = doc! { "_id": key, "version": 1_i64 };
    stored.extend(content(fields, value).0);
    doc! { "insert": place(collection), "documents": [stored], "writeConcern": majority() }
}

/// Writes a document and tells its version: the one that is there, in this version where one is asked for, else a new one.
pub(super) fn write(collection: &str, fields: &[&str], key: &str, expect: Expect, value: &Value) -> Document {
    let (set, unset) = content(fields, value);
    let mut update = doc! { "$set": set, "$inc": { "version": 1_i64 } };
    if !unset.is_empty() {
        update.insert("$unset", unset);
    }
    doc! {
        "findAndModify": place(collection),
        "query": matching(key, expect),
        "update": update,
        "upsert": matches!(expect, Expect::Any),
        "new": true,
        "writeConcern": majority(),
    }
}

/// Deletes a document.
pub(super) fn delete(collection: &str, key: &str, expect: Expect) -> Document {
    let deletes = [doc! { "q": matching(key, expect), "limit": 1 }];
    doc! { "delete": place(collection), "deletes": deletes.as_slice(), "writeConcern": majority() }
}

fn find(collection: &str, filter: Document, ascending: bool, limit: usize) -> Document {
    let limit = limit.clamp(1, DOCUMENTS_MAX) as i64;
    doc! {
        "find": place(collection),
        "filter": filter,
        "sort": { "_id": if ascending { 1 } else { -1 } },
        "limit": limit,
        "batchSize": limit,
        "singleBatch": true,
        "maxTimeMS": COMMAND_MS_MAX,
        "readConcern": { "level": "majority" },
    }
}

/// The document of this key.
pub(super) fn get(collection: &str, key: &str) -> Document {
    find(collection, doc! { "_id": key }, true, 1)
}

/// Documents by an indexed field.
pub(super) fn lookup(
    collection: &str,
    (field, value): (&str, &str),
    after: Option<&str>,
    newest_first: bool,
    limit: usize,
) -> Document {
    let mut filter = doc! { field: value };
    if let Some(after) = after {
        let beyond = if newest_first { "$lt" } else { "$gt" };
        filter.insert("_id", doc! { beyond: after });
    }
    find(collection, filter, !newest_first, limit)
}

/// All documents after a key.
pub(super) fn scan(collection: &str, after: Option<&str>, limit: usize) -> Document {
    find(collection, after.map(|after| doc! { "_id": { "$gt": after } }).unwrap_or_default(), true, limit)
}

/// What the server holds every document of a collection against.
fn validator(fields: &[&str]) -> Document {
    let mut properties = doc! {
        "_id": { "bsonType": "string" },
        "version": { "bsonType": "long", "minimum": 1 },
        "value": { "bsonType": "string" },
    };
    for field in fields {
        properties.insert(*field, doc! { "bsonType": "string" });
    }
    let required = ["_id", "version", "value"];
    doc! { "$jsonSchema": { "bsonType": "object", "required": required.as_slice(), "properties": properties } }
}

/// Makes a collection.
pub(super) fn create(collection: &str, fields: &[&str], with_validator: bool) -> Document {
    let mut command = doc! { "create": place(collection) };
    if with_validator {
        command.insert("validator", validator(fields));
        command.insert("validationLevel", "strict");
        command.insert("validationAction", "error");
    }
    command.insert("writeConcern", majority());
    command
}

/// Gives a collection that is there its validator.
pub(super) fn revise(collection: &str, fields: &[&str]) -> Document {
    doc! {
        "collMod": place(collection),
        "validator": validator(fields),
        "validationLevel": "strict",
        "validationAction": "error",
        "writeConcern": majority(),
    }
}

/// Makes a collection's indexes, where it has some.
pub(super) fn indexes(collection: &str, fields: &[&str]) -> Option<Document> {
    let each = fields.iter().map(|field| Bson::Document(doc! { "key": { *field: 1, "_id": 1 }, "name": *field }));
    let each: Vec<Bson> = each.collect();
    (!each.is_empty()).then(|| doc! { "createIndexes": place(collection), "indexes": each, "writeConcern": majority() })
}

fn note(document: Document) -> Document {
    doc! { "insert": place("layout"), "documents": [document], "writeConcern": majority() }
}

/// Writes down that all of this layout is made.
pub(super) fn mark() -> Document {
    note(doc! { "_id": "layout", "version": LAYOUT })
}

/// Takes the right to make the layout, until then (milliseconds since the Unix epoch).
pub(super) fn lock(until_ms: i64) -> Document {
    note(doc! { "_id": "maker", "until": until_ms })
}

/// Who makes the layout.
pub(super) fn maker() -> Document {
    get("layout", "maker")
}

/// Gives up the right that was taken until then.
pub(super) fn unlock(until_ms: i64) -> Document {
    let deletes = [doc! { "q": { "_id": "maker", "until": until_ms }, "limit": 1 }];
    doc! { "delete": place("layout"), "deletes": deletes.as_slice(), "writeConcern": majority() }
}

/// Which layout is there.
pub(super) fn layout() -> Document {
    get("layout", "layout")
}

/// The fields by which a collection's documents are found.
pub(super) fn fields(collection: &str) -> Option<&'static [&'static str]> {
    COLLECTIONS.iter().find(|(name, _)| *name == collection).map(|(_, fields)| *fields)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn text(command: &Document) -> Value {
        serde_json::to_value(command).unwrap()
    }

    #[test]
    fn every_write_waits_for_a_majority_and_its_journal() {
        let value = json!({"owner": "u", "state": "ready"});
        let fields = fields("files").unwrap();
        let majority = json!({"w": "majority", "j": true, "wtimeout": 4000});
        for command in [
            insert("files", fields, "k", &value),
            write("files", fields, "k", Expect::Any, &value),
            delete("files", "k", Expect::Any),
            create("files", fields, true),
            revise("files", fields),
            indexes("files", fields).unwrap(),
            mark(),
            lock(1),
            unlock(1),
        ] {
            assert_eq!(text(&command)["writeConcern"], majority, "{command}");
        }
        assert_eq!(text(&get("files", "k"))["readConcern"], json!({"level": "majority"}));
    }

    #[test]
    fn a_conditional_write_names_its_version_and_makes_nothing_new() {
        let value = json!({"owner": "u", "n": 1});
        let command = text(&write("files", &["owner", "channel"], "k", Expect::Version(7), &value));
        assert_eq!(command["query"], json!({"_id": "k", "version": 7}));
        assert_eq!(command["upsert"], json!(false));
        let update = json!({
            "$set": {"value": r#"{"owner":"u","n":1}"#, "owner": "u"},
            "$inc": {"version": 1},
            "$unset": {"channel": ""},
        });
        assert_eq!(command["update"], update);
        assert_eq!(text(&write("files", &[], "k", Expect::Any, &value))["upsert"], json!(true));
    }

    #[test]
    fn validators_and_indexes_are_sent_for_every_collection() {
        let command = text(&create("devices", fields("devices").unwrap(), true));
        let schema = json!({
            "bsonType": "object",
            "required": ["_id", "version", "value"],
            "properties": {
                "_id": {"bsonType": "string"},
                "version": {"bsonType": "long", "minimum": 1},
                "value": {"bsonType": "string"},
                "user": {"bsonType": "string"},
            },
        });
        assert_eq!(command["validator"], json!({"$jsonSchema": schema}));
        assert_eq!(command["validationAction"], "error");
        assert_eq!(text(&create("devices", &[], false)).get("validator"), None);
        let made = text(&indexes("devices", fields("devices").unwrap()).unwrap());
        assert_eq!(made["indexes"], json!([{"key": {"user": 1, "_id": 1}, "name": "user"}]));
        assert_eq!(indexes("preferences", fields("preferences").unwrap()), None);
    }

    #[test]
    fn a_lookup_goes_along_its_index_both_ways() {
        let up = text(&lookup("files", ("owner", "u"), Some("f1"), false, 2));
        assert_eq!(up["filter"], json!({"owner": "u", "_id": {"$gt": "f1"}}));
        assert_eq!((&up["sort"], &up["limit"]), (&json!({"_id": 1}), &json!(2)));
        let down = text(&lookup("files", ("owner", "u"), Some("f1"), true, 1_000_000));
        assert_eq!(down["filter"]["_id"], json!({"$lt": "f1"}));
        assert_eq!((&down["sort"], &down["limit"]), (&json!({"_id": -1}), &json!(10_000)));
    }
}
