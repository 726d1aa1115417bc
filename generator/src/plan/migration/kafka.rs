//! Kafka: partitions are reassigned wave by wave under a throttle, which the verification takes away again.

use serde_json::{Value, json};

use super::steps::{Phase, Said, said};
use super::{Wave, Work};
use crate::plan::Layout;
use crate::plan::engines::{broker, topic};

/// Partitions that keep their copies and get another one to lead: their assignment changes, and nothing is copied.
fn reordered(before: &Layout, after: &Layout) -> Vec<u16> {
    let ranked = before.map.placement.iter().zip(&after.map.placement);
    let same_copies = |was: &[u32], is: &[u32]| was.len() == is.len() && was.iter().all(|n| is.contains(n));
    (0u16..).zip(ranked).filter(|(_, (was, is))| was != is && same_copies(was, is)).map(|(p, _)| p).collect()
}

/// The assignment of the partitions that a wave moves, as one of the two layouts has it. The first wave brings those that only get
/// another leader, too.
fn assignment(work: &Work<'_>, wave: &Wave, of_after: bool) -> Vec<Value> {
    let mut all = Vec::new();
    for layout in work.after {
        let Some((before, after)) = work.pair(layout.dataset.as_deref()) else { continue };
        let shown: &Layout = if of_after { after } else { before };
        let ours = wave.transfers.iter().filter(|t| t.dataset == layout.dataset);
        let mut partitions: Vec<u16> = ours.flat_map(|t| t.units.iter().copied()).collect();
        if wave.number == 1 {
            partitions.extend(reordered(before, after));
        }
        partitions.sort_unstable();
        partitions.dedup();
        let name = topic(work.store, layout.dataset.as_deref().unwrap_or_default());
        all.extend(partitions.into_iter().map(|p| {
            let replicas: Vec<u32> = shown.map.placement[usize::from(p)].iter().map(|n| broker(*n)).collect();
            json!({"topic": name, "partition": p, "replicas": replicas})
        }));
    }
    all
}

fn file(name: &str, partitions: &[Value]) -> String {
    format!("cat > {name} <<'JSON'\n{}\nJSON", json!({"version": 1, "partitions": partitions}))
}

pub(super) fn phase(work: &Work<'_>, phase: Phase, wave: Option<&Wave>) -> Said {
    let server = format!("--bootstrap-server {}:{}", work.entry(), work.store.port);
    let reassign = |file: &str, rest: &str| {
        format!("kafka-reassign-partitions.sh {server} --reassignment-json-file {file} {rest}")
    };
    let throttle = work.pace.bytes_per_second_max;
    let number = wave.map_or(0, |w| w.number);
    let (go, back) = (format!("wave-{number}.json"), format!("wave-{number}-back.json"));
    let restore = || {
        let old = wave.map(|w| assignment(work, w, false)).unwrap_or_default();
        vec![
            file(&back, &old),
            reassign(&back, &format!("--execute --throttle {throttle}")),
            reassign(&back, "--verify"),
        ]
    };
    match phase {
        Phase::Prepare => said(
            "starts the new brokers; they lead nothing yet",
            work.joining.iter().map(|n| format!("ssh {n} systemctl start kafka")).collect(),
            work.joining.iter().map(|n| format!("ssh {n} systemctl stop kafka")).collect(),
        ),
        Phase::Copy => {
            let new = wave.map(|w| assignment(work, w, true)).unwrap_or_default();
            let run = reassign(&go, &format!("--execute --throttle {throttle}"));
            said("copies the wave's partitions, bounded", vec![file(&go, &new), run], restore())
        }
        Phase::CatchUp => said(
            "waits until the new replicas are in sync",
            vec![format!(
                "until {} | grep -q 'still in progress' ; [ $? -ne 0 ]; do sleep 5; done",
                reassign(&go, "--verify --preserve-throttles")
            )],
            restore(),
        ),
        Phase::Verify => said(
            "no partition lacks a replica, and the ends of the logs agree",
            vec![
                format!("kafka-topics.sh {server} --describe --under-replicated-partitions"),
                format!("kafka-get-offsets.sh {server} --topic '{}.*'", work.store.namespace),
            ],
            Vec::new(),
        ),
        Phase::SwitchReads => said("readers follow the leader: see the next step", Vec::new(), Vec::new()),
        Phase::SwitchWrites => said(
            "the first replica of each partition leads",
            vec![format!("kafka-leader-election.sh {server} --election-type preferred --all-topic-partitions")],
            restore(),
        ),
        Phase::KeepReverse => said(
            "the files wave-N-back.json are the way back; a reassignment in that direction copies again",
            Vec::new(),
            Vec::new(),
        ),
        Phase::CleanUp => {
            let broker_config = format!("kafka-configs.sh {server} --entity-type brokers");
            let mut commands = vec![
                // Without `--preserve-throttles` it also takes the throttles of brokers and topics away.
                format!("for wave in $(ls wave-*.json | grep -v back); do {}; done", reassign("$wave", "--verify")),
                format!("{broker_config} --describe"),
            ];
            commands.extend(work.leaving.iter().map(|n| format!("ssh {n} systemctl stop kafka")));
            said("removes the throttles; brokers that hold nothing more stop", commands, Vec::new())
        }
    }
}
