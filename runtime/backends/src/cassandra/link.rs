//! [`Link`]: the session, made when it is first needed, and the four ways in which statements are sent.

use std::{ops::ControlFlow, sync::Arc, time::Duration};

use archgen_env::Env;
use archgen_ports::StoreError;
use scylla::{
    client::{execution_profile::ExecutionProfile, session::Session, session_builder::SessionBuilder},
    deserialize::row::DeserializeRow,
    policies::{retry::FallthroughRetryPolicy, speculative_execution::SimpleSpeculativeExecutionPolicy},
    response::{PagingState, query_result::QueryResult},
    statement::{
        Consistency,
        batch::{Batch, BatchType},
    },
    value::{CqlValue, Row},
};
use tokio::{sync::Mutex, time::Instant};

use super::{
    faults::{connecting, failure, preparing},
    schema,
    statements::{Cql, Stamps, Statements},
};
use crate::{Failure, Fault, FaultKind, Guard, Metrics, Server, Target, Tls};

/// Longest wait for a session, and for its parts.
const CONNECT_WITHIN: Duration = Duration::from_secs(4);
/// Longest call: Cassandra itself gives a write up after two seconds.
const CALL_MS_MAX: u64 = 2_500;
/// After this time a statement is sent to a second coordinator as well: the first may be stopped.
const SECOND_AFTER: Duration = Duration::from_millis(500);
/// A connection without answer for this time is asked, and given up after the next.
const KEEPALIVE: Duration = Duration::from_secs(1);
/// Rows of one page.
const PAGE_ROWS: i32 = 512;

/// Values of one statement.
pub(super) type Values = Vec<Option<CqlValue>>;

/// A text value.
pub(super) fn text(value: impl Into<String>) -> Option<CqlValue> {
    Some(CqlValue::Text(value.into()))
}

/// A `bigint` value.
pub(super) fn big(value: i64) -> Option<CqlValue> {
    Some(CqlValue::BigInt(value))
}

/// An `int` value.
pub(super) fn int(value: i32) -> Option<CqlValue> {
    Some(CqlValue::Int(value))
}

/// A session with its statements.
pub(super) struct Open {
    session: Session,
    statements: Statements,
    /// Who answered.
    pub(super) server: Server,
}

/// One cluster.
pub(super) struct Link {
    pub(super) target: Target,
    pub(super) guard: Guard,
    pub(super) stamps: Stamps,
    pub(super) env: Env,
    open: Mutex<Option<Arc<Open>>>,
}

fn consistency(word: &str) -> Consistency {
    match word {
        "one" => Consistency::One,
        "all" => Consistency::All,
        _ => Consistency::Quorum,
    }
}

/// A session that reads and writes nothing yet.
async fn session(target: &Target) -> Result<Session, Fault> {
    if target.tls != Tls::Off {
        // Never in the clear instead: the password goes first.
        let why = "this build's Cassandra driver has none: put a TLS tunnel before the nodes";
        return Err(FaultKind::Encryption(why.to_owned()).at(target));
    }
    let profile = ExecutionProfile::builder()
        .request_timeout(Some(Duration::from_millis(CALL_MS_MAX)))
        // What may be repeated is decided here, not by the driver.
        .retry_policy(Arc::new(FallthroughRetryPolicy))
        .speculative_execution_policy(Some(Arc::new(SimpleSpeculativeExecutionPolicy {
            max_retry_count: 1,
            retry_interval: SECOND_AFTER,
        })))
        .build();
    let mut builder = SessionBuilder::new()
        .known_nodes(target.endpoints.iter().map(ToString::to_string))
        .connection_timeout(CONNECT_WITHIN)
        .keepalive_interval(KEEPALIVE)
        .keepalive_timeout(KEEPALIVE)
        .default_execution_profile_handle(profile.into_handle());
    if let Some(who) = &target.credentials {
        builder = builder.user(&who.user, who.password.expose());
    }
    let made = tokio::time::timeout(CONNECT_WITHIN, builder.build()).await;
    let made =
        made.map_err(|_| FaultKind::Unreachable(format!("nothing within {} s", CONNECT_WITHIN.as_secs())).at(target))?;
    made.map_err(|error| connecting(target, &error))
}

impl Link {
    pub(super) fn new(env: &Env, target: Target, metrics: Metrics) -> Self {
        let guard = Guard::new(&target.store, CALL_MS_MAX + 500, env.entropy("cassandra"), metrics).on(&target);
        Self { guard, stamps: Stamps::new(env), env: env.clone(), open: Mutex::default(), target }
    }

    /// The session, connected and verified where that is not done yet. `create` makes what is missing.
    ///
    /// # Errors
    /// See [`Fault`].
    pub(super) async fn open(&self, create: bool) -> Result<Arc<Open>, Fault> {
        let mut open = self.open.lock().await;
        if let Some(open) = &*open
            && !create
        {
            return Ok(open.clone());
        }
        let target = &self.target;
        if target.consistency.0 == "one" || target.consistency.1 == "one" {
            let why = "consistency `one` would lose acknowledged messages with the first node; declare `quorum`";
            return Err(FaultKind::Schema(why.to_owned()).at(target));
        }
        let session = session(target).await?;
        let server = schema::version(&session, target).await?;
        if create {
            schema::create(&session, target, &self.env).await?;
        }
        schema::verify(&session, target).await?;
        let (write, read) = (consistency(target.consistency.0), consistency(target.consistency.1));
        let statements = Statements::prepare(&session, &target.namespace, write, read).await;
        let statements = statements.map_err(|(text, error)| preparing(target, &text, &error))?;
        let made = Arc::new(Open { session, statements, server });
        *open = Some(made.clone());
        Ok(made)
    }

