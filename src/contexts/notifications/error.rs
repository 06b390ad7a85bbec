//! What can go wrong with notifications, and what a caller is told.

use std::time::Duration;

use crate::{
    error::{ErrorKind, Fault, FieldError},
    postgres::DbError,
};

/// Every failure of this context.
#[derive(Debug, thiserror::Error)]
pub enum NotificationsError {
    /// Fields are wrong.
    #[error("some fields are not acceptable")]
    Invalid(Vec<FieldError>),
    /// The preferences changed in the meantime.
    #[error("the preferences have changed since you read them; read them again")]
    Stale,
    /// A link of a mail that is not ours, or was cut.
    #[error("this link is not one from our mails, or a part of it is missing")]
    BadLink,
    /// Web Push is not set up.
    #[error("this server pushes nothing")]
    NoPush,
    /// No such browser of the person's.
    #[error("there is no such subscription of yours")]
    NoSubscription,
    /// The key for Web Push.
    #[error("Web Push cannot be set up")]
    Push(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The person's data were erased.
    #[error("there is no such person any more")]
    Forgotten,
    /// The store.
    #[error(transparent)]
    Db(#[from] DbError),
    /// People cannot be looked up.
    #[error("people cannot be looked up at the moment")]
    People(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl NotificationsError {
    /// One wrong field.
    pub(super) fn field(pointer: &str, detail: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldError::new(pointer, detail)])
    }
}

impl From<diesel::result::Error> for NotificationsError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Db(error.into())
    }
}

impl Fault for NotificationsError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Invalid(_) => ErrorKind::Invalid,
            Self::Stale => ErrorKind::PreconditionFailed,
            Self::BadLink => ErrorKind::BadRequest,
            Self::Forgotten => ErrorKind::Gone,
            Self::NoPush | Self::NoSubscription => ErrorKind::NotFound,
            Self::Push(_) => ErrorKind::Internal,
            Self::Db(error) => error.kind(),
            Self::People(_) => ErrorKind::Unavailable,
        }
    }

    fn slug(&self) -> &'static str {
        match self {
            Self::BadLink => "bad-link",
            _ => self.kind().slug(),
        }
    }

    fn fields(&self) -> Vec<FieldError> {
        match self {
            Self::Invalid(fields) => fields.clone(),
            _ => Vec::new(),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        matches!(self.kind(), ErrorKind::Unavailable).then_some(Duration::from_secs(1))
    }
}
