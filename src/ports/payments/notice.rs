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

/// The parts of an event that are read. The object is only named: what it says may be old by now.
#[derive(serde::Deserialize)]
struct EventBody {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    account: Option<String>,
    data: EventData,
}

#[derive(serde::Deserialize)]
struct EventData {
    object: EventObject,
}

#[derive(serde::Deserialize)]
struct EventObject {
    id: String,
}

impl WebhookEvent {
    /// Reads an event in Stripe's shape. Its signature has been verified.
    ///
    /// # Errors
    /// [`WebhookError::Malformed`].
    pub(super) fn parse(body: &[u8]) -> Result<Self, WebhookError> {
        let event: EventBody = serde_json::from_slice(body).map_err(|_| WebhookError::Malformed)?;
        let sound = |text: &str| (1..=255).contains(&text.len());
        if !sound(&event.id) || !sound(&event.kind) || !sound(&event.data.object.id) {
            return Err(WebhookError::Malformed);
        }
        Ok(Self { id: event.id, kind: event.kind, object_id: event.data.object.id, account: event.account })
    }
}
