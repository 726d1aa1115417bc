//! `stores`.

use super::entry::Part::{Cassandra, Checks, Compose, Consul, Diagrams, Plan, Postgres, Sim, Up};
use super::entry::{Entry, key};

pub(super) static ENTRIES: &[Entry] = &[
    key("stores.*", "One store.", "{ kind: redis, version: \"7.2\", nodes: 6 }").reaches(&[Compose, Diagrams, Plan, Up, Sim]),
    key("stores.*.kind", "The engine; it decides which keys the store and its datasets have.", "postgres")
        .required()
        .reaches(&[Checks, Compose, Diagrams, Plan, Up]),
    key("stores.*.profile", "A profile whose keys apply where the store says nothing itself.", "durable").absent("none"),
    key("stores.*.version", "The engine's version, in quotes.", "\"15\"")
        .absent("not pinned, and a warning unless the store is embedded")
        .reaches(&[Checks, Compose]),
    key("stores.*.embedded", "Whether archgen's own store stands in for the engine.", "true")
        .value("false", "the real engine")
        .why("An embedded store needs no server and can be simulated; it keeps one copy. Past one machine the answer is the real engine.")
        .reaches(&[Checks, Compose, Up]),
    key("stores.*.endpoint", "The address of a real engine that is already there, or a list of its nodes'.", "[10.0.0.1:9042, 10.0.0.2:9042]")
        .absent("archgen's deployment runs it")
        .why("It says where, and nothing else: so no address can carry a secret.")
        .reaches(&[Checks, Up]),
    key("stores.*.managed", "Whether the real engine belongs to the fleet on this machine: `archgen up` starts one server with the generated files.", "true")
        .absent("somebody else runs it")
        .why("PostgreSQL and Redis, from the program on the PATH. It listens on loopback alone, keeps its data below the state folder, and is stopped after all that need it. It needs `credentials`: they are made with it.")
        .reaches(&[Checks, Up]),
    key("stores.*.namespace", "The database, keyspace or prefix of names in a real engine.", "chat")
        .derived("the system's name")
        .reaches(&[Up]),
    key("stores.*.credentials", "Who connects to a real engine.", "{ user: chat, password: secret:pg }")
        .absent("the server asks nobody")
        .reaches(&[Up]),
    key("stores.*.credentials.user", "The user's name, or the id of an access key.", "chat").required().reaches(&[Up]),
    key("stores.*.credentials.password", "The password or secret key, by reference.", "secret:pg").required().reaches(&[Checks, Up]),
    key("stores.*.tls", "Encrypts connections to a real engine: `system` trusts the web's authorities, `secret:NAME` the certificate (PEM) in that secret.", "secret:ca")
        .absent("not encrypted")
        .reaches(&[Checks, Up]),
    key("stores.*.timeout", "After how long an answer of it is given up.", "500ms")
        .absent("not said: 2500 ms for an embedded store, and the driver's own patience for a real engine")
        .why("Who waits is the caller, each try anew; a real engine's own longer patience is cut to it. PostgreSQL is told, too, so that it ends the statement. Whether a write that was given up took place is not known.")
        .reaches(&[Checks, Up, Sim]),
    key("stores.*.port", "The port of each node.", "5432").derived("the engine's own default").reaches(&[Checks, Consul, Compose, Up]),
    key("stores.*.nodes", "Machines that hold data.", "6")
        .derived("one; the brokers of Kafka; shards × replicas of MongoDB")
        .unit("nodes")
        .reaches(&[Checks, Consul, Compose, Diagrams, Plan, Up]),
    key("stores.*.weights", "How much of the data each node takes relative to the others, by the node's name.", "{ chat-1: 2, chat-4: 0 }")
        .absent("every node takes the same")
        .why("For machines of unequal size. A node of weight 0 is emptied: that is how one is drained before it goes.")
        .reaches(&[Checks, Plan, Up]),
    key("stores.*.weights.*", "The weight of one node.", "2").reaches(&[Checks, Plan, Up]),
    key("stores.*.memory", "Memory of each node.", "8GiB").absent("the engine decides").reaches(&[Compose, Up]),
    key("stores.*.disk", "Disk of each node.", "2TB").absent("not known, so that no share of it can be judged").reaches(&[Plan]),
    key("stores.*.slots", "Redis: hash slots.", "16384").value("16384", "what Redis Cluster has").unit("slots").reaches(&[Checks, Plan]),
    key("stores.*.replicas", "Redis, PostgreSQL: copies beside the first. MongoDB: members of each replica set.", "2")
        .derived("0; 1 of MongoDB")
        .unit("copies")
        .why("Copies live in different zones while there are zones enough.")
        .reaches(&[Checks, Plan]),
    key("stores.*.shards", "MongoDB: shards.", "3").derived("1").unit("shards").reaches(&[Plan]),
    key("stores.*.brokers", "Kafka: brokers.", "6").derived("1").unit("brokers").reaches(&[Checks, Compose, Diagrams, Plan]),
    key("stores.*.replication", "Cassandra: copies per datacenter.", "{ eu: 3 }")
        .derived("one copy")
        .reaches(&[Checks, Cassandra, Plan]),
    key("stores.*.replication.*", "Copies in one datacenter.", "3").unit("copies").reaches(&[Checks, Cassandra, Plan]),
    key("stores.*.consistency", "Cassandra: how many copies must answer.", "{ write: quorum, read: quorum }")
        .absent("`quorum` for both")
        .why("Where writes and reads together reach more copies than there are, a read sees every acknowledged write."),
    key("stores.*.consistency.write", "For a write.", "quorum").value("quorum", "reads see every acknowledged write"),
    key("stores.*.consistency.read", "For a read.", "quorum").value("quorum", "reads see every acknowledged write"),
    key("stores.*.standby", "PostgreSQL: whether a commit waits for a standby.", "sync")
        .value("async", "the default of PostgreSQL")
        .why("Without it, what was committed in the last moments before the primary is lost is lost with it."),
    key("stores.*.tables", "PostgreSQL, Cassandra: tables by name.", "{ accounts: { key: id uuid } }").absent("none").reaches(&[Postgres, Cassandra, Up]),
    key("stores.*.collections", "MongoDB: collections by name.", "{ files: { key: hashed(_id) } }").absent("none").reaches(&[Up]),
    key("stores.*.topics", "Kafka: topics by name.", "{ message: { partitions: 96 } }").absent("none").reaches(&[Plan, Up]),
    key("stores.*.indexes", "Elasticsearch: indexes by name.", "{ messages: { shard_size: 30GB } }").absent("none").reaches(&[Plan, Up]),
    key("stores.*.buckets", "S3: buckets by name.", "{ files: { versioned: true } }").absent("none").reaches(&[Up]),
    key("stores.*.tables.*", "One table.", "{ key: id uuid, columns: { email: text unique } }").reaches(&[Postgres, Cassandra, Up]),
    key("stores.*.tables.*.key", "PostgreSQL: the primary key, each column with its type.", "[channel_id bigint, user_id uuid]")
        .required()
        .reaches(&[Checks, Postgres]),
    key("stores.*.tables.*.columns", "The columns that are in no key, each with its type.", "{ email: text unique }")
        .absent("none")
        .reaches(&[Checks, Postgres, Cassandra]),
    key("stores.*.tables.*.columns.*", "One column's type; `unique` after it where no two rows share a value.", "text unique")
        .reaches(&[Postgres, Cassandra]),
    key("stores.*.tables.*.shard", "PostgreSQL: hash partitioning.", "{ by: hash(id), into: 256 }")
        .absent("one partition")
        .why("The column must be in the primary key, or the engine could not keep the key unique.")
        .reaches(&[Checks, Postgres]),
    key("stores.*.tables.*.shard.by", "The hashed column.", "hash(id)").required().reaches(&[Checks, Postgres]),
    key("stores.*.tables.*.shard.into", "Partitions.", "256").required().unit("partitions").reaches(&[Postgres]),
    key("stores.*.tables.*.tenant", "PostgreSQL: the column that says whose a row is; nobody sees or writes rows of others.", "org_id")
        .absent("every service that needs the table sees every row")
        .why("A policy of row-level security: a transaction says whose it works for, `SET LOCAL archgen.tenant = '…'`, and one that does not say it sees nothing (what `SET` says would stay with a pooled connection). A row of nobody cannot be written. A superuser is not bound.")
        .reaches(&[Checks, Postgres]),
    key("stores.*.tables.*.indexes", "PostgreSQL: secondary indexes by name.", "{ by_user: [user_id, channel_id] }")
        .absent("none")
        .reaches(&[Checks, Postgres]),
    key("stores.*.tables.*.indexes.*", "The index's columns in order.", "[user_id, channel_id]").reaches(&[Checks, Postgres]),
    key("stores.*.tables.*.partition", "Cassandra: the partition key, each column with its type.", "[channel_id bigint, bucket int]")
        .required()
        .why("All rows of one partition lie together on the same nodes: it is what one query reads, and what must not grow without end.")
        .reaches(&[Checks, Cassandra, Plan]),
    key("stores.*.tables.*.cluster", "Cassandra: the order of rows inside a partition.", "[message_id bigint desc]").absent("one row per partition").reaches(&[Checks, Cassandra]),
    key("stores.*.tables.*.bucket", "Cassandra: the width of the time bucket in the partition key.", "auto(100MB)")
        .absent("no buckets: a partition holds all of its key's rows")
        .why("`auto(100MB)` takes the widest bucket at which the hottest key's partition stays below that size under the declared load; a width that suits the average key is far too wide for the hottest.")
        .reaches(&[Checks, Cassandra, Plan, Up]),
    key("stores.*.tables.*.ttl", "Cassandra: how long a row lives.", "90d").absent("rows live for ever").reaches(&[Cassandra, Plan]),
    key("stores.*.collections.*", "One collection.", "{ key: [user_id, _id] }").reaches(&[Up]),
    key("stores.*.collections.*.key", "The shard key: `hashed(FIELD)`, a field, or fields in order.", "hashed(_id)").required().reaches(&[Checks]),
    key("stores.*.collections.*.indexes", "Secondary indexes by name.", "{ by_channel: [channel_id, _id] }").absent("none").reaches(&[]),
    key("stores.*.collections.*.indexes.*", "The index's fields in order.", "[channel_id, _id]").reaches(&[]),
    key("stores.*.topics.*", "One topic.", "{ partitions: 96, key: channel_id, retain: 7d }").reaches(&[Plan, Up]),
    key("stores.*.topics.*.partitions", "Partitions: so many consumers can share the work.", "96")
        .value("12", "room for 12 consumers")
        .unit("partitions")
        .why("Adding partitions later moves keys, and with them their order.")
        .reaches(&[Up]),
    key("stores.*.topics.*.replicas", "Copies, the first included.", "3")
        .derived("three, or as many as there are brokers")
        .unit("copies")
        .reaches(&[Checks, Plan]),
    key("stores.*.topics.*.min_insync", "Copies that must have a record before it is acknowledged.", "2")
        .derived("2 of three or more copies, else 1")
        .unit("copies")
        .why("Equal to `replicas`, one lost broker stops all writes; 1, one lost broker loses what it acknowledged.")
        .reaches(&[Checks]),
    key("stores.*.topics.*.key", "The field that decides the partition: records of one key keep their order.", "channel_id")
        .absent("records go to any partition")
        .reaches(&[Plan, Up]),
    key("stores.*.topics.*.retain", "How long records are kept.", "7d").absent("for ever").reaches(&[Plan, Up]),
    key("stores.*.indexes.*", "One index.", "{ shard_size: 30GB, replicas: 1 }").reaches(&[Plan, Up]),
    key("stores.*.indexes.*.shard_size", "The size at which a shard is full.", "30GB").value("30GB", "Elastic advises 10GB to 50GB").reaches(&[]),
    key("stores.*.indexes.*.replicas", "Copies beside the first.", "1").value("0", "no copies are asked for").unit("copies").reaches(&[Checks, Plan]),
    key("stores.*.indexes.*.route", "The field that decides the shard, so that a search for one value asks one shard.", "channel_id")
        .absent("documents go to any shard")
        .reaches(&[Plan]),
    key("stores.*.buckets.*", "One bucket.", "{ versioned: true, expire: 365d }").reaches(&[Up]),
    key("stores.*.buckets.*.versioned", "Whether an overwritten object is kept.", "true").value("false", "the default of S3").reaches(&[]),
    key("stores.*.buckets.*.expire", "How long objects are kept.", "365d").absent("for ever").reaches(&[]),
];
