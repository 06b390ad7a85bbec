//! Which things can be found, and how far the indexes are with them.

use chrono::{DateTime, Utc};
use diesel::{
    OptionalExtension, QueryableByName,
    sql_types::{Array, BigInt, Bool, Integer, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;
use uuid::Uuid;

use crate::{contexts::discovery::model::Kind, postgres::DbError};

/// Changes that come one after the other are written together, if they come within this.
const DEBOUNCE_MS: i64 = 150;
/// But never later than this after the first.
const LATEST_MS: i64 = 1_000;
/// Whoever took a document and was not heard of for so long is gone.
const LEASE_S: i64 = 60;

/// A document to write to the indexes.
#[derive(Clone, Debug, QueryableByName)]
#[allow(missing_docs)]
pub struct Due {
    #[diesel(sql_type = Text)]
    pub kind: Kind,
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    #[diesel(sql_type = BigInt)]
    pub stamp: i64,
    #[diesel(sql_type = BigInt)]
    pub text_done: i64,
    #[diesel(sql_type = BigInt)]
    pub vector_done: i64,
    #[diesel(sql_type = Integer)]
    pub attempts: i32,
    #[diesel(sql_type = Timestamptz)]
    pub since: DateTime<Utc>,
}

/// Notes that something changed: the indexes follow.
pub async fn touch(
    conn: &mut AsyncPgConnection,
    kind: Kind,
    id: Uuid,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    diesel::sql_query(format!(
        "INSERT INTO discovery.documents AS d (kind, id, since, due_at)
         VALUES ($1, $2, $3, $3 + interval '{DEBOUNCE_MS} milliseconds')
         ON CONFLICT (kind, id) DO UPDATE SET stamp = d.stamp + 1, bulk = false, attempts = 0,
             since = CASE WHEN d.text_done < d.stamp AND NOT d.bulk THEN d.since ELSE excluded.since END,
             due_at = least(excluded.due_at, CASE WHEN d.text_done < d.stamp AND NOT d.bulk THEN d.since
                 ELSE excluded.since END + interval '{LATEST_MS} milliseconds')"
    ))
    .bind::<Text, _>(kind)
    .bind::<SqlUuid, _>(id)
    .bind::<Timestamptz, _>(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes that something changed, if it is known at all; `false` if not.
pub async fn touch_known(
    conn: &mut AsyncPgConnection,
    kind: Kind,
    id: Uuid,
    now: DateTime<Utc>,
) -> Result<bool, DbError> {
    let known = stamps(conn, kind, &[id]).await?;
    if !known.is_empty() {
        touch(conn, kind, id, now).await?;
    }
    Ok(!known.is_empty())
}

/// Documents of a kind that the text index is behind with, and their stamps: those of late first.
pub async fn behind(
    conn: &mut AsyncPgConnection,
    kind: Kind,
    limit: i64,
) -> Result<Vec<(Uuid, i64)>, DbError> {
    let rows: Vec<StampRow> = diesel::sql_query(
        "SELECT id, stamp FROM discovery.documents WHERE kind = $1 AND text_done < stamp
         ORDER BY bulk, since DESC, id LIMIT $2",
    )
    .bind::<Text, _>(kind)
    .bind::<BigInt, _>(limit)
    .load(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.stamp)).collect())
}

/// Notes what was there before anybody listened; what is known stays as it is. How many were new.
pub async fn adopt(
    conn: &mut AsyncPgConnection,
    kind: Kind,
    ids: &[Uuid],
    now: DateTime<Utc>,
) -> Result<usize, DbError> {
    Ok(diesel::sql_query(
        "INSERT INTO discovery.documents (kind, id, since, due_at, bulk)
         SELECT $1, id, $3, $3, true FROM unnest($2::uuid[]) AS id ON CONFLICT DO NOTHING",
    )
    .bind::<Text, _>(kind)
    .bind::<Array<SqlUuid>, _>(ids)
    .bind::<Timestamptz, _>(now)
    .execute(conn)
    .await?)
}

/// Takes what is due, for a while: nobody else takes it meanwhile, and after a crash it is due again.
pub async fn lease(
    conn: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<Due>, DbError> {
    Ok(diesel::sql_query(format!(
        "UPDATE discovery.documents d SET due_at = $1 + interval '{LEASE_S} seconds', attempts = d.attempts + 1
         FROM (SELECT kind, id FROM discovery.documents
               WHERE (text_done < stamp OR vector_done < stamp) AND due_at <= $1
               ORDER BY bulk, due_at LIMIT $2 FOR UPDATE SKIP LOCKED) due
         WHERE d.kind = due.kind AND d.id = due.id
         RETURNING d.kind, d.id, d.stamp, d.text_done, d.vector_done, d.attempts, d.since"
    ))
    .bind::<Timestamptz, _>(now)
    .bind::<BigInt, _>(limit)
    .load(conn)
    .await?)
}

/// What one index has now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Index {
    /// The text index.
    Text,
    /// The vector store.
    Vectors,
}

/// What was written of a document.
#[derive(Clone, Debug)]
pub struct Written {
    /// Which one.
    pub id: Uuid,
    /// At which stamp it was read.
    pub stamp: i64,
    /// Its attributes, or `None` where it was withdrawn.
    pub attributes: Option<Value>,
}

/// Notes that an index has these documents.
pub async fn written(
    conn: &mut AsyncPgConnection,
    kind: Kind,
    index: Index,
    model: Option<&str>,
    all: &[Written],
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    let (column, also) = match index {
        Index::Text => ("text_done", "shown = w.shown, attributes = w.attributes"),
        Index::Vectors => ("vector_done", "model = CASE WHEN w.shown THEN $6 END"),
    };
    let mut sorted: Vec<&Written> = all.iter().collect();
    sorted.sort_by_key(|one| one.id);
    let ids: Vec<Uuid> = sorted.iter().map(|one| one.id).collect();
    let stamps: Vec<i64> = sorted.iter().map(|one| one.stamp).collect();
    let attributes: Vec<Value> =
        sorted.iter().map(|one| one.attributes.clone().unwrap_or(Value::Null)).collect();
    // What changed again in the meantime is due at once.
    diesel::sql_query(format!(
        "UPDATE discovery.documents d SET {column} = greatest(d.{column}, w.stamp), {also}, error = NULL,
             attempts = 0, due_at = CASE WHEN d.stamp > w.stamp THEN least(d.due_at, $5) ELSE d.due_at END
         FROM (SELECT id, stamp, attributes <> 'null' AS shown,
                   CASE WHEN attributes = 'null' THEN '{{}}'::jsonb ELSE attributes END AS attributes
               FROM unnest($2::uuid[], $3::bigint[], $4::jsonb[]) AS u (id, stamp, attributes)) w
         WHERE d.kind = $1 AND d.id = w.id AND d.{column} <= w.stamp AND ($6 IS NULL OR true)"
    ))
    .bind::<Text, _>(kind)
    .bind::<Array<SqlUuid>, _>(ids)
    .bind::<Array<BigInt>, _>(stamps)
    .bind::<Array<Jsonb>, _>(attributes)
    .bind::<Timestamptz, _>(now)
    .bind::<Nullable<Text>, _>(model)
    .execute(conn)
    .await?;
    Ok(())
}

/// Puts documents off that could not be written.
pub async fn put_off(
    conn: &mut AsyncPgConnection,
    kind: Kind,
    ids: &[Uuid],
    until: DateTime<Utc>,
    error: &str,
) -> Result<(), DbError> {
    let error: String = error.chars().take(500).collect();
    diesel::sql_query(
        "UPDATE discovery.documents SET due_at = $3, error = $4
         WHERE kind = $1 AND id = ANY($2) AND (text_done < stamp OR vector_done < stamp)",
    )
    .bind::<Text, _>(kind)
    .bind::<Array<SqlUuid>, _>(ids)
    .bind::<Timestamptz, _>(until)
    .bind::<Text, _>(error)
    .execute(conn)
    .await?;
    Ok(())
}

/// Marks up to `limit` documents whose vector another model made; how many.
pub async fn mark_other_models(
    conn: &mut AsyncPgConnection,
    kind: Kind,
    model: &str,
    now: DateTime<Utc>,
    limit: i64,
) -> Result<usize, DbError> {
    Ok(diesel::sql_query(
        "UPDATE discovery.documents SET vector_done = 0, bulk = true, due_at = $3
         WHERE kind = $1 AND id IN (
             SELECT id FROM discovery.documents WHERE kind = $1 AND shown AND model IS DISTINCT FROM $2
                 AND vector_done >= stamp LIMIT $4)",
    )
    .bind::<Text, _>(kind)
    .bind::<Text, _>(model)
    .bind::<Timestamptz, _>(now)
    .bind::<BigInt, _>(limit)
    .execute(conn)
    .await?)
}

/// How far an index is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, QueryableByName)]
pub struct Progress {
    /// Documents that are shown.
    #[diesel(sql_type = BigInt)]
    pub shown: i64,
    /// Of them, those whose vector the model in use made.
    #[diesel(sql_type = BigInt)]
    pub by_model: i64,
    /// Documents that wait to be written.
    #[diesel(sql_type = BigInt)]
    pub waiting: i64,
    /// Of them, those that the vector store never had, or not by the model in use.
    #[diesel(sql_type = BigInt)]
    pub unmade: i64,
}

/// How far the indexes are with one kind.
pub async fn progress(conn: &mut AsyncPgConnection, kind: Kind, model: &str) -> Result<Progress, DbError> {
    Ok(diesel::sql_query(
        "SELECT count(*) FILTER (WHERE shown) AS shown,
                count(*) FILTER (WHERE shown AND model = $2) AS by_model,
                count(*) FILTER (WHERE text_done < stamp OR vector_done < stamp) AS waiting,
                count(*) FILTER (WHERE vector_done = 0) AS unmade
         FROM discovery.documents WHERE kind = $1",
    )
    .bind::<Text, _>(kind)
    .bind::<Text, _>(model)
    .get_result(conn)
    .await?)
}

#[derive(QueryableByName)]
struct StampRow {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = BigInt)]
    stamp: i64,
}

