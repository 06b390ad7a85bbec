//! What a query can come to, in the terms a store decides by.

use std::{error::Error, time::Duration};

use diesel::result::{DatabaseErrorInformation, DatabaseErrorKind as Kind, Error as DieselError};

use crate::error::{ErrorKind, Fault};

/// A failed query.
///
/// A store turns the constraint violations it expects into its own error and passes the rest on.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// No connection within the deadline, or the connection was lost. Whether a statement that was
    /// under way took effect is unknown.
    #[error("the database is not available at the moment")]
    Unavailable(#[source] Cause),
    /// A unique index refused the row.
    #[error("that exists already")]
    UniqueViolation {
        /// The constraint's or the index's name.
        constraint: String,
    },
    /// A check or not-null constraint refused the row.
    #[error("a value is out of its bounds")]
    CheckViolation {
        /// The constraint's name; of a not-null constraint, the column's.
        constraint: String,
    },
    /// A foreign key names a row that is not there, or one is still referred to.
    #[error("something this refers to does not exist")]
    ForeignKey {
        /// The constraint's name.
        constraint: String,
    },
    /// An exclusion constraint refused the row.
    #[error("that overlaps with what exists")]
    Exclusion {
        /// The constraint's name.
        constraint: String,
    },
    /// A query that must find a row found none.
    #[error("not found")]
    NotFound,
    /// Anything else: a mistake of ours.
    #[error("the database refused a query")]
    Other(#[source] Cause),
}

/// What lies behind a [`DbError`]; for the log.
pub type Cause = Box<dyn Error + Send + Sync>;

impl DbError {
    /// The constraint that refused the row, if one did.
    pub fn constraint(&self) -> Option<&str> {
        match self {
            Self::UniqueViolation { constraint }
            | Self::CheckViolation { constraint }
            | Self::ForeignKey { constraint }
            | Self::Exclusion { constraint } => Some(constraint),
            _ => None,
        }
    }

    /// Whether a unique index of that name refused the row.
    pub fn is_unique(&self, name: &str) -> bool {
        matches!(self, Self::UniqueViolation { constraint } if constraint == name)
    }

    /// Whether the same call may succeed later.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

impl Fault for DbError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Unavailable(_) => ErrorKind::Unavailable,
            Self::UniqueViolation { .. } | Self::ForeignKey { .. } | Self::Exclusion { .. } => {
                ErrorKind::Conflict
            }
            Self::CheckViolation { .. } => ErrorKind::Invalid,
            Self::NotFound => ErrorKind::NotFound,
            Self::Other(_) => ErrorKind::Internal,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        self.is_unavailable().then_some(Duration::from_secs(1))
    }
}

impl From<DieselError> for DbError {
    fn from(error: DieselError) -> Self {
        let DieselError::DatabaseError(kind, info) = &error else {
            return match error {
                DieselError::NotFound => Self::NotFound,
                // A transaction whose connection broke half-way cannot even be rolled back.
                DieselError::BrokenTransactionManager => Self::Unavailable(error.into()),
                DieselError::RollbackErrorOnCommit { rollback_error, commit_error } => {
                    match (Self::from(*commit_error), Self::from(*rollback_error)) {
                        (Self::Other(_), rollback @ Self::Unavailable(_)) => rollback,
                        (commit, _) => commit,
                    }
                }
                other => Self::Other(other.into()),
            };
        };
        let constraint = || info.constraint_name().unwrap_or_default().to_owned();
        match kind {
            Kind::UniqueViolation => Self::UniqueViolation { constraint: constraint() },
            Kind::CheckViolation => Self::CheckViolation { constraint: constraint() },
            Kind::NotNullViolation => {
                Self::CheckViolation { constraint: info.column_name().unwrap_or_default().to_owned() }
            }
            Kind::ForeignKeyViolation | Kind::RestrictViolation => {
                Self::ForeignKey { constraint: constraint() }
            }
            Kind::ExclusionViolation => Self::Exclusion { constraint: constraint() },
            Kind::UnableToSendCommand
            | Kind::ClosedConnection
            | Kind::SerializationFailure
            | Kind::ReadOnlyTransaction => Self::Unavailable(error.into()),
            _ if tells_of_absence(info.as_ref()) => Self::Unavailable(error.into()),
            _ => Self::Other(error.into()),
        }
    }
}

/// Diesel passes a message on but no SQLSTATE, so the states that mean "later" (57P01 to 57P05,
/// 53xxx, 40P01, 25006) are told by the server's words. The private server speaks English; on a
/// server set to another language these come out as [`DbError::Other`].
fn tells_of_absence(info: &dyn DatabaseErrorInformation) -> bool {
    const WORDS: [&str; 9] = [
        "terminating connection",
        "terminating autovacuum",
        "the database system is",
        "connection closed",
        "deadlock detected",
        "No space left on device",
        "could not extend file",
        "too many clients already",
        "out of shared memory",
    ];
    let message = info.message();
    WORDS.iter().any(|word| message.contains(word))
}

/// Why the relational store could not be opened. Every message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// `DATABASE_URL` cannot be used as it stands.
    #[error("DATABASE_URL: {0}")]
    Url(String),
    /// The server does not answer or refuses us.
    #[error("cannot connect to the PostgreSQL at {place}: {reason}")]
    Connect {
        /// Host and database, without credentials.
        place: String,
        /// What the server or the system said.
        reason: String,
    },
    /// The server is older than what the migrations need.
    #[error("the PostgreSQL at {place} is version {version}; Gigsy needs {needed} or later", needed = super::OLDEST)]
    TooOld {
        /// Host and database, without credentials.
        place: String,
        /// The server's major version.
        version: u32,
    },
    /// A migration failed; nothing of it stayed.
    #[error("migration failed: {0}")]
    Migration(String),
    /// The private server could not be started.
    #[error(transparent)]
    Embedded(#[from] super::embedded::EmbeddedError),
    /// The system refused something basic (a thread, a runtime).
    #[error("{0}")]
    System(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database(kind: Kind, message: &str) -> DbError {
        DieselError::DatabaseError(kind, Box::new(message.to_owned())).into()
    }

    #[test]
    fn a_lost_connection_is_temporary_and_a_bad_query_is_not() {
        assert!(database(Kind::ClosedConnection, "x").is_unavailable());
        assert!(database(Kind::UnableToSendCommand, "x").is_unavailable());
        for said in [
            "terminating connection due to administrator command",
            "terminating connection because of crash of another server process",
            "the database system is starting up",
            "deadlock detected",
        ] {
            let error = database(Kind::Unknown, said);
            assert_eq!(error.kind().status(), 503, "{said}");
            assert!(error.retry_after().is_some());
        }
        assert_eq!(database(Kind::Unknown, "syntax error").kind(), ErrorKind::Internal);
        assert_eq!(DbError::from(DieselError::NotFound).kind(), ErrorKind::NotFound);
    }

    #[test]
    fn what_the_caller_reads_tells_nothing_of_the_inside() {
        let error = database(Kind::Unknown, "relation \"secret\" does not exist");
        assert!(!error.to_string().contains("secret"));
        assert!(error.source().is_some_and(|cause| cause.to_string().contains("secret")));
    }
}
