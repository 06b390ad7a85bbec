//! Banks of questions.

use chrono::{DateTime, Utc};
use diesel::{
    OptionalExtension, QueryableByName,
    sql_types::{Array, BigInt, Bool, Integer, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    contexts::learning::model::{BankId, QuestionId},
    postgres::DbError,
    principal::UserId,
};

/// A bank.
#[derive(Clone, Debug, QueryableByName)]
#[diesel(check_for_backend(diesel::pg::Pg))]
pub struct Bank {
    #[diesel(sql_type = SqlUuid)]
    pub id: BankId,
    #[diesel(sql_type = SqlUuid)]
    pub owner_id: UserId,
    #[diesel(sql_type = Text)]
    pub title: String,
    #[diesel(sql_type = Timestamptz)]
    pub created_at: DateTime<Utc>,
}

/// A question at a revision.
#[derive(Clone, Debug, QueryableByName)]
#[diesel(check_for_backend(diesel::pg::Pg))]
pub struct Row {
    #[diesel(sql_type = SqlUuid)]
    pub id: QuestionId,
    #[diesel(sql_type = Integer)]
    pub revision: i32,
    #[diesel(sql_type = SqlUuid)]
    pub bank_id: BankId,
    #[diesel(sql_type = Jsonb)]
    pub body: Value,
    #[diesel(sql_type = Bool)]
    pub retired: bool,
}

pub async fn insert(conn: &mut AsyncPgConnection, bank: &Bank) -> Result<bool, DbError> {
    let made = diesel::sql_query(
        "INSERT INTO learning.banks (id, owner_id, title, created_at, updated_at) VALUES ($1, $2, $3, $4, $4)
         ON CONFLICT (id) DO NOTHING",
    )
    .bind::<SqlUuid, _>(bank.id)
    .bind::<SqlUuid, _>(bank.owner_id)
    .bind::<Text, _>(&bank.title)
    .bind::<Timestamptz, _>(bank.created_at)
    .execute(conn)
    .await?;
    Ok(made == 1)
}

pub async fn load(conn: &mut AsyncPgConnection, id: BankId) -> Result<Option<Bank>, DbError> {
    let found = diesel::sql_query("SELECT * FROM learning.banks WHERE id = $1").bind::<SqlUuid, _>(id);
    Ok(found.get_result(conn).await.optional()?)
}

pub async fn list(
    conn: &mut AsyncPgConnection,
    owner: UserId,
    before: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Bank>, DbError> {
    Ok(diesel::sql_query(
        "SELECT * FROM learning.banks WHERE owner_id = $1 AND ($2 IS NULL OR id < $2) ORDER BY id DESC LIMIT $3",
    )
    .bind::<SqlUuid, _>(owner)
    .bind::<Nullable<SqlUuid>, _>(before)
    .bind::<BigInt, _>(limit)
    .get_results(conn)
    .await?)
}

/// Adds a revision of a question.
pub async fn add(conn: &mut AsyncPgConnection, row: &Row, now: DateTime<Utc>) -> Result<(), DbError> {
    diesel::sql_query(
        "INSERT INTO learning.questions (id, revision, bank_id, body, retired, created_at)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind::<SqlUuid, _>(row.id)
    .bind::<Integer, _>(row.revision)
    .bind::<SqlUuid, _>(row.bank_id)
    .bind::<Jsonb, _>(&row.body)
    .bind::<Bool, _>(row.retired)
    .bind::<Timestamptz, _>(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// The latest revision of every question of a bank, in the order in which they were written.
pub async fn questions(conn: &mut AsyncPgConnection, bank: BankId) -> Result<Vec<Row>, DbError> {
    Ok(diesel::sql_query(
        "SELECT DISTINCT ON (id) id, revision, bank_id, body, retired FROM learning.questions
         WHERE bank_id = $1 ORDER BY id, revision DESC",
    )
    .bind::<SqlUuid, _>(bank)
    .get_results(conn)
    .await?)
}

/// The latest revisions of these questions.
pub async fn latest(conn: &mut AsyncPgConnection, ids: &[QuestionId]) -> Result<Vec<Row>, DbError> {
    Ok(diesel::sql_query(
        "SELECT DISTINCT ON (id) id, revision, bank_id, body, retired FROM learning.questions
         WHERE id = ANY($1) ORDER BY id, revision DESC",
    )
    .bind::<Array<SqlUuid>, _>(ids)
    .get_results(conn)
    .await?)
}

/// These revisions of these questions.
pub async fn revisions(
    conn: &mut AsyncPgConnection,
    ids: &[QuestionId],
    numbers: &[i32],
) -> Result<Vec<Row>, DbError> {
    Ok(diesel::sql_query(
        "SELECT q.id, q.revision, q.bank_id, q.body, q.retired FROM learning.questions q
         JOIN unnest($1, $2) AS w (id, revision) ON q.id = w.id AND q.revision = w.revision",
    )
    .bind::<Array<SqlUuid>, _>(ids)
    .bind::<Array<Integer>, _>(numbers)
    .get_results(conn)
    .await?)
}