    async fn opened(&self) -> Result<Arc<Open>, Failure> {
        self.open(false).await.map_err(|fault| match fault.kind {
            FaultKind::Unreachable(_) => Failure::Unreachable(fault.kind.to_string()),
            kind => Failure::Refused(kind.to_string()),
        })
    }

    /// Whether the server answers now.
    ///
    /// # Errors
    /// See [`Fault`].
    pub(super) async fn look(&self) -> Result<Server, Fault> {
        let open = self.open(false).await?;
        schema::verify(&open.session, &self.target).await?;
        Ok(open.server.clone())
    }

    /// All rows that a statement reads.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub(super) async fn rows<R>(&self, cql: Cql, values: Values) -> Result<Vec<R>, StoreError>
    where
        R: for<'r> DeserializeRow<'r, 'r> + Send,
    {
        self.guard.read(|| self.read(cql, &values)).await
    }

    async fn read<R>(&self, cql: Cql, values: &Values) -> Result<Vec<R>, Failure>
    where
        R: for<'r> DeserializeRow<'r, 'r> + Send,
    {
        let open = self.opened().await?;
        let mut statement = open.statements.of(cql).clone();
        statement.set_page_size(PAGE_ROWS);
        let (mut rows, mut at) = (Vec::new(), PagingState::start());
        loop {
            let (page, next) =
                open.session.execute_single_page(&statement, values, at).await.map_err(|error| failure(&error))?;
            parsed(page, &mut rows)?;
            match next.into_paging_control_flow() {
                ControlFlow::Break(()) => return Ok(rows),
                ControlFlow::Continue(further) => at = further,
            }
        }
    }

    /// One write under this timestamp; `None` for a statement that carries its own.
    ///
    /// # Errors
    /// See [`Failure`].
    pub(super) async fn write(&self, cql: Cql, values: Values, stamp: Option<i64>) -> Result<(), Failure> {
        let open = self.opened().await?;
        let mut statement = open.statements.of(cql).clone();
        statement.set_timestamp(stamp);
        let begun = Instant::now();
        let sent = open.session.execute_unpaged(&statement, values).await;
        sent.map(drop).map_err(|error| of_write(failure(&error), begun))
    }

    /// Writes of one partition, all or none.
    ///
    /// # Errors
    /// See [`Failure`].
    pub(super) async fn batch(&self, writes: Vec<(Cql, Values)>, stamp: i64) -> Result<(), Failure> {
        let open = self.opened().await?;
        let mut batch = Batch::new(BatchType::Unlogged);
        batch.set_timestamp(Some(stamp));
        batch.set_is_idempotent(true);
        batch.set_consistency(consistency(self.target.consistency.0));
        let mut values = Vec::with_capacity(writes.len());
        for (cql, row) in writes {
            batch.append_statement(open.statements.of(cql).clone());
            values.push(row);
        }
        let begun = Instant::now();
        let sent = open.session.batch(&batch, values).await;
        sent.map(drop).map_err(|error| of_write(failure(&error), begun))
    }

    /// A lightweight transaction; whether it applied.
    ///
    /// # Errors
    /// See [`Failure`].
    pub(super) async fn transaction(&self, writes: Vec<(Cql, Values)>) -> Result<bool, Failure> {
        let open = self.opened().await?;
        let mut batch = Batch::new(BatchType::Unlogged);
        batch.set_consistency(consistency(self.target.consistency.0));
        batch.set_serial_consistency(Some(scylla::statement::SerialConsistency::Serial));
        let mut values = Vec::with_capacity(writes.len());
        for (cql, row) in writes {
            batch.append_statement(open.statements.of(cql).clone());
            values.push(row);
        }
        let answer = open.session.batch(&batch, values).await.map_err(|error| failure(&error))?;
        applied(answer)
    }
}

/// Once a second coordinator was asked, a refusal by one says nothing about the other.
fn of_write(failure: Failure, begun: Instant) -> Failure {
    match failure {
        Failure::Refused(why) | Failure::Unreachable(why) if begun.elapsed() >= SECOND_AFTER => Failure::Lost(why),
        failure => failure,
    }
}

fn parsed<R>(page: QueryResult, rows: &mut Vec<R>) -> Result<(), Failure>
where
    R: for<'r> DeserializeRow<'r, 'r>,
{
    let unreadable = |why: String| Failure::Refused(format!("an answer that cannot be read: {why}"));
    let page = page.into_rows_result().map_err(|error| unreadable(error.to_string()))?;
    for row in page.rows::<R>().map_err(|error| unreadable(error.to_string()))? {
        rows.push(row.map_err(|error| unreadable(error.to_string()))?);
    }
    Ok(())
}

/// Whether a lightweight transaction applied: the first column of its first row says so.
pub(super) fn applied(answer: QueryResult) -> Result<bool, Failure> {
    let mut rows: Vec<Row> = Vec::new();
    parsed(answer, &mut rows)?;
    let first = rows.into_iter().next().and_then(|row| row.columns.into_iter().next().flatten());
    first
        .and_then(|value| value.as_boolean())
        .ok_or_else(|| Failure::Lost("a transaction without an outcome".to_owned()))
}
