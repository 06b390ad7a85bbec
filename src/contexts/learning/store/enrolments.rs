//! Enrolments and progress.

use chrono::{DateTime, Utc};
use diesel::{
    OptionalExtension,
    sql_types::{BigInt, Bool, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::moves::At;
use crate::{
    contexts::learning::model::{CourseId, Enrolment, EnrolmentId, EnrolmentState, ItemId, Progress},
    postgres::DbError,
    principal::UserId,
};

impl From<&Enrolment> for At<EnrolmentState> {
    fn from(enrolment: &Enrolment) -> Self {
        Self { id: enrolment.id.0, state: enrolment.state, version: enrolment.version, deadline: None }
    }
}

/// Enrolments with what their cohort adds.
fn with_cohort(which: &str) -> String {
    format!(
        "SELECT e.*, c.starts_at AS cohort_starts_at, coalesce(c.extension, 0) AS cohort_extension
         FROM learning.enrolments e LEFT JOIN learning.cohorts c ON c.id = e.cohort_id WHERE {which}"
    )
}

pub async fn insert(conn: &mut AsyncPgConnection, new: &Enrolment) -> Result<(), DbError> {
    diesel::sql_query(
        "INSERT INTO learning.enrolments
            (id, course_id, number, student_id, state, created_at, updated_at, cohort_id, price_minor, currency, payee_id)
         VALUES ($1, $2, $3, $4, $5, $6, $6, $7, $8, $9, $10)",
    )
    .bind::<SqlUuid, _>(new.id)
    .bind::<SqlUuid, _>(new.course_id)
    .bind::<Integer, _>(new.number)
    .bind::<SqlUuid, _>(new.student_id)
    .bind::<Text, _>(new.state)
    .bind::<Timestamptz, _>(new.created_at)
    .bind::<Nullable<SqlUuid>, _>(new.cohort_id)
    .bind::<Nullable<BigInt>, _>(new.price_minor)
    .bind::<Nullable<Text>, _>(&new.currency)
    .bind::<Nullable<SqlUuid>, _>(new.payee_id)
    .execute(conn)
    .await?;
    Ok(())
}

/// Everybody who has a place in a course.
pub async fn people(conn: &mut AsyncPgConnection, course: CourseId) -> Result<Vec<UserId>, DbError> {
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = SqlUuid)]
        student_id: UserId,
    }
    let found: Vec<Row> = diesel::sql_query(
        "SELECT DISTINCT student_id FROM learning.enrolments
         WHERE course_id = $1 AND state IN ('active', 'completed') ORDER BY student_id",
    )
    .bind::<SqlUuid, _>(course)
    .load(conn)
    .await?;
    Ok(found.into_iter().map(|row| row.student_id).collect())
}

pub async fn load(conn: &mut AsyncPgConnection, id: EnrolmentId) -> Result<Option<Enrolment>, DbError> {
    let found = diesel::sql_query(with_cohort("e.id = $1")).bind::<SqlUuid, _>(id);
    Ok(found.get_result(conn).await.optional()?)
}

pub async fn lock(conn: &mut AsyncPgConnection, id: EnrolmentId) -> Result<Option<Enrolment>, DbError> {
    let found = diesel::sql_query(with_cohort("e.id = $1 FOR UPDATE OF e")).bind::<SqlUuid, _>(id);
    Ok(found.get_result(conn).await.optional()?)
}

/// The enrolment of a person in a course that counts.
pub async fn live(
    conn: &mut AsyncPgConnection,
    course: CourseId,
    student: UserId,
) -> Result<Option<Enrolment>, DbError> {
    let found = diesel::sql_query(with_cohort(
        "e.course_id = $1 AND e.student_id = $2 AND e.state NOT IN ('withdrawn', 'lapsed')",
    ))
    .bind::<SqlUuid, _>(course)
    .bind::<SqlUuid, _>(student);
    Ok(found.get_result(conn).await.optional()?)
}

