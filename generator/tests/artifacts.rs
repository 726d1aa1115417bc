//! What is generated from the committed examples.

mod example;

use std::collections::{BTreeMap, BTreeSet};

use archgen_generator::{GraphFormat, Options, Target, generate, graph, plan, shards_table};
use archgen_spec::topology::DatasetShape;
use serde_json::Value;

#[test]
fn the_same_spec_gives_the_same_bytes() {
    for (spec, environment) in [("slack", None), ("slack", Some("dev")), ("minimal", None)] {
        let first = generate(&example::topology(spec, environment), &Options::default()).expect("artifacts");
        let second = generate(&example::topology(spec, environment), &Options::default()).expect("artifacts");
        assert_eq!(first, second);
        assert!(first.files.values().all(|text| text.ends_with('\n')));
    }
}

#[test]
fn only_takes_what_it_names() {
    let topology = example::topology("slack", None);
    let all = generate(&topology, &Options::default()).expect("artifacts");
    let mut parts = 0;
    for (_, target) in Target::ALL {
        let part = generate(&topology, &Options { only: vec![target], ..Options::default() }).expect("artifacts");
        assert!(!part.files.is_empty(), "{target:?}");
        assert!(part.files.iter().all(|(path, text)| all.files[path] == *text));
        assert!(part.files.keys().all(|path| Target::of(path) == Some(target)), "{target:?}");
        parts += part.files.len();
    }
    assert_eq!(parts, all.files.len());
}

#[test]
fn every_instance_has_an_address_of_its_own_and_is_registered() {
    let topology = example::topology("slack", None);
    let files = generate(&topology, &Options::default()).expect("artifacts").files;
    let addresses: BTreeMap<String, String> = serde_json::from_str(&files["addresses.json"]).expect("JSON");
    assert_eq!(addresses.len(), topology.instances().len());
    let distinct: BTreeSet<&String> = addresses.values().collect();
    assert_eq!(distinct.len(), addresses.len());
    assert!(files.contains_key("consul/services/messaging-6.json"));
    let deny: Value = serde_json::from_str(&files["consul/intentions/chat.json"]).expect("JSON");
    let names: Vec<&str> =
        deny["Sources"].as_array().expect("a list").iter().filter_map(|s| s["Name"].as_str()).collect();
    assert_eq!(names, ["messaging", "*"]);
}

#[test]
fn buckets_are_as_wide_as_each_channel_allows() {
    let files = generate(&example::topology("slack", None), &Options::default()).expect("artifacts").files;
    let cql = &files["cassandra/chat/schema.cql"];
    assert!(cql.contains("129600 minutes: "), "{cql}");
    assert!(cql.contains("CREATE TABLE IF NOT EXISTS \"chat\".\"messages_widths\" ("), "{cql}");
    assert!(cql.contains("PRIMARY KEY ((\"channel_id\", \"bucket\"), \"message_id\")"), "{cql}");
    assert!(cql.contains("default_time_to_live = 7776000"), "{cql}");
}

#[test]
fn the_table_of_bucket_widths_has_a_name_and_columns_of_its_own() {
    let mut topology = example::topology("slack", None);
    let chat = topology.stores.iter_mut().find(|s| s.name == "chat").expect("the store");
    let long = "m".repeat(48);
    for name in ["messages_widths", &long] {
        let mut copy = chat.datasets[0].clone();
        name.clone_into(&mut copy.name);
        chat.datasets.push(copy);
    }
    for dataset in &mut chat.datasets {
        let DatasetShape::CassandraTable { partition, .. } = &mut dataset.shape else { continue };
        for name in ["since", "minutes"] {
            let mut column = partition[0].clone();
            name.clone_into(&mut column.name);
            partition.push(column);
        }
    }
    let cql = &generate(&topology, &Options::default()).expect("artifacts").files["cassandra/chat/schema.cql"];
    let made =
        cql.lines().filter_map(|l| l.strip_prefix("CREATE TABLE IF NOT EXISTS \"chat\".\"")?.strip_suffix("\" ("));
    let names: Vec<&str> = made.collect();
    let distinct: BTreeSet<&str> = names.iter().copied().collect();
    assert_eq!(distinct.len(), names.len(), "{names:?}");
    assert!(names.iter().all(|name| name.len() <= 48), "{names:?}");
    assert_eq!(names.iter().filter(|name| name.ends_with("_widths")).count(), 4, "{names:?}");
    for table in cql.split("CREATE TABLE ").filter(|t| t.split('(').next().is_some_and(|n| n.contains("_widths\""))) {
        let columns: Vec<&str> =
            table.lines().skip(1).map_while(|l| l.strip_prefix("  \"")?.split('"').next()).collect();
        let distinct: BTreeSet<&str> = columns.iter().copied().collect();
        assert_eq!(distinct.len(), columns.len(), "{table}");
    }
    assert!(cql.contains("CLUSTERING ORDER BY (\"since_\" DESC)"), "{cql}");
}

