//! Elasticsearch: shards, copies and routing as planned on three nodes in three zones, and a node emptied by the printed commands.

use std::{collections::BTreeSet, path::PathBuf};

use archgen_spec::topology::Topology;
use archgen_tests::root;
use serde_json::{Value, json};

use crate::tools::{Tools, generated, port, programs, topology, until, way};

const DOCUMENTS: usize = 200;

fn at() -> u16 {
    port(60)
}

struct Nodes {
    tools: Tools,
    folder: PathBuf,
}

impl Nodes {
    fn start() -> Self {
        let folder = programs("elasticsearch").with_file_name("elasticsearch-plans");
        let _ = std::fs::remove_dir_all(&folder);
        let names: Vec<(String, String)> =
            (1..=3).map(|n| (format!("search-{n}:9200"), format!("127.0.0.1:{}", at() + n))).collect();
        let tools = Tools::new(&names);
        tools.named("curl", "/usr/bin/curl");
        let shared = programs("elasticsearch");
        let peers: Vec<String> = (1..=3).map(|n| format!("\"127.0.0.1:{}\"", at() + 10 + n)).collect();
        for node in 1..=3u16 {
            let home = folder.join(format!("search-{node}"));
            std::fs::create_dir_all(home.join("config")).expect("a folder");
            std::fs::create_dir_all(home.join("plugins")).expect("a folder");
            for part in ["lib", "modules", "classes"] {
                std::os::unix::fs::symlink(shared.join(part), home.join(part)).expect("a link");
            }
            std::fs::copy(shared.join("config/log4j2.properties"), home.join("config/log4j2.properties"))
                .expect("a file");
            let settings = format!(
                "cluster.name: plans\nnode.name: search-{node}\nnode.attr.zone: z{node}\npath.data: {0}/data\npath.logs: {0}/logs\nnetwork.host: 127.0.0.1\n\
                 http.port: {1}\ntransport.port: {2}\ndiscovery.seed_hosts: [{3}]\ncluster.initial_master_nodes: [search-1, search-2, search-3]\n\
                 cluster.routing.allocation.disk.threshold_enabled: false\n",
                home.display(),
                at() + node,
                at() + 10 + node,
                peers.join(", ")
            );
            std::fs::write(home.join("config/elasticsearch.yml"), settings).expect("settings");
            tools.run(&format!(
                "source {}/tests/backends/jars; nohup setsid \"$(java_of 21)/bin/java\" -Xms128m -Xmx384m -XX:+UseSerialGC -Djava.awt.headless=true \
                 -Des.distribution.type=tar -cp '{1}/classes:{1}/lib/*' Launch {1} >{1}/log 2>&1 </dev/null & echo $! >{1}/server.pid",
                root().display(),
                home.display()
            ));
        }
        let nodes = Self { tools, folder };
        until("a cluster of three", || {
            nodes.tools.holds("curl -fs 'http://search-1:9200/_cluster/health' | grep -q '\"number_of_nodes\":3'")
        });
        nodes
    }

    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let body = body.map_or_else(String::new, |body| {
            std::fs::write(self.tools.folder().join("body"), body.to_string()).expect("a file");
            " -H 'Content-Type: application/json' --data-binary @body".to_owned()
        });
        let said = self.tools.run(&format!("curl -sS -X {method} 'http://search-1:9200{path}'{body}"));
        let answer: Value = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{method} {path}: {said}"));
        assert!(answer.get("error").is_none(), "{method} {path}: {answer}");
        answer
    }

    /// Shard, whether it is the primary, and node of every copy of an index.
    fn shards(&self, index: &str) -> Vec<(String, bool, String)> {
        let text = |shard: &Value, key: &str| shard[key].as_str().unwrap_or_default().to_owned();
        let all = self.ask("GET", &format!("/_cat/shards/{index}?format=json"), None);
        let shards = all.as_array().unwrap().iter();
        shards.map(|s| (text(s, "shard"), text(s, "prirep") == "p", text(s, "node"))).collect()
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        for node in 1..=3 {
            let pid = std::fs::read_to_string(self.folder.join(format!("search-{node}/server.pid")));
            if let Ok(pid) = pid {
                let _ = std::process::Command::new("kill").args(["-9", pid.trim()]).status();
            }
        }
    }
}

