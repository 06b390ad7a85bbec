//! Where notifications are kept: schema `notifications`. Functions over a connection, so that the
//! event's inbox row, what it tells and the mail that is due commit together.
//!
//! Whoever changes something of a person locks their `streams` row first. That makes offsets gapless and
//! the unread counter exact, whatever runs at once.

pub mod items;
pub mod log;
pub mod mailings;
pub mod preferences;
pub mod pushes;

use chrono::{DateTime, Utc};
use diesel::{
    OptionalExtension, QueryableByName,
    sql_types::{BigInt, Bool, Integer, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::{
    custody::{self, Counts},
    postgres::DbError,
    principal::UserId,
};

/// A person's stream, locked until the transaction ends.
#[derive(Clone, Debug, QueryableByName)]
pub struct Stream {
    #[diesel(sql_type = Text)]
    pub epoch: String,
    #[diesel(sql_type = BigInt)]
    pub first_offset: i64,
    #[diesel(sql_type = BigInt)]
    pub last_offset: i64,
    #[diesel(sql_type = Integer)]
    pub unread: i32,
}

/// Publications that a person's log keeps at most, and a little more.
pub const KEPT: i64 = 512;
/// Cut so often, in publications.
const CUT_EVERY: i64 = 64;

/// Waits until no other transaction tells or forgets any of these people. Events share transactions, and two
/// that locked the same people in different order would wait for each other: so whoever handles several takes
/// its turns here, before the first, in one order. People share turns, 256 of them, so that no transaction
/// holds more locks than that.
pub async fn in_turn(conn: &mut AsyncPgConnection, users: &[UserId]) -> Result<(), DbError> {
    if users.is_empty() {
        return Ok(());
    }
    let users: Vec<Uuid> = users.iter().map(|user| user.0).collect();
    diesel::sql_query(
        "SELECT pg_advisory_xact_lock($2, turn) FROM (
            SELECT DISTINCT (hashtextextended(u::text, 0) & 255)::integer AS turn FROM unnest($1) u ORDER BY turn
         ) t",
    )
    .bind::<diesel::sql_types::Array<SqlUuid>, _>(users)
    .bind::<Integer, _>(TURNS)
    .execute(conn)
    .await?;
    Ok(())
}

/// The class of the advisory locks behind [`in_turn`]: "noti".
const TURNS: i32 = 0x6e6f_7469;

/// Locks a person's stream, which begins now if there was none. `None`: they are forgotten.
pub async fn lock(conn: &mut AsyncPgConnection, user: UserId) -> Result<Option<Stream>, DbError> {
    let epoch = Uuid::new_v4().simple().to_string()[..8].to_owned();
    Ok(diesel::sql_query(
        "INSERT INTO notifications.streams AS s (user_id, epoch)
         SELECT $1, $2 WHERE NOT EXISTS (SELECT FROM notifications.forgotten WHERE user_id = $1)
         ON CONFLICT (user_id) DO UPDATE SET epoch = s.epoch
         RETURNING epoch, first_offset, last_offset, unread",
    )
    .bind::<SqlUuid, _>(user)
    .bind::<Text, _>(epoch)
    .get_result(conn)
    .await
    .optional()?)
}

#[derive(QueryableByName)]
struct Known {
    #[diesel(sql_type = Bool)]
    known: bool,
}

/// Whether a person was told of an event, or is not to be told anything any more. Under their lock: a
/// request to be forgotten that was faster is seen.
pub async fn knows(conn: &mut AsyncPgConnection, user: UserId, event: Uuid) -> Result<bool, DbError> {
    let found: Known = diesel::sql_query(
        "SELECT EXISTS (SELECT FROM notifications.sources WHERE user_id = $1 AND event_id = $2)
             OR EXISTS (SELECT FROM notifications.forgotten WHERE user_id = $1) AS known",
    )
    .bind::<SqlUuid, _>(user)
    .bind::<SqlUuid, _>(event)
    .get_result(conn)
    .await?;
    Ok(found.known)
}

/// Erases what is known of a person, and remembers that nothing is to be known.
pub async fn forget(
    conn: &mut AsyncPgConnection,
    user: UserId,
    now: DateTime<Utc>,
) -> Result<Counts, DbError> {
    lock(conn, user).await?;
    diesel::sql_query(
        "INSERT INTO notifications.forgotten (user_id, at) VALUES ($1, $2) ON CONFLICT (user_id) DO NOTHING",
    )
    .bind::<SqlUuid, _>(user)
    .bind::<Timestamptz, _>(now)
    .execute(conn)
    .await?;
    let mut counts = custody::run(
        conn,
        user,
        &[
            ("notifications", "DELETE FROM notifications.items WHERE user_id = $1"),
            // Everything else of theirs goes with it.
            ("streams", "DELETE FROM notifications.streams WHERE user_id = $1"),
            ("preferences", "DELETE FROM notifications.preferences WHERE user_id = $1"),
            ("mails", "DELETE FROM platform.mails WHERE user_id = $1"),
        ],
    )
    .await?;
    counts.extend(forget_about(conn, user).await?);
    Ok(counts)
}

/// Takes what somebody did out of what others were told. That they were told something stays: their counters
/// and their logs' places rest on it.
pub async fn forget_about(conn: &mut AsyncPgConnection, user: UserId) -> Result<Counts, DbError> {
    custody::run(
        conn,
        user,
        &[
            (
                "others' publications",
                "UPDATE notifications.log SET data = '{\"type\":\"erased\"}' WHERE position($1::text in data) > 0
                    OR EXISTS (SELECT FROM notifications.items i WHERE i.user_id = log.user_id
                               AND i.\"offset\" = log.\"offset\" AND i.actor_id = $1)",
            ),
            (
                "others' notifications",
                "UPDATE notifications.items SET actor_id = NULL, title = 'About somebody who left', body = '',
                        params = '{}', data = '{}', link = '/'
                 WHERE actor_id = $1 OR position($1::text in params::text || data::text) > 0",
            ),
        ],
    )
    .await
}

/// Read notifications, and publications, of before these times; how many.
pub async fn tidy(
    conn: &mut AsyncPgConnection,
    read_before: DateTime<Utc>,
    log_before: DateTime<Utc>,
) -> Result<usize, DbError> {
    let items = diesel::sql_query("DELETE FROM notifications.items WHERE read_at < $1")
        .bind::<Timestamptz, _>(read_before)
        .execute(conn)
        .await?;
    let old = diesel::sql_query(
        "WITH old AS (
            SELECT user_id, max(\"offset\") AS last FROM notifications.log WHERE at < $1 GROUP BY user_id LIMIT 1000
         ), cut AS (
            UPDATE notifications.streams s SET first_offset = greatest(s.first_offset, old.last + 1)
            FROM old WHERE s.user_id = old.user_id
         )
         DELETE FROM notifications.log l USING old WHERE l.user_id = old.user_id AND l.\"offset\" <= old.last",
    )
    .bind::<Timestamptz, _>(log_before)
    .execute(conn)
    .await?;
    Ok(items + old)
}
