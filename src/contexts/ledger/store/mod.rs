//! The ledger's rows. Functions over a connection, so that a caller's transaction holds its own
//! state, its events and its money together.

pub(super) mod holds;
pub(super) mod payouts;
pub(super) mod posting;
pub(super) mod provider;
pub(super) mod reports;
mod schema;
