//! Use cases.

pub(super) mod holds;
pub(super) mod payouts;
pub(super) mod reports;
