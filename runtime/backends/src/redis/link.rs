//! The connection to one server or one cluster, and what errors mean.

use std::time::Duration;

use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, ErrorKind, FromRedisValue, IntoConnectionInfo,
    Pipeline, RedisConnectionInfo, RedisError, ServerErrorKind, TlsCertificates, aio::MultiplexedConnection,
    cluster::ClusterClientBuilder, cluster_async::ClusterConnection,
};
use tokio::{sync::Mutex, time::timeout};

use crate::{Failure, FaultKind, Server, Target, Tls};

/// Longest call, milliseconds: a cache that answers later is of no use.
pub(super) const CALL_MS_MAX: u64 = 1_000;
/// Longest time to connect.
const CONNECT_WITHIN: Duration = Duration::from_millis(800);
/// Longest wait for an answer.
const ANSWER_WITHIN: Duration = Duration::from_millis(800);
/// The oldest server that will do: users came with it.
const LEAST: (u32, u32) = (6, 0);

/// A connection. Cloning shares it.
#[derive(Clone)]
enum Connection {
    Single(MultiplexedConnection),
    Cluster(ClusterConnection),
}

/// The connection of one host.
pub(super) struct Link {
    pub(super) target: Target,
    /// The connection and its number, by which a broken one is recognised.
    open: Mutex<(u64, Option<Connection>)>,
}

fn certificates(tls: &Tls) -> TlsCertificates {
    let root_cert = match tls {
        Tls::Authority(pem) => Some(pem.clone().into_bytes()),
        Tls::Off | Tls::System => None,
    };
    TlsCertificates { client_tls: None, root_cert }
}

fn information(target: &Target, at: usize) -> Result<ConnectionInfo, RedisError> {
    let address = &target.endpoints[at];
    let (host, port) = (address.host.clone(), address.port);
    let address = match target.tls {
        Tls::Off => ConnectionAddr::Tcp(host, port),
        _ => ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None },
    };
    let mut settings = RedisConnectionInfo::default();
    if let Some(who) = &target.credentials {
        settings = settings.set_username(&who.user).set_password(who.password.expose());
    }
    Ok(address.into_connection_info()?.set_redis_settings(settings))
}

impl Link {
    pub(super) fn new(target: Target) -> Self {
        Self { target, open: Mutex::new((0, None)) }
    }

