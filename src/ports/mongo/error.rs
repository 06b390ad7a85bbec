//! What a failure means to whoever asked.

use mongodb::error::{Error, ErrorKind, WriteFailure};

/// A failed operation.
#[derive(Debug, thiserror::Error)]
pub enum MongoError {
    /// No server answers, or it broke off: what was asked for may or may not have been done.
    #[error("MongoDB does not answer")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A unique index refuses it.
    #[error("the document is there already")]
    Duplicate,
    /// It was refused, and will be again.
    #[error("MongoDB refuses")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Codes of a server that cannot serve now: interrupted, shutting down, not the primary, out of time,
/// or not (yet) knowing us. From the server's `error_codes.yml`.
const PASSING: &[i32] = &[
    6, 7, 13, 18, 50, 64, 89, 91, 112, 134, 189, 202, 262, 290, 317, 9001, 10107, 11600, 11602, 13435, 13436,
];
/// `DuplicateKey`.
const DUPLICATE: i32 = 11_000;

impl From<Error> for MongoError {
    fn from(error: Error) -> Self {
        let passing =
            error.contains_label("RetryableWriteError") || error.contains_label("TransientTransactionError");
        let code = match error.kind.as_ref() {
            ErrorKind::Write(WriteFailure::WriteError(write)) => Some(write.code),
            ErrorKind::Command(command) => Some(command.code),
            ErrorKind::InsertMany(many) if many.write_concern_error.is_none() => {
                // Only if nothing else is wrong with it.
                let codes = many.write_errors.iter().flatten().map(|write| write.code);
                codes.max_by_key(|code| *code != DUPLICATE)
            }
            _ => None,
        };
        match (code, error.kind.as_ref()) {
            (Some(DUPLICATE), _) => Self::Duplicate,
            _ if passing => Self::Unavailable(error.into()),
            (Some(code), _) if PASSING.contains(&code) => Self::Unavailable(error.into()),
            (Some(_), _) => Self::Failed(error.into()),
            // Written, and not known to be durable.
            (None, ErrorKind::Write(_) | ErrorKind::InsertMany(_)) => Self::Unavailable(error.into()),
            (
                None,
                ErrorKind::Io(_)
                | ErrorKind::ServerSelection { .. }
                | ErrorKind::ConnectionPoolCleared { .. }
                | ErrorKind::DnsResolve { .. }
                | ErrorKind::Authentication { .. }
                | ErrorKind::InvalidResponse { .. }
                | ErrorKind::Shutdown
                | ErrorKind::Internal { .. },
            ) => Self::Unavailable(error.into()),
            _ => Self::Failed(error.into()),
        }
    }
}

impl MongoError {
    /// The cause in one line, for operators. The driver keeps credentials out of it.
    pub fn reason(&self) -> String {
        match self {
            Self::Duplicate => self.to_string(),
            Self::Unavailable(cause) | Self::Failed(cause) => cause.to_string(),
        }
    }
}
