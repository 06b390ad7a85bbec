//! What can go wrong in learning.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{certificate::DocumentError, model::ItemId};
use crate::{
    actors::AskError,
    contexts::{ledger::LedgerError, objects::UploadError},
    error::{ErrorKind, Fault, FieldError},
    machine::{Refusal, moves::MoveError},
    ports::payments::PaymentError,
    postgres::DbError,
};

/// What can go wrong in learning.
#[derive(Debug, thiserror::Error)]
pub enum LearningError {
    /// There is no such thing, or none that the caller may see.
    #[error("there is no such {0}")]
    No(&'static str),
    /// The path names a step that this machine does not have.
    #[error("a {0} has no such transition")]
    NoTransition(&'static str),
    /// Somebody else may do this.
    #[error("{0}")]
    NotYours(&'static str),
    /// Not in the present state.
    #[error("a {machine} that is {state} cannot do this")]
    NotNow {
        /// What kind of thing.
        machine: &'static str,
        /// Its state.
        state: &'static str,
        /// What the caller could do with it instead.
        allowed: Vec<&'static str>,
    },
    /// In a way that the states do not tell.
    #[error("{0}")]
    Contradicts(&'static str),
    /// One enrolment that counts, a person and course.
    #[error("you are enrolled in this course")]
    EnrolledAlready,
    /// Other courses come first.
    #[error("complete the courses that this one builds on first")]
    Prerequisites(Vec<uuid::Uuid>),
    /// Other items come first.
    #[error("complete what comes before first")]
    Locked(Vec<ItemId>),
    /// The time is over.
    #[error("the time is over")]
    TooLate,
    /// As often as allowed.
    #[error("no attempt is left")]
    NoAttempts,
    /// Somebody (or another tab) changed it in the meantime.
    #[error("it was changed in the meantime")]
    Stale,
    /// A value is out of its bounds.
    #[error("some fields are not acceptable")]
    Invalid(Vec<FieldError>),
    /// The cohort has not begun.
    #[error("this begins at {0}")]
    NotYet(chrono::DateTime<chrono::Utc>),
    /// An unverified person may not pay.
    #[error("verify your e-mail address first: {0}")]
    NotVerified(&'static str),
    /// The money.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The payment provider.
    #[error(transparent)]
    Payment(#[from] PaymentError),
    /// Another thing has to happen first; asking again in a moment will do.
    #[error("{0}")]
    Later(&'static str),
    /// Files.
    #[error(transparent)]
    Upload(#[from] UploadError),
    /// Names of people cannot be asked for now.
    #[error("people cannot be looked up at the moment")]
    People(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A document cannot be made.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// A live quiz's actor.
    #[error(transparent)]
    Actor(#[from] AskError),
    /// A key or a signature cannot be made.
    #[error("nothing can be signed")]
    Signing,
    /// Something in the store is not what we wrote.
    #[error("the store holds something unreadable")]
    Corrupt(#[from] serde_json::Error),
    /// The store.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl LearningError {
    /// One wrong field.
    pub fn field(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldError::new(pointer, detail)])
    }

    /// A refusal by a machine's rules.
    pub(super) fn refused(machine: &'static str, state: &'static str, refusal: Refusal) -> Self {
        match refusal {
            Refusal::Unknown => Self::NoTransition(machine),
            Refusal::NotYours => Self::NotYours("somebody else may do this, not you"),
            Refusal::NotNow { allowed } => Self::NotNow { machine, state, allowed },
        }
    }
}

impl From<MoveError> for LearningError {
    fn from(error: MoveError) -> Self {
        match error {
            MoveError::Refused { machine, state, refusal } => Self::refused(machine, state, refusal),
            MoveError::Stale => Self::Stale,
            MoveError::Db(error) => Self::Db(error),
        }
    }
}

impl From<diesel::result::Error> for LearningError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Db(error.into())
    }
}

impl Fault for LearningError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::No(_) | Self::NoTransition(_) => ErrorKind::NotFound,
            Self::NotYours(_) | Self::NotVerified(_) => ErrorKind::Forbidden,
            Self::NotNow { .. }
            | Self::Contradicts(_)
            | Self::EnrolledAlready
            | Self::Prerequisites(_)
            | Self::Locked(_)
            | Self::TooLate
            | Self::NotYet(_)
            | Self::NoAttempts => ErrorKind::Conflict,
            Self::Stale => ErrorKind::PreconditionFailed,
            Self::Invalid(_) => ErrorKind::Invalid,
            // An operator puts a font there; until then the certificate is in conflict with the fonts.
            Self::Document(DocumentError::NoFont(_)) => ErrorKind::Conflict,
            Self::Document(_) => ErrorKind::Internal,
            Self::People(_) | Self::Later(_) => ErrorKind::Unavailable,
            Self::Ledger(error) => error.kind(),
            Self::Payment(error) => error.kind(),
            Self::Corrupt(_) | Self::Signing => ErrorKind::Internal,
            Self::Actor(error) => error.kind(),
            Self::Upload(error) => error.kind(),
            Self::Db(error) => error.kind(),
        }
    }

    fn slug(&self) -> &'static str {
        match self {
            Self::NoTransition(_) => "no-such-transition",
            Self::NotNow { .. } => "transition-not-allowed",
            Self::EnrolledAlready => "already-enrolled",
            Self::Prerequisites(_) => "prerequisites",
            Self::Locked(_) => "locked",
            Self::TooLate => "too-late",
            Self::NotYet(_) => "not-yet",
            Self::NotVerified(_) => "email-not-verified",
            Self::Ledger(error) => error.slug(),
            Self::NoAttempts => "no-attempts-left",
            Self::Document(DocumentError::NoFont(_)) => "no-font",
            Self::Upload(error) => error.slug(),
            other => other.kind().slug(),
        }
    }

    fn fields(&self) -> Vec<FieldError> {
        match self {
            Self::Invalid(fields) => fields.clone(),
            Self::Upload(error) => error.fields(),
            _ => Vec::new(),
        }
    }

    fn extensions(&self) -> Map<String, Value> {
        let mut more = Map::new();
        match self {
            Self::NotNow { state, allowed, .. } => {
                more.insert("state".into(), json!(state));
                more.insert("allowed_transitions".into(), json!(allowed));
            }
            Self::Prerequisites(courses) => {
                more.insert("course_ids".into(), json!(courses));
            }
            Self::Locked(items) => {
                more.insert("item_ids".into(), json!(items));
            }
            _ => {}
        }
        more
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Actor(error) => error.retry_after(),
            Self::Upload(error) => error.retry_after(),
            Self::Ledger(error) => error.retry_after(),
            Self::Payment(error) => error.retry_after(),
            Self::Later(_) => Some(Duration::from_secs(5)),
            Self::Db(error) => error.retry_after(),
            _ => None,
        }
    }
}
