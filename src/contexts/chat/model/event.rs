//! What a room's log holds. Every change of a room or of a message in it is an event with a place of its
//! own, so that a client that was away converges by replay alone ([`super::fold`] says how).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{ClientMsgId, MemberAction, MemberRole, MessageId, Seq};
use crate::principal::UserId;

/// Whom a message mentions, resolved by the server when it was taken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mentions {
    /// By name, in the order of the text, each once; members of the room.
    #[serde(rename = "mentions", default, skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<UserId>,
    /// Everybody in the room.
    #[serde(rename = "mentions_room", default, skip_serializing_if = "std::ops::Not::not")]
    pub room: bool,
}

impl Mentions {
    /// Whether nobody is mentioned.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty() && !self.room
    }
}

/// Something that goes with a message: a reference to an uploaded object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Attachment {
    /// The object.
    pub object_id: uuid::Uuid,
    /// What it is called.
    pub name: String,
    /// Its media type (RFC 6838).
    pub media_type: String,
    /// Its size in bytes.
    pub size: u64,
}

/// What somebody said.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Said {
    /// The text. Empty once the message was deleted: a log does not keep what was taken back.
    pub body: String,
    /// The message it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<MessageId>,
    /// The first message of the thread that it belongs to; there if `reply_to` is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<MessageId>,
    /// Whom it mentions.
    #[serde(flatten)]
    pub mentions: Mentions,
    /// What goes with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
}

impl Said {
    /// A text and nothing else.
    pub fn text(body: impl Into<String>) -> Self {
        Self { body: body.into(), ..Self::default() }
    }
}

