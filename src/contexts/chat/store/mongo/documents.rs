//! What the collections hold.

use std::collections::BTreeSet;

use chrono::{DateTime, Datelike, Utc};
use mongodb::bson::{self, Binary, Bson, spec::BinarySubtype};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    contexts::chat::{
        model::{ClientMsgId, Event, Message, MessageId, NewEvent, Payload, RoomId, Seq},
        store::StoreError,
    },
    principal::UserId,
};

/// A place in a log as BSON counts: no log comes near the sign bit.
pub(super) fn place(seq: Seq) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

/// The other way; nothing negative is ever written.
pub(super) fn seq(place: i64) -> Seq {
    Seq::try_from(place).unwrap_or_default()
}

/// An id in a document.
pub(super) fn id(uuid: Uuid) -> bson::Uuid {
    bson::Uuid::from_bytes(uuid.into_bytes())
}

/// An id in a filter.
pub(super) fn of(uuid: Uuid) -> Bson {
    Bson::Binary(Binary { subtype: BinarySubtype::Uuid, bytes: uuid.as_bytes().to_vec() })
}

/// An id from a document.
pub(super) fn uuid(id: bson::Uuid) -> Uuid {
    Uuid::from_bytes(id.bytes())
}

/// `rooms`: what a room's log is besides its events.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct RoomDoc {
    /// The room.
    #[serde(rename = "_id")]
    pub room: bson::Uuid,
    /// The log's life.
    pub epoch: String,
    /// Events before it are gone.
    pub first_seq: i64,
    /// Up to here the events are in `messages` and `tail`.
    pub projected: i64,
    /// Grows when `messages` is made again: whoever still projects for an earlier one does not count.
    pub generation: i64,
}

/// `events` and `tail`: a batch, written as one document, so whole or not at all.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct BatchDoc {
    /// Of this attempt to write it.
    #[serde(rename = "_id")]
    pub id: bson::Uuid,
    /// The room.
    pub room: bson::Uuid,
    /// The first event's place: the one after the batch before. Unique in the room.
    pub first: i64,
    /// The last event's.
    pub last: i64,
    /// The events, without a gap.
    pub events: Vec<EventDoc>,
}

/// An event.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct EventDoc {
    pub seq: i64,
    pub kind: String,
    pub id: bson::Uuid,
    pub sender: bson::Uuid,
    /// `<sender>:<client_msg_id>`. Unique in the room.
    pub key: String,
    pub data: Value,
    pub at: bson::DateTime,
    pub correlation: String,
}

/// What makes a resend harmless.
pub(super) fn key(event: &NewEvent) -> String {
    format!("{}:{}", event.sender_id, event.client_msg_id.as_str())
}

impl EventDoc {
    /// The event at its place; refused where BSON would not give it back.
    pub(super) fn new(event: &NewEvent, seq: i64) -> Result<Self, StoreError> {
        let year = event.created_at.year();
        if !(1..=9999).contains(&year) {
            return Err(StoreError::Failed(format!("the year {year} is no time of an event").into()));
        }
        Ok(Self {
            seq,
            kind: event.payload.kind().to_owned(),
            id: id(event.message_id.0),
            sender: id(event.sender_id.0),
            key: key(event),
            data: event.payload.data(),
            at: bson::DateTime::from_millis(event.created_at.timestamp_millis()),
            correlation: event.correlation_id.clone(),
        })
    }

    /// As it stands in another store's log.
    pub(super) fn copied(event: &Event) -> Result<Self, StoreError> {
        let Event { seq, message_id, sender_id, client_msg_id, payload, created_at, correlation_id } =
            event.clone();
        let new = NewEvent { message_id, sender_id, client_msg_id, payload, created_at, correlation_id };
        Self::new(&new, place(seq))
    }

    /// What `since` answers.
    pub(super) fn read(self) -> Result<Event, StoreError> {
        let name = self.key.split_once(':').map(|(_, name)| name.to_owned());
        Ok(Event {
            seq: seq(self.seq),
            message_id: MessageId(uuid(self.id)),
            sender_id: UserId(uuid(self.sender)),
            client_msg_id: ClientMsgId::stored(name.ok_or_else(|| corrupt("an event's key has no name"))?),
            payload: Payload::read(&self.kind, self.data)?,
            created_at: time(self.at)?,
            correlation_id: self.correlation,
        })
    }
}

pub(super) fn time(at: bson::DateTime) -> Result<DateTime<Utc>, StoreError> {
    DateTime::from_timestamp_millis(at.timestamp_millis()).ok_or_else(|| corrupt("a time is out of range"))
}

pub(super) fn corrupt(what: &str) -> StoreError {
    StoreError::Corrupt(what.to_owned().into())
}

/// A message's key in `messages`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct MessageKey {
    pub room: bson::Uuid,
    pub id: bson::Uuid,
}

/// `messages`: a message as it is now, and what it is looked for by.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct MessageDoc {
    #[serde(rename = "_id")]
    pub key: MessageKey,
    pub room: bson::Uuid,
    pub seq: i64,
    /// The last event that is in here.
    pub changed: i64,
    pub sender: bson::Uuid,
    /// Not deleted.
    pub live: bool,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub thread: Option<bson::Uuid>,
    /// Where the event that pinned it is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pinned: Option<i64>,
    /// Whom it mentions; the nil uuid stands for everybody.
    pub mentions: Vec<bson::Uuid>,
    /// The words of its text, in lower case; none where it is not to be found.
    pub words: Vec<String>,
    /// Where the events are that changed its text: they are emptied when it is deleted.
    pub edits: Vec<i64>,
    /// The message, as the model's JSON.
    pub message: Value,
}

impl MessageDoc {
    pub(super) fn new(room: RoomId, message: &Message, edits: Vec<i64>) -> Result<Self, StoreError> {
        let mentions = match message.mentions.room {
            // Who is mentioned with everybody is not counted twice.
            true => vec![id(Uuid::nil())],
            false => message.mentions.users.iter().map(|user| id(user.0)).collect(),
        };
        let found = message.is_live() && !message.system;
        Ok(Self {
            key: MessageKey { room: id(room.0), id: id(message.id.0) },
            room: id(room.0),
            seq: place(message.seq),
            changed: place(message.changed_seq),
            sender: id(message.sender_id.0),
            live: message.is_live(),
            thread: message.thread.map(|root| id(root.0)),
            pinned: message.pinned.as_ref().map(|pinned| place(pinned.seq)),
            mentions,
            words: if found { words(&message.body) } else { Vec::new() },
            edits,
            message: serde_json::to_value(message)?,
        })
    }

    pub(super) fn read(self) -> Result<Message, StoreError> {
        Ok(serde_json::from_value(self.message)?)
    }
}

/// The words of a text: runs of letters and digits, each once, in lower case.
pub(super) fn words(text: &str) -> Vec<String> {
    let words: BTreeSet<String> = text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    words.into_iter().collect()
}

/// The content of an event of a deleted message: it stays an event, and says nothing.
pub(super) fn redacted(data: &Value) -> Value {
    let mut data = data.clone();
    if let Some(fields) = data.as_object_mut() {
        for gone in ["attachments", "mentions", "mentions_room", "data"] {
            fields.remove(gone);
        }
        fields.insert("body".into(), "".into());
        fields.insert("redacted".into(), true.into());
    }
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_runs_of_letters_and_digits() {
        assert_eq!(words("Über-Größe, 2026-04.pdf: über!"), ["04", "2026", "größe", "pdf", "über"]);
        assert!(words(" —!").is_empty());
    }
}
