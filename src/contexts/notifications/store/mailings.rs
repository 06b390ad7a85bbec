//! Mails that are due: a row a person and time. A worker leases what is due, so that no other takes it
//! for a while. The row goes in the transaction that writes the mail, so it is written once.

use chrono::{DateTime, Duration, Utc};
use diesel::{
    OptionalExtension, QueryableByName,
    sql_types::{BigInt, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::items;
use crate::{contexts::notifications::model::NotificationId, postgres::DbError, principal::UserId};

/// How long a worker may take for what it leased.
const LEASE: Duration = Duration::seconds(60);

/// A mail that is due.
#[derive(Clone, Debug, QueryableByName)]
pub struct Mailing {
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub user_id: UserId,
    #[diesel(sql_type = diesel::sql_types::Integer)]
    pub attempts: i32,
}

#[derive(QueryableByName)]
struct Id {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
}

/// Lets a notification wait for the person's mail of `due`, unless it waits for one already. The caller
/// holds the person's lock.
pub async fn add(
    conn: &mut AsyncPgConnection,
    user: UserId,
    item: NotificationId,
    due: DateTime<Utc>,
) -> Result<(), DbError> {
    let waits: Option<Id> =
        diesel::sql_query("SELECT mailing_id AS id FROM notifications.mailing_items WHERE item_id = $1")
            .bind::<SqlUuid, _>(item)
            .get_result(conn)
            .await
            .optional()?;
    if waits.is_some() {
        return Ok(());
    }
    let mailing: Id = diesel::sql_query(
        "INSERT INTO notifications.mailings (id, user_id, due_at, next_at) VALUES ($1, $2, $3, $3)
         ON CONFLICT (user_id, due_at) DO UPDATE SET due_at = excluded.due_at RETURNING id",
    )
    .bind::<SqlUuid, _>(Uuid::now_v7())
    .bind::<SqlUuid, _>(user)
    .bind::<Timestamptz, _>(due)
    .get_result(conn)
    .await?;
    diesel::sql_query("INSERT INTO notifications.mailing_items (item_id, mailing_id) VALUES ($1, $2)")
        .bind::<SqlUuid, _>(item)
        .bind::<SqlUuid, _>(mailing.id)
        .execute(conn)
        .await?;
    Ok(())
}

/// Takes up to `limit` that are due.
pub async fn lease(
    conn: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<Mailing>, DbError> {
    Ok(diesel::sql_query(
        "UPDATE notifications.mailings SET next_at = $2, attempts = attempts + 1 WHERE id IN (
            SELECT id FROM notifications.mailings WHERE next_at <= $1 ORDER BY next_at, id LIMIT $3
            FOR UPDATE SKIP LOCKED
         ) RETURNING id, user_id, attempts",
    )
    .bind::<Timestamptz, _>(now)
    .bind::<Timestamptz, _>(now + LEASE)
    .bind::<BigInt, _>(limit)
    .get_results(conn)
    .await?)
}

/// Takes a mailing's row away, and with it what it was to hold: those notifications that were not read
/// in the meantime, oldest first. `None`: somebody else did.
pub async fn take(conn: &mut AsyncPgConnection, id: Uuid) -> Result<Option<Vec<items::Row>>, DbError> {
    let locked: Option<Id> =
        diesel::sql_query("SELECT id FROM notifications.mailings WHERE id = $1 FOR UPDATE")
            .bind::<SqlUuid, _>(id)
            .get_result(conn)
            .await
            .optional()?;
    if locked.is_none() {
        return Ok(None);
    }
    let query = format!(
        "SELECT {} FROM notifications.mailing_items m JOIN notifications.items i ON i.id = m.item_id
         WHERE m.mailing_id = $1 AND i.read_at IS NULL ORDER BY i.updated_at, i.id",
        items::COLUMNS
    );
    let rows = diesel::sql_query(query).bind::<SqlUuid, _>(id).load(conn).await?;
    diesel::sql_query("DELETE FROM notifications.mailings WHERE id = $1")
        .bind::<SqlUuid, _>(id)
        .execute(conn)
        .await?;
    Ok(Some(rows))
}

/// Notes which notifications are in a mail. Those that are shown nowhere else are done with.
pub async fn mailed(conn: &mut AsyncPgConnection, ids: &[Uuid], now: DateTime<Utc>) -> Result<(), DbError> {
    diesel::sql_query(
        "UPDATE notifications.items SET mailed_at = $2, read_at = CASE WHEN in_app THEN read_at ELSE $2 END
         WHERE id = ANY($1)",
    )
    .bind::<diesel::sql_types::Array<SqlUuid>, _>(ids.to_vec())
    .bind::<Timestamptz, _>(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// Puts a mailing off.
pub async fn put_off(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    until: DateTime<Utc>,
    error: Option<&str>,
) -> Result<(), DbError> {
    diesel::sql_query("UPDATE notifications.mailings SET next_at = $2, error = $3 WHERE id = $1")
        .bind::<SqlUuid, _>(id)
        .bind::<Timestamptz, _>(until)
        .bind::<diesel::sql_types::Nullable<Text>, _>(error)
        .execute(conn)
        .await?;
    Ok(())
}

/// Who did what a mailing tells of.
pub async fn actors(conn: &mut AsyncPgConnection, id: Uuid) -> Result<Vec<UserId>, DbError> {
    let rows: Vec<Id> = diesel::sql_query(
        "SELECT DISTINCT i.actor_id AS id FROM notifications.mailing_items m
         JOIN notifications.items i ON i.id = m.item_id WHERE m.mailing_id = $1 AND i.actor_id IS NOT NULL",
    )
    .bind::<SqlUuid, _>(id)
    .load(conn)
    .await?;
    Ok(rows.into_iter().map(|row| UserId(row.id)).collect())
}
