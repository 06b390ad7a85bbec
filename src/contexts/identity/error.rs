//! What can go wrong in identity, and what a caller is told.

use std::time::Duration;

use super::store::StoreError;
use crate::{
    error::{ErrorKind, Fault, FieldError},
    ports::mail::MailError,
    signing::SignatureError,
};

/// Every failure of this context.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// Fields are wrong.
    #[error("some fields are not acceptable")]
    Invalid(Vec<FieldError>),
    /// Another account has the address.
    #[error("an account with this e-mail address exists already")]
    EmailTaken,
    /// No such account, no password, or another one: which of them is not told.
    #[error("the e-mail address or the password is wrong")]
    WrongCredentials,
    /// The password that confirms a change is not the account's.
    #[error("the password is wrong")]
    WrongPassword {
        /// The field that held it.
        pointer: &'static str,
    },
    /// Too many wrong passwords of late.
    #[error("too many wrong passwords; wait before the next attempt")]
    TooManyAttempts {
        /// When the next attempt is looked at.
        retry_after: Duration,
    },
    /// Too many mails of one sort were asked for.
    #[error("several mails were sent already; look into the mailbox, or ask again later")]
    TooManyMails {
        /// When the next one is sent.
        retry_after: Duration,
    },
    /// No live session belongs to the token.
    #[error("the session is not valid, or has ended")]
    NoSession,
    /// A connection token that was valid, and is not any more.
    #[error("the connection token has expired")]
    TokenExpired,
    /// The link was used, has expired, or a newer deed made it void.
    #[error("the link was used already or has expired; ask for a new one")]
    LinkDead,
    /// There is no such thing.
    #[error("no such {0}")]
    NotFound(&'static str),
    /// The profile was changed in the meantime.
    #[error("the profile was changed in the meantime; read it again")]
    VersionMismatch,
    /// More passwords wait to be checked than can be within reason.
    #[error("too many sign-ins at once; try again shortly")]
    Busy,
    /// The store failed.
    #[error("accounts cannot be reached at the moment")]
    Store(#[source] StoreError),
    /// A mail could not be handed over.
    #[error("the mail could not be sent")]
    Mail(#[source] MailError),
    /// Hashing or randomness failed: our own fault.
    #[error("something went wrong on our side")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Fault for IdentityError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Invalid(_) | Self::WrongPassword { .. } => ErrorKind::Invalid,
            Self::EmailTaken => ErrorKind::Conflict,
            Self::WrongCredentials | Self::NoSession | Self::TokenExpired => ErrorKind::Unauthenticated,
            Self::TooManyAttempts { .. } | Self::TooManyMails { .. } => ErrorKind::RateLimited,
            Self::LinkDead => ErrorKind::Gone,
            Self::NotFound(_) => ErrorKind::NotFound,
            Self::VersionMismatch => ErrorKind::PreconditionFailed,
            Self::Busy => ErrorKind::Unavailable,
            Self::Store(e) => e.kind(),
            Self::Mail(_) => ErrorKind::Unavailable,
            Self::Internal(_) => ErrorKind::Internal,
        }
    }

    fn slug(&self) -> &'static str {
        match self {
            Self::EmailTaken => "email-taken",
            Self::WrongCredentials => "wrong-credentials",
            Self::WrongPassword { .. } => "wrong-password",
            Self::TooManyAttempts { .. } => "too-many-attempts",
            Self::TooManyMails { .. } => "too-many-mails",
            Self::TokenExpired => "token-expired",
            Self::LinkDead => "link-dead",
            _ => self.kind().slug(),
        }
    }

    fn fields(&self) -> Vec<FieldError> {
        match self {
            Self::Invalid(fields) => fields.clone(),
            Self::EmailTaken => vec![FieldError::new("/email", "belongs to an account already")],
            Self::WrongPassword { pointer } => vec![FieldError::new(*pointer, "is wrong")],
            _ => Vec::new(),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::TooManyAttempts { retry_after } | Self::TooManyMails { retry_after } => Some(*retry_after),
            Self::Busy => Some(Duration::from_secs(2)),
            Self::Store(StoreError::Unavailable(_)) | Self::Mail(_) => Some(Duration::from_secs(1)),
            _ => None,
        }
    }
}

impl IdentityError {
    /// One wrong field.
    pub(super) fn field(pointer: &str, detail: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldError::new(pointer, detail)])
    }

    /// A failure that is our own.
    pub(super) fn internal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(cause.into())
    }
}

impl From<StoreError> for IdentityError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::EmailTaken => Self::EmailTaken,
            other => Self::Store(other),
        }
    }
}

impl From<MailError> for IdentityError {
    fn from(error: MailError) -> Self {
        Self::Mail(error)
    }
}

impl From<SignatureError> for IdentityError {
    fn from(error: SignatureError) -> Self {
        match error {
            SignatureError::Invalid => Self::NoSession,
            SignatureError::Expired => Self::TokenExpired,
        }
    }
}
