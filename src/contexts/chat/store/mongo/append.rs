//! Writing a batch.
//!
//! A batch is one document, and MongoDB writes a document whole or not at all, on any deployment. Its place
//! is claimed by the unique index on (room, first): a writer reads where the log ends, looks for what it
//! holds already of the batch, and inserts at the next place. If that succeeds nobody wrote in between, so
//! what it looked for is still true; if not, it reads again.

use std::{collections::HashMap, sync::atomic::Ordering::Relaxed, time::Duration};

use futures_util::TryStreamExt;
use mongodb::bson::{self, doc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    Collections, MongoLog,
    documents::{BatchDoc, EventDoc, id, key, of, place, seq, uuid},
};
use crate::{
    contexts::chat::{
        model::{MessageId, NewEvent, RoomId, Seq},
        store::{Appended, Outcome, StoreError},
    },
    ports::mongo::MongoError,
};

/// How often a place is tried for. With many writers somebody succeeds each time.
const ATTEMPTS: u32 = 200;
/// The longest pause between two attempts.
const LONGEST_PAUSE: u64 = 50;
/// A document may have 16 MiB; some is left for the server's own.
const LARGEST: usize = 15 << 20;

/// The part of a batch that tells what it is a duplicate of.
#[derive(Serialize, Deserialize)]
struct KnownBatch {
    events: Vec<KnownEvent>,
}

#[derive(Serialize, Deserialize)]
struct KnownEvent {
    key: String,
    seq: i64,
    id: bson::Uuid,
}

impl MongoLog {
    pub(super) async fn write(&self, room: RoomId, batch: &[NewEvent]) -> Result<Appended, StoreError> {
        let at = self.collections().await?;
        let keys: Vec<String> = batch.iter().map(key).collect();
        for attempt in 0..ATTEMPTS {
            // Where the log ends comes first: what is looked up then is no older.
            let known_top = self.inner.tops.get(&room).map(|top| *top);
            let prior = match known_top {
                Some(top) => top,
                None => self.last(at, room).await?,
            };
            let (stream, known) = tokio::join!(self.room(at, room), self.known(at, room, &keys));
            let (stream, known) = (stream?, known?);
            if known.values().any(|(seq, _)| *seq > prior) {
                // Somebody wrote since.
                self.inner.tops.remove(&room);
                continue;
            }
            let (outcomes, events) = place_batch(batch, &keys, &known, prior)?;
            if events.is_empty() {
                return Ok(Appended { epoch: stream.epoch, prior, outcomes });
            }
            if self.claim(at, room, prior, events).await? {
                let appended = Appended { epoch: stream.epoch, prior, outcomes };
                self.follow_up(at, room, batch).await;
                return Ok(appended);
            }
            self.inner.counts.conflicts.fetch_add(1, Relaxed);
            self.inner.tops.remove(&room);
            if attempt > 0 {
                // Out of step with the others; and another's write shows only once it is durable.
                let longest = LONGEST_PAUSE.min(2 << attempt.min(8));
                let dice = u64::from(Uuid::new_v4().as_bytes()[0]);
                tokio::time::sleep(Duration::from_millis(1 + dice % longest)).await;
            }
        }
        Err(StoreError::Unavailable("too many write to this room at once".into()))
    }

    /// What the log holds already of a batch, by key.
    async fn known(
        &self,
        at: &Collections,
        room: RoomId,
        keys: &[String],
    ) -> Result<HashMap<String, (Seq, MessageId)>, StoreError> {
        let filter = doc! { "room": of(room.0), "events.key": { "$in": keys } };
        let parts = doc! { "events.key": 1, "events.seq": 1, "events.id": 1 };
        let found: Vec<KnownBatch> = self
            .run(async {
                let events = at.events.clone_with_type::<KnownBatch>();
                events.find(filter).projection(parts).await?.try_collect().await
            })
            .await?;
        let events = found.into_iter().flat_map(|batch| batch.events);
        Ok(events.map(|event| (event.key, (seq(event.seq), MessageId(uuid(event.id))))).collect())
    }

    /// Tries to put a batch behind `prior`. Answers whether it is there.
    async fn claim(
        &self,
        at: &Collections,
        room: RoomId,
        prior: Seq,
        events: Vec<EventDoc>,
    ) -> Result<bool, StoreError> {
        let last = prior + events.len() as Seq;
        let batch = BatchDoc {
            id: id(Uuid::now_v7()),
            room: id(room.0),
            first: place(prior + 1),
            last: place(last),
            events,
        };
        let size = bson::serialize_to_vec(&batch).map_err(|e| StoreError::Failed(e.into()))?.len();
        if size > LARGEST {
            return Err(StoreError::Failed(format!("a batch of {size} bytes").into()));
        }
        match self.run(async { at.events.insert_one(&batch).await }).await {
            Ok(_) => {}
            Err(MongoError::Duplicate) => {
                // The driver repeats an insert whose answer was lost; then the other is this very one.
                let mine = doc! { "_id": batch.id };
                if self.run(async { at.events.find_one(mine).await }).await?.is_none() {
                    return Ok(false);
                }
            }
            Err(error) => {
                self.inner.tops.remove(&room);
                return Err(error.into());
            }
        }
        self.know(room, last);
        Ok(true)
    }

    /// Brings the projections on: at once where an event changes messages, else behind the answer.
    async fn follow_up(&self, at: &Collections, room: RoomId, batch: &[NewEvent]) {
        if batch.iter().any(|event| super::folding::changes_messages(&event.payload)) {
            // If it fails, readers find the projections behind and do it.
            if let Err(error) = self.roll(at, room).await {
                slog::debug!(crate::telemetry::log(), "messages are behind"; "error" => %error);
            }
        } else {
            self.remind(room);
        }
    }
}

/// Which events of a batch are new and where they go, and what becomes of each.
fn place_batch(
    batch: &[NewEvent],
    keys: &[String],
    known: &HashMap<String, (Seq, MessageId)>,
    prior: Seq,
) -> Result<(Vec<Outcome>, Vec<EventDoc>), StoreError> {
    let mut here: HashMap<&str, (Seq, MessageId)> = HashMap::new();
    let (mut outcomes, mut events) = (Vec::with_capacity(batch.len()), Vec::new());
    for (event, key) in batch.iter().zip(keys) {
        let duplicate = known.get(key).or_else(|| here.get(key.as_str())).copied();
        outcomes.push(match duplicate {
            Some((seq, message_id)) => Outcome { seq, message_id, duplicate: true },
            None => {
                let seq = prior + events.len() as Seq + 1;
                events.push(EventDoc::new(event, place(seq))?);
                here.insert(key, (seq, event.message_id));
                Outcome { seq, message_id: event.message_id, duplicate: false }
            }
        });
    }
    Ok((outcomes, events))
}
