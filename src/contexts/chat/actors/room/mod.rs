//! A room, alive: the one place through which everything is written to it.
//!
//! ```text
//! Send ─▶ rules ─▶ queue ─▶ one insert for all that wait ─▶ publish in order of seq ─▶ answer
//! ```
//!
//! * `rules` checks who may, in one place, for REST, rpc and `publish` alike.
//! * `writing` queues, appends, publishes, catches up.
//! * `changing` changes members and the room's own fields.
//!
//! A room may have such an actor on each node. The log is the truth: an append tells the log's end
//! before it, and when that is not what this actor published last, it reads what is between and
//! publishes it first.

mod altering;
mod changing;
mod marking;
pub mod messages;
mod pace;
mod rules;
mod writing;

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use dashmap::DashMap;
use serde::Serialize;

use self::{
    pace::{Pace, Wrote},
    writing::Waiting,
};
use crate::{
    actors::{Behavior, Cx, RebuildError},
    config::Config,
    contexts::chat::{
        announcer::Stir,
        channels::{Outlet, chat_channel, live_channel, typing_channel},
        metrics::ChatMetrics,
        model::{Member, MessageId, Room, RoomId, RoomKind, RoomState, Seq},
        store::{EventLog, Page, RoomStore, StoreError, desk::Desk},
        veils::Blocks,
    },
    principal::UserId,
    realtime::Channel,
};

/// Bounds of a room.
#[derive(Clone, Copy, Debug)]
pub struct RoomLimits {
    /// Messages a second from one person.
    pub sends_per_second: u32,
    /// Messages that may wait for the insert in flight.
    pub queue: usize,
    /// Messages in one insert.
    pub batch: usize,
    /// Between two signs that the same person is typing.
    pub typing_every: Duration,
    /// How long after it was said a message can be edited; `None` for ever.
    pub edit_within: Option<Duration>,
    /// Rooms of up to so many members show receipts.
    pub receipt_members: usize,
}

impl Default for RoomLimits {
    fn default() -> Self {
        Self {
            sends_per_second: 2_000,
            queue: 4_096,
            batch: 256,
            typing_every: Duration::from_secs(2),
            edit_within: None,
            receipt_members: 20,
        }
    }
}

impl From<&Config> for RoomLimits {
    /// A person may send as fast as they may give commands.
    fn from(config: &Config) -> Self {
        let edit = config.chat.edit_seconds;
        Self {
            sends_per_second: config.commands_per_second(),
            edit_within: (edit > 0).then(|| Duration::from_secs(edit)),
            receipt_members: config.chat.receipt_members,
            ..Self::default()
        }
    }
}

/// What a room's actor is rebuilt with.
#[derive(Clone)]
pub struct RoomSeed {
    /// Rooms and members.
    pub rooms: Arc<dyn RoomStore>,
    /// The logs.
    pub log: Arc<dyn EventLog>,
    /// Who has blocked whom.
    pub desk: Desk,
    /// Where the announcer hears that a room has news.
    pub stir: Stir,
    /// Whom live publications are hidden from.
    pub blocks: Blocks,
    /// What is measured.
    pub metrics: ChatMetrics,
    /// Where news go.
    pub outlet: Arc<dyn Outlet>,
    /// Bounds.
    pub limits: RoomLimits,
    /// Up to where each live room has been published on this node. Outlives a crash of the actor,
    /// so that what one incarnation wrote and could not publish any more, the next one does.
    pub published: Arc<DashMap<RoomId, Arc<AtomicU64>>>,
}

/// What operators see of a room.
#[derive(Serialize)]
pub struct Observed {
    kind: RoomKind,
    members: usize,
    archived: bool,
    /// The last published event.
    top: Seq,
    /// Messages that wait for the insert in flight.
    waiting: usize,
    /// Whether the log may hold more than was published.
    behind: bool,
    /// Since the last rebuild.
    sent: u64,
    duplicates: u64,
    inserts: u64,
    failed_inserts: u64,
}

#[derive(Default)]
struct Counts {
    sent: u64,
    duplicates: u64,
    inserts: u64,
    failed: u64,
}

