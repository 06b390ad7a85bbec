//! Schema `gigs`. Always Postgres: what a use case changes here, in the ledger and in the outbox
//! commits in one transaction, so every function takes the connection that the use case is in.

pub(crate) mod schema;
