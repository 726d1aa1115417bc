//! Reading partitions from any offset: one connection for all of them, a queue for each.

use std::{
    cmp::Ordering,
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use archgen_ports::{Envelope, StoreError, events::Record};
use rdkafka::{
    ClientContext, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer, base_consumer::PartitionQueue},
    error::KafkaError,
};
use tokio::{
    sync::{Mutex as Turn, Notify},
    time::{Instant, timeout_at},
};

use super::client::{ASK_MS_MAX, Told, reader};
use crate::Target;

/// Records of one answer, bytes.
const ANSWER_BYTES_MAX: usize = 4 << 20;

/// What a record is to who waits for the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// It was read before.
    Old,
    /// It is the one.
    Next,
    /// There may be others before it.
    Gap,
}

/// The place of a record at this offset, where `next` is waited for. A gap is `believed` once the broker has been asked for `next`
/// itself and begins behind it: offsets are missing where records are over their time.
fn place(next: u64, believed: bool, offset: u64) -> Place {
    match offset.cmp(&next) {
        Ordering::Less => Place::Old,
        Ordering::Equal => Place::Next,
        Ordering::Greater if believed => Place::Next,
        Ordering::Greater => Place::Gap,
    }
}

/// Why a tap gives nothing more.
enum Halt {
    /// The record that comes next is not the one that was waited for: this is its offset.
    Gap(u64),
    /// It cannot be read.
    Failed(StoreError),
}

/// One partition.
struct Tap {
    queue: PartitionQueue<Told>,
    arrived: Arc<Notify>,
    /// Offset of the next record of the queue.
    next: u64,
    /// Whether records before the first one that comes are missing for good.
    believed: bool,
    /// Whether the end of the partition was seen after everything that was read.
    at_end: bool,
    /// What stands behind everything that was read.
    halt: Option<Halt>,
}

type Taps = BTreeMap<(String, u16), Arc<Turn<Option<Tap>>>>;

/// The partitions that are read.
pub(super) struct Reader {
    consumer: Arc<BaseConsumer<Told>>,
    told: Told,
    taps: Mutex<Taps>,
}

fn refused(what: &str, error: &KafkaError) -> StoreError {
    StoreError::Refused(format!("{what}: {error}"))
}

impl Reader {
    /// A reader that connects when it is asked.
    ///
    /// # Errors
    /// The driver refuses its configuration.
    pub(super) fn new(target: &Target) -> Result<Self, KafkaError> {
        let told = Told::default();
        let group = format!("{}.reader", target.namespace);
        let consumer = Arc::new(reader(target, &group).create_with_context(told.clone())?);
        Ok(Self { consumer, told, taps: Mutex::default() })
    }

    /// The records of a partition from this offset on. The end is waited for at least once, so that what is there is found.
    ///
    /// # Errors
    /// No broker answers.
    pub(super) async fn fetch(
        &self,
        topic: &str,
        partition: u16,
        offset: u64,
        records_max: usize,
        wait_ms: u64,
    ) -> Result<Vec<Record>, StoreError> {
        let asked = Instant::now();
        let turn = {
            let mut taps = self.taps.lock().unwrap_or_else(PoisonError::into_inner);
            taps.entry((topic.to_owned(), partition)).or_default().clone()
        };
        let mut turn = turn.lock().await;
        let mut tap = self.tapped(&mut turn, topic, partition, offset)?;
        let until = asked + Duration::from_millis(wait_ms);
        let answer_until = asked + Duration::from_millis(ASK_MS_MAX);
        loop {
            self.serve();
            let records = tap.take(records_max);
            if !records.is_empty() {
                self.told.clear();
                return Ok(records);
            }
            match tap.halt.take() {
                None => {}
                Some(Halt::Gap(found)) => {
                    tracing::warn!(
                        topic,
                        partition,
                        offset,
                        found,
                        "records are missing: they are asked for once more"
                    );
                    *turn = None;
                    self.close(topic, partition);
                    tap = turn.insert(self.open(topic, partition, offset)?);
                    tap.believed = true;
                    continue;
                }
                Some(Halt::Failed(error)) => {
                    // Whoever asks again is told again.
                    *turn = None;
                    self.close(topic, partition);
                    return Err(error);
                }
            }
            let deadline = if tap.at_end { until } else { until.max(answer_until) };
            if Instant::now() >= deadline {
                if !tap.at_end {
                    // Where it stands is not known: it begins anew.
                    *turn = None;
                    self.close(topic, partition);
                    return self.nothing(false);
                }
                return self.nothing(true);
            }
            // A connection that breaks does not wake the queue.
            let step = deadline.min(Instant::now() + Duration::from_millis(500));
            let waited = timeout_at(step, tap.arrived.notified()).await;
            if waited.is_err() && Instant::now() >= answer_until {
                self.nothing(true)?;
            }
        }
    }

