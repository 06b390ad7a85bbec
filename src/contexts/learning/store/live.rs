//! Live quizzes and their answers.

use chrono::{DateTime, Utc};
use diesel::{
    OptionalExtension, QueryableByName,
    sql_types::{Array, BigInt, Integer, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;

use crate::{
    contexts::learning::model::{CourseId, live::LiveQuizId},
    postgres::DbError,
    principal::UserId,
};

/// A live quiz.
#[derive(Clone, Debug, QueryableByName)]
#[diesel(check_for_backend(diesel::pg::Pg))]
#[allow(missing_docs)]
pub struct LiveRow {
    #[diesel(sql_type = SqlUuid)]
    pub id: LiveQuizId,
    #[diesel(sql_type = SqlUuid)]
    pub course_id: CourseId,
    #[diesel(sql_type = SqlUuid)]
    pub host_id: UserId,
    #[diesel(sql_type = Text)]
    pub title: String,
    #[diesel(sql_type = Jsonb)]
    pub paper: Value,
    #[diesel(sql_type = Integer)]
    pub seconds: i32,
    #[diesel(sql_type = Text)]
    pub state: String,
    #[diesel(sql_type = Integer)]
    pub number: i32,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub opened_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub closes_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = BigInt)]
    pub version: i64,
    #[diesel(sql_type = Timestamptz)]
    pub created_at: DateTime<Utc>,
}

/// Adds one; `false` if the course has one that is not over.
pub async fn insert(conn: &mut AsyncPgConnection, new: &LiveRow) -> Result<bool, DbError> {
    let added = diesel::sql_query(
        "INSERT INTO learning.live_quizzes
            (id, course_id, host_id, title, paper, seconds, state, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, 'waiting', $7, $7) ON CONFLICT DO NOTHING",
    )
    .bind::<SqlUuid, _>(new.id)
    .bind::<SqlUuid, _>(new.course_id)
    .bind::<SqlUuid, _>(new.host_id)
    .bind::<Text, _>(&new.title)
    .bind::<Jsonb, _>(&new.paper)
    .bind::<Integer, _>(new.seconds)
    .bind::<Timestamptz, _>(new.created_at)
    .execute(conn)
    .await?;
    Ok(added == 1)
}

pub async fn load(conn: &mut AsyncPgConnection, id: LiveQuizId) -> Result<Option<LiveRow>, DbError> {
    let found = diesel::sql_query("SELECT * FROM learning.live_quizzes WHERE id = $1").bind::<SqlUuid, _>(id);
    Ok(found.get_result(conn).await.optional()?)
}

/// The one of a course that is not over.
pub async fn running(conn: &mut AsyncPgConnection, course: CourseId) -> Result<Option<LiveRow>, DbError> {
    let found =
        diesel::sql_query("SELECT * FROM learning.live_quizzes WHERE course_id = $1 AND state <> 'ended'")
            .bind::<SqlUuid, _>(course);
    Ok(found.get_result(conn).await.optional()?)
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

/// What a step changes.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct Moved {
    pub state: &'static str,
    pub number: i32,
    pub opened_at: Option<DateTime<Utc>>,
    pub closes_at: Option<DateTime<Utc>>,
}

/// Takes a step from `version`; the next version, or `None` if somebody else took one.
pub async fn advance(
    conn: &mut AsyncPgConnection,
    id: LiveQuizId,
    version: i64,
    to: &Moved,
    now: DateTime<Utc>,
) -> Result<Option<i64>, DbError> {
    let row: Option<Number> = diesel::sql_query(
        "UPDATE learning.live_quizzes SET state = $3, number = $4, opened_at = $5, closes_at = $6,
                version = version + 1, updated_at = $7
         WHERE id = $1 AND version = $2 RETURNING version AS n",
    )
    .bind::<SqlUuid, _>(id)
    .bind::<BigInt, _>(version)
    .bind::<Text, _>(to.state)
    .bind::<Integer, _>(to.number)
    .bind::<Nullable<Timestamptz>, _>(to.opened_at)
    .bind::<Nullable<Timestamptz>, _>(to.closes_at)
    .bind::<Timestamptz, _>(now)
    .get_result(conn)
    .await
    .optional()?;
    Ok(row.map(|row| row.n))
}

/// An answer.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct NewAnswer {
    pub number: i32,
    pub student: UserId,
    pub answer: Value,
    pub points: i32,
    pub at: DateTime<Utc>,
}

#[derive(QueryableByName)]
#[diesel(check_for_backend(diesel::pg::Pg))]
struct Kept {
    #[diesel(sql_type = SqlUuid)]
    student_id: UserId,
    #[diesel(sql_type = Integer)]
    number: i32,
}

/// Keeps answers, all or none; those that were not answered before.
pub async fn answer(
    conn: &mut AsyncPgConnection,
    quiz: LiveQuizId,
    new: &[NewAnswer],
) -> Result<Vec<(UserId, i32)>, DbError> {
    let kept: Vec<Kept> = diesel::sql_query(
        "INSERT INTO learning.live_answers (quiz_id, number, student_id, answer, points, answered_at)
         SELECT $1, w.number, w.student, w.answer, w.points, w.at
         FROM unnest($2, $3, $4, $5, $6) AS w (number, student, answer, points, at)
         ON CONFLICT DO NOTHING RETURNING student_id, number",
    )
    .bind::<SqlUuid, _>(quiz)
    .bind::<Array<Integer>, _>(new.iter().map(|one| one.number).collect::<Vec<_>>())
    .bind::<Array<SqlUuid>, _>(new.iter().map(|one| one.student).collect::<Vec<_>>())
    .bind::<Array<Jsonb>, _>(new.iter().map(|one| one.answer.clone()).collect::<Vec<_>>())
    .bind::<Array<Integer>, _>(new.iter().map(|one| one.points).collect::<Vec<_>>())
    .bind::<Array<Timestamptz>, _>(new.iter().map(|one| one.at).collect::<Vec<_>>())
    .get_results(conn)
    .await?;
    Ok(kept.into_iter().map(|row| (row.student_id, row.number)).collect())
}

/// Somebody's points so far.
#[derive(Clone, Debug, QueryableByName)]
#[diesel(check_for_backend(diesel::pg::Pg))]
#[allow(missing_docs)]
pub struct Total {
    #[diesel(sql_type = SqlUuid)]
    pub student_id: UserId,
    #[diesel(sql_type = BigInt)]
    pub points: i64,
    #[diesel(sql_type = BigInt)]
    pub answers: i64,
    /// The last question they answered.
    #[diesel(sql_type = Integer)]
    pub last_number: i32,
    /// When that was.
    #[diesel(sql_type = Timestamptz)]
    pub last_at: DateTime<Utc>,
}

/// Everybody's.
pub async fn totals(conn: &mut AsyncPgConnection, quiz: LiveQuizId) -> Result<Vec<Total>, DbError> {
    Ok(diesel::sql_query(
        "SELECT student_id, sum(points)::bigint AS points, count(*) AS answers, max(number) AS last_number,
                max(answered_at) AS last_at
         FROM learning.live_answers WHERE quiz_id = $1 GROUP BY student_id",
    )
    .bind::<SqlUuid, _>(quiz)
    .get_results(conn)
    .await?)
}

/// How many answers there are.
pub async fn count(conn: &mut AsyncPgConnection, quiz: LiveQuizId) -> Result<i64, DbError> {
    let row: Number = diesel::sql_query("SELECT count(*) AS n FROM learning.live_answers WHERE quiz_id = $1")
        .bind::<SqlUuid, _>(quiz)
        .get_result(conn)
        .await?;
    Ok(row.n)
}
