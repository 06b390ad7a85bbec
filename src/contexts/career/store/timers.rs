//! Timers and jobs that outlive the process.
//!
//! A worker first leases what is due, so that no other worker takes it for a while, then does it. The
//! timer's row goes in the transaction of its effect: whoever finds no row any more does nothing. So
//! it takes effect once, across crashes and nodes, and locks are always taken in the same order.

use chrono::{DateTime, Duration, Utc};
use diesel::sql_types::{BigInt, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::{contexts::career::model::Timer, postgres::DbError, telemetry::correlation};

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
        "UPDATE career.timers SET due_at = $2, attempts = attempts + 1 WHERE id IN (
            SELECT id FROM career.timers WHERE due_at <= $1 ORDER BY due_at, id LIMIT $3 FOR UPDATE SKIP LOCKED
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
    let gone =
        diesel::sql_query("DELETE FROM career.timers WHERE id = $1").bind::<SqlUuid, _>(id).execute(conn);
    Ok(gone.await? == 1)
}

/// Puts a timer off after a failure.
pub async fn put_off(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    until: DateTime<Utc>,
    error: &str,
) -> Result<(), DbError> {
    diesel::sql_query("UPDATE career.timers SET due_at = $2, error = $3 WHERE id = $1")
        .bind::<SqlUuid, _>(id)
        .bind::<Timestamptz, _>(until)
        .bind::<Text, _>(error)
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
    diesel::sql_query(
        "INSERT INTO career.timers (id, machine, entity_id, task, version, due_at, correlation_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
    )
    .bind::<SqlUuid, _>(Uuid::now_v7())
    .bind::<Text, _>(JOB)
    .bind::<SqlUuid, _>(entity)
    .bind::<Text, _>(task)
    .bind::<BigInt, _>(version)
    .bind::<Timestamptz, _>(due)
    .bind::<Text, _>(correlation::current_or_fresh().as_str())
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes a job away that is done or not wanted any more.
pub async fn drop_job(conn: &mut AsyncPgConnection, task: &str, entity: Uuid) -> Result<(), DbError> {
    diesel::sql_query("DELETE FROM career.timers WHERE machine = $1 AND task = $2 AND entity_id = $3")
        .bind::<Text, _>(JOB)
        .bind::<Text, _>(task)
        .bind::<SqlUuid, _>(entity)
        .execute(conn)
        .await?;
    Ok(())
}

/// Jobs that wait for something else than time.
pub async fn waiting(conn: &mut AsyncPgConnection, task: &str, entity: Uuid) -> Result<bool, DbError> {
    #[derive(diesel::QueryableByName)]
    struct There {
        #[diesel(sql_type = diesel::sql_types::Bool)]
        there: bool,
    }
    let found: There = diesel::sql_query(
        "SELECT EXISTS (SELECT 1 FROM career.timers WHERE machine = $1 AND task = $2 AND entity_id = $3) AS there",
    )
    .bind::<Text, _>(JOB)
    .bind::<Text, _>(task)
    .bind::<SqlUuid, _>(entity)
    .get_result(conn)
    .await?;
    Ok(found.there)
}
