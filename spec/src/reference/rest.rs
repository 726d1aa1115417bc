//! `load`, `sim`, `policies`.

use super::entry::Part::{Checks, Plan, Sim};
use super::entry::{Entry, key};

pub(super) static ENTRIES: &[Entry] = &[
    key("load.users", "Registered people.", "5M").value("1k", "a small system").unit("people").reaches(&[]),
    key("load.online", "People connected at the peak.", "800k").derived("100, or as many as there are users").unit("people").reaches(&[]),
    key("load.messages", "The traffic of messages.", "{ mean: 2k/s, size: 900B }").absent("each key has its own default").reaches(&[Plan]),
    key("load.messages.mean", "Messages in the mean.", "2k/s").value("10/s", "a small system").reaches(&[Plan]),
    key("load.messages.peak", "Messages at the peak.", "60k/s").derived("ten times the mean").reaches(&[]),
    key("load.messages.size", "The size of a stored message in the mean.", "900B").value("900B", "a few sentences and their envelope").reaches(&[Plan]),
    key("load.messages.key", "The column by which traffic is keyed.", "channel_id")
        .value("channel_id", "what messages belong to")
        .why("Figures are given for the datasets that are keyed by it.")
        .reaches(&[Plan]),
    key("load.messages.skew", "How unevenly the keys are used.", "zipf(0.8)")
        .value("zipf(0.8)", "some channels are much busier than others")
        .why("The hottest key decides how large a partition becomes, not the average one: more shards do not help it.")
        .reaches(&[Plan]),
    key("load.messages.keys", "Distinct keys.", "2M").value("1k", "a small system").unit("keys").reaches(&[Plan]),
    key("sim.duration", "Simulated time under faults.", "60s").value("10s", "enough to find most faults in a second").reaches(&[Sim]),
    key("sim.settle", "Simulated time after everything has healed, before the promises are checked.", "20s")
        .value("8s", "longer than every lease and retry")
        .reaches(&[Sim]),
    key("sim.clients", "Simulated people.", "3").value("3", "enough to find most faults in a second").unit("people").reaches(&[Sim]),
    key("sim.sends", "Messages that each of them sends.", "20")
        .value("20", "enough to find most faults in a second")
        .unit("messages")
        .reaches(&[Sim]),
    key("sim.faults", "What goes wrong.", "[{ kind: crash, on: messaging, p: 0.1 }]").absent("nothing goes wrong").reaches(&[Sim]),
    key("sim.faults[].kind", "What happens.", "crash").required().reaches(&[Sim]),
    key("sim.faults[].between", "Partition: the two components that no longer reach each other.", "[messaging, chat]").required().reaches(&[Sim]),
    key("sim.faults[].one_way", "Partition: only what the first sends to the second is lost.", "true").value("false", "both directions are cut").reaches(&[Sim]),
    key("sim.faults[].for", "How long it lasts: one duration, or a range.", "100ms..3s")
        .derived("100ms..3s of a partition, 500ms..2s of a crash or power loss, 1s..10s of a lost zone")
        .reaches(&[Sim]),
    key("sim.faults[].p", "How likely it is to begin within a simulated second.", "0.2").value("0.1", "once in ten seconds").reaches(&[Sim]),
    key("sim.faults[].on", "The component that it hits; one instance at a time.", "messaging").required().reaches(&[Sim]),
    key("sim.faults[].by", "Clock skew: the largest offset.", "±5m").required().reaches(&[Sim]),
    key("sim.faults[].zone", "Zone loss: the zone.", "eu-b").required().reaches(&[Sim]),
    key("sim.invariants", "The promises that are checked after each run.", "[acked-not-lost, per-channel-order]")
        .derived("those that the simulator checks")
        .reaches(&[Sim]),
    key("profiles.*", "One profile.", "{ replicas: 3, stop_within: 60s }"),
    key("profiles.*.profile", "Another profile, whose keys apply where this one says nothing.", "patient").absent("none"),
    key("profiles.*.replicas", "As `replicas` of the service or store that takes it.", "3").absent("not said").unit("instances, or copies"),
    key("profiles.*.timeout", "As `timeout` of the service or store that takes it.", "2s").absent("not said"),
    key("profiles.*.retries", "As `retries` of a service.", "0").absent("not said").unit("further tries"),
    key("profiles.*.health", "As `health` of a service.", "/healthz every 5s").absent("not said"),
    key("profiles.*.stop_within", "As `stop_within` of a service.", "30s").absent("not said"),
    key("profiles.*.restart", "As `restart` of a service.", "backoff 200ms..30s").absent("not said"),
    key("profiles.*.version", "As `version` of a store.", "\"15\"").absent("not said"),
    key("profiles.*.embedded", "As `embedded` of a store.", "true").absent("not said"),
    key("profiles.*.endpoint", "As `endpoint` of a store.", "db.example.org:5432").absent("not said"),
    key("profiles.*.managed", "As `managed` of a store.", "true").absent("not said"),
    key("profiles.*.namespace", "As `namespace` of a store.", "chat").absent("not said"),
    key("profiles.*.credentials", "As `credentials` of a store.", "{ user: chat, password: secret:pg }").absent("not said"),
    key("profiles.*.credentials.user", "The user's name, or the id of an access key.", "chat").required(),
    key("profiles.*.credentials.password", "The password or secret key, by reference.", "secret:pg").required(),
    key("profiles.*.tls", "As `tls` of a store.", "system").absent("not said"),
    key("profiles.*.nodes", "As `nodes` of a store.", "6").absent("not said").unit("nodes"),
    key("profiles.*.memory", "As `memory` of a store.", "8GiB").absent("not said"),
    key("profiles.*.disk", "As `disk` of a store.", "2TB").absent("not said"),
    key("profiles.*.replication", "As `replication` of a Cassandra store.", "{ eu: 3 }").absent("not said"),
    key("profiles.*.replication.*", "Copies in one datacenter.", "3").unit("copies"),
    key("profiles.*.consistency", "As `consistency` of a Cassandra store.", "{ write: quorum, read: quorum }").absent("not said"),
    key("profiles.*.consistency.write", "For a write.", "quorum").absent("not said"),
    key("profiles.*.consistency.read", "For a read.", "quorum").absent("not said"),
    key("policies[].id", "The policy's name; overlays change it by this.", "zone-spread").required().reaches(&[Checks]),
    key("policies[].every", "What the rule is asked of, one by one.", "store")
        .absent("the rule is asked once, of the whole system")
        .why("Each of them has its kind as its name in the expression, and a broken rule points at those that break it.")
        .reaches(&[Checks]),
    key("policies[].check", "The rule: a CEL expression that must be true.", "store.replicas >= 2")
        .required()
        .why("What it may name is on the page of facts. Inside `{ … }` an expression with a comma or a bracket stands in quotes.")
        .reaches(&[Checks]),
    key("policies[].level", "What it is to break it: an error, or a warning.", "warn").value("error", "a rule is a rule").reaches(&[Checks]),
    key("policies[].waive", "Leave to break the rule for a while.", "{ until: 2027-01-31, why: the third zone opens in January }")
        .absent("the rule must be kept")
        .why("After the last day the rule counts again, and the waiver is named with what is broken.")
        .reaches(&[Checks]),
    key("policies[].waive.until", "The last day.", "2027-01-31").required().reaches(&[Checks]),
    key("policies[].waive.why", "The reason, for whoever reads the spec.", "the third zone opens in January").required().reaches(&[Checks]),
    key("tests[].id", "The test's name; overlays change it by this.", "zone-outage").required().reaches(&[Checks, Sim]),
    key("tests[].every", "Assertion: what it is asked of, one by one.", "capacity")
        .absent("it is asked once, of the whole system")
        .reaches(&[Checks]),
    key("tests[].load", "Assertion: times the declared load under which it is asked.", "3x").absent("the declared load").reaches(&[Checks]),
    key("tests[].check", "Assertion: a CEL expression that must be true.", "capacity.used <= 0.9")
        .absent("the test is a scenario")
        .why("What it may name is on the page of facts. `archgen check` asks it.")
        .reaches(&[Checks]),
    key("tests[].lose", "Scenario: what loses power, and for how long: a zone, or one instance of a component.", "zone eu-b for 60s")
        .absent("the test is an assertion")
        .reaches(&[Sim]),
    key("tests[].expect", "Scenario: what must hold of what people see, while it is lost and afterwards.", "[acked-not-lost, sends refused for at most 10s]")
        .absent("the test is an assertion")
        .why("An invariant by its name, or how long a send may stay without an acknowledgement.")
        .reaches(&[Sim]),
];
