//! Certificates and the keys that sign them.

use chrono::{DateTime, Utc};
use diesel::{
    OptionalExtension, QueryableByName,
    sql_types::{BigInt, Binary, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::moves::At;
use crate::{
    contexts::{
        learning::model::{Certificate, CertificateId, CertificateState, EnrolmentId},
        objects::UploadId,
    },
    postgres::DbError,
    principal::UserId,
};

impl From<&Certificate> for At<CertificateState> {
    fn from(one: &Certificate) -> Self {
        Self { id: one.id.0, state: one.state, version: one.version, deadline: None }
    }
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

/// The next place in the status list.
pub async fn next_index(conn: &mut AsyncPgConnection) -> Result<i64, DbError> {
    let row: Number =
        diesel::sql_query("SELECT nextval('learning.status_index') AS n").get_result(conn).await?;
    Ok(row.n)
}

pub async fn insert(conn: &mut AsyncPgConnection, new: &Certificate) -> Result<(), DbError> {
    diesel::sql_query(
        "INSERT INTO learning.certificates
            (id, enrolment_id, course_id, student_id, learner_name, course_title, state, status_index, credential,
             key_id, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11)",
    )
    .bind::<SqlUuid, _>(new.id)
    .bind::<SqlUuid, _>(new.enrolment_id)
    .bind::<SqlUuid, _>(new.course_id)
    .bind::<SqlUuid, _>(new.student_id)
    .bind::<Text, _>(&new.learner_name)
    .bind::<Text, _>(&new.course_title)
    .bind::<Text, _>(new.state)
    .bind::<BigInt, _>(new.status_index)
    .bind::<Text, _>(&new.credential)
    .bind::<Text, _>(&new.key_id)
    .bind::<Timestamptz, _>(new.created_at)
    .execute(conn)
    .await?;
    Ok(())
}

pub async fn load(conn: &mut AsyncPgConnection, id: CertificateId) -> Result<Option<Certificate>, DbError> {
    let found = diesel::sql_query("SELECT * FROM learning.certificates WHERE id = $1").bind::<SqlUuid, _>(id);
    Ok(found.get_result(conn).await.optional()?)
}

/// Notes a certificate's document, unless it has one.
pub async fn documented(
    conn: &mut AsyncPgConnection,
    id: CertificateId,
    object: UploadId,
    sha256: &[u8],
    size: i64,
) -> Result<(), DbError> {
    diesel::sql_query(
        "UPDATE learning.certificates SET document_id = $2, document_sha256 = $3, document_size = $4
         WHERE id = $1 AND document_id IS NULL",
    )
    .bind::<SqlUuid, _>(id)
    .bind::<SqlUuid, _>(object)
    .bind::<Binary, _>(sha256)
    .bind::<BigInt, _>(size)
    .execute(conn)
    .await?;
    Ok(())
}

/// The live certificate of an enrolment.
pub async fn live(conn: &mut AsyncPgConnection, id: EnrolmentId) -> Result<Option<Certificate>, DbError> {
    let found =
        diesel::sql_query("SELECT * FROM learning.certificates WHERE enrolment_id = $1 AND state = 'issued'")
            .bind::<SqlUuid, _>(id);
    Ok(found.get_result(conn).await.optional()?)
}

/// A person's, the newest first.
pub async fn list(
    conn: &mut AsyncPgConnection,
    student: UserId,
    before: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Certificate>, DbError> {
    Ok(diesel::sql_query(
        "SELECT * FROM learning.certificates WHERE student_id = $1 AND ($2 IS NULL OR id < $2)
         ORDER BY id DESC LIMIT $3",
    )
    .bind::<SqlUuid, _>(student)
    .bind::<Nullable<SqlUuid>, _>(before)
    .bind::<BigInt, _>(limit)
    .get_results(conn)
    .await?)
}

/// The places of revoked ones from `from` to before `to`.
pub async fn revoked(conn: &mut AsyncPgConnection, from: i64, to: i64) -> Result<Vec<i64>, DbError> {
    let rows: Vec<Number> = diesel::sql_query(
        "SELECT status_index AS n FROM learning.certificates
         WHERE state = 'revoked' AND status_index >= $1 AND status_index < $2",
    )
    .bind::<BigInt, _>(from)
    .bind::<BigInt, _>(to)
    .get_results(conn)
    .await?;
    Ok(rows.into_iter().map(|row| row.n).collect())
}

/// A key pair.
#[derive(Clone, QueryableByName)]
#[diesel(check_for_backend(diesel::pg::Pg))]
pub struct KeyRow {
    #[diesel(sql_type = Text)]
    pub id: String,
    #[diesel(sql_type = Binary)]
    pub private: Vec<u8>,
    #[diesel(sql_type = Binary)]
    pub public: Vec<u8>,
}

/// All keys, the newest first.
pub async fn keys(conn: &mut AsyncPgConnection) -> Result<Vec<KeyRow>, DbError> {
    Ok(diesel::sql_query(
        "SELECT id, private, public FROM learning.signing_keys ORDER BY created_at DESC, id",
    )
    .get_results(conn)
    .await?)
}

/// The key that signs now.
pub async fn key(conn: &mut AsyncPgConnection) -> Result<Option<KeyRow>, DbError> {
    Ok(diesel::sql_query("SELECT id, private, public FROM learning.signing_keys WHERE retired_at IS NULL")
        .get_result(conn)
        .await
        .optional()?)
}

/// Adds a key, unless there is one that signs.
pub async fn add_key(conn: &mut AsyncPgConnection, new: &KeyRow, now: DateTime<Utc>) -> Result<(), DbError> {
    diesel::sql_query(
        "INSERT INTO learning.signing_keys (id, private, public, created_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT DO NOTHING",
    )
    .bind::<Text, _>(&new.id)
    .bind::<Binary, _>(&new.private)
    .bind::<Binary, _>(&new.public)
    .bind::<Timestamptz, _>(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// Retires the key that signs now.
pub async fn retire(conn: &mut AsyncPgConnection, now: DateTime<Utc>) -> Result<(), DbError> {
    diesel::sql_query("UPDATE learning.signing_keys SET retired_at = $1 WHERE retired_at IS NULL")
        .bind::<Timestamptz, _>(now)
        .execute(conn)
        .await?;
    Ok(())
}
