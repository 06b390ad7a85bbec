//! Reading a room's messages as they are now.

use std::collections::HashMap;

use diesel::{
    prelude::*,
    sql_types::{Array, BigInt, Jsonb, Nullable, Text, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;

use super::{
    EventRow,
    folding::{self, EVERYBODY, MessageRow},
    place, rows, seq, uuids,
};
use crate::{
    contexts::chat::{
        model::{Event, Message, MessageId, RoomId, Seq},
        store::{Digest, Messages, Page, Reader, StoreError},
    },
    principal::UserId,
};

/// The page's end that is open: before the last place there can be.
const END: i64 = i64::MAX;

const NEWEST: &str = "
    SELECT e.*, c.message FROM chat.events e
    LEFT JOIN chat.changed c ON c.room_id = e.room_id AND c.seq = e.seq
    WHERE e.room_id = $1 AND e.kind IN ('message', 'system') AND e.seq < $2
    ORDER BY e.seq DESC LIMIT $3";

const OLDEST: &str = "
    SELECT e.*, c.message FROM chat.events e
    LEFT JOIN chat.changed c ON c.room_id = e.room_id AND c.seq = e.seq
    WHERE e.room_id = $1 AND e.kind IN ('message', 'system') AND e.seq > $2
    ORDER BY e.seq LIMIT $3";

/// Reads one more than asked for, which tells whether there is more.
fn one_more(limit: usize) -> i64 {
    rows(limit.saturating_add(1))
}

fn page_of(found: Vec<MessageRow>, limit: usize) -> Result<Messages, StoreError> {
    let mut found = folding::messages(found)?;
    let more = found.len() > limit;
    found.truncate(limit);
    Ok((found, more))
}

pub(super) async fn messages(
    conn: &mut AsyncPgConnection,
    room: RoomId,
    page: Page,
    limit: usize,
) -> Result<Messages, StoreError> {
    let (query, from) = match page {
        Page::Newest => (NEWEST, END),
        Page::Before(end) => (NEWEST, place(end)),
        Page::After(start) => (OLDEST, place(start)),
    };
    let found: Vec<MessageRow> = diesel::sql_query(query)
        .bind::<SqlUuid, _>(room)
        .bind::<BigInt, _>(from)
        .bind::<BigInt, _>(one_more(limit))
        .load(conn)
        .await?;
    page_of(found, limit)
}

// The index over (room, sender, client_msg_id) finds what somebody wrote in a room.
const WRITTEN: &str = "
    SELECT e.*, c.message FROM chat.streams s
    CROSS JOIN LATERAL (
        SELECT * FROM chat.events w
        WHERE w.room_id = s.room_id AND w.sender_id = $1 AND w.kind = 'message'
          AND w.seq > CASE WHEN s.room_id = $2 THEN $3 ELSE 0 END
        ORDER BY w.seq LIMIT $4
    ) e
    LEFT JOIN chat.changed c ON c.room_id = e.room_id AND c.seq = e.seq
    WHERE s.room_id >= $2 ORDER BY e.room_id, e.seq LIMIT $4";

#[derive(QueryableByName)]
struct WrittenRow {
    #[diesel(sql_type = SqlUuid)]
    room_id: RoomId,
    #[diesel(embed)]
    row: MessageRow,
}

pub(super) async fn written(
    conn: &mut AsyncPgConnection,
    sender: UserId,
    after: Option<(RoomId, Seq)>,
    limit: usize,
) -> Result<Vec<(RoomId, Message)>, StoreError> {
    let (room, seq) = after.unwrap_or((RoomId(uuid::Uuid::nil()), 0));
    let found: Vec<WrittenRow> = diesel::sql_query(WRITTEN)
        .bind::<SqlUuid, _>(sender)
        .bind::<SqlUuid, _>(room)
        .bind::<BigInt, _>(place(seq))
        .bind::<BigInt, _>(rows(limit))
        .load(conn)
        .await?;
    found.into_iter().map(|found| Ok((found.room_id, Message::try_from(found.row)?))).collect()
}

const THREAD: &str = "
    SELECT e.*, c.message FROM chat.events e
    LEFT JOIN chat.changed c ON c.room_id = e.room_id AND c.seq = e.seq
    WHERE e.room_id = $1 AND e.data ->> 'thread' = $2 AND e.kind = 'message' AND e.seq > $3
    ORDER BY e.seq LIMIT $4";

pub(super) async fn thread(
    conn: &mut AsyncPgConnection,
    room: RoomId,
    root: MessageId,
    after: Seq,
    limit: usize,
) -> Result<Messages, StoreError> {
    let found: Vec<MessageRow> = diesel::sql_query(THREAD)
        .bind::<SqlUuid, _>(room)
        .bind::<Text, _>(root.to_string())
        .bind::<BigInt, _>(place(after))
        .bind::<BigInt, _>(one_more(limit))
        .load(conn)
        .await?;
    page_of(found, limit)
}

const PINNED: &str = "
    SELECT e.*, c.message FROM chat.changed c
    JOIN chat.events e ON e.room_id = c.room_id AND e.seq = c.seq
    WHERE c.room_id = $1 AND c.pinned_seq IS NOT NULL
    ORDER BY c.pinned_seq DESC LIMIT $2";

pub(super) async fn pinned(
    conn: &mut AsyncPgConnection,
    room: RoomId,
    limit: usize,
) -> Result<Vec<Message>, StoreError> {
    let found: Vec<MessageRow> =
        diesel::sql_query(PINNED).bind::<SqlUuid, _>(room).bind::<BigInt, _>(rows(limit)).load(conn).await?;
    folding::messages(found)
}

// A message that something has happened to is found by its present text, any other by its event's.
const SEARCH: &str = "
    WITH asked AS (
        SELECT plainto_tsquery('simple', $2) AS words,
               $3::tsquery && plainto_tsquery('simple', $2) AS query
    ), found AS (
        SELECT e.seq FROM chat.events e, asked
        WHERE e.room_id = $1 AND e.kind = 'message' AND e.seq < $4
          AND chat.words(e.room_id, e.data ->> 'body') @@ asked.query
          AND NOT EXISTS (SELECT FROM chat.changed c WHERE c.room_id = e.room_id AND c.seq = e.seq)
        UNION ALL
        SELECT c.seq FROM chat.changed c, asked
        WHERE c.room_id = $1 AND c.seq < $4
          AND chat.words(c.room_id, c.message ->> 'body') @@ asked.query
          AND NOT (c.message ->> 'system')::boolean
    )
    SELECT e.*, c.message FROM (
        SELECT found.seq FROM found, asked WHERE numnode(asked.words) > 0 ORDER BY found.seq DESC LIMIT $5
    ) f
    JOIN chat.events e ON e.room_id = $1 AND e.seq = f.seq
    LEFT JOIN chat.changed c ON c.room_id = $1 AND c.seq = f.seq
    ORDER BY e.seq DESC";

pub(super) async fn search(
    conn: &mut AsyncPgConnection,
    room: RoomId,
    words: &[String],
    before: Option<Seq>,
    limit: usize,
) -> Result<Messages, StoreError> {
    let found: Vec<MessageRow> = diesel::sql_query(SEARCH)
        .bind::<SqlUuid, _>(room)
        .bind::<Text, _>(words.join(" "))
        .bind::<Text, _>(format!("'room {room}'"))
        .bind::<BigInt, _>(before.map_or(END, place))
        .bind::<BigInt, _>(one_more(limit))
        .load(conn)
        .await?;
    page_of(found, limit)
}

#[derive(QueryableByName)]
struct DigestRow {
    #[diesel(sql_type = SqlUuid)]
    room: RoomId,
    #[diesel(sql_type = BigInt)]
    top: i64,
    #[diesel(sql_type = BigInt)]
    unread: i64,
    #[diesel(sql_type = BigInt)]
    mentioned: i64,
    #[diesel(embed)]
    last: Option<EventRow>,
    #[diesel(sql_type = Nullable<Jsonb>)]
    message: Option<Value>,
}

// Deleted messages have `redacted` in their event. The third bind names those whom a mention of the
// reader may name; the counts stop at the bound.
const DIGESTS: &str = "
    SELECT s.room_id AS room, s.last_seq AS top, u.n AS unread, n.n AS mentioned, m.*, c.message
    FROM unnest($1, $2) AS r (room_id, read_seq)
    JOIN chat.streams s ON s.room_id = r.room_id
    LEFT JOIN LATERAL (
        SELECT e.* FROM chat.events e
        WHERE e.room_id = r.room_id AND e.kind IN ('message', 'system') AND NOT e.sender_id = ANY($5)
        ORDER BY e.seq DESC LIMIT 1
    ) m ON true
    LEFT JOIN chat.changed c ON c.room_id = m.room_id AND c.seq = m.seq
    CROSS JOIN LATERAL (
        SELECT count(*) AS n FROM (
            SELECT FROM chat.events e
            WHERE e.room_id = r.room_id AND e.seq > r.read_seq AND e.kind IN ('message', 'system')
              AND e.sender_id <> $4 AND NOT e.sender_id = ANY($5) AND NOT e.data ? 'redacted'
            LIMIT $6
        ) counted
    ) u
    CROSS JOIN LATERAL (
        SELECT count(*) AS n FROM (
            SELECT FROM chat.mentions e
            WHERE e.room_id = r.room_id AND e.user_id = ANY($3) AND e.seq > r.read_seq
              AND e.sender_id <> $4 AND NOT e.sender_id = ANY($5)
            LIMIT $6
        ) counted
    ) n";

pub(super) async fn digests(
    conn: &mut AsyncPgConnection,
    reader: Reader<'_>,
    wanted: &[(RoomId, Seq)],
) -> Result<HashMap<RoomId, Digest>, StoreError> {
    let found: Vec<DigestRow> = diesel::sql_query(DIGESTS)
        .bind::<Array<SqlUuid>, _>(uuids(wanted, |(room, _)| room.0))
        .bind::<Array<BigInt>, _>(wanted.iter().map(|(_, read)| place(*read)).collect::<Vec<_>>())
        .bind::<Array<SqlUuid>, _>(vec![reader.user, EVERYBODY])
        .bind::<SqlUuid, _>(reader.user)
        .bind::<Array<SqlUuid>, _>(reader.hidden)
        .bind::<BigInt, _>(place(Digest::MOST_UNREAD))
        .load(conn)
        .await?;
    found
        .into_iter()
        .map(|row| {
            let last_message = match (row.message, row.last) {
                (Some(now), _) => Some(serde_json::from_value(now)?),
                (None, Some(event)) => Message::said(&Event::try_from(event)?),
                (None, None) => None,
            };
            let digest = Digest {
                last_seq: seq(row.top),
                last_message,
                unread: seq(row.unread),
                mentions: seq(row.mentioned),
            };
            Ok((row.room, digest))
        })
        .collect()
}
