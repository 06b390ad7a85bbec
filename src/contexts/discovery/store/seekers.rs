//! What people can do, for telling them what fits.

use chrono::{DateTime, Utc};
use diesel::{
    QueryableByName,
    sql_types::{Array, BigInt, Bool, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::postgres::DbError;

/// Keeps what somebody can do, unless something newer is kept.
pub async fn keep(
    conn: &mut AsyncPgConnection,
    user: Uuid,
    stamp: i64,
    skills: &[String],
    busy: bool,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    diesel::sql_query(
        "INSERT INTO discovery.seekers AS s (user_id, stamp, skills, busy, updated_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (user_id) DO UPDATE SET stamp = excluded.stamp, skills = excluded.skills, busy = excluded.busy,
             updated_at = excluded.updated_at WHERE s.stamp <= excluded.stamp",
    )
    .bind::<SqlUuid, _>(user)
    .bind::<BigInt, _>(stamp)
    .bind::<Array<Text>, _>(skills)
    .bind::<Bool, _>(busy)
    .bind::<Timestamptz, _>(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// Forgets somebody.
pub async fn forget(conn: &mut AsyncPgConnection, user: Uuid) -> Result<(), DbError> {
    diesel::sql_query("DELETE FROM discovery.seekers WHERE user_id = $1")
        .bind::<SqlUuid, _>(user)
        .execute(conn)
        .await?;
    Ok(())
}

/// Somebody who can do some of it.
#[derive(Clone, Debug, QueryableByName)]
#[allow(missing_docs)]
pub struct Able {
    #[diesel(sql_type = SqlUuid)]
    pub user_id: Uuid,
    #[diesel(sql_type = Array<Text>)]
    pub skills: Vec<String>,
}

/// Those who look for work and can do the most of it.
pub async fn able(conn: &mut AsyncPgConnection, skills: &[String], limit: i64) -> Result<Vec<Able>, DbError> {
    Ok(diesel::sql_query(
        "SELECT user_id, skills FROM discovery.seekers WHERE NOT busy AND skills && $1
         ORDER BY (SELECT count(*) FROM unnest(skills) AS one WHERE one = ANY($1)) DESC, updated_at DESC, user_id
         LIMIT $2",
    )
    .bind::<Array<Text>, _>(skills)
    .bind::<BigInt, _>(limit)
    .load(conn)
    .await?)
}
