//! A chat context on a database of its own, with everything it says recorded and a log that can be
//! held up and made to fail.

use std::{
    collections::{HashMap, HashSet},
    future::Future,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::BoxFuture;
use serde_json::Value;
use tokio::sync::watch;

use crate::{
    actors::{ActorReport, Arbiters, DomainConfig, Filter, Registry},
    contexts::chat::{
        self, Attachment, Chat, ChatMetrics, CreateRoomForm, Desk, EventLog, Keeping, MessageId, Outlet,
        Parts, People, PostgresLog, PostgresRooms, ReadForm, RoomId, RoomKind, RoomLimits, RoomView,
        SendForm, Seq, StoreError, Top, Uploads,
        contract::{
            Appended, Digest, Event, Message, Messages, NewEvent, Page, Payload, Reader, Slice, Stored,
        },
    },
    ports::bus::Signals,
    postgres::Database,
    principal::UserId,
    realtime::{Channel, ClientInfo, Hub, Publication},
    signing::Signer,
    telemetry::metrics::Metrics,
    tests::support::database::TestDatabase,
};

/// What a room said.
#[derive(Default)]
pub struct Recorder {
    said: Mutex<Vec<(String, u64, Value)>>,
    taken: Mutex<Vec<(UserId, String)>>,
    resets: AtomicUsize,
    /// The way to other nodes, where there are some.
    hub: OnceLock<Hub>,
}

impl Outlet for Recorder {
    fn publish(&self, channel: &Channel, publication: &Publication) {
        let data = serde_json::from_slice(publication.data.as_bytes()).unwrap();
        self.said.lock().unwrap().push((channel.to_string(), publication.offset, data));
    }

    fn unsubscribe(&self, user: UserId, channel: &Channel) {
        self.taken.lock().unwrap().push((user, channel.to_string()));
    }

    fn reset(&self, _: &Channel) {
        self.resets.fetch_add(1, Ordering::SeqCst);
    }

    fn presence(&self, _: &Channel) -> Vec<ClientInfo> {
        Vec::new()
    }

    fn grown(&self, channel: &Channel) {
        if let Some(hub) = self.hub.get() {
            hub.grown(channel);
        }
    }
}

impl Recorder {
    /// What went to a channel: offset and data.
    pub fn on(&self, channel: &str) -> Vec<(u64, Value)> {
        let said = self.said.lock().unwrap();
        said.iter()
            .filter(|(to, ..)| to == channel)
            .map(|(_, offset, data)| (*offset, data.clone()))
            .collect()
    }

    /// The offsets that went to a room.
    pub fn offsets(&self, room: RoomId) -> Vec<u64> {
        self.on(&format!("chat:{room}")).into_iter().map(|(offset, _)| offset).collect()
    }

    pub fn unsubscribed(&self) -> Vec<(UserId, String)> {
        self.taken.lock().unwrap().clone()
    }

    pub fn resets(&self) -> usize {
        self.resets.load(Ordering::SeqCst)
    }
}

/// How an append goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Not at all.
    None,
    /// The store is away: nothing is written, nothing read.
    Away,
    /// The answer is lost: it is written, and told as away.
    AnswerLost,
    /// As `AnswerLost`, and nothing can be read either.
    AnswerLostAndAway,
}

/// A log in Postgres that counts, holds up, and fails.
pub struct Watched {
    log: PostgresLog,
    pub appends: AtomicUsize,
    pub appended: AtomicUsize,
    gate: watch::Sender<bool>,
    fault: Mutex<Fault>,
    /// Imports that are left, and whether the one after the last is done and not told.
    imports: Mutex<(usize, bool)>,
}

/// A body that the log refuses.
pub const REFUSED: &str = "the log refuses this";

impl Watched {
    fn fault(&self) -> Fault {
        *self.fault.lock().unwrap()
    }

    pub fn fail(&self, fault: Fault) {
        *self.fault.lock().unwrap() = fault;
    }

    /// Takes over so many stretches with events, then goes away; the one after them may be written all the same.
    pub fn import_only(&self, count: usize, lost: bool) {
        *self.imports.lock().unwrap() = (count, lost);
    }

    /// Appends wait from now on.
    pub fn hold(&self) {
        self.gate.send_replace(false);
    }

    /// They go on.
    pub fn release(&self) {
        self.gate.send_replace(true);
    }

    fn away<T>() -> Result<T, StoreError> {
        Err(StoreError::Unavailable("unplugged".into()))
    }

    fn read<'a, T>(&self, read: Stored<'a, T>) -> Stored<'a, T>
    where
        T: Send + 'a,
    {
        match self.fault() {
            Fault::Away | Fault::AnswerLostAndAway => Box::pin(async { Self::away() }),
            _ => read,
        }
    }
}

