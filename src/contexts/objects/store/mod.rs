//! Schema `objects`. Every function takes the connection that the use case is in.

use chrono::{DateTime, Utc};
use diesel::{
    OptionalExtension, QueryableByName,
    sql_types::{Array, BigInt, Binary, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::model::{Upload, UploadId, UploadState};
use crate::{postgres::DbError, principal::UserId};

/// How long a worker may take for one before another one takes it too.
const LEASE: chrono::Duration = chrono::Duration::minutes(30);

/// Counts `bytes` in, unless that is more than `quota`.
pub async fn take_quota(
    conn: &mut AsyncPgConnection,
    owner: UserId,
    bytes: i64,
    quota: i64,
) -> Result<bool, DbError> {
    let changed = diesel::sql_query(
        "INSERT INTO objects.quotas AS q (owner_id, used_bytes) SELECT $1, $2 WHERE $2 <= $3
         ON CONFLICT (owner_id) DO UPDATE SET used_bytes = q.used_bytes + $2 WHERE q.used_bytes + $2 <= $3",
    )
    .bind::<SqlUuid, _>(owner)
    .bind::<BigInt, _>(bytes)
    .bind::<BigInt, _>(quota)
    .execute(conn)
    .await?;
    Ok(changed == 1)
}

pub async fn give_quota_back(conn: &mut AsyncPgConnection, owner: UserId, bytes: i64) -> Result<(), DbError> {
    diesel::sql_query("UPDATE objects.quotas SET used_bytes = used_bytes - $2 WHERE owner_id = $1")
        .bind::<SqlUuid, _>(owner)
        .bind::<BigInt, _>(bytes)
        .execute(conn)
        .await?;
    Ok(())
}

/// Inserts an upload, unless there is one of that id.
pub async fn insert(conn: &mut AsyncPgConnection, upload: &Upload) -> Result<bool, DbError> {
    let made = diesel::sql_query(
        "INSERT INTO objects.uploads
            (id, owner_id, name, media_type, size, sha256, key, staging, part_size, state, due_at, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12) ON CONFLICT (id) DO NOTHING",
    )
    .bind::<SqlUuid, _>(upload.id)
    .bind::<SqlUuid, _>(upload.owner_id)
    .bind::<Text, _>(&upload.name)
    .bind::<Text, _>(&upload.media_type)
    .bind::<BigInt, _>(upload.size)
    .bind::<Nullable<Binary>, _>(&upload.sha256)
    .bind::<Text, _>(&upload.key)
    .bind::<Nullable<Text>, _>(&upload.staging)
    .bind::<Nullable<BigInt>, _>(upload.part_size)
    .bind::<Text, _>(upload.state)
    .bind::<Nullable<Timestamptz>, _>(upload.due_at)
    .bind::<Timestamptz, _>(upload.created_at)
    .execute(conn)
    .await?;
    Ok(made == 1)
}

pub async fn load(conn: &mut AsyncPgConnection, id: UploadId) -> Result<Option<Upload>, DbError> {
    let found = diesel::sql_query("SELECT * FROM objects.uploads WHERE id = $1").bind::<SqlUuid, _>(id);
    Ok(found.get_result(conn).await.optional()?)
}

pub async fn lock(conn: &mut AsyncPgConnection, id: UploadId) -> Result<Option<Upload>, DbError> {
    let found =
        diesel::sql_query("SELECT * FROM objects.uploads WHERE id = $1 FOR UPDATE").bind::<SqlUuid, _>(id);
    Ok(found.get_result(conn).await.optional()?)
}

pub async fn list(
    conn: &mut AsyncPgConnection,
    owner: UserId,
    before: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Upload>, DbError> {
    Ok(diesel::sql_query(
        "SELECT * FROM objects.uploads WHERE owner_id = $1 AND ($2 IS NULL OR id < $2)
         AND state IN ('open', 'verifying', 'ready', 'refused') ORDER BY id DESC LIMIT $3",
    )
    .bind::<SqlUuid, _>(owner)
    .bind::<Nullable<SqlUuid>, _>(before)
    .bind::<BigInt, _>(limit)
    .get_results(conn)
    .await?)
}

/// Names the store's upload in parts, once; the name that it has then.
pub async fn name_parts(
    conn: &mut AsyncPgConnection,
    id: UploadId,
    parts: &str,
) -> Result<Option<Upload>, DbError> {
    Ok(diesel::sql_query(
        "UPDATE objects.uploads SET parts = coalesce(parts, $2) WHERE id = $1 AND state = 'open' RETURNING *",
    )
    .bind::<SqlUuid, _>(id)
    .bind::<Text, _>(parts)
    .get_result(conn)
    .await
    .optional()?)
}

/// What changes with a step.
#[derive(Default)]
pub struct Step<'a> {
    pub sha256: Option<&'a [u8]>,
    pub refusal: Option<&'a str>,
    pub due_at: Option<DateTime<Utc>>,
    pub purge: Option<&'a str>,
}

/// Takes a step from `from`; `None` when it is not there any more.
pub async fn advance(
    conn: &mut AsyncPgConnection,
    id: UploadId,
    from: UploadState,
    to: UploadState,
    step: Step<'_>,
    now: DateTime<Utc>,
) -> Result<Option<Upload>, DbError> {
    Ok(diesel::sql_query(
        "UPDATE objects.uploads SET state = $3, sha256 = coalesce($4, sha256), refusal = $5, due_at = $6,
             purge = $7, attempts = 0, version = version + 1, updated_at = $8
         WHERE id = $1 AND state = $2 RETURNING *",
    )
    .bind::<SqlUuid, _>(id)
    .bind::<Text, _>(from)
    .bind::<Text, _>(to)
    .bind::<Nullable<Binary>, _>(step.sha256)
    .bind::<Nullable<Text>, _>(step.refusal)
    .bind::<Nullable<Timestamptz>, _>(step.due_at)
    .bind::<Nullable<Text>, _>(step.purge)
    .bind::<Timestamptz, _>(now)
    .get_result(conn)
    .await
    .optional()?)
}

/// Takes up to `limit` that are due, so that no other worker does for a while.
pub async fn lease(
    conn: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<Upload>, DbError> {
    Ok(diesel::sql_query(
        "UPDATE objects.uploads SET due_at = $2, attempts = attempts + 1 WHERE id IN (
            SELECT id FROM objects.uploads WHERE due_at <= $1 ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED
         ) RETURNING *",
    )
    .bind::<Timestamptz, _>(now)
    .bind::<Timestamptz, _>(now + LEASE)
    .bind::<BigInt, _>(limit)
    .get_results(conn)
    .await?)
}

/// Sets when a worker looks again.
pub async fn put_off(
    conn: &mut AsyncPgConnection,
    id: UploadId,
    until: DateTime<Utc>,
) -> Result<(), DbError> {
    diesel::sql_query("UPDATE objects.uploads SET due_at = $2 WHERE id = $1 AND due_at IS NOT NULL")
        .bind::<SqlUuid, _>(id)
        .bind::<Timestamptz, _>(until)
        .execute(conn)
        .await?;
    Ok(())
}

/// Bytes that are still to be removed.
pub async fn to_purge(conn: &mut AsyncPgConnection, limit: i64) -> Result<Vec<Upload>, DbError> {
    Ok(diesel::sql_query("SELECT * FROM objects.uploads WHERE purge IS NOT NULL ORDER BY id LIMIT $1")
        .bind::<BigInt, _>(limit)
        .get_results(conn)
        .await?)
}

pub async fn purged(conn: &mut AsyncPgConnection, id: UploadId) -> Result<(), DbError> {
    diesel::sql_query("UPDATE objects.uploads SET purge = NULL, parts = NULL WHERE id = $1")
        .bind::<SqlUuid, _>(id)
        .execute(conn)
        .await?;
    Ok(())
}

#[derive(QueryableByName)]
struct Unknown {
    #[diesel(sql_type = Text)]
    key: String,
}

/// Those of `keys` that no row needs: a URL may outlive its upload, and bring bytes when it is over.
pub async fn unknown(conn: &mut AsyncPgConnection, keys: &[String]) -> Result<Vec<String>, DbError> {
    let rows: Vec<Unknown> = diesel::sql_query(
        "SELECT k.key FROM unnest($1) AS k (key)
         WHERE NOT EXISTS (
             SELECT FROM objects.uploads u WHERE u.key = k.key AND u.state IN ('open', 'verifying', 'ready'))
           AND NOT EXISTS (
             SELECT FROM objects.uploads u WHERE u.staging = k.key AND u.state IN ('open', 'verifying'))",
    )
    .bind::<Array<Text>, _>(keys)
    .get_results(conn)
    .await?;
    Ok(rows.into_iter().map(|row| row.key).collect())
}

pub async fn hold(conn: &mut AsyncPgConnection, id: UploadId, holder: &str) -> Result<(), DbError> {
    diesel::sql_query("INSERT INTO objects.holds (upload_id, holder) VALUES ($1, $2) ON CONFLICT DO NOTHING")
        .bind::<SqlUuid, _>(id)
        .bind::<Text, _>(holder)
        .execute(conn)
        .await?;
    Ok(())
}

pub async fn release(conn: &mut AsyncPgConnection, id: UploadId, holder: &str) -> Result<(), DbError> {
    diesel::sql_query("DELETE FROM objects.holds WHERE upload_id = $1 AND holder = $2")
        .bind::<SqlUuid, _>(id)
        .bind::<Text, _>(holder)
        .execute(conn)
        .await?;
    Ok(())
}

pub async fn is_held(conn: &mut AsyncPgConnection, id: UploadId) -> Result<bool, DbError> {
    let held = diesel::sql_query("SELECT upload_id FROM objects.holds WHERE upload_id = $1 LIMIT 1")
        .bind::<SqlUuid, _>(id)
        .execute(conn)
        .await?;
    Ok(held > 0)
}

/// Deletes all that a person uploaded, held or not; the sweep removes the bytes.
pub async fn forget(conn: &mut AsyncPgConnection, owner: UserId, now: DateTime<Utc>) -> Result<(), DbError> {
    diesel::sql_query(
        "DELETE FROM objects.holds WHERE upload_id IN (SELECT id FROM objects.uploads WHERE owner_id = $1)",
    )
    .bind::<SqlUuid, _>(owner)
    .execute(conn)
    .await?;
    diesel::sql_query(
        "UPDATE objects.uploads SET name = 'erased', refusal = NULL, due_at = NULL, purge = 'all',
             state = 'deleted', version = version + 1, updated_at = $2
         WHERE owner_id = $1 AND (state <> 'deleted' OR name <> 'erased')",
    )
    .bind::<SqlUuid, _>(owner)
    .bind::<Timestamptz, _>(now)
    .execute(conn)
    .await?;
    diesel::sql_query("DELETE FROM objects.quotas WHERE owner_id = $1")
        .bind::<SqlUuid, _>(owner)
        .execute(conn)
        .await?;
    Ok(())
}
