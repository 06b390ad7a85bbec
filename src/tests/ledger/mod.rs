//! The ledger: its rules against the database, the provider in the sandbox, the invariants under random
//! interleavings.

mod database;
mod http;
mod payouts;
mod property;
mod sandbox;
mod stripe;
mod support;
