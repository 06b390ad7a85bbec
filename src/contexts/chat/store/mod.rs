//! Where chat lives: rooms and members ([`RoomStore`], always Postgres) and the rooms' logs
//! ([`EventLog`], Postgres here; another store may take its place, `contract` says what it must
//! keep).

pub mod desk;
pub mod mongo;
pub mod postgres;
pub(crate) mod schema;

#[cfg(test)]
pub mod contract;

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;

use super::model::{
    Event, Member, MemberChange, Message, MessageId, NewEvent, Payload, Room, RoomId, RoomKind, RoomState,
    Seq, SettingsPatch,
};
use crate::{
    error::{ErrorKind, Fault},
    postgres::DbError,
    principal::UserId,
};

/// A store's failure.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be reached, or the connection broke: what was asked for may or may not have been
    /// done.
    #[error("the store does not answer")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The room has no stream ([`EventLog::open`] makes it).
    #[error("the room has no log")]
    NoStream,
    /// Something in the store is not what we wrote.
    #[error("the store holds something unreadable")]
    Corrupt(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Anything else.
    #[error("the store failed")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Fault for StoreError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Unavailable(_) => ErrorKind::Unavailable,
            Self::NoStream | Self::Corrupt(_) | Self::Failed(_) => ErrorKind::Internal,
        }
    }
}

impl From<DbError> for StoreError {
    fn from(error: DbError) -> Self {
        match error.kind() {
            ErrorKind::Unavailable => Self::Unavailable(Box::new(error)),
            _ => Self::Failed(Box::new(error)),
        }
    }
}

impl From<serde_json::Error> for StoreError {
    fn from(error: serde_json::Error) -> Self {
        Self::Corrupt(Box::new(error))
    }
}

/// A store's answer.
pub type Stored<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

/// Where a log begins and ends, and which life of it this is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Top {
    /// A random text; another one after the log was restored to an earlier state, so that a client
    /// does not take a position of the old log for one of the new.
    pub epoch: String,
    /// The first event that is still there; `last_seq + 1` in an empty log.
    pub first_seq: Seq,
    /// The last event; 0 before the first.
    pub last_seq: Seq,
}

/// What became of one event of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Its place in the log.
    pub seq: Seq,
    /// Its id: of a duplicate, the id that the first one got.
    pub message_id: MessageId,
    /// Whether it was in the log already (or twice in the batch).
    pub duplicate: bool,
}

/// What became of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The log's epoch.
    pub epoch: String,
    /// The log's last event before this batch: the first new one is the next.
    pub prior: Seq,
    /// One for each event, in the order given.
    pub outcomes: Vec<Outcome>,
}

impl Appended {
    /// The log's last event after this batch.
    pub fn last_seq(&self) -> Seq {
        let fresh = self.outcomes.iter().filter(|outcome| !outcome.duplicate).map(|outcome| outcome.seq);
        fresh.max().unwrap_or(self.prior).max(self.prior)
    }
}

/// A stretch of a log, and the log's ends at the moment it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Slice {
    /// Ascending, without a gap.
    pub events: Vec<Event>,
    /// The ends.
    pub top: Top,
}

/// Which page of a room's messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// The newest ones.
    Newest,
    /// The newest ones before a place.
    Before(Seq),
    /// The oldest ones after a place.
    After(Seq),
}

/// What a list of rooms shows of a room's log.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Digest {
    /// The last event's place.
    pub last_seq: Seq,
    /// The last message, deleted or not, of somebody who is not hidden.
    pub last_message: Option<Message>,
    /// Messages behind the reader's position, counted up to [`Digest::MOST_UNREAD`]: of others who are
    /// not hidden, and not deleted.
    pub unread: u64,
    /// Of these, those that mention the reader or the whole room; counted up to the same bound.
    pub mentions: u64,
}

impl Digest {
    /// Counting stops here: a badge says "99+" anyway.
    pub const MOST_UNREAD: u64 = 1_000;
}

/// Whose counters: the reader, and whose messages are hidden from them.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    /// Who reads.
    pub user: UserId,
    /// People whom the reader has blocked.
    pub hidden: &'a [UserId],
}

impl Reader<'_> {
    /// Somebody who has blocked nobody.
    pub const fn plain(user: UserId) -> Self {
        Self { user, hidden: &[] }
    }
}

/// A page of messages, and whether there are more in its direction.
pub type Messages = (Vec<Message>, bool);

