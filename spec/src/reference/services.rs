//! `services`.

use super::entry::Part::{Checks, Compose, Consul, Diagrams, Nginx, Sim, Up};
use super::entry::{Entry, key};

pub(super) static ENTRIES: &[Entry] = &[
    key("services.*", "One service.", "{ port: 9300, needs: [users.accounts] }").reaches(&[Nginx, Consul, Compose, Diagrams, Up, Sim]),
    key("services.*.kind", "The program: one of archgen's own, or `process` for yours.", "process")
        .derived("the service's name, where that is a kind")
        .reaches(&[Compose, Up]),
    key("services.*.profile", "A profile whose keys apply where the service says nothing itself.", "steady").absent("none"),
    key("services.*.port", "The port of each instance.", "9300").required().reaches(&[Checks, Nginx, Consul, Compose, Up]),
    key("services.*.replicas", "Instances.", "3")
        .value("1", "one instance")
        .unit("instances")
        .why("`defaults.service.replicas` applies first.")
        .reaches(&[Nginx, Consul, Compose, Diagrams, Up, Sim]),
    key("services.*.needs", "What it calls or reads: services, stores, or one dataset as `store.dataset`.", "[users.accounts, cache]")
        .absent("nothing")
        .why("Start order, Consul intentions, Compose dependencies and diagrams follow from it, so that none of them is written by hand.")
        .reaches(&[Checks, Consul, Compose, Diagrams, Up]),
    key("services.*.publishes", "Topics that it writes, as `store.topic`.", "[events.message]")
        .absent("none")
        .reaches(&[Checks, Consul, Compose, Diagrams, Up]),
    key("services.*.consumes", "Topics that it reads, as `store.topic`.", "[events.message]")
        .absent("none")
        .reaches(&[Checks, Consul, Compose, Diagrams, Up]),
    key("services.*.queries", "What it asks of tables and collections, by a name of each kind of question.", "{ channels: { on: users.members, by: [user_id], rate: 500/s } }")
        .absent("not said; indexes are not judged where no service says any")
        .why("Indexes and questions are held against each other: an index that no question uses costs at every write, a question that no index serves reads everything.")
        .reaches(&[Checks]),
    key("services.*.queries.*", "One kind of question.", "{ on: users.members, by: [user_id], rate: 500/s }").reaches(&[Checks]),
    key("services.*.queries.*.on", "The table, collection, index or bucket, as `store.table`.", "users.members").required().reaches(&[Checks]),
    key("services.*.queries.*.by", "The columns whose values are given.", "[user_id]").required().reaches(&[Checks]),
    key("services.*.queries.*.rate", "How often it is asked at peak.", "500/s").absent("not said").reaches(&[Checks]),
    key("services.*.timeout", "Within how long it answers.", "2s")
        .absent("not said: calls to it are given up after 5 s, and it works as long as it takes")
        .why("Who calls it gives up after so long, each try anew. What it has not answered by then it refuses for now (status 503 or 504), and gives up with all that it has asked others for: nothing that it calls is waited for any longer. The gateway must wait longer, and what it calls must be given up sooner. A program of your own keeps to it by itself.")
        .reaches(&[Checks, Up, Sim]),
    key("services.*.retries", "How often it tries a call again.", "1")
        .absent("each other instance is asked once, and a real engine's read two times more within the time of one call")
        .unit("further tries")
        .why("Only calls that may be repeated are tried again: reads, and what has the same effect twice. A call for which no connection could be made is no try: another instance is asked. Tries multiply along a path: three layers that try three times make 27 requests of one. A program of your own keeps to it by itself.")
        .reaches(&[Checks, Up, Sim]),
    key("services.*.health", "How it is asked whether it is well: the path, and how often.", "/healthz every 5s")
        .value("/healthz every 5s", "what archgen's services answer")
        .why("`defaults.service.health` applies first.")
        .reaches(&[Consul, Compose, Up]),
    key("services.*.stop_within", "How long it may take to stop before it is killed.", "30s")
        .value("30s", "time to drain")
        .why("`defaults.service.stop_within` applies first.")
        .reaches(&[Compose, Up]),
    key("services.*.restart", "How long to wait before it is started again after it died: from the first time to every later one.", "backoff 200ms..30s")
        .value("backoff 200ms..30s", "quick at first, then patient")
        .why("`defaults.service.restart` applies first.")
        .reaches(&[Up]),
    key("services.*.shards", "Messaging: parts into which channels fall; each has one owner at a time.", "64")
        .value("64", "room for 64 owners")
        .unit("shards")
        .why("At most so many instances share the work; the number cannot change while data stand.")
        .reaches(&[Up, Sim]),
    key("services.*.lease", "Messaging: how long an instance owns a shard without renewing that.", "2s")
        .value("2s", "how long a dead owner blocks its shards")
        .why("Shorter heals faster after a crash and suffers more from a slow network.")
        .reaches(&[Up, Sim]),
    key("services.*.password_memory", "User: memory that one password hash takes (Argon2id).", "19MiB")
        .value("19MiB", "the least that OWASP advises for Argon2id")
        .why("It makes guessing expensive. Simulations lower it, because they hash often.")
        .reaches(&[Up, Sim]),
    key("services.*.push", "Notification: push transports.", "[fcm, webpush]").absent("none").reaches(&[]),
    key("services.*.email", "Notification: email transport.", "smtp").absent("none").reaches(&[]),
    key("services.*.command", "Process: the program and its arguments; `${port}` is the instance's port.", "[./billing, --port, \"${port}\"]")
        .required()
        .reaches(&[Compose, Up]),
    key("services.*.env", "Process: extra environment variables.", "{ PGPASSWORD: secret:pg }")
        .absent("none")
        .reaches(&[Compose, Up]),
    key("services.*.env.*", "One variable: text, or a reference to a secret.", "secret:pg").reaches(&[Compose, Up]),
];
