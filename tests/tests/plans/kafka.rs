//! Kafka: a topic assigned as planned, a third broker added by the printed commands while nothing is lost, the throttles gone.

use archgen_generator::{Layout, layouts, relayout};
use archgen_spec::topology::{StoreId, Topology};
use archgen_tests::root;

use crate::tools::{Tools, generated, port, programs, topology, until, way};

const RECORDS: usize = 2_000;

/// Three brokers, of which two run at first: a majority of the controllers.
struct Brokers {
    tools: Tools,
    folder: std::path::PathBuf,
}

fn at() -> u16 {
    port(20)
}

impl Brokers {
    fn start() -> Self {
        let folder = programs("kafka").with_file_name("kafka-plans");
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("a folder");
        let names: Vec<(String, String)> =
            (1..=3u16).map(|n| (format!("events-{n}:{}", at()), format!("127.0.0.1:{}", at() + 2 * n - 2))).collect();
        let tools = Tools::new(&names);
        let backends = root().join("tests/backends");
        let jars = format!("{}/lib/*:{}/lib/*", programs("kafka").display(), programs("kafka-tools").display());
        for (tool, class) in [
            ("kafka-topics.sh", "org.apache.kafka.tools.TopicCommand"),
            ("kafka-reassign-partitions.sh", "org.apache.kafka.tools.reassign.ReassignPartitionsCommand"),
            ("kafka-leader-election.sh", "org.apache.kafka.tools.LeaderElectionCommand"),
            ("kafka-get-offsets.sh", "org.apache.kafka.tools.GetOffsetShell"),
            ("kafka-configs.sh", "org.apache.kafka.tools.ConfigCommand"),
            ("kafka-console-producer.sh", "org.apache.kafka.tools.ConsoleProducer"),
            ("kafka-console-consumer.sh", "org.apache.kafka.tools.consumer.ConsoleConsumer"),
        ] {
            let java = format!("\"$(bash -c 'source {}/jars; java_of 17')/bin/java\"", backends.display());
            tools.named(tool, &format!("{java} -Xmx128m -XX:+UseSerialGC -cp '{jars}' {class}"));
        }
        let start = format!("{}/kafka-cluster/start {} {}", backends.display(), folder.display(), at());
        tools.script(
            "ssh",
            &format!("case \"$2 $3 $4\" in\n'systemctl start kafka') exec {start} \"${{1##*-}}\" >/dev/null ;;\n*) echo \"not known: $*\" >&2; exit 1 ;;\nesac"),
        );
        tools.run(&format!("{start} 1 2 > started 2>&1"));
        Self { tools, folder }
    }

    /// Replicas of each partition, the first one leading, as the cluster describes them.
    fn replicas(&self, topic: &str) -> Vec<Vec<u32>> {
        let said = self.tools.run(&format!("kafka-topics.sh {} --describe --topic {topic}", self.server()));
        let field = |line: &str, name: &str| -> Option<String> {
            Some(line.split('\t').find_map(|f| f.trim().strip_prefix(name).map(str::to_owned))?.trim().to_owned())
        };
        let of = |line: &str| -> Option<(u32, Vec<u32>)> {
            let partition = field(line, "Partition: ")?.parse().ok()?;
            let replicas: Vec<u32> = field(line, "Replicas: ")?.split(',').map(|r| r.parse().unwrap()).collect();
            let in_sync = field(line, "Isr: ")?;
            assert_eq!(in_sync.split(',').count(), replicas.len(), "all are in sync: {line}");
            assert_eq!(field(line, "Leader: ")?, replicas[0].to_string(), "the first leads: {line}");
            Some((partition, replicas))
        };
        let mut found: Vec<(u32, Vec<u32>)> = said.lines().filter_map(of).collect();
        found.sort();
        found.into_iter().map(|(_, replicas)| replicas).collect()
    }

    fn server(&self) -> String {
        format!("--bootstrap-server events-1:{}", at())
    }

    fn records(&self, topic: &str) -> Vec<String> {
        let said = self.tools.run(&format!(
            "kafka-console-consumer.sh {} --topic {topic} --from-beginning --max-messages {RECORDS} --timeout-ms 30000 2>/dev/null",
            self.server()
        ));
        let mut all: Vec<String> = said.lines().map(str::to_owned).collect();
        all.sort();
        all
    }
}

impl Drop for Brokers {
    fn drop(&mut self) {
        let stop = root().join("tests/backends/kafka-cluster/stop");
        let _ = std::process::Command::new(stop).arg(&self.folder).status();
    }
}

fn system(brokers: usize) -> Topology {
    topology(&format!(
        "archgen: v1\nname: plans\nzones: [rack1, rack2, rack3]\nstores:\n  events: {{ kind: kafka, version: \"4.0\", brokers: {brokers}, port: {}, \
         topics: {{ message: {{ partitions: 12, replicas: 2, min_insync: 1, key: channel_id, retain: 7d }} }} }}\n",
        at()
    ))
}

fn planned(layout: &Layout) -> Vec<Vec<u32>> {
    layout.map.placement.iter().map(|held| held.iter().map(|n| n + 1).collect()).collect()
}

#[test]
fn partitions_are_assigned_as_planned_and_a_broker_takes_its_share() {
    let brokers = Brokers::start();
    let (two, three) = (system(2), system(3));
    let (topic, server) = ("plans.message", brokers.server());
    brokers
        .tools
        .run(&format!("kafka-topics.sh {server} --create --topic {topic} --partitions 12 --replication-factor 2"));
    let records: String = (0..RECORDS).map(|n| format!("record-{n:06}\n")).collect();
    std::fs::write(brokers.tools.folder().join("records"), records).unwrap();
    brokers.tools.run(&format!("kafka-console-producer.sh {server} --topic {topic} < records"));
    let before = layouts(&two, StoreId(0));
    let plan = brokers.tools.folder().join("reassignment.json");
    std::fs::write(plan, generated(&two, "plan/events/reassignment.json")).unwrap();
    let reassign = format!("kafka-reassign-partitions.sh {server} --reassignment-json-file reassignment.json");
    brokers.tools.run(&format!("{reassign} --execute"));
    until("the first assignment", || brokers.tools.holds(&format!("! {reassign} --verify | grep 'still in progress'")));
    brokers.tools.run(&format!("kafka-leader-election.sh {server} --election-type preferred --all-topic-partitions"));
    assert_eq!(brokers.replicas(topic), planned(&before[0]), "as planned");
    let ends = brokers.tools.run(&format!("kafka-get-offsets.sh {server} --topic {topic} 2>/dev/null"));
    let ends = ends.lines().filter_map(|line| line.rsplit(':').next()?.parse::<usize>().ok());
    assert_eq!(ends.sum::<usize>(), RECORDS);

    let found = way(&two, &three);
    let commands = brokers.tools.migrate(&found, "events");
    let after = relayout(&before, &three, StoreId(0));
    assert_eq!(brokers.replicas(topic), planned(&after[0]), "as planned for three");
    // Groups can read once there are as many brokers as their own topic has copies.
    let expected: Vec<String> = (0..RECORDS).map(|n| format!("record-{n:06}")).collect();
    assert_eq!(brokers.records(topic), expected, "every record, once");
    for entity in ["--entity-type brokers", "--entity-type topics"] {
        let left = brokers.tools.run(&format!("kafka-configs.sh {server} {entity} --describe 2>/dev/null"));
        assert!(!left.contains("throttled"), "no throttle is left: {left}");
    }
    println!(
        "kafka, 2 to 3 brokers: {} replicas by {commands} commands, {RECORDS} records there",
        found.stores[0].moves
    );
}
