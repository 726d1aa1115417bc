//! The events port, and the backend around it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use archgen_env::Env;
use archgen_ports::{
    Envelope, StoreError,
    events::{BATCH_RECORDS_MAX, Events, Record, partition_of},
};
use async_trait::async_trait;
use futures_util::future::join_all;
use rdkafka::{
    Offset, TopicPartitionList,
    admin::AdminClient,
    consumer::{BaseConsumer, CommitMode, Consumer},
    error::KafkaError,
    metadata::Metadata,
    producer::{FutureProducer, FutureRecord, Producer},
};

use super::{
    client::{ASK_MS_MAX, DELIVERY_MS_MAX, Told, config, failure, fault, producer, reader, unsupported},
    taps::Reader,
    topics::{self, Topic},
};
use crate::{Backend, Failure, Fault, FaultKind, Guard, Metrics, PortSet, Server, Target};

/// Groups whose offsets are kept by one host.
const GROUPS_MAX: usize = 64;

/// Events on one cluster. Cloning shares the connections.
#[derive(Clone)]
struct Kafka(Arc<Inner>);

struct Inner {
    env: Env,
    target: Target,
    /// The declared topics by their names in the spec, or why there are none.
    topics: Result<BTreeMap<String, Topic>, FaultKind>,
    asking: Guard,
    publishing: Guard,
    producer: OnceLock<FutureProducer<Told>>,
    /// What the producer says about its connections.
    told: Told,
    reader: OnceLock<Reader>,
    groups: Mutex<BTreeMap<String, Arc<BaseConsumer<Told>>>>,
}

/// A backend for this target.
pub(crate) fn open(env: &Env, target: Target, metrics: Metrics) -> Arc<dyn Backend> {
    let entropy = || env.entropy("kafka");
    let topics = unsupported(&target).map_or_else(|| topics::declared(&target), Err);
    Arc::new(Kafka(Arc::new(Inner {
        topics: topics.map(|all| all.into_iter().map(|topic| (topic.dataset.clone(), topic)).collect()),
        asking: Guard::new(&target.store, ASK_MS_MAX + 500, entropy(), metrics.clone()).on(&target),
        publishing: Guard::new(&target.store, DELIVERY_MS_MAX + 1_000, entropy(), metrics).on(&target),
        env: env.clone(),
        target,
        producer: OnceLock::new(),
        told: Told::default(),
        reader: OnceLock::new(),
        groups: Mutex::default(),
    })))
}

fn whole(offset: u64) -> Offset {
    Offset::Offset(i64::try_from(offset).unwrap_or(i64::MAX))
}

impl Inner {
    fn topic(&self, name: &str) -> Result<&Topic, StoreError> {
        let topics = self.topics.as_ref().map_err(|kind| StoreError::Refused(kind.to_string()))?;
        topics.get(name).ok_or_else(|| StoreError::Refused(format!("there is no topic `{name}`")))
    }

    fn producer(&self) -> Result<&FutureProducer<Told>, KafkaError> {
        match self.producer.get() {
            Some(made) => Ok(made),
            None => {
                let made = producer(&self.target).create_with_context(self.told.clone())?;
                Ok(self.producer.get_or_init(|| made))
            }
        }
    }

    fn reader(&self) -> Result<&Reader, StoreError> {
        match self.reader.get() {
            Some(made) => Ok(made),
            None => {
                let made = Reader::new(&self.target).map_err(|error| StoreError::Refused(error.to_string()))?;
                Ok(self.reader.get_or_init(|| made))
            }
        }
    }

    /// The connection under whose name a group's offsets are kept.
    fn group(&self, group: &str) -> Result<Arc<BaseConsumer<Told>>, StoreError> {
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = groups.get(group) {
            return Ok(made.clone());
        }
        if groups.len() >= GROUPS_MAX {
            return Err(StoreError::Refused(format!("more than {GROUPS_MAX} groups on one host")));
        }
        let name = format!("{}.{group}", self.target.namespace);
        let made: Result<BaseConsumer<Told>, KafkaError> =
            reader(&self.target, &name).create_with_context(Told::default());
        let made = Arc::new(made.map_err(|error| StoreError::Refused(error.to_string()))?);
        groups.insert(group.to_owned(), made.clone());
        Ok(made)
    }

    /// What the cluster says about itself.
    async fn metadata(&self) -> Result<Metadata, Fault> {
        let target = &self.target;
        let producer = self.producer().map_err(|error| FaultKind::Other(error.to_string()).at(target))?.clone();
        // The question blocks.
        let asked = move || producer.client().fetch_metadata(None, Duration::from_millis(ASK_MS_MAX));
        let answer = self.env.compute(asked).await;
        if answer.is_ok() {
            self.told.clear();
        }
        answer.map_err(|error| fault(target, &error, &self.told).at(target))
    }

    fn declared(&self) -> Result<Vec<Topic>, Fault> {
        let topics = self.topics.as_ref().map_err(|kind| kind.clone().at(&self.target))?;
        Ok(topics.values().cloned().collect())
    }

