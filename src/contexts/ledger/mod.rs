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

mod error;
mod model;
mod service;
mod store;

pub use error::LedgerError;
pub use model::{
    Balance, CurrencyReport, Entry, FundHold, Hold, Payout, PayoutId, PayoutOutcome, PayoutState, Posted,
    Release, ReleaseSplit, Report, Resolution, ResolutionKind,
};
pub use service::{
    holds::{fund, hold, lose, refund, release, reverse},
    payouts::{balance, payout, settle_payout},
    reports::{reconcile, statement},
};
