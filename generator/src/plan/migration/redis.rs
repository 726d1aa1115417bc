//! Redis Cluster: slots migrate key by key while both masters serve; a slot changes its owner when it is empty.

use super::steps::{Phase, Said, said};
use super::{Transfer, Wave, Work};

/// Keys that one `MIGRATE` takes.
const KEYS_AT_ONCE: u32 = 100;

/// `1-3 7` of sorted slots.
fn compact(units: &[u16]) -> String {
    let mut ranges: Vec<(u16, u16)> = Vec::new();
    for unit in units {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == *unit => *last = *unit,
            _ => ranges.push((*unit, *unit)),
        }
    }
    let text = |(from, to): &(u16, u16)| if from == to { from.to_string() } else { format!("$(seq {from} {to})") };
    ranges.iter().map(text).collect::<Vec<_>>().join(" ")
}

/// Moves slots one after the other; run again after a failure it goes on where it stopped. Keys are handed on as `redis-cli` quotes
/// them, whatever bytes they have, and by its standard input, so that a password is no argument of a process.
fn script(from: &str, to: &str, units: &[u16], port: u16) -> String {
    let (a, b) = (format!("redis-cli -h {from} -p {port}"), format!("redis-cli -h {to} -p {port}"));
    let slots = compact(units);
    [
        format!("A=$({a} cluster myid); B=$({b} cluster myid); AT=$(getent hosts {to} | cut -d' ' -f1); SECRET="),
        r#"[ -z "${REDISCLI_AUTH:-}" ] || SECRET="auth \"$(printf '%s' "$REDISCLI_AUTH" | sed 's/[\\"]/\\&/g')\"""#.to_owned(),
        format!("for slot in {slots}; do"),
        format!("  {b} cluster setslot $slot importing $A; {a} cluster setslot $slot migrating $B"),
        format!(
            r#"  while keys=$({a} --no-raw cluster getkeysinslot $slot {KEYS_AT_ONCE} | sed -n 's/^ *[0-9]*) //p' | tr '\n' ' '); [ -n "$keys" ]; do"#
        ),
        format!(
            r#"    moved=$(printf '%s\n' "migrate $AT {port} '' 0 5000 replace $SECRET keys $keys" | {a})"#
        ),
        "    case $moved in OK | NOKEY) ;; *) echo \"slot $slot: $moved\" >&2; exit 1 ;; esac".to_owned(),
        "  done".to_owned(),
        format!("  {b} cluster setslot $slot node $B; {a} cluster setslot $slot node $B"),
        "done".to_owned(),
    ]
    .join("\n")
}

pub(super) fn phase(work: &Work<'_>, phase: Phase, wave: Option<&Wave>) -> Said {
    let (port, entry) = (work.store.port, work.entry());
    let transfers = wave.map(|w| w.transfers.as_slice()).unwrap_or_default();
    let there = |t: &Transfer| script(&t.from, &t.to, &t.units, port);
    let back = |t: &Transfer| script(&t.to, &t.from, &t.units, port);
    match phase {
        Phase::Prepare => {
            let masters: Vec<&str> = work.after.iter().flat_map(|l| &l.nodes).map(|n| n.name.as_str()).collect();
            let address = |node: &str| format!("\"$(getent hosts {node} | cut -d' ' -f1)\":{port}");
            let add = |node: &String| {
                let group = work.after.first().and_then(|l| {
                    let at = l.followers.iter().position(|f| f.contains(node))?;
                    Some(l.nodes[at].name.clone())
                });
                let role = match group {
                    Some(master) if !masters.contains(&node.as_str()) => {
                        format!(
                            " --cluster-slave --cluster-master-id \"$(redis-cli -h {master} -p {port} cluster myid)\""
                        )
                    }
                    _ => String::new(),
                };
                format!("redis-cli --cluster add-node {} {}{role}", address(node), address(entry))
            };
            // Masters before those that follow them.
            let mut order: Vec<&String> = work.joining.iter().collect();
            order.sort_by_key(|n| !masters.contains(&n.as_str()));
            let remove = |n: &String| {
                format!(
                    "redis-cli --cluster del-node {} \"$(redis-cli -h {n} -p {port} cluster myid)\"",
                    address(entry)
                )
            };
            let rollback = work.joining.iter().map(remove).collect();
            said("new nodes meet the cluster, without slots", order.into_iter().map(add).collect(), rollback)
        }
        Phase::Copy => said(
            "moves the wave's slots; both masters serve meanwhile, by ASK redirects",
            transfers.iter().map(there).collect(),
            transfers.iter().map(back).collect(),
        ),
        Phase::CatchUp => said("nothing: a key is on one master at a time", Vec::new(), Vec::new()),
        Phase::Verify => said(
            "every slot is covered and none is open; the sum of keys is as before",
            vec![
                format!("redis-cli --cluster check {entry}:{port}"),
                format!("redis-cli --cluster call {entry}:{port} dbsize --cluster-only-masters"),
            ],
            vec![format!("redis-cli --cluster fix {entry}:{port}")],
        ),
        Phase::SwitchReads => said("clients follow MOVED", Vec::new(), transfers.iter().map(back).collect()),
        Phase::SwitchWrites => said("clients follow MOVED", Vec::new(), Vec::new()),
        Phase::KeepReverse => {
            said("the same scripts with both masters exchanged move the slots back", Vec::new(), Vec::new())
        }
        Phase::CleanUp => said(
            "nodes that hold no slot leave",
            work.leaving
                .iter()
                .map(|n| {
                    format!(
                        "redis-cli --cluster del-node {entry}:{port} \"$(redis-cli -h {n} -p {port} cluster myid)\""
                    )
                })
                .collect(),
            Vec::new(),
        ),
    }
}
