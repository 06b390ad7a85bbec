//! Chat: rooms, who is in them, and what was said there.
//!
//! **Owns** rooms, members, and each room's log of events with its gapless `seq`; schema `chat`; the
//! channels `chat:<room>`, `typing:<room>` and `live:<room>`; the actor kind `chat_room`.
//!
//! **Emits** publications: `chat:<room>` carries the room's log (`message`, `member`, `room`),
//! `typing:<room>` who is typing, `live:<room>` what members' programs tell each other, and `user:<id>` gets `room_added` and `room_removed`.
//!
//! **Never touches** accounts and sessions: whether people exist and what they are called it asks
//! through [`People`].
//!
//! # The way of a message
//! REST, `chat.send` and `publish` end in [`Chat::send`], which puts it into the mailbox of the
//! room's actor ([`ChatRoom`]). The actor checks membership, bounds and rate, queues, and writes all
//! that wait in one insert; then it publishes in the order of `seq`, then answers. A `client_msg_id`
//! makes a resend harmless: one message, the same answer.

mod actors;
mod announcer;
mod channels;
mod custody;
mod emoji;
mod error;
pub mod handlers;
mod keeping;
mod markup;
mod mentions;
mod metrics;
mod model;
mod moving;
mod realtime;
mod service;
mod store;
mod text;
mod uploads;
mod veils;
mod views;

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use dashmap::DashMap;
use futures_util::future::BoxFuture;
use tokio::sync::Notify;

pub use actors::{ChatRoom, RoomLimits};
pub use channels::Outlet;
pub use error::ChatError;
pub use handlers::api;
pub use keeping::Keeping;
pub use metrics::ChatMetrics;
pub use model::{
    Attachment, LastSeenTo, MemberRole, MessageId, NotifyLevel, ReportReason, RoomId, RoomKind, Seq, Status,
};
pub use moving::{MoveError, Moved, Survey, all_tops, move_logs, survey};
pub use realtime::{namespaces, rpcs};
pub use service::{
    Actor, AttachmentForm, ContractRoom, DemoCast, EditForm, ExportPlace, ExportedMessage, HistoryForm,
    OwnForm, PrivacyForm, ReportForm, ResolveForm, SanctionForm, SearchForm, SendForm, StatusForm,
    ThreadForm,
};
pub use store::{
    EventLog, RoomStore, StoreError, Top,
    desk::{Desk, Resolution},
    mongo::{MongoLog, TailSize},
    postgres::{PostgresLog, PostgresRooms, all_rooms},
};
pub use uploads::{Asked, AttachmentView, Uploads};
pub use veils::Blocks;
pub use views::{
    AddMembersForm, AuditView, BanView, BlockedItems, BlockedView, ChangedView, CreateRoomForm, FoundView,
    HistoryView, MemberView, MessageView, OwnView, PatchRoomForm, PinsView, PresenceView, PrivacyView,
    ReadForm, ReadView, ReceiptsView, ReportView, ReportedView, RoleForm, RoomItem, RoomView, SentView,
    ThreadView,
};

#[cfg(test)]
pub(crate) use self::{actors::room::messages, store::contract};

use self::{
    actors::{RoomSeed, room::messages::CatchUp},
    announcer::Stir,
    store::{Slice, Stored},
};
use crate::{
    actors::{Arbiters, AskError, Domain, DomainConfig, Registry},
    principal::UserId,
    realtime::Hub,
    signing::Signer,
    telemetry::log,
};

/// What chat asks about people; `app.rs` answers it with identity's directory.
pub trait People: Send + Sync + 'static {
    /// Those of `ids` who exist, with the names others see.
    fn existing<'a>(
        &'a self,
        ids: &'a [UserId],
    ) -> BoxFuture<'a, Result<HashMap<UserId, String>, Box<dyn std::error::Error + Send + Sync>>>;
}

impl People for crate::contexts::identity::Directory {
    fn existing<'a>(
        &'a self,
        ids: &'a [UserId],
    ) -> BoxFuture<'a, Result<HashMap<UserId, String>, Box<dyn std::error::Error + Send + Sync>>> {
        Box::pin(async move {
            let people = self.people(ids).await?;
            Ok(people.into_iter().map(|person| (person.id, person.display_name)).collect())
        })
    }
}

/// What chat is set up with.
pub struct Parts {
    /// Rooms and members.
    pub rooms: Arc<dyn RoomStore>,
    /// The rooms' logs.
    pub log: Arc<dyn EventLog>,
    /// Where news go: the hub.
    pub outlet: Arc<dyn Outlet>,
    /// Who exists.
    pub people: Arc<dyn People>,
    /// What people set for themselves, and what moderators do.
    pub desk: Desk,
    /// What was uploaded.
    pub uploads: Arc<dyn Uploads>,
    /// Signs cursors.
    pub signer: Signer,
    /// Bounds of a room.
    pub limits: RoomLimits,
    /// What is measured.
    pub metrics: ChatMetrics,
    /// How long words are kept.
    pub keeping: Keeping,
}

