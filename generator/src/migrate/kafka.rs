//! Kafka: settings change at once; the partitions of a topic with a key never do, for a key would go to another one.

use archgen_spec::topology::{DatasetShape, Store};

use super::Migration;

pub(super) fn migrate(old: &Store, new: &Store, lose: bool, migration: &mut Migration) {
    for dataset in &new.datasets {
        let DatasetShape::Topic { partitions, replicas, min_insync, key, retain } = &dataset.shape else { continue };
        let path = |what: &str| format!("stores.{}.topics.{}.{what}", new.name, dataset.name);
        let topic = format!("{}.{}", new.namespace, dataset.name);
        let milliseconds = retain.map_or("-1".to_owned(), |time| time.as_millis().to_string());
        let before = old.datasets.iter().find(|d| d.name == dataset.name).map(|d| &d.shape);
        let Some(DatasetShape::Topic { partitions: p, replicas: r, min_insync: m, retain: t, .. }) = before else {
            let statement = format!(
                "kafka-topics.sh --create --if-not-exists --topic {topic} --partitions {partitions} --replication-factor {replicas} \
                 --config min.insync.replicas={min_insync} --config retention.ms={milliseconds}"
            );
            migration.step(&new.name, statement, "nobody writes to a new topic yet");
            continue;
        };
        if p != partitions && (key.is_some() || partitions < p) {
            migration.refuse(
                path("partitions"),
                "a key would go to another partition, behind what was written before: use a new topic",
                false,
            );
        } else if p != partitions {
            let statement = format!("kafka-topics.sh --alter --topic {topic} --partitions {partitions}");
            migration.step(&new.name, statement, "the topic has no key: its order is nobody's promise");
        }
        if r != replicas {
            migration.refuse(
                path("replicas"),
                "copies are moved by kafka-reassign-partitions.sh with a throttle",
                false,
            );
        }
        if t.is_some_and(|was| retain.is_some_and(|is| is < was)) && !lose {
            migration.refuse(path("retain"), "events that are older than the new time would be lost", true);
        } else if t != retain || m != min_insync {
            let statement = format!(
                "kafka-configs.sh --alter --entity-type topics --entity-name {topic} --add-config \
                 retention.ms={milliseconds},min.insync.replicas={min_insync}"
            );
            migration.step(&new.name, statement, "a change of settings");
        }
    }
    for dataset in old.datasets.iter().filter(|d| !new.datasets.iter().any(|n| n.name == d.name)) {
        if lose {
            let statement = format!("kafka-topics.sh --delete --topic {}.{}", new.namespace, dataset.name);
            migration.step(&new.name, statement, "asked for");
        } else {
            migration.refuse(format!("stores.{}.topics.{}", new.name, dataset.name), "its events would be lost", true);
        }
    }
}
