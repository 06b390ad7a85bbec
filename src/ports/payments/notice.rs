//! What a provider tells by webhook.

use super::{PaymentIntent, ProviderPayoutStatus};

/// An event that the provider signed. Only a hint of what happened: see [`super::Payments::resolve`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookEvent {
    /// The provider's id of the event: the same event comes again with the same id.
    pub id: String,
    /// Its type, such as `payment_intent.succeeded`.
    pub kind: String,
    /// The object it is about.
    pub object_id: String,
    /// The connected account it happened on, if not ours.
    pub account: Option<String>,
}

/// What an event means once its object was fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A payment's present state.
    Payment(PaymentIntent),
    /// The payer's bank took a payment back, or froze it.
    ChargedBack {
        /// The payment.
        payment: PaymentIntent,
        /// The provider's id of the dispute.
        dispute: String,
    },
    /// A payout's present state.
    Payout {
        /// Our id of it.
        payout: uuid::Uuid,
        /// The provider's.
        id: String,
        /// How it stands.
        status: ProviderPayoutStatus,
    },
    /// Nothing that concerns us.
    Nothing,
}

/// Why a webhook is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// No signature, or one that does not fit the body.
    #[error("the webhook's signature is not valid")]
    BadSignature,
    /// Signed too long ago, or in the future: a replay.
    #[error("the webhook's signature is too old")]
    TooOld,
    /// Signed, and not an event.
    #[error("the webhook is not an event")]
    Malformed,
}
