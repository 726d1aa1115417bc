//! Each kind of change: what is run, and what is refused.

use archgen_spec::topology::Topology;

use super::*;

const SPEC: &str = "archgen: v1\nname: t\nservices:\n  one: { kind: process, command: [./one], port: 9000, needs: [rows, wide, docs, blobs.f, cache], publishes: [log.e] }\nstores:\n  \
                    rows: { kind: postgres, version: \"15\", tables: { a: { key: id uuid, columns: { x: text, y: text } }, b: { key: id uuid, \
                    columns: { z: text }, shard: { by: hash(id), into: 2 } } } }\n  wide: { kind: cassandra, version: \"4.1\", tables: { t: { \
                    partition: [id bigint], columns: { a: text } } } }\n  log: { kind: kafka, version: \"3.7\", topics: { e: { partitions: 4, key: \
                    id, retain: 7d } } }\n  docs: { kind: mongodb, version: \"7.0\", shards: 3, replicas: 3, collections: { d: { key: [user_id, _id], indexes: { \
                    by_time: [time, _id] } }, e: { key: hashed(_id) } } }\n  index: { kind: elasticsearch, version: \"8.15\", nodes: 3, indexes: { m: \
                    { replicas: 1, route: user_id }, n: { replicas: 0 } } }\n  blobs: { kind: s3, buckets: { f: { versioned: true, expire: 30d }, g: \
                    {} } }\n  cache: { kind: redis, version: \"7.2\", nodes: 6, replicas: 1, memory: 8GiB }\n";

fn topology(text: &str) -> Topology {
    let none = |_: &str| Err(archgen_spec::ReadError::Missing);
    let loaded = archgen_spec::load("t.yaml", text.to_owned(), None, &none, &|_| None);
    loaded.topology.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics))
}

