//! What people chose.

use chrono::{DateTime, Utc};
use diesel::{
    OptionalExtension, QueryableByName,
    sql_types::{BigInt, Jsonb, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;

use crate::{
    contexts::notifications::model::{Chosen, Preferences},
    postgres::DbError,
    principal::UserId,
};

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = BigInt)]
    version: i64,
    #[diesel(sql_type = Jsonb)]
    doc: Value,
}

#[derive(QueryableByName)]
struct Version {
    #[diesel(sql_type = BigInt)]
    version: i64,
}

/// A person's choice; the defaults at version 0 where there is none.
pub async fn load(conn: &mut AsyncPgConnection, user: UserId) -> Result<Chosen, DbError> {
    let row: Option<Row> =
        diesel::sql_query("SELECT version, doc FROM notifications.preferences WHERE user_id = $1")
            .bind::<SqlUuid, _>(user)
            .get_result(conn)
            .await
            .optional()?;
    let Some(Row { version, doc }) = row else { return Ok(Chosen::default()) };
    let preferences = serde_json::from_value(doc).map_err(|error| DbError::Other(error.into()))?;
    Ok(Chosen { version, preferences })
}

/// Keeps a choice in place of the one at `version`; the new version, or `None` where another is there.
pub async fn save(
    conn: &mut AsyncPgConnection,
    user: UserId,
    version: i64,
    preferences: &Preferences,
    now: DateTime<Utc>,
) -> Result<Option<i64>, DbError> {
    let doc = serde_json::to_value(preferences).map_err(|error| DbError::Other(error.into()))?;
    let statement = if version == 0 {
        "INSERT INTO notifications.preferences (user_id, version, doc, updated_at) VALUES ($1, $2 + 1, $3, $4)
         ON CONFLICT (user_id) DO NOTHING RETURNING version"
    } else {
        "UPDATE notifications.preferences SET version = version + 1, doc = $3, updated_at = $4
         WHERE user_id = $1 AND version = $2 RETURNING version"
    };
    let saved: Option<Version> = diesel::sql_query(statement)
        .bind::<SqlUuid, _>(user)
        .bind::<BigInt, _>(version)
        .bind::<Jsonb, _>(doc)
        .bind::<Timestamptz, _>(now)
        .get_result(conn)
        .await
        .optional()?;
    Ok(saved.map(|row| row.version))
}
