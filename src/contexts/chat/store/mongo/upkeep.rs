//! Retention, and taking over another store's log.

use mongodb::bson::{Document, doc};
use uuid::Uuid;

use super::{
    Collections, MongoLog,
    documents::{BatchDoc, EventDoc, RoomDoc, id, of, place, seq},
    top,
};
use crate::{
    contexts::chat::{
        model::{Event, RoomId, Seq},
        store::{StoreError, Top},
    },
    ports::mongo::MongoError,
};

impl MongoLog {
    pub(super) async fn drop_before(&self, room: RoomId, first_seq: Seq) -> Result<Top, StoreError> {
        let at = self.collections().await?;
        let (_, last) = self.ends(at, room).await?;
        let first = place(first_seq.min(last + 1));
        // First what readers go by; a crash after it leaves events that nobody sees, which the next cut
        // takes along.
        let begins = doc! { "$max": { "first_seq": first } };
        self.run(async { at.rooms.update_one(doc! { "_id": of(room.0) }, begins).await }).await?;
        let first = self.room(at, room).await?.first_seq;
        // The last batch stays, if need be empty: it tells where the log ends.
        let whole = doc! { "room": of(room.0), "last": { "$lt": first.min(place(last)) } };
        self.run(async { at.events.delete_many(whole).await }).await?;
        let part = doc! { "room": of(room.0), "first": { "$lt": first } };
        let less = doc! { "$pull": { "events": { "seq": { "$lt": first } } } };
        self.run(async { at.events.update_many(part, less).await }).await?;
        let messages = doc! { "room": of(room.0), "seq": { "$lt": first } };
        self.run(async { at.messages.delete_many(messages).await }).await?;
        self.forget_copies(at, doc! { "room": of(room.0), "first": { "$lt": first } }).await?;
        let (stream, last) = self.ends(at, room).await?;
        Ok(top(stream, last))
    }

    /// Takes copies out of the tail. Where a server refuses that (before MongoDB 5.0), the tail begins anew.
    pub(super) async fn forget_copies(&self, at: &Collections, which: Document) -> Result<(), StoreError> {
        match self.run(async { at.tail.delete_many(which).await }).await {
            Ok(_) => Ok(()),
            Err(MongoError::Unavailable(cause)) => Err(StoreError::Unavailable(cause)),
            Err(MongoError::Duplicate | MongoError::Failed(_)) => Ok(self.renew_tail().await?),
        }
    }

    pub(super) async fn take_over(
        &self,
        room: RoomId,
        from: &Top,
        events: &[Event],
    ) -> Result<Top, StoreError> {
        let at = self.collections().await?;
        let stream = RoomDoc {
            room: id(room.0),
            epoch: from.epoch.clone(),
            first_seq: place(from.first_seq),
            projected: 0,
            generation: 0,
        };
        match self.run(async { at.rooms.insert_one(&stream).await }).await {
            Ok(_) => {}
            Err(MongoError::Duplicate) => {
                let same = doc! { "$set": { "epoch": &from.epoch, "first_seq": place(from.first_seq) } };
                self.run(async { at.rooms.update_one(doc! { "_id": of(room.0) }, same).await }).await?;
            }
            Err(error) => return Err(error.into()),
        }
        self.inner.tops.remove(&room);
        let mine = self.last(at, room).await?;
        let last = mine.max(from.first_seq.saturating_sub(1));
        let fresh: Vec<EventDoc> =
            events.iter().filter(|event| event.seq > last).map(EventDoc::copied).collect::<Result<_, _>>()?;
        let (first, until) = match (fresh.first(), fresh.last()) {
            (Some(first), Some(until)) => (first.seq, until.seq),
            // All of it was cut: an empty batch tells where the log ends.
            _ if events.is_empty() && mine == 0 && last > 0 => (place(last), place(last)),
            _ => (0, 0),
        };
        if seq(first) > last + 1 {
            return Err(StoreError::Failed(format!("events {} to {first} are missing", last + 1).into()));
        }
        if first > 0 {
            let batch =
                BatchDoc { id: id(Uuid::now_v7()), room: id(room.0), first, last: until, events: fresh };
            match self.run(async { at.events.insert_one(&batch).await }).await {
                // An end that was told already.
                Ok(_) | Err(MongoError::Duplicate) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.inner.tops.remove(&room);
        let (stream, last) = self.settled(at, room).await?;
        Ok(top(stream, last))
    }
}
