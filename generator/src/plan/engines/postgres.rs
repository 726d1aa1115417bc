//! PostgreSQL: which server holds which hash partition, as a table that routers read, and the same for Citus.

use std::fmt::Write;

use archgen_spec::topology::{DatasetShape, Store};

use super::Layout;

pub(super) fn files(store: &Store, all: &[Layout]) -> Vec<(String, String)> {
    if all.is_empty() {
        return Vec::new();
    }
    vec![("shard_map.sql".to_owned(), shard_map(store, all)), ("citus.sql".to_owned(), citus(store, all))]
}

/// Partition `n` of a table is the one that was made `FOR VALUES WITH (MODULUS …, REMAINDER n)`.
fn shard_map(store: &Store, all: &[Layout]) -> String {
    let mut text = format!(
        "-- Which server of `{}` holds which hash partition; standbys follow their server as a whole.\nBEGIN;\nCREATE TABLE IF NOT EXISTS \
         archgen_shard_map (\n    table_name text NOT NULL,\n    remainder integer NOT NULL,\n    server text NOT NULL,\n    standbys text[] NOT \
         NULL,\n    PRIMARY KEY (table_name, remainder)\n);\nDELETE FROM archgen_shard_map;\n",
        store.name
    );
    for layout in all {
        let table = layout.dataset.as_deref().unwrap_or_default();
        text.push_str("INSERT INTO archgen_shard_map (table_name, remainder, server, standbys) VALUES\n");
        let rows = layout.map.placement.iter().enumerate().map(|(remainder, holders)| {
            let group = holders.first().copied().unwrap_or(0) as usize;
            let standbys: Vec<String> = layout.followers[group].iter().map(|f| format!("'{f}'")).collect();
            let server = &layout.nodes[group].name;
            format!("    ('{table}', {remainder}, '{server}', ARRAY[{}]::text[])", standbys.join(", "))
        });
        let _ = writeln!(text, "{};", rows.collect::<Vec<_>>().join(",\n"));
    }
    text.push_str("COMMIT;\n");
    text
}

/// Tables with the same number of partitions are colocated, so that joins on the key stay on one worker.
fn citus(store: &Store, all: &[Layout]) -> String {
    let mut text = format!(
        "-- `{}` on Citus: run on the coordinator, after the tables are made without partitions.\n",
        store.name
    );
    for node in all.iter().take(1).flat_map(|l| &l.nodes) {
        let _ = writeln!(text, "SELECT citus_add_node('{}', {});", node.name, store.port);
    }
    let mut first: Vec<(u16, &str)> = Vec::new();
    for layout in all {
        let table = layout.dataset.as_deref().unwrap_or_default();
        let shape = store.datasets.iter().find(|d| d.name == table).map(|d| &d.shape);
        let Some(DatasetShape::PostgresTable { shard: Some((column, into)), .. }) = shape else { continue };
        let with = match first.iter().find(|(units, _)| *units == layout.map.slots()) {
            Some((_, other)) => format!("colocate_with => '{other}'"),
            None => {
                first.push((layout.map.slots(), table));
                format!("shard_count => {into}, colocate_with => 'none'")
            }
        };
        let _ = writeln!(text, "SELECT create_distributed_table('{table}', '{column}', {with});");
    }
    text
}
