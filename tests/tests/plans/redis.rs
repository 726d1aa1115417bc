//! Redis Cluster: made as planned, re-slotted by the printed commands with every key intact, made smaller again.

use std::collections::BTreeMap;

use archgen_generator::{Layout, Phase, layouts, relayout};
use archgen_spec::topology::{StoreId, Topology};

use crate::tools::{Tools, generated, port, programs, topology, until, way};

const KEYS: usize = 3_000;
const PASSWORD: &str = "a \\ word";

/// Servers on addresses of loopback, the same port on each.
struct Cluster {
    tools: Tools,
    port: u16,
    nodes: usize,
}

impl Cluster {
    fn start(nodes: usize) -> Self {
        let port = port(0);
        let names: Vec<(String, String)> =
            (1..=nodes).map(|n| (format!("cache-{n}"), format!("127.0.0.{}", 10 + n))).collect();
        let mut tools = Tools::new(&names);
        tools.named("redis-cli", "/usr/bin/redis-cli");
        tools.set("REDISCLI_AUTH", PASSWORD);
        let (server, folder) = (programs("redis").join("redis-server"), tools.folder().to_owned());
        for node in 1..=nodes {
            let data = folder.join(format!("node-{node}"));
            std::fs::create_dir(&data).expect("a folder");
            let data_text = data.display();
            // By a file: a password is no argument.
            let settings = format!(
                "bind 127.0.0.{}\nport {port}\ndir {data_text}\npidfile {data_text}/pid\nlogfile log\ndaemonize yes\nsave \"\"\nrequirepass \
                 {PASSWORD:?}\nmasterauth {PASSWORD:?}\ncluster-enabled yes\ncluster-node-timeout 5000\ncluster-announce-ip \
                 127.0.0.{0}\n",
                10 + node
            );
            std::fs::write(data.join("redis.conf"), settings).expect("settings");
            tools.run(&format!("{} {}/redis.conf", server.display(), data.display()));
        }
        let cluster = Self { tools, port, nodes };
        for node in 1..=nodes {
            until("a server's start", || cluster.tools.holds(&format!("{} ping | grep -q PONG", cluster.cli(node))));
        }
        cluster
    }

    fn cli(&self, node: usize) -> String {
        format!("redis-cli -h cache-{node} -p {}", self.port)
    }

    /// Slots of a node, as it says itself.
    fn slots(&self, node: usize) -> Vec<u16> {
        let said = self.tools.run(&format!("{} cluster nodes", self.cli(node)));
        let own = said.lines().find(|line| line.contains("myself")).unwrap();
        let mut slots = Vec::new();
        for range in own.split(' ').skip(8).filter(|r| !r.starts_with('[')) {
            let (from, to) = range.split_once('-').unwrap_or((range, range));
            slots.extend(from.parse::<u16>().unwrap()..=to.trim().parse().unwrap());
        }
        slots
    }

    fn holds(&self, layout: &Layout) {
        for (index, node) in layout.nodes.iter().enumerate() {
            let planned = (0u16..).zip(&layout.map.placement).filter(|(_, held)| held[0] as usize == index);
            let number: usize = node.name.strip_prefix("cache-").unwrap().parse().unwrap();
            assert_eq!(self.slots(number), planned.map(|(slot, _)| slot).collect::<Vec<_>>(), "{}", node.name);
        }
    }

    /// What is stored under every key, asked at one node that sends on.
    fn values(&self, keys: &[String]) -> BTreeMap<String, String> {
        let asked: String = keys.iter().map(|key| format!("get {key}\n")).collect();
        std::fs::write(self.tools.folder().join("asked"), asked).expect("a file");
        let said = self.tools.run(&format!("{} -c < asked", self.cli(1)));
        // It also tells when it is sent on.
        let values = said.lines().filter(|line| !line.starts_with("-> Redirected")).map(str::to_owned);
        keys.iter().cloned().zip(values).collect()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for node in 1..=self.nodes {
            self.tools.holds(&format!("{} shutdown nosave", self.cli(node)));
        }
    }
}

