//! The log behind `user:<id>`.

use chrono::{DateTime, Utc};
use diesel::{
    QueryableByName,
    sql_types::{Array, BigInt, Bool, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::{CUT_EVERY, KEPT, Stream};
use crate::{
    postgres::{DbError, Kept},
    principal::UserId,
};

/// Adds a publication and sets the unread counter. The caller holds the lock, and `stream` follows.
pub async fn append(
    conn: &mut AsyncPgConnection,
    user: UserId,
    stream: &mut Stream,
    data: &str,
    unread: i32,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    stream.last_offset += 1;
    stream.unread = unread;
    let cut = stream.last_offset - KEPT;
    if stream.last_offset % CUT_EVERY == 0 && cut >= stream.first_offset {
        stream.first_offset = cut + 1;
        diesel::sql_query("DELETE FROM notifications.log WHERE user_id = $1 AND \"offset\" <= $2")
            .bind::<SqlUuid, _>(user)
            .bind::<BigInt, _>(cut)
            .execute(conn)
            .await?;
    }
    diesel::sql_query(
        "WITH moved AS (
            UPDATE notifications.streams SET last_offset = $2, first_offset = $3, unread = $4 WHERE user_id = $1
         )
         INSERT INTO notifications.log (user_id, \"offset\", data, at) VALUES ($1, $2, $5, $6)",
    )
    .bind::<SqlUuid, _>(user)
    .bind::<BigInt, _>(stream.last_offset)
    .bind::<BigInt, _>(stream.first_offset)
    .bind::<Integer, _>(unread)
    .bind::<Text, _>(data)
    .bind::<Timestamptz, _>(now)
    .execute(conn)
    .await?;
    Ok(())
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    epoch: String,
    #[diesel(sql_type = BigInt)]
    first_offset: i64,
    #[diesel(sql_type = BigInt)]
    last_offset: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    at: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    data: Option<String>,
}

/// A stream's ends, and a part of what is between them.
pub struct Part {
    pub epoch: String,
    pub first_offset: i64,
    pub last_offset: i64,
    pub entries: Vec<(i64, String)>,
}

/// Up to `limit` entries with offsets after `after` and before `before`, from one snapshot; `None` where
/// a person has no stream yet.
pub async fn read(
    conn: &mut AsyncPgConnection,
    user: UserId,
    (after, before): (i64, i64),
    limit: i64,
    reverse: bool,
) -> Result<Option<Part>, DbError> {
    let query = diesel::sql_query(
        "SELECT s.epoch, s.first_offset, s.last_offset, l.\"offset\" AS at, l.data
         FROM notifications.streams s LEFT JOIN LATERAL (
            SELECT \"offset\", data FROM notifications.log
            WHERE user_id = s.user_id AND \"offset\" > $2 AND \"offset\" < $3
            ORDER BY CASE WHEN $5 THEN -\"offset\" ELSE \"offset\" END LIMIT $4
         ) l ON true
         WHERE s.user_id = $1 ORDER BY CASE WHEN $5 THEN -l.\"offset\" ELSE l.\"offset\" END",
    )
    .bind::<SqlUuid, _>(user)
    .bind::<BigInt, _>(after)
    .bind::<BigInt, _>(before)
    .bind::<BigInt, _>(limit)
    .bind::<Bool, _>(reverse);
    // Every connection begins with it.
    let rows: Vec<Row> = Kept(query).load(conn).await?;
    let Some(Row { epoch, first_offset, last_offset, .. }) = rows.as_slice().first() else { return Ok(None) };
    let (epoch, first_offset, last_offset) = (epoch.clone(), *first_offset, *last_offset);
    let entries = rows.into_iter().filter_map(|row| Some((row.at?, row.data?))).collect();
    Ok(Some(Part { epoch, first_offset, last_offset, entries }))
}

/// Gives every log a new epoch; says how many there are.
pub async fn renew(conn: &mut AsyncPgConnection) -> Result<usize, DbError> {
    Ok(diesel::sql_query(
        "UPDATE notifications.streams SET epoch = substr(md5(random()::text || user_id::text), 1, 16)",
    )
    .execute(conn)
    .await?)
}

#[derive(QueryableByName)]
struct Top {
    #[diesel(sql_type = SqlUuid)]
    user_id: Uuid,
    #[diesel(sql_type = BigInt)]
    last_offset: i64,
}

/// Where the logs of these people end.
pub async fn tops(conn: &mut AsyncPgConnection, users: &[UserId]) -> Result<Vec<(UserId, i64)>, DbError> {
    let ids: Vec<Uuid> = users.iter().map(|user| user.0).collect();
    let tops: Vec<Top> =
        diesel::sql_query("SELECT user_id, last_offset FROM notifications.streams WHERE user_id = ANY($1)")
            .bind::<Array<SqlUuid>, _>(ids)
            .load(conn)
            .await?;
    Ok(tops.into_iter().map(|top| (UserId(top.user_id), top.last_offset)).collect())
}
