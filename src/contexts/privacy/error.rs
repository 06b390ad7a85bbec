//! What can go wrong with data rights.

use crate::{
    contexts::objects::UploadError,
    error::{ErrorKind, Fault, FieldError},
    events::ConsumeError,
    postgres::DbError,
};

/// What can go wrong with data rights.
#[derive(Debug, thiserror::Error)]
pub enum PrivacyError {
    /// There is no such thing, or it is somebody else's.
    #[error("there is no such {0}")]
    No(&'static str),
    /// Not in its present state.
    #[error("{0}")]
    NotNow(&'static str),
    /// A value is out of its bounds.
    #[error("some fields are not acceptable")]
    Invalid(Vec<FieldError>),
    /// What was begun could not be gone on with.
    #[error("it cannot be gone on with")]
    Archive(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Where archives are kept.
    #[error(transparent)]
    Uploads(#[from] UploadError),
    /// The store.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl PrivacyError {
    pub(super) fn archive(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Archive(cause.into())
    }
}

impl From<diesel::result::Error> for PrivacyError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Db(error.into())
    }
}

impl From<PrivacyError> for ConsumeError {
    fn from(error: PrivacyError) -> Self {
        match error {
            PrivacyError::Db(error) => Self::Db(error),
            other => Self::Retry(other.to_string()),
        }
    }
}

impl Fault for PrivacyError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::No(_) => ErrorKind::NotFound,
            Self::NotNow(_) => ErrorKind::Conflict,
            Self::Invalid(_) => ErrorKind::Invalid,
            Self::Archive(_) => ErrorKind::Internal,
            Self::Uploads(error) => error.kind(),
            Self::Db(error) => error.kind(),
        }
    }

    fn fields(&self) -> Vec<FieldError> {
        match self {
            Self::Invalid(fields) => fields.clone(),
            _ => Vec::new(),
        }
    }

    fn retry_after(&self) -> Option<std::time::Duration> {
        match self {
            Self::Uploads(error) => error.retry_after(),
            Self::Db(error) => error.retry_after(),
            _ => None,
        }
    }
}
