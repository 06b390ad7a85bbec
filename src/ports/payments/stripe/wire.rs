//! The shapes of Stripe's objects, as far as they are read.

use std::collections::HashMap;

use serde::Deserialize;
use uuid::Uuid;

use crate::{
    money::{Currency, Money},
    ports::payments::{PaymentError, PaymentIntent, PaymentStatus, ProviderPayoutStatus},
};

/// An id, or the object itself where Stripe expands it.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Reference {
    Id(String),
    Object { id: String },
}

impl Reference {
    pub fn into_id(self) -> String {
        match self {
            Self::Id(id) | Self::Object { id } => id,
        }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Intent {
    pub id: String,
    pub amount: i64,
    pub currency: String,
    pub status: String,
    pub client_secret: Option<String>,
    pub latest_charge: Option<Reference>,
    pub last_payment_error: Option<serde_json::Value>,
    #[serde(default)]
    pub metadata: HashMap<String, String>,
}

impl Intent {
    pub fn into_payment(self) -> Result<PaymentIntent, PaymentError> {
        let status = match self.status.as_str() {
            "succeeded" => PaymentStatus::Succeeded,
            "canceled" => PaymentStatus::Cancelled,
            // Back where it began, after an attempt that failed.
            "requires_payment_method" if self.last_payment_error.is_some() => PaymentStatus::Failed,
            _ => PaymentStatus::Pending,
        };
        Ok(PaymentIntent {
            amount: money(self.amount, &self.currency)?,
            milestone: self.metadata.get("milestone").and_then(|text| text.parse().ok()),
            id: self.id,
            client_secret: self.client_secret,
            status,
        })
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Transferred {
    pub id: String,
    pub amount: i64,
    pub currency: String,
    #[serde(default)]
    pub metadata: HashMap<String, String>,
}

/// A page of a list.
#[derive(Debug, Deserialize)]
pub(super) struct Listed<T> {
    pub data: Vec<T>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Refunded {
    pub id: String,
    pub status: Option<String>,
    #[serde(default)]
    pub metadata: HashMap<String, String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct PaidOut {
    pub id: String,
    pub status: String,
    #[serde(default)]
    pub metadata: HashMap<String, String>,
}

impl PaidOut {
    pub fn state(&self) -> ProviderPayoutStatus {
        match self.status.as_str() {
            "paid" => ProviderPayoutStatus::Paid,
            "failed" | "canceled" => ProviderPayoutStatus::Failed,
            _ => ProviderPayoutStatus::Pending,
        }
    }

    pub fn ours(&self) -> Option<Uuid> {
        self.metadata.get("payout")?.parse().ok()
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Opened {
    pub id: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Link {
    pub url: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Disputed {
    pub id: String,
    pub status: String,
    pub payment_intent: Option<Reference>,
}

pub(super) fn money(amount: i64, currency: &str) -> Result<Money, PaymentError> {
    let currency: Currency =
        currency.parse().map_err(|_| PaymentError::Rejected { reason: format!("currency {currency}") })?;
    Ok(Money::new(amount, currency))
}
