//! Cassandra: a ring of three nodes that owns what the plan says, and a fourth node that joins by the printed commands and takes its
//! share, with every row there.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::TcpStream,
    path::PathBuf,
};

use archgen_generator::{Layout, layouts, relayout};
use archgen_spec::topology::{StoreId, Topology};
use archgen_tests::root;

use crate::tools::{Tools, generated, port, programs, topology, until, way};

const ROWS: i64 = 500;

fn at() -> u16 {
    port(40)
}

/// The protocol by hand (version 4): a session and what is asked in it.
struct Cql(TcpStream);

impl Cql {
    fn open(node: usize) -> Self {
        let stream = TcpStream::connect((format!("127.0.0.{}", 20 + node), at())).expect("a connection");
        let mut session = Self(stream);
        assert_eq!(session.ask(1, b"\x00\x01\x00\x0bCQL_VERSION\x00\x053.0.0").0, 2, "it is ready");
        session
    }

    fn ask(&mut self, opcode: u8, body: &[u8]) -> (u8, Vec<u8>) {
        let length = u32::try_from(body.len()).expect("a short question").to_be_bytes();
        let frame = [&[4, 0, 0, 0, opcode], length.as_slice(), body].concat();
        self.0.write_all(&frame).expect("sent");
        let mut head = [0; 9];
        self.0.read_exact(&mut head).expect("an answer");
        let length = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let mut answer = vec![0; length as usize];
        self.0.read_exact(&mut answer).expect("an answer");
        (head[4], answer)
    }

    /// A statement at consistency ONE; the answer's bytes.
    fn run(&mut self, statement: &str) -> Vec<u8> {
        let length = u32::try_from(statement.len()).expect("short").to_be_bytes();
        let body = [length.as_slice(), statement.as_bytes(), &[0, 1, 0]].concat();
        let (opcode, answer) = self.ask(7, &body);
        assert_eq!(opcode, 8, "{statement}: {}", String::from_utf8_lossy(&answer));
        answer
    }

    /// The one number that a statement answers: its last eight bytes.
    fn number(&mut self, statement: &str) -> i64 {
        let answer = self.run(statement);
        i64::from_be_bytes(*answer.last_chunk().expect("a number"))
    }
}

struct Ring {
    tools: Tools,
    folder: PathBuf,
}

impl Ring {
    /// Starts the nodes of a plan with the tokens that it gives them.
    fn start(system: &Topology) -> Self {
        let folder = programs("cassandra").with_file_name("cassandra-plans");
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("a folder");
        let names: Vec<(String, String)> =
            (1..=4).map(|n| (format!("chat-{n}"), format!("127.0.0.{}", 20 + n))).collect();
        let tools = Tools::new(&names);
        let backends = root().join("tests/backends");
        let lib = programs("cassandra").join("lib");
        let java = format!("\"$(bash -c 'source {}/jars; java_of 17 17')/bin/java\"", backends.display());
        // Each node's port of management is on loopback, counted by its number.
        let quiet = tools.folder().join("logback.xml");
        std::fs::write(&quiet, "<configuration><root level=\"OFF\"/></configuration>").expect("a file");
        let exported = [
            "java.base/jdk.internal.misc",
            "java.base/jdk.internal.ref",
            "java.base/sun.nio.ch",
            "java.management.rmi/com.sun.jmx.remote.internal.rmi",
            "java.rmi/sun.rmi.registry",
            "java.rmi/sun.rmi.server",
        ];
        let exported: String = exported.iter().map(|m| format!(" --add-exports {m}=ALL-UNNAMED")).collect();
        let opened = ["sun.nio.ch", "java.nio", "jdk.internal.ref"];
        let opened: String = opened.iter().map(|m| format!(" --add-opens java.base/{m}=ALL-UNNAMED")).collect();
        tools.script(
            "nodetool",
            &format!(
                "[ \"$1\" = -h ]\nexec {java} -Xmx128m -XX:+UseSerialGC{exported}{opened} -Duser.home={} -Dlogback.configurationFile={} -cp '{}/*' \
                 org.apache.cassandra.tools.NodeTool -h 127.0.0.1 -p $(({} + ${{2##*-}})) \"${{@:3}}\"",
                tools.folder().display(),
                quiet.display(),
                lib.display(),
                at() + 10
            ),
        );
        let node = format!("{}/cassandra/node {}", backends.display(), lib.display());
        let (data, seeds) = (folder.display(), format!("127.0.0.21:{}", at() + 1));
        let start = format!(
            "CASSANDRA_HEAP=192m CASSANDRA_JMX_PORT=$(({} + ${{1##*-}})) {node} {data}/$1 \"$(named $1)\" {} {seeds}",
            at() + 10,
            at()
        );
        // What is written to the settings of a node that joins is what it starts with.
        tools.script(
            "ssh",
            &format!(
                "mine={data}/$1.settings\ncase \"${{*:2}}\" in\n*/etc/cassandra/cassandra.yaml*) eval \"${{2//\\/etc\\/cassandra\\/cassandra.yaml/$mine}}\" ;;\n\
                 'systemctl start cassandra')\n  grep -qx 'auto_bootstrap: true' $mine\n  tokens=$(sed -n 's/^initial_token: //p' $mine)\n  \
                 [ \"$(sed -n 's/^num_tokens: //p' $mine)\" = \"$(tr ',' '\\n' <<<\"$tokens\" | wc -l)\" ]\n  export CASSANDRA_BOOTSTRAP=true\n  {start} \"$tokens\" \
                 a >/dev/null ;;\n*) echo \"not known: $*\" >&2; exit 1 ;;\nesac"
            ),
        );
        tools.script("begin", &format!("{start} \"$2\" a >/dev/null"));
        let ring = Self { tools, folder };
        let plan = generated(system, "plan/chat/tokens.yaml");
        let mut name = String::new();
        for line in plan.lines() {
            if let Some(node) = line.strip_suffix(':').filter(|n| n.starts_with("chat-")) {
                name = node.to_owned();
            } else if let Some(tokens) = line.trim().strip_prefix("initial_token: ") {
                ring.tools.run(&format!("begin {name} {tokens}"));
            }
        }
        ring
    }