/// See the module.
pub struct ChatRoom {
    seed: RoomSeed,
    id: RoomId,
    channel: Channel,
    typing: Channel,
    live: Channel,
    room: Room,
    members: HashMap<UserId, Member>,
    /// Grows with every change of `members`, so that an answer from the store that is older than
    /// one is recognised.
    generation: u64,
    epoch: String,
    published: Arc<AtomicU64>,
    queue: VecDeque<Waiting>,
    /// An append or a catch-up is on its way; there is never more than one.
    flying: bool,
    /// The log may hold more than was published: catch up before anything else.
    behind: bool,
    /// What is behind was written by another node, which told its own listeners and all other nodes.
    hinted: bool,
    /// Told to look while a look was on its way.
    again: bool,
    /// The outbox may hold changes that are not queued.
    outbox_due: bool,
    /// Room and members may be older than the store's.
    stale: bool,
    /// So many of the queue's first go alone: a batch with them failed, one of them is to blame.
    alone: usize,
    /// The pause before the next try while the store is away; `None` while it answers.
    away: Option<Duration>,
    /// The timer of that next try is set.
    retrying: bool,
    pace: Pace,
    typing_pace: Pace,
    /// When each member wrote last, while the room is in slow mode or has a rate of its own.
    wrote: Wrote,
    /// Of a direct room: whether one of the two has blocked the other, and when that was looked up.
    apart: Option<(bool, Instant)>,
    /// The last message that was published, in a room that shows receipts.
    last_message: Seq,
    /// The latest changes that were published: of which message, where.
    changed: VecDeque<(MessageId, Seq)>,
    /// The messages that the append on its way changes.
    flying_changes: Vec<MessageId>,
    counts: Counts,
}

impl From<StoreError> for RebuildError {
    fn from(error: StoreError) -> Self {
        let mut text = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        match error {
            StoreError::Unavailable(_) => Self::Unavailable(text),
            _ => Self::Failed(text),
        }
    }
}

impl Behavior for ChatRoom {
    const KIND: &'static str = "chat_room";
    type Id = RoomId;
    type Seed = RoomSeed;
    type Observed = Observed;

    async fn rebuild(seed: RoomSeed, id: RoomId) -> Result<Self, RebuildError> {
        let Some(RoomState { room, members }) = seed.rooms.load(id).await? else {
            return Err(RebuildError::NotFound);
        };
        let top = seed.log.open(id).await?;
        let waiting = seed.rooms.unlogged(id).await?;
        let published = seed
            .published
            .entry(id)
            .or_insert_with(|| Arc::new(AtomicU64::new(top.last_seq)))
            .value()
            .clone();
        // A room's own rules of rate outlive the actor as far as its last messages tell.
        let rules = &room.settings;
        let wanted = match rules.slow_mode_seconds > 0 || rules.messages_per_minute > 0 {
            true => 100,
            false => usize::from(members.len() <= seed.limits.receipt_members),
        };
        let recent = match wanted {
            0 => Vec::new(),
            wanted => seed.log.messages(id, Page::Newest, wanted).await?.0,
        };
        let last_message = recent.first().map_or(0, |message| message.seq);
        let behind = published.load(Ordering::Relaxed) != top.last_seq;
        Ok(Self {
            id,
            channel: chat_channel(id),
            typing: typing_channel(id),
            live: live_channel(id),
            room,
            members,
            generation: 0,
            epoch: top.epoch,
            published,
            queue: waiting.into_iter().map(Waiting::change).collect(),
            flying: false,
            behind,
            hinted: false,
            again: false,
            outbox_due: false,
            stale: false,
            alone: 0,
            away: None,
            retrying: false,
            pace: Pace::per_second(seed.limits.sends_per_second),
            typing_pace: Pace::each(seed.limits.typing_every),
            wrote: Wrote::of(&recent),
            apart: None,
            last_message,
            changed: VecDeque::new(),
            flying_changes: Vec::new(),
            counts: Counts::default(),
            seed,
        })
    }

    fn started(&mut self, cx: &mut Cx<'_, Self>) {
        // Somebody may have been put out, here or elsewhere, while no actor was there to tell.
        for info in self.seed.outlet.presence(&self.channel) {
            if !self.members.contains_key(&info.user) {
                self.silence(info.user);
            }
        }
        self.pump(cx);
        // An insert of an incarnation that crashed may still be on its way in the store: it lands
        // after the rebuild has read the log's end, and nobody else would publish it.
        cx.after(Duration::from_secs(1), |own, cx| {
            own.behind = true;
            own.pump(cx);
        });
    }

    fn observe(&self) -> Observed {
        Observed {
            kind: self.room.kind,
            members: self.members.len(),
            archived: self.room.archived_at.is_some(),
            top: self.top(),
            waiting: self.queue.len(),
            behind: self.behind,
            sent: self.counts.sent,
            duplicates: self.counts.duplicates,
            inserts: self.counts.inserts,
            failed_inserts: self.counts.failed,
        }
    }

    fn may_passivate(&self) -> bool {
        // Listeners here hear through this actor what other nodes write.
        self.queue.is_empty() && !self.flying && !self.behind && !self.stale && !self.is_followed()
    }

    fn stopping(&mut self) {
        // With listeners the place is kept: the next incarnation goes on from it.
        if !self.is_followed() {
            self.seed.published.remove(&self.id);
        }
    }
}

impl ChatRoom {
    fn is_followed(&self) -> bool {
        [&self.channel, &self.typing, &self.live].into_iter().any(|channel| self.seed.outlet.follows(channel))
    }

    /// The last published event.
    fn top(&self) -> Seq {
        self.published.load(Ordering::Relaxed)
    }
}
