//! Courses, their versions and announcements.

use chrono::{DateTime, Utc};
use diesel::{
    OptionalExtension, QueryableByName,
    pg::Pg,
    sql_types::{Array, BigInt, Integer, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;
use uuid::Uuid;

use super::moves::At;
use crate::{
    contexts::learning::model::{Course, CourseId, CourseState},
    postgres::DbError,
    principal::UserId,
};

impl From<&Course> for At<CourseState> {
    fn from(course: &Course) -> Self {
        Self { id: course.id.0, state: course.state, version: course.version, deadline: None }
    }
}

/// Inserts a course, unless there is one of that id.
pub async fn insert(conn: &mut AsyncPgConnection, course: &Course) -> Result<bool, DbError> {
    let made = diesel::sql_query(
        "INSERT INTO learning.courses (id, owner_id, title, summary, prerequisites, state, draft, created_at, updated_at, price_minor, currency)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, $9, $10) ON CONFLICT (id) DO NOTHING",
    )
    .bind::<SqlUuid, _>(course.id)
    .bind::<SqlUuid, _>(course.owner_id)
    .bind::<Text, _>(&course.title)
    .bind::<Text, _>(&course.summary)
    .bind::<Array<SqlUuid>, _>(&course.prerequisites)
    .bind::<Text, _>(course.state)
    .bind::<Jsonb, _>(&course.draft)
    .bind::<Timestamptz, _>(course.created_at)
    .bind::<Nullable<BigInt>, _>(course.price_minor)
    .bind::<Nullable<Text>, _>(&course.currency)
    .execute(conn)
    .await?;
    Ok(made == 1)
}

pub async fn load(conn: &mut AsyncPgConnection, id: CourseId) -> Result<Option<Course>, DbError> {
    let found = diesel::sql_query("SELECT * FROM learning.courses WHERE id = $1").bind::<SqlUuid, _>(id);
    Ok(found.get_result(conn).await.optional()?)
}

pub async fn lock(conn: &mut AsyncPgConnection, id: CourseId) -> Result<Option<Course>, DbError> {
    let found =
        diesel::sql_query("SELECT * FROM learning.courses WHERE id = $1 FOR UPDATE").bind::<SqlUuid, _>(id);
    Ok(found.get_result(conn).await.optional()?)
}

/// Writes what an instructor edits; the new version.
pub async fn update(
    conn: &mut AsyncPgConnection,
    course: &Course,
    now: DateTime<Utc>,
) -> Result<i64, DbError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = BigInt)]
        version: i64,
    }
    let row: Row = diesel::sql_query(
        "UPDATE learning.courses SET title = $2, summary = $3, prerequisites = $4, draft = $5,
             version = version + 1, updated_at = $6, price_minor = $7, currency = $8 WHERE id = $1 RETURNING version",
    )
    .bind::<SqlUuid, _>(course.id)
    .bind::<Text, _>(&course.title)
    .bind::<Text, _>(&course.summary)
    .bind::<Array<SqlUuid>, _>(&course.prerequisites)
    .bind::<Jsonb, _>(&course.draft)
    .bind::<Timestamptz, _>(now)
    .bind::<Nullable<BigInt>, _>(course.price_minor)
    .bind::<Nullable<Text>, _>(&course.currency)
    .get_result(conn)
    .await?;
    Ok(row.version)
}

/// Freezes the draft under the next number.
pub async fn freeze(
    conn: &mut AsyncPgConnection,
    course: &Course,
    now: DateTime<Utc>,
) -> Result<i32, DbError> {
    let number = course.published + 1;
    diesel::sql_query(
        "INSERT INTO learning.course_versions (course_id, number, content, published_at) VALUES ($1, $2, $3, $4)",
    )
    .bind::<SqlUuid, _>(course.id)
    .bind::<Integer, _>(number)
    .bind::<Jsonb, _>(&course.draft)
    .bind::<Timestamptz, _>(now)
    .execute(conn)
    .await?;
    diesel::sql_query("UPDATE learning.courses SET published = $2 WHERE id = $1")
        .bind::<SqlUuid, _>(course.id)
        .bind::<Integer, _>(number)
        .execute(conn)
        .await?;
    Ok(number)
}

#[derive(QueryableByName)]
struct ContentRow {
    #[diesel(sql_type = Jsonb)]
    content: Value,
}

