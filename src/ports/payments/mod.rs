//! Payments: money comes in, is kept for us, and goes out again. The provider offers no escrow; who is
//! owed what while it is kept is in `contexts::ledger`.
//!
//! Every call that moves money takes an idempotency key: repeated with the same key it does nothing
//! twice. What a webhook says is never believed by itself: [`Payments::resolve`] fetches the object.

mod notice;
pub mod sandbox;
pub mod signature;
pub mod stripe;

use std::{fmt, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use uuid::Uuid;

pub use notice::{Notice, WebhookError, WebhookEvent};

use crate::{
    error::{ErrorKind, Fault},
    money::Money,
    principal::UserId,
};

/// A payment provider.
#[async_trait]
pub trait Payments: Send + Sync + 'static {
    /// `sandbox` or `stripe`.
    fn name(&self) -> &'static str;

    /// Whether an account can be opened without the payee doing anything.
    fn opens_accounts_alone(&self) -> bool {
        false
    }

    /// Prepares a payment by the client; the browser completes it with the secret.
    async fn create_payment(&self, payment: NewPayment, key: &str) -> Result<PaymentIntent, PaymentError>;

    /// A payment as the provider has it now.
    async fn payment(&self, id: &str) -> Result<PaymentIntent, PaymentError>;

    /// Moves kept money to a payee's account with the provider.
    async fn transfer(&self, transfer: NewTransfer, key: &str) -> Result<Transfer, PaymentError>;

    /// Gives money back, all or a part.
    async fn refund(&self, refund: NewRefund, key: &str) -> Result<Refund, PaymentError>;

    /// Pays out of a payee's account with the provider to their bank.
    async fn payout(&self, payout: NewPayout, key: &str) -> Result<ProviderPayout, PaymentError>;

    /// Opens an account for a payee and answers where they identify themselves.
    async fn onboard(&self, payee: NewPayee, key: &str) -> Result<Onboarding, PaymentError>;

    /// Takes a webhook apart: only what the provider signed, and not long ago.
    ///
    /// # Errors
    /// [`WebhookError`] for anything else.
    fn verify_webhook(
        &self,
        body: &[u8],
        signature: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<WebhookEvent, WebhookError>;

    /// What the event means now: its object fetched from the provider.
    async fn resolve(&self, event: &WebhookEvent) -> Result<Notice, PaymentError>;
}

/// A payment to prepare.
#[derive(Clone, Debug)]
pub struct NewPayment {
    /// The milestone.
    pub milestone: Uuid,
    /// How much.
    pub amount: Money,
    /// Ties the payment to its transfers: the contract's id.
    pub transfer_group: String,
    /// What the client reads on their statement of payments.
    pub description: String,
}

/// How a payment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PaymentStatus {
    /// Not completed by the client, or under way at their bank.
    Pending,
    /// The money is there.
    Succeeded,
    /// An attempt was refused; the client may try again with the same payment.
    Failed,
    /// It will never be completed.
    Cancelled,
}

/// A payment at the provider.
#[derive(Clone, PartialEq, Eq)]
pub struct PaymentIntent {
    /// The provider's id.
    pub id: String,
    /// What the browser completes it with. A secret: for the payer only, and never in a log.
    pub client_secret: Option<String>,
    /// How it stands.
    pub status: PaymentStatus,
    /// How much.
    pub amount: Money,
    /// The milestone it was prepared for.
    pub milestone: Option<Uuid>,
}

impl fmt::Debug for PaymentIntent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PaymentIntent({}, {:?}, {})", self.id, self.status, self.amount)
    }
}

/// A transfer to make.
#[derive(Clone, Debug)]
pub struct NewTransfer {
    /// The milestone.
    pub milestone: Uuid,
    /// The payment the money came with.
    pub payment: String,
    /// The payee's account with the provider.
    pub destination: String,
    /// How much.
    pub amount: Money,
    /// The payment's group.
    pub transfer_group: String,
    /// Whether it may have been asked for before, perhaps longer ago than the provider remembers a key:
    /// then it looks for what it made of that first.
    pub again: bool,
}

/// A transfer that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// The provider's id.
    pub id: String,
    /// How much.
    pub amount: Money,
}

/// A refund to make.
#[derive(Clone, Debug)]
pub struct NewRefund {
    /// The milestone.
    pub milestone: Uuid,
    /// The payment.
    pub payment: String,
    /// How much of it.
    pub amount: Money,
    /// Whether it may have been asked for before, perhaps longer ago than the provider remembers a key:
    /// then it looks for what it made of that first.
    pub again: bool,
}

/// A refund.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refund {
    /// The provider's id.
    pub id: String,
    /// Whether the provider is done with it.
    pub succeeded: bool,
}

/// A payout to make.
#[derive(Clone, Debug)]
pub struct NewPayout {
    /// Our id of it.
    pub payout: Uuid,
    /// The payee's account with the provider.
    pub account: String,
    /// How much.
    pub amount: Money,
}

/// How a payout stands at the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProviderPayoutStatus {
    /// Under way; a webhook tells the end.
    Pending,
    /// Arrived.
    Paid,
    /// Will not arrive.
    Failed,
}

/// A payout at the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderPayout {
    /// The provider's id.
    pub id: String,
    /// How it stands.
    pub status: ProviderPayoutStatus,
}

/// A payee to open an account for.
#[derive(Clone, Debug)]
pub struct NewPayee {
    /// The person.
    pub user: UserId,
    /// The account that was opened for them before: then only a fresh link into it is made.
    pub account: Option<String>,
    /// Where the provider sends them when they are done.
    pub return_url: String,
    /// Where the provider sends them when its link has expired.
    pub refresh_url: String,
}

/// An account being opened.
#[derive(Clone, Debug)]
pub struct Onboarding {
    /// The account.
    pub account: String,
    /// Where the payee goes; works once.
    pub url: String,
}

/// Why the provider did not do it.
#[derive(Debug, thiserror::Error)]
pub enum PaymentError {
    /// It did not answer, or asked us to come back: whether it did it is unknown, and repeating with
    /// the same key is safe.
    #[error("the payment provider does not answer at the moment")]
    Unavailable {
        /// When to come back, if it said.
        retry_after: Option<Duration>,
        /// What happened; for the log.
        reason: String,
    },
    /// The card or the bank refused.
    #[error("the payment was refused")]
    Refused {
        /// The provider's code, such as `card_declined`.
        code: String,
    },
    /// The same key came with other particulars.
    #[error("this request was made before with other particulars")]
    KeyReused,
    /// There is no such object.
    #[error("the payment provider knows no such object")]
    NotFound,
    /// The provider refused the call: a mistake of ours or of the configuration.
    #[error("the payment provider refused the call")]
    Rejected {
        /// Its code and message; for the log.
        reason: String,
    },
}

impl PaymentError {
    /// Whether the same call with the same key may succeed later.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
}

impl Fault for PaymentError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Unavailable { .. } => ErrorKind::Unavailable,
            Self::Refused { .. } | Self::KeyReused => ErrorKind::Conflict,
            Self::NotFound => ErrorKind::NotFound,
            Self::Rejected { .. } => ErrorKind::Internal,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { retry_after, .. } => retry_after.or(Some(Duration::from_secs(1))),
            _ => None,
        }
    }
}
