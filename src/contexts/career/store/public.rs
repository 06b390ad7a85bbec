//! What other contexts may read.

use std::collections::HashMap;

use diesel::{
    QueryableByName,
    sql_types::{Array, BigInt, Nullable, Text, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::{
    contexts::career::model::{Mentor, Profile},
    postgres::DbError,
    principal::UserId,
};

#[derive(QueryableByName)]
struct IdRow {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
}

fn plain(people: &[UserId]) -> Vec<Uuid> {
    people.iter().map(|id| id.0).collect()
}

pub async fn profiles(conn: &mut AsyncPgConnection, people: &[UserId]) -> Result<Vec<Profile>, DbError> {
    Ok(diesel::sql_query("SELECT * FROM career.profiles WHERE user_id = ANY($1) AND visibility = 'public'")
        .bind::<Array<SqlUuid>, _>(plain(people))
        .load(conn)
        .await?)
}

pub async fn profile_ids(
    conn: &mut AsyncPgConnection,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Uuid>, DbError> {
    let rows: Vec<IdRow> = diesel::sql_query(
        "SELECT user_id AS id FROM career.profiles WHERE visibility = 'public' AND ($1 IS NULL OR user_id > $1)
         ORDER BY user_id LIMIT $2",
    )
    .bind::<Nullable<SqlUuid>, _>(after)
    .bind::<BigInt, _>(limit)
    .load(conn)
    .await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

#[derive(QueryableByName)]
struct ProjectRow {
    #[diesel(sql_type = SqlUuid)]
    user_id: UserId,
    #[diesel(sql_type = Text)]
    title: String,
    #[diesel(sql_type = Text)]
    summary: String,
}

/// Titles and summaries of public projects by person, in their order.
pub async fn projects(
    conn: &mut AsyncPgConnection,
    people: &[UserId],
) -> Result<HashMap<UserId, Vec<(String, String)>>, DbError> {
    let rows: Vec<ProjectRow> = diesel::sql_query(
        "SELECT user_id, title, summary FROM career.projects WHERE user_id = ANY($1) AND visibility = 'public'
         ORDER BY user_id, position, id",
    )
    .bind::<Array<SqlUuid>, _>(plain(people))
    .load(conn)
    .await?;
    let mut all: HashMap<UserId, Vec<(String, String)>> = HashMap::new();
    for row in rows {
        all.entry(row.user_id).or_default().push((row.title, row.summary));
    }
    Ok(all)
}

pub async fn mentors(conn: &mut AsyncPgConnection, people: &[UserId]) -> Result<Vec<Mentor>, DbError> {
    Ok(diesel::sql_query("SELECT * FROM career.mentors WHERE id = ANY($1) AND state = 'approved'")
        .bind::<Array<SqlUuid>, _>(plain(people))
        .load(conn)
        .await?)
}

pub async fn mentor_ids(
    conn: &mut AsyncPgConnection,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Uuid>, DbError> {
    let rows: Vec<IdRow> = diesel::sql_query(
        "SELECT id FROM career.mentors WHERE state = 'approved' AND ($1 IS NULL OR id > $1) ORDER BY id LIMIT $2",
    )
    .bind::<Nullable<SqlUuid>, _>(after)
    .bind::<BigInt, _>(limit)
    .load(conn)
    .await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}
