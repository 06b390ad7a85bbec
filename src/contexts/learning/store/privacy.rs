//! What learning knows of one person: to hand it to them, and to forget it.

use diesel::{
    QueryableByName,
    sql_types::{Array, Jsonb, Text, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;
use uuid::Uuid;

use crate::{postgres::DbError, principal::UserId};

/// Everything that is about a person, as JSON: one array a sort of thing.
pub async fn known(conn: &mut AsyncPgConnection, user: UserId) -> Result<Value, DbError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Jsonb)]
        known: Value,
    }
    let row: Row = diesel::sql_query(
        "WITH mine AS (SELECT * FROM learning.enrolments WHERE student_id = $1)
         SELECT jsonb_build_object(
            'enrolments', (SELECT coalesce(jsonb_agg(jsonb_build_object('id', id, 'course_id', course_id,
                'state', state, 'created_at', created_at, 'completed_at', completed_at,
                'price_minor', price_minor, 'currency', currency) ORDER BY id), '[]') FROM mine),
            'progress', (SELECT coalesce(jsonb_agg(to_jsonb(p) ORDER BY p.enrolment_id, p.item_id), '[]')
                FROM learning.progress p WHERE p.enrolment_id IN (SELECT id FROM mine)),
            'attempts', (SELECT coalesce(jsonb_agg(jsonb_build_object('id', a.id, 'item_id', a.item_id,
                'number', a.number, 'answers', a.answers, 'state', a.state, 'score', a.score,
                'max_score', a.max_score, 'created_at', a.created_at, 'submitted_at', a.submitted_at)
                ORDER BY a.id), '[]')
                FROM learning.attempts a WHERE a.enrolment_id IN (SELECT id FROM mine)),
            'submissions', (SELECT coalesce(jsonb_agg(jsonb_build_object('id', s.id, 'item_id', s.item_id,
                'body', s.body, 'files', s.files, 'state', s.state, 'score', s.score, 'note', s.note,
                'created_at', s.created_at) ORDER BY s.id), '[]')
                FROM learning.submissions s WHERE s.enrolment_id IN (SELECT id FROM mine)),
            'certificates', (SELECT coalesce(jsonb_agg(jsonb_build_object('id', c.id, 'course_title', c.course_title,
                'learner_name', c.learner_name, 'state', c.state, 'credential', c.credential,
                'created_at', c.created_at) ORDER BY c.id), '[]')
                FROM learning.certificates c WHERE c.student_id = $1),
            'live_answers', (SELECT coalesce(jsonb_agg(jsonb_build_object('quiz_id', l.quiz_id, 'number', l.number,
                'answer', l.answer, 'points', l.points, 'answered_at', l.answered_at)
                ORDER BY l.quiz_id, l.number), '[]')
                FROM learning.live_answers l WHERE l.student_id = $1),
            'courses', (SELECT coalesce(jsonb_agg(jsonb_build_object('id', o.id, 'title', o.title,
                'state', o.state, 'created_at', o.created_at) ORDER BY o.id), '[]')
                FROM learning.courses o WHERE o.owner_id = $1)
         ) AS known",
    )
    .bind::<SqlUuid, _>(user)
    .get_result(conn)
    .await?;
    Ok(row.known)
}

/// What a person handed in, by id and files.
pub async fn handed_in(
    conn: &mut AsyncPgConnection,
    user: UserId,
) -> Result<Vec<(Uuid, Vec<Uuid>)>, DbError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = SqlUuid)]
        id: Uuid,
        #[diesel(sql_type = Array<SqlUuid>)]
        files: Vec<Uuid>,
    }
    let rows: Vec<Row> = diesel::sql_query(
        "SELECT s.id, s.files FROM learning.submissions s
         JOIN learning.enrolments e ON e.id = s.enrolment_id WHERE e.student_id = $1 ORDER BY s.id",
    )
    .bind::<SqlUuid, _>(user)
    .get_results(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.files)).collect())
}

/// Forgets what a person said and is called. What stays is under a pseudonym: that somebody was in a
/// course, and what the ledger refers to.
pub async fn forget(conn: &mut AsyncPgConnection, user: UserId) -> Result<(), DbError> {
    for statement in [
        "UPDATE learning.submissions SET body = '', note = NULL, files = '{}' WHERE enrolment_id IN
            (SELECT id FROM learning.enrolments WHERE student_id = $1)",
        "UPDATE learning.attempts SET answers = '{}' WHERE enrolment_id IN
            (SELECT id FROM learning.enrolments WHERE student_id = $1)",
        "DELETE FROM learning.progress WHERE enrolment_id IN
            (SELECT id FROM learning.enrolments WHERE student_id = $1)",
        "UPDATE learning.payments SET client_secret = NULL WHERE enrolment_id IN
            (SELECT id FROM learning.enrolments WHERE student_id = $1)",
        "DELETE FROM learning.live_answers WHERE student_id = $1",
        "UPDATE learning.certificates SET learner_name = '', credential = '', document_id = NULL,
            document_sha256 = NULL, document_size = NULL WHERE student_id = $1",
    ] {
        diesel::sql_query(statement).bind::<SqlUuid, _>(user).execute(conn).await?;
    }
    Ok(())
}

/// The documents of a person's certificates: certificate and object.
pub async fn documents(conn: &mut AsyncPgConnection, user: UserId) -> Result<Vec<(Uuid, Uuid)>, DbError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = SqlUuid)]
        id: Uuid,
        #[diesel(sql_type = SqlUuid)]
        document_id: Uuid,
    }
    let rows: Vec<Row> = diesel::sql_query(
        "SELECT id, document_id FROM learning.certificates WHERE student_id = $1 AND document_id IS NOT NULL
         ORDER BY id",
    )
    .bind::<SqlUuid, _>(user)
    .get_results(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.document_id)).collect())
}

/// The live certificates of a person.
pub async fn live_certificates(conn: &mut AsyncPgConnection, user: UserId) -> Result<Vec<Uuid>, DbError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = SqlUuid)]
        id: Uuid,
    }
    let rows: Vec<Row> = diesel::sql_query(
        "SELECT id FROM learning.certificates WHERE student_id = $1 AND state = $2 ORDER BY id",
    )
    .bind::<SqlUuid, _>(user)
    .bind::<Text, _>("issued")
    .get_results(conn)
    .await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}