fn after(change: &[(&str, &str)], lose: bool) -> Migration {
    let mut text = SPEC.to_owned();
    for (from, to) in change {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    migrate(&topology(SPEC), &topology(&text), lose)
}

fn statements(migration: &Migration) -> String {
    assert_eq!(migration.refusals, []);
    migration.steps.iter().map(|s| format!("{}\n", s.statement)).collect()
}

#[test]
fn what_is_safe_is_done_online() {
    let text = statements(&after(&[("y: text", "y: text, n: int unique")], false));
    assert!(text.contains("ADD COLUMN IF NOT EXISTS \"n\" int;"), "{text}");
    assert!(text.contains("CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS \"a_n_unique\""), "{text}");
    assert!(text.contains("UNIQUE USING INDEX \"a_n_unique\""), "{text}");
    assert!(text.lines().all(|l| l.starts_with("SET lock_timeout")), "{text}");
    let text = statements(&after(&[("columns: { z: text }", "columns: { z: text }, indexes: { by_z: [z] }")], false));
    assert_eq!(text.matches("CONCURRENTLY").count(), 2, "one for each partition: {text}");
    assert_eq!(text.matches("ATTACH PARTITION").count(), 2, "{text}");
    let text = statements(&after(&[("columns: { a: text }", "columns: { a: text, c: int }, ttl: 30d")], false));
    assert!(text.contains("ALTER TABLE \"t\".\"t\" ADD \"c\" int;") && text.contains("2592000"), "{text}");
    let text = statements(&after(&[("retain: 7d", "retain: 9d")], false));
    assert!(text.contains("retention.ms=777600000"), "{text}");
    assert_eq!(after(&[], false), Migration::default());
}

#[test]
fn what_loses_data_is_done_when_asked_only() {
    let changes = [
        ("x: text, y: text", "x: text"),
        ("{ a: text }", "{ b: text }"),
        ("retain: 7d", "retain: 1d"),
        (", e: { key: hashed(_id) }", ""),
        (", n: { replicas: 0 }", ""),
        (", g: {}", ""),
        ("expire: 30d", "expire: 7d"),
        ("g: {}", "g: { expire: 7d }"),
        ("versioned: true", "versioned: false"),
        ("memory: 8GiB", "memory: 4GiB"),
    ];
    for change in changes {
        let refused = after(&[change], false);
        assert!(refused.refusals.iter().any(|r| r.loses_data), "{change:?}: {refused:?}");
        assert!(after(&[change], true).refusals.is_empty(), "{change:?}");
    }
}

#[test]
fn indexes_of_documents_are_built_before_the_old_ones_are_hidden_and_go() {
    let text = statements(&after(&[("by_time: [time, _id]", "by_kind: [kind, _id]")], false));
    let collection = "db.getSiblingDB(\"t\").getCollection(\"d\")";
    let expected = [
        format!("{collection}.createIndex({{ \"kind\": 1, \"_id\": 1 }}, {{\"name\":\"by_kind\"}});"),
        format!("{collection}.hideIndex(\"by_time\");"),
        format!("{collection}.dropIndex(\"by_time\");"),
    ];
    assert_eq!(text.lines().collect::<Vec<_>>(), expected);
    let moved = statements(&after(&[("d: { key: [user_id, _id]", "d: { key: hashed(user_id)")], false));
    let expected = [
        format!("{collection}.createIndex({{ \"user_id\": 'hashed' }}, {{\"name\":\"shard_key_user_id_hashed\"}});"),
        "sh.reshardCollection(\"t.d\", { \"user_id\": 'hashed' });".to_owned(),
        format!("{collection}.hideIndex(\"shard_key_user_id__id\");"),
        format!("{collection}.dropIndex(\"shard_key_user_id__id\");"),
    ];
    assert_eq!(moved.lines().collect::<Vec<_>>(), expected);
    let new = statements(&after(&[("e: { key: hashed(_id) }", "e: { key: hashed(_id) }, f: { key: [a] }")], false));
    assert!(
        new.contains("createCollection(\"f\"") && new.contains("sh.shardCollection(\"t.f\", { \"a\": 1 });"),
        "{new}"
    );
    let single = [("shards: 3", "shards: 1"), ("e: { key: hashed(_id) }", "e: { key: hashed(_id) }, f: { key: [a] }")];
    assert!(!statements(&after(&single, false)).contains("shardCollection"));
}

#[test]
fn copies_of_an_index_change_and_its_template_with_them() {
    let text = statements(&after(&[("m: { replicas: 1", "m: { replicas: 2")], false));
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines.len() == 2 && lines[0].contains("/_index_template/t\""), "{text}");
    assert!(
        lines[1].contains("/t.m/_settings\"") && lines[1].ends_with(r#"'{"index":{"number_of_replicas":2}}'"#),
        "{text}"
    );
    assert_eq!(statements(&after(&[("n: { replicas: 0 }", "n: { replicas: 0 }, o: { replicas: 1 }")], false)), "");
}

#[test]
fn of_a_bucket_what_differs_is_set() {
    let text = statements(&after(&[("expire: 30d", "expire: 60d")], false));
    let file = "file://s3/blobs/f/lifecycle.json";
    let put = "aws s3api put-bucket-lifecycle-configuration --bucket t-f --lifecycle-configuration";
    assert_eq!(text, format!("{put} {file}\n"));
    let text = statements(&after(&[("blobs.f, cache", "blobs, cache")], false));
    assert_eq!(text, "aws s3api put-bucket-policy --bucket t-g --policy file://s3/blobs/g/policy.json\n");
    let text = statements(&after(&[("g: {}", "g: {}, h: {}")], false));
    assert_eq!((text.lines().count(), text.matches("--bucket t-h").count()), (5, 5), "{text}");
    assert!(text.starts_with("aws s3api create-bucket --bucket t-h\n"), "{text}");
}

#[test]
fn a_cache_has_more_memory_and_other_callers_at_once() {
    let text = statements(&after(&[("memory: 8GiB", "memory: 16GiB")], false));
    assert_eq!(text, "redis-cli --cluster call \"$NODE:6379\" CONFIG SET maxmemory 12884901888\n");
    let gone = statements(&after(&[("blobs.f, cache", "blobs.f")], false));
    assert_eq!(gone, "redis-cli --cluster call \"$NODE:6379\" ACL DELUSER one\n");
    let (with, without) = (topology(SPEC), topology(&SPEC.replace("blobs.f, cache", "blobs.f")));
    let come = statements(&migrate(&without, &with, false));
    assert!(come.contains(" ACL SETUSER one on ") && come.contains("'~t:*' '&t:*' '+@all'"), "{come}");
}

#[test]
fn what_cannot_be_done_online_is_refused_either_way() {
    let changes = [
        ("into: 2", "into: 4"),
        ("z: text", "z: int"),
        ("partition: [id bigint]", "partition: [id int]"),
        ("partitions: 4", "partitions: 8"),
        ("by_time: [time, _id]", "by_time: [time]"),
        ("route: user_id", "route: channel_id"),
        ("nodes: 6, replicas: 1, memory", "nodes: 1, replicas: 0, memory"),
        ("kind: s3,", "kind: s3, namespace: other,"),
    ];
    for change in changes {
        assert!(after(&[change], true).refusals.iter().any(|r| !r.loses_data), "{change:?}");
    }
}

#[test]
fn an_index_that_keeps_its_name_is_not_passed_over() {
    let with =
        |columns: &str| topology(&SPEC.replace("y: text }", &format!("y: text }}, indexes: {{ by_x: [{columns}] }}")));
    let found = migrate(&with("x"), &with("x, y"), true);
    assert_eq!((found.steps.len(), found.refusals.len()), (0, 1), "{found:?}");
    assert_eq!(found.refusals[0].path, "stores.rows.tables.a.indexes.by_x");
}

/// The statements from one table to the next, without what limits their locks.
fn of_table(from: &str, to: &str, lose: bool) -> Vec<String> {
    let spec = |table: &str| topology(&SPEC.replace("a: { key: id uuid, columns: { x: text, y: text } }", table));
    let migration = migrate(&spec(from), &spec(to), lose);
    assert_eq!(migration.refusals, [], "{from} to {to}");
    let bare = |statement: &str| {
        statement.rsplit_once("; SET").map_or_else(String::new, |(_, rest)| {
            rest.split_once("; ").map_or_else(String::new, |(_, statement)| statement.to_owned())
        })
    };
    migration.steps.iter().map(|step| bare(&step.statement)).collect()
}

#[test]
fn the_wall_between_tenants_falls_before_its_column_goes_and_rises_after_it_came() {
    let with = "a: { key: id uuid, columns: { x: text, org: text }, tenant: org }";
    let plain = "a: { key: id uuid, columns: { x: text } }";
    let off = "ALTER TABLE \"a\" NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY;";
    let gone = "DROP POLICY IF EXISTS tenant_wall ON \"a\";";
    assert_eq!(of_table(with, plain, true), [off, gone, "ALTER TABLE \"a\" DROP COLUMN IF EXISTS \"org\";"]);
    let kept = "a: { key: id uuid, columns: { x: text, org: text } }";
    assert_eq!(of_table(with, kept, true), [off, gone, "ALTER TABLE \"a\" ALTER COLUMN \"org\" DROP NOT NULL;"]);
    let rises = [
        "ALTER TABLE \"a\" ADD COLUMN IF NOT EXISTS \"org\" text;",
        "ALTER TABLE \"a\" ADD CONSTRAINT \"a_org_known\" CHECK (\"org\" IS NOT NULL) NOT VALID;",
        "ALTER TABLE \"a\" VALIDATE CONSTRAINT \"a_org_known\";",
        "ALTER TABLE \"a\" ALTER COLUMN \"org\" SET NOT NULL;",
        "ALTER TABLE \"a\" DROP CONSTRAINT \"a_org_known\";",
        "CREATE POLICY tenant_wall ON \"a\" USING (\"org\" = NULLIF(current_setting('archgen.tenant', true), '')::text);",
        "ALTER TABLE \"a\" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;",
    ];
    assert_eq!(of_table(plain, with, false), rises);
    assert_eq!(of_table(kept, with, false), rises[1..]);
    // What identifies a row is never nothing.
    let (bare, keyed) = ("a: { key: [id uuid, org text] }", "a: { key: [id uuid, org text], tenant: org }");
    assert_eq!(of_table(bare, keyed, false), rises[5..]);
    assert_eq!(of_table(keyed, bare, true), [off, gone]);
}

#[test]
fn the_wall_is_the_same_in_the_schema_and_on_the_way_to_it() {
    let with = "a: { key: id uuid, columns: { x: text, org: text }, tenant: org }";
    let spec = topology(&SPEC.replace("a: { key: id uuid, columns: { x: text, y: text } }", with));
    let files = crate::generate(&spec, &crate::Options::default()).expect("artifacts").files;
    for file in ["schema", "citus"] {
        let schema = &files[&format!("postgres/rows/{file}.sql")];
        assert!(schema.contains("\"org\" text NOT NULL"), "{schema}");
        for statement in &of_table("a: { key: id uuid, columns: { x: text } }", with, false)[5..] {
            assert!(schema.contains(statement), "{file}: {statement}");
        }
        assert!(schema.contains("SET LOCAL archgen.tenant"), "{schema}");
        assert_eq!(schema.contains("citus.propagate_set_commands = %L', current_database(), 'local'"), file == "citus");
    }
}
