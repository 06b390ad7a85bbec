//! Timers and jobs that outlive the process.
//!
//! A worker first leases what is due, so that no other worker takes it for a while, then does it. The
//! timer's row goes in the transaction of its effect: whoever finds no row any more does nothing. So
//! it takes effect once, across crashes and nodes, and locks are always taken in the same order.

use chrono::{DateTime, Duration, Utc};
use diesel::{
    ExpressionMethods, QueryDsl,
    sql_types::{BigInt, Timestamptz},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::schema::timers;
use crate::{contexts::gigs::model::Timer, postgres::DbError, telemetry::correlation};

/// The `machine` of what is no step but something to be done.
pub const JOB: &str = "job";

/// How long a worker may take for what it leased before another one takes it too.
const LEASE: Duration = Duration::seconds(60);

/// Takes up to `limit` timers that are due.
pub async fn lease(
    conn: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<Timer>, DbError> {
    Ok(diesel::sql_query(
        "UPDATE gigs.timers SET due_at = $2, attempts = attempts + 1 WHERE id IN (
            SELECT id FROM gigs.timers WHERE due_at <= $1 ORDER BY due_at, id LIMIT $3 FOR UPDATE SKIP LOCKED
         ) RETURNING *",
    )
    .bind::<Timestamptz, _>(now)
    .bind::<Timestamptz, _>(now + LEASE)
    .bind::<BigInt, _>(limit)
    .get_results(conn)
    .await?)
}

/// Takes a timer's row away; `false` when somebody else did.
pub async fn consume(conn: &mut AsyncPgConnection, id: Uuid) -> Result<bool, DbError> {
    Ok(diesel::delete(timers::table.find(id)).execute(conn).await? == 1)
}

/// Puts a timer off after a failure.
pub async fn put_off(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    until: DateTime<Utc>,
    error: &str,
) -> Result<(), DbError> {
    diesel::update(timers::table.find(id))
        .set((timers::due_at.eq(until), timers::error.eq(Some(error))))
        .execute(conn)
        .await?;
    Ok(())
}

/// Sets a job; one that is set already stays.
pub async fn set_job(
    conn: &mut AsyncPgConnection,
    task: &str,
    entity: Uuid,
    version: i64,
    due: DateTime<Utc>,
) -> Result<(), DbError> {
    diesel::insert_into(timers::table)
        .values((
            timers::id.eq(Uuid::now_v7()),
            timers::machine.eq(JOB),
            timers::entity_id.eq(entity),
            timers::task.eq(task),
            timers::version.eq(version),
            timers::due_at.eq(due),
            timers::correlation_id.eq(Some(correlation::current_or_fresh().as_str().to_owned())),
        ))
        .on_conflict_do_nothing()
        .execute(conn)
        .await?;
    Ok(())
}

/// Takes a job away that is done or not wanted any more.
pub async fn drop_job(conn: &mut AsyncPgConnection, task: &str, entity: Uuid) -> Result<(), DbError> {
    diesel::delete(
        timers::table
            .filter(timers::machine.eq(JOB))
            .filter(timers::task.eq(task))
            .filter(timers::entity_id.eq(entity)),
    )
    .execute(conn)
    .await?;
    Ok(())
}