/// The rooms' logs. Several writers (nodes) may append to one room at once.
///
/// A log is its events, gapless in `seq`. Beside them it keeps its messages as they are now, by
/// `model::fold`: what `messages`, `message`, `thread`, `pinned`, `search` and `digests` answer
/// holds every event that a finished `append` wrote, deletions and edits among them. Once an event of
/// kind `delete` is in, no answer holds the text, the mentions or the attachments of its target any
/// more; of the events that [`EventLog::since`] gives, the message itself and its edits have an empty
/// body then.
pub trait EventLog: Send + Sync + 'static {
    /// Where the room's log begins and ends; makes an empty one if there is none.
    fn open(&self, room: RoomId) -> Stored<'_, Top>;

    /// Writes a batch durably: each event that is not known yet gets the next place, in the order
    /// given and without a gap; of a known one (same sender and `client_msg_id`) the first one's
    /// place is told. All or nothing. After [`StoreError::Unavailable`] the batch may nevertheless
    /// have been written; appending it again is safe.
    fn append<'a>(&'a self, room: RoomId, batch: &'a [NewEvent]) -> Stored<'a, Appended>;

    /// Up to `limit` events after a place, oldest first.
    fn since(&self, room: RoomId, after: Seq, limit: usize) -> Stored<'_, Slice>;

    /// [`since`](Self::since) of several rooms, each after a place of its own; a room without a log is left
    /// out.
    fn since_each<'a>(
        &'a self,
        rooms: &'a [(RoomId, Seq)],
        limit: usize,
    ) -> Stored<'a, Vec<(RoomId, Slice)>> {
        Box::pin(async move {
            let mut slices = Vec::with_capacity(rooms.len());
            for (room, after) in rooms {
                match self.since(*room, *after, limit).await {
                    Ok(slice) => slices.push((*room, slice)),
                    Err(StoreError::NoStream) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(slices)
        })
    }

    /// Up to `limit` messages, oldest first for `Page::After`, else newest first. Deleted ones are
    /// among them, as tombstones.
    fn messages(&self, room: RoomId, page: Page, limit: usize) -> Stored<'_, Messages>;

    /// One message; `None` for the id of an event that is none.
    fn message(&self, room: RoomId, id: MessageId) -> Stored<'_, Option<Message>>;

    /// Up to `limit` replies of a thread after a place, oldest first, without its first message.
    fn thread(&self, room: RoomId, root: MessageId, after: Seq, limit: usize) -> Stored<'_, Messages>;

    /// Up to `limit` pinned messages, the last pinned first.
    fn pinned(&self, room: RoomId, limit: usize) -> Stored<'_, Vec<Message>>;

    /// Up to `limit` messages before a place, newest first, whose present text holds every one of
    /// `words` as a word, in whatever case. A word is a run of letters and digits. Platform messages and
    /// deleted ones are not found.
    fn search<'a>(
        &'a self,
        room: RoomId,
        words: &'a [String],
        before: Option<Seq>,
        limit: usize,
    ) -> Stored<'a, Messages>;

    /// Up to `limit` messages of one person after a place, in the order of rooms' ids and of places, deleted
    /// ones as tombstones. Walks over all rooms: for exports and erasures.
    fn written(
        &self,
        sender: UserId,
        after: Option<(RoomId, Seq)>,
        limit: usize,
    ) -> Stored<'_, Vec<(RoomId, Message)>>;

    /// What a list of rooms shows, for a reader who has read each room up to a place. A room without
    /// a log is left out.
    fn digests<'a>(
        &'a self,
        reader: Reader<'a>,
        rooms: &'a [(RoomId, Seq)],
    ) -> Stored<'a, HashMap<RoomId, Digest>>;

    /// Up to `limit` rooms that have a log, in the order of their ids after `after`, with its ends.
    fn tops(&self, after: Option<RoomId>, limit: usize) -> Stored<'_, Vec<(RoomId, Top)>>;

    /// Makes the messages of a room again from its events. Answers how many events it read.
    fn refold(&self, room: RoomId) -> Stored<'_, u64>;

    /// Drops every event before `first_seq` (retention), and the messages among them. Positions behind
    /// the cut stay good, so the epoch stays.
    fn cut(&self, room: RoomId, first_seq: Seq) -> Stored<'_, Top>;

    /// Gives the log a new epoch: after a restore from a backup, positions that clients hold may
    /// name events that are no longer there.
    fn renew(&self, room: RoomId) -> Stored<'_, Top>;

    /// Takes over a stretch of another store's log, whose ends are `top`: its events stand at the same
    /// places here, and its epoch is this log's. What is here already stays, so it may be repeated. The
    /// stretch must go on where this log ends; without events only the ends are taken over. For
    /// `gigsy move chat`: nobody else may write.
    fn import<'a>(&'a self, room: RoomId, top: &'a Top, events: &'a [Event]) -> Stored<'a, Top>;
}

/// A room to be made.
#[derive(Clone, Debug)]
pub struct NewRoom {
    /// The room.
    pub room: Room,
    /// Its first members.
    pub members: Vec<Member>,
}

impl NewRoom {
    /// What makes a direct room unique.
    pub(crate) fn direct_key(&self) -> Option<String> {
        if self.room.kind != RoomKind::Direct {
            return None;
        }
        let mut ids: Vec<String> = self.members.iter().map(|member| member.user_id.to_string()).collect();
        ids.sort_unstable();
        Some(ids.join(":"))
    }
}

/// A change that the log does not hold yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Unlogged {
    /// The id its event will have.
    pub id: MessageId,
    /// Who did it.
    pub by: UserId,
    /// What.
    pub payload: Payload,
    /// When.
    pub created_at: DateTime<Utc>,
    /// The request that caused it.
    pub correlation_id: String,
}

