//! Cohorts.

use chrono::{DateTime, Utc};
use diesel::{
    OptionalExtension, QueryableByName,
    sql_types::{BigInt, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::{
    contexts::learning::model::{Cohort, CohortId, CourseId},
    postgres::DbError,
};

/// Inserts a cohort, unless there is one of that id.
pub async fn insert(conn: &mut AsyncPgConnection, new: &Cohort) -> Result<bool, DbError> {
    let made = diesel::sql_query(
        "INSERT INTO learning.cohorts
            (id, course_id, title, starts_at, closes_at, places, extension, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8) ON CONFLICT (id) DO NOTHING",
    )
    .bind::<SqlUuid, _>(new.id)
    .bind::<SqlUuid, _>(new.course_id)
    .bind::<Text, _>(&new.title)
    .bind::<Timestamptz, _>(new.starts_at)
    .bind::<Nullable<Timestamptz>, _>(new.closes_at)
    .bind::<Nullable<Integer>, _>(new.places)
    .bind::<Integer, _>(new.extension)
    .bind::<Timestamptz, _>(new.created_at)
    .execute(conn)
    .await?;
    Ok(made == 1)
}

pub async fn load(conn: &mut AsyncPgConnection, id: CohortId) -> Result<Option<Cohort>, DbError> {
    let found = diesel::sql_query("SELECT * FROM learning.cohorts WHERE id = $1").bind::<SqlUuid, _>(id);
    Ok(found.get_result(conn).await.optional()?)
}

/// With its lock: nobody joins or changes it meanwhile.
pub async fn lock(conn: &mut AsyncPgConnection, id: CohortId) -> Result<Option<Cohort>, DbError> {
    let found =
        diesel::sql_query("SELECT * FROM learning.cohorts WHERE id = $1 FOR UPDATE").bind::<SqlUuid, _>(id);
    Ok(found.get_result(conn).await.optional()?)
}

pub async fn update(
    conn: &mut AsyncPgConnection,
    cohort: &Cohort,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    diesel::sql_query(
        "UPDATE learning.cohorts SET title = $2, starts_at = $3, closes_at = $4, places = $5, extension = $6,
             version = version + 1, updated_at = $7 WHERE id = $1",
    )
    .bind::<SqlUuid, _>(cohort.id)
    .bind::<Text, _>(&cohort.title)
    .bind::<Timestamptz, _>(cohort.starts_at)
    .bind::<Nullable<Timestamptz>, _>(cohort.closes_at)
    .bind::<Nullable<Integer>, _>(cohort.places)
    .bind::<Integer, _>(cohort.extension)
    .bind::<Timestamptz, _>(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// A course's, the latest first.
pub async fn list(
    conn: &mut AsyncPgConnection,
    course: CourseId,
    before: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Cohort>, DbError> {
    Ok(diesel::sql_query(
        "SELECT * FROM learning.cohorts WHERE course_id = $1 AND ($2 IS NULL OR id < $2)
         ORDER BY id DESC LIMIT $3",
    )
    .bind::<SqlUuid, _>(course)
    .bind::<Nullable<SqlUuid>, _>(before)
    .bind::<BigInt, _>(limit)
    .get_results(conn)
    .await?)
}

/// How many places of a cohort are taken.
pub async fn taken(conn: &mut AsyncPgConnection, id: CohortId) -> Result<i64, DbError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = BigInt)]
        count: i64,
    }
    let row: Row = diesel::sql_query(
        "SELECT count(*) AS count FROM learning.enrolments
         WHERE cohort_id = $1 AND state NOT IN ('withdrawn', 'lapsed')",
    )
    .bind::<SqlUuid, _>(id)
    .get_result(conn)
    .await?;
    Ok(row.count)
}
