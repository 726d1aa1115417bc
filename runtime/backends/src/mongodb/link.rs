//! Sending, and what errors mean.

use std::time::Duration;

use archgen_env::Env;
use mongodb::{
    Client,
    bson::{Bson, Document, doc},
    error::{Error, ErrorKind},
    options::{ClientOptions, Credential, ServerAddress, Tls as DriverTls, TlsOptions},
};
use tokio::sync::Mutex;

use crate::{Failure, FaultKind, Guard, Metrics, Server, Target, Tls};

/// Longest call, milliseconds.
const CALL_MS_MAX: u64 = 5_000;
/// Longest search for a server that takes the call, and longest time to connect.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// Connections of one host to each server.
const CONNECTIONS_MAX: u32 = 8;
/// The oldest server that will do.
const LEAST: (u32, u32) = (4, 4);

/// The connections of one host.
pub(super) struct Link {
    pub(super) target: Target,
    pub(super) guard: Guard,
    pub(super) env: Env,
    /// Made at the first call, because the driver starts tasks of its own then.
    client: Mutex<Option<Client>>,
}

fn options(target: &Target) -> Result<ClientOptions, FaultKind> {
    let mut options = ClientOptions::default();
    let address = |a: &archgen_env::net::Address| ServerAddress::Tcp { host: a.host.clone(), port: Some(a.port) };
    options.hosts = target.endpoints.iter().map(address).collect();
    options.app_name = Some("archgen".to_owned());
    options.connect_timeout = Some(CONNECT_WITHIN);
    options.server_selection_timeout = Some(CONNECT_WITHIN);
    options.max_pool_size = Some(CONNECTIONS_MAX);
    // What may be tried again is decided by the guard alone.
    options.retry_reads = Some(false);
    options.retry_writes = Some(false);
    if let Some(who) = &target.credentials {
        let mut credential = Credential::default();
        credential.username = Some(who.user.clone());
        credential.password = Some(who.password.expose().to_owned());
        options.credential = Some(credential);
    }
    options.tls = match &target.tls {
        Tls::Off => None,
        Tls::System => Some(DriverTls::Enabled(TlsOptions::default())),
        Tls::Authority(_) => {
            let why = "MongoDB's driver takes an authority only as a file; use one that the web trusts, `tls: system`";
            return Err(FaultKind::Encryption(why.to_owned()));
        }
    };
    Ok(options)
}

impl Link {
    pub(super) fn new(env: &Env, target: Target, metrics: Metrics) -> Self {
        let guard = Guard::new(&target.store, CALL_MS_MAX, env.entropy("mongodb"), metrics).on(&target);
        Self { target, guard, env: env.clone(), client: Mutex::default() }
    }

    async fn client(&self) -> Result<Client, FaultKind> {
        let mut client = self.client.lock().await;
        if let Some(client) = &*client {
            return Ok(client.clone());
        }
        let made = Client::with_options(options(&self.target)?).map_err(|error| connecting(&self.target, &error))?;
        *client = Some(made.clone());
        Ok(made)
    }

    /// Sends a command to the primary, in the store's database; the whole answer.
    ///
    /// # Errors
    /// See [`Failure`].
    pub(super) async fn send(&self, command: Document) -> Result<Document, Failure> {
        let client = self.client().await.map_err(|kind| Failure::Refused(kind.to_string()))?;
        let answer = client.database(&self.target.namespace).run_command(command).await;
        let answer = answer.map_err(|error| failure(&error))?;
        match answer.get_document("writeConcernError") {
            // It is done, and may be undone.
            Ok(error) => Err(Failure::Lost(format!("no majority: {error}"))),
            Err(_) => Ok(answer),
        }
    }

    /// Sends a command before anything is known about the server.
    ///
    /// # Errors
    /// The code of a refusal, and what it means.
    pub(super) async fn ask(&self, command: Document) -> Result<Document, (i32, FaultKind)> {
        let client = self.client().await.map_err(|kind| (0, kind))?;
        let answer = client.database(&self.target.namespace).run_command(command).await;
        answer.map_err(|error| (code(&error), connecting(&self.target, &error)))
    }

