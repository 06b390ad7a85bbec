//! What can go wrong with points and boards.

use std::time::Duration;

use super::model::{BadRules, NoBoard};
use crate::{
    actors::AskError,
    contexts::identity::IdentityError,
    error::{ErrorKind, Fault, FieldError},
    postgres::DbError,
};

/// What can go wrong with points and boards.
#[derive(Debug, thiserror::Error)]
pub enum GameError {
    /// There is no such thing, or none that the caller may see.
    #[error("there is no such {0}")]
    No(&'static str),
    /// The person is not on the board: without points there, or by their own choice.
    #[error("this person is not on this board")]
    NotRanked,
    /// A value is out of its bounds.
    #[error("some fields are not acceptable")]
    Invalid(Vec<FieldError>),
    /// Somebody changed it in the meantime.
    #[error("it was changed in the meantime; read it again")]
    Stale,
    /// The board does not answer.
    #[error(transparent)]
    Board(#[from] AskError),
    /// The directory of people.
    #[error(transparent)]
    People(#[from] IdentityError),
    /// The rules that are compiled in.
    #[error(transparent)]
    Rules(#[from] BadRules),
    /// The store.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl GameError {
    pub(super) fn field(pointer: &str, detail: &str) -> Self {
        Self::Invalid(vec![FieldError::new(pointer, detail)])
    }
}

impl From<diesel::result::Error> for GameError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Db(error.into())
    }
}

impl From<NoBoard> for GameError {
    fn from(_: NoBoard) -> Self {
        Self::No("leaderboard")
    }
}

impl Fault for GameError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::No(_) | Self::NotRanked => ErrorKind::NotFound,
            Self::Invalid(_) => ErrorKind::Invalid,
            Self::Stale => ErrorKind::PreconditionFailed,
            Self::Board(error) => error.kind(),
            Self::People(error) => error.kind(),
            Self::Rules(_) => ErrorKind::Internal,
            Self::Db(error) => error.kind(),
        }
    }

    fn slug(&self) -> &'static str {
        match self {
            Self::NotRanked => "not-ranked",
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
        match self {
            Self::Board(error) => error.retry_after(),
            Self::Db(_) if self.kind() == ErrorKind::Unavailable => Some(Duration::from_secs(1)),
            _ => None,
        }
    }
}
