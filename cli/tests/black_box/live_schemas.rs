//! `archgen drift --stores` with doubles of the engines' client programs: what they are told, and what is made of their answers.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use super::program::{Given, command};

const SPEC: &str = "archgen: v1\nname: town\nsecrets: { word: \"env:ARCHGEN_TEST_WORD\" }\nservices:\n  one: { kind: process, command: [./one], \
                    port: 9000 }\nstores:\n  STORE: KIND\n";

/// A program that keeps what it is told, with the files that it is named, in `told`, and answers this.
fn double(folder: &Path, name: &str, answer: &str) {
    let script = format!(
        "#!/bin/sh\n{{ echo \"$@\"; echo \"$SSL_CERTFILE $SSL_VALIDATE\"; for word; do [ -f \"$word\" ] && cat \"$word\"; done; \
         cat; }} >{}/told\ncat <<'END'\n{answer}\nEND\n",
        folder.display()
    );
    let path = folder.join("programs").join(name);
    fs::create_dir_all(folder.join("programs")).unwrap();
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// What is said of a store of this kind to whose program this is answered, and what the program was told.
fn drift(kind: &str, program: &str, answer: &str) -> (Given, String) {
    let folder = tempfile::tempdir().unwrap();
    let (name, kind) = kind.split_once(' ').unwrap();
    let spec = SPEC.replace("STORE", name).replace("KIND", kind);
    fs::write(folder.path().join("topology.yaml"), spec).unwrap();
    double(folder.path(), program, answer);
    let path = format!("{}:/usr/bin:/bin", folder.path().join("programs").display());
    let mut command = command(folder.path(), &["drift", "topology.yaml", "--stores"]);
    let output = command.env("PATH", path).env("ARCHGEN_TEST_WORD", "open sesame").output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let given =
        Given { status: output.status.code().unwrap_or(-1), out: text(output.stdout), notes: text(output.stderr) };
    (given, fs::read_to_string(folder.path().join("told")).unwrap_or_default())
}

const LOGIN: &str = "credentials: { user: town, password: secret:word }, tls: system";

#[test]
fn a_template_that_elasticsearch_does_not_have_is_missing() {
    let kind =
        "index { kind: elasticsearch, version: \"8.15\", endpoint: \"127.0.0.1:9\", indexes: { a: { replicas: 0 } } }";
    let (given, told) = drift(kind, "curl", "{\"error\":{},\"status\":404}\n404");
    assert_eq!(given.status, 3, "{}", given.notes);
    assert!(given.out.contains("stores.index template town: is not there"), "{}", given.out);
    assert!(told.contains("http://127.0.0.1:9/_index_template/town"), "{told}");
    let (given, _) = drift(kind, "curl", "{\"error\":\"no\"}\n401");
    assert_eq!(given.status, 69);
    assert!(given.notes.contains("the engine answers 401: {\"error\":\"no\"}"), "{}", given.notes);
}

#[test]
fn cassandra_is_asked_by_tls_where_the_spec_says_so() {
    let kind = format!(
        "chat {{ kind: cassandra, version: \"4.1\", endpoint: \"127.0.0.1:9\", {LOGIN}, tables: {{ t: {{ partition: [id bigint] }} }} }}"
    );
    let answer = "{\"table_name\":\"t\",\"column_name\":\"id\",\"type\":\"bigint\",\"kind\":\"partition_key\"}\n\
                  {\"table_name\":\"read_marks\",\"column_name\":\"x\",\"type\":\"text\",\"kind\":\"regular\"}\n\
                  {\"table_name\":\"t\",\"default_time_to_live\":0}";
    let (given, told) = drift(&kind, "cqlsh", answer);
    assert_eq!((given.status, given.out.as_str()), (0, "nothing has drifted\n"), "{}", given.notes);
    assert!(told.contains(" --ssl") && told.contains("/etc/ssl/certs/ca-certificates.crt true"), "{told}");
    assert!(told.contains("username = town\npassword = open sesame\n"), "{told}");
}

#[test]
fn kafka_is_asked_with_the_login_of_the_spec() {
    let topics = "topics: { e: { partitions: 2, replicas: 1, min_insync: 1, retain: 7d } }";
    let kind = |more: &str| {
        format!("log {{ kind: kafka, version: \"3.7\", endpoint: \"127.0.0.1:9\", brokers: 1, {more} {topics} }}")
    };
    let answer = "{\"topics\":[{\"topic\":\"town.e\",\"partitions\":[{\"replicas\":[{}]},{\"replicas\":[{}]}]}]}";
    let login = "credentials: { user: town, password: secret:word },";
    let (given, told) = drift(&kind(login), "kcat", answer);
    assert_eq!((given.status, given.out.as_str()), (0, "nothing has drifted\n"), "{}", given.notes);
    let settings =
        "security.protocol=sasl_plaintext\nsasl.mechanisms=PLAIN\nsasl.username=town\nsasl.password=open sesame\n";
    assert!(told.contains(settings) && !told.lines().next().unwrap().contains("sesame"), "{told}");
    let (given, told) = drift(&kind(""), "kcat", answer);
    assert_eq!(given.status, 0, "{}", given.notes);
    assert!(!told.contains("security.protocol"), "{told}");
}

#[test]
fn a_collection_whose_name_begins_like_ours_is_another() {
    let kind =
        "docs { kind: mongodb, version: \"7.0\", endpoint: \"127.0.0.1:9\", collections: { files: { key: [_id] } } }";
    let answer = "[[\"files\",\"collection files\",\"there\"],[\"files.chunks\",\"collection files.chunks\",\"there\"],\
                  [\"files.chunks\",\"index files.chunks.n_1\",\"n: 1\"]]";
    let (given, told) = drift(kind, "mongosh", answer);
    assert_eq!((given.status, given.out.as_str()), (0, "nothing has drifted\n"), "{}", given.notes);
    assert!(told.contains("getCollectionNames"), "{told}");
}
