//! What the ledger speaks of.

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use crate::{
    money::{BasisPoints, Money},
    principal::UserId,
};

crate::id_type!(
    /// A payout to a person.
    PayoutId
);

/// A payment that arrived, and what it is kept for.
#[derive(Clone, Debug)]
pub struct FundHold {
    /// The milestone (or the payment itself, where it has none and goes straight back).
    pub hold: Uuid,
    /// Who paid.
    pub payer: UserId,
    /// Who gets it once released.
    pub payee: UserId,
    /// How much; more than nothing.
    pub amount: Money,
    /// The provider's id of the payment.
    pub provider_ref: String,
}

/// Whether a call changed anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Posted {
    /// It did.
    Now,
    /// The same had been done before.
    Before,
}

/// Money on hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Its id: the milestone's.
    pub id: Uuid,
    /// Who paid.
    pub payer: UserId,
    /// For whom.
    pub payee: UserId,
    /// How much was funded.
    pub amount: Money,
    /// The provider's id of the payment.
    pub provider_ref: String,
    /// Where the money went, if it did.
    pub resolution: Option<Resolution>,
}

/// Where a hold's money went; the parts sum to what was funded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resolution {
    /// How it ended.
    pub kind: ResolutionKind,
    /// To the payee's balance.
    pub released: Money,
    /// To the platform.
    pub fee: Money,
    /// Back to the payer.
    pub refunded: Money,
    /// Taken back by the payer's bank.
    pub reversed: Money,
}

/// How a hold ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResolutionKind {
    /// Released to the payee, perhaps in part.
    Release,
    /// Given back in full.
    Refund,
    /// Charged back.
    Reverse,
}

impl ResolutionKind {
    /// The name in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Refund => "refund",
            Self::Reverse => "reverse",
        }
    }

    pub(super) fn parse(name: &str) -> Self {
        match name {
            "refund" => Self::Refund,
            "reverse" => Self::Reverse,
            _ => Self::Release,
        }
    }
}

/// How a hold is divided when it is released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// All of it to the payee, less the fee.
    Whole(BasisPoints),
    /// Exactly so; must sum to the hold.
    Split(ReleaseSplit),
}

/// The parts of a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReleaseSplit {
    /// To the payee's balance.
    pub to_payee: Money,
    /// To the platform.
    pub fee: Money,
    /// Back to the payer.
    pub refund: Money,
}

impl ReleaseSplit {
    /// All to the payee, less a fee that is rounded down.
    ///
    /// # Errors
    /// On a negative amount.
    pub fn whole(amount: Money, fee: BasisPoints) -> Result<Self, crate::money::MoneyError> {
        Self::divided(amount, amount, fee)
    }

    /// An operator's ruling: of `amount`, `awarded` goes to the payee, less the fee on that part, and
    /// the rest back.
    ///
    /// # Errors
    /// When `awarded` is negative or more than the amount, or in another currency.
    pub fn divided(
        amount: Money,
        awarded: Money,
        fee: BasisPoints,
    ) -> Result<Self, crate::money::MoneyError> {
        let refund = amount.minus(awarded)?;
        if refund.amount_minor < 0 {
            return Err(crate::money::MoneyError::BadSplit);
        }
        let (fee, to_payee) = awarded.take(fee)?;
        Ok(Self { to_payee, fee, refund })
    }

    /// What a transfer has made of `amount`: `sent` went to the payee, and the rest is the fee. A transfer
    /// that is asked for again is found as it was made, perhaps with another fee than today's.
    ///
    /// # Errors
    /// When `sent` is negative or more than the amount, or in another currency.
    pub fn sent(amount: Money, sent: Money) -> Result<Self, crate::money::MoneyError> {
        let fee = amount.minus(sent)?;
        if fee.amount_minor < 0 || sent.amount_minor < 0 {
            return Err(crate::money::MoneyError::BadSplit);
        }
        Ok(Self { to_payee: sent, fee, refund: Money::zero(amount.currency) })
    }
}

/// One line of a statement: an amount that moved into (positive) or out of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = LedgerEntry)]
pub struct Entry {
    /// The transaction: its lines sum to zero.
    pub transaction_id: Uuid,
    /// Order within it.
    pub line: i16,
    /// `fund`, `release`, `refund`, `reverse` or `loss`.
    pub kind: String,
    /// The hold: the milestone's id.
    pub hold_id: Uuid,
    /// `provider` (the payment's way in and out), `hold`, `user` (the payee's balance), `fees`
    /// or `losses`.
    pub account: String,
    /// How much.
    pub amount: Money,
    /// When.
    pub at: DateTime<Utc>,
}

/// A person's money in one currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Balance {
    /// Can be paid out.
    pub available: Money,
    /// Paid by clients and not released yet.
    pub held: Money,
    /// Being paid out.
    pub on_its_way: Money,
}

/// Where a payout is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PayoutState {
    /// The provider was not asked yet, or has not said.
    Pending,
    /// It arrived.
    Paid,
    /// It did not; the money is back in the balance.
    Failed,
}

/// Money on its way out of a balance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Payout {
    /// Its id.
    pub id: PayoutId,
    /// Whose.
    #[serde(skip)]
    pub user: UserId,
    /// How much.
    pub amount: Money,
    /// Where it is.
    pub state: PayoutState,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
}

/// How a payout ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayoutOutcome {
    /// It arrived.
    Paid,
    /// It did not.
    Failed,
}

/// Whether the books agree with themselves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = ReconciliationReport)]
pub struct Report {
    /// Whether nothing below is out of line.
    pub ok: bool,
    /// One line a currency.
    pub currencies: Vec<CurrencyReport>,
    /// Transactions that do not sum to zero; always empty.
    pub unbalanced: Vec<Uuid>,
    /// Accounts whose balance is not the sum of their entries; always empty.
    pub drifted: Vec<Uuid>,
    /// Holds whose account is not what they are worth; always empty.
    pub wrong_holds: Vec<Uuid>,
}

/// The books in one currency, in minor units.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct CurrencyReport {
    /// ISO 4217.
    #[schema(value_type = String)]
    pub currency: crate::money::Currency,
    /// Paid in for holds.
    pub funded: i64,
    /// Of it: to payees.
    pub released: i64,
    /// Of it: to the platform.
    pub fee: i64,
    /// Of it: back to payers.
    pub refunded: i64,
    /// Of it: taken back by payers' banks.
    pub reversed: i64,
    /// Of it: still on hold.
    pub held: i64,
    /// Funded less all of those; always 0.
    pub unaccounted: i64,
    /// Charge-backs that came too late, which the platform paid.
    pub losses: i64,
    /// What people could be paid.
    pub balances: i64,
    /// On its way to people.
    pub payouts_pending: i64,
    /// Arrived with people.
    pub payouts_paid: i64,
    /// What the payment provider should be keeping for us: compare with its own statement.
    pub at_provider: i64,
}
