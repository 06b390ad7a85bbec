//! Schema `gigs`. Always Postgres: what a use case changes here, in the ledger and in the outbox
//! commits in one transaction, so every function takes the connection that the use case is in.
//!
//! # Order of locks
//! Contract before its milestones and payments, either before the gig, the gig before its
//! applications, each before its timers. Nobody who holds a gig takes a contract that was there
//! before, so no two use cases wait for each other.

pub(super) mod applications;
pub(super) mod contracts;
pub(super) mod gigs;
pub(super) mod invitations;
pub(super) mod leaving;
pub(super) mod moves;
pub(super) mod public;
pub(super) mod reviews;
pub(super) mod schema;
pub(super) mod searches;

use crate::machine::timers::Timers;

/// What time has to do here.
pub(super) const TIMERS: Timers = Timers::of("gigs");
