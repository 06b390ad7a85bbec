//! The rooms' logs in Postgres.

use std::collections::HashMap;

use diesel::{
    prelude::*,
    sql_types::{Array, BigInt},
};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::{
    EventRow, corrupt, events, folding, importing, place, reading, rows,
    schema::{append_events, changed, events as table, mentions, streams},
    seq, uuids,
};
use crate::{
    contexts::chat::{
        model::{Event, Message, MessageId, NewEvent, RoomId, Seq},
        store::{
            Appended, Digest, EventLog, Messages, Outcome, Page, Reader, Slice, StoreError, Stored, Top,
        },
    },
    postgres::{Database, Kept},
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

/// [`append`], and the messages that the new events change. The stream's row is locked from the append
/// to the commit, so a room's messages are changed by one writer at a time.
async fn append_and_fold(
    conn: &mut AsyncPgConnection,
    room: RoomId,
    batch: &[NewEvent],
) -> Result<Appended, StoreError> {
    let appended = append(conn, room, batch).await?;
    folding::take(conn, room, &folding::fresh(batch, &appended.outcomes)).await?;
    Ok(appended)
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

/// An event with its room.
#[derive(QueryableByName)]
struct RoomEventRow {
    #[diesel(sql_type = diesel::sql_types::Uuid)]
    room_id: RoomId,
    #[diesel(embed)]
    event: EventRow,
}

async fn since_each(
    conn: &mut AsyncPgConnection,
    rooms: &[(RoomId, Seq)],
    limit: usize,
) -> Result<Vec<(RoomId, Slice)>, StoreError> {
    let ids: Vec<RoomId> = rooms.iter().map(|(room, _)| *room).collect();
    let tops: Vec<(RoomId, String, i64, i64)> = streams::table
        .filter(streams::room_id.eq_any(&ids))
        .select((streams::room_id, streams::epoch, streams::first_seq, streams::last_seq))
        .load(conn)
        .await?;
    let mut tops: HashMap<RoomId, Top> = tops
        .into_iter()
        .map(|(room, epoch, first, last)| (room, Top { epoch, first_seq: seq(first), last_seq: seq(last) }))
        .collect();
    let (mut ids, mut after, mut upto) = (Vec::new(), Vec::new(), Vec::new());
    for (room, from) in rooms {
        let Some(top) = tops.get(room) else { continue };
        ids.push(room.0);
        after.push(place(*from));
        // As in `since`, not past the top that is told.
        upto.push(place(top.last_seq));
    }
    let query = diesel::sql_query(
        "select w.room_id, e.seq, e.kind, e.message_id, e.sender_id, e.client_msg_id, e.data, e.created_at, \
           e.correlation_id \
         from unnest($1, $2, $3) as w (room_id, behind, upto) cross join lateral \
           (select * from chat.events e where e.room_id = w.room_id and e.seq > w.behind and e.seq <= w.upto \
            order by e.seq limit $4) e \
         order by w.room_id, e.seq",
    )
    .bind::<Array<diesel::sql_types::Uuid>, _>(ids)
    .bind::<Array<BigInt>, _>(after)
    .bind::<Array<BigInt>, _>(upto)
    .bind::<BigInt, _>(rows(limit));
    let found: Vec<RoomEventRow> = Kept(query).load(conn).await?;
    let mut events: HashMap<RoomId, Vec<Event>> = HashMap::new();
    for row in found {
        events.entry(row.room_id).or_default().push(row.event.try_into()?);
    }
    let slice = |(room, after): &(RoomId, Seq)| {
        let mut top = tops.remove(room)?;
        let events = events.remove(room).unwrap_or_default();
        if let Some(first) = events.as_slice().first()
            && first.seq > after + 1
        {
            top.first_seq = top.first_seq.max(first.seq);
        }
        Some((*room, Slice { events, top }))
    };
    Ok(rooms.iter().filter_map(slice).collect())
}

/// Locks the stream's row, as `chat.append` does, so that no writer slips in; answers the last place.
async fn locked(conn: &mut AsyncPgConnection, room: RoomId) -> Result<i64, StoreError> {
    let last: Option<i64> =
        streams::table.find(room).for_update().select(streams::last_seq).first(conn).await.optional()?;
    last.ok_or(StoreError::NoStream)
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
        Box::pin(async move {
            let mut conn = self.db.conn().await?;
            if batch.iter().all(|event| folding::is_plain(&event.payload)) {
                return append(&mut conn, room, batch).await;
            }
            (*conn)
                .transaction(async |conn: &mut AsyncPgConnection| append_and_fold(conn, room, batch).await)
                .await
        })
    }

    fn since(&self, room: RoomId, after: Seq, limit: usize) -> Stored<'_, Slice> {
        Box::pin(async move { since(&mut *self.db.conn().await?, room, after, limit).await })
    }

    fn since_each<'a>(
        &'a self,
        rooms: &'a [(RoomId, Seq)],
        limit: usize,
    ) -> Stored<'a, Vec<(RoomId, Slice)>> {
        Box::pin(async move { since_each(&mut *self.db.conn().await?, rooms, limit).await })
    }

    fn messages(&self, room: RoomId, page: Page, limit: usize) -> Stored<'_, Messages> {
        Box::pin(async move { reading::messages(&mut *self.db.conn().await?, room, page, limit).await })
    }

    fn message(&self, room: RoomId, id: MessageId) -> Stored<'_, Option<Message>> {
        Box::pin(async move { Ok(folding::by_id(&mut *self.db.conn().await?, room, &[id]).await?.pop()) })
    }

    fn thread(&self, room: RoomId, root: MessageId, after: Seq, limit: usize) -> Stored<'_, Messages> {
        Box::pin(async move { reading::thread(&mut *self.db.conn().await?, room, root, after, limit).await })
    }

    fn pinned(&self, room: RoomId, limit: usize) -> Stored<'_, Vec<Message>> {
        Box::pin(async move { reading::pinned(&mut *self.db.conn().await?, room, limit).await })
    }

    fn search<'a>(
        &'a self,
        room: RoomId,
        words: &'a [String],
        before: Option<Seq>,
        limit: usize,
    ) -> Stored<'a, Messages> {
        Box::pin(
            async move { reading::search(&mut *self.db.conn().await?, room, words, before, limit).await },
        )
    }

    fn written(
        &self,
        sender: UserId,
        after: Option<(RoomId, Seq)>,
        limit: usize,
    ) -> Stored<'_, Vec<(RoomId, Message)>> {
        Box::pin(async move { reading::written(&mut *self.db.conn().await?, sender, after, limit).await })
    }

    fn digests<'a>(
        &'a self,
        reader: Reader<'a>,
        rooms: &'a [(RoomId, Seq)],
    ) -> Stored<'a, HashMap<RoomId, Digest>> {
        Box::pin(async move { reading::digests(&mut *self.db.conn().await?, reader, rooms).await })
    }

    fn tops(&self, after: Option<RoomId>, limit: usize) -> Stored<'_, Vec<(RoomId, Top)>> {
        Box::pin(async move {
            let mut query = streams::table
                .order(streams::room_id)
                .limit(rows(limit))
                .select((streams::room_id, streams::epoch, streams::first_seq, streams::last_seq))
                .into_boxed();
            if let Some(after) = after {
                query = query.filter(streams::room_id.gt(after));
            }
            let found: Vec<(RoomId, String, i64, i64)> = query.load(&mut self.db.conn().await?).await?;
            let top = |(room, epoch, first, last)| {
                (room, Top { epoch, first_seq: seq(first), last_seq: seq(last) })
            };
            Ok(found.into_iter().map(top).collect())
        })
    }

    fn refold(&self, room: RoomId) -> Stored<'_, u64> {
        Box::pin(async move {
            let mut conn = self.db.conn().await?;
            (*conn)
                .transaction(async |conn: &mut AsyncPgConnection| {
                    locked(conn, room).await?;
                    folding::refold(conn, room).await
                })
                .await
        })
    }

    fn cut(&self, room: RoomId, first_seq: Seq) -> Stored<'_, Top> {
        Box::pin(async move {
            let mut conn = self.db.conn().await?;
            (*conn)
                .transaction(async |conn: &mut AsyncPgConnection| {
                    let first = place(first_seq).min(locked(conn, room).await? + 1);
                    diesel::update(streams::table.find(room).filter(streams::first_seq.lt(first)))
                        .set(streams::first_seq.eq(first))
                        .execute(conn)
                        .await?;
                    diesel::delete(table::table.filter(table::room_id.eq(room)).filter(table::seq.lt(first)))
                        .execute(conn)
                        .await?;
                    let gone =
                        changed::table.filter(changed::room_id.eq(room)).filter(changed::seq.lt(first));
                    diesel::delete(gone).execute(conn).await?;
                    let gone = mentions::table.filter(mentions::room_id.eq(room));
                    diesel::delete(gone.filter(mentions::seq.lt(first))).execute(conn).await?;
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

    fn import<'a>(&'a self, room: RoomId, from: &'a Top, events: &'a [Event]) -> Stored<'a, Top> {
        Box::pin(async move {
            let mut conn = self.db.conn().await?;
            (*conn)
                .transaction(async |conn: &mut AsyncPgConnection| {
                    importing::take_over(conn, room, from, events).await?;
                    top(conn, room).await
                })
                .await
        })
    }
}