/// The stamps of these documents.
pub async fn stamps(
    conn: &mut AsyncPgConnection,
    kind: Kind,
    ids: &[Uuid],
) -> Result<Vec<(Uuid, i64)>, DbError> {
    let rows: Vec<StampRow> =
        diesel::sql_query("SELECT id, stamp FROM discovery.documents WHERE kind = $1 AND id = ANY($2)")
            .bind::<Text, _>(kind)
            .bind::<Array<SqlUuid>, _>(ids)
            .load(conn)
            .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.stamp)).collect())
}

#[derive(QueryableByName)]
struct Noted {
    #[diesel(sql_type = Text)]
    value: String,
}

/// Something that was noted.
pub async fn state(conn: &mut AsyncPgConnection, key: &str) -> Result<Option<String>, DbError> {
    let row: Option<Noted> = diesel::sql_query("SELECT value FROM discovery.state WHERE key = $1")
        .bind::<Text, _>(key)
        .get_result(conn)
        .await
        .optional()?;
    Ok(row.map(|row| row.value))
}

/// Notes something.
pub async fn set_state(conn: &mut AsyncPgConnection, key: &str, value: &str) -> Result<(), DbError> {
    diesel::sql_query(
        "INSERT INTO discovery.state (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
    )
    .bind::<Text, _>(key)
    .bind::<Text, _>(value)
    .execute(conn)
    .await?;
    Ok(())
}

