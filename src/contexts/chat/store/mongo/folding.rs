//! Rolling the projections forward: `messages` as they are now, and the tail.
//!
//! Any number of nodes may do it at once, and any of them may die at any point. What an event does to a
//! message it does once (`changed` tells), a message is replaced only as it was read, and `projected` moves
//! only when everything up to there is in. A thread's first message is written before its replies: whether a
//! deletion takes a reply off its count is told by the reply (see [`fold`]).

use std::{
    collections::{HashMap, HashSet},
    sync::Weak,
};

use futures_util::{StreamExt, TryStreamExt, stream};
use mongodb::bson::{Bson, doc, serialize_to_bson};
use tokio::sync::mpsc;

use super::{
    Collections, Inner, MongoLog,
    documents::{BatchDoc, MessageDoc, MessageKey, RoomDoc, corrupt, id, of, place, redacted, uuid},
};
use crate::{
    contexts::chat::{
        model::{Event, Message, MessageId, Payload, RoomId, Said, Seq, fold, touched},
        store::StoreError,
    },
    ports::mongo::MongoError,
    telemetry::log,
};

/// Batches read at once.
const STRETCH: i64 = 16;
/// How often a stretch is tried while others change the same messages.
const ATTEMPTS: usize = 50;
/// Rooms that the task behind rolls forward side by side.
const SIDE_BY_SIDE: usize = 4;

/// Whether an event does more than add a line.
pub(super) fn changes_messages(payload: &Payload) -> bool {
    match payload {
        Payload::Message(Said { thread, .. }) => thread.is_some(),
        Payload::Edit { .. } | Payload::Delete { .. } | Payload::Reaction { .. } | Payload::Pin { .. } => {
            true
        }
        _ => false,
    }
}

/// The task behind: rolls forward whatever it is reminded of, until the log is gone.
pub(super) async fn follow(inner: Weak<Inner>, mut woken: mpsc::Receiver<RoomId>) {
    while let Some(first) = woken.recv().await {
        let mut rooms = vec![first];
        while let Ok(next) = woken.try_recv() {
            rooms.push(next);
        }
        let weak = &inner;
        stream::iter(rooms)
            .for_each_concurrent(SIDE_BY_SIDE, |room| async move {
                let Some(inner) = weak.upgrade() else { return };
                inner.due.remove(&room);
                let log = MongoLog { inner };
                let rolled = async { log.roll(log.collections().await?, room).await };
                if let Err(error) = rolled.await {
                    slog::debug!(crate::telemetry::log(), "messages are behind"; "error" => %error);
                }
            })
            .await;
    }
}

/// What a stretch does, worked out and not written yet.
struct Work {
    /// As they were read.
    loaded: HashMap<MessageId, MessageDoc>,
    /// As they are to be, first messages of threads before others.
    changed: Vec<MessageDoc>,
    /// Places of events to be emptied.
    emptied: Vec<i64>,
}

impl MongoLog {
    /// Has the task behind look at a room.
    pub(super) fn remind(&self, room: RoomId) {
        if self.inner.due.insert(room) && self.inner.wake.try_send(room).is_err() {
            self.inner.due.remove(&room);
        }
    }

    /// Brings a room's projections to the end of its log.
    pub(super) async fn roll(&self, at: &Collections, room: RoomId) -> Result<u64, StoreError> {
        // One at a time in this process: who comes second finds it done.
        let _turn =
            self.inner.turns[usize::from(room.0.as_bytes()[15]) % self.inner.turns.len()].lock().await;
        let stream = self.room(at, room).await?;
        self.roll_from(at, room, stream, true).await
    }

    /// Makes a room's messages again.
    pub(super) async fn fold_again(&self, room: RoomId) -> Result<u64, StoreError> {
        let at = self.collections().await?;
        let _turn =
            self.inner.turns[usize::from(room.0.as_bytes()[15]) % self.inner.turns.len()].lock().await;
        let anew = doc! { "$inc": { "generation": 1 }, "$set": { "projected": 0 } };
        self.run(async { at.rooms.update_one(doc! { "_id": of(room.0) }, anew).await }).await?;
        let stream = self.room(at, room).await?;
        self.run(async { at.messages.delete_many(doc! { "room": of(room.0) }).await }).await?;
        self.roll_from(at, room, stream, false).await
    }