    /// Which node has the token, by the ends of all ranges.
    fn owners(&self, keyspace: &str) -> BTreeMap<i64, String> {
        let said = self.tools.run(&format!("nodetool -h chat-1 describering {keyspace}"));
        let field = |line: &str, name: &str, end: char| -> Option<String> {
            let from = line.find(name)? + name.len();
            Some(line[from..].split(end).next()?.trim_start_matches('[').trim_end_matches(']').to_owned())
        };
        let range = |line: &str| Some((field(line, "end_token:", ',')?.parse().ok()?, field(line, "endpoints:", ',')?));
        said.lines().filter(|line| line.contains("TokenRange(")).filter_map(range).collect()
    }

    /// Every planned range is with the node that the plan says: asked a little before its end, where nobody's token lies.
    fn holds(&self, keyspace: &str, layout: &Layout) {
        let owners = self.owners(keyspace);
        let ranges = layout.map.placement.len();
        for (range, held) in layout.map.placement.iter().enumerate() {
            let end = ((range as u128 + 1) << 64) / ranges as u128;
            let token = (end as i128 - 1 + i128::from(i64::MIN)) as i64 - 1_000;
            let (_, owner) = owners.range(token..).next().or(owners.first_key_value()).expect("a ring");
            let planned = &layout.nodes[held[0] as usize].name;
            let number: usize = planned.strip_prefix("chat-").unwrap().parse().unwrap();
            assert!(
                owner.starts_with(&format!("127.0.0.{}", 20 + number)),
                "range {range}: {owner}, planned {planned}"
            );
        }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        for node in 1..=4 {
            let pid = std::fs::read_to_string(self.folder.join(format!("chat-{node}/server.pid")));
            if let Ok(pid) = pid {
                let _ = std::process::Command::new("kill").args(["-9", pid.trim()]).status();
            }
        }
    }
}

fn system(nodes: usize) -> Topology {
    topology(&format!(
        "archgen: v1\nname: plans\nzones: [a]\nstores:\n  chat: {{ kind: cassandra, version: \"5.0\", nodes: {nodes}, replication: {{ datacenter1: 1 }}, \
         tables: {{ messages: {{ partition: [channel_id bigint], cluster: [message_id bigint desc], columns: {{ body: text }} }} }} }}\n"
    ))
}

#[test]
fn a_ring_owns_what_the_plan_says_and_a_node_that_joins_takes_its_share() {
    let (three, four) = (system(3), system(4));
    let ring = Ring::start(&three);
    until("the ring", || ring.tools.run("nodetool -h chat-1 status").matches("UN ").count() == 3);
    let mut cql = Cql::open(1);
    let schema = generated(&three, "cassandra/chat/schema.cql");
    // A comment may hold what else would end a statement.
    let told: Vec<&str> = schema.lines().filter(|line| !line.trim_start().starts_with("--")).collect();
    told.join("\n").split(';').filter(|s| !s.trim().is_empty()).for_each(|statement| drop(cql.run(statement)));
    for row in 0..ROWS {
        cql.run(&format!(
            "INSERT INTO plans.messages (channel_id, message_id, body) VALUES ({row}, {row}, 'text {row}')"
        ));
    }
    let before = layouts(&three, StoreId(0));
    ring.holds("plans", &before[0]);
    let found = way(&three, &four);
    let commands = ring.tools.migrate(&found, "chat");
    let after = relayout(&before, &four, StoreId(0));
    ring.holds("plans", &after[0]);
    let mut joined = Cql::open(4);
    assert_eq!(joined.number("SELECT count(*) FROM plans.messages"), ROWS, "every row");
    assert_eq!(joined.number("SELECT sum(message_id) FROM plans.messages"), ROWS * (ROWS - 1) / 2, "as it was written");
    println!("cassandra, 3 to 4 nodes: {} ranges by {commands} commands, {ROWS} rows there", found.stores[0].moves);
}
