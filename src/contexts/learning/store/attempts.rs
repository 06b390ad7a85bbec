//! Attempts, grades and hand-ins.

use chrono::{DateTime, Utc};
use diesel::{
    OptionalExtension, QueryableByName,
    sql_types::{Array, BigInt, Bool, Integer, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;
use uuid::Uuid;

use super::{banks::Bank, moves::At};
use crate::{
    contexts::learning::model::{
        ATTEMPT, Attempt, AttemptId, AttemptState, CourseId, EnrolmentId, ItemId, Submission, SubmissionId,
        SubmissionState,
    },
    postgres::DbError,
    principal::UserId,
};

impl At<AttemptState> {
    /// An attempt, whose time runs out at `deadline`, grace included.
    pub fn attempt(attempt: &Attempt, deadline: Option<DateTime<Utc>>) -> Self {
        Self { id: attempt.id.0, state: attempt.state, version: attempt.version, deadline }
    }
}

impl From<&Submission> for At<SubmissionState> {
    fn from(one: &Submission) -> Self {
        Self { id: one.id.0, state: one.state, version: one.version, deadline: None }
    }
}

pub async fn insert(conn: &mut AsyncPgConnection, new: &Attempt) -> Result<(), DbError> {
    diesel::sql_query(
        "INSERT INTO learning.attempts
            (id, enrolment_id, item_id, number, seed, paper, state, deadline_at, max_score, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10)",
    )
    .bind::<SqlUuid, _>(new.id)
    .bind::<SqlUuid, _>(new.enrolment_id)
    .bind::<SqlUuid, _>(new.item_id)
    .bind::<Integer, _>(new.number)
    .bind::<BigInt, _>(new.seed)
    .bind::<Jsonb, _>(&new.paper)
    .bind::<Text, _>(new.state)
    .bind::<Nullable<Timestamptz>, _>(new.deadline_at)
    .bind::<BigInt, _>(new.max_score)
    .bind::<Timestamptz, _>(new.created_at)
    .execute(conn)
    .await?;
    Ok(())
}

pub async fn load(conn: &mut AsyncPgConnection, id: AttemptId) -> Result<Option<Attempt>, DbError> {
    let found = diesel::sql_query("SELECT * FROM learning.attempts WHERE id = $1").bind::<SqlUuid, _>(id);
    Ok(found.get_result(conn).await.optional()?)
}

pub async fn lock(conn: &mut AsyncPgConnection, id: AttemptId) -> Result<Option<Attempt>, DbError> {
    let found =
        diesel::sql_query("SELECT * FROM learning.attempts WHERE id = $1 FOR UPDATE").bind::<SqlUuid, _>(id);
    Ok(found.get_result(conn).await.optional()?)
}

/// Of one enrolment at one item, by number.
pub async fn of_item(
    conn: &mut AsyncPgConnection,
    enrolment: EnrolmentId,
    item: ItemId,
) -> Result<Vec<Attempt>, DbError> {
    Ok(diesel::sql_query(
        "SELECT * FROM learning.attempts WHERE enrolment_id = $1 AND item_id = $2 ORDER BY number",
    )
    .bind::<SqlUuid, _>(enrolment)
    .bind::<SqlUuid, _>(item)
    .get_results(conn)
    .await?)
}

/// How an attempt stands, whichever enrolment it belongs to.
#[derive(Clone, Debug, QueryableByName)]
#[diesel(check_for_backend(diesel::pg::Pg))]
pub struct Taken {
    #[diesel(sql_type = Text)]
    pub state: AttemptState,
    /// Whether its learner is still in the course by that enrolment: nobody goes on with what they left.
    #[diesel(sql_type = Bool)]
    pub learns: bool,
}

impl Taken {
    /// Whether answers are taken.
    pub fn is_open(&self) -> bool {
        self.learns && matches!(self.state, AttemptState::InProgress | AttemptState::Overdue)
    }

    /// Whether nothing more comes of it.
    pub fn is_over(&self) -> bool {
        !self.learns || ATTEMPT.is_final(self.state)
    }
}

/// Of one person at one item of a course, those of enrolments before the present one too: who withdraws
/// and comes again has used what they used.
pub async fn of_person(
    conn: &mut AsyncPgConnection,
    course: CourseId,
    student: UserId,
    item: ItemId,
) -> Result<Vec<Taken>, DbError> {
    Ok(diesel::sql_query(
        "SELECT a.state, e.state IN ('active', 'completed') AS learns FROM learning.attempts a
         JOIN learning.enrolments e ON e.id = a.enrolment_id
         WHERE e.student_id = $1 AND e.course_id = $2 AND a.item_id = $3 ORDER BY a.id",
    )
    .bind::<SqlUuid, _>(student)
    .bind::<SqlUuid, _>(course)
    .bind::<SqlUuid, _>(item)
    .get_results(conn)
    .await?)
}

/// Whether an attempt of an enrolment is open, or about to be taken in.
pub async fn any_open(conn: &mut AsyncPgConnection, enrolment: EnrolmentId) -> Result<bool, DbError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Bool)]
        open: bool,
    }
    let row: Row = diesel::sql_query(
        "SELECT EXISTS (SELECT 1 FROM learning.attempts
            WHERE enrolment_id = $1 AND state IN ('in_progress', 'overdue')) AS open",
    )
    .bind::<SqlUuid, _>(enrolment)
    .get_result(conn)
    .await?;
    Ok(row.open)
}