    async fn roll_from(
        &self,
        at: &Collections,
        room: RoomId,
        stream: RoomDoc,
        tail: bool,
    ) -> Result<u64, StoreError> {
        let (mut from, mut read) = (stream.projected, 0);
        loop {
            let filter = doc! { "room": of(room.0), "last": { "$gt": from } };
            let batches: Vec<BatchDoc> = self
                .run(async {
                    let found = at.events.find(filter).sort(doc! { "last": 1 }).limit(STRETCH);
                    found.await?.try_collect().await
                })
                .await?;
            let Some(last) = batches.last() else { return Ok(read) };
            let to = last.last;
            if tail {
                self.copy(at, &batches).await?;
            }
            let events: Vec<Event> = batches
                .into_iter()
                .flat_map(|batch| batch.events)
                .filter(|event| event.seq > from && event.seq >= stream.first_seq)
                .map(|event| event.read())
                .collect::<Result<_, _>>()?;
            read += events.len() as u64;
            self.apply(at, room, &events).await?;
            // Durable, and after what it tells of: a failover that keeps it keeps that too.
            let mine = doc! { "_id": of(room.0), "generation": stream.generation };
            let moved = doc! { "$max": { "projected": to } };
            self.run(async { at.rooms.update_one(mine, moved).await }).await?;
            from = to;
        }
    }