/// A published version.
pub async fn content(
    conn: &mut AsyncPgConnection,
    id: CourseId,
    number: i32,
) -> Result<Option<Value>, DbError> {
    let row: Option<ContentRow> = diesel::sql_query(
        "SELECT content FROM learning.course_versions WHERE course_id = $1 AND number = $2",
    )
    .bind::<SqlUuid, _>(id)
    .bind::<Integer, _>(number)
    .get_result(conn)
    .await
    .optional()?;
    Ok(row.map(|row| row.content))
}

/// Which courses.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub q: Option<String>,
    pub states: Vec<CourseState>,
    pub owner: Option<UserId>,
    pub before: Option<Uuid>,
}

pub async fn list(conn: &mut AsyncPgConnection, filter: &Filter, limit: i64) -> Result<Vec<Course>, DbError> {
    let states: Vec<&'static str> = filter.states.iter().map(|state| state.as_str()).collect();
    let like = filter.q.as_ref().map(|words| {
        let escaped: String = words
            .chars()
            .flat_map(|c| if matches!(c, '%' | '_' | '\\') { vec!['\\', c] } else { vec![c] })
            .collect();
        format!("%{escaped}%")
    });
    let query = diesel::sql_query(
        "SELECT * FROM learning.courses WHERE state = ANY($1) AND ($2 IS NULL OR owner_id = $2)
         AND ($3 IS NULL OR id < $3) AND ($4 IS NULL OR title ILIKE $4 OR summary ILIKE $4)
         ORDER BY id DESC LIMIT $5",
    )
    .into_boxed::<Pg>()
    .bind::<Array<Text>, _>(states)
    .bind::<Nullable<SqlUuid>, _>(filter.owner)
    .bind::<Nullable<SqlUuid>, _>(filter.before)
    .bind::<Nullable<Text>, _>(like)
    .bind::<BigInt, _>(limit);
    Ok(query.get_results(conn).await?)
}

#[derive(QueryableByName)]
struct IdRow {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
}

/// Those of `courses` that this person has not completed.
pub async fn not_completed(
    conn: &mut AsyncPgConnection,
    student: UserId,
    courses: &[CourseId],
) -> Result<Vec<Uuid>, DbError> {
    let rows: Vec<IdRow> = diesel::sql_query(
        "SELECT c.id FROM unnest($1) AS c (id) WHERE NOT EXISTS (
            SELECT FROM learning.enrolments e
            WHERE e.course_id = c.id AND e.student_id = $2 AND e.state = 'completed')",
    )
    .bind::<Array<SqlUuid>, _>(courses)
    .bind::<SqlUuid, _>(student)
    .get_results(conn)
    .await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// Those of `ids` that are courses.
pub async fn existing(conn: &mut AsyncPgConnection, ids: &[CourseId]) -> Result<Vec<Uuid>, DbError> {
    let rows: Vec<IdRow> = diesel::sql_query("SELECT id FROM learning.courses WHERE id = ANY($1)")
        .bind::<Array<SqlUuid>, _>(ids)
        .get_results(conn)
        .await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// An announcement.
#[derive(Clone, Debug, QueryableByName)]
#[diesel(check_for_backend(Pg))]
pub struct Announcement {
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub course_id: CourseId,
    #[diesel(sql_type = SqlUuid)]
    pub author_id: UserId,
    #[diesel(sql_type = Text)]
    pub body: String,
    #[diesel(sql_type = Timestamptz)]
    pub created_at: DateTime<Utc>,
}

pub async fn announce(conn: &mut AsyncPgConnection, new: &Announcement) -> Result<bool, DbError> {
    let made = diesel::sql_query(
        "INSERT INTO learning.announcements (id, course_id, author_id, body, created_at)
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id) DO NOTHING",
    )
    .bind::<SqlUuid, _>(new.id)
    .bind::<SqlUuid, _>(new.course_id)
    .bind::<SqlUuid, _>(new.author_id)
    .bind::<Text, _>(&new.body)
    .bind::<Timestamptz, _>(new.created_at)
    .execute(conn)
    .await?;
    Ok(made == 1)
}

pub async fn announcements(
    conn: &mut AsyncPgConnection,
    course: CourseId,
    before: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Announcement>, DbError> {
    Ok(diesel::sql_query(
        "SELECT * FROM learning.announcements WHERE course_id = $1 AND ($2 IS NULL OR id < $2)
         ORDER BY id DESC LIMIT $3",
    )
    .bind::<SqlUuid, _>(course)
    .bind::<Nullable<SqlUuid>, _>(before)
    .bind::<BigInt, _>(limit)
    .get_results(conn)
    .await?)
}
