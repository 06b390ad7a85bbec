//! The rooms' logs in MongoDB (`docs/chat-log.md` for operators, `docs/decisions/0010-…` for the why).
//!
//! | collection | what | may be lost |
//! | --- | --- | --- |
//! | `events` | the truth: a batch is one document, unique in (room, first place) | never |
//! | `rooms` | epoch, where the log begins, how far the projections are | never |
//! | `messages` | messages as they are now, by the model's `fold` | made again |
//! | `tail` | capped: copies of the newest batches, which recovery reads first | made again |
//!
//! Nothing is written in two collections at once. `append` is one insert into `events`; the projections
//! are rolled forward from there, by whoever comes first: a task behind each append, or a reader that finds
//! them behind.

mod append;
mod documents;
mod folding;
mod reading;
mod setup;
mod upkeep;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use dashmap::{DashMap, DashSet};
use futures_util::future::BoxFuture;
use mongodb::{Collection, bson::doc};
use tokio::sync::{Mutex, OnceCell, mpsc};
use uuid::Uuid;

use self::documents::{BatchDoc, MessageDoc, RoomDoc, id, of, place, seq};
use super::{Appended, Digest, EventLog, Messages, Page, Reader, Slice, StoreError, Stored, Top};
use crate::{
    contexts::chat::model::{Event, Message, MessageId, NewEvent, RoomId, Seq},
    ports::{
        Mode, Store, StoreStatus,
        mongo::{Mongo, MongoError},
    },
    principal::UserId,
    telemetry::log,
};

/// Bounds of the log's own collections.
#[derive(Clone, Copy, Debug)]
pub struct TailSize {
    /// Of the capped collection, in bytes.
    pub bytes: u64,
}

/// The rooms' logs in MongoDB. Cheap to clone.
#[derive(Clone)]
pub struct MongoLog {
    inner: Arc<Inner>,
}

struct Inner {
    mongo: Mongo,
    tail: TailSize,
    ready: OnceCell<Collections>,
    /// The last place of rooms' logs that is known to be durable: where an append tries first.
    tops: DashMap<RoomId, Seq>,
    /// Rooms whose projections are behind.
    due: DashSet<RoomId>,
    wake: mpsc::Sender<RoomId>,
    /// Rolling forward is one room's turn at a time; rooms share so many turns.
    turns: [Mutex<()>; TURNS],
    counts: Counts,
}

#[derive(Default)]
struct Counts {
    /// Slices that the tail answered.
    tail_hits: AtomicU64,
    /// Slices that it did not reach back for.
    tail_misses: AtomicU64,
    /// Appends that somebody else's was quicker than.
    conflicts: AtomicU64,
}

#[derive(Clone)]
struct Collections {
    rooms: Collection<RoomDoc>,
    events: Collection<BatchDoc>,
    tail: Collection<BatchDoc>,
    messages: Collection<MessageDoc>,
}

/// Rooms that may wait for the task behind; beyond it readers roll forward by themselves.
const WAITING: usize = 4_096;
/// Rooms whose projections are rolled forward at once, at most.
const TURNS: usize = 64;
/// Tops that are kept.
const KNOWN_TOPS: usize = 100_000;

impl From<MongoError> for StoreError {
    fn from(error: MongoError) -> Self {
        match error {
            MongoError::Unavailable(cause) => Self::Unavailable(cause),
            MongoError::Duplicate | MongoError::Failed(_) => Self::Failed(error.into()),
        }
    }
}

fn fresh_epoch() -> String {
    let mut text = Uuid::new_v4().simple().to_string();
    text.truncate(12);
    text
}

impl MongoLog {
    /// Logs in that deployment. Collections are made with the first use, or by [`MongoLog::provision`].
    pub fn new(mongo: Mongo, tail: TailSize) -> Self {
        let (wake, woken) = mpsc::channel(WAITING);
        let inner = Inner {
            mongo: mongo.clone(),
            tail,
            ready: OnceCell::new(),
            tops: DashMap::new(),
            due: DashSet::new(),
            wake,
            turns: std::array::from_fn(|_| Mutex::new(())),
            counts: Counts::default(),
        };
        let this = Self { inner: Arc::new(inner) };
        mongo.handle().spawn(folding::follow(Arc::downgrade(&this.inner), woken));
        this
    }

