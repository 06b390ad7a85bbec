//! Erasures and their receipts.

use chrono::{DateTime, Utc};
use diesel::{
    OptionalExtension,
    sql_types::{Array, Jsonb, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    contexts::privacy::model::{Erasure, Receipt},
    postgres::DbError,
    principal::UserId,
};

/// Notes that somebody is to be forgotten, by the first who answers.
pub async fn begin(
    conn: &mut AsyncPgConnection,
    person: UserId,
    contexts: &[&str],
    event: Uuid,
    at: DateTime<Utc>,
) -> Result<(), DbError> {
    diesel::sql_query(
        "INSERT INTO privacy.erasures (user_id, contexts, event_id, requested_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (user_id) DO NOTHING",
    )
    .bind::<SqlUuid, _>(person)
    .bind::<Array<Text>, _>(contexts)
    .bind::<SqlUuid, _>(event)
    .bind::<Timestamptz, _>(at)
    .execute(conn)
    .await?;
    Ok(())
}

/// Keeps what one context answered.
pub async fn answered(
    conn: &mut AsyncPgConnection,
    person: UserId,
    context: &str,
    done: bool,
    counts: &Value,
    kept: &[&str],
    at: DateTime<Utc>,
) -> Result<(), DbError> {
    diesel::sql_query(
        "INSERT INTO privacy.receipts (user_id, context, state, counts, kept, at) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (user_id, context) DO NOTHING",
    )
    .bind::<SqlUuid, _>(person)
    .bind::<Text, _>(context)
    .bind::<Text, _>(if done { "done" } else { "working" })
    .bind::<Jsonb, _>(counts)
    .bind::<Array<Text>, _>(kept)
    .bind::<Timestamptz, _>(at)
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes that what went on beside is done; `false` when it was.
pub async fn done(
    conn: &mut AsyncPgConnection,
    person: UserId,
    context: &str,
    counts: &Value,
    at: DateTime<Utc>,
) -> Result<bool, DbError> {
    let changed = diesel::sql_query(
        "UPDATE privacy.receipts SET state = 'done', counts = counts || $3, at = $4
         WHERE user_id = $1 AND context = $2 AND state = 'working'",
    )
    .bind::<SqlUuid, _>(person)
    .bind::<Text, _>(context)
    .bind::<Jsonb, _>(counts)
    .bind::<Timestamptz, _>(at)
    .execute(conn)
    .await?;
    Ok(changed == 1)
}

pub async fn load(conn: &mut AsyncPgConnection, person: UserId) -> Result<Option<Erasure>, DbError> {
    Ok(diesel::sql_query("SELECT * FROM privacy.erasures WHERE user_id = $1")
        .bind::<SqlUuid, _>(person)
        .get_result(conn)
        .await
        .optional()?)
}

pub async fn receipts(conn: &mut AsyncPgConnection, person: UserId) -> Result<Vec<Receipt>, DbError> {
    Ok(diesel::sql_query(
        "SELECT context, state = 'done' AS done, counts, kept, at FROM privacy.receipts
         WHERE user_id = $1 ORDER BY context",
    )
    .bind::<SqlUuid, _>(person)
    .load(conn)
    .await?)
}

/// Those that are not complete, the oldest first.
pub async fn open(conn: &mut AsyncPgConnection) -> Result<Vec<Erasure>, DbError> {
    Ok(diesel::sql_query(
        "SELECT * FROM privacy.erasures WHERE completed_at IS NULL ORDER BY requested_at LIMIT 100",
    )
    .load(conn)
    .await?)
}

/// Locks one that is not complete, unless somebody else has it.
pub async fn take(conn: &mut AsyncPgConnection, person: UserId) -> Result<Option<Erasure>, DbError> {
    Ok(diesel::sql_query(
        // Not stronger: receipts refer to the row.
        "SELECT * FROM privacy.erasures WHERE user_id = $1 AND completed_at IS NULL FOR NO KEY UPDATE SKIP LOCKED",
    )
    .bind::<SqlUuid, _>(person)
    .get_result(conn)
    .await
    .optional()?)
}

pub async fn complete(
    conn: &mut AsyncPgConnection,
    person: UserId,
    at: DateTime<Utc>,
) -> Result<(), DbError> {
    diesel::sql_query("UPDATE privacy.erasures SET completed_at = $2 WHERE user_id = $1")
        .bind::<SqlUuid, _>(person)
        .bind::<Timestamptz, _>(at)
        .execute(conn)
        .await?;
    Ok(())
}
