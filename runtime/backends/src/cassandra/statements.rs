//! Every statement that is sent, prepared once; and the timestamps of writes.

use std::sync::{Mutex, PoisonError};

use archgen_env::Env;
use scylla::{
    client::session::Session,
    errors::PrepareError,
    statement::{Consistency, SerialConsistency, prepared::PreparedStatement},
};

/// Declares the statements: their names, and their texts with `ks` for the keyspace.
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident $kind:ident $text:literal;)*) => {
        /// A statement.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Cql { $($(#[$doc])* $name),* }

        const TEXTS: &[(Kind, &str)] = &[$((Kind::$kind, $text)),*];
    };
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Read,
    Write,
    /// Read or written by lightweight transactions.
    Serial,
}

statements! {
    /// All leases.
    Leases Serial "SELECT version, shard, owner, incarnation, epoch, beat, ttl_ms, held FROM ks.shard_leases WHERE part = 0";
    /// Guards a change of leases.
    LeaseVersion Serial "UPDATE ks.shard_leases SET version = ? WHERE part = 0 IF version = ?";
    /// A lease.
    LeasePut Serial "INSERT INTO ks.shard_leases (part, shard, owner, incarnation, epoch, beat, ttl_ms, held) VALUES (0, ?, ?, ?, ?, ?, ?, ?)";
    /// A channel's terms.
    Terms Read "SELECT term, first_seq, messages, everyone, published FROM ks.channel_terms WHERE channel = ?";
    /// A term begins.
    TermPut Write "INSERT INTO ks.channel_terms (channel, term, first_seq, messages, everyone) VALUES (?, ?, ?, ?, ?)";
    /// The published mark.
    Published Write "UPDATE ks.channel_terms USING TIMESTAMP ? SET published = ? WHERE channel = ?";
    /// Entries, ascending.
    Up Read "SELECT seq, term, appended_from, messages, everyone, entry, WRITETIME(entry) FROM ks.channel_log WHERE channel = ? AND bucket = ? AND seq > ? LIMIT ?";
    /// Entries, descending.
    Down Read "SELECT seq, term, appended_from, messages, everyone, entry, WRITETIME(entry) FROM ks.channel_log WHERE channel = ? AND bucket = ? AND seq < ? ORDER BY seq DESC, term ASC LIMIT ?";
    /// Places of entries, descending.
    Places Read "SELECT seq, term, messages, everyone FROM ks.channel_log WHERE channel = ? AND bucket = ? AND seq > ? AND seq < ? ORDER BY seq DESC, term ASC LIMIT ?";
    /// An entry.
    EntryPut Write "INSERT INTO ks.channel_log (channel, bucket, seq, term, appended_from, messages, everyone, entry) VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
    /// A deduplication key.
    Seen Read "SELECT seq FROM ks.channel_seen WHERE channel = ? AND bucket = ? AND author = ? AND client_id = ?";
    /// A deduplication key.
    SeenPut Write "INSERT INTO ks.channel_seen (channel, bucket, author, client_id, seq, term) VALUES (?, ?, ?, ?, ?, ?) USING TTL ?";
    /// Revisions of a range of entries.
    Revisions Read "SELECT target, seq, term, deleted, data FROM ks.channel_revisions WHERE channel = ? AND bucket = ? AND target >= ? AND target <= ?";
    /// A revision.
    RevisionPut Write "INSERT INTO ks.channel_revisions (channel, bucket, target, seq, term, deleted, data) VALUES (?, ?, ?, ?, ?, ?, ?)";
    /// Places of an id.
    ById Read "SELECT channel, seq FROM ks.message_ids WHERE id = ?";
    /// A place of an id.
    ByIdPut Write "INSERT INTO ks.message_ids (id, channel, seq, term) VALUES (?, ?, ?, ?)";
    /// Entries of an index.
    Indexed Read "SELECT seq, term FROM ks.channel_index WHERE channel = ? AND name = ? AND seq > ? LIMIT ?";
    /// An entry of an index.
    IndexPut Write "INSERT INTO ks.channel_index (channel, name, seq, term) VALUES (?, ?, ?, ?)";
    /// Channels of a shard that were written to in an hour.
    Touched Read "SELECT channel FROM ks.shard_touched WHERE shard = ? AND hour = ?";
    /// A channel is written to.
    TouchedPut Write "INSERT INTO ks.shard_touched (shard, hour, channel) VALUES (?, ?, ?)";
    /// The hour before which all of a shard is published.
    Clean Read "SELECT clean_hour FROM ks.shard_marks WHERE shard = ?";
    /// The hour before which all of a shard is published.
    CleanPut Write "UPDATE ks.shard_marks USING TIMESTAMP ? SET clean_hour = ? WHERE shard = ?";
    /// A reader's marks.
    ReadMarks Read "SELECT channel, seq, messages, everyone FROM ks.read_marks WHERE reader = ?";
    /// A reader's mark in one channel.
    ReadMark Read "SELECT channel, seq, messages, everyone FROM ks.read_marks WHERE reader = ? AND channel = ?";
    /// A reader's mark.
    ReadMarkPut Write "INSERT INTO ks.read_marks (reader, channel, seq, messages, everyone) VALUES (?, ?, ?, ?, ?) USING TIMESTAMP ?";
    /// A reader's mentions.
    Mentions Read "SELECT channel, seq FROM ks.read_mentions WHERE reader = ?";
    /// A reader's mentions in one channel.
    MentionsIn Read "SELECT channel, seq FROM ks.read_mentions WHERE reader = ? AND channel = ? AND seq > ? LIMIT ?";
    /// A mention.
    MentionPut Write "INSERT INTO ks.read_mentions (reader, channel, seq) VALUES (?, ?, ?)";
    /// Mentions that were read.
    MentionsRead Write "DELETE FROM ks.read_mentions WHERE reader = ? AND channel = ? AND seq <= ?";
}

