//! What can go wrong on the marketplace.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::{
    contexts::ledger::LedgerError,
    error::{ErrorKind, Fault, FieldError},
    machine::{Refusal, moves::MoveError},
    ports::payments::PaymentError,
    postgres::DbError,
};

/// The noun with its indefinite article.
fn one(noun: &str) -> String {
    let article = if noun.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {noun}")
}

/// What can go wrong on the marketplace.
#[derive(Debug, thiserror::Error)]
pub enum GigsError {
    /// There is no such thing, or none that the caller may see.
    #[error("there is no such {0}")]
    No(&'static str),
    /// The path names a step that this machine does not have.
    #[error("{} has no such transition", one(.0))]
    NoTransition(&'static str),
    /// Somebody else may do this.
    #[error("{0}")]
    NotYours(&'static str),
    /// An unverified person may not post, pay or be paid.
    #[error("verify your e-mail address first: {0}")]
    NotVerified(&'static str),
    /// Not in the present state.
    #[error("{} that is {state} cannot do this", one(machine))]
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
    /// One application a person and gig.
    #[error("you have applied to this gig before")]
    AppliedAlready,
    /// One invitation a person and gig.
    #[error("they are invited already")]
    InvitedAlready,
    /// One review a side.
    #[error("you have reviewed this contract before")]
    ReviewedAlready,
    /// Somebody changed it in the meantime.
    #[error("it was changed in the meantime")]
    Stale,
    /// A value is out of its bounds.
    #[error("some fields are not acceptable")]
    Invalid(Vec<FieldError>),
    /// The money.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The payment provider.
    #[error(transparent)]
    Payment(#[from] PaymentError),
    /// Another thing has to happen first; asking again in a moment will do.
    #[error("{0}")]
    Later(&'static str),
    /// Another part of the server failed.
    #[error("another part of the server failed")]
    Elsewhere(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Something in the store is not what we wrote.
    #[error("the store holds something unreadable")]
    Corrupt(#[from] serde_json::Error),
    /// The store.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl GigsError {
    /// One wrong field.
    pub fn field(pointer: impl Into<String>, detail: impl std::fmt::Display) -> Self {
        Self::Invalid(vec![FieldError::new(pointer, detail.to_string())])
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

impl From<MoveError> for GigsError {
    fn from(error: MoveError) -> Self {
        match error {
            MoveError::Refused { machine, state, refusal } => Self::refused(machine, state, refusal),
            MoveError::Stale => Self::Stale,
            MoveError::Db(error) => Self::Db(error),
        }
    }
}

impl From<diesel::result::Error> for GigsError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Db(error.into())
    }
}

impl Fault for GigsError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::No(_) | Self::NoTransition(_) => ErrorKind::NotFound,
            Self::NotYours(_) | Self::NotVerified(_) => ErrorKind::Forbidden,
            Self::NotNow { .. }
            | Self::Contradicts(_)
            | Self::AppliedAlready
            | Self::InvitedAlready
            | Self::ReviewedAlready => ErrorKind::Conflict,
            Self::Stale => ErrorKind::PreconditionFailed,
            Self::Invalid(_) => ErrorKind::Invalid,
            Self::Later(_) => ErrorKind::Unavailable,
            Self::Elsewhere(_) => ErrorKind::Unavailable,
            Self::Corrupt(_) => ErrorKind::Internal,
            Self::Ledger(error) => error.kind(),
            Self::Payment(error) => error.kind(),
            Self::Db(error) => error.kind(),
        }
    }

    fn slug(&self) -> &'static str {
        match self {
            Self::NoTransition(_) => "no-such-transition",
            Self::NotVerified(_) => "email-not-verified",
            Self::NotNow { .. } => "transition-not-allowed",
            Self::AppliedAlready => "already-applied",
            Self::InvitedAlready => "already-invited",
            Self::ReviewedAlready => "already-reviewed",
            Self::Ledger(error) => error.slug(),
            other => other.kind().slug(),
        }
    }

    fn fields(&self) -> Vec<FieldError> {
        match self {
            Self::Invalid(fields) => fields.clone(),
            Self::Ledger(error) => error.fields(),
            _ => Vec::new(),
        }
    }

    fn extensions(&self) -> Map<String, Value> {
        let mut more = Map::new();
        if let Self::NotNow { state, allowed, .. } = self {
            more.insert("state".into(), json!(state));
            more.insert("allowed_transitions".into(), json!(allowed));
        }
        more
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Later(_) => Some(Duration::from_secs(1)),
            Self::Ledger(error) => error.retry_after(),
            Self::Payment(error) => error.retry_after(),
            Self::Db(error) => error.retry_after(),
            _ => None,
        }
    }
}
