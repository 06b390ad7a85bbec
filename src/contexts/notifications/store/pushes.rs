//! Browsers that subscribed, and what is to be pushed to them: a row a browser and notification. A worker
//! leases what is due; a row that was sent stays, so that the same notification is not pushed again before
//! it has grown, and not too often then.

use chrono::{DateTime, Duration, Utc};
use diesel::{
    OptionalExtension, QueryableByName,
    sql_types::{BigInt, Binary, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::{contexts::notifications::model::NotificationId, postgres::DbError, principal::UserId};

/// How long a worker may take for what it leased.
const LEASE: Duration = Duration::seconds(60);
/// Between two pushes of one notification that goes on growing.
const APART: Duration = Duration::seconds(20);

/// A browser that subscribed.
#[derive(Clone, Debug, QueryableByName)]
pub struct Subscription {
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    #[diesel(sql_type = Text)]
    pub endpoint: String,
    #[diesel(sql_type = Text)]
    pub label: String,
    #[diesel(sql_type = Timestamptz)]
    pub created_at: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub pushed_at: Option<DateTime<Utc>>,
}

/// A subscription to be kept.
pub struct NewSubscription<'a> {
    pub id: Uuid,
    pub endpoint: &'a str,
    pub p256dh: &'a [u8],
    pub auth: &'a [u8],
    pub label: &'a str,
}

/// A push that is due.
#[derive(Clone, Debug, QueryableByName)]
pub struct Due {
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub subscription_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub item_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub user_id: UserId,
    #[diesel(sql_type = Text)]
    pub endpoint: String,
    #[diesel(sql_type = Binary)]
    pub p256dh: Vec<u8>,
    #[diesel(sql_type = Binary)]
    pub auth: Vec<u8>,
    #[diesel(sql_type = Integer)]
    pub attempts: i32,
    /// Grows with every event that asks for this push: what was sent is as new as this.
    #[diesel(sql_type = Integer)]
    pub asked: i32,
    #[diesel(sql_type = Timestamptz)]
    pub since: DateTime<Utc>,
}

#[derive(QueryableByName)]
struct Id {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
}

#[derive(QueryableByName)]
struct Key {
    #[diesel(sql_type = Binary)]
    pkcs8: Vec<u8>,
}

/// The installation's key for Web Push; `fresh` if there was none.
pub async fn key(conn: &mut AsyncPgConnection, fresh: &[u8]) -> Result<Vec<u8>, DbError> {
    diesel::sql_query("INSERT INTO notifications.push_keys (pkcs8) VALUES ($1) ON CONFLICT DO NOTHING")
        .bind::<Binary, _>(fresh)
        .execute(conn)
        .await?;
    let key: Key = diesel::sql_query("SELECT pkcs8 FROM notifications.push_keys").get_result(conn).await?;
    Ok(key.pkcs8)
}

/// Keeps a browser's subscription. One that is known under its endpoint is this person's from now on, with
/// these keys. Answers its id and whether it is new; `None` where the person has `most` already. The caller
/// holds the person's lock.
pub async fn subscribe(
    conn: &mut AsyncPgConnection,
    user: UserId,
    new: &NewSubscription<'_>,
    most: i64,
    now: DateTime<Utc>,
) -> Result<Option<(Uuid, bool)>, DbError> {
    let kept: Option<Id> = diesel::sql_query(
        "INSERT INTO notifications.push_subscriptions (id, user_id, endpoint, p256dh, auth, label, created_at)
         SELECT $1, $2, $3, $4, $5, $6, $7 WHERE (
            SELECT count(*) FROM notifications.push_subscriptions WHERE user_id = $2 AND endpoint <> $3
         ) < $8
         ON CONFLICT (endpoint) DO UPDATE SET user_id = excluded.user_id, p256dh = excluded.p256dh,
            auth = excluded.auth, label = excluded.label
         RETURNING id",
    )
    .bind::<SqlUuid, _>(new.id)
    .bind::<SqlUuid, _>(user)
    .bind::<Text, _>(new.endpoint)
    .bind::<Binary, _>(new.p256dh)
    .bind::<Binary, _>(new.auth)
    .bind::<Text, _>(new.label)
    .bind::<Timestamptz, _>(now)
    .bind::<BigInt, _>(most)
    .get_result(conn)
    .await
    .optional()?;
    let Some(Id { id }) = kept else { return Ok(None) };
    // What waited for whoever used that browser before is not this person's to see.
    diesel::sql_query(
        "DELETE FROM notifications.pushes p USING notifications.items i
         WHERE p.subscription_id = $1 AND i.id = p.item_id AND i.user_id <> $2",
    )
    .bind::<SqlUuid, _>(id)
    .bind::<SqlUuid, _>(user)
    .execute(conn)
    .await?;
    Ok(Some((id, id == new.id)))
}

/// A person's browsers, the latest first.
pub async fn subscriptions(conn: &mut AsyncPgConnection, user: UserId) -> Result<Vec<Subscription>, DbError> {
    Ok(diesel::sql_query(
        "SELECT id, endpoint, label, created_at, pushed_at FROM notifications.push_subscriptions
         WHERE user_id = $1 ORDER BY id DESC",
    )
    .bind::<SqlUuid, _>(user)
    .load(conn)
    .await?)
}

/// Forgets one of a person's browsers; whether there was one.
pub async fn unsubscribe(conn: &mut AsyncPgConnection, user: UserId, id: Uuid) -> Result<bool, DbError> {
    let gone =
        diesel::sql_query("DELETE FROM notifications.push_subscriptions WHERE id = $1 AND user_id = $2")
            .bind::<SqlUuid, _>(id)
            .bind::<SqlUuid, _>(user)
            .execute(conn)
            .await?;
    Ok(gone > 0)
}

/// A browser that is no more.
pub async fn forget(conn: &mut AsyncPgConnection, subscription: Uuid) -> Result<(), DbError> {
    diesel::sql_query("DELETE FROM notifications.push_subscriptions WHERE id = $1")
        .bind::<SqlUuid, _>(subscription)
        .execute(conn)
        .await?;
    Ok(())
}

/// Lets a notification be pushed to all of the person's browsers. The caller holds the person's lock.
pub async fn add(
    conn: &mut AsyncPgConnection,
    user: UserId,
    item: NotificationId,
    due: DateTime<Utc>,
) -> Result<(), DbError> {
    diesel::sql_query(
        "INSERT INTO notifications.pushes AS p (id, subscription_id, item_id, next_at, since)
         SELECT gen_random_uuid(), s.id, $2, $3, $3 FROM notifications.push_subscriptions s WHERE s.user_id = $1
         ON CONFLICT (subscription_id, item_id) DO UPDATE SET asked = p.asked + 1, attempts = 0, sent_at = NULL,
            since = excluded.since, error = NULL,
            next_at = CASE WHEN p.sent_at IS NULL THEN p.next_at ELSE greatest(excluded.next_at, p.sent_at + $4) END",
    )
    .bind::<SqlUuid, _>(user)
    .bind::<SqlUuid, _>(item)
    .bind::<Timestamptz, _>(due)
    .bind::<diesel::sql_types::Interval, _>(interval(APART))
    .execute(conn)
    .await?;
    Ok(())
}

fn interval(span: Duration) -> diesel::pg::data_types::PgInterval {
    diesel::pg::data_types::PgInterval::from_microseconds(span.num_microseconds().unwrap_or(i64::MAX))
}

/// Takes up to `limit` that are due.
pub async fn lease(
    conn: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<Due>, DbError> {
    Ok(diesel::sql_query(
        "WITH due AS (
            UPDATE notifications.pushes SET next_at = $2, attempts = attempts + 1 WHERE id IN (
                SELECT id FROM notifications.pushes WHERE sent_at IS NULL AND next_at <= $1
                ORDER BY next_at, id LIMIT $3 FOR UPDATE SKIP LOCKED
            ) RETURNING id, subscription_id, item_id, attempts, asked, since
         )
         SELECT due.*, s.user_id, s.endpoint, s.p256dh, s.auth FROM due
         JOIN notifications.push_subscriptions s ON s.id = due.subscription_id",
    )
    .bind::<Timestamptz, _>(now)
    .bind::<Timestamptz, _>(now + LEASE)
    .bind::<BigInt, _>(limit)
    .get_results(conn)
    .await?)
}

/// Notes that a push was sent, unless it was asked for again meanwhile: then it is due once more, a little
/// later.
pub async fn sent(conn: &mut AsyncPgConnection, due: &Due, now: DateTime<Utc>) -> Result<(), DbError> {
    diesel::sql_query(
        "UPDATE notifications.pushes SET sent_at = CASE WHEN asked = $2 THEN $3 END,
            next_at = CASE WHEN asked = $2 THEN next_at ELSE $3 + $4 END, error = NULL
         WHERE id = $1",
    )
    .bind::<SqlUuid, _>(due.id)
    .bind::<Integer, _>(due.asked)
    .bind::<Timestamptz, _>(now)
    .bind::<diesel::sql_types::Interval, _>(interval(APART))
    .execute(conn)
    .await?;
    diesel::sql_query("UPDATE notifications.push_subscriptions SET pushed_at = $2 WHERE id = $1")
        .bind::<SqlUuid, _>(due.subscription_id)
        .bind::<Timestamptz, _>(now)
        .execute(conn)
        .await?;
    Ok(())
}

/// Drops a push that is not to be sent any more.
pub async fn drop(conn: &mut AsyncPgConnection, due: &Due) -> Result<(), DbError> {
    diesel::sql_query("DELETE FROM notifications.pushes WHERE id = $1 AND asked = $2")
        .bind::<SqlUuid, _>(due.id)
        .bind::<Integer, _>(due.asked)
        .execute(conn)
        .await?;
    Ok(())
}

/// Puts a push off.
pub async fn put_off(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    until: DateTime<Utc>,
    error: Option<&str>,
) -> Result<(), DbError> {
    diesel::sql_query("UPDATE notifications.pushes SET next_at = $2, error = $3 WHERE id = $1")
        .bind::<SqlUuid, _>(id)
        .bind::<Timestamptz, _>(until)
        .bind::<Nullable<Text>, _>(error)
        .execute(conn)
        .await?;
    Ok(())
}
