//! What can go wrong with uploads.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::model::UploadState;
use crate::{
    error::{ErrorKind, Fault, FieldError},
    ports::objects::ObjectError,
    postgres::DbError,
};

/// What can go wrong with uploads.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// There is no such upload, or it is somebody else's.
    #[error("there is no such upload")]
    No,
    /// Not in its present state.
    #[error("an upload that is {0} cannot do this")]
    NotNow(UploadState),
    /// Parts have not arrived, or not whole.
    #[error("parts are missing")]
    Incomplete(Vec<u32>),
    /// It did not pass the verification.
    #[error("the upload was refused: {0}")]
    Refused(String),
    /// The person's objects would take up too much.
    #[error("this would be more than your {0} bytes; remove something first")]
    OverQuota(u64),
    /// A context needs it.
    #[error("it is in use")]
    InUse,
    /// A value is out of its bounds.
    #[error("some fields are not acceptable")]
    Invalid(Vec<FieldError>),
    /// The store of the bytes.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// The store of the rows.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl UploadError {
    /// One wrong field.
    pub fn field(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldError::new(pointer, detail)])
    }
}

impl From<diesel::result::Error> for UploadError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Db(error.into())
    }
}

impl Fault for UploadError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::No => ErrorKind::NotFound,
            Self::NotNow(_) | Self::Incomplete(_) | Self::InUse | Self::OverQuota(_) => ErrorKind::Conflict,
            Self::Refused(_) | Self::Invalid(_) => ErrorKind::Invalid,
            // Its own row says that it is there: a store that has it not is not well.
            Self::Object(ObjectError::NotFound) => ErrorKind::Conflict,
            Self::Object(error) => error.kind(),
            Self::Db(error) => error.kind(),
        }
    }

    fn slug(&self) -> &'static str {
        match self {
            Self::Incomplete(_) => "upload-incomplete",
            Self::Refused(_) => "upload-refused",
            Self::OverQuota(_) => "over-quota",
            Self::InUse => "in-use",
            Self::Object(ObjectError::NotFound) => "upload-incomplete",
            other => other.kind().slug(),
        }
    }

    fn fields(&self) -> Vec<FieldError> {
        match self {
            Self::Invalid(fields) => fields.clone(),
            _ => Vec::new(),
        }
    }

    fn extensions(&self) -> Map<String, Value> {
        let mut more = Map::new();
        if let Self::Incomplete(parts) = self {
            more.insert("missing_parts".into(), json!(parts));
        }
        more
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Object(ObjectError::Unavailable(_)) => Some(Duration::from_secs(2)),
            Self::Db(error) => error.retry_after(),
            _ => None,
        }
    }
}
