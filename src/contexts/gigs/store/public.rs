//! What other contexts may read.

use std::collections::HashMap;

use diesel::{
    QueryableByName,
    sql_types::{Array, BigInt, Nullable, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::{
    contexts::gigs::model::{Gig, GigId},
    postgres::DbError,
    principal::UserId,
};

#[derive(QueryableByName)]
struct IdRow {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
}

pub async fn open(conn: &mut AsyncPgConnection, ids: &[GigId]) -> Result<Vec<Gig>, DbError> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    Ok(diesel::sql_query("SELECT * FROM gigs.gigs WHERE id = ANY($1) AND state = 'open'")
        .bind::<Array<SqlUuid>, _>(ids)
        .load(conn)
        .await?)
}

pub async fn open_ids(
    conn: &mut AsyncPgConnection,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Uuid>, DbError> {
    let rows: Vec<IdRow> = diesel::sql_query(
        "SELECT id FROM gigs.gigs WHERE state = 'open' AND ($1 IS NULL OR id > $1) ORDER BY id LIMIT $2",
    )
    .bind::<Nullable<SqlUuid>, _>(after)
    .bind::<BigInt, _>(limit)
    .load(conn)
    .await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

#[derive(QueryableByName)]
struct Rated {
    #[diesel(sql_type = SqlUuid)]
    subject_id: UserId,
    #[diesel(sql_type = BigInt)]
    milli: i64,
}

pub async fn ratings(
    conn: &mut AsyncPgConnection,
    people: &[UserId],
) -> Result<HashMap<UserId, i64>, DbError> {
    let people: Vec<Uuid> = people.iter().map(|id| id.0).collect();
    let rows: Vec<Rated> = diesel::sql_query(
        "SELECT subject_id, round(avg(rating) * 1000)::bigint AS milli FROM gigs.reviews
         WHERE subject_id = ANY($1) AND published_at IS NOT NULL GROUP BY subject_id",
    )
    .bind::<Array<SqlUuid>, _>(people)
    .load(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.subject_id, row.milli)).collect())
}
