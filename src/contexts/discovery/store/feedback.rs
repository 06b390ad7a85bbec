//! What people did with what they were shown.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::{
    QueryableByName,
    sql_types::{Array, BigInt, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::{
    contexts::discovery::model::{Deed, Key, Kind},
    postgres::DbError,
};

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    kind: Kind,
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
}

/// Notes what somebody did; those of which it was not known.
pub async fn note(
    conn: &mut AsyncPgConnection,
    user: Uuid,
    deed: Deed,
    items: &[Key],
    now: DateTime<Utc>,
) -> Result<Vec<Key>, DbError> {
    let kinds: Vec<&str> = items.iter().map(|(kind, _)| kind.as_str()).collect();
    let ids: Vec<Uuid> = items.iter().map(|(_, id)| *id).collect();
    let rows: Vec<Row> = diesel::sql_query(
        "INSERT INTO discovery.feedback (user_id, kind, id, deed, at)
         SELECT DISTINCT $1::uuid, kind, id, $4, $5::timestamptz FROM unnest($2::text[], $3::uuid[]) AS u (kind, id)
         ORDER BY kind, id ON CONFLICT DO NOTHING RETURNING kind, id",
    )
    .bind::<SqlUuid, _>(user)
    .bind::<Array<Text>, _>(kinds)
    .bind::<Array<SqlUuid>, _>(ids)
    .bind::<Text, _>(deed)
    .bind::<Timestamptz, _>(now)
    .load(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.kind, row.id)).collect())
}

#[derive(QueryableByName)]
struct IdRow {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
}

/// What somebody does not want to see again: the latest 1,000.
pub async fn dismissed(conn: &mut AsyncPgConnection, user: Uuid, kind: Kind) -> Result<Vec<Uuid>, DbError> {
    let rows: Vec<IdRow> = diesel::sql_query(
        "SELECT id FROM discovery.feedback WHERE user_id = $1 AND kind = $2 AND deed = 'dismissed'
         ORDER BY at DESC LIMIT 1000",
    )
    .bind::<SqlUuid, _>(user)
    .bind::<Text, _>(kind)
    .load(conn)
    .await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = BigInt)]
    people: i64,
}

/// How many people looked at things.
pub async fn popular(
    conn: &mut AsyncPgConnection,
    kind: Kind,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, i64>, DbError> {
    let rows: Vec<Count> = diesel::sql_query(
        "SELECT id, count(DISTINCT user_id) AS people FROM discovery.feedback
         WHERE kind = $1 AND id = ANY($2) AND deed IN ('opened', 'applied') GROUP BY id",
    )
    .bind::<Text, _>(kind)
    .bind::<Array<SqlUuid>, _>(ids)
    .load(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.people)).collect())
}
