//! What other contexts may read.

use diesel::{
    QueryableByName,
    sql_types::{Array, BigInt, Jsonb, Nullable, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    contexts::learning::model::{Course, CourseId},
    postgres::DbError,
};

#[derive(QueryableByName)]
struct Row {
    #[diesel(embed)]
    course: Course,
    #[diesel(sql_type = Jsonb)]
    content: Value,
}

/// Published courses with the content of their latest version.
pub async fn published(
    conn: &mut AsyncPgConnection,
    ids: &[CourseId],
) -> Result<Vec<(Course, Value)>, DbError> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let rows: Vec<Row> = diesel::sql_query(
        "SELECT c.*, v.content FROM learning.courses c
         JOIN learning.course_versions v ON v.course_id = c.id AND v.number = c.published
         WHERE c.id = ANY($1) AND c.state = 'published'",
    )
    .bind::<Array<SqlUuid>, _>(ids)
    .load(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.course, row.content)).collect())
}

#[derive(QueryableByName)]
struct IdRow {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
}

pub async fn published_ids(
    conn: &mut AsyncPgConnection,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Uuid>, DbError> {
    let rows: Vec<IdRow> = diesel::sql_query(
        "SELECT id FROM learning.courses WHERE state = 'published' AND ($1 IS NULL OR id > $1) ORDER BY id LIMIT $2",
    )
    .bind::<Nullable<SqlUuid>, _>(after)
    .bind::<BigInt, _>(limit)
    .load(conn)
    .await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}
