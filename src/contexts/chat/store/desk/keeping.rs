//! How long rooms keep their messages, and people who are to be erased.

use chrono::{DateTime, Utc};
use diesel::{
    OptionalExtension, QueryableByName,
    sql_types::{BigInt, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::{Desk, StoreError};
use crate::{
    contexts::chat::model::RoomId,
    custody::{self, Counts},
    postgres::DbError,
    principal::UserId,
};

#[derive(QueryableByName)]
struct Retention {
    #[diesel(sql_type = SqlUuid)]
    id: RoomId,
    #[diesel(sql_type = Integer)]
    days: i32,
}

#[derive(QueryableByName)]
struct Due {
    #[diesel(sql_type = SqlUuid)]
    user_id: UserId,
    #[diesel(sql_type = Text)]
    policy: String,
}

impl Desk {
    /// Up to `limit` rooms after `after` that keep their messages for a time, and for how many days.
    /// Rooms that do not say go by `default`, where that is not 0.
    pub async fn retentions(
        &self,
        after: Option<RoomId>,
        default: u32,
        limit: usize,
    ) -> Result<Vec<(RoomId, u32)>, StoreError> {
        let found: Vec<Retention> = diesel::sql_query(
            "SELECT id, days FROM (
                SELECT id, coalesce(nullif((settings ->> 'retention_days')::integer, 0), $2) AS days FROM chat.rooms
             ) r WHERE days > 0 AND ($1 IS NULL OR id > $1) ORDER BY id LIMIT $3",
        )
        .bind::<Nullable<SqlUuid>, _>(after)
        .bind::<Integer, _>(i32::try_from(default).unwrap_or(i32::MAX))
        .bind::<BigInt, _>(i64::try_from(limit).unwrap_or(i64::MAX))
        .load(&mut self.conn().await?)
        .await?;
        Ok(found.into_iter().map(|room| (room.id, room.days.unsigned_abs())).collect())
    }

    /// People whose erasure is not done, the first asked first, with the policy of that time.
    pub async fn erasures_due(&self) -> Result<Vec<(UserId, String)>, StoreError> {
        let found: Vec<Due> = diesel::sql_query(
            "SELECT user_id, policy FROM chat.erasures WHERE done_at IS NULL ORDER BY requested_at LIMIT 20",
        )
        .load(&mut self.conn().await?)
        .await?;
        Ok(found.into_iter().map(|due| (due.user_id, due.policy)).collect())
    }

    /// Notes that an erasure is done.
    pub async fn erased(&self, user: UserId, at: DateTime<Utc>) -> Result<(), StoreError> {
        diesel::sql_query("UPDATE chat.erasures SET done_at = $2 WHERE user_id = $1 AND done_at IS NULL")
            .bind::<SqlUuid, _>(user)
            .bind::<Timestamptz, _>(at)
            .execute(&mut self.conn().await?)
            .await?;
        Ok(())
    }
}

/// Notes that somebody is to be erased, and forgets what needs no log: what they set for themselves, whom they
/// blocked, who mentioned them, the words of theirs that reports hold. In the event's transaction.
pub async fn begin_erasure(
    conn: &mut AsyncPgConnection,
    user: UserId,
    policy: &str,
) -> Result<Counts, DbError> {
    diesel::sql_query(
        "INSERT INTO chat.erasures (user_id, policy, requested_at) VALUES ($1, $2, now())
         ON CONFLICT (user_id) DO NOTHING",
    )
    .bind::<SqlUuid, _>(user)
    .bind::<Text, _>(policy)
    .execute(conn)
    .await?;
    let mut counts = custody::run(
        conn,
        user,
        &[
            (
                "drafts",
                "UPDATE chat.members SET draft = '', own_version = own_version + 1 WHERE user_id = $1 AND draft <> ''",
            ),
            ("blocks", "DELETE FROM chat.blocks WHERE user_id = $1 OR blocked_id = $1"),
            ("settings", "DELETE FROM chat.people WHERE user_id = $1"),
            ("statuses", "DELETE FROM chat.statuses WHERE user_id = $1"),
            ("mentions", "DELETE FROM chat.mentions WHERE user_id = $1 OR sender_id = $1"),
            ("reports", "UPDATE chat.reports SET detail = '' WHERE reporter_id = $1"),
        ],
    )
    .await?;
    if policy == "tombstone" {
        let words = "UPDATE chat.reports SET body = '' WHERE sender_id = $1";
        counts.extend(custody::run(conn, user, &[("reported words", words)]).await?);
    }
    Ok(counts)
}

/// Whether nothing is left of an erasure to do.
pub async fn erasure_is_done(conn: &mut AsyncPgConnection, user: UserId) -> Result<bool, DbError> {
    let done: Option<Due> = diesel::sql_query(
        "SELECT user_id, policy FROM chat.erasures WHERE user_id = $1 AND done_at IS NOT NULL",
    )
    .bind::<SqlUuid, _>(user)
    .get_result(conn)
    .await
    .optional()?;
    Ok(done.is_some())
}
