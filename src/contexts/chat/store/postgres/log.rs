//! The rooms' logs in Postgres.

use std::collections::HashMap;

use diesel::{
    prelude::*,
    sql_types::{Array, BigInt, Text, Uuid as SqlUuid},
};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::{
    EventRow, corrupt, events, place, rows,
    schema::{append_events, events as table, streams},
    seq, uuids,
};
use crate::{
    contexts::chat::{
        model::{Event, MessageId, NewEvent, Payload, RoomId, Seq},
        store::{Appended, Digest, EventLog, Outcome, Page, Slice, StoreError, Stored, Top},
    },
    postgres::Database,
    principal::UserId,
};

/// The rooms' logs in Postgres.
#[derive(Clone)]
pub struct PostgresLog {
    db: Database,
}

impl PostgresLog {
    /// Logs in that database.
    pub fn new(db: Database) -> Self {
        Self { db }
    }
}

/// What `chat.append` answers.
#[derive(Deserialize)]
struct AppendAnswer {
    epoch: String,
    prior: Seq,
    items: Vec<(Seq, MessageId, bool)>,
}

fn fresh_epoch() -> String {
    let mut text = Uuid::new_v4().simple().to_string();
    text.truncate(12);
    text
}

async fn top(conn: &mut AsyncPgConnection, room: RoomId) -> Result<Top, StoreError> {
    let found: Option<(String, i64, i64)> = streams::table
        .find(room)
        .select((streams::epoch, streams::first_seq, streams::last_seq))
        .first(conn)
        .await
        .optional()?;
    let (epoch, first, last) = found.ok_or(StoreError::NoStream)?;
    Ok(Top { epoch, first_seq: seq(first), last_seq: seq(last) })
}

async fn append(
    conn: &mut AsyncPgConnection,
    room: RoomId,
    batch: &[NewEvent],
) -> Result<Appended, StoreError> {
    let answer: Option<Value> = diesel::select(append_events(
        room.0,
        batch.iter().map(|event| event.payload.kind()).collect::<Vec<_>>(),
        uuids(batch, |event| event.message_id.0),
        uuids(batch, |event| event.sender_id.0),
        batch.iter().map(|event| event.client_msg_id.as_str()).collect::<Vec<_>>(),
        batch.iter().map(|event| event.payload.data()).collect::<Vec<_>>(),
        batch.iter().map(|event| event.created_at).collect::<Vec<_>>(),
        batch.iter().map(|event| event.correlation_id.as_str()).collect::<Vec<_>>(),
    ))
    .get_result(conn)
    .await?;
    let AppendAnswer { epoch, prior, items } = serde_json::from_value(answer.ok_or(StoreError::NoStream)?)?;
    if items.len() != batch.len() {
        return Err(corrupt("chat.append answered for another number of events"));
    }
    let outcomes = items
        .into_iter()
        .map(|(seq, message_id, duplicate)| Outcome { seq, message_id, duplicate })
        .collect();
    Ok(Appended { epoch, prior, outcomes })
}

async fn since(
    conn: &mut AsyncPgConnection,
    room: RoomId,
    after: Seq,
    limit: usize,
) -> Result<Slice, StoreError> {
    // The ends first: an event that is written in between is not in the slice, so the slice never
    // goes past the top that it tells.
    let mut ends = top(conn, room).await?;
    let found: Vec<EventRow> = table::table
        .filter(table::room_id.eq(room))
        .filter(table::seq.gt(place(after)))
        .filter(table::seq.le(place(ends.last_seq)))
        .order(table::seq)
        .limit(rows(limit))
        .select(EventRow::as_select())
        .load(conn)
        .await?;
    let found = events(found)?;
    // A cut in between took the first ones: then the log begins where the slice does.
    if let Some(first) = found.as_slice().first()
        && first.seq > after + 1
    {
        ends.first_seq = ends.first_seq.max(first.seq);
    }
    Ok(Slice { events: found, top: ends })
}

async fn messages(
    conn: &mut AsyncPgConnection,
    room: RoomId,
    page: Page,
    limit: usize,
) -> Result<(Vec<Event>, bool), StoreError> {
    let base = table::table
        .filter(table::room_id.eq(room))
        .filter(table::kind.eq(Payload::MESSAGE))
        // One more than asked for tells whether there is more.
        .limit(rows(limit.saturating_add(1)))
        .select(EventRow::as_select());
    let found: Vec<EventRow> = match page {
        Page::Newest => base.order(table::seq.desc()).load(conn).await?,
        Page::Before(end) => {
            base.filter(table::seq.lt(place(end))).order(table::seq.desc()).load(conn).await?
        }
        Page::After(start) => {
            base.filter(table::seq.gt(place(start))).order(table::seq.asc()).load(conn).await?
        }
    };
    let mut found = events(found)?;
    let more = found.len() > limit;
    found.truncate(limit);
    Ok((found, more))
}

#[derive(QueryableByName)]
struct DigestRow {
    #[diesel(sql_type = SqlUuid)]
    room: RoomId,
    #[diesel(sql_type = BigInt)]
    top: i64,
    #[diesel(sql_type = BigInt)]
    unread: i64,
    #[diesel(embed)]
    last: Option<EventRow>,
}