/// What an event says. Each sort that a room can log is a variant; `kind` names it in the store
/// and on the wire. `target` is the id of the message that an event changes.
#[derive(Clone, Debug, PartialEq)]
pub enum Payload {
    /// Somebody said something. The event's id is the message's.
    Message(Said),
    /// The platform said something, for another context. A message as well.
    System {
        /// The text.
        body: String,
        /// What it is about, for clients that show more than text; an object.
        data: Value,
    },
    /// The author changed a message's text.
    Edit {
        /// Which message.
        target: MessageId,
        /// The text from now on. Empty once the message was deleted.
        body: String,
        /// Whom it mentions from now on.
        mentions: Mentions,
    },
    /// The author or a moderator deleted a message.
    Delete {
        /// Which message.
        target: MessageId,
        /// The thread that it was a reply in.
        thread: Option<MessageId>,
    },
    /// The sender reacted to a message, or took that back.
    Reaction {
        /// Which message.
        target: MessageId,
        /// With what.
        emoji: String,
        /// Whether it is there from now on.
        added: bool,
    },
    /// A message was pinned, or is no longer.
    Pin {
        /// Which message.
        target: MessageId,
        /// Whether it is pinned from now on.
        pinned: bool,
    },
    /// The sender's devices got, or the sender saw, everything up to a place (in small rooms).
    Receipt {
        /// Arrived at one of the sender's devices.
        delivered: Seq,
        /// Seen by the sender.
        seen: Seq,
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

#[derive(Deserialize)]
struct SystemData {
    body: String,
    #[serde(default)]
    data: Value,
}

#[derive(Deserialize)]
struct EditData {
    target: MessageId,
    body: String,
    #[serde(flatten)]
    mentions: Mentions,
}

#[derive(Deserialize)]
struct DeleteData {
    target: MessageId,
    #[serde(default)]
    thread: Option<MessageId>,
}

#[derive(Deserialize)]
struct ReactionData {
    target: MessageId,
    emoji: String,
    added: bool,
}

#[derive(Deserialize)]
struct PinData {
    target: MessageId,
    pinned: bool,
}

#[derive(Deserialize)]
struct ReceiptData {
    delivered: Seq,
    seen: Seq,
}

#[derive(Deserialize)]
struct MemberData {
    action: MemberAction,
    user_id: UserId,
    role: MemberRole,
}

fn object(value: impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(value) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

impl Payload {
    /// The `kind` of a message.
    pub const MESSAGE: &'static str = "message";
    /// The `kind` of a message of the platform.
    pub const SYSTEM: &'static str = "system";
    /// The `kind` of a change of a message's text.
    pub const EDIT: &'static str = "edit";
    /// The `kind` of a deletion.
    pub const DELETE: &'static str = "delete";
    /// The `kind` of a reaction.
    pub const REACTION: &'static str = "reaction";
    /// The `kind` of pinning and unpinning.
    pub const PIN: &'static str = "pin";
    /// The `kind` of a receipt.
    pub const RECEIPT: &'static str = "receipt";
    /// The `kind` of a change of members.
    pub const MEMBER: &'static str = "member";
    /// The `kind` of a change of the room.
    pub const ROOM: &'static str = "room";

    /// The name of the sort.
    pub fn kind(&self) -> &str {
        match self {
            Self::Message(_) => Self::MESSAGE,
            Self::System { .. } => Self::SYSTEM,
            Self::Edit { .. } => Self::EDIT,
            Self::Delete { .. } => Self::DELETE,
            Self::Reaction { .. } => Self::REACTION,
            Self::Pin { .. } => Self::PIN,
            Self::Receipt { .. } => Self::RECEIPT,
            Self::Member { .. } => Self::MEMBER,
            Self::Room(_) => Self::ROOM,
            Self::Other { kind, .. } => kind,
        }
    }

    /// Whether the event is a message: a line of its own in the history.
    pub const fn is_message(&self) -> bool {
        matches!(self, Self::Message(_) | Self::System { .. })
    }

    /// The messages that it changes, besides the one it may itself be: the thread that a reply belongs to
    /// first, then the target.
    pub fn touches(&self) -> Vec<MessageId> {
        match self {
            Self::Message(said) => said.thread.into_iter().collect(),
            Self::Delete { target, thread } => thread.iter().chain([target]).copied().collect(),
            Self::Edit { target, .. } | Self::Reaction { target, .. } | Self::Pin { target, .. } => {
                vec![*target]
            }
            _ => Vec::new(),
        }
    }

    /// Whether the event concerns the room or who is in it, not what was said.
    pub const fn is_about_room(&self) -> bool {
        matches!(self, Self::Member { .. } | Self::Room(_) | Self::Other { .. })
    }

    /// The content as it is stored: an object. An event that changes a message names it by `target`.
    pub fn data(&self) -> Value {
        match self {
            Self::Message(said) => Value::Object(object(said)),
            Self::System { body, data } => json!({ "body": body, "data": data }),
            Self::Edit { target, body, mentions } => {
                let mut data = object(mentions);
                data.insert("target".into(), json!(target));
                data.insert("body".into(), json!(body));
                Value::Object(data)
            }
            Self::Delete { target, thread: None } => json!({ "target": target }),
            Self::Delete { target, thread } => json!({ "target": target, "thread": thread }),
            Self::Reaction { target, emoji, added } => {
                json!({ "target": target, "emoji": emoji, "added": added })
            }
            Self::Pin { target, pinned } => json!({ "target": target, "pinned": pinned }),
            Self::Receipt { delivered, seen } => json!({ "delivered": delivered, "seen": seen }),
            Self::Member { action, user_id, role } => {
                json!({ "action": action, "user_id": user_id, "role": role })
            }
            Self::Room(data) | Self::Other { data, .. } => data.clone(),
        }
    }

    /// Reads what [`Payload::kind`] and [`Payload::data`] wrote; fields that it does not know are
    /// passed over.
    pub fn read(kind: &str, data: Value) -> Result<Self, serde_json::Error> {
        Ok(match kind {
            Self::MESSAGE => Self::Message(serde_json::from_value(data)?),
            Self::SYSTEM => {
                let SystemData { body, data } = serde_json::from_value(data)?;
                Self::System { body, data }
            }
            Self::EDIT => {
                let EditData { target, body, mentions } = serde_json::from_value(data)?;
                Self::Edit { target, body, mentions }
            }
            Self::DELETE => {
                let DeleteData { target, thread } = serde_json::from_value(data)?;
                Self::Delete { target, thread }
            }
            Self::REACTION => {
                let ReactionData { target, emoji, added } = serde_json::from_value(data)?;
                Self::Reaction { target, emoji, added }
            }
            Self::PIN => {
                let PinData { target, pinned } = serde_json::from_value(data)?;
                Self::Pin { target, pinned }
            }
            Self::RECEIPT => {
                let ReceiptData { delivered, seen } = serde_json::from_value(data)?;
                Self::Receipt { delivered, seen }
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
    /// The `data` of its publication on `chat:<room>` (docs/chat.md).
    pub fn publication(&self) -> Value {
        let mut data = Map::new();
        data.insert("type".into(), json!(self.payload.kind()));
        data.insert("seq".into(), json!(self.seq));
        data.insert("created_at".into(), json!(self.created_at));
        // Whom the event is about keeps its own name for the one who did it.
        let (by, fields) = match &self.payload {
            Payload::Message(said) => {
                data.insert("message_id".into(), json!(self.message_id));
                data.insert("client_msg_id".into(), json!(self.client_msg_id.as_str()));
                super::super::markup::add_html(&mut data, &said.body);
                ("sender_id", object(said))
            }
            Payload::System { .. } => {
                data.insert("message_id".into(), json!(self.message_id));
                ("sender_id", object(self.payload.data()))
            }
            Payload::Reaction { .. } | Payload::Receipt { .. } => ("user_id", object(self.payload.data())),
            Payload::Edit { body, .. } => {
                super::super::markup::add_html(&mut data, body);
                ("by", object(self.payload.data()))
            }
            _ => ("by", object(self.payload.data())),
        };
        data.insert(by.into(), json!(self.sender_id));
        for (name, value) in fields {
            let name = if name == "target" { "message_id".to_owned() } else { name };
            data.entry(name).or_insert(value);
        }
        Value::Object(data)
    }

    /// What those get of it who have blocked its sender: that there is something at this place. `None` for
    /// what is no text of the sender's and goes to everybody.
    pub fn veiled(&self) -> Option<Value> {
        let (message_id, thread) = match &self.payload {
            Payload::Message(said) => (self.message_id, said.thread),
            Payload::Edit { target, .. } => (*target, None),
            _ => return None,
        };
        let mut data = json!({
            "type": "hidden", "seq": self.seq, "created_at": self.created_at, "message_id": message_id,
        });
        if let Some(thread) = thread {
            data["thread"] = json!(thread);
        }
        Some(data)
    }
}