/// Whether anything waits that is not put off.
pub async fn waits(conn: &mut AsyncPgConnection) -> Result<bool, DbError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Bool)]
        waits: bool,
    }
    let row: Row = diesel::sql_query(
        "SELECT EXISTS (SELECT FROM discovery.documents
             WHERE (text_done < stamp OR vector_done < stamp) AND error IS NULL)
             OR EXISTS (SELECT FROM discovery.matchings WHERE error IS NULL) AS waits",
    )
    .get_result(conn)
    .await?;
    Ok(row.waits)
}

#[derive(QueryableByName)]
struct TeachingRow {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Text)]
    title: String,
    #[diesel(sql_type = Array<Text>)]
    skills: Vec<String>,
}

/// A course, what it is called, and which of the skills asked for it teaches.
pub type Teaching = (Uuid, String, Vec<String>);

/// Courses that teach any of these skills; those that teach the most of them first.
pub async fn teaching(conn: &mut AsyncPgConnection, skills: &[String]) -> Result<Vec<Teaching>, DbError> {
    let rows: Vec<TeachingRow> = diesel::sql_query(
        "SELECT id, coalesce(attributes ->> 'title', '') AS title,
                ARRAY(SELECT one FROM jsonb_array_elements_text(attributes -> 'skills') AS one WHERE one = ANY($1)) AS skills
         FROM discovery.documents WHERE kind = 'course' AND shown AND attributes -> 'skills' ?| $1
         ORDER BY cardinality(ARRAY(SELECT one FROM jsonb_array_elements_text(attributes -> 'skills') AS one
             WHERE one = ANY($1))) DESC, id LIMIT 100",
    )
    .bind::<Array<Text>, _>(skills)
    .load(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.title, row.skills)).collect())
}