/// Saves answers, if nobody else did since `version`; the new version.
pub async fn save_answers(
    conn: &mut AsyncPgConnection,
    id: AttemptId,
    version: i64,
    answers: &Value,
    now: DateTime<Utc>,
) -> Result<Option<Attempt>, DbError> {
    Ok(diesel::sql_query(
        "UPDATE learning.attempts SET answers = $3, version = version + 1, updated_at = $4
         WHERE id = $1 AND version = $2 AND state = 'in_progress' RETURNING *",
    )
    .bind::<SqlUuid, _>(id)
    .bind::<BigInt, _>(version)
    .bind::<Jsonb, _>(answers)
    .bind::<Timestamptz, _>(now)
    .get_result(conn)
    .await
    .optional()?)
}

pub async fn set_submitted(
    conn: &mut AsyncPgConnection,
    id: AttemptId,
    at: DateTime<Utc>,
) -> Result<(), DbError> {
    diesel::sql_query("UPDATE learning.attempts SET submitted_at = $2 WHERE id = $1")
        .bind::<SqlUuid, _>(id)
        .bind::<Timestamptz, _>(at)
        .execute(conn)
        .await?;
    Ok(())
}

/// A grade: the next of an attempt's history.
pub struct NewGrade<'a> {
    pub attempt: AttemptId,
    pub number: i32,
    pub score: i64,
    pub max_score: i64,
    pub marks: &'a Value,
    pub reason: &'a str,
    pub graded_by: Option<UserId>,
    pub at: DateTime<Utc>,
}

