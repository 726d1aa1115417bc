//! Stores that place by themselves, and archgen's own.

use super::Work;
use super::steps::{Phase, Said, said};

/// Elasticsearch balances shards over the nodes that it may use; the plan says which these are, and how fast.
pub(super) fn elasticsearch(work: &Work<'_>, phase: Phase) -> Said {
    let url = format!("http://{}:{}", work.entry(), work.store.port);
    let settings = |body: String| {
        format!(
            "curl -fsS -X PUT {url}/_cluster/settings -H 'Content-Type: application/json' -d '{{\"persistent\":{{{body}}}}}'"
        )
    };
    let megabytes = work.pace.bytes_per_second_max / 1_000_000;
    let exclude = |names: &str| settings(format!("\"cluster.routing.allocation.exclude._name\":{names}"));
    match phase {
        Phase::Prepare => said(
            "bounds recoveries; new nodes join by the cluster's discovery",
            vec![settings(format!("\"indices.recovery.max_bytes_per_sec\":\"{megabytes}mb\""))],
            vec![settings("\"indices.recovery.max_bytes_per_sec\":null".to_owned())],
        ),
        Phase::Copy => said(
            "shards leave the nodes that go, and spread over those that came",
            vec![exclude(&format!("\"{}\"", work.leaving.join(",")))],
            vec![exclude("null")],
        ),
        Phase::CatchUp => said(
            "waits until nothing is relocated",
            vec![format!(
                "curl -fsS '{url}/_cluster/health?wait_for_no_relocating_shards=true&wait_for_status=green&timeout=1h'"
            )],
            Vec::new(),
        ),
        Phase::Verify => said(
            "counts of each shard and its copies",
            vec![format!("curl -fsS '{url}/_cat/shards/{}.*?v&h=index,shard,prirep,docs,node'", work.store.namespace)],
            Vec::new(),
        ),
        Phase::SwitchReads | Phase::SwitchWrites => said("part of each relocation", Vec::new(), Vec::new()),
        Phase::KeepReverse => said("taking the exclusion back brings shards back", Vec::new(), vec![exclude("null")]),
        Phase::CleanUp => said(
            "the bound and the exclusion go with the nodes",
            vec![settings("\"indices.recovery.max_bytes_per_sec\":null".to_owned()), exclude("null")],
            Vec::new(),
        ),
    }
}

/// An object store's nodes are its own business.
pub(super) fn s3(phase: Phase) -> Said {
    said(format!("{}: the object store does it by itself", phase.name()), Vec::new(), Vec::new())
}

/// archgen's own store does all phases itself.
pub(super) fn embedded(work: &Work<'_>, phase: Phase) -> Said {
    let up = vec!["archgen up NEW --detach".to_owned()];
    let back = vec!["archgen shards rollback".to_owned()];
    match phase {
        Phase::Prepare => said(format!("starts the new nodes of `{}` and moves its data", work.store.name), up, back),
        Phase::KeepReverse => {
            said("old nodes run until the move is over", vec!["archgen shards status".to_owned()], back)
        }
        _ => said("done by the same command", Vec::new(), Vec::new()),
    }
}
