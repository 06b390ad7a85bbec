//! Chat in Postgres, schema `chat`.

mod edits;
mod folding;
mod importing;
mod log;
mod reading;
mod rooms;
mod survey;

pub use log::PostgresLog;
pub use rooms::PostgresRooms;
pub use survey::all_rooms;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde_json::Value;
use uuid::Uuid;

use super::{StoreError, schema};
use crate::{
    contexts::chat::model::{ClientMsgId, Event, MessageId, Payload, Seq},
    postgres::DbError,
    principal::UserId,
};

impl From<diesel::result::Error> for StoreError {
    fn from(error: diesel::result::Error) -> Self {
        DbError::from(error).into()
    }
}

/// A place in a log as Postgres counts: no log comes near the sign bit.
fn place(seq: Seq) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

/// The other way; the tables refuse negative places.
fn seq(place: i64) -> Seq {
    Seq::try_from(place).unwrap_or_default()
}

/// A count of rows as a `LIMIT`.
fn rows(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn corrupt(what: &str) -> StoreError {
    StoreError::Corrupt(what.to_owned().into())
}

#[derive(Queryable, QueryableByName, Selectable)]
#[diesel(table_name = schema::events, check_for_backend(diesel::pg::Pg))]
struct EventRow {
    seq: i64,
    kind: String,
    message_id: MessageId,
    sender_id: UserId,
    client_msg_id: String,
    data: Value,
    created_at: DateTime<Utc>,
    correlation_id: String,
}

impl TryFrom<EventRow> for Event {
    type Error = StoreError;

    fn try_from(row: EventRow) -> Result<Self, StoreError> {
        Ok(Self {
            seq: seq(row.seq),
            message_id: row.message_id,
            sender_id: row.sender_id,
            client_msg_id: ClientMsgId::stored(row.client_msg_id),
            payload: Payload::read(&row.kind, row.data)?,
            created_at: row.created_at,
            correlation_id: row.correlation_id,
        })
    }
}

fn events(rows: Vec<EventRow>) -> Result<Vec<Event>, StoreError> {
    rows.into_iter().map(Event::try_from).collect()
}

fn uuids<T, F: Fn(&T) -> Uuid>(items: &[T], id: F) -> Vec<Uuid> {
    items.iter().map(id).collect()
}
