//! Use cases.

mod context;
pub(super) mod holds;
pub(super) mod payouts;
pub(super) mod reports;
mod webhooks;

pub use context::PayoutForm;