#[test]
fn topics_and_indexes_carry_what_is_declared() {
    let files = generate(&example::topology("slack", None), &Options::default()).expect("artifacts").files;
    let topics: Value = serde_json::from_str(&files["kafka/events/topics.json"]).expect("JSON");
    assert_eq!(topics[0]["name"], "chat.message");
    assert_eq!((&topics[0]["partitions"], &topics[0]["replicas"]), (&96.into(), &3.into()));
    assert_eq!(topics[0]["config"]["min.insync.replicas"], "2");
    assert_eq!(topics[0]["config"]["retention.ms"], "604800000");
    let rules: Vec<&str> = files["kafka/events/acls.sh"].lines().filter(|l| l.ends_with("chat.message")).collect();
    assert!(rules.contains(
        &"allow --allow-principal User:chat-messaging --operation Write --operation Describe --topic chat.message"
    ));
    assert!(rules.iter().all(|r| r.contains("User:chat-messaging ") == r.contains(" Write ")), "{rules:?}");
    // Exactly these groups: a name that only begins like one is another's.
    let groups: Vec<&str> = files["kafka/events/acls.sh"].lines().filter(|l| l.contains(" --group ")).collect();
    let reads = |service: &str, group: &str| {
        format!("allow --allow-principal User:chat-{service} --operation Read --group chat.{group}")
    };
    assert_eq!(
        groups,
        [
            reads("notification", "notification"),
            reads("notification", "reader"),
            reads("search", "search"),
            reads("search", "reader"),
        ]
    );
    let template: Value = serde_json::from_str(&files["elasticsearch/index/template.json"]).expect("JSON");
    assert_eq!(template["index_patterns"][0], "chat.*");
    assert_eq!(template["template"]["settings"]["number_of_replicas"], 1);
    assert_eq!(template["template"]["mappings"]["dynamic"], "strict");
}

#[test]
fn secrets_stay_references() {
    let files = generate(&example::topology("slack", None), &Options::default()).expect("artifacts").files;
    let compose: Value = serde_yaml::from_str(&files["compose/docker-compose.yml"]).expect("YAML");
    assert_eq!(compose["secrets"]["fleet-key"]["file"], "./fleet-key");
    let hosts = compose["services"].as_object().expect("services").keys().filter(|n| !n.ends_with("-join")).count();
    assert_eq!(hosts, example::topology("slack", None).instances().len());
    let manifests = &files["kubernetes/messaging.yaml"];
    assert!(manifests.contains("secretKeyRef"), "{manifests}");
}

#[test]
fn the_plan_places_every_slot_of_every_store() {
    let topology = example::topology("slack", None);
    let plan = plan(&topology);
    for (name, store) in &plan.stores {
        assert_eq!(store.balance.zone_violations, 0, "{name}");
        assert!(store.balance.max_over_mean_permille <= 1_020, "{name}: {:?}", store.balance);
    }
    let json = serde_json::to_value(&plan).expect("JSON");
    assert_eq!(json["stores"]["chat"]["slots"].as_array().expect("slots").len(), 16_384);
    assert_eq!(json["stores"]["chat"]["nodes"][0]["zone"], "eu-a");
    let table = shards_table(&plan, 20_781);
    assert!(table.contains("chat (cassandra): 16384 slots, 3 copies, 12 nodes"), "{table}");
    assert!(table.contains("bucket 1h"), "{table}");
}

/// The network policy of a component.
fn network_policy(files: &BTreeMap<String, String>, component: &str) -> Value {
    let objects = files[&format!("kubernetes/{component}.yaml")].split("---\n").filter(|part| !part.is_empty());
    let mut objects = objects.map(|part| serde_yaml::from_str::<Value>(part).expect("YAML"));
    objects.find(|object| object["kind"] == "NetworkPolicy").expect("a policy")
}

/// Whether one may open a connection to the other: as the policies of both say, and the intention of the other.
fn may_call(files: &BTreeMap<String, String>, from: &str, to: &str) -> [bool; 3] {
    let names = |policy: &Value, direction: &str, end: &str, name: &str| {
        let rules = policy["spec"][direction].as_array().expect("rules").iter();
        let peers = rules.flat_map(|rule| rule[end].as_array().into_iter().flatten());
        let labels = peers.map(|peer| &peer["podSelector"]["matchLabels"]["app.kubernetes.io/name"]);
        labels.into_iter().any(|label| label == name)
    };
    let intentions: Value = serde_json::from_str(&files[&format!("consul/intentions/{to}.json")]).expect("JSON");
    let mut sources = intentions["Sources"].as_array().expect("sources").iter();
    [
        names(&network_policy(files, from), "egress", "to", to),
        names(&network_policy(files, to), "ingress", "from", from),
        sources.any(|source| source["Name"] == from && source["Action"] == "allow"),
    ]
}

