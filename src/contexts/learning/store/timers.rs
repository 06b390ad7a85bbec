//! Timers that outlive the process. A worker leases what is due, then does it; the row goes in the
//! transaction of its effect, so it takes effect once, across crashes and nodes.

use chrono::{DateTime, Duration, Utc};
use diesel::sql_types::{BigInt, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::{contexts::learning::model::Timer, postgres::DbError};

/// How long a worker may take for what it leased before another one takes it too.
const LEASE: Duration = Duration::seconds(60);

/// Takes up to `limit` timers that are due.
pub async fn lease(
    conn: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<Timer>, DbError> {
    Ok(diesel::sql_query(
        "UPDATE learning.timers SET due_at = $2, attempts = attempts + 1 WHERE id IN (
            SELECT id FROM learning.timers WHERE due_at <= $1 ORDER BY due_at, id LIMIT $3 FOR UPDATE SKIP LOCKED
         ) RETURNING id, machine, entity_id, task, attempts",
    )
    .bind::<Timestamptz, _>(now)
    .bind::<Timestamptz, _>(now + LEASE)
    .bind::<BigInt, _>(limit)
    .get_results(conn)
    .await?)
}

/// Takes a timer's row away; `false` when somebody else did.
pub async fn consume(conn: &mut AsyncPgConnection, id: Uuid) -> Result<bool, DbError> {
    let gone = diesel::sql_query("DELETE FROM learning.timers WHERE id = $1").bind::<SqlUuid, _>(id);
    Ok(gone.execute(conn).await? == 1)
}

/// Sets a timer, or moves it.
pub async fn set(
    conn: &mut AsyncPgConnection,
    machine: &str,
    entity: Uuid,
    task: &str,
    due: DateTime<Utc>,
) -> Result<(), DbError> {
    diesel::sql_query(
        "INSERT INTO learning.timers (id, machine, entity_id, task, due_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (machine, entity_id, task, version) DO UPDATE SET due_at = EXCLUDED.due_at",
    )
    .bind::<SqlUuid, _>(Uuid::now_v7())
    .bind::<Text, _>(machine)
    .bind::<SqlUuid, _>(entity)
    .bind::<Text, _>(task)
    .bind::<Timestamptz, _>(due)
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes a timer away that is not wanted any more.
pub async fn drop_task(
    conn: &mut AsyncPgConnection,
    machine: &str,
    entity: Uuid,
    task: &str,
) -> Result<(), DbError> {
    diesel::sql_query("DELETE FROM learning.timers WHERE machine = $1 AND entity_id = $2 AND task = $3")
        .bind::<Text, _>(machine)
        .bind::<SqlUuid, _>(entity)
        .bind::<Text, _>(task)
        .execute(conn)
        .await?;
    Ok(())
}

/// Puts a timer off after a failure.
pub async fn put_off(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    until: DateTime<Utc>,
    error: &str,
) -> Result<(), DbError> {
    diesel::sql_query("UPDATE learning.timers SET due_at = $2, error = $3 WHERE id = $1")
        .bind::<SqlUuid, _>(id)
        .bind::<Timestamptz, _>(until)
        .bind::<Text, _>(error)
        .execute(conn)
        .await?;
    Ok(())
}