/// Adds a grade and makes it the present one.
pub async fn add_grade(conn: &mut AsyncPgConnection, new: &NewGrade<'_>) -> Result<(), DbError> {
    diesel::sql_query(
        "INSERT INTO learning.grades (attempt_id, number, score, max_score, marks, reason, graded_by, at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind::<SqlUuid, _>(new.attempt)
    .bind::<Integer, _>(new.number)
    .bind::<BigInt, _>(new.score)
    .bind::<BigInt, _>(new.max_score)
    .bind::<Jsonb, _>(new.marks)
    .bind::<Text, _>(new.reason)
    .bind::<Nullable<SqlUuid>, _>(new.graded_by)
    .bind::<Timestamptz, _>(new.at)
    .execute(conn)
    .await?;
    diesel::sql_query("UPDATE learning.attempts SET score = $2, max_score = $3, grade = $4 WHERE id = $1")
        .bind::<SqlUuid, _>(new.attempt)
        .bind::<BigInt, _>(new.score)
        .bind::<BigInt, _>(new.max_score)
        .bind::<Integer, _>(new.number)
        .execute(conn)
        .await?;
    Ok(())
}

/// A grade as it is kept.
#[derive(Clone, Debug, QueryableByName)]
#[diesel(check_for_backend(diesel::pg::Pg))]
pub struct Grade {
    #[diesel(sql_type = BigInt)]
    pub max_score: i64,
    #[diesel(sql_type = Jsonb)]
    pub marks: Value,
}

/// All grades of an attempt, the first first.
pub async fn grades(conn: &mut AsyncPgConnection, id: AttemptId) -> Result<Vec<Grade>, DbError> {
    Ok(diesel::sql_query(
        "SELECT max_score, marks FROM learning.grades WHERE attempt_id = $1 ORDER BY number",
    )
    .bind::<SqlUuid, _>(id)
    .get_results(conn)
    .await?)
}

#[derive(QueryableByName)]
struct IdRow {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
}

/// Graded attempts of a course at an item.
pub async fn graded(
    conn: &mut AsyncPgConnection,
    course: CourseId,
    item: ItemId,
) -> Result<Vec<AttemptId>, DbError> {
    let rows: Vec<IdRow> = diesel::sql_query(
        "SELECT a.id FROM learning.attempts a JOIN learning.enrolments e ON e.id = a.enrolment_id
         WHERE e.course_id = $1 AND a.item_id = $2 AND a.state IN ('graded', 'regraded') ORDER BY a.id",
    )
    .bind::<SqlUuid, _>(course)
    .bind::<SqlUuid, _>(item)
    .get_results(conn)
    .await?;
    Ok(rows.into_iter().map(|row| AttemptId(row.id)).collect())
}

/// The present grades of attempts that asked questions of a bank: the marks, the attempt's score and
/// the paper.
#[derive(Clone, Debug, QueryableByName)]
#[diesel(check_for_backend(diesel::pg::Pg))]
pub struct Sample {
    #[diesel(sql_type = SqlUuid)]
    pub id: AttemptId,
    #[diesel(sql_type = Jsonb)]
    pub paper: Value,
    #[diesel(sql_type = Jsonb)]
    pub marks: Value,
    #[diesel(sql_type = BigInt)]
    pub score: i64,
    #[diesel(sql_type = BigInt)]
    pub max_score: i64,
}

/// Some of them, the latest first. Only courses of the bank's owner draw on it: nobody else's are looked at.
pub async fn samples(
    conn: &mut AsyncPgConnection,
    bank: &Bank,
    before: Option<AttemptId>,
    limit: i64,
) -> Result<Vec<Sample>, DbError> {
    Ok(diesel::sql_query(
        "SELECT a.id, a.paper, g.marks, g.score, g.max_score FROM learning.courses c
         JOIN learning.enrolments e ON e.course_id = c.id
         JOIN learning.attempts a ON a.enrolment_id = e.id
         JOIN learning.grades g ON g.attempt_id = a.id AND g.number = a.grade
         WHERE c.owner_id = $1 AND a.state IN ('graded', 'regraded') AND ($2 IS NULL OR a.id < $2) AND EXISTS (
             SELECT FROM jsonb_array_elements(a.paper) AS place
             JOIN learning.questions q ON q.id = (place ->> 'question')::uuid AND q.bank_id = $3)
         ORDER BY a.id DESC LIMIT $4",
    )
    .bind::<SqlUuid, _>(bank.owner_id)
    .bind::<Nullable<SqlUuid>, _>(before)
    .bind::<SqlUuid, _>(bank.id)
    .bind::<BigInt, _>(limit)
    .get_results(conn)
    .await?)
}

/// What waits for an instructor.
#[derive(Clone, Debug, QueryableByName)]
#[diesel(check_for_backend(diesel::pg::Pg))]
pub struct Waiting {
    #[diesel(sql_type = Text)]
    pub kind: String,
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub enrolment_id: EnrolmentId,
    #[diesel(sql_type = SqlUuid)]
    pub student_id: UserId,
    #[diesel(sql_type = SqlUuid)]
    pub item_id: ItemId,
    #[diesel(sql_type = Timestamptz)]
    pub since: DateTime<Utc>,
}

/// The queue of a course, the oldest first.
pub async fn waiting(
    conn: &mut AsyncPgConnection,
    course: CourseId,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Waiting>, DbError> {
    Ok(diesel::sql_query(
        "SELECT * FROM (
            SELECT 'attempt' AS kind, a.id, a.enrolment_id, e.student_id, a.item_id, a.submitted_at AS since
            FROM learning.attempts a JOIN learning.enrolments e ON e.id = a.enrolment_id
            WHERE e.course_id = $1 AND a.state = 'needs_grading'
            UNION ALL
            SELECT 'submission', s.id, s.enrolment_id, e.student_id, s.item_id, s.created_at
            FROM learning.submissions s JOIN learning.enrolments e ON e.id = s.enrolment_id
            WHERE e.course_id = $1 AND s.state = 'submitted'
         ) AS q WHERE ($2 IS NULL OR id > $2) ORDER BY id LIMIT $3",
    )
    .bind::<SqlUuid, _>(course)
    .bind::<Nullable<SqlUuid>, _>(after)
    .bind::<BigInt, _>(limit)
    .get_results(conn)
    .await?)
}

pub async fn hand_in(conn: &mut AsyncPgConnection, new: &Submission) -> Result<(), DbError> {
    diesel::sql_query(
        "INSERT INTO learning.submissions
            (id, enrolment_id, item_id, body, files, late_s, state, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)",
    )
    .bind::<SqlUuid, _>(new.id)
    .bind::<SqlUuid, _>(new.enrolment_id)
    .bind::<SqlUuid, _>(new.item_id)
    .bind::<Text, _>(&new.body)
    .bind::<Array<SqlUuid>, _>(&new.files)
    .bind::<BigInt, _>(new.late_s)
    .bind::<Text, _>(new.state)
    .bind::<Timestamptz, _>(new.created_at)
    .execute(conn)
    .await?;
    Ok(())
}

pub async fn submission(
    conn: &mut AsyncPgConnection,
    id: SubmissionId,
) -> Result<Option<Submission>, DbError> {
    let found = diesel::sql_query("SELECT * FROM learning.submissions WHERE id = $1").bind::<SqlUuid, _>(id);
    Ok(found.get_result(conn).await.optional()?)
}

pub async fn lock_submission(
    conn: &mut AsyncPgConnection,
    id: SubmissionId,
) -> Result<Option<Submission>, DbError> {
    let found = diesel::sql_query("SELECT * FROM learning.submissions WHERE id = $1 FOR UPDATE")
        .bind::<SqlUuid, _>(id);
    Ok(found.get_result(conn).await.optional()?)
}

/// What one person handed in for one item, the latest first.
pub async fn submissions(
    conn: &mut AsyncPgConnection,
    enrolment: EnrolmentId,
    item: ItemId,
) -> Result<Vec<Submission>, DbError> {
    Ok(diesel::sql_query(
        "SELECT * FROM learning.submissions WHERE enrolment_id = $1 AND item_id = $2 ORDER BY id DESC",
    )
    .bind::<SqlUuid, _>(enrolment)
    .bind::<SqlUuid, _>(item)
    .get_results(conn)
    .await?)
}

/// Writes what the instructor decided.
pub async fn grade_submission(conn: &mut AsyncPgConnection, one: &Submission) -> Result<(), DbError> {
    diesel::sql_query(
        "UPDATE learning.submissions SET score = $2, rubric = $3, note = $4, graded_by = $5 WHERE id = $1",
    )
    .bind::<SqlUuid, _>(one.id)
    .bind::<Nullable<Integer>, _>(one.score)
    .bind::<Nullable<Jsonb>, _>(&one.rubric)
    .bind::<Nullable<Text>, _>(&one.note)
    .bind::<Nullable<SqlUuid>, _>(one.graded_by)
    .execute(conn)
    .await?;
    Ok(())
}