/// The statements, prepared.
pub(super) struct Statements(Vec<PreparedStatement>);

impl Statements {
    /// Prepares them all. A table or column that is not there shows here.
    ///
    /// # Errors
    /// The text that could not be prepared, and why.
    pub(super) async fn prepare(
        session: &Session,
        keyspace: &str,
        write: Consistency,
        read: Consistency,
    ) -> Result<Self, (String, PrepareError)> {
        let mut all = Vec::with_capacity(TEXTS.len());
        for (kind, text) in TEXTS {
            let text = text.replace("ks.", &format!("\"{keyspace}\"."));
            let mut statement = session.prepare(text.as_str()).await.map_err(|error| (text, error))?;
            match kind {
                Kind::Read => statement.set_consistency(read),
                Kind::Write => statement.set_consistency(write),
                Kind::Serial => {
                    // A serial read sees a transaction that is under way, or ends it.
                    let reads = statement.get_statement().starts_with("SELECT");
                    statement.set_consistency(if reads { Consistency::Serial } else { write });
                    statement.set_serial_consistency(Some(SerialConsistency::Serial));
                }
            }
            // Every write carries its own timestamp, so that the same one may be sent to a second coordinator.
            statement.set_is_idempotent(*kind != Kind::Serial);
            all.push(statement);
        }
        Ok(Self(all))
    }

    /// A statement.
    pub(super) fn of(&self, cql: Cql) -> &PreparedStatement {
        &self.0[cql as usize]
    }
}

/// Timestamps of writes, microseconds: never the same twice, never back, also where the wall clock steps back.
pub(super) struct Stamps {
    env: Env,
    last: Mutex<i64>,
}

impl Stamps {
    pub(super) fn new(env: &Env) -> Self {
        Self { env: env.clone(), last: Mutex::new(0) }
    }

    /// The next.
    pub(super) fn next(&self) -> i64 {
        let wall = i64::try_from(self.env.wall_ms().saturating_mul(1_000)).unwrap_or(i64::MAX);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = wall.max(*last + 1);
        *last
    }
}