/// Of a course, or of a person.
pub async fn list(
    conn: &mut AsyncPgConnection,
    course: Option<CourseId>,
    student: Option<UserId>,
    before: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Enrolment>, DbError> {
    Ok(diesel::sql_query(with_cohort(
        "($1 IS NULL OR e.course_id = $1) AND ($2 IS NULL OR e.student_id = $2)
         AND ($3 IS NULL OR e.id < $3) ORDER BY e.id DESC LIMIT $4",
    ))
    .bind::<Nullable<SqlUuid>, _>(course)
    .bind::<Nullable<SqlUuid>, _>(student)
    .bind::<Nullable<SqlUuid>, _>(before)
    .bind::<BigInt, _>(limit)
    .get_results(conn)
    .await?)
}

/// Sets the version that a learner takes.
pub async fn move_to(
    conn: &mut AsyncPgConnection,
    id: EnrolmentId,
    number: i32,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    diesel::sql_query(
        "UPDATE learning.enrolments SET number = $2, version = version + 1, updated_at = $3 WHERE id = $1",
    )
    .bind::<SqlUuid, _>(id)
    .bind::<Integer, _>(number)
    .bind::<Timestamptz, _>(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// Sets extra time and extension.
pub async fn set_access(
    conn: &mut AsyncPgConnection,
    id: EnrolmentId,
    extra_time: i32,
    extension: i32,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    diesel::sql_query(
        "UPDATE learning.enrolments SET extra_time = $2, extension = $3, version = version + 1, updated_at = $4
         WHERE id = $1",
    )
    .bind::<SqlUuid, _>(id)
    .bind::<Integer, _>(extra_time)
    .bind::<Integer, _>(extension)
    .bind::<Timestamptz, _>(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// Sets until when withdrawing gives the money back.
pub async fn set_refundable(
    conn: &mut AsyncPgConnection,
    id: EnrolmentId,
    until: DateTime<Utc>,
) -> Result<(), DbError> {
    diesel::sql_query("UPDATE learning.enrolments SET refund_until = $2 WHERE id = $1")
        .bind::<SqlUuid, _>(id)
        .bind::<Timestamptz, _>(until)
        .execute(conn)
        .await?;
    Ok(())
}

/// The table wants the time together with the state: set first, then the step.
pub async fn set_completed(
    conn: &mut AsyncPgConnection,
    id: EnrolmentId,
    at: DateTime<Utc>,
) -> Result<(), DbError> {
    diesel::sql_query("UPDATE learning.enrolments SET state = 'completed', completed_at = $2 WHERE id = $1")
        .bind::<SqlUuid, _>(id)
        .bind::<Timestamptz, _>(at)
        .execute(conn)
        .await?;
    Ok(())
}

pub async fn progress(conn: &mut AsyncPgConnection, id: EnrolmentId) -> Result<Vec<Progress>, DbError> {
    let found =
        diesel::sql_query("SELECT * FROM learning.progress WHERE enrolment_id = $1").bind::<SqlUuid, _>(id);
    Ok(found.get_results(conn).await?)
}

pub async fn progress_of(
    conn: &mut AsyncPgConnection,
    id: EnrolmentId,
    item: ItemId,
) -> Result<Option<Progress>, DbError> {
    let found = diesel::sql_query("SELECT * FROM learning.progress WHERE enrolment_id = $1 AND item_id = $2")
        .bind::<SqlUuid, _>(id)
        .bind::<SqlUuid, _>(item);
    Ok(found.get_result(conn).await.optional()?)
}

/// Writes progress. The table refuses a step back.
pub async fn save(conn: &mut AsyncPgConnection, now_is: &Progress) -> Result<(), DbError> {
    diesel::sql_query(
        "INSERT INTO learning.progress
            (enrolment_id, item_id, viewed, watched, position_s, submitted, score, done_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (enrolment_id, item_id) DO UPDATE SET viewed = EXCLUDED.viewed, watched = EXCLUDED.watched,
            position_s = EXCLUDED.position_s, submitted = EXCLUDED.submitted, score = EXCLUDED.score,
            done_at = EXCLUDED.done_at, updated_at = EXCLUDED.updated_at",
    )
    .bind::<SqlUuid, _>(now_is.enrolment_id)
    .bind::<SqlUuid, _>(now_is.item_id)
    .bind::<Bool, _>(now_is.viewed)
    .bind::<Integer, _>(now_is.watched)
    .bind::<Integer, _>(now_is.position_s)
    .bind::<Bool, _>(now_is.submitted)
    .bind::<Nullable<Integer>, _>(now_is.score)
    .bind::<Nullable<Timestamptz>, _>(now_is.done_at)
    .bind::<Timestamptz, _>(now_is.updated_at)
    .execute(conn)
    .await?;
    Ok(())
}
