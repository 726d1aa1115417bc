//! What the driver's errors mean: to a caller, and to the person who runs the server.

use scylla::errors::{
    ConnectionError, ConnectionPoolError, ConnectionSetupRequestErrorKind, DbError, ExecutionError, MetadataError,
    NewSessionError, PrepareError, RequestAttemptError,
};

use crate::{Failure, Fault, FaultKind, Target};

/// What a failed statement means for what was asked.
pub(super) fn failure(error: &ExecutionError) -> Failure {
    let why = error.to_string();
    match error {
        ExecutionError::EmptyPlan | ExecutionError::ConnectionPoolError(_) => Failure::Unreachable(why),
        ExecutionError::BadQuery(_) | ExecutionError::PrepareError(_) => Failure::Refused(why),
        ExecutionError::LastAttemptError(attempt) => match attempt {
            RequestAttemptError::DbError(answer, _) if refuses(answer) => Failure::Refused(why),
            RequestAttemptError::SerializationError(_)
            | RequestAttemptError::CqlRequestSerialization(_)
            | RequestAttemptError::UnableToAllocStreamId => Failure::Refused(why),
            _ => Failure::Lost(why),
        },
        _ => Failure::Lost(why),
    }
}

/// Whether this answer says that nothing was done.
fn refuses(answer: &DbError) -> bool {
    matches!(
        answer,
        DbError::Unavailable { .. }
            | DbError::IsBootstrapping
            | DbError::SyntaxError
            | DbError::Invalid
            | DbError::Unauthorized
            | DbError::ConfigError
            | DbError::AlreadyExists { .. }
            | DbError::AuthenticationError
            | DbError::Unprepared { .. }
    )
}

/// Why there is no session.
pub(super) fn connecting(target: &Target, error: &NewSessionError) -> Fault {
    let kind = match error {
        NewSessionError::FailedToResolveAnyHostname(names) => {
            FaultKind::Unreachable(format!("no address for {}", names.join(", ")))
        }
        NewSessionError::MetadataError(MetadataError::ConnectionPoolError(ConnectionPoolError::Broken {
            last_connection_error,
        })) => unconnected(target, last_connection_error),
        other => FaultKind::Unreachable(other.to_string()),
    };
    kind.at(target)
}

fn unconnected(target: &Target, error: &ConnectionError) -> FaultKind {
    let user =
        target.credentials.as_ref().map_or("a connection without a user".to_owned(), |c| format!("`{}`", c.user));
    match error {
        ConnectionError::ConnectionSetupRequestError(setup) => match setup.get_error() {
            ConnectionSetupRequestErrorKind::MissingAuthentication
            | ConnectionSetupRequestErrorKind::DbError(DbError::AuthenticationError, _) => FaultKind::Credentials(user),
            ConnectionSetupRequestErrorKind::DbError(_, why) => FaultKind::Other(why.clone()),
            other => FaultKind::Foreign(format!("no CQL: {other}")),
        },
        // The port took the connection and broke it off: it speaks something else.
        ConnectionError::BrokenConnection(broken) => FaultKind::Foreign(format!("no CQL: {broken}")),
        other => FaultKind::Unreachable(other.to_string()),
    }
}

/// Why a statement could not be prepared.
pub(super) fn preparing(target: &Target, text: &str, error: &PrepareError) -> Fault {
    let kind = match error {
        PrepareError::AllAttemptsFailed {
            first_attempt: RequestAttemptError::DbError(DbError::Invalid, why), ..
        } => FaultKind::Schema(format!("the schema has drifted: `{text}` is refused ({why}); restore what is missing")),
        PrepareError::AllAttemptsFailed {
            first_attempt: RequestAttemptError::DbError(DbError::Unauthorized, why),
            ..
        } => FaultKind::Rights(format!("run `{text}` ({why})")),
        other => FaultKind::Unreachable(other.to_string()),
    };
    kind.at(target)
}

/// Why a statement of the schema could not be run.
pub(super) fn asking(target: &Target, what: &str, error: &ExecutionError) -> Fault {
    let kind = match error {
        ExecutionError::LastAttemptError(RequestAttemptError::DbError(DbError::Unauthorized, why)) => {
            FaultKind::Rights(format!("{what} ({why})"))
        }
        ExecutionError::EmptyPlan | ExecutionError::ConnectionPoolError(_) | ExecutionError::RequestTimeout(_) => {
            FaultKind::Unreachable(error.to_string())
        }
        other => FaultKind::Other(format!("cannot {what}: {other}")),
    };
    kind.at(target)
}
