//! MongoDB: zones, and chunks of hashed collections before there is data, so that the balancer has nothing to do later.

use std::fmt::Write;

use archgen_spec::topology::{DatasetShape, Store};

use super::Layout;

/// The first hash of a chunk: chunks cut the hashes, 64-bit signed numbers, into equal parts.
pub(in crate::plan) fn boundary(chunk: usize, chunks: usize) -> i64 {
    (((chunk as u128) << 64) / chunks.max(1) as u128) as i64 ^ i64::MIN
}

pub(super) fn files(store: &Store, all: &[Layout]) -> Vec<(String, String)> {
    let mut text =
        format!("// Shards, zones and first chunks of `{}`; run with mongosh against a mongos.\n", store.name);
    let database = &store.namespace;
    let _ = writeln!(text, "sh.enableSharding(\"{database}\");");
    let shards = all.iter().take(1).flat_map(|l| l.nodes.iter().zip(&l.followers));
    for (leader, followers) in shards {
        let members: Vec<String> =
            std::iter::once(&leader.name).chain(followers).map(|m| format!("{m}:{}", store.port)).collect();
        let _ = writeln!(text, "sh.addShard(\"{0}/{1}\");", leader.name, members.join(","));
        let _ = writeln!(text, "sh.addShardToZone(\"{0}\", \"{0}\");", leader.name);
    }
    for dataset in &store.datasets {
        let DatasetShape::Collection { key, hashed, .. } = &dataset.shape else { continue };
        let name = format!("{database}.{}", dataset.name);
        let kind = if *hashed { "\"hashed\"" } else { "1" };
        let fields: Vec<String> = key.iter().map(|f| format!("\"{f}\": {kind}")).collect();
        let key = fields.join(", ");
        // One chunk to begin with: the ranges below cut it.
        let options = if *hashed { ", false, { numInitialChunks: 1 }" } else { "" };
        let _ = writeln!(text, "sh.shardCollection(\"{name}\", {{ {key} }}{options});");
        let Some(layout) = all.iter().find(|l| l.dataset.as_deref() == Some(&dataset.name)) else { continue };
        chunks(&mut text, &name, fields.first().map_or("_id", |f| f.split('"').nth(1).unwrap_or("_id")), layout);
    }
    vec![("shards.js".to_owned(), text)]
}

fn chunks(text: &mut String, name: &str, field: &str, layout: &Layout) {
    let count = layout.map.placement.len();
    let at = |chunk: usize| match chunk {
        0 => "MinKey()".to_owned(),
        c if c == count => "MaxKey()".to_owned(),
        c => format!("NumberLong(\"{}\")", boundary(c, count)),
    };
    for chunk in 1..count {
        let _ = writeln!(text, "sh.splitAt(\"{name}\", {{ \"{field}\": {} }});", at(chunk));
    }
    for (chunk, holders) in layout.map.placement.iter().enumerate() {
        let shard = holders.first().map_or("", |n| layout.nodes[*n as usize].name.as_str());
        let (from, to) = (at(chunk), at(chunk + 1));
        let _ = writeln!(
            text,
            "sh.updateZoneKeyRange(\"{name}\", {{ \"{field}\": {from} }}, {{ \"{field}\": {to} }}, \"{shard}\");"
        );
    }
}
