//! What can go wrong.

use std::time::Duration;

use crate::{
    error::{ErrorKind, Fault, FieldError},
    ports::mongo::MongoError,
    postgres::DbError,
};

/// Every failure of this context.
#[derive(Debug, thiserror::Error)]
pub enum ActivityError {
    /// A field is wrong.
    #[error("some fields are not acceptable")]
    Invalid(FieldError),
    /// What is in the path is nobody's id.
    #[error("there is no such person")]
    NoPerson,
    /// The stream in PostgreSQL.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The stream in MongoDB.
    #[error(transparent)]
    Mongo(#[from] MongoError),
    /// Something in the stream is not what we wrote.
    #[error("the stream holds something unreadable")]
    Corrupt,
}

impl From<diesel::result::Error> for ActivityError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Db(error.into())
    }
}

impl Fault for ActivityError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Invalid(_) => ErrorKind::Invalid,
            Self::NoPerson => ErrorKind::NotFound,
            Self::Db(error) => error.kind(),
            Self::Mongo(MongoError::Unavailable(_)) => ErrorKind::Unavailable,
            Self::Mongo(_) | Self::Corrupt => ErrorKind::Internal,
        }
    }

    fn fields(&self) -> Vec<FieldError> {
        match self {
            Self::Invalid(field) => vec![field.clone()],
            _ => Vec::new(),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        matches!(self.kind(), ErrorKind::Unavailable).then_some(Duration::from_secs(1))
    }
}
