//! What the driver's errors mean: to a caller, and to the person who runs the server.

use sqlx::{Error, error::DatabaseError};

use crate::{Failure, FaultKind, Target};

/// SQLSTATE of an error.
fn state(error: &dyn DatabaseError) -> String {
    error.code().map(|code| code.into_owned()).unwrap_or_default()
}

/// What a failed statement means for what was asked.
pub(super) fn failure(error: &Error) -> Failure {
    let why = error.to_string();
    match error {
        Error::Database(answer) => match state(&**answer).as_str() {
            // The server goes down, and may have done it before.
            "57P01" | "57P02" | "58000" | "58030" => Failure::Lost(why),
            code if code.starts_with("08") => Failure::Lost(why),
            _ => Failure::Refused(why),
        },
        Error::Io(_) | Error::Tls(_) | Error::Protocol(_) | Error::WorkerCrashed => Failure::Lost(why),
        Error::PoolTimedOut | Error::PoolClosed => Failure::Unreachable(why),
        _ => Failure::Refused(why),
    }
}

/// Whether the transaction was given up for another's sake, and may run again: nothing of it was done.
pub(super) fn is_contention(error: &Error) -> bool {
    matches!(error, Error::Database(answer) if matches!(state(&**answer).as_str(), "40P01" | "40001"))
}

/// Whether the server takes no writes: it became a standby.
pub(super) fn is_standby(error: &Error) -> bool {
    matches!(error, Error::Database(answer) if state(&**answer) == "25006")
}

/// Whether there is no such database.
pub(super) fn is_no_database(error: &Error) -> bool {
    matches!(error, Error::Database(answer) if state(&**answer) == "3D000")
}

/// Whether it was made by another meanwhile.
pub(super) fn is_made_already(error: &Error) -> bool {
    matches!(error, Error::Database(answer) if matches!(state(&**answer).as_str(), "42P04" | "23505"))
}

/// Why there is no connection, or why a statement of the schema is refused; `what` was to be done.
pub(super) fn fault(target: &Target, what: &str, error: &Error) -> FaultKind {
    let user = || {
        let named = target.credentials.as_ref().map(|who| format!("`{}`", who.user));
        named.unwrap_or_else(|| "a connection without a user".to_owned())
    };
    match error {
        Error::Database(answer) => match state(&**answer).as_str() {
            "28000" if answer.message().contains("no encryption") => {
                FaultKind::Encryption(format!("the server wants it ({})", answer.message()))
            }
            "28P01" | "28000" => FaultKind::Credentials(user()),
            "3D000" => FaultKind::Namespace(format!("database `{}`", target.namespace)),
            "42501" => FaultKind::Rights(format!("{what} ({})", answer.message())),
            "57P01" | "57P02" | "57P03" | "53300" => FaultKind::Unreachable(answer.message().to_owned()),
            _ => FaultKind::Other(format!("cannot {what}: {error}")),
        },
        Error::Tls(why) => FaultKind::Encryption(why.to_string()),
        Error::Protocol(why) => FaultKind::Foreign(format!("not PostgreSQL's protocol: {why}")),
        Error::Io(why) if why.kind() == std::io::ErrorKind::UnexpectedEof => {
            FaultKind::Foreign(format!("it closes the connection: {why}"))
        }
        Error::Io(why) => FaultKind::Unreachable(why.to_string()),
        Error::PoolTimedOut => FaultKind::Unreachable("no connection in time".to_owned()),
        other => FaultKind::Other(format!("cannot {what}: {other}")),
    }
}