impl From<Unlogged> for NewEvent {
    fn from(change: Unlogged) -> Self {
        Self {
            message_id: change.id,
            sender_id: change.by,
            client_msg_id: super::model::ClientMsgId::internal(change.id.0),
            payload: change.payload,
            created_at: change.created_at,
            correlation_id: change.correlation_id,
        }
    }
}

/// A change of a room's own fields; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RoomPatch {
    /// Another name.
    pub name: Option<String>,
    /// Another topic.
    pub topic: Option<String>,
    /// Archive it, or bring it back.
    pub archived: Option<bool>,
    /// Its settings.
    pub settings: SettingsPatch,
}

/// What a moderator does to somebody in a room.
#[derive(Clone, Debug, PartialEq)]
pub enum Sanction {
    /// A member may not write until then; `None` lifts it.
    Suspend(UserId, Option<DateTime<Utc>>),
    /// Nobody may let this person in until then, or at all; a member among [`Edit::members`] goes.
    Ban(UserId, Option<DateTime<Utc>>),
    /// They may be let in again.
    Unban(UserId),
}

impl Sanction {
    /// Whom it is about.
    pub const fn user(&self) -> UserId {
        match self {
            Self::Suspend(user, _) | Self::Ban(user, _) | Self::Unban(user) => *user,
        }
    }
}

/// A line of the audit trail, written with the change that it tells of.
#[derive(Clone, Debug, PartialEq)]
pub struct Audit {
    /// What was done: `member.suspend`.
    pub action: &'static str,
    /// To whom.
    pub user_id: Option<UserId>,
    /// To which message.
    pub message_id: Option<MessageId>,
    /// More of it, an object.
    pub detail: serde_json::Value,
}

/// A change of who is in a room or of the room itself, and by whom.
#[derive(Clone, Debug)]
pub struct Edit {
    /// Who does it.
    pub by: UserId,
    /// Members who come, go, or get another role.
    pub members: Vec<MemberChange>,
    /// The room's own fields.
    pub patch: RoomPatch,
    /// What is done to somebody.
    pub sanction: Option<Sanction>,
    /// What goes into the audit trail.
    pub audit: Option<Audit>,
    /// Refuse with [`Edited::Stale`] unless the room has this version.
    pub if_version: Option<i64>,
    /// The request that causes it.
    pub correlation_id: String,
}

/// What became of an [`Edit`].
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "one of them at a time, and soon taken apart")]
pub enum Edited {
    /// It is done; what has to go into the log, in order.
    Done(Room, Vec<Unlogged>),
    /// The room has another version.
    Stale,
    /// There is no such room.
    Gone,
}

/// A room in a person's list.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// The room.
    pub room: Room,
    /// How many are in it.
    pub member_count: u64,
    /// The person's own membership, if they are in it.
    pub me: Option<Member>,
    /// The other person of a direct room, or of a group of two.
    pub peer: Option<UserId>,
}

/// How far a member has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marks {
    /// Up to where one of their devices has got everything.
    pub delivered: Seq,
    /// Up to where they have read.
    pub read: Seq,
}

/// Rooms and members. Always Postgres.
pub trait RoomStore: Send + Sync + 'static {
    /// Makes a room. A direct room that exists is answered instead of made; the flag tells whether
    /// it was made now.
    fn create(&self, new: NewRoom) -> Stored<'_, (RoomState, bool)>;

    /// A room with all its members.
    fn load(&self, room: RoomId) -> Stored<'_, Option<RoomState>>;

    /// One member, if they are one.
    fn member(&self, room: RoomId, user: UserId) -> Stored<'_, Option<Member>>;

    /// Changes a room and remembers, in the same transaction, what its log has to say about it.
    fn edit(&self, room: RoomId, edit: Edit) -> Stored<'_, Edited>;

    /// What the log does not hold yet, oldest first.
    fn unlogged(&self, room: RoomId) -> Stored<'_, Vec<Unlogged>>;

    /// Forgets what the log holds by now.
    fn logged<'a>(&'a self, room: RoomId, ids: &'a [MessageId]) -> Stored<'a, ()>;

    /// Moves a member's positions forward (never back; what is seen was delivered). Answers the member,
    /// `None` for one who is none.
    fn mark(&self, room: RoomId, user: UserId, marks: Marks) -> Stored<'_, Option<Member>>;

    /// Up to `limit` rooms of a person, newest first, older than `before`.
    fn rooms_of(&self, user: UserId, before: Option<RoomId>, limit: usize) -> Stored<'_, Vec<Listed>>;

    /// Up to `limit` public rooms that are not archived, newest first, older than `before`.
    fn public_rooms(&self, user: UserId, before: Option<RoomId>, limit: usize) -> Stored<'_, Vec<Listed>>;

    /// Up to `limit` members in the order of their ids, after `after`.
    fn members(&self, room: RoomId, after: Option<UserId>, limit: usize) -> Stored<'_, Vec<Member>>;
}