    async fn single(&self, at: usize) -> Result<MultiplexedConnection, RedisError> {
        let information = information(&self.target, at)?;
        let client = match self.target.tls {
            Tls::Off => Client::open(information)?,
            _ => Client::build_with_tls(information, certificates(&self.target.tls))?,
        };
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_WITHIN))
            .set_response_timeout(Some(ANSWER_WITHIN));
        client.get_multiplexed_async_connection_with_config(&config).await
    }

    /// Connects to the first server that answers; where it belongs to a cluster, to the cluster.
    async fn connect(&self) -> Result<(Connection, Server), FaultKind> {
        let mut last = FaultKind::Unreachable("no address is named".to_owned());
        for at in 0..self.target.endpoints.len() {
            match self.greet(at).await {
                Ok(found) => return Ok(found),
                Err(kind) if kind.is_lasting() => return Err(kind),
                Err(kind) => last = kind,
            }
        }
        Err(last)
    }

    async fn greet(&self, at: usize) -> Result<(Connection, Server), FaultKind> {
        let connecting = |error| connecting(&self.target, &error);
        let mut single = self.single(at).await.map_err(connecting)?;
        let told: String = Cmd::new().arg("INFO").query_async(&mut single).await.map_err(connecting)?;
        let value = |name: &str| told.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let Some(version) = value("redis_version") else {
            return Err(FaultKind::Foreign("no Redis: it does not tell its version".to_owned()));
        };
        let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
        if (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) < LEAST {
            return Err(FaultKind::TooOld { found: version.to_owned(), least: "6.0" });
        }
        let clustered = value("cluster_enabled") == Some("1");
        let server = Server { version: format!("Redis {version}{}", if clustered { " (cluster)" } else { "" }) };
        if !clustered {
            return Ok((Connection::Single(single), server));
        }
        let nodes: Result<Vec<ConnectionInfo>, RedisError> =
            (0..self.target.endpoints.len()).map(|at| information(&self.target, at)).collect();
        let mut builder = ClusterClientBuilder::new(nodes.map_err(connecting)?)
            .connection_timeout(CONNECT_WITHIN)
            .response_timeout(ANSWER_WITHIN)
            // Redirections are followed; what else fails is ours to judge.
            .retries(3);
        if self.target.tls != Tls::Off {
            builder = builder.certs(certificates(&self.target.tls));
        }
        let client = builder.build().map_err(connecting)?;
        Ok((Connection::Cluster(client.get_async_connection().await.map_err(connecting)?), server))
    }

    /// Who answers, over a connection made anew.
    ///
    /// # Errors
    /// Why it cannot be asked.
    pub(super) async fn server(&self) -> Result<Server, FaultKind> {
        let within = 4 * CONNECT_WITHIN;
        let silent = |_| FaultKind::Unreachable(format!("nothing within {} ms", within.as_millis()));
        timeout(within, self.connect()).await.map_err(silent)?.map(|(_, server)| server)
    }

    async fn connection(&self) -> Result<(u64, Connection), Failure> {
        let mut open = self.open.lock().await;
        if let (number, Some(connection)) = &*open {
            return Ok((*number, connection.clone()));
        }
        let (connection, _) = self.connect().await.map_err(|kind| match kind.is_lasting() {
            true => Failure::Refused(kind.to_string()),
            false => Failure::Unreachable(kind.to_string()),
        })?;
        open.0 += 1;
        open.1 = Some(connection.clone());
        Ok((open.0, connection))
    }

    /// Sends these commands, all or none of which are carried out, and returns their answers.
    ///
    /// # Errors
    /// See [`Failure`].
    pub(super) async fn send<T: FromRedisValue>(&self, commands: &Pipeline) -> Result<T, Failure> {
        let (number, connection) = self.connection().await?;
        let answer = match connection {
            Connection::Single(mut single) => commands.query_async(&mut single).await,
            Connection::Cluster(mut cluster) => commands.query_async(&mut cluster).await,
        };
        match answer {
            Ok(answer) => Ok(answer),
            Err(error) => {
                let failure = failure(&error);
                if !matches!(failure, Failure::Refused(_)) {
                    let mut open = self.open.lock().await;
                    if open.0 == number {
                        open.1 = None;
                    }
                }
                Err(failure)
            }
        }
    }
}

/// What a failed command means for what was asked.
fn failure(error: &RedisError) -> Failure {
    let why = error.to_string();
    match error.kind() {
        ErrorKind::Io if error.is_connection_refusal() => Failure::Unreachable(why),
        ErrorKind::Io | ErrorKind::Parse => Failure::Lost(why),
        ErrorKind::ClusterConnectionNotFound
        | ErrorKind::Server(
            ServerErrorKind::BusyLoading
            | ServerErrorKind::ClusterDown
            | ServerErrorKind::MasterDown
            | ServerErrorKind::ReadOnly
            | ServerErrorKind::TryAgain,
        ) => Failure::Unreachable(why),
        _ => Failure::Refused(why),
    }
}

/// Why there is no connection.
fn connecting(target: &Target, error: &RedisError) -> FaultKind {
    let why = error.to_string();
    let user = || {
        let user = target.credentials.as_ref().map(|c| format!("`{}`", c.user));
        user.unwrap_or_else(|| "a connection without a user".to_owned())
    };
    match (error.kind(), error.code()) {
        (ErrorKind::AuthenticationFailed, _) | (_, Some("NOAUTH" | "WRONGPASS")) => FaultKind::Credentials(user()),
        (ErrorKind::Server(ServerErrorKind::NoPerm), _) => FaultKind::Rights(format!("ask who the server is ({why})")),
        (ErrorKind::Parse | ErrorKind::UnexpectedReturnType, _) => FaultKind::Foreign(format!("no Redis: {why}")),
        _ if why.contains("certificate") || why.contains("TLS") || why.contains("corrupt message") => {
            FaultKind::Encryption(why)
        }
        _ => FaultKind::Unreachable(why),
    }
}
