//! What can go wrong with money, and what a caller is told.

use std::time::Duration;

use super::model::ResolutionKind;
use crate::{
    error::{ErrorKind, Fault, FieldError},
    money::{Money, MoneyError},
    ports::payments::{PaymentError, WebhookError},
    postgres::DbError,
};

/// Every failure of this context. None of those that a database transaction can go on after has
/// left anything in it: each call works in a savepoint of its own.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// Fields are wrong.
    #[error("some fields are not acceptable")]
    Invalid(Vec<FieldError>),
    /// The amounts do not fit together.
    #[error(transparent)]
    Money(#[from] MoneyError),
    /// The hold, or its payment, was funded before with other particulars.
    #[error("this was funded before, by another payment or with another amount")]
    HoldExists,
    /// Nothing was funded under that id.
    #[error("there is no such payment on hold")]
    HoldNotFound,
    /// The hold's money went somewhere already.
    #[error("the money on hold was settled before")]
    HoldResolved(ResolutionKind),
    /// A charge-back after the fact is a loss only once the hold has been resolved.
    #[error("the money is still on hold")]
    HoldOpen,
    /// The balance does not cover it.
    #[error("the balance is {available}, which does not cover this")]
    Insufficient {
        /// What could be paid out.
        available: Money,
    },
    /// The same key came with another amount.
    #[error("this key was used for another payout")]
    KeyReused,
    /// No such payout, or not this person's.
    #[error("no such payout")]
    PayoutNotFound,
    /// The payout is settled.
    #[error("the payout was settled before")]
    PayoutSettled {
        /// How.
        paid: bool,
    },
    /// The person's address is not verified.
    #[error("verify your e-mail address first")]
    NotVerified,
    /// The person has no account with the payment provider.
    #[error("open a payout account first")]
    NoPayeeAccount,
    /// The webhook is not the provider's.
    #[error(transparent)]
    Webhook(#[from] WebhookError),
    /// The payment provider.
    #[error("the payment provider did not do it")]
    Provider(#[from] PaymentError),
    /// What a context does about a payment failed; the provider will tell again.
    #[error("the payment's news could not be applied")]
    NotApplied(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The store.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<diesel::result::Error> for LedgerError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Db(error.into())
    }
}

impl Fault for LedgerError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Invalid(_) | Self::Money(_) | Self::KeyReused => ErrorKind::Invalid,
            Self::HoldExists
            | Self::HoldResolved(_)
            | Self::HoldOpen
            | Self::Insufficient { .. }
            | Self::NoPayeeAccount
            | Self::PayoutSettled { .. } => ErrorKind::Conflict,
            Self::HoldNotFound | Self::PayoutNotFound => ErrorKind::NotFound,
            Self::NotVerified => ErrorKind::Forbidden,
            Self::Webhook(_) => ErrorKind::BadRequest,
            Self::Provider(error) => error.kind(),
            Self::NotApplied(_) => ErrorKind::Unavailable,
            Self::Db(error) => error.kind(),
        }
    }

    fn slug(&self) -> &'static str {
        match self {
            Self::HoldResolved(_) => "hold-resolved",
            Self::Insufficient { .. } => "insufficient-balance",
            Self::NotVerified => "email-not-verified",
            Self::NoPayeeAccount => "no-payout-account",
            Self::Webhook(_) => "webhook-refused",
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