    async fn run<T>(
        &self,
        operation: impl Future<Output = Result<T, mongodb::error::Error>>,
    ) -> Result<T, MongoError> {
        self.inner.mongo.run(operation).await
    }

    /// The room's own document.
    async fn room(&self, at: &Collections, room: RoomId) -> Result<RoomDoc, StoreError> {
        let found = self.run(async { at.rooms.find_one(doc! { "_id": of(room.0) }).await }).await?;
        found.ok_or(StoreError::NoStream)
    }

    /// The last place of a room's log; 0 before the first. The last batch is never removed, so it is there
    /// to be asked however much was cut.
    async fn last(&self, at: &Collections, room: RoomId) -> Result<Seq, StoreError> {
        let from = self.inner.tops.get(&room).map_or(0, |top| place(*top));
        let newest = async |from: i64| {
            let filter = doc! { "room": of(room.0), "last": { "$gte": from } };
            let found = self
                .run(async {
                    let only = at.events.clone_with_type::<LastDoc>();
                    only.find_one(filter).sort(doc! { "last": -1 }).projection(doc! { "last": 1 }).await
                })
                .await?;
            Ok::<_, StoreError>(found.map(|batch| batch.last))
        };
        let mut found = newest(from).await?;
        if found.is_none() && from > 0 {
            // What was known is gone: the store was put back to an earlier state.
            found = newest(0).await?;
        }
        let last = seq(found.unwrap_or_default());
        self.know(room, last);
        Ok(last)
    }

    fn know(&self, room: RoomId, last: Seq) {
        if self.inner.tops.len() >= KNOWN_TOPS {
            self.inner.tops.clear();
        }
        self.inner.tops.insert(room, last);
    }

    /// A room's document and its log's end.
    async fn ends(&self, at: &Collections, room: RoomId) -> Result<(RoomDoc, Seq), StoreError> {
        let (stream, last) = tokio::join!(self.room(at, room), self.last(at, room));
        Ok((stream?, last?))
    }

    /// [`MongoLog::ends`] once `messages` holds all that the log does.
    async fn settled(&self, at: &Collections, room: RoomId) -> Result<(RoomDoc, Seq), StoreError> {
        let (stream, last) = self.ends(at, room).await?;
        if seq(stream.projected) < last {
            self.roll(at, room).await?;
        }
        Ok((stream, last))
    }
}

#[derive(serde::Deserialize, serde::Serialize)]
struct LastDoc {
    last: i64,
}

fn top(stream: RoomDoc, last: Seq) -> Top {
    Top { epoch: stream.epoch, first_seq: seq(stream.first_seq), last_seq: last }
}

impl MongoLog {
    /// [`Store::status`], and what is missing or other than configured.
    pub async fn inspect(&self) -> StoreStatus {
        let mut status = self.status().await;
        if status.reachable {
            match self.missing().await {
                Ok(missing) if missing.is_empty() => {}
                Ok(missing) => status.mend = Some(format!("{}: run gigsy migrate", missing.join("; "))),
                Err(error) => {
                    status.mend = Some(format!("its collections cannot be listed ({})", error.reason()));
                }
            }
        }
        status
    }
}

