//! Schema `career`. Always Postgres: what a use case changes here, in the ledger and in the outbox
//! commits in one transaction, so every function takes the connection that the use case is in.
//!
//! # Order of locks
//! The calendars of the people of a booking, by person; then the booking, its session, timers and
//! payments. So no two use cases wait for each other. The locks only put them in order: that nobody is
//! booked twice is `career.busy`'s constraint, whoever holds what.

pub(super) mod artifacts;
pub(super) mod bookings;
pub(super) mod calendars;
pub(super) mod erasure;
pub(super) mod feeds;
pub(super) mod mentors;
pub(super) mod mentorships;
pub(super) mod moves;
pub(super) mod payments;
pub(super) mod portfolio;
pub(super) mod public;
pub(super) mod waitlist;

use diesel::sql_types::Jsonb;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::Serialize;

use crate::{machine::timers::Timers, postgres::DbError};

/// What time has to do here.
pub(super) const TIMERS: Timers = Timers::of("career");

/// Writes a whole row. The record's fields are the table's columns: a column that is forgotten would be
/// null, and the table refuses that.
pub(super) async fn insert<T: Serialize>(
    conn: &mut AsyncPgConnection,
    table: &'static str,
    row: &T,
) -> Result<(), DbError> {
    let row = serde_json::to_value(row).map_err(|error| DbError::Other(error.into()))?;
    let statement =
        format!("INSERT INTO career.{table} SELECT * FROM jsonb_populate_record(NULL::career.{table}, $1)");
    diesel::sql_query(statement).bind::<Jsonb, _>(row).execute(conn).await?;
    Ok(())
}
