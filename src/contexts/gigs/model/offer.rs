//! What a client offers: the milestones that the contract will have.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::money::Money;

/// Milestones that one contract may have.
pub const MAX_MILESTONES: usize = 20;

/// A milestone of an offer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct OfferedMilestone {
    /// What is to be delivered: 1 to 120 characters.
    #[schema(min_length = 1, max_length = 120, example = "First draft")]
    pub title: String,
    /// What it pays, in the gig's currency.
    pub amount: Money,
    /// When it is to be delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<DateTime<Utc>>,
}

/// An offer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Offer {
    /// In the order they are worked on.
    pub milestones: Vec<OfferedMilestone>,
}