const DIGESTS: &str = "
    SELECT s.room_id AS room, s.last_seq AS top, u.n AS unread, m.*
    FROM unnest($1, $2) AS r (room_id, read_seq)
    JOIN chat.streams s ON s.room_id = r.room_id
    LEFT JOIN LATERAL (
        SELECT e.* FROM chat.events e
        WHERE e.room_id = r.room_id AND e.kind = $3 ORDER BY e.seq DESC LIMIT 1
    ) m ON true
    CROSS JOIN LATERAL (
        SELECT count(*) AS n FROM (
            SELECT FROM chat.events e
            WHERE e.room_id = r.room_id AND e.seq > r.read_seq AND e.kind = $3 AND e.sender_id <> $4
            LIMIT $5
        ) counted
    ) u";

async fn digests(
    conn: &mut AsyncPgConnection,
    reader: UserId,
    wanted: &[(RoomId, Seq)],
) -> Result<HashMap<RoomId, Digest>, StoreError> {
    let found: Vec<DigestRow> = diesel::sql_query(DIGESTS)
        .bind::<Array<SqlUuid>, _>(uuids(wanted, |(room, _)| room.0))
        .bind::<Array<BigInt>, _>(wanted.iter().map(|(_, read)| place(*read)).collect::<Vec<_>>())
        .bind::<Text, _>(Payload::MESSAGE)
        .bind::<SqlUuid, _>(reader)
        .bind::<BigInt, _>(place(Digest::MOST_UNREAD))
        .load(conn)
        .await?;
    found
        .into_iter()
        .map(|row| {
            let last_message = row.last.map(Event::try_from).transpose()?;
            let digest = Digest { last_seq: seq(row.top), last_message, unread: seq(row.unread) };
            Ok((row.room, digest))
        })
        .collect()
}

impl EventLog for PostgresLog {
    fn open(&self, room: RoomId) -> Stored<'_, Top> {
        Box::pin(async move {
            let mut conn = self.db.conn().await?;
            match top(&mut conn, room).await {
                Err(StoreError::NoStream) => {}
                known => return known,
            }
            diesel::insert_into(streams::table)
                .values((streams::room_id.eq(room), streams::epoch.eq(fresh_epoch())))
                .on_conflict_do_nothing()
                .execute(&mut conn)
                .await?;
            top(&mut conn, room).await
        })
    }

    fn append<'a>(&'a self, room: RoomId, batch: &'a [NewEvent]) -> Stored<'a, Appended> {
        Box::pin(async move { append(&mut *self.db.conn().await?, room, batch).await })
    }

    fn since(&self, room: RoomId, after: Seq, limit: usize) -> Stored<'_, Slice> {
        Box::pin(async move { since(&mut *self.db.conn().await?, room, after, limit).await })
    }

    fn messages(&self, room: RoomId, page: Page, limit: usize) -> Stored<'_, (Vec<Event>, bool)> {
        Box::pin(async move { messages(&mut *self.db.conn().await?, room, page, limit).await })
    }

    fn message(&self, room: RoomId, id: MessageId) -> Stored<'_, Option<Event>> {
        Box::pin(async move {
            let found: Option<EventRow> = table::table
                .filter(table::room_id.eq(room))
                .filter(table::message_id.eq(id))
                .filter(table::kind.eq(Payload::MESSAGE))
                .select(EventRow::as_select())
                .first(&mut self.db.conn().await?)
                .await
                .optional()?;
            found.map(Event::try_from).transpose()
        })
    }

    fn digests<'a>(
        &'a self,
        reader: UserId,
        rooms: &'a [(RoomId, Seq)],
    ) -> Stored<'a, HashMap<RoomId, Digest>> {
        Box::pin(async move { digests(&mut *self.db.conn().await?, reader, rooms).await })
    }

    fn cut(&self, room: RoomId, first_seq: Seq) -> Stored<'_, Top> {
        Box::pin(async move {
            let mut conn = self.db.conn().await?;
            (*conn)
                .transaction(async |conn: &mut AsyncPgConnection| {
                    // The stream's row first, as `chat.append` does: no writer slips in between.
                    let last: Option<i64> = streams::table
                        .find(room)
                        .for_update()
                        .select(streams::last_seq)
                        .first(conn)
                        .await
                        .optional()?;
                    let first = place(first_seq).min(last.ok_or(StoreError::NoStream)? + 1);
                    diesel::update(streams::table.find(room).filter(streams::first_seq.lt(first)))
                        .set(streams::first_seq.eq(first))
                        .execute(conn)
                        .await?;
                    diesel::delete(table::table.filter(table::room_id.eq(room)).filter(table::seq.lt(first)))
                        .execute(conn)
                        .await?;
                    top(conn, room).await
                })
                .await
        })
    }

    fn renew(&self, room: RoomId) -> Stored<'_, Top> {
        Box::pin(async move {
            let mut conn = self.db.conn().await?;
            diesel::update(streams::table.find(room))
                .set(streams::epoch.eq(fresh_epoch()))
                .execute(&mut conn)
                .await?;
            top(&mut conn, room).await
        })
    }
}
