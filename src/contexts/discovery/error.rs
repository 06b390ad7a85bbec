//! What can go wrong with searches and recommendations.

use std::time::Duration;

use crate::{
    error::{ErrorKind, Fault, FieldError},
    ports::{embed::EmbedError, text::TextError, vectors::VectorError},
    postgres::DbError,
};

/// What can go wrong with searches and recommendations.
#[derive(Debug, thiserror::Error)]
pub enum DiscoveryError {
    /// There is no such thing, or none that the caller may see.
    #[error("there is no such {0}")]
    No(&'static str),
    /// Somebody else may do this.
    #[error("{0}")]
    NotYours(&'static str),
    /// A value is out of its bounds.
    #[error("some fields are not acceptable")]
    Invalid(Vec<FieldError>),
    /// One person's searches are under way, as many as may be at once.
    #[error("enough of your searches are under way: wait for them")]
    TooMany,
    /// Too many people search.
    #[error("too many searches are under way")]
    Crowded,
    /// The text index.
    #[error(transparent)]
    Text(#[from] TextError),
    /// The vector store.
    #[error(transparent)]
    Vectors(#[from] VectorError),
    /// What makes vectors.
    #[error(transparent)]
    Embed(#[from] EmbedError),
    /// Another context cannot tell.
    #[error("another part of the server failed")]
    Elsewhere {
        /// Whether it may work later.
        kind: ErrorKind,
        /// What it said.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Something in the store is not what we wrote.
    #[error("the store holds something unreadable")]
    Corrupt(#[from] serde_json::Error),
    /// The store.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl DiscoveryError {
    pub(super) fn field(pointer: &str, detail: &str) -> Self {
        Self::Invalid(vec![FieldError::new(pointer, detail)])
    }

    /// Another context's error.
    pub(super) fn elsewhere(error: impl Fault + 'static) -> Self {
        Self::Elsewhere { kind: error.kind(), cause: Box::new(error) }
    }

    /// Whether the same may work later.
    pub fn is_transient(&self) -> bool {
        self.kind().temporary()
    }
}

impl From<diesel::result::Error> for DiscoveryError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Db(error.into())
    }
}

impl Fault for DiscoveryError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::No(_) => ErrorKind::NotFound,
            Self::NotYours(_) => ErrorKind::Forbidden,
            Self::Invalid(_) => ErrorKind::Invalid,
            Self::TooMany => ErrorKind::RateLimited,
            Self::Crowded => ErrorKind::Unavailable,
            Self::Text(error) => error.kind(),
            Self::Vectors(error) => error.kind(),
            Self::Embed(error) => error.kind(),
            // Whose thing is missing there is missing here: other kinds mean nothing to our callers.
            Self::Elsewhere { kind: ErrorKind::Unavailable, .. } => ErrorKind::Unavailable,
            Self::Elsewhere { .. } | Self::Corrupt(_) => ErrorKind::Internal,
            Self::Db(error) => error.kind(),
        }
    }

    fn fields(&self) -> Vec<FieldError> {
        match self {
            Self::Invalid(fields) => fields.clone(),
            _ => Vec::new(),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        let later = matches!(self.kind(), ErrorKind::Unavailable | ErrorKind::RateLimited);
        later.then(|| Duration::from_secs(1))
    }
}