fn system(nodes: usize) -> Topology {
    topology(&format!(
        "archgen: v1\nname: plans\nzones: [z1, z2, z3]\nload: {{ users: 10k, messages: {{ mean: 100/s, peak: 1k/s, size: 900B, key: channel_id, skew: zipf(0.8), \
         keys: 10k }} }}\nstores:\n  search: {{ kind: elasticsearch, version: \"9.2\", nodes: {nodes}, port: 9200, indexes: {{ messages: {{ shard_size: 500GB, \
         replicas: 1, route: channel_id }} }} }}\n"
    ))
}

#[test]
fn shards_and_routing_are_as_planned_and_a_node_is_emptied_by_the_printed_commands() {
    let nodes = Nodes::start();
    let (three, two) = (system(3), system(2));
    let cluster: Value = serde_json::from_str(&generated(&three, "plan/search/cluster.json")).unwrap();
    let awareness = nodes.ask("PUT", "/_cluster/settings", Some(&cluster));
    assert_eq!(awareness["acknowledged"], true);
    let planned: Value = serde_json::from_str(&generated(&three, "plan/search/indexes.json")).unwrap();
    let (index, plan) = planned.as_object().unwrap().iter().next().unwrap();
    assert_eq!(
        nodes.ask("PUT", &format!("/{index}"), Some(&json!({"settings": plan["settings"]})))["acknowledged"],
        true
    );
    nodes.ask("GET", &format!("/_cluster/health/{index}?wait_for_status=green&timeout=60s"), None);
    let shards = plan["settings"]["number_of_shards"].as_u64().unwrap();
    assert!(shards > 1, "what is kept does not fit into one: {shards}");
    let found = nodes.shards(index);
    assert_eq!(found.len() as u64, shards * 2, "a primary and a copy of each: {found:?}");
    for shard in 0..shards {
        let on: BTreeSet<&str> =
            found.iter().filter(|(s, ..)| *s == shard.to_string()).map(|(.., n)| n.as_str()).collect();
        assert_eq!(on.len(), 2, "copies are apart, each node being a zone: {found:?}");
    }
    // What is routed by one channel is in one shard, and only that is asked.
    assert_eq!(plan["routing"], "?routing=<channel_id>");
    for document in 0..DOCUMENTS {
        let path = format!("/{index}/_doc/{document}?routing={}", document % 7);
        nodes.ask("PUT", &path, Some(&json!({"channel_id": document % 7, "body": "x"})));
    }
    nodes.ask("POST", &format!("/{index}/_refresh"), None);
    for channel in 0..7 {
        let asked = nodes.ask("GET", &format!("/{index}/_search_shards?routing={channel}"), None);
        assert_eq!(asked["shards"].as_array().unwrap().len(), 1, "one shard of {shards}");
        let query = json!({"query": {"term": {"channel_id": channel}}, "track_total_hits": true});
        let hits = nodes.ask("POST", &format!("/{index}/_search?routing={channel}"), Some(&query));
        let expected = (0..DOCUMENTS).filter(|d| d % 7 == channel).count() as u64;
        assert_eq!(
            (hits["hits"]["total"]["value"].as_u64(), hits["_shards"]["total"].as_u64()),
            (Some(expected), Some(1))
        );
    }

    let way = way(&three, &two);
    // Two zones are left: copies may wait for the third no longer.
    let fewer: Value = serde_json::from_str(&generated(&two, "plan/search/cluster.json")).unwrap();
    nodes.ask("PUT", "/_cluster/settings", Some(&fewer));
    let commands = nodes.tools.migrate(&way, "search");
    let left = nodes.shards(index);
    println!("elasticsearch, {shards} shards on 3 nodes, then 2: {commands} commands, {DOCUMENTS} documents");
    assert_eq!(left.len() as u64, shards * 2, "{left:?}");
    let count = nodes.ask("GET", &format!("/{index}/_count"), None);
    assert_eq!(count["count"], DOCUMENTS, "every document");
}