    /// Hands the records to the producer in order, and waits for all acknowledgements.
    async fn send(&self, topic: &Topic, events: &[Envelope]) -> Result<(), Failure> {
        let producer = self.producer().map_err(|error| Failure::Refused(error.to_string()))?;
        let mut waiting = Vec::with_capacity(events.len());
        for event in events {
            let payload = serde_json::to_string(event).map_err(|error| Failure::Refused(error.to_string()))?;
            let partition = i32::from(partition_of(&event.key, topic.partitions));
            let record = FutureRecord::to(&topic.name).partition(partition).key(&event.key).payload(&payload);
            match producer.send_result(record).map_err(|(error, _)| failure(&error)) {
                Ok(sent) => waiting.push(sent),
                Err(failure) if waiting.is_empty() => return Err(failure),
                Err(Failure::Unreachable(why) | Failure::Refused(why) | Failure::Lost(why)) => {
                    // The first of them are on their way.
                    join_all(waiting).await;
                    return Err(Failure::Lost(why));
                }
            }
        }
        let sent = waiting.len();
        let mut failures = Vec::new();
        for outcome in join_all(waiting).await {
            match outcome {
                Ok(Ok(_)) => {}
                Ok(Err((error, _))) => failures.push(failure(&error)),
                Err(_) => failures.push(Failure::Lost("the producer is gone".to_owned())),
            }
        }
        let all = failures.len() == sent;
        match failures.into_iter().next() {
            None => Ok(()),
            Some(first) if all => Err(first),
            Some(Failure::Refused(why) | Failure::Unreachable(why) | Failure::Lost(why)) => Err(Failure::Lost(why)),
        }
    }
}

#[async_trait]
impl Backend for Kafka {
    fn target(&self) -> &Target {
        &self.0.target
    }

    fn ports(&self) -> PortSet {
        PortSet { events: Some(Arc::new(self.clone())), ..PortSet::default() }
    }

    async fn check(&self) -> Result<Server, Fault> {
        let topics = self.0.declared()?;
        topics::compare(&self.0.target, &self.0.metadata().await?, &topics)
    }

    async fn prepare(&self) -> Result<Server, Fault> {
        let topics = self.0.declared()?;
        let target = &self.0.target;
        // Who answers is asked first: making a topic would only time out.
        self.0.metadata().await?;
        let admin: Result<AdminClient<Told>, KafkaError> = config(target).create_with_context(Told::default());
        let admin = admin.map_err(|error| FaultKind::Other(error.to_string()).at(target))?;
        topics::create(target, &admin, &topics).await?;
        let server = self.settled(&topics).await?;
        topics::settings(target, &admin, &topics).await?;
        Ok(server)
    }
}

impl Kafka {
    /// A new topic shows its partitions a little after it was made.
    async fn settled(&self, topics: &[Topic]) -> Result<Server, Fault> {
        let until = tokio::time::Instant::now() + Duration::from_millis(ASK_MS_MAX);
        loop {
            match topics::compare(&self.0.target, &self.0.metadata().await?, topics) {
                Err(Fault { kind: FaultKind::Namespace(_), .. }) if tokio::time::Instant::now() < until => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                settled => return settled,
            }
        }
    }
}

#[async_trait]
impl Events for Kafka {
    async fn partitions(&self, topic: &str) -> Result<u16, StoreError> {
        Ok(self.0.topic(topic)?.partitions)
    }

    async fn publish(&self, topic: &str, events: Vec<Envelope>) -> Result<(), StoreError> {
        if events.len() > BATCH_RECORDS_MAX {
            return Err(StoreError::Refused(format!("more than {BATCH_RECORDS_MAX} events")));
        }
        let topic = self.0.topic(topic)?;
        self.0.publishing.write(self.0.send(topic, &events)).await
    }

    async fn fetch(
        &self,
        topic: &str,
        partition: u16,
        offset: u64,
        records_max: usize,
        wait_ms: u64,
    ) -> Result<Vec<Record>, StoreError> {
        let topic = self.0.topic(topic)?;
        if partition >= topic.partitions {
            return Err(StoreError::Refused(format!("there is no partition {partition}")));
        }
        let records_max = records_max.clamp(1, BATCH_RECORDS_MAX);
        self.0.reader()?.fetch(&topic.name, partition, offset, records_max, wait_ms).await
    }

    async fn committed(&self, group: &str, topic: &str, partition: u16) -> Result<u64, StoreError> {
        let (consumer, topic) = (self.0.group(group)?, self.0.topic(topic)?.name.clone());
        let ask = || {
            let (consumer, topic) = (consumer.clone(), topic.clone());
            self.0.env.compute(move || -> Result<u64, Failure> {
                let mut list = TopicPartitionList::new();
                list.add_partition(&topic, i32::from(partition));
                let found = consumer.committed_offsets(list, Duration::from_millis(ASK_MS_MAX));
                let found = found.map_err(|error| failure(&error))?;
                let element = found.find_partition(&topic, i32::from(partition));
                Ok(match element.map(|element| element.offset()) {
                    Some(Offset::Offset(offset)) => offset.max(0) as u64,
                    _ => 0,
                })
            })
        };
        self.0.asking.read(ask).await
    }

    async fn commit(&self, group: &str, topic: &str, partition: u16, offset: u64) -> Result<(), StoreError> {
        let (consumer, topic) = (self.0.group(group)?, self.0.topic(topic)?.name.clone());
        let commit = self.0.env.compute(move || -> Result<(), Failure> {
            let mut list = TopicPartitionList::new();
            let added = list.add_partition_offset(&topic, i32::from(partition), whole(offset));
            added.map_err(|error| Failure::Refused(error.to_string()))?;
            consumer.commit(&list, CommitMode::Sync).map_err(|error| failure(&error))
        });
        self.0.asking.write(commit).await
    }
}
