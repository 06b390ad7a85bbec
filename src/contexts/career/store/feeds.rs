//! Calendars that are subscribed to.

use chrono::{DateTime, Utc};
use diesel::{
    OptionalExtension, QueryableByName,
    sql_types::{Binary, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::{postgres::DbError, principal::UserId};

/// A feed.
#[derive(Clone, Copy, Debug, QueryableByName)]
pub struct Feed {
    /// Whose.
    #[diesel(sql_type = SqlUuid)]
    pub user_id: UserId,
    /// Since when.
    #[diesel(sql_type = Timestamptz)]
    pub created_at: DateTime<Utc>,
}

/// Makes somebody's feed, or gives it another secret.
pub async fn set(
    conn: &mut AsyncPgConnection,
    user: UserId,
    secret_hash: &[u8],
    at: DateTime<Utc>,
) -> Result<(), DbError> {
    diesel::sql_query(
        "INSERT INTO career.feeds (user_id, secret_hash, created_at) VALUES ($1, $2, $3)
         ON CONFLICT (user_id) DO UPDATE SET secret_hash = excluded.secret_hash, created_at = excluded.created_at",
    )
    .bind::<SqlUuid, _>(user)
    .bind::<Binary, _>(secret_hash)
    .bind::<Timestamptz, _>(at)
    .execute(conn)
    .await?;
    Ok(())
}

/// Somebody's feed.
pub async fn of_person(conn: &mut AsyncPgConnection, user: UserId) -> Result<Option<Feed>, DbError> {
    Ok(diesel::sql_query("SELECT user_id, created_at FROM career.feeds WHERE user_id = $1")
        .bind::<SqlUuid, _>(user)
        .get_result(conn)
        .await
        .optional()?)
}

/// The feed behind a secret.
pub async fn by_secret(conn: &mut AsyncPgConnection, secret_hash: &[u8]) -> Result<Option<Feed>, DbError> {
    Ok(diesel::sql_query("SELECT user_id, created_at FROM career.feeds WHERE secret_hash = $1")
        .bind::<Binary, _>(secret_hash)
        .get_result(conn)
        .await
        .optional()?)
}

/// Ends somebody's feed; `false` if there was none.
pub async fn revoke(conn: &mut AsyncPgConnection, user: UserId) -> Result<bool, DbError> {
    let gone = diesel::sql_query("DELETE FROM career.feeds WHERE user_id = $1").bind::<SqlUuid, _>(user);
    Ok(gone.execute(conn).await? == 1)
}