    /// Who answers.
    ///
    /// # Errors
    /// Why it cannot be asked.
    pub(super) async fn server(&self) -> Result<Server, FaultKind> {
        let told = self.ask(doc! { "buildInfo": 1 }).await.map_err(|(_, kind)| kind)?;
        let Ok(version) = told.get_str("version") else {
            return Err(FaultKind::Foreign("no MongoDB: it does not tell its version".to_owned()));
        };
        let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
        if (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) < LEAST {
            return Err(FaultKind::TooOld { found: version.to_owned(), least: "4.4" });
        }
        let other = told.get("ferretdb").and_then(Bson::as_document).and_then(|it| it.get_str("version").ok());
        let other = other.or_else(|| told.get_str("ferretdbVersion").ok());
        let version = other.map_or_else(
            || format!("MongoDB {version}"),
            |own| format!("FerretDB {} (as MongoDB {version})", own.trim_start_matches('v')),
        );
        // Anybody may ask for a version; reading needs a user.
        self.ask(super::commands::layout()).await.map_err(|(_, kind)| kind)?;
        Ok(Server { version })
    }
}

/// The server's code for a refusal.
fn code(error: &Error) -> i32 {
    match error.kind.as_ref() {
        ErrorKind::Command(refusal) => refusal.code,
        _ => 0,
    }
}

/// Whether another document has the same key.
pub(super) const DUPLICATE: i32 = 11_000;
/// Codes of a server that takes no writes (now): nothing was done.
const NOT_PRIMARY: [i32; 4] = [10_107, 13_435, 10_058, 13_436];
/// Codes of a server that goes down, or of a wait that was too long: it may have been done.
const INTERRUPTED: [i32; 9] = [6, 7, 50, 89, 91, 189, 262, 11_600, 11_602];

/// What a failed command means for what was asked.
fn failure(error: &Error) -> Failure {
    let why = error.to_string();
    match error.kind.as_ref() {
        ErrorKind::ServerSelection { .. }
        | ErrorKind::DnsResolve { .. }
        | ErrorKind::ConnectionPoolCleared { .. }
        | ErrorKind::Authentication { .. } => Failure::Unreachable(why),
        ErrorKind::Io(_) | ErrorKind::InvalidResponse { .. } | ErrorKind::Internal { .. } => Failure::Lost(why),
        ErrorKind::Command(refusal) if NOT_PRIMARY.contains(&refusal.code) => Failure::Unreachable(why),
        ErrorKind::Command(refusal) if INTERRUPTED.contains(&refusal.code) => Failure::Lost(why),
        ErrorKind::Command(refusal) if refusal.code == DUPLICATE => Failure::Refused(format!("{DUPLICATE}")),
        _ => Failure::Refused(why),
    }
}

/// Why the server cannot be asked.
fn connecting(target: &Target, error: &Error) -> FaultKind {
    let why = error.to_string();
    let user = || {
        let user = target.credentials.as_ref().map(|who| format!("`{}`", who.user));
        user.unwrap_or_else(|| "a connection without a user".to_owned())
    };
    let says = |words: &[&str]| words.iter().any(|word| why.contains(word));
    match error.kind.as_ref() {
        ErrorKind::Authentication { .. } => FaultKind::Credentials(user()),
        ErrorKind::IncompatibleServer { .. } => FaultKind::TooOld { found: why, least: "4.4" },
        ErrorKind::InvalidTlsConfig { .. } => FaultKind::Encryption(why),
        ErrorKind::Command(refusal) => match refusal.code {
            18 => FaultKind::Credentials(user()),
            13 if target.credentials.is_none() => FaultKind::Credentials(user()),
            13 => FaultKind::Rights(refusal.message.clone()),
            _ => FaultKind::Other(why),
        },
        _ if says(&["certificate", "corrupt message", "TLS", "InvalidContentType"]) => FaultKind::Encryption(why),
        _ if says(&["wire version"]) => FaultKind::TooOld { found: why, least: "4.4" },
        _ if says(&["Authentication", "SCRAM"]) => FaultKind::Credentials(user()),
        _ if says(&["invalid reply", "message length", "Invalid header", "OP_", "opcode"]) => {
            FaultKind::Foreign(format!("no MongoDB: {why}"))
        }
        _ => FaultKind::Unreachable(why),
    }
}