    /// The tap of a partition, which stands at this offset then.
    fn tapped<'a>(
        &self,
        turn: &'a mut Option<Tap>,
        topic: &str,
        partition: u16,
        offset: u64,
    ) -> Result<&'a mut Tap, StoreError> {
        Ok(match turn.take() {
            Some(tap) if tap.next == offset => turn.insert(tap),
            Some(mut tap) => {
                let seek = self.consumer.seek(topic, i32::from(partition), at(offset), Duration::ZERO);
                if let Err(error) = seek {
                    self.close(topic, partition);
                    return Err(refused("cannot seek", &error));
                }
                (tap.next, tap.believed, tap.at_end, tap.halt) = (offset, false, false, None);
                turn.insert(tap)
            }
            None => turn.insert(self.open(topic, partition, offset)?),
        })
    }

    /// Serves what is told about connections.
    fn serve(&self) {
        while let Some(event) = self.consumer.poll(Duration::ZERO) {
            match event {
                Err(error) => self.told.error(error.clone(), &error.to_string()),
                // Its partition's queue has a gap there.
                Ok(stray) => tracing::warn!(
                    topic = stray.topic(),
                    partition = stray.partition(),
                    offset = stray.offset(),
                    "a record came beside the queue of its partition"
                ),
            }
        }
    }

    /// An empty answer, unless no broker was there to give it.
    fn nothing(&self, at_end: bool) -> Result<Vec<Record>, StoreError> {
        match self.told.trouble(Duration::from_millis(ASK_MS_MAX)) {
            Some(why) => Err(StoreError::Refused(format!("no broker answers: {why}"))),
            None if !at_end => Err(StoreError::Refused("the partition's leader does not answer".to_owned())),
            None => Ok(Vec::new()),
        }
    }

    fn close(&self, topic: &str, partition: u16) {
        let mut list = TopicPartitionList::new();
        list.add_partition(topic, i32::from(partition));
        if let Err(error) = self.consumer.incremental_unassign(&list) {
            tracing::debug!(topic, partition, %error, "was not read");
        }
    }

    fn open(&self, topic: &str, partition: u16, offset: u64) -> Result<Tap, StoreError> {
        let number = i32::from(partition);
        // The queue first: what is assigned afterwards goes there from its first record on.
        let queue = self.consumer.split_partition_queue(topic, number);
        let mut queue = queue.ok_or_else(|| StoreError::Refused(format!("`{topic}` is no topic")))?;
        let arrived = Arc::new(Notify::new());
        let waker = arrived.clone();
        queue.set_nonempty_callback(move || waker.notify_one());
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, number, at(offset)).map_err(|error| refused("cannot read", &error))?;
        self.consumer.incremental_assign(&list).map_err(|error| refused("cannot read", &error))?;
        Ok(Tap { queue, arrived, next: offset, believed: false, at_end: false, halt: None })
    }
}

fn at(offset: u64) -> Offset {
    Offset::Offset(i64::try_from(offset).unwrap_or(i64::MAX))
}

impl Tap {
    /// What is in the queue, up to what halts it.
    fn take(&mut self, records_max: usize) -> Vec<Record> {
        let (mut records, mut bytes) = (Vec::new(), 0);
        while self.halt.is_none() && records.len() < records_max && bytes < ANSWER_BYTES_MAX {
            let message = match self.queue.poll(Duration::ZERO) {
                None => break,
                Some(Err(KafkaError::PartitionEOF(_))) => {
                    self.at_end = true;
                    continue;
                }
                Some(Err(error)) => {
                    self.halt = Some(Halt::Failed(refused("cannot read", &error)));
                    break;
                }
                Some(Ok(message)) => message,
            };
            let offset = message.offset().max(0) as u64;
            match place(self.next, self.believed, offset) {
                Place::Old => continue,
                Place::Next => {}
                Place::Gap => {
                    self.halt = Some(Halt::Gap(offset));
                    break;
                }
            }
            self.at_end = false;
            let payload = message.payload().unwrap_or_default();
            match serde_json::from_slice::<Envelope>(payload) {
                Ok(event) => {
                    bytes += payload.len();
                    (self.next, self.believed) = (offset + 1, false);
                    records.push(Record { offset, event });
                }
                // It is not passed over: what it stands for may be somebody's event.
                Err(error) => {
                    let why = format!("the record at {offset} is no event: {error}");
                    self.halt = Some(Halt::Failed(StoreError::Refused(why)));
                }
            }
        }
        records
    }
}

#[cfg(test)]
mod tests;