#[test]
fn who_calls_another_may_reach_it_although_the_spec_does_not_say_so() {
    let files = generate(&example::topology("slack", None), &Options::default()).expect("artifacts").files;
    for (from, to) in [
        ("messaging", "realtime"),
        ("messaging", "file"),
        ("messaging", "search"),
        ("user", "realtime"),
        ("notification", "realtime"),
        ("gateway", "realtime"),
    ] {
        assert_eq!(may_call(&files, from, to), [true; 3], "{from} to {to}");
    }
    for (from, to) in [("user", "messaging"), ("gateway", "cache"), ("search", "realtime"), ("realtime", "chat")] {
        assert_eq!(may_call(&files, from, to), [false; 3], "{from} to {to}");
    }
    let policy: Value = serde_json::from_str(&files["consul/acl/policies/messaging.json"]).expect("JSON");
    assert!(policy["Rules"].as_str().expect("rules").contains("\"realtime\":{\"policy\":\"read\"}"), "{policy}");
    // Archgen's own gateway keeps answers in the cache, and is told of ended sessions.
    let files = generate(&example::topology("slack", Some("dev")), &Options::default()).expect("artifacts").files;
    for (from, to) in [("gateway", "cache"), ("user", "gateway")] {
        assert_eq!(may_call(&files, from, to), [true; 3], "{from} to {to}");
    }
    assert_eq!(may_call(&files, "gateway", "realtime"), [false; 3]);
}

#[test]
fn servers_outside_of_the_cluster_are_reached_where_they_are() {
    let files = generate(&example::topology("slack", Some("real")), &Options::default()).expect("artifacts").files;
    let policy = network_policy(&files, "messaging");
    let egress = policy["spec"]["egress"].as_array().expect("rules");
    let ports: Vec<&Value> = egress.iter().flat_map(|r| r["ports"].as_array().into_iter().flatten()).collect();
    assert!(ports.iter().all(|port| port["port"] != 0), "{egress:?}");
    for port in [26_030, 26_000, 26_001, 26_100] {
        let way = serde_json::json!({
            "to": [{"ipBlock": {"cidr": "127.0.0.1/32"}}], "ports": [{"protocol": "TCP", "port": port}],
        });
        assert!(egress.contains(&way), "{port}: {egress:?}");
    }
    let mut topology = example::topology("slack", Some("real"));
    topology.stores.iter_mut().for_each(|store| store.endpoints = vec!["db.example.test:7000".to_owned()]);
    let files = generate(&topology, &Options::default()).expect("artifacts").files;
    let policy = network_policy(&files, "messaging");
    // A policy knows no names.
    let way = serde_json::json!({"ports": [{"protocol": "TCP", "port": 7_000}]});
    assert!(policy["spec"]["egress"].as_array().expect("rules").contains(&way), "{policy}");
}

#[test]
fn what_runs_elsewhere_does_not_depend_on_what_this_machine_starts() {
    let managed = example::topology("slack", Some("mixed"));
    let mut plain = managed.clone();
    plain.stores.iter_mut().for_each(|s| s.managed = false);
    plain.registry.iter_mut().for_each(|r| r.managed = false);
    plain.gateway.iter_mut().for_each(|g| g.managed = false);
    // A server without an address of its own is one of ours to run, as a managed one is.
    for target in [Target::Nginx, Target::Redis, Target::Postgres] {
        let of = |topology, here| {
            let options = Options { only: vec![target], here, ..Options::default() };
            generate(topology, &options).expect("artifacts").files
        };
        assert_eq!(of(&managed, false), of(&plain, false), "{target:?}");
        assert_ne!(of(&managed, true), of(&managed, false), "{target:?}");
    }
    let files = generate(&managed, &Options::default()).expect("artifacts").files;
    assert!(files["nginx/nginx.conf"].contains("    listen 8080;"), "{}", files["nginx/nginx.conf"]);
    assert!(files["compose/docker-compose.yml"].contains("/nginx_status") && files.contains_key("nginx/status.conf"));
    assert!(!files["redis/cache/redis.conf"].contains("bind 127.0.0.1"));
    assert!(files["postgres/users/primary.conf"].contains("listen_addresses = '*'"));
}

#[test]
fn diagrams_name_every_component() {
    let topology = example::topology("slack", None);
    for format in [GraphFormat::Mermaid, GraphFormat::Dot] {
        let text = graph(&topology, format);
        for component in topology.components() {
            assert!(text.contains(topology.component_name(component)), "{text}");
        }
    }
}
