//! What a room can be asked.

use crate::{
    actors::Request,
    contexts::chat::{
        emoji::Emoji,
        error::ChatError,
        model::{Body, ClientMsgId, Member, MemberRole, Mentions, MessageId, Room, Said, Seq},
        store::{Marks, RoomPatch, Sanction},
    },
    principal::UserId,
    realtime::{ClientInfo, Json},
};

/// A message that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Its id.
    pub message_id: MessageId,
    /// Its place in the room's log.
    pub seq: Seq,
    /// The log's epoch.
    pub epoch: String,
    /// Whether it had been taken before.
    pub duplicate: bool,
}

/// Say something. Answered once it is durable.
pub struct Send {
    /// Who.
    pub who: UserId,
    /// The id it will have, unless it is a duplicate. Made by the caller, so that asking again after
    /// a crash of the actor is the same message.
    pub message_id: MessageId,
    /// What the sender calls it.
    pub client_msg_id: ClientMsgId,
    /// What; whom it mentions and what it answers are resolved.
    pub said: Said,
}

impl Request for Send {
    type Answer = Result<Sent, ChatError>;
}

/// What a reader may see.
#[derive(Clone, Debug)]
pub struct Access {
    /// The room.
    pub room: Room,
    /// Their role; `None` for a stranger to a public room (who may look at it, not into it).
    pub me: Option<MemberRole>,
    /// How many are in it.
    pub member_count: usize,
    /// The last event that was published.
    pub top: Seq,
    /// The log's epoch.
    pub epoch: String,
}

/// May this person read the room?
pub struct Enter {
    /// Who.
    pub who: UserId,
}

impl Request for Enter {
    type Answer = Result<Access, ChatError>;
}

/// A stranger may look at a public room: name, topic, how many are in it.
pub struct Look {
    /// Who.
    pub who: UserId,
}

impl Request for Look {
    type Answer = Result<Access, ChatError>;
}

/// Everything about a room, for a member.
pub struct Show {
    /// Who asks.
    pub who: UserId,
    /// Members to name at most.
    pub members: usize,
}

impl Request for Show {
    type Answer = Result<Shown, ChatError>;
}

/// What [`Show`] shows.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The room and the asker's place in it.
    pub access: Access,
    /// Some members, those of higher role first, then the longest-standing.
    pub members: Vec<Member>,
}

/// A change was made.
#[derive(Clone, Debug)]
pub struct Changed {
    /// The room as it is now.
    pub room: Room,
    /// How many are in it now.
    pub member_count: usize,
    /// Of the members that the change is about, those who are in the room now.
    pub members: Vec<Member>,
}

/// Invite people.
pub struct AddMembers {
    /// Who invites.
    pub who: UserId,
    /// Whom; those who are in it stay as they are.
    pub users: Vec<UserId>,
}

impl Request for AddMembers {
    type Answer = Result<Changed, ChatError>;
}

/// Join a public room.
pub struct Join {
    /// Who.
    pub who: UserId,
}

impl Request for Join {
    type Answer = Result<Changed, ChatError>;
}

/// Put somebody out; oneself: leave.
pub struct RemoveMember {
    /// Who does it.
    pub who: UserId,
    /// Who goes.
    pub user: UserId,
}

impl Request for RemoveMember {
    type Answer = Result<Changed, ChatError>;
}

/// Change a member's role.
pub struct SetRole {
    /// Who does it.
    pub who: UserId,
    /// Whose.
    pub user: UserId,
    /// To what.
    pub role: MemberRole,
}

impl Request for SetRole {
    type Answer = Result<Changed, ChatError>;
}

/// Rename the room, change its topic, archive it or bring it back.
pub struct Change {
    /// Who.
    pub who: UserId,
    /// What.
    pub patch: RoomPatch,
    /// Only if the room has this version.
    pub if_version: Option<i64>,
}

impl Request for Change {
    type Answer = Result<Changed, ChatError>;
}

/// Somebody is typing.
pub struct Typing {
    /// Who.
    pub who: UserId,
}

impl Request for Typing {
    type Answer = Result<(), ChatError>;
}

/// Something for the programs of those who are there; kept nowhere.
pub struct Tell {
    /// Who.
    pub who: UserId,
    /// By which connection, as the others see it.
    pub client: ClientInfo,
    /// What.
    pub data: Json,
}

impl Request for Tell {
    type Answer = Result<(), ChatError>;
}

/// Somebody has got or read up to a place.
pub struct Mark {
    /// Who.
    pub who: UserId,
    /// Up to where; past the log's end it is the end.
    pub marks: Marks,
}

impl Request for Mark {
    type Answer = Result<Marked, ChatError>;
}

/// What became of a [`Mark`].
#[derive(Clone, Debug)]
pub struct Marked {
    /// The member now: a position never goes back.
    pub member: Member,
    /// Whether a position moved.
    pub moved: bool,
    /// Whether others are to see it: the room is small, and there was a message to see.
    pub receipt: bool,
}

/// Shows the others how far somebody has come.
pub struct Receipt {
    /// Who.
    pub who: UserId,
}

impl Request for Receipt {
    type Answer = Result<(), ChatError>;
}

/// What is done to a message.
#[derive(Clone, Debug)]
pub enum Alteration {
    /// Another text, with whom it mentions.
    Edit(Body, Mentions),
    /// Delete it.
    Delete,
    /// React, or take it back.
    React(Emoji, bool),
    /// Pin it, or no longer.
    Pin(bool),
}

/// Change a message. Answered once it is durable; where nothing changes, with the place of the last
/// change.
pub struct Alter {
    /// Who.
    pub who: UserId,
    /// Whether they moderate the whole platform, and may act in rooms that they are not in.
    pub moderator: bool,
    /// Which message.
    pub target: MessageId,
    /// What.
    pub what: Alteration,
    /// Only if nothing has happened to the message after this event.
    pub seen: Option<Seq>,
}

impl Request for Alter {
    type Answer = Result<Sent, ChatError>;
}

/// Do something to somebody in the room.
pub struct Discipline {
    /// Who does it.
    pub who: UserId,
    /// Whether they moderate the whole platform.
    pub moderator: bool,
    /// What.
    pub sanction: Sanction,
    /// Why.
    pub reason: String,
}

impl Request for Discipline {
    type Answer = Result<Changed, ChatError>;
}

/// The two of a direct room may have blocked or unblocked each other.
pub struct Reconsider;

impl Request for Reconsider {
    type Answer = ();
}

/// Another writer (a node, a restore) may have written to the room's log: look and publish.
pub struct CatchUp;

impl Request for CatchUp {
    type Answer = ();
}

/// Panics.
#[cfg(test)]
pub struct Poison;

#[cfg(test)]
impl Request for Poison {
    type Answer = ();
}
