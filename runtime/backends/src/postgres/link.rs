//! [`Link`]: where the primary is, and the connections to it.

use std::{sync::Arc, time::Duration};

use archgen_env::{Env, net::Address};
use sqlx::{
    ConnectOptions, Connection, Error, PgConnection, PgPool, Postgres,
    pool::PoolConnection,
    postgres::{PgConnectOptions, PgPoolOptions, PgSslMode},
};
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};

use super::faults::{fault, is_standby};
use crate::{Failure, Fault, FaultKind, Guard, Metrics, Target, Tls};

/// Longest call; the server itself gives a statement up after this time.
const CALL_MS_MAX: u64 = 5_000;
/// Longest wait for a connection.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// Connections of one host.
const CONNECTIONS_MAX: u32 = 8;
/// A connection that rested for longer is asked before it is used: its server may have gone.
const FRESH: Duration = Duration::from_secs(1);
/// A connection that rests for longer is closed.
const IDLE_MAX: Duration = Duration::from_secs(60);

/// One primary with its standbys.
pub(super) struct Link {
    pub(super) target: Target,
    pub(super) guard: Guard,
    /// The primary's connections, once it was found.
    primary: Mutex<Option<Arc<PgPool>>>,
}

/// How to connect to one address.
pub(super) fn options(target: &Target, address: &Address, database: &str) -> PgConnectOptions {
    let patience_ms = target.call_ms_max.map_or(CALL_MS_MAX, |said| said.min(CALL_MS_MAX)).to_string();
    let options = PgConnectOptions::new_without_pgpass()
        .host(&address.host)
        .port(address.port)
        .database(database)
        .application_name("archgen")
        .options([("statement_timeout", &patience_ms), ("lock_timeout", &patience_ms)])
        .disable_statement_logging();
    let options = match &target.credentials {
        Some(who) => options.username(&who.user).password(who.password.expose()),
        None => options.username("archgen"),
    };
    match &target.tls {
        Tls::Off => options.ssl_mode(PgSslMode::Disable),
        Tls::System => options.ssl_mode(PgSslMode::VerifyFull),
        Tls::Authority(pem) => options.ssl_mode(PgSslMode::VerifyFull).ssl_root_cert_from_pem(pem.clone().into_bytes()),
    }
}

async fn is_in_recovery(connection: &mut PgConnection) -> Result<bool, Error> {
    sqlx::query_scalar("SELECT pg_is_in_recovery()").fetch_one(connection).await
}

/// A connection to the primary, the first of the addresses that says it is one, and its address.
///
/// # Errors
/// What is wrong with the last address that was asked.
pub(super) async fn connect(
    target: &Target,
    database: &str,
) -> Result<(PgConnection, Address), (FaultKind, Option<Error>)> {
    let mut last = (FaultKind::Unreachable("no address is named".to_owned()), None);
    for address in &target.endpoints {
        let options = options(target, address, database);
        let asked = timeout(CONNECT_WITHIN, async {
            let mut connection = PgConnection::connect_with(&options).await?;
            let standby = is_in_recovery(&mut connection).await?;
            Ok::<_, Error>((connection, standby))
        });
        last = match asked.await {
            Err(_) => {
                let within = CONNECT_WITHIN.as_secs();
                let why = format!("nothing within {within} s: the server is stopped, or something else has the port");
                (FaultKind::Unreachable(why), None)
            }
            Ok(Ok((connection, false))) => return Ok((connection, address.clone())),
            Ok(Ok((_, true))) => {
                (FaultKind::Unreachable(format!("{address} is a standby, and no primary answers")), None)
            }
            Ok(Err(error)) => (fault(target, "connect", &error), Some(error)),
        };
    }
    Err(last)
}

fn pool(target: &Target, address: &Address) -> PgPool {
    PgPoolOptions::new()
        .max_connections(CONNECTIONS_MAX)
        .acquire_timeout(CONNECT_WITHIN)
        .idle_timeout(IDLE_MAX)
        .test_before_acquire(false)
        .before_acquire(|connection, resting| {
            Box::pin(async move {
                if resting.idle_for > FRESH {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        // A primary may come back as a standby.
        .after_connect(|connection, _| {
            Box::pin(async move {
                if is_in_recovery(connection).await? {
                    return Err(Error::Configuration("a standby".into()));
                }
                Ok(())
            })
        })
        .connect_lazy_with(options(target, address, &target.namespace))
}

impl Link {
    pub(super) fn new(env: &Env, target: Target, metrics: Metrics) -> Self {
        let guard = Guard::new(&target.store, CALL_MS_MAX + 500, env.entropy("postgres"), metrics).on(&target);
        Self { target, guard, primary: Mutex::default() }
    }

    /// A connection to the primary.
    ///
    /// # Errors
    /// [`Failure::Unreachable`]: nothing was sent.
    pub(super) async fn acquire(&self) -> Result<PoolConnection<Postgres>, Failure> {
        let begun = Instant::now();
        let pool = self.pool().await.map_err(|fault| Failure::Unreachable(fault.kind.to_string()))?;
        let acquired = pool.acquire().await;
        self.guard.waited(begun.elapsed());
        self.guard.connections(pool.size() as usize);
        match acquired {
            Ok(connection) => Ok(connection),
            Err(error) => {
                self.forget().await;
                Err(Failure::Unreachable(fault(&self.target, "connect", &error).to_string()))
            }
        }
    }

    /// What a failed statement means; where the server took no writes the primary is looked for anew.
    pub(super) async fn failed(&self, error: &Error) -> Failure {
        if is_standby(error) {
            self.forget().await;
        }
        super::faults::failure(error)
    }

    async fn forget(&self) {
        *self.primary.lock().await = None;
    }

    async fn pool(&self) -> Result<Arc<PgPool>, Fault> {
        let mut primary = self.primary.lock().await;
        if let Some(pool) = &*primary {
            return Ok(pool.clone());
        }
        let (connection, address) =
            connect(&self.target, &self.target.namespace).await.map_err(|(kind, _)| kind.at(&self.target))?;
        // It has told where the primary is.
        let _ = connection.close().await;
        let pool = Arc::new(pool(&self.target, &address));
        *primary = Some(pool.clone());
        Ok(pool)
    }
}
