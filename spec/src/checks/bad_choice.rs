//! AG016: a word that is none of the possible ones.

use super::{Explanation, suggestion};
use crate::diagnostic::{Code, Diagnostic};
use crate::source::Span;

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(16),
    title: "a word is not one of the possible ones",
    why: "The key takes one of a few words. Another word would have no meaning.",
    fix: "Use one of the words that the message lists.",
    before: r#"stores:
  cache: { kind: reddis, version: "7.2" }
"#,
    after: r#"stores:
  cache: { kind: redis, version: "7.2" }
"#,
};

/// Words of the field, lower-case without `_`, `-` and blanks, and ours for the same thing or for what does its work here.
const HABITS: &[(&str, &str)] = &[
    ("postgresql", "postgres"),
    ("pg", "postgres"),
    ("mysql", "postgres"),
    ("mariadb", "postgres"),
    ("cockroachdb", "postgres"),
    ("sqlite", "postgres"),
    ("sql", "postgres"),
    ("memcached", "redis"),
    ("valkey", "redis"),
    ("keydb", "redis"),
    ("dragonfly", "redis"),
    ("cache", "redis"),
    ("scylla", "cassandra"),
    ("scylladb", "cassandra"),
    ("dynamodb", "cassandra"),
    ("mongo", "mongodb"),
    ("documentdb", "mongodb"),
    ("rabbitmq", "kafka"),
    ("nats", "kafka"),
    ("pulsar", "kafka"),
    ("redpanda", "kafka"),
    ("kinesis", "kafka"),
    ("sqs", "kafka"),
    ("queue", "kafka"),
    ("opensearch", "elasticsearch"),
    ("elastic", "elasticsearch"),
    ("solr", "elasticsearch"),
    ("minio", "s3"),
    ("gcs", "s3"),
    ("ceph", "s3"),
    ("blob", "s3"),
    ("localquorum", "quorum"),
    ("eachquorum", "quorum"),
    ("majority", "quorum"),
    ("localone", "one"),
    ("container", "process"),
    ("docker", "process"),
    ("deployment", "process"),
    ("binary", "process"),
    ("envoy", "nginx"),
    ("haproxy", "nginx"),
    ("traefik", "nginx"),
    ("caddy", "nginx"),
    ("websocket", "socketio"),
    ("ws", "socketio"),
    ("etcd", "consul"),
    ("zookeeper", "consul"),
    ("rr", "round_robin"),
    ("leastconnections", "least_conn"),
    ("leastrequest", "least_conn"),
    ("public", "none"),
    ("anonymous", "none"),
    ("off", "none"),
    ("false", "none"),
    ("warning", "warn"),
    ("fatal", "error"),
    ("deny", "default-deny"),
    ("allow", "default-allow"),
    ("networkpartition", "partition"),
    ("kill", "crash"),
    ("synchronous", "sync"),
    ("asynchronous", "async"),
];

/// The word of ours that stands in the place of another tool's.
pub fn habit<'w>(text: &str, words: &[&'w str]) -> Option<&'w str> {
    let plain: String = text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    let mut ours = HABITS.iter().filter(|(theirs, _)| *theirs == plain).map(|(_, ours)| *ours);
    ours.find_map(|ours| words.iter().find(|word| **word == ours).copied())
}

/// `text` is none of `words`.
pub fn at(span: Span, text: &str, what: &str, words: &[&str]) -> Diagnostic {
    let shown: String = text.chars().take(60).collect();
    let fault = Diagnostic::error(EXPLANATION.code, span, format!("`{shown}` is not {what}"));
    let help = match habit(text, words) {
        Some(ours) => format!("here that is `{ours}`; {}", help("", words)),
        None => help(text, words),
    };
    fault.with_help(help).with_fix(suggestion::fix(span, text, words.iter().copied()))
}

/// The possible words for a help line.
pub fn help(text: &str, words: &[&str]) -> String {
    if let [only] = words {
        return format!("the only possible word is `{only}`");
    }
    suggestion::help(text, "possible words", words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_holds() {
        crate::checks::testing::holds(&EXPLANATION);
    }

    #[test]
    fn words_of_the_field_are_told_ours_where_the_key_takes_it() {
        let stores = ["redis", "postgres", "kafka"];
        assert_eq!(habit("MySQL", &stores), Some("postgres"));
        assert_eq!(habit("rabbitmq", &stores), Some("kafka"));
        assert_eq!(habit("LOCAL_QUORUM", &["one", "quorum", "all"]), Some("quorum"));
        assert_eq!(habit("mysql", &["nginx"]), None);
    }

    #[test]
    fn nothing_is_judged_by_a_kind_that_is_not_known() {
        let text = "zones: [a]\nstores:\n  docs: { kind: mysql, version: \"8.0\", nodes: 1, replicas: 3 }\n";
        assert_eq!(crate::checks::testing::codes(text), [(EXPLANATION.code, crate::diagnostic::Severity::Error)]);
    }
}
