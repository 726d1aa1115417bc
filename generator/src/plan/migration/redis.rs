//! Redis Cluster: slots migrate key by key while both masters serve; a slot changes its owner when it is empty.

use super::steps::{Phase, Said, said};
use super::{Transfer, Wave, Work};

/// Keys that one `MIGRATE` takes.
const KEYS_AT_ONCE: u32 = 100;
/// Slots that are open at once: enough that a call for each of them is not what takes the time, few enough for a quick end of it.
const SLOTS_AT_ONCE: usize = 64;

/// `1 2 3 7` of sorted slots, ranges by `seq`.
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

/// Moves slots, some at a time; run again after a failure it goes on where it stopped. No key is written to a slot that migrates, so
/// that one without keys stays so. Keys are handed on as `redis-cli` quotes them, whatever bytes they have, and by its standard
/// input, so that a password is no argument of a process.
fn script(from: &str, to: &str, units: &[u16], port: u16) -> String {
    let (a, b) = (format!("redis-cli -h {from} -p {port}"), format!("redis-cli -h {to} -p {port}"));
    let slots: Vec<String> = units.chunks(SLOTS_AT_ONCE).map(|some| format!("\"{}\"", compact(some))).collect();
    [
        format!("A=$({a} cluster myid); B=$({b} cluster myid); AT=$(getent hosts {to} | cut -d' ' -f1); SECRET="),
        r#"[ -z "${REDISCLI_AUTH:-}" ] || SECRET="auth \"$(printf '%s' "$REDISCLI_AUTH" | sed 's/[\\"]/\\&/g')\"""#.to_owned(),
        r#"each() { for slot in $slots; do printf 'cluster %s %s %s\n' "$1" "$slot" "$2"; done; }"#.to_owned(),
        format!("for slots in {}; do", slots.join(" ")),
        format!("  {{ each setslot \"importing $A\" | {b}; each setslot \"migrating $B\" | {a}; }} | sort | uniq -c"),
        format!("  set -- $(each countkeysinslot '' | {a})"),
        "  [ $# -eq \"$(each setslot '' | wc -l)\" ] || { echo \"no counts of keys: $*\" >&2; exit 1; }".to_owned(),
        "  for slot in $slots; do".to_owned(),
        format!(
            r#"    while [ "$1" != 0 ] && keys=$({a} --no-raw cluster getkeysinslot $slot {KEYS_AT_ONCE} | sed -n 's/^ *[0-9]*) //p' | tr '\n' ' ') && [ -n "$keys" ]; do"#
        ),
        format!(r#"      moved=$(printf '%s\n' "migrate $AT {port} '' 0 5000 replace $SECRET keys $keys" | {a})"#),
        "      case $moved in OK | NOKEY) ;; *) echo \"slot $slot: $moved\" >&2; exit 1 ;; esac".to_owned(),
        "    done".to_owned(),
        "    shift".to_owned(),
        "  done".to_owned(),
        format!("  {{ each setslot \"node $B\" | {b}; each setslot \"node $B\" | {a}; }} | sort | uniq -c"),
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
            // A node that has just met the others takes no keys yet.
            let taken_in = |n: &String| {
                format!("until redis-cli -h {n} -p {port} cluster info | grep -q cluster_state:ok; do sleep 1; done")
            };
            let commands = order.iter().map(|n| add(n)).chain(order.iter().map(|n| taken_in(n))).collect();
            said("new nodes meet the cluster, without slots", commands, rollback)
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