fn system(nodes: usize) -> Topology {
    topology(&format!(
        "archgen: v1\nname: plans\nzones: [a, b, c]\nstores:\n  cache: {{ kind: redis, version: \"7.2\", nodes: {nodes}, port: {} }}\n",
        port(0)
    ))
}

/// Words, quotes, a line's end, bytes that are no text: as `redis-cli` reads them.
fn keys() -> Vec<String> {
    let key = |n: usize| match n % 5 {
        0 => format!("\"with a space {n}\""),
        1 => format!("\"a \\\"quoted\\\" {n}\""),
        2 => format!("\"two\\nlines {n}\""),
        3 => format!("\"\\x00\\xff{n}\""),
        _ => format!("plain:{n}"),
    };
    (0..KEYS).map(key).collect()
}

impl Cluster {
    /// Makes the cluster by the generated script, and writes every key.
    fn made_as(&self, system: &Topology, keys: &[String]) -> BTreeMap<String, String> {
        std::fs::write(self.tools.folder().join("slots.sh"), generated(system, "plan/cache/slots.sh")).unwrap();
        self.tools.run("sh slots.sh");
        let nodes = system.stores[0].nodes as usize;
        let whole = |node| self.tools.holds(&format!("{} cluster info | grep -q cluster_state:ok", self.cli(node)));
        until("the cluster", || (1..=nodes).all(whole));
        self.holds(&layouts(system, StoreId(0))[0]);
        let written: String = keys.iter().enumerate().map(|(n, key)| format!("set {key} value-{n}\n")).collect();
        std::fs::write(self.tools.folder().join("written"), written).unwrap();
        let said = self.tools.run(&format!("{} -c < written", self.cli(1)));
        assert_eq!(said.lines().filter(|line| *line == "OK").count(), KEYS, "{said}");
        let values = self.values(keys);
        for (n, key) in keys.iter().enumerate() {
            assert_eq!(values[key], format!("value-{n}"), "{key}");
        }
        values
    }
}

#[test]
fn a_cluster_that_grows_keeps_every_key_and_goes_back_by_the_printed_rollback() {
    let (cluster, keys) = (Cluster::start(4), keys());
    let (three, four) = (system(3), system(4));
    let values = cluster.made_as(&three, &keys);
    let found = way(&three, &four);
    let commands = cluster.tools.migrate(&found, "cache");
    let before = layouts(&three, StoreId(0));
    cluster.holds(&relayout(&before, &four, StoreId(0))[0]);
    assert_eq!(cluster.values(&keys), values, "every key, with its value");
    println!("redis, 3 to 4 nodes: {} slots by {commands} commands, {KEYS} keys intact", found.stores[0].moves);
    for step in found.stores[0].steps.iter().filter(|step| step.phase == Phase::Copy) {
        step.rollback.iter().for_each(|command| drop(cluster.tools.run(command)));
    }
    cluster.holds(&before[0]);
    assert_eq!(cluster.values(&keys), values, "every key, also on the way back");
}

#[test]
fn a_node_that_leaves_is_emptied_by_the_printed_commands() {
    let (cluster, keys) = (Cluster::start(4), keys());
    let (four, three) = (system(4), system(3));
    let values = cluster.made_as(&four, &keys);
    let found = way(&four, &three);
    let commands = cluster.tools.migrate(&found, "cache");
    cluster.holds(&relayout(&layouts(&four, StoreId(0)), &three, StoreId(0))[0]);
    assert_eq!(cluster.values(&keys), values, "every key, with its value");
    let known = cluster.tools.run(&format!("{} cluster nodes", cluster.cli(1)));
    assert_eq!(known.lines().count(), 3, "{known}");
    println!("redis, 4 to 3 nodes: {} slots by {commands} commands, {KEYS} keys intact", found.stores[0].moves);
}
