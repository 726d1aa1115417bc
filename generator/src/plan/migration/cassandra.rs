//! Cassandra: nodes join one at a time with the tokens of the plan; streaming copies and catches up by itself.

use super::steps::{Phase, Said, said};
use super::{Wave, Work};
use crate::plan::engines::{rack_offset, token};
use crate::plan::{Layout, Node};

/// Tokens with which a node joins a ring that was set up as `before` says (cut to as many ranges): for each range that it takes,
/// a token just below the one of the node that gives it.
pub(super) fn joining_tokens(before: &Layout, after: &Layout, node: usize) -> Vec<i64> {
    let ranges = after.map.placement.len();
    let zones: Vec<Node> = after.nodes.clone();
    let racks = zones.iter().map(|n| rack_offset(n, &zones)).max().unwrap_or(0) + 1;
    let own = &after.nodes[node];
    let rack_of = |layout: &Layout, range: usize, but: &str| -> Option<String> {
        let holders = layout.map.placement[range].iter().map(|n| &layout.nodes[*n as usize]);
        holders.filter(|n| n.zone == own.zone && n.name != but).map(|n| n.name.clone()).next()
    };
    let halves = ranges / before.map.placement.len().max(1);
    let mut tokens = Vec::new();
    for range in (0..ranges).filter(|r| after.map.placement[*r].contains(&(node as u32))) {
        // An old range ends in its giver's token. Of a range that was cut the giver keeps the upper part, whichever the plan
        // says: both are of one size.
        let first = range - range % halves.max(1);
        let giver = rack_of(before, range / halves.max(1), &own.name);
        let kept = (first..range).filter(|r| giver.is_some() && rack_of(after, *r, "") == giver).count();
        let lower = range - kept;
        tokens.push(token(lower, ranges) - rack_offset(own, &zones) - racks);
    }
    tokens.sort_unstable();
    tokens.dedup();
    tokens
}

pub(super) fn phase(work: &Work<'_>, phase: Phase, wave: Option<&Wave>) -> Said {
    let entry = work.entry();
    let node = wave.and_then(|w| w.transfers.first()).map_or(entry, |t| t.to.as_str());
    let joins = work.joining.iter().any(|n| n == node);
    // Lists of nodes show addresses, between spaces.
    let address = format!(" $(getent hosts {node} | cut -d' ' -f1) ");
    let megabits = work.pace.bytes_per_second_max * 8 / 1_000_000;
    let old: Vec<&str> = work.before.iter().flat_map(|l| &l.nodes).map(|n| n.name.as_str()).collect();
    let each = |command: &str| -> Vec<String> { old.iter().map(|n| format!("nodetool -h {n} {command}")).collect() };
    match phase {
        Phase::Prepare => said(
            "bounds streaming on every node",
            each(&format!("setstreamthroughput {megabits}")),
            each("setstreamthroughput 200"),
        ),
        Phase::Copy if joins => {
            let tokens = work.pair(None).and_then(|(before, after)| {
                let index = after.nodes.iter().position(|n| n.name == node)?;
                Some(joining_tokens(before, after, index))
            });
            let list: Vec<String> = tokens.unwrap_or_default().iter().map(i64::to_string).collect();
            let settings = [
                format!("num_tokens: {}", list.len()),
                // Without quotes, which would end those around the command.
                format!("initial_token: {}", list.join(",")),
                "auto_bootstrap: true".to_owned(),
            ];
            let write = settings.iter().map(|s| format!("ssh {node} \"echo '{s}' >> /etc/cassandra/cassandra.yaml\""));
            let mut commands: Vec<String> = write.collect();
            commands.push(format!("ssh {node} systemctl start cassandra"));
            let rollback = vec![
                format!("ssh {node} systemctl stop cassandra"),
                format!(
                    "nodetool -h {entry} removenode \"$(nodetool -h {entry} status | grep -F \"{address}\" | awk '{{ print $(NF-1) }}')\""
                ),
            ];
            said(
                format!("{node} joins: it streams its ranges and takes their writes from the first moment"),
                commands,
                rollback,
            )
        }
        Phase::Copy => said(
            format!("nothing joins {node}: ranges of nodes that leave go there when they are decommissioned"),
            Vec::new(),
            Vec::new(),
        ),
        Phase::CatchUp => said(
            format!("writes reach {node} while it joins; wait until nothing streams"),
            vec![format!("until nodetool -h {node} netstats | grep -q 'Mode: NORMAL'; do sleep 5; done")],
            Vec::new(),
        ),
        Phase::Verify => said(
            "compares Merkle trees of all replicas without repairing",
            vec![format!("nodetool -h {node} repair --preview --full {}", work.store.namespace)],
            Vec::new(),
        ),
        Phase::SwitchReads => said(
            format!("the coordinator reads from {node} once it is NORMAL"),
            vec![format!("nodetool -h {entry} status {} | grep -F \"{address}\"", work.store.namespace)],
            vec![format!("nodetool -h {node} decommission")],
        ),
        Phase::SwitchWrites => said(
            format!("{node} counts for quorums once it is NORMAL"),
            Vec::new(),
            vec![format!("nodetool -h {node} decommission")],
        ),
        Phase::KeepReverse => said(
            "no cleanup for a day: the old owners still have every row, and a decommission gives the ranges back to them",
            Vec::new(),
            Vec::new(),
        ),
        Phase::CleanUp => {
            let mut commands: Vec<String> =
                work.leaving.iter().map(|n| format!("nodetool -h {n} decommission")).collect();
            let staying = old.iter().filter(|n| !work.leaving.iter().any(|l| l == *n));
            commands.extend(staying.clone().map(|n| format!("nodetool -h {n} cleanup {}", work.store.namespace)));
            commands.extend(staying.map(|n| format!("nodetool -h {n} setstreamthroughput 200")));
            said(
                "nodes that leave stream their ranges to the next in their rack; old owners drop what is no longer theirs; the bound on \
                 streaming goes",
                commands,
                Vec::new(),
            )
        }
    }
}