impl EventLog for Watched {
    fn open(&self, room: RoomId) -> Stored<'_, Top> {
        self.read(self.log.open(room))
    }

    fn append<'a>(&'a self, room: RoomId, batch: &'a [NewEvent]) -> Stored<'a, Appended> {
        self.appends.fetch_add(1, Ordering::SeqCst);
        self.appended.fetch_add(batch.len(), Ordering::SeqCst);
        let mut gate = self.gate.subscribe();
        Box::pin(async move {
            let _ = gate.wait_for(|open| *open).await;
            if batch.iter().any(|e| matches!(&e.payload, Payload::Message(said) if said.body == REFUSED)) {
                return Err(StoreError::Failed("refused".into()));
            }
            match self.fault() {
                Fault::None => self.log.append(room, batch).await,
                Fault::Away => Self::away(),
                Fault::AnswerLost | Fault::AnswerLostAndAway => {
                    self.log.append(room, batch).await?;
                    Self::away()
                }
            }
        })
    }

    fn since(&self, room: RoomId, after: Seq, limit: usize) -> Stored<'_, Slice> {
        self.read(self.log.since(room, after, limit))
    }

    fn messages(&self, room: RoomId, page: Page, limit: usize) -> Stored<'_, Messages> {
        self.read(self.log.messages(room, page, limit))
    }

    fn message(&self, room: RoomId, id: MessageId) -> Stored<'_, Option<Message>> {
        self.read(self.log.message(room, id))
    }

    fn thread(&self, room: RoomId, root: MessageId, after: Seq, limit: usize) -> Stored<'_, Messages> {
        self.read(self.log.thread(room, root, after, limit))
    }

    fn pinned(&self, room: RoomId, limit: usize) -> Stored<'_, Vec<Message>> {
        self.read(self.log.pinned(room, limit))
    }

    fn search<'a>(
        &'a self,
        room: RoomId,
        words: &'a [String],
        before: Option<Seq>,
        limit: usize,
    ) -> Stored<'a, Messages> {
        self.read(self.log.search(room, words, before, limit))
    }

    fn written(
        &self,
        sender: UserId,
        after: Option<(RoomId, Seq)>,
        limit: usize,
    ) -> Stored<'_, Vec<(RoomId, Message)>> {
        self.read(self.log.written(sender, after, limit))
    }

    fn digests<'a>(
        &'a self,
        reader: Reader<'a>,
        rooms: &'a [(RoomId, Seq)],
    ) -> Stored<'a, HashMap<RoomId, Digest>> {
        self.read(self.log.digests(reader, rooms))
    }

    fn tops(&self, after: Option<RoomId>, limit: usize) -> Stored<'_, Vec<(RoomId, Top)>> {
        self.read(self.log.tops(after, limit))
    }

    fn refold(&self, room: RoomId) -> Stored<'_, u64> {
        self.log.refold(room)
    }

    fn cut(&self, room: RoomId, first_seq: Seq) -> Stored<'_, Top> {
        self.log.cut(room, first_seq)
    }

    fn renew(&self, room: RoomId) -> Stored<'_, Top> {
        self.log.renew(room)
    }

    fn import<'a>(&'a self, room: RoomId, top: &'a Top, events: &'a [Event]) -> Stored<'a, Top> {
        let (left, lost) = {
            let mut imports = self.imports.lock().unwrap();
            let (left, lost) = *imports;
            imports.0 = left.saturating_sub(usize::from(!events.is_empty()));
            (left, lost)
        };
        if left > 0 || events.is_empty() {
            return self.log.import(room, top, events);
        }
        Box::pin(async move {
            if lost {
                self.log.import(room, top, events).await?;
            }
            Self::away()
        })
    }
}

/// Everybody exists but those who were sent away.
#[derive(Default)]
pub struct Town {
    pub unknown: Mutex<HashSet<UserId>>,
    /// What some are called; the others have a name of their id.
    pub names: Mutex<HashMap<UserId, String>>,
}

/// Who uploaded what, and what is held by whom.
#[derive(Default)]
pub struct Shelf(pub Mutex<Vec<(UserId, Attachment)>>, pub Mutex<Vec<(uuid::Uuid, String)>>);

impl Uploads for Shelf {
    fn of<'a>(
        &'a self,
        owner: UserId,
        objects: &'a [uuid::Uuid],
    ) -> BoxFuture<'a, Result<Vec<Attachment>, Box<dyn std::error::Error + Send + Sync>>> {
        let shelf = self.0.lock().unwrap().clone();
        let found =
            shelf.into_iter().filter(|(who, object)| *who == owner && objects.contains(&object.object_id));
        let found = found.map(|(_, object)| object).collect();
        Box::pin(async move { Ok(found) })
    }

    fn hold<'a>(&'a self, objects: &'a [uuid::Uuid], holder: &'a str) -> chat::Asked<'a, ()> {
        let mut held = self.1.lock().unwrap();
        held.extend(objects.iter().map(|object| (*object, holder.to_owned())));
        Box::pin(async { Ok(()) })
    }

    fn release<'a>(&'a self, objects: &'a [uuid::Uuid], holder: &'a str) -> chat::Asked<'a, ()> {
        self.1.lock().unwrap().retain(|(object, by)| !(objects.contains(object) && by == holder));
        Box::pin(async { Ok(()) })
    }

    fn link(&self, object: uuid::Uuid) -> chat::Asked<'_, Option<chat::AttachmentView>> {
        let url = format!("https://store.example/{object}");
        Box::pin(async { Ok(Some(chat::AttachmentView { url, expires_at: chrono::Utc::now() })) })
    }
}

