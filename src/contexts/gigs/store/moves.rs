//! Steps of this context's machines, by the shared executor ([`crate::machine::moves`]).

use chrono::{DateTime, Utc};
use diesel_async::AsyncPgConnection;
use serde_json::Value;
use uuid::Uuid;

pub use crate::machine::moves::{At, By, Moved};
use crate::{
    contexts::gigs::error::GigsError,
    machine::{Actor, Machine, State, moves::Executor},
    principal::UserId,
};

const HERE: Executor = Executor::of("gigs");

/// Takes a step: checks it against the machine, writes state, version, history and timers in one
/// statement, and records the event. `data` goes into history and event.
///
/// # Errors
/// What the machine refuses; [`GigsError::Stale`] when the row is not at that version any more.
pub async fn advance<S: State>(
    conn: &mut AsyncPgConnection,
    machine: &Machine<S>,
    thing: At<S>,
    name: &str,
    by: By<'_>,
    at: DateTime<Utc>,
    data: Value,
) -> Result<Moved<S>, GigsError> {
    Ok(HERE.advance(conn, machine, thing, name, by, at, data).await?)
}

/// Counts a change that is no step (`edit`): a version, a history row, an event, and timers set anew.
///
/// # Errors
/// [`GigsError::Stale`] when the row is not at that version any more.
pub async fn edited<S: State>(
    conn: &mut AsyncPgConnection,
    machine: &Machine<S>,
    thing: At<S>,
    event: &'static str,
    by: (Actor, UserId),
    at: DateTime<Utc>,
    data: Value,
) -> Result<i64, GigsError> {
    Ok(HERE.edited(conn, machine, thing, event, by, at, data).await?)
}

/// The first history row of a thing, and its event where there is one. The row itself is the caller's.
///
/// # Errors
/// The database's.
pub async fn born<S: State>(
    conn: &mut AsyncPgConnection,
    machine: &Machine<S>,
    id: Uuid,
    event: Option<&'static str>,
    by: (Actor, UserId),
    at: DateTime<Utc>,
    data: Value,
) -> Result<(), GigsError> {
    Ok(HERE.born(conn, machine, id, event, by, at, data).await?)
}

/// Records an event of a thing that did not move.
///
/// # Errors
/// The database's.
pub async fn note(
    conn: &mut AsyncPgConnection,
    subject: &'static str,
    id: Uuid,
    version: i64,
    data: Value,
) -> Result<(), GigsError> {
    Ok(HERE.note(conn, subject, id, version, data).await?)
}