impl EventLog for MongoLog {
    fn open(&self, room: RoomId) -> Stored<'_, Top> {
        Box::pin(async move {
            let at = self.collections().await?;
            match self.ends(at, room).await {
                Err(StoreError::NoStream) => {}
                known => return known.map(|(stream, last)| top(stream, last)),
            }
            let fresh =
                RoomDoc { room: id(room.0), epoch: fresh_epoch(), first_seq: 1, projected: 0, generation: 0 };
            match self.run(async { at.rooms.insert_one(&fresh).await }).await {
                // Somebody else made it.
                Ok(_) | Err(MongoError::Duplicate) => {}
                Err(error) => return Err(error.into()),
            }
            let (stream, last) = self.ends(at, room).await?;
            Ok(top(stream, last))
        })
    }

    fn append<'a>(&'a self, room: RoomId, batch: &'a [NewEvent]) -> Stored<'a, Appended> {
        Box::pin(self.write(room, batch))
    }

    fn since(&self, room: RoomId, after: Seq, limit: usize) -> Stored<'_, Slice> {
        Box::pin(self.slice(room, after, limit))
    }

    fn messages(&self, room: RoomId, page: Page, limit: usize) -> Stored<'_, Messages> {
        Box::pin(self.page(room, page, limit))
    }

    fn message(&self, room: RoomId, id: MessageId) -> Stored<'_, Option<Message>> {
        Box::pin(self.one(room, id))
    }

    fn thread(&self, room: RoomId, root: MessageId, after: Seq, limit: usize) -> Stored<'_, Messages> {
        Box::pin(self.replies(room, root, after, limit))
    }

    fn pinned(&self, room: RoomId, limit: usize) -> Stored<'_, Vec<Message>> {
        Box::pin(self.pins(room, limit))
    }

    fn search<'a>(
        &'a self,
        room: RoomId,
        words: &'a [String],
        before: Option<Seq>,
        limit: usize,
    ) -> Stored<'a, Messages> {
        Box::pin(self.find_words(room, words, before, limit))
    }

    fn written(
        &self,
        sender: UserId,
        after: Option<(RoomId, Seq)>,
        limit: usize,
    ) -> Stored<'_, Vec<(RoomId, Message)>> {
        Box::pin(self.all_of(sender, after, limit))
    }

    fn digests<'a>(
        &'a self,
        reader: Reader<'a>,
        rooms: &'a [(RoomId, Seq)],
    ) -> Stored<'a, HashMap<RoomId, Digest>> {
        Box::pin(self.digest_all(reader, rooms))
    }

    fn tops(&self, after: Option<RoomId>, limit: usize) -> Stored<'_, Vec<(RoomId, Top)>> {
        Box::pin(self.all_tops(after, limit))
    }

    fn refold(&self, room: RoomId) -> Stored<'_, u64> {
        Box::pin(self.fold_again(room))
    }

    fn cut(&self, room: RoomId, first_seq: Seq) -> Stored<'_, Top> {
        Box::pin(self.drop_before(room, first_seq))
    }

    fn renew(&self, room: RoomId) -> Stored<'_, Top> {
        Box::pin(async move {
            let at = self.collections().await?;
            let epoch = doc! { "$set": { "epoch": fresh_epoch() } };
            self.run(async { at.rooms.update_one(doc! { "_id": of(room.0) }, epoch).await }).await?;
            // Of an earlier state, what was known of its end is nothing any more.
            self.inner.tops.remove(&room);
            let (stream, last) = self.ends(at, room).await?;
            Ok(top(stream, last))
        })
    }

    fn import<'a>(&'a self, room: RoomId, top: &'a Top, events: &'a [Event]) -> Stored<'a, Top> {
        Box::pin(self.take_over(room, top, events))
    }
}

impl Store for MongoLog {
    fn status(&self) -> BoxFuture<'_, StoreStatus> {
        Box::pin(async move {
            let mut status = StoreStatus {
                name: "chat_log",
                mode: Mode::Server,
                reachable: false,
                latency_ms: None,
                version: None,
                detail: None,
                mend: None,
            };
            let answer = match self.inner.mongo.ping().await {
                Ok(answer) => answer,
                Err(error) => {
                    slog::debug!(log(), "MongoDB does not answer"; "error" => error.reason());
                    status.mend = Some("check MONGODB_URL and that the server runs".into());
                    return status;
                }
            };
            status.reachable = true;
            status.latency_ms = Some(answer.latency_ms);
            status.version = Some(answer.version);
            let Counts { tail_hits, tail_misses, conflicts } = &self.inner.counts;
            status.detail = Some(format!(
                "MongoDB, {}, database {}; tail {} hits, {} misses; {} conflicts",
                answer.topology.name(),
                self.inner.mongo.database_name(),
                tail_hits.load(Relaxed),
                tail_misses.load(Relaxed),
                conflicts.load(Relaxed),
            ));
            status
        })
    }
}
