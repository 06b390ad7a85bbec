//! What chat is made of: rooms, members, messages, events. No I/O.

use std::collections::HashMap;

use chrono::{DateTime, SubsecRound, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

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
}

impl MemberAction {
    /// Whether the person is in the room afterwards.
    pub const fn stays(self) -> bool {
        !matches!(self, Self::Removed | Self::Left)
    }
}

/// What an event says. Each sort that a room can log is a variant; `kind` names it in the store
/// and on the wire.
#[derive(Clone, Debug, PartialEq)]
pub enum Payload {
    /// Somebody said something.
    Message {
        /// The text.
        body: String,
        /// The message it answers.
        reply_to: Option<MessageId>,
    },
    /// Who is in the room changed.
    Member {
        /// What happened.
        action: MemberAction,
        /// To whom.
        user_id: UserId,
        /// Their role.
        role: MemberRole,
    },
    /// The room itself changed: renamed, archived, … The data says what.
    Room(Value),
    /// A sort that this version does not know (a newer node wrote it): passed on untouched.
    Other {
        /// Its name.
        kind: String,
        /// Its content.
        data: Value,
    },
}

#[derive(Serialize, Deserialize)]
struct MessageData {
    body: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reply_to: Option<MessageId>,
}

#[derive(Serialize, Deserialize)]
struct MemberData {
    action: MemberAction,
    user_id: UserId,
    role: MemberRole,
}

impl Payload {
    /// The `kind` of a message.
    pub const MESSAGE: &'static str = "message";
    /// The `kind` of a change of members.
    pub const MEMBER: &'static str = "member";
    /// The `kind` of a change of the room.
    pub const ROOM: &'static str = "room";

    /// The name of the sort.
    pub fn kind(&self) -> &str {
        match self {
            Self::Message { .. } => Self::MESSAGE,
            Self::Member { .. } => Self::MEMBER,
            Self::Room(_) => Self::ROOM,
            Self::Other { kind, .. } => kind,
        }
    }

    /// The content as it is stored.
    pub fn data(&self) -> Value {
        match self {
            Self::Message { body, reply_to } => match reply_to {
                Some(id) => json!({ "body": body, "reply_to": id }),
                None => json!({ "body": body }),
            },
            Self::Member { action, user_id, role } => {
                json!({ "action": action, "user_id": user_id, "role": role })
            }
            Self::Room(data) | Self::Other { data, .. } => data.clone(),
        }
    }

    /// Reads what [`Payload::kind`] and [`Payload::data`] wrote.
    pub fn read(kind: &str, data: Value) -> Result<Self, serde_json::Error> {
        Ok(match kind {
            Self::MESSAGE => {
                let MessageData { body, reply_to } = serde_json::from_value(data)?;
                Self::Message { body, reply_to }
            }
            Self::MEMBER => {
                let MemberData { action, user_id, role } = serde_json::from_value(data)?;
                Self::Member { action, user_id, role }
            }
            Self::ROOM => Self::Room(data),
            kind => Self::Other { kind: kind.to_owned(), data },
        })
    }
}

/// An event on its way into a log.
#[derive(Clone, Debug, PartialEq)]
pub struct NewEvent {
    /// The id it gets if it is new.
    pub message_id: MessageId,
    /// Who did it.
    pub sender_id: UserId,
    /// Makes a resend harmless: unique per room and sender.
    pub client_msg_id: ClientMsgId,
    /// What it says.
    pub payload: Payload,
    /// When.
    pub created_at: DateTime<Utc>,
    /// The request that caused it.
    pub correlation_id: String,
}

impl NewEvent {
    /// The event as it stands in the log at `seq`.
    pub fn at(self, seq: Seq) -> Event {
        Event {
            seq,
            message_id: self.message_id,
            sender_id: self.sender_id,
            client_msg_id: self.client_msg_id,
            payload: self.payload,
            created_at: self.created_at,
            correlation_id: self.correlation_id,
        }
    }
}

/// An event in a log.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Its place.
    pub seq: Seq,
    /// Its id.
    pub message_id: MessageId,
    /// Who did it.
    pub sender_id: UserId,
    /// What the sender called it.
    pub client_msg_id: ClientMsgId,
    /// What it says.
    pub payload: Payload,
    /// When.
    pub created_at: DateTime<Utc>,
    /// The request that caused it.
    pub correlation_id: String,
}

impl Event {
    /// The `data` of its publication on `chat:<room>` (design/realtime.md).
    pub fn publication(&self) -> Value {
        match &self.payload {
            Payload::Message { body, reply_to } => {
                let mut data = json!({
                    "type": Payload::MESSAGE, "message_id": self.message_id, "seq": self.seq,
                    "sender_id": self.sender_id, "body": body, "client_msg_id": self.client_msg_id.as_str(),
                    "created_at": self.created_at,
                });
                if let Some(id) = reply_to {
                    data["reply_to"] = json!(id);
                }
                data
            }
            Payload::Member { action, user_id, role } => json!({
                "type": Payload::MEMBER, "action": action, "user_id": user_id, "role": role,
                "by": self.sender_id, "seq": self.seq, "created_at": self.created_at,
            }),
            Payload::Room(fields) | Payload::Other { data: fields, .. } => {
                let mut data = json!({
                    "type": self.payload.kind(), "by": self.sender_id, "seq": self.seq,
                    "created_at": self.created_at,
                });
                if let (Some(data), Some(fields)) = (data.as_object_mut(), fields.as_object()) {
                    for (name, value) in fields {
                        data.entry(name.clone()).or_insert_with(|| value.clone());
                    }
                }
                data
            }
        }
    }
}
