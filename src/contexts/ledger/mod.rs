//! The ledger: who is owed what while money is kept by the payment provider.
//!
//! **Owns** accounts, transactions, entries, holds and their resolution, payouts; schema `ledger`.
//! Entries are double and never change; the database itself refuses what does not add up.
//!
//! **Emits** nothing: whoever calls it records the event in the same transaction.
//!
//! **Never touches** milestones and contracts: a hold's id is all it knows of one.
//!
//! # The way of money
//! A payment funds a hold ([`fund`]). The hold resolves once: released to the payee's balance less the
//! fee ([`release`]), given back ([`refund`]) or charged back ([`reverse`]); released + refunded + fee +
//! held + reversed = funded, always. A payout moves a balance out ([`payout`], [`settle_payout`]).
//!
//! These are functions over a connection, so that the caller's state, its events and the money commit
//! together. Each works in a savepoint: after an `Err` that is not [`LedgerError::Db`] the caller's
//! transaction is whole and has nothing of the call.
//!
//! A payment that arrives when nobody waits for it any more is funded under an id of its own and
//! refunded at once: so it is in the books, both ways.

mod custody;
mod error;
pub mod handlers;
mod model;
mod service;
mod store;

use std::sync::{Arc, OnceLock, atomic::AtomicI64};

use diesel_async::AsyncPgConnection;
use futures_util::future::BoxFuture;

pub use error::LedgerError;
pub use handlers::api;
pub use model::{
    Balance, CurrencyReport, Entry, FundHold, Hold, Payout, PayoutId, PayoutOutcome, PayoutState, Posted,
    Release, ReleaseSplit, Report, Resolution, ResolutionKind,
};
pub use service::{
    holds::{fund, hold, holds, lose, refund, release, reverse},
    payouts::{balance, payout, settle_payout},
    reports::{reconcile, statement},
};

use crate::{
    clock::Clock,
    money::BasisPoints,
    ports::payments::{Notice, Payments},
    postgres::Database,
    signing::Signer,
};

/// What the ledger is set up with.
pub struct Parts {
    /// Where the books are.
    pub database: Database,
    /// Who keeps the money.
    pub payments: Arc<dyn Payments>,
    /// The time of day.
    pub clock: Clock,
    /// Signs cursors.
    pub signer: Signer,
    /// The platform's part of what is released.
    pub fee: BasisPoints,
    /// Where people come back to from the provider's pages; without a trailing slash.
    pub public_url: String,
}

/// Whoever acts on what happens to payments: gigs.
pub trait PaymentSink: Send + Sync {
    /// Applies a payment's present state or a charge-back, in the transaction that also notes the
    /// event as handled. May be told the same state by several events.
    ///
    /// # Errors
    /// Nothing is kept, and the provider tells again.
    fn apply<'a>(
        &'a self,
        conn: &'a mut AsyncPgConnection,
        notice: &'a Notice,
    ) -> BoxFuture<'a, Result<(), LedgerError>>;
}

/// The ledger with its payment provider, for handlers and workers. Cheap to clone.
#[derive(Clone)]
pub struct Ledger {
    inner: Arc<Inner>,
}

struct Inner {
    parts: Parts,
    sink: OnceLock<Arc<dyn PaymentSink>>,
    /// When the log was last told of payouts that only a person can end, in Unix seconds.
    overdue_told: AtomicI64,
}

impl Ledger {
    /// Sets the context up. The server calls [`Ledger::advance_payouts`] every few seconds.
    pub fn new(parts: Parts) -> Self {
        let (sink, overdue_told) = (OnceLock::new(), AtomicI64::new(0));
        Self { inner: Arc::new(Inner { parts, sink, overdue_told }) }
    }

    /// Says who acts on payments; a second call changes nothing. Before it, webhooks are not taken.
    pub fn tell(&self, sink: Arc<dyn PaymentSink>) {
        let _ = self.inner.sink.set(sink);
    }

    /// The payment provider.
    pub fn payments(&self) -> &Arc<dyn Payments> {
        &self.inner.parts.payments
    }

    /// The platform's part of what is released.
    pub fn fee(&self) -> BasisPoints {
        self.inner.parts.fee
    }
}
