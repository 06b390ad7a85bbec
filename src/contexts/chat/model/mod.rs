//! What chat is made of: rooms, members, messages, events. No I/O.

mod event;
mod message;
mod settings;

use std::collections::HashMap;

use chrono::{DateTime, SubsecRound, Utc};
use serde::{Deserialize, Serialize};

#[cfg(test)]
pub use self::message::Reaction;
pub use self::{
    event::{Attachment, Event, Mentions, NewEvent, Payload, Said},
    message::{Message, fold, touched},
    settings::{LastSeenTo, NotifyLevel, ReportReason, RoomSettings, SettingsPatch, Status, words},
};
pub use super::text::{Body, ClientMsgId, RoomName, Topic};
use crate::principal::UserId;

crate::id_type!(
    /// A room.
    RoomId
);
crate::id_type!(
    /// A message, or any other event of a room.
    MessageId
);

/// A position in a room's log: 1, 2, 3 … without a gap; 0 is before the first.
pub type Seq = u64;

/// Members a room may have.
pub const MAX_MEMBERS: usize = 20_000;
/// Members that one request may name.
pub const MAX_NAMED: usize = 2_000;

/// The time, in whole milliseconds: what every store keeps, so that a message reads the same live
/// and from its log.
pub fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(3)
}

/// What sort of room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RoomKind {
    /// Two people, for good: one room a pair.
    Direct,
    /// Members come by invitation.
    Group,
    /// Anybody signed in may find and join it.
    Public,
}

impl RoomKind {
    /// The name in JSON and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Group => "group",
            Self::Public => "public",
        }
    }

    /// The kind of that name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Direct, Self::Group, Self::Public].into_iter().find(|kind| kind.as_str() == name)
    }
}

/// What a member may do. Ordered: a later one may all that an earlier one may.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum MemberRole {
    /// Reads and writes.
    Member,
    /// Also renames the room and manages its members.
    Admin,
    /// Also names admins and archives the room.
    Owner,
}

impl MemberRole {
    /// The name in JSON and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }

    /// The role of that name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Member, Self::Admin, Self::Owner].into_iter().find(|role| role.as_str() == name)
    }
}

/// A room, without its members.
#[derive(Clone, Debug, PartialEq)]
pub struct Room {
    /// Its id.
    pub id: RoomId,
    /// Its kind.
    pub kind: RoomKind,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// What it is about; may be empty.
    pub topic: String,
    /// Who made it.
    pub created_by: UserId,
    /// When.
    pub created_at: DateTime<Utc>,
    /// Since when it is closed to new messages.
    pub archived_at: Option<DateTime<Utc>>,
    /// Grows with every change of the room or its members.
    pub version: i64,
    /// What its admins decided.
    pub settings: RoomSettings,
}

/// Somebody in a room.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// Who.
    pub user_id: UserId,
    /// As what.
    pub role: MemberRole,
    /// Since when.
    pub joined_at: DateTime<Utc>,
    /// Up to which event they have read.
    pub read_seq: Seq,
    /// Up to which event one of their devices has got.
    pub delivered_seq: Seq,
    /// Until when they may not write.
    pub suspended_until: Option<DateTime<Utc>>,
}

impl Member {
    /// A member who has read nothing.
    pub const fn new(user_id: UserId, role: MemberRole, joined_at: DateTime<Utc>) -> Self {
        Self { user_id, role, joined_at, read_seq: 0, delivered_seq: 0, suspended_until: None }
    }
}

/// A room and everybody in it.
#[derive(Clone, Debug, PartialEq)]
pub struct RoomState {
    /// The room.
    pub room: Room,
    /// By person.
    pub members: HashMap<UserId, Member>,
}

/// One change of who is in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberChange {
    /// Whom it is about.
    pub user_id: UserId,
    /// What happens.
    pub action: MemberAction,
    /// The role afterwards; of one who goes, the role they had.
    pub role: MemberRole,
}

/// What happens to a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MemberAction {
    /// Somebody invited them.
    Added,
    /// They came by themselves.
    Joined,
    /// Somebody put them out.
    Removed,
    /// They went by themselves.
    Left,
    /// Their role changed.
    Role,
    /// They may not write for a while.
    Suspended,
    /// They may write again.
    Restored,
}

impl MemberAction {
    /// Whether the person is in the room afterwards.
    pub const fn stays(self) -> bool {
        !matches!(self, Self::Removed | Self::Left)
    }
}