    /// Copies batches into the tail; one that is there already stays.
    async fn copy(&self, at: &Collections, batches: &[BatchDoc]) -> Result<(), StoreError> {
        match self.run(async { at.tail.insert_many(batches).ordered(false).await }).await {
            Ok(_) | Err(MongoError::Duplicate) => Ok(()),
            // A batch larger than the whole tail: recovery reads it from `events`.
            Err(MongoError::Failed(cause)) => {
                slog::debug!(log(), "the tail takes no copy"; "error" => %cause);
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn apply(&self, at: &Collections, room: RoomId, events: &[Event]) -> Result<(), StoreError> {
        if !events.iter().any(|event| changes_messages(&event.payload)) {
            let said: Vec<MessageDoc> = events
                .iter()
                .filter_map(Message::said)
                .map(|message| MessageDoc::new(room, &message, Vec::new()))
                .collect::<Result<_, _>>()?;
            return self.insert(at, &said).await.map(|_| ());
        }
        for _ in 0..ATTEMPTS {
            let work = self.work_out(at, room, events).await?;
            self.empty(at, room, &work.emptied).await?;
            if self.put(at, work).await? {
                return Ok(());
            }
        }
        Err(StoreError::Unavailable("many change these messages at once".into()))
    }

    /// Inserts messages. Answers whether none of them was there.
    async fn insert(&self, at: &Collections, messages: &[MessageDoc]) -> Result<bool, StoreError> {
        if messages.is_empty() {
            return Ok(true);
        }
        match self.run(async { at.messages.insert_many(messages).ordered(false).await }).await {
            Ok(_) => Ok(true),
            Err(MongoError::Duplicate) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    async fn work_out(&self, at: &Collections, room: RoomId, events: &[Event]) -> Result<Work, StoreError> {
        let said = events.iter().filter(|event| event.payload.is_message()).map(|event| event.message_id);
        let ids: HashSet<MessageId> = events.iter().flat_map(touched).chain(said).collect();
        let keys: Vec<Bson> = ids
            .iter()
            .map(|message| serialize_to_bson(&MessageKey { room: id(room.0), id: id(message.0) }))
            .collect::<Result<_, _>>()
            .map_err(|e| StoreError::Failed(e.into()))?;
        let found: Vec<MessageDoc> = self
            .run(async { at.messages.find(doc! { "_id": { "$in": keys } }).await?.try_collect().await })
            .await?;
        let loaded: HashMap<MessageId, MessageDoc> =
            found.into_iter().map(|message| (MessageId(uuid(message.key.id)), message)).collect();
        let mut known: HashMap<MessageId, Message> = HashMap::new();
        let mut edits: HashMap<MessageId, Vec<i64>> = HashMap::new();
        for (message, found) in &loaded {
            known.insert(*message, found.clone().read()?);
            edits.insert(*message, found.edits.clone());
        }
        let (mut moved, mut emptied) = (HashSet::new(), Vec::new());
        for event in events {
            let changed = fold(&mut known, event);
            match &event.payload {
                Payload::Edit { target, .. } if changed.contains(target) => {
                    edits.entry(*target).or_default().push(place(event.seq));
                    // One that came too late changes nothing, and its text is not kept either.
                    if known.get(target).is_some_and(|message| !message.is_live()) {
                        emptied.push(place(event.seq));
                    }
                }
                Payload::Delete { target, .. } if changed.contains(target) => {
                    emptied.extend(known.get(target).map(|message| place(message.seq)));
                    emptied.extend(edits.get(target).into_iter().flatten());
                }
                _ => {}
            }
            moved.extend(changed);
        }
        let mut changed = Vec::with_capacity(moved.len());
        for message in moved {
            let edits = edits.remove(&message).unwrap_or_default();
            let now = known.get(&message).ok_or_else(|| corrupt("a message changed that is not there"))?;
            changed.push(MessageDoc::new(room, now, edits)?);
        }
        changed.sort_by_key(|message| (message.thread.is_some(), message.seq));
        emptied.sort_unstable();
        emptied.dedup();
        Ok(Work { loaded, changed, emptied })
    }

    /// Writes what was worked out. Answers false where somebody else was quicker: then it has to be worked
    /// out again.
    async fn put(&self, at: &Collections, work: Work) -> Result<bool, StoreError> {
        let Work { loaded, changed, .. } = work;
        let (firsts, replies): (Vec<_>, Vec<_>) = changed.into_iter().partition(|m| m.thread.is_none());
        for part in [firsts, replies] {
            let (known, fresh): (Vec<_>, Vec<_>) =
                part.into_iter().partition(|m| loaded.contains_key(&MessageId(uuid(m.key.id))));
            if !self.insert(at, &fresh).await? {
                return Ok(false);
            }
            for message in known {
                let before = loaded.get(&MessageId(uuid(message.key.id))).map_or(0, |m| m.changed);
                let key = serialize_to_bson(&message.key).map_err(|e| StoreError::Failed(e.into()))?;
                let as_read = doc! { "_id": key, "changed": before };
                let done = self.run(async { at.messages.replace_one(as_read, &message).await }).await?;
                if done.matched_count == 0 {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Takes the text out of events: of a deleted message nothing is kept.
    async fn empty(&self, at: &Collections, room: RoomId, places: &[i64]) -> Result<(), StoreError> {
        for seq in places {
            let holds = doc! { "room": of(room.0), "last": { "$gte": seq }, "first": { "$lte": seq } };
            let batch = self.run(async { at.events.find_one(holds).sort(doc! { "last": 1 }).await }).await?;
            let Some(batch) = batch else { continue };
            let Some(event) = batch.events.iter().find(|event| event.seq == *seq) else { continue };
            let says = serialize_to_bson(&redacted(&event.data)).map_err(|e| StoreError::Failed(e.into()))?;
            let this = doc! { "_id": batch.id, "events.seq": seq };
            let nothing = doc! { "$set": { "events.$.data": says } };
            self.run(async { at.events.update_one(this, nothing).await }).await?;
            self.forget_copies(at, doc! { "_id": batch.id }).await?;
        }
        Ok(())
    }
}

/// The places of a slice whose messages are deleted by now.
pub(super) fn is_text(event: &Event) -> bool {
    event.payload.is_message() || matches!(event.payload, Payload::Edit { .. })
}

/// An event as it is once its message is deleted.
pub(super) fn emptied(event: Event) -> Result<Event, StoreError> {
    let payload = Payload::read(event.payload.kind(), redacted(&event.payload.data()))?;
    Ok(Event { payload, ..event })
}

/// The message that an event is, or changes the text of.
pub(super) fn text_of(event: &Event) -> MessageId {
    match &event.payload {
        Payload::Edit { target, .. } => *target,
        _ => event.message_id,
    }
}

/// Where a slice ends.
pub(super) fn reach(events: &[Event]) -> Seq {
    events.last().map_or(0, |event| event.seq)
}
