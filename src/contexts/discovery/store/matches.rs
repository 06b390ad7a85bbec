//! Gigs whose students are to be told, and who was.

use chrono::{DateTime, Utc};
use diesel::{
    QueryableByName,
    sql_types::{BigInt, Double, Integer, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::postgres::DbError;

/// Whoever took a gig and was not heard of for so long is gone. If they are not, two of them tell nobody twice.
const LEASE_S: i64 = 10;

/// A gig whose students are to be told.
#[derive(Clone, Debug, QueryableByName)]
#[allow(missing_docs)]
pub struct Matching {
    #[diesel(sql_type = SqlUuid)]
    pub gig_id: Uuid,
    #[diesel(sql_type = Integer)]
    pub attempts: i32,
    #[diesel(sql_type = Text)]
    pub correlation_id: String,
}

/// Sets the work; once a gig while it waits.
pub async fn set(
    conn: &mut AsyncPgConnection,
    gig: Uuid,
    correlation: &str,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    diesel::sql_query(
        "INSERT INTO discovery.matchings (gig_id, due_at, correlation_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
    )
    .bind::<SqlUuid, _>(gig)
    .bind::<Timestamptz, _>(now)
    .bind::<Text, _>(correlation)
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes what is due, for a while.
pub async fn lease(
    conn: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<Matching>, DbError> {
    Ok(diesel::sql_query(format!(
        "UPDATE discovery.matchings m SET due_at = $1 + interval '{LEASE_S} seconds', attempts = m.attempts + 1
         FROM (SELECT gig_id FROM discovery.matchings WHERE due_at <= $1 ORDER BY due_at LIMIT $2
               FOR UPDATE SKIP LOCKED) due
         WHERE m.gig_id = due.gig_id RETURNING m.gig_id, m.attempts, m.correlation_id"
    ))
    .bind::<Timestamptz, _>(now)
    .bind::<BigInt, _>(limit)
    .load(conn)
    .await?)
}

/// The work is done.
pub async fn done(conn: &mut AsyncPgConnection, gig: Uuid) -> Result<(), DbError> {
    diesel::sql_query("DELETE FROM discovery.matchings WHERE gig_id = $1")
        .bind::<SqlUuid, _>(gig)
        .execute(conn)
        .await?;
    Ok(())
}

/// The work failed and is put off.
pub async fn put_off(
    conn: &mut AsyncPgConnection,
    gig: Uuid,
    until: DateTime<Utc>,
    error: &str,
) -> Result<(), DbError> {
    let error: String = error.chars().take(500).collect();
    diesel::sql_query("UPDATE discovery.matchings SET due_at = $2, error = $3 WHERE gig_id = $1")
        .bind::<SqlUuid, _>(gig)
        .bind::<Timestamptz, _>(until)
        .bind::<Text, _>(error)
        .execute(conn)
        .await?;
    Ok(())
}

/// Notes that somebody is told of a gig; `false` if they were told before.
pub async fn tell(
    conn: &mut AsyncPgConnection,
    gig: Uuid,
    user: Uuid,
    score: f64,
    now: DateTime<Utc>,
) -> Result<bool, DbError> {
    let rows = diesel::sql_query(
        "INSERT INTO discovery.matches (gig_id, user_id, score, at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
    )
    .bind::<SqlUuid, _>(gig)
    .bind::<SqlUuid, _>(user)
    .bind::<Double, _>(score)
    .bind::<Timestamptz, _>(now)
    .execute(conn)
    .await?;
    Ok(rows == 1)
}
