//! Messages as they are now: kept in the transaction of the events that change them.

use std::collections::HashMap;

use diesel::{
    prelude::*,
    sql_types::{Array, BigInt, Jsonb, Nullable, Text, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;

use super::{
    EventRow, corrupt, place,
    schema::{changed, mentions},
};
use crate::{
    contexts::chat::{
        model::{Event, Mentions, Message, MessageId, NewEvent, Payload, RoomId, Seq, fold, touched},
        store::StoreError,
    },
    principal::UserId,
};

/// Stands for everybody in the room among those mentioned.
pub(super) const EVERYBODY: UserId = UserId(uuid::Uuid::nil());

/// A message's event, and the message as it is now if something has happened to it.
#[derive(QueryableByName)]
pub(super) struct MessageRow {
    #[diesel(embed)]
    event: EventRow,
    #[diesel(sql_type = Nullable<Jsonb>)]
    message: Option<Value>,
}

impl TryFrom<MessageRow> for Message {
    type Error = StoreError;

    fn try_from(row: MessageRow) -> Result<Self, StoreError> {
        if let Some(now) = row.message {
            return Ok(serde_json::from_value(now)?);
        }
        Self::said(&Event::try_from(row.event)?).ok_or_else(|| corrupt("a message's event says nothing"))
    }
}

pub(super) fn messages(rows: Vec<MessageRow>) -> Result<Vec<Message>, StoreError> {
    rows.into_iter().map(Message::try_from).collect()
}

/// Whether an event does more than add a line.
pub(super) fn is_plain(payload: &Payload) -> bool {
    match payload {
        Payload::Message(said) => said.thread.is_none() && said.mentions.is_empty(),
        Payload::Edit { .. } | Payload::Delete { .. } | Payload::Reaction { .. } | Payload::Pin { .. } => {
            false
        }
        _ => true,
    }
}

const BY_ID: &str = "
    SELECT e.*, c.message FROM chat.events e
    LEFT JOIN chat.changed c ON c.room_id = e.room_id AND c.seq = e.seq
    WHERE e.room_id = $1 AND e.message_id = ANY($2) AND e.kind IN ('message', 'system')";

/// Messages by their ids; those that are not there are left out.
pub(super) async fn by_id(
    conn: &mut AsyncPgConnection,
    room: RoomId,
    ids: &[MessageId],
) -> Result<Vec<Message>, StoreError> {
    let rows: Vec<MessageRow> =
        diesel::sql_query(BY_ID).bind::<SqlUuid, _>(room).bind::<Array<SqlUuid>, _>(ids).load(conn).await?;
    messages(rows)
}

/// Takes events that were just written into the messages they concern.
pub(super) async fn take(
    conn: &mut AsyncPgConnection,
    room: RoomId,
    events: &[Event],
) -> Result<(), StoreError> {
    let mut ids: Vec<MessageId> = events.iter().flat_map(touched).collect();
    ids.sort_unstable();
    ids.dedup();
    let mut known: HashMap<MessageId, Message> = HashMap::new();
    if !ids.is_empty() {
        let fresh = |message: &Message| events.iter().any(|event| event.message_id == message.id);
        let found = by_id(conn, room, &ids).await?;
        // A message of this very batch comes in at its own place.
        known.extend(found.into_iter().filter(|m| !fresh(m)).map(|message| (message.id, message)));
    }
    let mut moved: Vec<MessageId> = Vec::new();
    let mut remention: Vec<MessageId> = Vec::new();
    let mut redact: Vec<MessageId> = Vec::new();
    for event in events {
        let touched = fold(&mut known, event);
        match &event.payload {
            Payload::Message(said) if !said.mentions.is_empty() => remention.push(event.message_id),
            Payload::Edit { target, .. } if touched.contains(target) => remention.push(*target),
            Payload::Delete { target, .. } if touched.contains(target) => {
                remention.push(*target);
                redact.push(*target);
            }
            _ => {}
        }
        moved.extend(touched);
    }
    moved.sort_unstable();
    moved.dedup();
    let rows: Vec<_> = moved
        .iter()
        .filter_map(|id| known.get(id).filter(|message| message.is_changed()))
        .map(|message| {
            let pinned = message.pinned.as_ref().map(|pinned| place(pinned.seq));
            Ok((
                changed::room_id.eq(room),
                changed::seq.eq(place(message.seq)),
                changed::message_id.eq(message.id),
                changed::pinned_seq.eq(pinned),
                changed::message.eq(serde_json::to_value(message)?),
            ))
        })
        .collect::<Result<_, StoreError>>()?;
    if !rows.is_empty() {
        use diesel::upsert::excluded;
        diesel::insert_into(changed::table)
            .values(rows)
            .on_conflict((changed::room_id, changed::seq))
            .do_update()
            .set((
                changed::pinned_seq.eq(excluded(changed::pinned_seq)),
                changed::message.eq(excluded(changed::message)),
            ))
            .execute(conn)
            .await?;
    }
    remention.sort_unstable();
    remention.dedup();
    let now: Vec<&Message> = remention.iter().filter_map(|id| known.get(id)).collect();
    mention(conn, room, &now).await?;
    if !redact.is_empty() {
        forget_text(conn, room, &redact).await?;
    }
    Ok(())
}

/// Writes whom messages mention now.
async fn mention(conn: &mut AsyncPgConnection, room: RoomId, now: &[&Message]) -> Result<(), StoreError> {
    if now.is_empty() {
        return Ok(());
    }
    let places: Vec<i64> = now.iter().map(|message| place(message.seq)).collect();
    diesel::delete(mentions::table.filter(mentions::room_id.eq(room)).filter(mentions::seq.eq_any(places)))
        .execute(conn)
        .await?;
    let rows: Vec<_> = now
        .iter()
        .flat_map(|message| {
            let Mentions { users, room: everybody } = &message.mentions;
            // Who is mentioned with everybody is not counted twice.
            let everybody = everybody.then_some(&EVERYBODY);
            let named = users.iter().filter(move |_| everybody.is_none());
            named.chain(everybody).map(|user| {
                (
                    mentions::room_id.eq(room),
                    mentions::user_id.eq(*user),
                    mentions::seq.eq(place(message.seq)),
                    mentions::sender_id.eq(message.sender_id),
                )
            })
        })
        .collect();
    if !rows.is_empty() {
        diesel::insert_into(mentions::table).values(rows).on_conflict_do_nothing().execute(conn).await?;
    }
    Ok(())
}

const FORGET: &str = "
    UPDATE chat.events
    SET data = (data - 'attachments' - 'mentions' - 'mentions_room' - 'data')
            || jsonb_build_object('body', '', 'redacted', true)
    WHERE room_id = $1
      AND (message_id = ANY($2) AND kind IN ('message', 'system')
           OR kind = 'edit' AND data ->> 'target' = ANY($3))";

/// Takes the text out of the events of deleted messages.
async fn forget_text(
    conn: &mut AsyncPgConnection,
    room: RoomId,
    ids: &[MessageId],
) -> Result<(), StoreError> {
    let names: Vec<String> = ids.iter().map(ToString::to_string).collect();
    diesel::sql_query(FORGET)
        .bind::<SqlUuid, _>(room)
        .bind::<Array<SqlUuid>, _>(ids)
        .bind::<Array<Text>, _>(names)
        .execute(conn)
        .await?;
    Ok(())
}

/// The events of a batch that are new, at their places.
pub(super) fn fresh(batch: &[NewEvent], outcomes: &[super::super::Outcome]) -> Vec<Event> {
    batch
        .iter()
        .zip(outcomes)
        .filter(|(_, outcome)| !outcome.duplicate)
        .map(|(event, outcome)| event.clone().at(outcome.seq))
        .collect()
}

const STRETCH: i64 = 500;

const EVENTS_AFTER: &str = "
    SELECT * FROM chat.events WHERE room_id = $1 AND seq > $2 ORDER BY seq LIMIT $3";

/// Makes a room's messages again from its events. The caller holds the stream's row.
pub(super) async fn refold(conn: &mut AsyncPgConnection, room: RoomId) -> Result<u64, StoreError> {
    diesel::delete(changed::table.filter(changed::room_id.eq(room))).execute(conn).await?;
    diesel::delete(mentions::table.filter(mentions::room_id.eq(room))).execute(conn).await?;
    let (mut after, mut read) = (0_i64, 0_u64);
    loop {
        let rows: Vec<EventRow> = diesel::sql_query(EVENTS_AFTER)
            .bind::<SqlUuid, _>(room)
            .bind::<BigInt, _>(after)
            .bind::<BigInt, _>(STRETCH)
            .load(conn)
            .await?;
        let Some(last) = rows.last() else { return Ok(read) };
        after = last.seq;
        read += rows.len() as Seq;
        let mut events = super::events(rows)?;
        events.retain(|event| !is_plain(&event.payload));
        take(conn, room, &events).await?;
    }
}