impl People for Town {
    fn existing<'a>(
        &'a self,
        ids: &'a [UserId],
    ) -> BoxFuture<'a, Result<HashMap<UserId, String>, Box<dyn std::error::Error + Send + Sync>>> {
        let unknown = self.unknown.lock().unwrap().clone();
        let names = self.names.lock().unwrap().clone();
        Box::pin(async move {
            let known = ids.iter().filter(|id| !unknown.contains(id));
            let name = |id: &UserId| {
                names.get(id).cloned().unwrap_or_else(|| format!("Person {}", &id.to_string()[30..]))
            };
            Ok(known.map(|id| (*id, name(id))).collect())
        })
    }
}

/// One node: a chat context and what it is made of.
pub struct Node {
    pub chat: Chat,
    pub registry: Registry,
    pub outlet: Arc<Recorder>,
    pub log: Arc<Watched>,
    pub rooms: PostgresRooms,
    pub town: Arc<Town>,
    pub shelf: Arc<Shelf>,
    pub db: Database,
}

impl Node {
    /// A node on a database. Needs an actix system.
    pub async fn on(database: &TestDatabase) -> Self {
        Self::with(database, RoomLimits { sends_per_second: 100_000, ..RoomLimits::default() }).await
    }

    /// One of several nodes, which tell each other what is new.
    pub async fn among(database: &TestDatabase, signals: &Signals) -> Self {
        let node = Self::on(database).await;
        let hub = Hub::across(signals, &Metrics::new());
        node.chat.follow(&hub);
        let chat = node.chat.clone();
        signals.on_gap(move || chat.look_again());
        let _ = node.outlet.hub.set(hub);
        node
    }

    pub async fn with(database: &TestDatabase, limits: RoomLimits) -> Self {
        Self::keeping(database, limits, Keeping::default()).await
    }

    pub async fn keeping(database: &TestDatabase, limits: RoomLimits, keeping: Keeping) -> Self {
        let db = database.open().await;
        let (registry, outlet, town) =
            (Registry::new(), Arc::new(Recorder::default()), Arc::new(Town::default()));
        let log = Arc::new(Watched {
            log: PostgresLog::new(db.clone()),
            appends: AtomicUsize::new(0),
            appended: AtomicUsize::new(0),
            gate: watch::Sender::new(true),
            fault: Mutex::new(Fault::None),
            imports: Mutex::new((usize::MAX, false)),
        });
        let (desk, shelf) = (Desk::new(db.clone()), Arc::new(Shelf::default()));
        let rooms = PostgresRooms::new(db.clone());
        let parts = Parts {
            rooms: Arc::new(rooms.clone()),
            log: log.clone(),
            outlet: outlet.clone(),
            people: town.clone(),
            desk,
            uploads: shelf.clone(),
            signer: Signer::new(&[7; 32]),
            limits,
            metrics: ChatMetrics::new(&Metrics::new()),
            keeping,
        };
        let config = DomainConfig {
            backoff: (Duration::from_millis(5), Duration::from_millis(200)),
            ..DomainConfig::default()
        };
        let chat = Chat::start(parts, config, &registry, &Arbiters::current().unwrap());
        Self { chat, registry, outlet, log, rooms, town, shelf, db }
    }

    /// A group room of `owner` and others.
    pub async fn group(&self, owner: UserId, others: &[UserId]) -> RoomId {
        self.room(RoomKind::Group, owner, others).await.id
    }

    pub async fn room(&self, kind: RoomKind, owner: UserId, others: &[UserId]) -> RoomView {
        let form = CreateRoomForm { kind, name: None, topic: None, member_ids: others.to_vec() };
        self.chat.create_room(owner, &form).await.unwrap().0
    }

    /// What operators see of a room.
    pub fn report(&self, room: RoomId) -> ActorReport {
        let mut reports =
            self.registry.actors(&Filter { kind: Some("chat_room".into()), ..Filter::default() });
        reports.retain(|report| report.id == room.to_string());
        reports.pop().expect("the room is live")
    }
}

/// A message form.
pub fn says(name: impl ToString, body: impl ToString) -> SendForm {
    SendForm {
        client_msg_id: name.to_string(),
        body: body.to_string(),
        reply_to: None,
        attachments: Vec::new(),
    }
}

/// Everything up to there is read.
pub fn up_to(seq: Seq) -> ReadForm {
    ReadForm { seq, delivered: None }
}

/// Waits until something holds, five seconds at most.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    for _ in 0..500 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never came true: {what}");
}