/// The chat context. Cheap to clone; each use case is a method (in `service/`).
#[derive(Clone)]
pub struct Chat {
    inner: Arc<Inner>,
}

struct Inner {
    domain: Domain<ChatRoom>,
    rooms: Arc<dyn RoomStore>,
    log: Arc<dyn EventLog>,
    outlet: Arc<dyn Outlet>,
    people: Arc<dyn People>,
    desk: Desk,
    uploads: Arc<dyn Uploads>,
    stir: Stir,
    blocks: Blocks,
    /// Tells other nodes whose blocks changed.
    elsewhere: OnceLock<Box<dyn Fn(UserId) + Send + Sync>>,
    signer: Signer,
    receipt_members: usize,
    metrics: ChatMetrics,
    keeping: Keeping,
    /// Woken when somebody is to be erased.
    erasing: Notify,
    /// Whom people have blocked, as it was a moment ago.
    hidden: DashMap<UserId, (Instant, Arc<Vec<UserId>>)>,
    /// When people's last-seen times were noted.
    there: DashMap<UserId, Instant>,
}

impl Chat {
    /// Starts the rooms' supervisor; rooms start with their first traffic.
    pub fn start(parts: Parts, config: DomainConfig, registry: &Registry, placement: &Arbiters) -> Self {
        let Parts { rooms, log, outlet, people, desk, uploads, signer, limits, metrics, keeping } = parts;
        let (stir, blocks) = (Stir::default(), Blocks::default());
        let seed = RoomSeed {
            rooms: rooms.clone(),
            log: log.clone(),
            desk: desk.clone(),
            stir: stir.clone(),
            blocks: blocks.clone(),
            metrics: metrics.clone(),
            outlet: outlet.clone(),
            limits,
            published: Arc::new(DashMap::new()),
        };
        let domain = Domain::start(seed, config, registry, placement);
        let inner = Inner {
            domain,
            rooms,
            log,
            outlet,
            people,
            desk,
            uploads,
            stir,
            blocks,
            elsewhere: OnceLock::new(),
            signer,
            receipt_members: limits.receipt_members,
            metrics,
            keeping,
            erasing: Notify::new(),
            hidden: DashMap::new(),
            there: DashMap::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The rooms' actors, for the ordered stop.
    pub fn domain(&self) -> &Domain<ChatRoom> {
        &self.inner.domain
    }

    /// Looks into the logs that other nodes write to, when the hub tells that one grew. What a log
    /// that nobody here follows holds is read once somebody does.
    pub fn follow(&self, hub: &Hub) {
        let chat = self.clone();
        hub.follow(channels::CHAT, move |channel| {
            if let Ok(room) = channel.id().parse() {
                chat.look(room);
            }
        });
    }

    /// Words of other nodes may have been missed: live rooms that [`Chat::follow`] is not told of,
    /// because nobody here is subscribed, look too.
    pub fn look_again(&self) {
        for room in self.inner.domain.ids() {
            if !self.inner.outlet.follows(&channels::chat_channel(room)) {
                self.look(room);
            }
        }
    }

    fn look(&self, room: RoomId) {
        let told = self.inner.domain.live(&room).is_some_and(|actor| actor.tell(CatchUp).is_ok());
        let here = || {
            let outlet = &self.inner.outlet;
            [channels::chat_channel(room), channels::typing_channel(room), channels::live_channel(room)]
                .iter()
                .any(|channel| outlet.follows(channel))
        };
        if told || !here() {
            return;
        }
        // Starting, away after a crash, or too busy to be told: it is told in a moment, since nobody
        // may come to tell it again.
        let domain = self.inner.domain.clone();
        tokio::spawn(async move {
            for pause in [0, 100, 500, 2_000, 5_000, 10_000] {
                tokio::time::sleep(Duration::from_millis(pause)).await;
                match domain.tell(&room, CatchUp).await {
                    Ok(()) | Err(AskError::NotFound) => return,
                    Err(error) => slog::debug!(log(), "a room cannot be told to look";
                        "room" => %room, "error" => %error),
                }
            }
            slog::warn!(log(), "a room does not hear that its log grew"; "room" => %room);
        });
    }

    /// A part of a room's log, for recovery. The caller has made sure that the reader may see it.
    pub(crate) fn log_since(&self, room: RoomId, after: Seq, limit: usize) -> Stored<'_, Slice> {
        self.inner.log.since(room, after, limit)
    }

    /// Where a room's log ends.
    pub(crate) fn log_top(&self, room: RoomId) -> Stored<'_, Top> {
        self.inner.log.open(room)
    }
}

/// How long a room's actor may take to answer. A send waits for the insert in flight and its own,
/// and for the pool when the database is slow; past this the client is better off asking again.
const DEADLINE: Duration = Duration::from_secs(15);
