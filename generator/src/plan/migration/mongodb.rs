//! MongoDB: chunks are moved by the cluster itself, which copies, catches up and switches under its own lock.

use archgen_spec::topology::DatasetShape;

use super::steps::{Phase, Said, said};
use super::{Transfer, Wave, Work};
use crate::plan::Unit;
use crate::plan::engines::boundary;

fn range(work: &Work<'_>, t: &Transfer, to: &str) -> Vec<String> {
    let name = format!("{}.{}", work.store.namespace, t.dataset.as_deref().unwrap_or_default());
    let chunks = work.pair(t.dataset.as_deref()).map_or(1, |(_, after)| after.map.placement.len());
    let at = |chunk: usize| match chunk {
        0 => "MinKey()".to_owned(),
        c if c == chunks => "MaxKey()".to_owned(),
        c => format!("NumberLong(\"{}\")", boundary(c, chunks)),
    };
    let shape = work.store.datasets.iter().find(|d| Some(&d.name) == t.dataset.as_ref()).map(|d| &d.shape);
    let field = match shape {
        Some(DatasetShape::Collection { key, .. }) => key.first().map_or("_id", String::as_str),
        _ => "_id",
    };
    let one = |chunk: &u16| {
        let (from, until) = (at(usize::from(*chunk)), at(usize::from(*chunk) + 1));
        format!(
            "db.adminCommand({{ moveRange: \"{name}\", min: {{ \"{field}\": {from} }}, max: {{ \"{field}\": {until} }}, toShard: \"{to}\" }})"
        )
    };
    t.units.iter().map(one).collect()
}

pub(super) fn phase(work: &Work<'_>, phase: Phase, wave: Option<&Wave>) -> Said {
    let transfers = wave.map(|w| w.transfers.as_slice()).unwrap_or_default();
    let port = work.store.port;
    let leaders: Vec<(&String, &Vec<String>)> =
        work.after.iter().take(1).flat_map(|l| l.nodes.iter().map(|n| &n.name).zip(&l.followers)).collect();
    let new = leaders.iter().filter(|(leader, _)| work.joining.contains(*leader));
    match phase {
        Phase::Prepare => {
            let mut commands = vec!["sh.stopBalancer()".to_owned()];
            commands.extend(new.map(|(leader, followers)| {
                let members: Vec<String> =
                    std::iter::once(*leader).chain(followers.iter()).map(|m| format!("{m}:{port}")).collect();
                format!(
                    "sh.addShard(\"{leader}/{}\"); sh.addShardToZone(\"{leader}\", \"{leader}\")",
                    members.join(",")
                )
            }));
            if !work.has(Unit::Chunk) {
                commands.push("sh.startBalancer()".to_owned());
            }
            said("the balancer rests; new shards join", commands, vec!["sh.startBalancer()".to_owned()])
        }
        Phase::Copy => said(
            "moves the wave's chunks: each is copied, caught up with and switched by the cluster",
            transfers.iter().flat_map(|t| range(work, t, &t.to)).collect(),
            transfers.iter().flat_map(|t| range(work, t, &t.from)).collect(),
        ),
        Phase::CatchUp => said("part of each moveRange", Vec::new(), Vec::new()),
        Phase::Verify => {
            let mut collections: Vec<&str> = transfers.iter().filter_map(|t| t.dataset.as_deref()).collect();
            collections.dedup();
            let database = &work.store.namespace;
            let check = |c: &&str| {
                format!(
                    "db.getSiblingDB(\"{database}\").{c}.getShardDistribution(); db.getSiblingDB(\"{database}\").runCommand({{ validate: \"{c}\" }})"
                )
            };
            said(
                "documents by shard, and that each is where its chunk is",
                collections.iter().map(check).collect(),
                Vec::new(),
            )
        }
        Phase::SwitchReads | Phase::SwitchWrites => said("part of each moveRange", Vec::new(), Vec::new()),
        Phase::KeepReverse => {
            said("a moveRange to the shard that a chunk came from takes it back", Vec::new(), Vec::new())
        }
        Phase::CleanUp => {
            let old = work.before.iter().take(1).flat_map(|l| &l.nodes).map(|n| &n.name);
            let gone = old
                .filter(|n| work.leaving.contains(*n))
                .map(|n| format!("db.adminCommand({{ removeShard: \"{n}\" }})"));
            let mut commands: Vec<String> = gone.collect();
            commands.push("sh.startBalancer()".to_owned());
            said("empty shards leave, the balancer works again", commands, Vec::new())
        }
    }
}
