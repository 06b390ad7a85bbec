//! Schema `learning`. Always Postgres: what a use case changes here and in the outbox commits in one
//! transaction, so every function takes the connection that the use case is in.
//!
//! # Order of locks
//! Cohort before enrolment, and that before its progress, attempts, hand-ins and certificates; each before its timers.

pub(super) mod attempts;
pub(super) mod banks;
pub(super) mod certificates;
pub(super) mod cohorts;
pub(super) mod courses;
pub(super) mod enrolments;
pub(super) mod live;
pub(super) mod moves;
pub(super) mod payments;
pub(super) mod privacy;
pub(super) mod public;

use crate::machine::timers::Timers;

/// What time has to do here.
pub(super) const TIMERS: Timers = Timers::of("learning");
