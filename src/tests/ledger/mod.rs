//! The ledger: its rules against the database, the provider in the sandbox, the invariants under random
//! interleavings.

mod database;
mod http;
mod property;
mod sandbox;
mod stripe;
mod support;
