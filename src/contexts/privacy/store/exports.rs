//! Archives while they are made.

use chrono::{DateTime, Duration, Utc};
use diesel::{
    OptionalExtension,
    sql_types::{Array, BigInt, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    contexts::{
        objects::UploadId,
        privacy::model::{Entry, Export, ExportId, Part},
    },
    postgres::DbError,
    principal::UserId,
};

/// How long a worker may take for one before another one takes it too.
const LEASE: Duration = Duration::minutes(15);

/// Begins one, unless one is being made; `false` then.
pub async fn begin(
    conn: &mut AsyncPgConnection,
    id: ExportId,
    person: UserId,
    contexts: &[&str],
    event: Uuid,
    at: DateTime<Utc>,
) -> Result<bool, DbError> {
    let made = diesel::sql_query(
        "INSERT INTO privacy.exports (id, user_id, state, contexts, event_id, created_at, updated_at)
         VALUES ($1, $2, 'gathering', $3, $4, $5, $5) ON CONFLICT DO NOTHING",
    )
    .bind::<SqlUuid, _>(id)
    .bind::<SqlUuid, _>(person)
    .bind::<Array<Text>, _>(contexts)
    .bind::<SqlUuid, _>(event)
    .bind::<Timestamptz, _>(at)
    .execute(conn)
    .await?;
    Ok(made == 1)
}

/// Notes the event that asked.
pub async fn asked(conn: &mut AsyncPgConnection, id: ExportId, event: Uuid) -> Result<(), DbError> {
    diesel::sql_query("UPDATE privacy.exports SET event_id = $2 WHERE id = $1")
        .bind::<SqlUuid, _>(id)
        .bind::<SqlUuid, _>(event)
        .execute(conn)
        .await?;
    Ok(())
}

/// The one that is being made for somebody.
pub async fn under_way(conn: &mut AsyncPgConnection, person: UserId) -> Result<Option<Export>, DbError> {
    Ok(diesel::sql_query(
        "SELECT * FROM privacy.exports WHERE user_id = $1 AND state IN ('gathering', 'packing')",
    )
    .bind::<SqlUuid, _>(person)
    .get_result(conn)
    .await
    .optional()?)
}

pub async fn load(conn: &mut AsyncPgConnection, id: ExportId) -> Result<Option<Export>, DbError> {
    Ok(diesel::sql_query("SELECT * FROM privacy.exports WHERE id = $1")
        .bind::<SqlUuid, _>(id)
        .get_result(conn)
        .await
        .optional()?)
}

/// Locks one that still gathers.
pub async fn gathering(conn: &mut AsyncPgConnection, id: ExportId) -> Result<Option<Export>, DbError> {
    // Not stronger: whoever gathers for it holds a share of its key.
    Ok(diesel::sql_query(
        "SELECT * FROM privacy.exports WHERE id = $1 AND state = 'gathering' FOR NO KEY UPDATE",
    )
    .bind::<SqlUuid, _>(id)
    .get_result(conn)
    .await
    .optional()?)
}

pub async fn list(
    conn: &mut AsyncPgConnection,
    person: UserId,
    before: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Export>, DbError> {
    Ok(diesel::sql_query(
        "SELECT * FROM privacy.exports WHERE user_id = $1 AND ($2 IS NULL OR id < $2) ORDER BY id DESC LIMIT $3",
    )
    .bind::<SqlUuid, _>(person)
    .bind::<Nullable<SqlUuid>, _>(before)
    .bind::<BigInt, _>(limit)
    .load(conn)
    .await?)
}

pub async fn parts(conn: &mut AsyncPgConnection, id: ExportId) -> Result<Vec<Part>, DbError> {
    Ok(diesel::sql_query("SELECT * FROM privacy.export_parts WHERE export_id = $1 ORDER BY context")
        .bind::<SqlUuid, _>(id)
        .load(conn)
        .await?)
}

/// Keeps a document, or a file by its upload, until the archive is packed.
pub async fn put(
    conn: &mut AsyncPgConnection,
    id: ExportId,
    name: &str,
    body: Option<Value>,
    object: Option<Uuid>,
) -> Result<(), DbError> {
    diesel::sql_query(
        "INSERT INTO privacy.export_documents (export_id, name, body, object_id) VALUES ($1, $2, $3, $4)
         ON CONFLICT (export_id, name) DO UPDATE SET body = excluded.body, object_id = excluded.object_id",
    )
    .bind::<SqlUuid, _>(id)
    .bind::<Text, _>(name)
    .bind::<Nullable<Jsonb>, _>(body)
    .bind::<Nullable<SqlUuid>, _>(object)
    .execute(conn)
    .await?;
    Ok(())
}

/// Counts a context's part, which is whole.
pub async fn part(
    conn: &mut AsyncPgConnection,
    id: ExportId,
    context: &str,
    at: DateTime<Utc>,
) -> Result<(), DbError> {
    diesel::sql_query(
        "INSERT INTO privacy.export_parts (export_id, context, documents, files, at)
         SELECT $1, $2, count(body), count(object_id), $3 FROM privacy.export_documents
         WHERE export_id = $1 AND name LIKE $2 || '/%' ON CONFLICT (export_id, context) DO NOTHING",
    )
    .bind::<SqlUuid, _>(id)
    .bind::<Text, _>(context)
    .bind::<Timestamptz, _>(at)
    .execute(conn)
    .await?;
    Ok(())
}

/// Begins to pack, once every part is there; whether it is time.
pub async fn pack(conn: &mut AsyncPgConnection, id: ExportId, at: DateTime<Utc>) -> Result<bool, DbError> {
    let changed = diesel::sql_query(
        "UPDATE privacy.exports e SET state = 'packing', due_at = $2, version = version + 1, updated_at = $2
         WHERE id = $1 AND state = 'gathering'
           AND contexts <@ (SELECT coalesce(array_agg(context), '{}') FROM privacy.export_parts WHERE export_id = $1)",
    )
    .bind::<SqlUuid, _>(id)
    .bind::<Timestamptz, _>(at)
    .execute(conn)
    .await?;
    Ok(changed == 1)
}

/// Takes one that is due.
pub async fn lease(conn: &mut AsyncPgConnection, now: DateTime<Utc>) -> Result<Option<Export>, DbError> {
    Ok(diesel::sql_query(
        "UPDATE privacy.exports SET due_at = $2, attempts = attempts + 1 WHERE id = (
            SELECT id FROM privacy.exports WHERE due_at <= $1 ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED
         ) RETURNING *",
    )
    .bind::<Timestamptz, _>(now)
    .bind::<Timestamptz, _>(now + LEASE)
    .get_result(conn)
    .await
    .optional()?)
}

pub async fn put_off(
    conn: &mut AsyncPgConnection,
    id: ExportId,
    until: DateTime<Utc>,
    error: &str,
) -> Result<(), DbError> {
    diesel::sql_query(
        "UPDATE privacy.exports SET due_at = $2, error = $3 WHERE id = $1 AND due_at IS NOT NULL",
    )
    .bind::<SqlUuid, _>(id)
    .bind::<Timestamptz, _>(until)
    .bind::<Text, _>(error)
    .execute(conn)
    .await?;
    Ok(())
}

/// What goes into an archive, after a name.
pub async fn entries(
    conn: &mut AsyncPgConnection,
    id: ExportId,
    after: &str,
    limit: i64,
) -> Result<Vec<Entry>, DbError> {
    Ok(diesel::sql_query(
        "SELECT name, body, object_id FROM privacy.export_documents WHERE export_id = $1 AND name > $2
         ORDER BY name LIMIT $3",
    )
    .bind::<SqlUuid, _>(id)
    .bind::<Text, _>(after)
    .bind::<BigInt, _>(limit)
    .load(conn)
    .await?)
}

/// Notes that the archive is there, and forgets what it was made of; `false` when it is not wanted any more.
pub async fn ready(
    conn: &mut AsyncPgConnection,
    id: ExportId,
    object: UploadId,
    size: i64,
    expires_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<bool, DbError> {
    let changed = diesel::sql_query(
        "UPDATE privacy.exports SET state = 'ready', object_id = $2, size = $3, expires_at = $4, due_at = $4,
                error = NULL, attempts = 0, version = version + 1, updated_at = $5
         WHERE id = $1 AND state = 'packing'",
    )
    .bind::<SqlUuid, _>(id)
    .bind::<SqlUuid, _>(object)
    .bind::<BigInt, _>(size)
    .bind::<Timestamptz, _>(expires_at)
    .bind::<Timestamptz, _>(now)
    .execute(conn)
    .await?;
    diesel::sql_query("DELETE FROM privacy.export_documents WHERE export_id = $1")
        .bind::<SqlUuid, _>(id)
        .execute(conn)
        .await?;
    Ok(changed == 1)
}

/// Notes that an archive is gone.
pub async fn expire(conn: &mut AsyncPgConnection, id: ExportId, now: DateTime<Utc>) -> Result<(), DbError> {
    diesel::sql_query(
        "UPDATE privacy.exports SET state = 'expired', due_at = NULL, version = version + 1, updated_at = $2
         WHERE id = $1 AND state <> 'expired'",
    )
    .bind::<SqlUuid, _>(id)
    .bind::<Timestamptz, _>(now)
    .execute(conn)
    .await?;
    diesel::sql_query("DELETE FROM privacy.export_documents WHERE export_id = $1")
        .bind::<SqlUuid, _>(id)
        .execute(conn)
        .await?;
    Ok(())
}

/// Forgets everything about somebody's archives; how many there were. The bytes are an object of theirs.
pub async fn forget(conn: &mut AsyncPgConnection, person: UserId) -> Result<u64, DbError> {
    let gone = diesel::sql_query("DELETE FROM privacy.exports WHERE user_id = $1").bind::<SqlUuid, _>(person);
    Ok(gone.execute(conn).await? as u64)
}
